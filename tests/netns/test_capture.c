/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captures in a network of three nodes, two of them on either side of a router:
 *
 *     a:eth0 ---- r:west  r  r:east ---- c:eth0
 *     10.0.1.1    10.0.1.254   10.0.2.254  10.0.2.1
 *
 * The interfaces have the same numbers in every namespace. IPv6 is off unless a
 * test wants it, and neighbours are known beforehand, so that the tests know
 * every packet there is.
 */
#include "tests/support/capture_lab.h"
#include "tests/support/run_suite.h"
#include "stream/mark.h"

/* ---- on its way through the network -------------------------------------- */

#define PACKETS 100

static const struct {
	const char *interface;
	enum pcapng_direction direction;
} way[] = {
	{ "a:eth0", PCAPNG_OUT }, { "r:west", PCAPNG_IN },
	{ "r:east", PCAPNG_OUT }, { "c:eth0", PCAPNG_IN },
	{ "c:eth0", PCAPNG_OUT }, { "r:east", PCAPNG_IN },
	{ "r:west", PCAPNG_OUT }, { "a:eth0", PCAPNG_IN },
};
#define STATIONS (sizeof(way) / sizeof(*way))

static bool is_request(const struct packet_info *info)
{
	return info->kind == PACKET_ECHO_REQUEST ||
	       (info->kind == PACKET_UDP && info->dport == ECHO_PORT);
}

static size_t station_of(const struct pcapng_reader *r,
			 const struct pcapng_packet *p, bool request)
{
	const char *name = pcapng_interface_name(r, p->interface);

	for (size_t i = request ? 0 : 4; i < STATIONS; i++) {
		if (!strcmp(way[i].interface, name) &&
		    way[i].direction == p->direction)
			return i;
	}
	ck_abort_msg("a packet at %s", name);
	return 0;
}

/* Every packet is at every station once, and its times never go back. */
START_TEST(a_packets_way)
{
	static int64_t times[2][PACKETS][STATIONS];
	struct capture *c = capture_all(RING_BYTES);
	struct capturing run = start_capturing(c);
	struct err err = ERR_INIT;
	struct pcapng_reader *r;
	struct pcapng_packet p;
	int64_t last_ns = 0;
	pid_t echo = echo_start(ns_c);
	int ret;

	probe(false, "10.0.2.1", 0, PACKETS, 56);
	probe(true, "10.0.2.1", 1, PACKETS, 56);
	capture_stop(&run);
	kill(echo, SIGKILL);
	expect_whole();

	r = open_trace(trace);
	while ((ret = pcapng_next(r, &p, &err)) == 1) {
		struct packet_info info;
		struct probe_mark mark;
		int64_t *time_ns;

		ck_assert_int_ge(p.time_ns, last_ns);
		last_ns = p.time_ns;
		packet_parse(p.data, p.captured, &info);
		ck_assert(
			probe_mark_get(info.payload, info.payload_len, &mark));
		ck_assert_uint_lt(mark.probe, 2);
		ck_assert_uint_lt(mark.seq, PACKETS);
		time_ns = &times[mark.probe][mark.seq]
				[station_of(r, &p, is_request(&info))];
		ck_assert_int_eq(*time_ns, 0);
		*time_ns = p.time_ns;
	}
	ck_assert_msg(ret == 0, "%s", err.msg);
	for (size_t i = 0; i < 2 * PACKETS; i++) {
		const int64_t *t = times[i / PACKETS][i % PACKETS];

		ck_assert_int_gt(t[0], 0);
		for (size_t k = 1; k < STATIONS; k++)
			ck_assert_msg(t[k] >= t[k - 1],
				      "packet %zu: at %s %" PRId64
				      " ns before the station ahead of it",
				      i, way[k].interface, t[k - 1] - t[k]);
	}
	pcapng_close(r);
}
END_TEST

