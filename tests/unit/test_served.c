/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who answered, from hand-made packets. Nodes: a asks (a host, and for the UDP
 * probe an instance as well), c and d are instances, r is a router that sees
 * every packet too.
 */
#include "orchestrator/report/served.h"
#include "tests/support/marked_frame.h"
#include "tests/support/run_suite.h"
#include "stream/mark.h"

#include <check.h>
#include <stdlib.h>

enum { A, C, D, R };
enum { PING, UDP_ECHO, DIRECT, DOWNLOAD, UPLOAD, REQUEST, PROBES };

static struct scn_node nodes[] = {
	[A] = { .name = "a" },
	[C] = { .name = "c" },
	[D] = { .name = "d.x-1" },
	[R] = { .name = "r", .kind = SCN_NODE_ROUTER },
};
static struct scn_instance at_c = { .node = C, .weight = 1 },
			   at_a = { .node = A, .weight = 1 };
static struct scn_service services[] = {
	{ .name = "echo", .instances = { &at_c, 1, 1 }, .instance = C },
	{ .name = "mine", .instances = { &at_a, 1, 1 }, .instance = A },
};
static struct scn_probe probes[] = {
	[PING] = { .name = "ping", .kind = SCN_PROBE_PING, .node = A, .to = 0 },
	[UDP_ECHO] = { .name = "udp",
		       .kind = SCN_PROBE_UDP_ECHO,
		       .node = A,
		       .to = 1 },
	[DIRECT] = { .name = "direct",
		     .kind = SCN_PROBE_PING,
		     .node = A,
		     .target = SCN_TARGET_NODE,
		     .to = C },
	[DOWNLOAD] = { .name = "down",
		       .kind = SCN_PROBE_TCP_STREAM,
		       .node = A,
		       .port = 5001,
		       .to = 0 },
	[UPLOAD] = { .name = "up",
		     .kind = SCN_PROBE_TCP_STREAM,
		     .node = A,
		     .port = 5001,
		     .upload = true,
		     .to = 0 },
	[REQUEST] = { .name = "request",
		      .kind = SCN_PROBE_TCP_REQUEST,
		      .node = A,
		      .port = 5001,
		      .to = 0 },
};
static struct scn_action moves[] = {
	{ .kind = SCN_ACTION_MIGRATE, .migrate = { .to = D, .from = C } },
	{ .kind = SCN_ACTION_MIGRATE,
	  .migrate = { .service = 1, .from = A, .to = C } },
	{ .kind = SCN_ACTION_STOP, .process = { .process = 5 } },
};
static struct scn_entry entries[] = {
	{ .actions = { .v = moves, .n = 3 } },
};
static const struct scenario scenario = {
	.nodes = { .v = nodes, .n = 4 },
	.services = { .v = services, .n = 2 },
	.probes = { .v = probes, .n = PROBES },
	.timeline = { .v = entries, .n = 1 },
};

static struct served *served;
static served_runs runs;
static uint64_t twice;

static void setup(void)
{
	served = served_new(&scenario);
	ck_assert_ptr_nonnull(served);
}

static void teardown(void)
{
	VEC_FREE(&runs);
	served = served_free(served);
}

static void packet(const char *interface, enum pcapng_direction direction,
		   struct marked_frame frame, int64_t time_ns)
{
	struct pcapng_packet p = { .time_ns = time_ns,
				   .data = frame.bytes,
				   .captured = sizeof(frame.bytes),
				   .length = sizeof(frame.bytes),
				   .direction = direction };

	ck_assert_int_eq(served_add(served, interface, &p), 0);
}

/* A reply to the ping probe leaves an instance. */
static void reply(const char *interface, uint64_t seq, int64_t time_ns)
{
	packet(interface, PCAPNG_OUT,
	       marked_frame(IPPROTO_ICMP, ICMP_ECHOREPLY, PING, seq), time_ns);
}

