/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine adds to the links, so that it is not taken for theirs: how
 * late its timers are with nothing to do, and what the kernel dropped before we
 * could read it.
 *
 * The floor is measured by a child, while frames are carried already: it takes
 * some 50 ms of sleeping, for which no lab should have to wait.
 */
#include "orchestrator/emulate/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FLOOR_SLEEP_NS (500 * NSEC_PER_USEC)
#define CLOSING_MS 1000

/* ---- timers ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* By nearest rank: the smallest that at least percent of n do not exceed. */
static int64_t ranked(const int64_t *sorted, unsigned n, unsigned percent)
{
	return sorted[(n * percent + 99) / 100 - 1];
}

static void sleep_until(void *arg, int64_t due_ns)
{
	struct timespec due = { .tv_sec = due_ns / NSEC_PER_SEC,
				.tv_nsec = due_ns % NSEC_PER_SEC };

	(void)arg;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) ==
	       EINTR)
		;
}

void floor_measure(struct timer_floor *floor, unsigned n,
		   void (*sleep)(void *arg, int64_t due_ns), void *arg)
{
	int64_t late_ns[FLOOR_SAMPLES];

	if (!n || n > FLOOR_SAMPLES)
		n = FLOOR_SAMPLES;
	if (!sleep)
		sleep = sleep_until;
	for (unsigned i = 0; i < n; i++) {
		int64_t due_ns = clock_mono_ns() + FLOOR_SLEEP_NS;

		sleep(arg, due_ns);
		late_ns[i] = clock_mono_ns() - due_ns;
	}
	qsort(late_ns, n, sizeof(late_ns[0]), compare);
	*floor = (struct timer_floor){
		.samples = n,
		.p50_ns = ranked(late_ns, n, 50),
		.p99_ns = ranked(late_ns, n, 99),
		.max_ns = late_ns[n - 1],
	};
}

/* Its copies of the devices' descriptors would keep devices that go meanwhile.
 */
static bool wait_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, CLOSING_MS) > 0 && read(fd, &byte, 1) == 1;
}

int floor_start(int *fd, pid_t *pid, struct err *err)
{
	CLEANUP_CLOSE int in = -1, out = -1;
	struct timer_floor floor;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return err_errno(err, errno, "open a pipe");
	in = ends[0];
	out = ends[1];
	*pid = fork();
	if (*pid < 0)
		return err_errno(err, errno, "start a process");
	if (*pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup3(out, 3, O_CLOEXEC) < 0 && out != 3)
			_exit(1);
		out = 3;
		close_range(4, ~0u, 0);
		(void)!write(out, "", 1);
		floor_measure(&floor, FLOOR_SAMPLES, NULL, NULL);
		_exit(write(out, &floor, sizeof(floor)) !=
		      (ssize_t)sizeof(floor));
	}
	close(TAKE_FD(out));
	if (!wait_closed(in)) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
		*pid = 0;
		return err_set(err, ETIMEDOUT,
			       "measure the timers: the process "
			       "for it does not begin");
	}
	*fd = TAKE_FD(in);
	return 0;
}

bool floor_take(int fd, struct timer_floor *floor)
{
	struct timer_floor taken;
	ssize_t n = read(fd, &taken, sizeof(taken));

	if (n != (ssize_t)sizeof(taken))
		return false;
	*floor = taken;
	return true;
}

/* ---- the devices' own drops --------------------------------------------- */

static int on_attr(const struct nlattr *attr, void *data)
{
	struct rtnl_link_stats64 stats = { 0 };
	size_t len = mnl_attr_get_payload_len(attr);
	int64_t *dropped = data;

	if (mnl_attr_get_type(attr) != IFLA_STATS64)
		return MNL_CB_OK;
	memcpy(&stats, mnl_attr_get_payload(attr),
	       len < sizeof(stats) ? len : sizeof(stats));
	*dropped = (int64_t)stats.tx_dropped;
	return MNL_CB_STOP;
}

/*
 * What is sent to an interface that its own node has set down is counted in the
 * same place, and nobody told us since when: then it cannot be known.
 */
static int on_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(nlh);

	if (link->ifi_flags & IFF_UP)
		mnl_attr_parse(nlh, sizeof(*link), on_attr, data);
	return MNL_CB_STOP;
}

/* tx_dropped of an interface of the namespace that we are in. */
static int64_t dropped_here(const char *name)
{
	union {
		struct nlmsghdr header;
		char bytes[16384];
	} buf = { 0 };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int64_t dropped = -1;
	ssize_t n;

	if (!nl)
		return -1;
	mnl_nlmsg_put_header(&buf);
	buf.header.nlmsg_type = RTM_GETLINK;
	buf.header.nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(&buf.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&buf.header, IFLA_IFNAME, name);
	if (mnl_socket_sendto(nl, &buf, buf.header.nlmsg_len) >= 0) {
		n = mnl_socket_recvfrom(nl, &buf, sizeof(buf));
		if (n > 0)
			mnl_cb_run(&buf, (size_t)n, 0, 0, on_link, &dropped);
	}
	mnl_socket_close(nl);
	return dropped;
}

/* Of the side's device, as the kernel counts it; -1: it cannot be known. */
static int64_t dropped(const struct emulator *e, const struct side *side)
{
	struct ifreq request = { 0 };
	CLEANUP_CLOSE int ns = -1;
	int64_t n;

	if (side->gone || e->home_fd < 0 ||
	    ioctl(side->fd, TUNGETIFF, &request))
		return -1;
	ns = ioctl(side->fd, TUNGETDEVNETNS);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		return -1;
	n = dropped_here(request.ifr_name);
	/* Nothing else that this process does depends on where it is. */
	return setns(e->home_fd, CLONE_NEWNET) ? -1 : n;
}

int machine_home(void)
{
	CLEANUP_CLOSE int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return sock < 0 ? -1 : ioctl(sock, SIOCGSKNS);
}

/*
 * What a node sends without carrier is dropped before it reaches the device,
 * and counted in the same place as what the device had no room for.
 */
void machine_carrier_lost(const struct emulator *e, struct side *side)
{
	if (side->carrier_lost)
		return;
	side->carrier_lost = true;
	side->dropped_before = dropped(e, side);
}

void machine_carrier_back(const struct emulator *e, struct side *side)
{
	int64_t now = dropped(e, side);

	side->carrier_lost = false;
	if (now > side->dropped_before && side->dropped_before >= 0)
		side->dropped_down += now - side->dropped_before;
}

/* Of the device that it has. */
static int64_t unread(const struct emulator *e, const struct side *side)
{
	int64_t n =
		side->carrier_lost ? side->dropped_before : dropped(e, side);

	return n < 0 ? -1 : n - side->dropped_down;
}

void machine_device_leaves(const struct emulator *e, struct side *side)
{
	int64_t n = unread(e, side);

	if (n > 0)
		side->unread_before += n;
	side->unread_unknown |= n < 0;
}

/* Another one counts from 0, and has no carrier yet. */
void machine_device_comes(struct side *side)
{
	side->carrier_lost = true;
	side->dropped_before = side->dropped_down = 0;
}

int64_t machine_unread(const struct emulator *e, const struct side *side)
{
	int64_t n = side->fd < 0 ? 0 : unread(e, side);

	return n < 0 || side->unread_unknown ? -1 : n + side->unread_before;
}
