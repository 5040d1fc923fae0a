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
	[KERNEL_NFT_MASQ] = { OPTIONAL, "routers that masquerade",
			      "a kernel with CONFIG_NF_TABLES_INET, "
			      "CONFIG_NFT_MASQ, CONFIG_NFT_CT and "
			      "CONFIG_NF_CONNTRACK, or 'modprobe -a nf_tables "
			      "nft_chain_nat nft_masq nft_ct "
			      "nf_conntrack_netlink'" },
	[KERNEL_MPTCP] = { OPTIONAL, "probes with mptcp",
			   "a kernel with CONFIG_MPTCP, and 'sysctl "
			   "net.mptcp.enabled=1'" },
	[KERNEL_TUN] = { USUAL, "services with resolver sal, emulated links",
			 "'modprobe tun' and 'chmod 666 /dev/net/tun' as root "
			 "(distributions ship it so); in a container, the "
			 "device (docker: --device /dev/net/tun)" },
	[KERNEL_SCH_TBF] = { OPTIONAL, "links of backend kernel with a rate",
			     "a kernel with CONFIG_NET_SCH_TBF; or 'backend: "
			     "emulated', which needs only tun" },
	[KERNEL_SCH_NETEM] = { OPTIONAL,
			       "links of backend kernel with a delay, loss, "
			       "...",
			       "a kernel with CONFIG_NET_SCH_NETEM, or "
			       "'modprobe sch_netem'; or 'backend: emulated', "
			       "which needs only tun" },
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

static bool needs_tun(const struct plan *plan)
{
	return plan_has_sald(plan) || scn_has_emulated(plan->scenario);
}

/* Of the kernel's queues: netem, or else tbf. */
static bool asks_of_kernel(const struct link_params *p, bool netem)
{
	struct link_params rest = *p;

	rest.rate_bps = 0;
	return netem ? !link_params_are_plain(&rest) : p->rate_bps > 0;
}

/* At first, or by a change of the timeline. */
static bool needs_kernel(const struct plan *plan, size_t link, bool netem)
{
	const struct scenario *s = plan->scenario;

	if (s->links.v[link].emulated)
		return false;
	for (size_t end = 0; end < 2; end++)
		if (asks_of_kernel(&s->links.v[link].params[end], netem))
			return true;
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < 2 * e->actions.n; k++) {
			const struct scn_action *a = &e->actions.v[k / 2];
			struct link_params p;

			if (a->kind != SCN_ACTION_LINK_CHANGE ||
			    a->change.link != link)
				continue;
			link_params_init(&p);
			link_params_apply(&p, &a->change.set->from[k % 2]);
			if (asks_of_kernel(&p, netem))
				return true;
		}
	}
	return false;
}

static bool needs_netem(const struct plan *plan)
{
	for (size_t i = 0; i < plan->scenario->links.n; i++)
		if (needs_kernel(plan, i, true))
			return true;
	return false;
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
	for (size_t i = 0; i < plan->ifaces.n; i++)
		need[KERNEL_NFT_MASQ] |= plan_masquerades(plan, i);
	need[KERNEL_MPTCP] = plan_has_mptcp(plan);
	need[KERNEL_TUN] = needs_tun(plan);
	for (size_t i = 0; i < plan->scenario->links.n; i++) {
		need[KERNEL_SCH_TBF] |= needs_kernel(plan, i, false);
		need[KERNEL_VETH] |= !plan->scenario->links.v[i].emulated;
	}
	need[KERNEL_SCH_NETEM] = needs_netem(plan);
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

	if (!needs_tun(plan) || !access("/dev/net/tun", R_OK | W_OK))
		return true;
	err_errno(&why, errno, "open /dev/net/tun");
	print_missing(KERNEL_TUN, &why);
	return false;
}

bool check_netem(const struct plan *plan)
{
	struct err why = ERR_INIT;

	if (!needs_netem(plan) || kernel_probe(KERNEL_SCH_NETEM, &why))
		return true;
	print_missing(KERNEL_SCH_NETEM, &why);
	return false;
}

bool check_mptcp(const struct plan *plan)
{
	struct err why = ERR_INIT;

	if (!plan_has_mptcp(plan) || kernel_probe(KERNEL_MPTCP, &why))
		return true;
	print_missing(KERNEL_MPTCP, &why);
	return false;
}

/* Who can carry links here, and what the kernel's part of it can do. */
static void print_backends(const bool *works)
{
	printf("\nlinks of backend emulated: %s\n",
	       works[KERNEL_TUN] ? "yes" : "no, for want of tun");
	if (!works[KERNEL_VETH]) {
		printf("links of backend kernel: no, for want of veth\n");
		return;
	}
	printf("links of backend kernel: yes, %s a rate (tbf), %s delay, loss, "
	       "... (netem)\n",
	       works[KERNEL_SCH_TBF] ? "with" : "without",
	       works[KERNEL_SCH_NETEM] ? "with" : "without");
}

int cmd_doctor(int argc, char **argv)
{
	struct utsname uts;
	bool good = true, always = true;
	bool all[KERNEL_FEATURE_COUNT_];
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

		all[f] = works;
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
	print_backends(all);
	printf("\n%s\n", good	? "Labs can be built here." :
			 always ? "Labs can be built here, but not those with "
				  "sal services or emulated links." :
				  "Labs cannot be built here yet.");
	return good ? EXIT_HELD : EXIT_BROKEN;
}