/* What tshark says of the replies' times is what the probe says. */
START_TEST(as_the_probe_saw_it)
{
	struct capture *c = capture_all(RING_BYTES);
	struct capturing run = start_capturing(c);
	pid_t echo = echo_start(ns_c);
	int64_t offset_ns = clock_real_minus_mono_ns();
	struct err err = ERR_INIT;
	sample_vec v = { 0 };
	char *out, *line, *state;
	size_t n = 0;

	probe(_i, "10.0.2.1", 0, PACKETS, 56);
	capture_stop(&run);
	kill(echo, SIGKILL);
	ck_assert_msg(!samples_read(csv, &v, &err), "%s", err.msg);

	out = sh_output("tshark -r %s -T fields -e frame.time_epoch -Y '%s && "
			"frame.interface_name == \"a:eth0\"' 2>%s/stderr",
			trace, _i ? "udp.srcport == 4007" : "icmp.type == 0",
			dir);
	for (line = strtok_r(out, "\n", &state); line;
	     line = strtok_r(NULL, "\n", &state), n++) {
		long long s, ns;

		ck_assert_int_eq(sscanf(line, "%lld.%9lld", &s, &ns), 2);
		ck_assert_uint_lt(n, v.n);
		ns += s * NSEC_PER_SEC - offset_ns - v.v[n].received_ns;
		ck_assert_msg(ns > -MS && ns < MS, "packet %zu: %lld ns", n,
			      ns);
	}
	ck_assert_uint_eq(n, PACKETS);
	free(out);
	VEC_FREE(&v);
}
END_TEST

/* ---- checksums, large frames --------------------------------------------- */

#define TCP_BYTES ((size_t)4 << 20)

/* a sends so many bytes to c; both have closed when this returns. */
static void tcp_transfer(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5001),
				  .sin_addr.s_addr = htonl(0x0a000201) };
	static char buf[1 << 16];
	size_t n = 0;
	int fd, peer;
	pid_t pid;
	ssize_t k;

	netns_enter(ns_c);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		netns_enter(ns_a);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		ck_assert_int_eq(
			connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
		for (; n < TCP_BYTES; n += (size_t)k) {
			k = send(fd, buf, sizeof(buf), 0);
			ck_assert_int_gt(k, 0);
		}
		exit(0);
	}
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	while ((k = recv(peer, buf, sizeof(buf), 0)) > 0)
		n += (size_t)k;
	ck_assert_int_eq(k, 0);
	ck_assert_uint_eq(n, TCP_BYTES);
	ck_assert_int_eq(wait_for(pid), 0);
	close(peer);
	close(fd);
	netns_enter(ns_a);
}

static unsigned long tshark_count(const char *filter)
{
	char *out = sh_output("tshark -r %s -o ip.check_checksum:TRUE "
			      "-o udp.check_checksum:TRUE "
			      "-o tcp.check_checksum:TRUE -Y '%s' "
			      "-T fields -e frame.number 2>%s/stderr",
			      trace, filter, dir);
	unsigned long n = 0;

	for (const char *p = out; *p; p++)
		n += *p == '\n';
	free(out);
	return n;
}