/* A segment; marked: it begins with a mark of the REQUEST probe. */
struct segment {
	uint8_t bytes[14 + 20 + 20 + PROBE_MARK_SIZE];
	size_t len;
};

static struct segment segment(uint16_t from, uint16_t to, uint8_t flags,
			      size_t payload, const struct probe_mark *mark)
{
	struct segment s = { .len = 54 + payload };

	s.bytes[12] = 8; /* IPv4 */
	s.bytes[14] = 0x45;
	s.bytes[17] = (uint8_t)(40 + payload);
	s.bytes[23] = IPPROTO_TCP;
	s.bytes[34] = (uint8_t)(from >> 8);
	s.bytes[35] = (uint8_t)from;
	s.bytes[36] = (uint8_t)(to >> 8);
	s.bytes[37] = (uint8_t)to;
	s.bytes[46] = 0x50;
	s.bytes[47] = flags;
	if (mark)
		probe_mark_put(s.bytes + 54, mark);
	return s;
}

static void tcp(const char *interface, enum pcapng_direction direction,
		struct segment s, int64_t time_ns)
{
	struct pcapng_packet p = { .time_ns = time_ns,
				   .data = s.bytes,
				   .captured = (uint32_t)s.len,
				   .length = (uint32_t)s.len,
				   .direction = direction };

	ck_assert_int_eq(served_add(served, interface, &p), 0);
}

static void fold(size_t probe)
{
	VEC_FREE(&runs);
	ck_assert_int_eq(served_fold(served, probe, &runs, &twice), 0);
}

static void check_run(size_t i, size_t node, uint64_t count, uint64_t first,
		      uint64_t last)
{
	ck_assert_uint_lt(i, runs.n);
	ck_assert_uint_eq(runs.v[i].node, node);
	ck_assert_uint_eq(runs.v[i].count, count);
	ck_assert_uint_eq(runs.v[i].first_seq, first);
	ck_assert_uint_eq(runs.v[i].last_seq, last);
}

START_TEST(test_there_and_back)
{
	/* Out of order in the trace; seq 5 was never answered. */
	for (uint64_t i = 12; i-- > 0;) {
		if (i != 5)
			reply(i >= 4 && i < 8 ? "d.x-1:eth0" : "c:eth0", i,
			      1000 + (int64_t)i);
	}
	fold(PING);
	ck_assert_uint_eq(runs.n, 3);
	check_run(0, C, 4, 0, 3);
	check_run(1, D, 3, 4, 7);
	check_run(2, C, 4, 8, 11);
	ck_assert_int_eq(runs.v[1].first_ns, 1004);
	ck_assert_int_eq(runs.v[1].last_ns, 1007);
	ck_assert_uint_eq(twice, 0);
}
END_TEST

START_TEST(test_only_an_instance_answers)
{
	struct marked_frame echo =
		marked_frame(IPPROTO_ICMP, ICMP_ECHOREPLY, PING, 1);
	struct marked_frame bad = echo;

	packet("c:eth0", PCAPNG_IN, echo, 1);
	packet("c:eth0", PCAPNG_UNKNOWN, echo, 1);
	packet("r:eth0", PCAPNG_OUT, echo, 1); /* forwards */
	packet("a:eth0", PCAPNG_OUT, echo, 1);
	packet("elsewhere:eth0", PCAPNG_OUT, echo, 1);
	packet("c", PCAPNG_OUT, echo, 1); /* no interface of a node */
	packet("", PCAPNG_OUT, echo, 1);
	packet(NULL, PCAPNG_OUT, echo, 1);
	packet("c:eth0", PCAPNG_OUT,
	       marked_frame(IPPROTO_ICMP, ICMP_ECHO, PING, 1), 1);
	packet("c:eth0", PCAPNG_OUT, marked_frame(IPPROTO_UDP, 0, PING, 1), 1);
	packet("c:eth0", PCAPNG_OUT,
	       marked_frame(IPPROTO_ICMP, ICMP_ECHOREPLY, DIRECT, 1), 1);
	packet("c:eth0", PCAPNG_OUT,
	       marked_frame(IPPROTO_ICMP, ICMP_ECHOREPLY, 77, 1), 1);
	bad.bytes[42] ^= 1; /* no mark of ours */
	packet("c:eth0", PCAPNG_OUT, bad, 1);
	for (size_t i = 0; i < 3; i++) {
		fold(i);
		ck_assert_uint_eq(runs.n, 0);
	}
	packet("c:eth7", PCAPNG_OUT, echo, 1);
	fold(PING);
	ck_assert_uint_eq(runs.n, 1);
}
END_TEST

