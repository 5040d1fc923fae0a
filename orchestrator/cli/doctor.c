/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this kernel lets this user do, and what to do where it does not. */
#include "orchestrator/cli/cli.h"

#include "orchestrator/kernel/kernel.h"

#include <errno.h>
#include <sys/utsname.h>
#include <unistd.h>

enum need {
	OPTIONAL, /* labs do without, or few need it */
	USUAL, /* what servalab is for needs it */
	ALWAYS, /* by every lab */
};

static const struct {
	enum need need;
	const char *purpose, *remedy;
} facts[KERNEL_FEATURE_COUNT_] = {
	[KERNEL_USERNS] = { ALWAYS, "labs of an ordinary user",
			    "sysctl kernel.unprivileged_userns_clone=1 or "
			    "kernel.apparmor_restrict_unprivileged_userns=0, "
			    "as this system has it; or run as root" },
	[KERNEL_NETNS] = { ALWAYS, "nodes",
			   "a kernel with CONFIG_NET_NS; inside a container, "
			   "the right to unshare (docker: --security-opt "
			   "seccomp=unconfined --cap-add SYS_ADMIN)" },
	[KERNEL_PIDNS_PROC] = { ALWAYS, "the sandbox",
				"inside a container, an unmasked /proc "
				"(docker: "
				"--security-opt systempaths=unconfined)" },
	[KERNEL_VETH] = { ALWAYS, "links",
			  "a kernel with CONFIG_VETH, or 'modprobe veth'" },
	[KERNEL_BRIDGE] = { OPTIONAL,
			    "nodes of kind bridge, links that go down",
			    "a kernel with CONFIG_BRIDGE, or 'modprobe "
			    "bridge'" },
	[KERNEL_NFT_NAT] = { OPTIONAL, "services with resolver nat",
			     "a kernel with CONFIG_NF_TABLES_INET, "
			     "CONFIG_NFT_NAT and CONFIG_NF_CONNTRACK, or "
			     "'modprobe -a nf_tables nft_chain_nat nft_nat "
			     "nf_conntrack_netlink'" },
	[KERNEL_TUN] = { USUAL, "services with resolver sal",
			 "'modprobe tun' and 'chmod 666 /dev/net/tun' as root "
			 "(distributions ship it so); in a container, the "
			 "device (docker: --device /dev/net/tun)" },
	[KERNEL_SCH_TBF] = { OPTIONAL, "links with a rate",
			     "a kernel with CONFIG_NET_SCH_TBF" },
	[KERNEL_SCH_NETEM] = { OPTIONAL,
			       "comparing with the kernel's emulation, "
			       "to come",
			       "a kernel with CONFIG_NET_SCH_NETEM; labs do "
			       "without" },
};

/* Without processes or descriptors to try with, nothing is known of it. */
static const char *remedy_of(enum kernel_feature feature, const struct err *why)
{
	const char *hint = resource_hint(why->code);

	return hint ? hint : facts[feature].remedy;
}

static void print_missing(enum kernel_feature feature, const struct err *why)
{
	fprintf(stderr, "servalab: error: %s: %s\n",
		kernel_feature_name(feature), why->msg);
	fprintf(stderr, "  needed for: %s\n", facts[feature].purpose);
	fprintf(stderr, "help: %s\n", remedy_of(feature, why));
}

void check_features(const struct plan *plan)
{
	bool need[KERNEL_FEATURE_COUNT_] = { false };

	for (size_t f = 0; f < KERNEL_FEATURE_COUNT_; f++)
		need[f] = facts[f].need == ALWAYS;
	for (size_t i = 0; i < plan->networks.n; i++)
		need[KERNEL_BRIDGE] |=
			plan->networks.v[i].bridge_iface != SCN_NONE;
	for (size_t i = 0; i < plan->services.n; i++)
		need[KERNEL_NFT_NAT] |=
			plan->scenario->services.v[i].resolver ==
			SCN_RESOLVER_NAT;
	need[KERNEL_TUN] = plan_has_sald(plan);
	for (size_t i = 0; i < plan->links.n; i++)
		need[KERNEL_SCH_TBF] |= plan->scenario->links.v[i].rate_bps > 0;
	need[KERNEL_VETH] = plan->links.n > 0;
	for (size_t f = 0; f < KERNEL_FEATURE_COUNT_; f++) {
		struct err why = ERR_INIT;

		if (need[f] && !kernel_probe((enum kernel_feature)f, &why))
			print_missing((enum kernel_feature)f, &why);
	}
}

/* One look; trying all of it beforehand would cost more than a small lab does.
 */
bool check_tun(const struct plan *plan)
{
	struct err why = ERR_INIT;

	if (!plan_has_sald(plan) || !access("/dev/net/tun", R_OK | W_OK))
		return true;
	err_errno(&why, errno, "open /dev/net/tun");
	print_missing(KERNEL_TUN, &why);
	return false;
}

int cmd_doctor(int argc, char **argv)
{
	struct utsname uts;
	bool good = true, always = true;
	int code;

	if (!take_words(argc, argv, &code))
		return code;
	if (optind < argc)
		return usage_error("doctor", "it takes no words");
	uname(&uts);
	printf("kernel %s, %s\n\n", uts.release,
	       geteuid() ? "an ordinary user" : "root");
	for (size_t f = 0; f < KERNEL_FEATURE_COUNT_; f++) {
		struct err why = ERR_INIT;
		bool works = kernel_probe((enum kernel_feature)f, &why);

		printf("%-8s %-28s %s\n",
		       works	     ? "ok" :
		       facts[f].need ? "MISSING" :
				       "missing",
		       kernel_feature_name((enum kernel_feature)f),
		       facts[f].purpose);
		if (works)
			continue;
		printf("         %s\n         help: %s\n", why.msg,
		       remedy_of((enum kernel_feature)f, &why));
		good &= facts[f].need == OPTIONAL;
		always &= facts[f].need != ALWAYS;
	}
	printf("\n%s\n", good	? "Labs can be built here." :
			 always ? "Labs can be built here, but not those with "
				  "sal services." :
				  "Labs cannot be built here yet.");
	return good ? EXIT_HELD : EXIT_BROKEN;
}
