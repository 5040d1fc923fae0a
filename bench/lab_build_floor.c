/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floor for building a lab: what the kernel alone takes for a star of N
 * hosts on one bridge, asked for by a bare loop over netlink, without any
 * library, plan or bookkeeping. What "servalab" takes for the same star beyond
 * this is its own.
 *
 * The requests, their order and the size of the batches are those of the
 * product: all namespaces; the bridge, raised; all veths, each with its first
 * end in the bridge and its other end in a host; all ports raised; then, host
 * by host in one batch each, loopback and interface raised and an address
 * added. Built is built when every interface is operationally up and every
 * port forwards, read from the same dumps.
 *
 * All of it is done by the first process of a pid namespace, which is then
 * killed; from there to the end of the last network namespace is what taking
 * the lab down costs (see netns_gone.h for how that is seen).
 *
 *     lab_build_floor N   prints {"n":N,"build_ms":...,"teardown_ms":...}
 */
#include "bench/netns_gone.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BRIDGE_IFINDEX 2
#define FIRST_PORT 10
#define FIRST_HOST_IFINDEX 100000
#define MAX_HOSTS 1023 /* a bridge takes no more ports */
#define BATCH_BYTES 32768
#define BATCH_MESSAGES 64
#define READY_TIMEOUT_NS (60 * NSEC_PER_SEC)

/* Nothing here is expected to fail: who notices says where, and ends. */
#define DIE(what)                                                              \
	do {                                                                   \
		fprintf(stderr, "lab_build_floor: %s: %s\n", what,             \
			strerror(errno));                                      \
		exit(3);                                                       \
	} while (0)

struct netns {
	int fd; /* the namespace */
	int rt; /* a netlink socket in it */
};

static struct batch {
	union {
		struct nlmsghdr header;
		char bytes[BATCH_BYTES + 1024];
	} buf;
	size_t len, n;
	struct nlmsghdr *last;
	uint32_t seq;
} batch;

/* ---- messages ----------------------------------------------------------- */

static void *put(size_t len)
{
	char *at = batch.buf.bytes + batch.len;

	memset(at, 0, NLMSG_ALIGN(len));
	batch.len += NLMSG_ALIGN(len);
	batch.last->nlmsg_len =
		(uint32_t)(batch.buf.bytes + batch.len - (char *)batch.last);
	return at;
}

static void *message(uint16_t type, uint16_t flags, size_t body)
{
	batch.last = (struct nlmsghdr *)(batch.buf.bytes + batch.len);
	put(sizeof(struct nlmsghdr));
	batch.last->nlmsg_type = type;
	batch.last->nlmsg_flags = NLM_F_REQUEST | flags;
	batch.last->nlmsg_seq = ++batch.seq;
	batch.n++;
	return put(body);
}

static void attr(uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = put(RTA_LENGTH(len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
}

static void attr_u32(uint16_t type, uint32_t value)
{
	attr(type, &value, sizeof(value));
}

static void attr_u8(uint16_t type, uint8_t value)
{
	attr(type, &value, sizeof(value));
}

static void attr_str(uint16_t type, const char *s)
{
	attr(type, s, strlen(s) + 1);
}

static struct rtattr *nest_begin(uint16_t type)
{
	struct rtattr *a = put(RTA_LENGTH(0));

	a->rta_type = type;
	return a;
}

static void nest_end(struct rtattr *a)
{
	a->rta_len = (uint16_t)(batch.buf.bytes + batch.len - (char *)a);
}

/* ---- exchanges ---------------------------------------------------------- */

static void batch_send(int rt)
{
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} answer;

	if (!batch.n)
		return;
	batch.last->nlmsg_flags |= NLM_F_ACK;
	if (send(rt, &batch.buf, batch.len, 0) < 0)
		DIE("send");
	for (;;) {
		const struct nlmsgerr *e = NLMSG_DATA(&answer.header);

		if (recv(rt, &answer, sizeof(answer), 0) < 0)
			DIE("recv");
		if (answer.header.nlmsg_type != NLMSG_ERROR)
			continue;
		/* Where a namespace has no IPv6 on its interfaces. */
		if (e->error && e->error != -EAFNOSUPPORT) {
			errno = -e->error;
			DIE("request");
		}
		if (answer.header.nlmsg_seq == batch.last->nlmsg_seq)
			break;
	}
	batch.len = batch.n = 0;
}

static void batch_room(int rt)
{
	if (batch.n + 2 > BATCH_MESSAGES || batch.len > BATCH_BYTES - 1024)
		batch_send(rt);
}

static void link_up(uint32_t ifindex)
{
	struct ifinfomsg *info;

	if (ifindex != 1) { /* no link-local address: not for loopback */
		struct rtattr *spec, *inet6;

		info = message(RTM_SETLINK, 0, sizeof(*info));
		info->ifi_index = (int)ifindex;
		spec = nest_begin(IFLA_AF_SPEC);
		inet6 = nest_begin(AF_INET6);
		attr_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
		nest_end(inet6);
		nest_end(spec);
	}
	info = message(RTM_SETLINK, 0, sizeof(*info));
	info->ifi_index = (int)ifindex;
	info->ifi_flags = info->ifi_change = IFF_UP;
}

static void bridge_add(void)
{
	struct ifinfomsg *info =
		message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));
	struct rtattr *kind, *data;

	info->ifi_index = BRIDGE_IFINDEX;
	attr_str(IFLA_IFNAME, "br");
	kind = nest_begin(IFLA_LINKINFO);
	attr_str(IFLA_INFO_KIND, "bridge");
	data = nest_begin(IFLA_INFO_DATA);
	attr_u32(IFLA_BR_STP_STATE, 0);
	attr_u32(IFLA_BR_FORWARD_DELAY, 0);
	attr_u8(IFLA_BR_MCAST_SNOOPING, 0);
	nest_end(data);
	nest_end(kind);
}