/* What leaves the asking node are requests, even where it is an instance. */
START_TEST(test_udp)
{
	struct marked_frame frame = marked_frame(IPPROTO_UDP, 0, UDP_ECHO, 9);

	packet("a:eth0", PCAPNG_OUT, frame, 1);
	packet("c:eth0", PCAPNG_OUT, frame, 2);
	packet("d.x-1:eth0", PCAPNG_OUT, frame, 2); /* of the other service */
	fold(UDP_ECHO);
	ck_assert_uint_eq(runs.n, 1);
	check_run(0, C, 1, 9, 9);
}
END_TEST

START_TEST(test_cut_off_packets)
{
	struct marked_frame frame =
		marked_frame(IPPROTO_ICMP, ICMP_ECHOREPLY, PING, 1);
	struct pcapng_packet p = { .direction = PCAPNG_OUT,
				   .length = sizeof(frame.bytes) };

	for (uint32_t n = 0; n < sizeof(frame.bytes); n++) {
		uint8_t *copy = malloc(n ? n : 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, frame.bytes, n);
		p.data = copy;
		p.captured = n;
		ck_assert_int_eq(served_add(served, "c:eth0", &p), 0);
		free(copy);
	}
	fold(PING);
	ck_assert_uint_eq(runs.n, 0);
}
END_TEST

START_TEST(test_repeated_reply_counts_once)
{
	reply("c:eth0", 0, 1);
	reply("c:eth0", 0, 2);
	reply("c:eth1", 0, 2);
	fold(PING);
	ck_assert_uint_eq(runs.n, 1);
	check_run(0, C, 1, 0, 0);
	ck_assert_int_eq(runs.v[0].first_ns, 1);
	ck_assert_uint_eq(twice, 0);
}
END_TEST

/* At the border the order of time does not matter: c, d and not c, d, c, d. */
START_TEST(test_answered_by_both)
{
	reply("c:eth0", 0, 1);
	reply("d.x-1:eth0", 1, 2);
	reply("c:eth0", 1, 3);
	reply("d.x-1:eth0", 2, 4);
	fold(PING);
	ck_assert_uint_eq(runs.n, 2);
	check_run(0, C, 2, 0, 1);
	check_run(1, D, 2, 1, 2);
	ck_assert_uint_eq(twice, 1);

	/* In the middle of d's, c's answer is told. */
	reply("d.x-1:eth0", 3, 5);
	reply("c:eth0", 3, 5);
	reply("d.x-1:eth0", 4, 6);
	fold(PING);
	ck_assert_uint_eq(runs.n, 4);
	check_run(1, D, 3, 1, 3);
	check_run(2, C, 1, 3, 3);
	check_run(3, D, 1, 4, 4);
	ck_assert_uint_eq(twice, 2);
}
END_TEST

START_TEST(test_first_answered_by_both)
{
	reply("c:eth0", 0, 2);
	reply("d.x-1:eth0", 0, 1);
	fold(PING);
	ck_assert_uint_eq(runs.n, 2);
	check_run(0, D, 1, 0, 0); /* the earlier one */
	check_run(1, C, 1, 0, 0);
	ck_assert_uint_eq(twice, 1);
}
END_TEST

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static void check_choice(const served_choice_vec *all, size_t i, size_t node,
			 int64_t time_ns, int64_t asked_ns)
{
	ck_assert_uint_lt(i, all->n);
	ck_assert_uint_eq(all->v[i].node, node);
	ck_assert_int_eq(all->v[i].time_ns, time_ns);
	ck_assert_int_eq(all->v[i].asked_ns, asked_ns);
}