START_TEST(checksums_are_whole)
{
	struct capturing run;
	struct err err = ERR_INIT;
	struct pcapng_reader *r;
	struct pcapng_packet p;
	uint64_t tcp_bytes = 0;
	uint32_t longest = 0;
	pid_t echo;

	in(ns_a, "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6 && "
		 "ip addr add fd01::1/64 dev eth0 nodad && "
		 "ip route add default via fd01::254");
	in(ns_r, "for i in east west; do "
		 "echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done && "
		 "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding && "
		 "ip addr add fd01::254/64 dev west nodad && "
		 "ip addr add fd02::254/64 dev east nodad && "
		 /* Without a link-local address a router asks for nobody. */
		 "ip neigh add fd01::1 lladdr 2:0:0:0:0:a dev west && "
		 "ip neigh add fd02::1 lladdr 2:0:0:0:0:c dev east");
	in(ns_c, "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6 && "
		 "ip addr add fd02::1/64 dev eth0 nodad && "
		 "ip route add default via fd02::254");
	/* An IPv6 address is taken into service by a work queue, later. */
	in(ns_a, "until ping -6 -qc1 -W1 fd02::1 >/dev/null; do :; done");
	run = start_capturing(capture_all((size_t)32 << 20));
	echo = echo_start(ns_c);
	probe(true, "10.0.2.1", 0, 20, 57);
	probe(true, "fd02::1", 0, 20, 57);
	probe(false, "fd02::1", 0, 20, 57);
	if (!queues) /* which are for few packets */
		tcp_transfer();
	capture_stop(&run);
	kill(echo, SIGKILL);
	expect_whole();

	ck_assert_uint_eq(tshark_count("ip.checksum.status == Bad || "
				       "udp.checksum.status == Bad || "
				       "tcp.checksum.status == Bad || "
				       "icmpv6.checksum.status == Bad"),
			  0);
	/* 20 packets each way, at 4 interfaces, in two families. */
	ck_assert_uint_eq(tshark_count("udp.checksum.status == Good"), 320);
	if (queues)
		return;

	ck_assert_uint_ge(tshark_count("tcp.checksum.status == Good"), 100);
	r = open_trace(trace);
	while (pcapng_next(r, &p, &err) == 1) {
		struct packet_info info;

		ck_assert_uint_eq(p.captured, p.length);
		packet_parse(p.data, p.captured, &info);
		if (p.length > longest)
			longest = p.length;
		if (info.kind == PACKET_TCP && info.dport == 5001 &&
		    !strcmp(pcapng_interface_name(r, p.interface), "c:eth0"))
			tcp_bytes += info.payload_len;
	}
	pcapng_close(r);
	ck_assert_uint_ge(tcp_bytes, TCP_BYTES);
	ck_assert_uint_gt(longest, 16000);
}
END_TEST

/* ---- interfaces ---------------------------------------------------------- */

START_TEST(interface_that_came_later)
{
	struct capturing run = start_capturing(capture_all(RING_BYTES));

	veth_add(ns_a, "late0", ns_c, "late1");
	sh("ip addr add 10.0.3.1/24 dev late0");
	in(ns_c, "ip addr add 10.0.3.2/24 dev late1");
	probe(false, "10.0.3.2", 0, 10, 56);
	probe(false, "10.0.1.1", 1, 10, 56); /* over a's loopback interface */
	capture_stop(&run);
	ck_assert_uint_eq(tshark_count("icmp && frame.interface_name == "
				       "\"a:late0\""),
			  20);
	ck_assert_uint_eq(tshark_count("icmp && frame.interface_name == "
				       "\"c:late1\""),
			  20);
	ck_assert_uint_eq(tshark_count("icmp"), 40);
	expect_whole();
}
END_TEST

START_TEST(refused)
{
	static const struct capture_iface twice[] = { { 2, "x" },
						      { 3, "y" },
						      { 2, "z" } };
	struct capture *c = capture_new();
	struct err err = ERR_INIT;

	ck_assert_int_eq(capture_add(c, "a", ns_a, twice, 3, 0, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "a"));
	ck_assert_int_eq(capture_add(c, "a", -1, NULL, 0, 0, &err), -EBADF);
	ck_assert_int_eq(capture_add(c, "a", ns_a, NULL, 0, SIZE_MAX, &err), 0);
	ck_assert_int_eq(capture_open(c, &err), -EINVAL);
	ck_assert_ptr_null(capture_free(c));
}
END_TEST

