/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether something works is found out by doing it: version numbers, module
 * lists and /proc/config.gz say what a kernel was built with, not what this
 * user in this container may use of it. It is done by the functions that will
 * do it later, in a child in namespaces of its own, which takes all of it away
 * with it, and whose privileges are those that a lab would have.
 */
#include "orchestrator/kernel/batch.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/netem.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIAL_TIMEOUT_MS 20000

/* ---- the trials --------------------------------------------------------- */

static int nothing_more(struct kernel *k, struct err *err)
{
	(void)k;
	(void)err;
	return 0;
}

/* Goes on in a new pid namespace, as its first process. */
static int try_proc(struct kernel *k, struct err *err)
{
	int status;
	pid_t pid;

	(void)k;
	pid = fork();
	if (pid < 0)
		return err_errno(err, errno, "start a process");
	if (pid > 0) {
		/* That one tells the result, in our stead. */
		waitpid(pid, &status, 0);
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_errno(err, errno, "make the mounts private");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL))
		return err_errno(err, errno, "mount /proc");
	return 0;
}

static struct kbatch *home_batch(struct kernel *k, struct err *err)
{
	struct kbatch *b = NULL;
	struct kns *home;

	if (kns_home(k, &home, err))
		return NULL;
	b = kbatch_new(home);
	if (!b)
		err_errno(err, ENOMEM, "gather requests");
	return b;
}

static int try_veth(struct kernel *k, struct err *err)
{
	struct kbatch *b = home_batch(k, err);
	struct kveth_end end[2] = {
		{ .name = "probe0", .ifindex = 10 },
		{ .name = "probe1", .ifindex = 11 },
	};
	struct kns *other;
	int r;

	if (!b)
		return -err->code;
	r = kns_new(k, &other, err);
	if (r)
		return r;
	end[0].ns = kbatch_ns(b);
	end[1].ns = other;
	r = kbatch_veth_add(b, 0, &end[0], &end[1], 0, NULL, err);
	return r ? r : kbatch_commit(b, NULL, err);
}

static int try_bridge(struct kernel *k, struct err *err)
{
	struct kbatch *b = home_batch(k, err);
	int r;

	if (!b)
		return -err->code;
	r = kbatch_bridge_add(b, 0, "probe", 10, NULL, err);
	return r ? r : kbatch_commit(b, NULL, err);
}

static int try_nat(struct kernel *k, struct err *err)
{
	struct knat_target targets[2] = { { .weight = 1 }, { .weight = 2 } };
	struct knat_binding bind = {
		.protocol = IPPROTO_UDP, .port = 53, .targets = targets, .n = 2
	};
	const struct kconntrack_flows flows = { .addrs = &bind.from, .n = 1 };
	struct kns *home;
	int r;

	ip_parse_addr("198.18.0.1", &bind.from);
	ip_parse_addr("10.64.0.1", &targets[0].to);
	ip_parse_addr("10.64.0.2", &targets[1].to);
	r = kns_home(k, &home, err);
	if (!r)
		r = knat_init(home, err);
	if (!r)
		r = knat_add(home, &bind, 1, err);
	if (!r)
		r = kns_conntrack_flush(home, &flows, NULL, err);
	return r;
}

static int try_masquerade(struct kernel *k, struct err *err)
{
	const uint32_t lo = 1;
	const struct kmasq m = {
		.ifindexes = &lo, .n = 1, .first_port = 1024, .last_port = 2047
	};
	unsigned deleted;
	struct kns *home;
	int r;

	r = kns_home(k, &home, err);
	if (!r)
		r = kmasq_set(home, &m, err);
	if (!r)
		r = kns_conntrack_flush_all(home, &deleted, err);
	return r;
}

static int try_mptcp(struct kernel *k, struct err *err)
{
	CLEANUP_CLOSE int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	struct kns *home;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "open a socket of MPTCP");
	r = kns_home(k, &home, err);
	return r ? r : kmptcp_limits(home, 2, 2, err);
}