/* A connection is one choice, however much is said over it, and begins when it
 * was first asked for; a port may be used again. */
START_TEST(test_choices)
{
	served_choice_vec all;

	ck_assert_int_eq(served_add_port(served, DOWNLOAD, 40000), 0);
	tcp("a:eth0", PCAPNG_OUT, segment(40000, 5001, SYN, 0, NULL), 10);
	tcp("a:eth0", PCAPNG_OUT, segment(40000, 5001, SYN, 0, NULL), 20);
	tcp("c:eth0", PCAPNG_OUT, segment(5001, 40000, ACK, 10, NULL), 30);
	tcp("c:eth0", PCAPNG_OUT, segment(5001, 40000, ACK, 10, NULL), 40);
	tcp("a:eth0", PCAPNG_OUT, segment(40000, 5001, SYN, 0, NULL), 50);
	tcp("c:eth0", PCAPNG_OUT, segment(5001, 40000, ACK, 10, NULL), 60);
	/* Handed over: another one goes on with it. */
	tcp("d.x-1:eth0", PCAPNG_OUT, segment(5001, 40000, ACK, 10, NULL), 70);
	reply("c:eth0", 1, 80);
	reply("c:eth1", 1, 81);
	reply("d.x-1:eth0", 1, 82);
	reply("c:eth0", 2, 83);
	fold(DOWNLOAD);
	ck_assert_int_eq(served_choices(served, DOWNLOAD, &all), 0);
	ck_assert_uint_eq(all.n, 3);
	check_choice(&all, 0, C, 30, 10);
	check_choice(&all, 1, C, 60, 50);
	check_choice(&all, 2, D, 70, INT64_MIN);
	/* Two connections were asked for, and two were chosen. */
	ck_assert(!all.v[0].again && !all.v[1].again && all.v[2].again);
	VEC_FREE(&all);
	fold(PING);
	ck_assert_int_eq(served_choices(served, PING, &all), 0);
	ck_assert_uint_eq(all.n, 3);
	check_choice(&all, 0, C, 80, INT64_MIN);
	check_choice(&all, 1, D, 82, INT64_MIN);
	ck_assert_uint_eq(all.v[2].seq, 2);
	ck_assert(!all.v[0].again && all.v[1].again && !all.v[2].again);
	VEC_FREE(&all);
}
END_TEST

/* Streams are known by their ports, and only content is an answer: of an
 * upload, that it was taken. */
START_TEST(test_streams)
{
	size_t probe = _i ? UPLOAD : DOWNLOAD;
	size_t content = _i ? 0 : 10;
	int64_t t = 0;

	ck_assert_int_eq(served_add_port(served, probe, 40000), 0);
	tcp("c:eth0", PCAPNG_OUT, segment(5001, 40000, SYN | ACK, 0, NULL),
	    t++);
	for (int i = 0; i < 3; i++) {
		tcp("c:sal0", PCAPNG_OUT,
		    segment(5001, 40000, ACK, content, NULL), t++);
		tcp("c:eth0", PCAPNG_OUT,
		    segment(5001, 40000, ACK, content, NULL), t++);
	}
	tcp("c:eth0", PCAPNG_OUT, segment(5001, 40001, ACK, 10, NULL), t++);
	tcp("c:eth0", PCAPNG_OUT, segment(5002, 40000, ACK, 10, NULL), t++);
	tcp("r:eth0", PCAPNG_OUT, segment(5001, 40000, ACK, 10, NULL), t++);
	tcp("d.x-1:eth0", PCAPNG_OUT, segment(5001, 40000, RST | ACK, 9, NULL),
	    t++);
	tcp("d.x-1:eth0", PCAPNG_OUT, segment(5001, 40000, ACK | FIN, 0, NULL),
	    t++);
	fold(probe);
	ck_assert_uint_eq(runs.n, 1);
	ck_assert_uint_eq(runs.v[0].node, C);
	ck_assert_uint_eq(runs.v[0].count, 3);
	ck_assert_int_eq(runs.v[0].first_ns, 2);
	ck_assert_int_eq(runs.v[0].last_ns, 6);
}
END_TEST

