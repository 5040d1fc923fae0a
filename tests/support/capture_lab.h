/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Captures in a network of three nodes (tests/netns/test_capture.c). */
#ifndef TESTS_CAPTURE_LAB_H
#define TESTS_CAPTURE_LAB_H

#include "orchestrator/observe/capture.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/pcapng.h"
#include "orchestrator/observe/samples.h"
#include "tests/support/probe_child.h"
#include "tests/support/sandbox.h"
#include "tests/support/veth.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MS NSEC_PER_MSEC
#define RING_BYTES ((size_t)4 << 20)

static int ns_a, ns_r, ns_c;
static bool queues; /* instead of rings */
static char dir[64], trace[96], part[128], csv[96];

static inline void in(int ns, const char *commands)
{
	netns_enter(ns);
	sh("%s", commands);
}

static inline void set_up(void)
{
	strcpy(dir, "/tmp/test_capture.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(trace, sizeof(trace), "%s/trace.pcapng", dir);
	snprintf(part, sizeof(part), "%s.part", trace);
	snprintf(csv, sizeof(csv), "%s/probe.csv", dir);
	/* tshark falls over a home that it may not read, and should not take
	 * anybody's preferences. */
	setenv("HOME", dir, 1);

	ns_a = netns_new();
	sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	ns_r = netns_new();
	sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	sh("echo 1 >/proc/sys/net/ipv4/ip_forward");
	ns_c = netns_new();
	sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	veth_add(ns_a, "eth0", ns_r, "west");
	veth_add(ns_c, "eth0", ns_r, "east");
	in(ns_a, "ip link set lo up && ip link set eth0 address 2:0:0:0:0:a && "
		 "ip addr add 10.0.1.1/24 dev eth0 && "
		 "ip neigh add 10.0.1.254 lladdr 2:0:0:0:0:1 dev eth0 && "
		 "ip route add default via 10.0.1.254");
	in(ns_r, "ip link set west address 2:0:0:0:0:1 && "
		 "ip link set east address 2:0:0:0:0:2 && "
		 "ip addr add 10.0.1.254/24 dev west && "
		 "ip addr add 10.0.2.254/24 dev east && "
		 "ip neigh add 10.0.1.1 lladdr 2:0:0:0:0:a dev west && "
		 "ip neigh add 10.0.2.1 lladdr 2:0:0:0:0:c dev east");
	in(ns_c, "ip link set eth0 address 2:0:0:0:0:c && "
		 "ip addr add 10.0.2.1/24 dev eth0 && "
		 "ip neigh add 10.0.2.254 lladdr 2:0:0:0:0:2 dev eth0 && "
		 "ip route add default via 10.0.2.254");
	netns_enter(ns_a);
}

static inline void tear_down(void)
{
	sh("rm -r %s", dir);
}

/* ---- running things ------------------------------------------------------ */

struct capturing {
	pid_t pid;
	int stop_fd;
};

/* All three nodes; of a's and r's interfaces it knows the names beforehand. */
static inline struct capture *capture_all(size_t ring_bytes)
{
	static const struct capture_iface a[] = { { 2, "eth0" } };
	static const struct capture_iface r[] = { { 3, "east" },
						  { 2, "west" } };
	struct capture *c = capture_new();
	struct err err = ERR_INIT;

	ck_assert_ptr_nonnull(c);
	ck_assert_msg(!capture_add(c, "a", ns_a, a, 1, ring_bytes, &err), "%s",
		      err.msg);
	ck_assert_msg(!capture_add(c, "r", ns_r, r, 2, ring_bytes, &err), "%s",
		      err.msg);
	ck_assert_msg(!capture_add(c, "c", ns_c, NULL, 0, ring_bytes, &err),
		      "%s", err.msg);
	if (queues)
		capture_use_queues(c);
	ck_assert_msg(!capture_open(c, &err), "%s", err.msg);
	ck_assert_msg(!capture_start(c, &err), "%s", err.msg);
	return c;
}

static inline struct capturing start_capturing(struct capture *c)
{
	struct capturing run;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	run.pid = fork();
	ck_assert_int_ge(run.pid, 0);
	if (!run.pid) {
		struct err err = ERR_INIT;
		int r;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		r = capture_main(c, trace, fds[0], -1, &err);
		if (r)
			fprintf(stderr, "%s\n", err.msg);
		capture_free(c);
		exit(r != 0);
	}
	close(fds[0]);
	capture_free(c);
	run.stop_fd = fds[1];
	return run;
}

static inline void capture_stop(const struct capturing *run)
{
	int64_t start_ns = clock_mono_ns();

	ck_assert_int_eq(write(run->stop_fd, "", 1), 1);
	close(run->stop_fd);
	ck_assert_int_eq(wait_for(run->pid), 0);
	ck_assert_int_ne(access(part, F_OK), 0);
	/* It knew that the rings were empty, and did not give up on them. */
	ck_assert_int_lt(clock_mono_ns() - start_ns, 9 * NSEC_PER_SEC);
}

/* From a to c; all must be answered. */
static inline void probe(bool udp, const char *to, uint32_t index, unsigned n,
			 uint32_t payload)
{
	struct probe_config c = {
		.index = index,
		.type = udp ? PROBE_UDP_ECHO : PROBE_PING,
		.port = ECHO_PORT,
		.start_mono_ns = clock_mono_ns(),
		.interval_ns = 2 * MS,
		.for_ns = n * 2 * MS,
		.payload = payload,
	};
	sample_vec v = { 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(ip_parse_addr(to, &c.to), 0);
	strcpy(c.path, csv);
	ck_assert_int_eq(wait_for(probe_fork(ns_a, &c)), 0);
	ck_assert_msg(!samples_read(csv, &v, &err), "%s", err.msg);
	ck_assert_uint_eq(v.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(v.v[i].copies, 1);
	VEC_FREE(&v);
}

/* PATH.json: counts of a node, or of all (NULL). */
static inline void counts(const char *node, uint64_t *packets,
			  uint64_t *dropped)
{
	char path[128];
	json_t *all, *at;

	snprintf(path, sizeof(path), "%s.json", trace);
	all = json_load_file(path, 0, NULL);
	ck_assert_ptr_nonnull(all);
	at = node ? json_object_get(json_object_get(all, "nodes"), node) : all;
	ck_assert(json_is_integer(json_object_get(at, "packets")));
	*packets = (uint64_t)json_integer_value(json_object_get(at, "packets"));
	*dropped = (uint64_t)json_integer_value(json_object_get(at, "dropped"));
	json_decref(all);
}

/* How many packets capinfos finds in a file that it has nothing against. */
static uint64_t capinfos_count(const char *path)
{
	char *out = sh_output("capinfos -rTMcm %s", path);
	const char *comma = strchr(out, ',');
	uint64_t n;

	ck_assert_ptr_nonnull(comma);
	n = strtoul(comma + 1, NULL, 10);
	free(out);
	return n;
}

static inline void expect_whole(void)
{
	uint64_t packets, dropped;

	counts(NULL, &packets, &dropped);
	ck_assert_uint_eq(dropped, 0);
	ck_assert_uint_eq(capinfos_count(trace), packets);
}

static inline struct pcapng_reader *open_trace(const char *path)
{
	struct pcapng_reader *r = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(!pcapng_open(path, &r, &err), "%s", err.msg);
	return r;
}

#define BLAST 20000

/* So many packets from a to r, where nobody reads them. */
static inline void blast(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(0x0a0001fe) };
	char data[200] = "";
	int sink, fd;

	netns_enter(ns_r);
	sink = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(bind(sink, (struct sockaddr *)&to, sizeof(to)), 0);
	netns_enter(ns_a);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (unsigned i = 0; i < BLAST; i++)
		ck_assert_int_eq(sendto(fd, data, sizeof(data), 0,
					(struct sockaddr *)&to, sizeof(to)),
				 sizeof(data));
	close(fd);
	close(sink);
}

#endif