static int try_tun(struct kernel *k, struct err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	CLEANUP_CLOSE int fd = -1;

	(void)k;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "open /dev/net/tun");
	if (ioctl(fd, TUNSETIFF, &ifr))
		return err_errno(err, errno, "create a TUN device");
	return 0;
}

/* The qdisc is the root of an interface that needs not be up. */
static int try_qdisc(struct kernel *k, const char *kind,
		     void (*configure)(struct rtnl_qdisc *), struct err *err)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	struct kbatch *b = home_batch(k, err);
	struct nl_msg *msg = NULL;
	char what[64];
	int r;

	if (!b)
		return -err->code;
	snprintf(what, sizeof(what), "add a queueing discipline %s", kind);
	r = kbatch_bridge_add(b, 0, "probe", 10, NULL, err);
	if (!r)
		r = kbatch_commit(b, NULL, err);
	if (r)
		return r;
	if (!qdisc)
		return err_errno(err, ENOMEM, "%s", what);
	rtnl_tc_set_ifindex(TC_CAST(qdisc), 10);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
	r = rtnl_tc_set_kind(TC_CAST(qdisc), kind);
	if (r >= 0) {
		configure(qdisc);
		r = rtnl_qdisc_build_add_request(
			qdisc, NLM_F_CREATE | NLM_F_EXCL, &msg);
	}
	r = kbatch_put(b, 0, what, msg, r, 0, NULL, err);
	return r ? r : kbatch_commit(b, NULL, err);
}

static void tbf_configure(struct rtnl_qdisc *qdisc)
{
	rtnl_qdisc_tbf_set_rate(qdisc, 1000000, 15000, 0);
	rtnl_qdisc_tbf_set_limit(qdisc, 100000);
}

static int try_tbf(struct kernel *k, struct err *err)
{
	return try_qdisc(k, "tbf", tbf_configure, err);
}

static void netem_configure(struct rtnl_qdisc *qdisc)
{
	rtnl_netem_set_limit(qdisc, 1000);
	rtnl_netem_set_delay(qdisc, 1000);
}

static int try_netem(struct kernel *k, struct err *err)
{
	return try_qdisc(k, "netem", netem_configure, err);
}

/* clang-format off */
static const struct feature {
	const char *name;
	int namespaces; /* the trial is done in new ones of these */
	bool kernel_init; /* over netlink */
	int (*attempt)(struct kernel *k, struct err *err);
	const char *hint;
} features[] = {
	[KERNEL_USERNS] = {
		"user namespaces", CLONE_NEWUSER, false, nothing_more,
		"allow them (sysctl user.max_user_namespaces above 0; "
		"kernel.unprivileged_userns_clone=1 on Debian, "
		"kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu), "
		"or run as root",
	},
	[KERNEL_NETNS] = {
		"network namespaces", CLONE_NEWNET, true, nothing_more,
		"needs CONFIG_NET_NS and user.max_net_namespaces above 0",
	},
	[KERNEL_PIDNS_PROC] = {
		"/proc in a pid namespace", CLONE_NEWPID | CLONE_NEWNS, false,
		try_proc,
		"a container must not mask its own /proc (with Docker: "
		"--security-opt systempaths=unconfined)",
	},
	[KERNEL_VETH] = {
		"veth", CLONE_NEWNET, true, try_veth,
		"modprobe veth (CONFIG_VETH)",
	},
	[KERNEL_BRIDGE] = {
		"bridge", CLONE_NEWNET, true, try_bridge,
		"modprobe bridge (CONFIG_BRIDGE)",
	},
	[KERNEL_NFT_NAT] = {
		"nftables NAT", CLONE_NEWNET, true, try_nat,
		"modprobe nft_nat nf_conntrack_netlink (CONFIG_NF_TABLES_INET, "
		"CONFIG_NFT_NAT, CONFIG_NF_CT_NETLINK)",
	},
	[KERNEL_NFT_MASQ] = {
		"nftables masquerading", CLONE_NEWNET, true, try_masquerade,
		"modprobe -a nft_masq nft_ct nf_conntrack_netlink "
		"(CONFIG_NF_TABLES_INET, CONFIG_NFT_MASQ, CONFIG_NFT_CT, "
		"CONFIG_NF_CT_NETLINK)",
	},
	[KERNEL_MPTCP] = {
		"MPTCP", CLONE_NEWNET, true, try_mptcp,
		"CONFIG_MPTCP, and sysctl net.mptcp.enabled=1",
	},
	[KERNEL_TUN] = {
		"tun", CLONE_NEWNET, false, try_tun,
		"modprobe tun, and chmod 0666 /dev/net/tun as root",
	},
	[KERNEL_SCH_TBF] = {
		"tbf queueing discipline", CLONE_NEWNET, true, try_tbf,
		"modprobe sch_tbf (CONFIG_NET_SCH_TBF)",
	},
	[KERNEL_SCH_NETEM] = {
		"netem queueing discipline", CLONE_NEWNET, true, try_netem,
		"modprobe sch_netem (CONFIG_NET_SCH_NETEM)",
	},
};
/* clang-format on */