/* Requests by their marks, in their order. */
START_TEST(test_requests)
{
	for (uint64_t i = 6; i-- > 0;) {
		struct probe_mark mark = { REQUEST, i };

		tcp(i < 3 ? "c:eth0" : "d.x-1:eth0", PCAPNG_OUT,
		    segment(5001, 40000, ACK, PROBE_MARK_SIZE, &mark),
		    (int64_t)i);
		/* The question, on its way to c by d, is no answer. */
		tcp("d.x-1:eth1", PCAPNG_OUT,
		    segment(40000, 5001, ACK, PROBE_MARK_SIZE, &mark),
		    (int64_t)i);
	}
	fold(REQUEST);
	ck_assert_uint_eq(runs.n, 2);
	check_run(0, C, 3, 0, 2);
	check_run(1, D, 3, 3, 5);
}
END_TEST

/* By which of its node's interfaces they left and came. */
START_TEST(test_path)
{
	static const char *const ifaces[] = { "a:wlan0", "a:wlan0", "a:wwan0",
					      "a:wlan0" };
	struct path path;

	served_add_port(served, DOWNLOAD, 40000);
	for (int i = 0; i < 4; i++) {
		tcp("a:sal0", PCAPNG_OUT, segment(40000, 5001, ACK, 0, NULL),
		    i);
		tcp(ifaces[i], PCAPNG_OUT, segment(40000, 5001, ACK, 0, NULL),
		    i);
		tcp("a:wwan0", PCAPNG_IN, segment(5001, 40000, ACK, 9, NULL),
		    i);
		tcp("c:eth0", PCAPNG_IN, segment(40000, 5001, ACK, 0, NULL), i);
		packet(ifaces[i], PCAPNG_OUT,
		       marked_frame(IPPROTO_ICMP, ICMP_ECHO, DIRECT,
				    (uint64_t)i),
		       i);
	}
	path = served_take_path(served, DOWNLOAD);
	ck_assert_uint_eq(path.left.n, 3);
	ck_assert_str_eq(path.left.v[0].interface, "wlan0");
	ck_assert_uint_eq(path.left.v[0].count, 2);
	ck_assert_int_eq(path.left.v[0].last_ns, 1);
	ck_assert_str_eq(path.left.v[1].interface, "wwan0");
	ck_assert_int_eq(path.left.v[1].first_ns, 2);
	ck_assert_str_eq(path.left.v[2].interface, "wlan0");
	ck_assert_uint_eq(path.came.n, 1);
	ck_assert_uint_eq(path.came.v[0].count, 4);
	path_free(&path);
	path = served_take_path(served, DIRECT);
	ck_assert_uint_eq(path.left.n, 3);
	ck_assert_uint_eq(path.came.n, 0);
	path_free(&path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("served");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_there_and_back);
	tcase_add_test(tc, test_only_an_instance_answers);
	tcase_add_test(tc, test_udp);
	tcase_add_test(tc, test_cut_off_packets);
	tcase_add_test(tc, test_repeated_reply_counts_once);
	tcase_add_test(tc, test_answered_by_both);
	tcase_add_test(tc, test_first_answered_by_both);
	tcase_add_test(tc, test_choices);
	tcase_add_loop_test(tc, test_streams, 0, 2);
	tcase_add_test(tc, test_requests);
	tcase_add_test(tc, test_path);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