static void veth_add(unsigned i, int host_fd)
{
	uint8_t mac[6] = { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i };
	struct ifinfomsg *info =
		message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));
	struct rtattr *kind, *data, *peer;
	char name[16];

	snprintf(name, sizeof(name), "p%u", i);
	info->ifi_index = (int)(FIRST_PORT + i);
	attr_str(IFLA_IFNAME, name);
	attr_u32(IFLA_MASTER, BRIDGE_IFINDEX);
	kind = nest_begin(IFLA_LINKINFO);
	attr_str(IFLA_INFO_KIND, "veth");
	data = nest_begin(IFLA_INFO_DATA);
	peer = nest_begin(VETH_INFO_PEER);
	info = put(sizeof(*info));
	info->ifi_index = (int)(FIRST_HOST_IFINDEX + i);
	attr_str(IFLA_IFNAME, "eth0");
	attr(IFLA_ADDRESS, mac, sizeof(mac));
	attr_u32(IFLA_NET_NS_FD, (uint32_t)host_fd);
	nest_end(peer);
	nest_end(data);
	nest_end(kind);
}

static void address_add(unsigned i)
{
	uint32_t address = htonl(0x0a400001 + i); /* 10.64.0.1 ... */
	struct ifaddrmsg *info =
		message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*info));

	info->ifa_family = AF_INET;
	info->ifa_prefixlen = 16;
	info->ifa_index = FIRST_HOST_IFINDEX + i;
	attr(IFA_LOCAL, &address, sizeof(address));
	attr(IFA_ADDRESS, &address, sizeof(address));
}

/* ---- readiness ---------------------------------------------------------- */

static const struct rtattr *find(const struct rtattr *a, size_t len,
				 uint16_t type)
{
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	}
	return NULL;
}

static bool port_forwards(const struct rtattr *linkinfo)
{
	const struct rtattr *data = NULL, *state = NULL;

	if (linkinfo)
		data = find(RTA_DATA(linkinfo), RTA_PAYLOAD(linkinfo),
			    IFLA_INFO_SLAVE_DATA);
	if (!data)
		return true; /* no port */
	state = find(RTA_DATA(data), RTA_PAYLOAD(data), IFLA_BRPORT_STATE);
	return state && *(uint8_t *)RTA_DATA(state) == BR_STATE_FORWARDING;
}

static bool link_ready(const struct nlmsghdr *h)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	const struct rtattr *attrs = IFLA_RTA(info), *state;
	size_t len = IFLA_PAYLOAD(h);

	if (!(info->ifi_flags & IFF_UP) || info->ifi_flags & IFF_LOOPBACK ||
	    info->ifi_index == BRIDGE_IFINDEX)
		return true;
	state = find(attrs, len, IFLA_OPERSTATE);
	return state && *(uint8_t *)RTA_DATA(state) == IF_OPER_UP &&
	       port_forwards(find(attrs, len, IFLA_LINKINFO));
}

