/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes in a network of two nodes:
 *
 *     a  10.0.0.1  ---- eth0 ---- eth0 ----  10.0.0.2  c
 *        fd00::1                             fd00::2
 *                                            10.0.0.3, fd00::3
 */
#ifndef TESTS_PROBE_LAB_H
#define TESTS_PROBE_LAB_H

#include "base/clock.h"
#include "orchestrator/observe/samples.h"
#include "tests/support/probe_child.h"
#include "tests/support/sandbox.h"

#include <fcntl.h>

#define MS NSEC_PER_MSEC

static int ns_a, ns_c;
static char csv[64];

static inline void set_up(void)
{
	int fd;

	strcpy(csv, "/tmp/test_probe.XXXXXX");
	fd = mkstemp(csv);
	ck_assert_int_ge(fd, 0);
	close(fd);

	ns_a = netns_new();
	ns_c = netns_new();
	veth_add(ns_a, "eth0", ns_c, "eth0");
	sh("ip addr add 10.0.0.1/24 dev eth0");
	sh("ip addr add fd00::1/64 dev eth0 nodad");
	netns_enter(ns_c);
	sh("ip addr add 10.0.0.2/24 dev eth0");
	sh("ip addr add 10.0.0.3/24 dev eth0");
	sh("ip addr add fd00::2/64 dev eth0 nodad");
	sh("ip addr add fd00::3/64 dev eth0 nodad");
	sh("echo 0 >/proc/sys/net/ipv4/icmp_ratelimit");
	sh("echo 0 >/proc/sys/net/ipv6/icmp/ratelimit");
	/* A probe that was kept from running sends many packets at once. */
	sh("echo 100000 >/proc/sys/net/ipv4/icmp_msgs_burst");
	sh("echo 100000 >/proc/sys/net/ipv4/icmp_msgs_per_sec");
	netns_enter(ns_a);
	/* An IPv6 address is taken into service by a work queue, later. */
	sh("for i in 2 3; do until ping -6 -qc1 -W1 fd00::$i >/dev/null; do "
	   ":; done; done");
}

static inline void tear_down(void)
{
	unlink(csv);
}

/* ---- running a probe ----------------------------------------------------- */

struct running {
	pid_t pid;
	int stop_fd; /* closed: the probe ends */
};

static inline struct probe_config ping(const char *to, int64_t interval_ns,
				       int64_t for_ns)
{
	struct probe_config c = {
		.index = 3,
		.start_mono_ns = clock_mono_ns(),
		.interval_ns = interval_ns,
		.for_ns = for_ns,
		.payload = 56,
	};

	ck_assert_int_eq(ip_parse_addr(to, &c.to), 0);
	strcpy(c.path, csv);
	return c;
}

static inline struct probe_config udp(const char *to, int64_t interval_ns,
				      int64_t for_ns)
{
	struct probe_config c = ping(to, interval_ns, for_ns);

	c.type = PROBE_UDP_ECHO;
	c.port = ECHO_PORT;
	return c;
}

static inline struct running probe_start(const struct probe_config *c)
{
	struct running p;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	p.pid = fork();
	ck_assert_int_ge(p.pid, 0);
	if (!p.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_enter(ns_a);
		close(fds[1]);
		exit(probes_main(c, 1, fds[0], STDERR_FILENO, NULL, NULL));
	}
	close(fds[0]);
	p.stop_fd = fds[1];
	return p;
}

static inline void probe_end(struct running *p, sample_vec *v)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(wait_for(p->pid), 0);
	close(p->stop_fd);
	ck_assert_msg(!samples_read(csv, v, &err), "%s", err.msg);
	for (size_t i = 0; i < v->n; i++)
		ck_assert_uint_eq(v->v[i].seq, i);
}

static inline void probe_run(const struct probe_config *c, sample_vec *v)
{
	struct running p = probe_start(c);

	probe_end(&p, v);
}

/* Waits until a counter of a namespace has reached a number. */
static inline void await_counter(int ns, const char *column, unsigned long n)
{
	netns_enter(ns);
	while (snmp_counter("Icmp", column) < n)
		usleep(1000);
}

static inline void expect_all(const sample_vec *v, size_t n, unsigned copies,
			      const char *error)
{
	ck_assert_uint_eq(v->n, n);
	for (size_t i = 0; i < n; i++) {
		ck_assert_msg(v->v[i].copies == copies &&
				      !strcmp(v->v[i].error, error),
			      "packet %zu: %u copies, \"%s\"", i,
			      v->v[i].copies, v->v[i].error);
	}
}

#endif