START_TEST(no_place_for_the_file)
{
	struct capture *c = capture_all(0);
	struct err err = ERR_INIT;

	ck_assert_int_eq(capture_main(c, "/nowhere/trace", -1, -1, &err),
			 -ENOENT);
	ck_assert_int_eq(err.code, ENOENT);
	ck_assert_str_eq(err.msg, "/nowhere/trace.part: No such file or "
				  "directory");
	capture_free(c);
}
END_TEST

/* ---- load ---------------------------------------------------------------- */

/* Captured and dropped are together all there were; with a reader that starts
 * only when all is over (_i), the smallest rings must have dropped many, and
 * hold what there was room for. */
START_TEST(every_packet_is_accounted_for)
{
	struct capture *c = capture_all(_i ? 0 : RING_BYTES);
	struct capturing run;
	uint64_t packets, dropped, all = 0;

	if (_i)
		blast();
	run = start_capturing(c);
	if (!_i)
		blast();
	capture_stop(&run);

	counts("a", &packets, &dropped);
	ck_assert_uint_eq(packets + dropped, BLAST);
	/* A block that is not full is full after some time as well. */
	ck_assert_uint_ge(packets, _i ? 2 : 100);
	if (_i)
		ck_assert_uint_ge(dropped, 1000);
	all += packets;
	counts("r", &packets, &dropped);
	ck_assert_uint_eq(packets + dropped, BLAST);
	all += packets;
	ck_assert_uint_eq(tshark_count("udp.dstport == 9"), all);
	counts("c", &packets, &dropped);
	ck_assert_uint_eq(packets + dropped, 0);
	counts(NULL, &packets, &dropped);
	ck_assert_uint_eq(packets, all);
	ck_assert_uint_eq(packets + dropped, 2 * BLAST);
}
END_TEST

/* ---- without rings ------------------------------------------------------- */

static void set_up_queues(void)
{
	set_up();
	queues = true;
}

/* Nothing is captured before it is asked for, and nothing is lost after. */
START_TEST(from_when_it_is_asked_to)
{
	struct capture *c = capture_new();
	struct err err = ERR_INIT;
	struct capturing run;

	ck_assert_ptr_nonnull(c);
	ck_assert(!capture_add(c, "a", ns_a, NULL, 0, RING_BYTES, &err));
	if (_i)
		capture_use_queues(c);
	ck_assert_msg(!capture_open(c, &err), "%s", err.msg);
	probe(false, "10.0.2.1", 0, 5, 56);
	ck_assert_msg(!capture_start(c, &err), "%s", err.msg);
	probe(false, "10.0.2.1", 1, 5, 56);
	run = start_capturing(c);
	capture_stop(&run);
	ck_assert_uint_eq(capinfos_count(trace), 10);
}
END_TEST

/* A queue takes what the room says, at what a small packet costs. */
START_TEST(room_of_a_queue)
{
	ck_assert_uint_ge(capture_queue_room(), 4096);
}
END_TEST

static TCase *case_of_queues(void)
{
	TCase *tc = tcase_create("queues");

	tcase_add_checked_fixture(tc, set_up_queues, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_packets_way);
	tcase_add_loop_test(tc, as_the_probe_saw_it, 0, 2);
	tcase_add_test(tc, checksums_are_whole);
	tcase_add_test(tc, interface_that_came_later);
	tcase_add_loop_test(tc, every_packet_is_accounted_for, 1, 2);
	tcase_add_test(tc, room_of_a_queue);
	return tc;
}

int main(void)
{
	Suite *s = suite_create("capture");
	TCase *tc = tcase_create("capture");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_packets_way);
	tcase_add_loop_test(tc, as_the_probe_saw_it, 0, 2);
	tcase_add_test(tc, checksums_are_whole);
	tcase_add_test(tc, interface_that_came_later);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, no_place_for_the_file);
	tcase_add_loop_test(tc, every_packet_is_accounted_for, 0, 2);
	tcase_add_loop_test(tc, from_when_it_is_asked_to, 0, 2);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, case_of_queues());
	return run_suite(s);
}