static bool links_ready(int rt)
{
	static union {
		struct nlmsghdr header;
		char bytes[32768];
	} answer;
	struct ifinfomsg *info =
		message(RTM_GETLINK, NLM_F_DUMP, sizeof(*info));
	bool ready = true;

	info->ifi_family = AF_UNSPEC;
	attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (send(rt, &batch.buf, batch.len, 0) < 0)
		DIE("send");
	batch.len = batch.n = 0;
	for (;;) {
		const struct nlmsghdr *h = &answer.header;
		ssize_t n = recv(rt, &answer, sizeof(answer), 0);
		int left = (int)n;

		if (n < 0)
			DIE("recv");
		for (; left > 0 && NLMSG_OK(h, (uint32_t)left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return ready;
			if (h->nlmsg_type == RTM_NEWLINK)
				ready = ready && link_ready(h);
		}
	}
}

static void wait_ready(int rt)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	int64_t deadline = clock_mono_ns() + READY_TIMEOUT_NS;

	while (!links_ready(rt)) {
		if (clock_mono_ns() > deadline) {
			errno = ETIMEDOUT;
			DIE("wait for the interfaces");
		}
		nanosleep(&pause, NULL);
	}
}

/* ---- the star ----------------------------------------------------------- */

static struct netns netns_new(void)
{
	struct netns ns;

	if (unshare(CLONE_NEWNET))
		DIE("unshare");
	ns.rt = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (ns.rt < 0)
		DIE("socket");
	ns.fd = ioctl(ns.rt, SIOCGSKNS);
	if (ns.fd < 0)
		DIE("SIOCGSKNS");
	return ns;
}

/* Without IPv6 where the bridges are: every port would join groups, and every
 * join be told to all the others. */
static void quiet_home(void)
{
	static const char *const keys[] = {
		"/proc/sys/net/ipv6/conf/all/disable_ipv6",
		"/proc/sys/net/ipv6/conf/default/disable_ipv6",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int fd = open(keys[i], O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "1", 1) != 1)
			DIE(keys[i]);
		close(fd);
	}
}

static void star_build(unsigned n, struct netns *host)
{
	struct netns home = netns_new();

	quiet_home();
	for (unsigned i = 0; i < n; i++) {
		host[i] = netns_new();
		if (setns(home.fd, CLONE_NEWNET))
			DIE("setns");
	}
	bridge_add();
	link_up(BRIDGE_IFINDEX);
	for (unsigned i = 0; i < n; i++) {
		batch_room(home.rt);
		veth_add(i, host[i].fd);
	}
	for (unsigned i = 0; i < n; i++) {
		batch_room(home.rt);
		link_up(FIRST_PORT + i);
	}
	batch_send(home.rt);
	for (unsigned i = 0; i < n; i++) {
		link_up(1);
		link_up(FIRST_HOST_IFINDEX + i);
		address_add(i);
		batch_send(host[i].rt);
	}
	wait_ready(home.rt);
	for (unsigned i = 0; i < n; i++)
		wait_ready(host[i].rt);
}

/* The first process of the pid namespace: tells how long it took, and stays. */
static void init_run(unsigned n, int out)
{
	struct netns *host = calloc(n, sizeof(*host));
	struct rlimit files;
	int64_t took;

	if (!host)
		DIE("calloc");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	took = -clock_mono_ns();
	star_build(n, host);
	took += clock_mono_ns();
	if (write(out, &took, sizeof(took)) != (ssize_t)sizeof(took))
		DIE("write");
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	int64_t took, killed, gone;
	int fds[2];
	pid_t pid;
	int r;

	if (n < 1 || n > MAX_HOSTS) {
		fprintf(stderr, "usage: lab_build_floor HOSTS (1 to %d)\n",
			MAX_HOSTS);
		return 2;
	}
	r = netns_gone_init();
	if (r) {
		errno = -r;
		DIE("user namespace");
	}
	if (unshare(CLONE_NEWPID) || pipe2(fds, O_CLOEXEC))
		DIE("unshare");
	pid = fork();
	if (pid < 0)
		DIE("fork");
	if (pid == 0) {
		close(fds[0]);
		init_run((unsigned)n, fds[1]);
	}
	close(fds[1]);
	if (read(fds[0], &took, sizeof(took)) != (ssize_t)sizeof(took)) {
		waitpid(pid, NULL, 0);
		return 3;
	}
	killed = clock_mono_ns();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	gone = netns_gone_wait();
	if (gone < 0) {
		errno = (int)-gone;
		DIE("wait for the namespaces' end");
	}
	printf("{\"n\":%lu,\"build_ms\":%.3f,\"teardown_ms\":%.3f}\n", n,
	       (double)took / NSEC_PER_MSEC,
	       (double)(gone - killed) / NSEC_PER_MSEC);
	return 0;
}