static_assert(sizeof(features) / sizeof(features[0]) == KERNEL_FEATURE_COUNT_,
	      "every feature has its trial");

/* ---- the child ---------------------------------------------------------- */

/* What comes back by the pipe: less than PIPE_BUF, so in one piece. */
struct verdict {
	int result;
	struct err err;
};

static_assert(sizeof(struct verdict) < 4096, "fits a pipe's atomic write");

static int file_write(const char *path, const char *text, struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_errno(err, errno, "write %s", path);
	return 0;
}

static int namespaces_enter(int flags, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];
	int r;

	if (uid != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags))
		return err_errno(err, errno, "create namespaces");
	if (!(flags & CLONE_NEWUSER))
		return 0;
	r = file_write("/proc/self/setgroups", "deny", err);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!r)
		r = file_write("/proc/self/uid_map", map, err);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (!r)
		r = file_write("/proc/self/gid_map", map, err);
	return r;
}

static void child_run(const struct feature *f, int fd)
{
	struct verdict v = { 0 };
	struct kernel k;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	v.result = namespaces_enter(f->namespaces, &v.err);
	if (!v.result && f->kernel_init)
		v.result = kernel_init(&k, 0, 0, &v.err);
	if (!v.result)
		v.result = f->attempt(&k, &v.err);
	if (v.result && !v.err.hint[0])
		err_hint(&v.err, "%s", f->hint);
	v.err.pos = (struct src_pos){ 0 };
	_exit(write(fd, &v, sizeof(v)) != (ssize_t)sizeof(v));
}

/* ---- the parent --------------------------------------------------------- */

static int verdict_read(int fd, struct verdict *v, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, TRIAL_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_set(err, ETIMEDOUT, "no result after %d s",
			       TRIAL_TIMEOUT_MS / 1000);
	n = read(fd, v, sizeof(*v));
	if (n != (ssize_t)sizeof(*v))
		return err_set(err, EIO, "the trial ended without a result");
	return 0;
}

static bool trial_run(const struct feature *f, struct err *why)
{
	CLEANUP_CLOSE int in = -1, out = -1;
	struct verdict v;
	int pipefd[2];
	pid_t pid;
	int r;

	if (pipe2(pipefd, O_CLOEXEC))
		return err_errno(why, errno, "open a pipe"), false;
	in = pipefd[0];
	out = pipefd[1];
	pid = fork();
	if (pid < 0)
		return err_errno(why, errno, "start a process"), false;
	if (pid == 0)
		child_run(f, out);
	close(TAKE_FD(out));
	r = verdict_read(in, &v, why);
	if (r)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!r && v.result && why)
		*why = v.err;
	return !r && !v.result;
}

const char *kernel_feature_name(enum kernel_feature f)
{
	return (unsigned)f < KERNEL_FEATURE_COUNT_ ? features[f].name : "?";
}

bool kernel_probe(enum kernel_feature f, struct err *why)
{
	if ((unsigned)f >= KERNEL_FEATURE_COUNT_)
		return err_errno(why, EINVAL, "probe feature %d", (int)f),
		       false;
	return trial_run(&features[f], why);
}
