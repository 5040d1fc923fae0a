/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes that ping and echo. Nothing is judged by how long it took: what a
 * probe should have seen is told by somebody else: the kernel's counters, or a
 * responder that answers each packet as its number says.
 */
#include "orchestrator/observe/packet.h"
#include "tests/support/probe_lab.h"
#include "tests/support/run_suite.h"
#include "stream/mark.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* ---- what answers -------------------------------------------------------- */

/* How a packet is answered: by its number, modulo ANSWERS. */
enum answer {
	ANSWER_ONCE,
	ANSWER_TWICE,
	ANSWER_FIVE_TIMES,
	ANSWER_NONE,
	ANSWER_WRONG_SOURCE,
	ANSWER_WRONG_ID,
	ANSWER_WRONG_SEQ,
	ANSWER_WRONG_PROBE,
	ANSWER_NOT_A_REPLY,
	ANSWERS,
};

static const unsigned copies_of[ANSWERS] = {
	[ANSWER_ONCE] = 1,
	[ANSWER_TWICE] = 2,
	[ANSWER_FIVE_TIMES] = 5,
};

static int raw_socket(const char *source)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(inet_pton(AF_INET, source, &a.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void reply(int fd, struct icmphdr *icmp, size_t len,
		  const struct sockaddr_in *to)
{
	const uint8_t *p = (const uint8_t *)icmp;
	uint32_t sum = 0;

	icmp->checksum = 0;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	icmp->checksum = htons((uint16_t)~sum);
	ck_assert_int_eq(sendto(fd, icmp, len, 0, (const struct sockaddr *)to,
				sizeof(*to)),
			 (ssize_t)len);
}

/* Takes the kernel's place in answering. */
static void responder_main(int ready_fd, int unused)
{
	int fd = raw_socket("10.0.0.2"), other_fd = raw_socket("10.0.0.3");
	_Alignas(8) uint8_t b[2048];
	struct icmphdr *icmp = (struct icmphdr *)(b + 20);
	uint8_t *payload = b + 20 + sizeof(*icmp);

	(void)unused;
	sh("echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all");
	ck_assert_int_eq(write(ready_fd, "", 1), 1);
	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, b, sizeof(b), 0,
				     (struct sockaddr *)&from, &size);
		size_t len = (size_t)n - 20;
		struct probe_mark mark;
		enum answer answer;

		ck_assert_int_gt(n, 20 + 8 + 16);
		if (icmp->type != ICMP_ECHO)
			continue;
		ck_assert(probe_mark_get(payload, len - 8, &mark));
		answer = (enum answer)(mark.seq % ANSWERS);
		if (answer != ANSWER_NOT_A_REPLY)
			icmp->type = ICMP_ECHOREPLY;
		if (answer == ANSWER_WRONG_ID)
			icmp->un.echo.id ^= 1;
		if (answer == ANSWER_WRONG_SEQ)
			icmp->un.echo.sequence ^= 1;
		if (answer == ANSWER_WRONG_PROBE)
			mark.probe++;
		probe_mark_put(payload, &mark);
		for (unsigned i = 0; i < copies_of[answer]; i++)
			reply(fd, icmp, len, &from);
		if (answer == ANSWER_WRONG_SOURCE)
			reply(other_fd, icmp, len, &from);
		else if (answer >= ANSWER_WRONG_ID)
			reply(fd, icmp, len, &from);
	}
}

/* ---- ping ---------------------------------------------------------------- */

static const char *const hosts[] = { "10.0.0.2", "fd00::2" };

START_TEST(ping_is_answered)
{
	struct probe_config c = ping(hosts[_i], 2 * MS, 301 * MS);
	sample_vec v = { 0 };

	probe_run(&c, &v);
	expect_all(&v, 151, 1, "");
	for (size_t i = 0; i < v.n; i++) {
		const struct sample *s = &v.v[i];

		/* Never before it is due; the kernel's stamp was made after
		 * the send (which two clocks tell to a few us). */
		ck_assert_int_ge(s->sent_ns,
				 c.start_mono_ns + (int64_t)i * 2 * MS);
		ck_assert_int_gt(s->received_ns, s->sent_ns - MS / 10);
		ck_assert_int_lt(s->received_ns, clock_mono_ns());
	}
	VEC_FREE(&v);
}
END_TEST

/* The number of packets is not a matter of rounding. */
START_TEST(as_many_as_fit)
{
	static const struct {
		int64_t interval_us, for_us;
		size_t n;
	} cases[] = {
		{ 1000, 1000, 1 },   { 1000, 999, 1 }, { 1000, 1001, 2 },
		{ 1000, 10000, 10 }, { 333, 1000, 4 }, { 1000, 1, 1 },
	};
	struct probe_config c = ping("10.0.0.2", cases[_i].interval_us * 1000,
				     cases[_i].for_us * 1000);
	sample_vec v = { 0 };

	probe_run(&c, &v);
	expect_all(&v, cases[_i].n, 1, "");
	VEC_FREE(&v);
}
END_TEST

/* A start long gone by: all that is due is sent at once, nothing is skipped,
 * and no more at a time than the socket has room for the replies of. */
START_TEST(late_start_sends_all)
{
	struct probe_config c = ping("10.0.0.2", MS, 5000 * MS);
	sample_vec v = { 0 };

	c.start_mono_ns -= 10000 * MS;
	probe_run(&c, &v);
	expect_all(&v, 5000, 1, "");
	VEC_FREE(&v);
}
END_TEST

/* But not what was due while its node stood still: that is told. */
START_TEST(what_was_slept_through_is_not_sent)
{
	struct probe_config c = ping("10.0.0.2", MS, 5300 * MS);
	struct probe_usage *usage =
		mmap(NULL, sizeof(*usage), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t awake_ns = c.start_mono_ns;
	sample_vec v = { 0 };
	struct err err = ERR_INIT;
	pid_t pid;

	ck_assert(usage != MAP_FAILED);
	c.start_mono_ns -= 5000 * MS;
	c.awake_ns = &awake_ns;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		netns_enter(ns_a);
		exit(probes_main(&c, 1, -1, STDERR_FILENO, usage, NULL));
	}
	ck_assert_int_eq(wait_for(pid), 0);
	ck_assert_msg(!samples_read(csv, &v, &err), "%s", err.msg);
	expect_all(&v, 300, 1, "");
	ck_assert_uint_eq(v.v[0].seq, 0);
	ck_assert_uint_eq(usage->skipped, 5000);
	ck_assert_uint_eq(usage->late.count, 300);
	munmap(usage, sizeof(*usage));
	VEC_FREE(&v);
}
END_TEST

/* All of its time was slept through. */
START_TEST(nothing_is_left_to_send)
{
	struct probe_config c = ping("10.0.0.2", MS, 300 * MS);
	int64_t awake_ns = c.start_mono_ns + 1000 * MS;
	sample_vec v = { 0 };

	c.awake_ns = &awake_ns;
	probe_run(&c, &v);
	ck_assert_uint_eq(v.n, 0);
	VEC_FREE(&v);
}
END_TEST

/* The peer's address goes while the probe runs. Who was answered is counted by
 * the peer's kernel; who cannot have been follows from when it had gone. */
START_TEST(address_removed)
{
	struct probe_config c = ping("10.0.0.2", 2 * MS, 3600000 * MS);
	struct running p = probe_start(&c);
	unsigned long asked, answered;
	sample_vec v = { 0 };
	int64_t gone_ns;

	await_counter(ns_c, "InEchos", 20);
	sh("ip addr del 10.0.0.2/24 dev eth0");
	gone_ns = clock_mono_ns();
	netns_enter(ns_a);
	asked = snmp_counter("Icmp", "OutEchos");
	await_counter(ns_a, "OutEchos", asked + 20);
	close(p.stop_fd);
	p.stop_fd = -1;
	probe_end(&p, &v);
	asked = snmp_counter("Icmp", "OutEchos");
	netns_enter(ns_c);
	answered = snmp_counter("Icmp", "OutEchoReps");

	ck_assert_uint_eq(v.n, asked);
	ck_assert_uint_ge(answered, 20);
	ck_assert_uint_le(answered, asked - 20);
	for (size_t i = 0; i < v.n; i++) {
		ck_assert_uint_eq(v.v[i].copies, i < answered);
		if (v.v[i].sent_ns > gone_ns)
			ck_assert_uint_eq(v.v[i].copies, 0);
	}
	VEC_FREE(&v);
}
END_TEST

START_TEST(only_true_replies_count)
{
	struct probe_config c;
	pid_t responder = fork_ready(ns_c, responder_main, 0);
	sample_vec v = { 0 };

	c = ping("10.0.0.2", MS, 20 * ANSWERS * MS);
	probe_run(&c, &v);
	ck_assert_uint_eq(v.n, 20 * ANSWERS);
	for (size_t i = 0; i < v.n; i++)
		ck_assert_msg(v.v[i].copies == copies_of[i % ANSWERS],
			      "packet %zu: %u copies", i, v.v[i].copies);
	VEC_FREE(&v);
	kill(responder, SIGKILL);
}
END_TEST

/* A router tells a host so many times that there is no route, before it gets
 * tired (net.ipv4.route.error_burst, which only the first namespace has). */
#define ROUTER_ERRORS 5

static const struct {
	const char *route, *to, *error;
} routes[] = {
	{ "unreachable 10.9.0.0/24", "10.9.0.1", "host unreachable" },
	{ "prohibit 10.9.0.0/24", "10.9.0.1", "prohibited" },
	{ "blackhole 10.9.0.0/24", "10.9.0.1", "" },
	{ "unreachable fd09::/64", "fd09::1", "network unreachable" },
	{ "prohibit fd09::/64", "fd09::1", "prohibited" },
};

START_TEST(router_refuses)
{
	struct probe_config c;
	sample_vec v = { 0 };

	sh("ip route add 10.9.0.0/24 via 10.0.0.2");
	sh("ip route add fd09::/64 via fd00::2");
	netns_enter(ns_c);
	sh("echo 1 >/proc/sys/net/ipv4/ip_forward");
	sh("echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
	sh("ip route add %s", routes[_i].route);
	netns_enter(ns_a);
	c = ping(routes[_i].to, MS, ROUTER_ERRORS * MS);
	probe_run(&c, &v);
	expect_all(&v, ROUTER_ERRORS, 0, routes[_i].error);
	VEC_FREE(&v);
}
END_TEST

/* Without a way to it a packet was sent and lost, and the probe goes on. */
START_TEST(send_fails)
{
	static const char *const unknown[] = { "192.0.2.1", "2001:db8::1" };
	struct probe_config c = _i & 1 ? udp(unknown[_i / 2], MS, 50 * MS) :
					 ping(unknown[_i / 2], MS, 50 * MS);
	sample_vec v = { 0 };

	probe_run(&c, &v);
	expect_all(&v, 50, 0, "network unreachable");
	VEC_FREE(&v);
}
END_TEST

/* ---- UDP ----------------------------------------------------------------- */

/* Of two addresses of c, the second is answered from as well. */
START_TEST(udp_echo)
{
	static const char *const to[] = { "10.0.0.2", "10.0.0.3", "fd00::2",
					  "fd00::3" };
	struct probe_config c;
	pid_t echo = echo_start(ns_c);
	sample_vec v = { 0 };

	c = udp(to[_i], MS, 200 * MS);
	probe_run(&c, &v);
	expect_all(&v, 200, 1, "");
	VEC_FREE(&v);
	kill(echo, SIGKILL);
}
END_TEST

START_TEST(udp_large)
{
	struct probe_config c;
	pid_t echo = echo_start(ns_c);
	sample_vec v = { 0 };

	c = udp(hosts[_i], 10 * MS, 80 * MS);
	c.payload = 20000; /* goes in fragments, and fills sockets fast */
	probe_run(&c, &v);
	expect_all(&v, 8, 1, "");
	VEC_FREE(&v);
	kill(echo, SIGKILL);
}
END_TEST

START_TEST(udp_nobody_listens)
{
	struct probe_config c = udp(hosts[_i], MS, 200 * MS);
	sample_vec v = { 0 };

	probe_run(&c, &v);
	expect_all(&v, 200, 0, "port unreachable");
	VEC_FREE(&v);
}
END_TEST

/* ---- several in one process ---------------------------------------------- */

/* Each has a file of its own; one that cannot begin keeps no other from it. */
START_TEST(side_by_side)
{
	struct probe_config c[3];
	struct probe_usage usage[3] = { 0 };
	struct probe_process_usage process = { 0 };
	char other[sizeof(csv) + 8];
	pid_t echo = echo_start(ns_c);
	sample_vec v = { 0 };
	struct err err = ERR_INIT;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	c[0] = ping("10.0.0.2", MS, 150 * MS);
	c[1] = ping("10.0.0.2", MS, 150 * MS);
	strcpy(c[1].path, "/nowhere/x.csv");
	c[2] = udp("fd00::2", 2 * MS, 200 * MS);
	c[2].index = 4;
	snprintf(other, sizeof(other), "%s.other", csv);
	strcpy(c[2].path, other);
	ck_assert_int_eq(probes_main(c, 3, -1, null, usage, &process), 1);

	ck_assert_msg(!samples_read(csv, &v, &err), "%s", err.msg);
	expect_all(&v, 150, 1, "");
	VEC_FREE(&v);
	ck_assert_msg(!samples_read(other, &v, &err), "%s", err.msg);
	expect_all(&v, 100, 1, "");
	VEC_FREE(&v);
	unlink(other);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(usage[i].ended);
		ck_assert_int_eq(usage[i].status, i == 1);
		ck_assert_int_le(usage[i].ended_ns, clock_mono_ns());
	}
	ck_assert_uint_eq(usage[0].late.count, 150);
	ck_assert_uint_eq(usage[1].late.count, 0);
	ck_assert_uint_eq(usage[2].late.count, 100);
	ck_assert_int_le(usage[0].late.p50_ns, usage[0].late.p99_ns);
	ck_assert_int_le(usage[0].late.p99_ns, usage[0].late.max_ns);
	ck_assert(process.known);
	ck_assert_int_gt(process.cpu_user_ns + process.cpu_system_ns, 0);
	ck_assert_int_ge(process.wall_ns, 198 * MS);
	close(null);
	kill(echo, SIGKILL);
}
END_TEST

/* ---- how a probe ends ---------------------------------------------------- */

START_TEST(stopped_early)
{
	struct probe_config c = ping("10.0.0.2", MS, 3600000 * MS);
	struct running p = probe_start(&c);
	sample_vec v = { 0 };

	await_counter(ns_c, "OutEchoReps", 30);
	if (_i == 0) {
		kill(p.pid, SIGTERM);
	} else if (_i == 1) {
		ck_assert_int_eq(write(p.stop_fd, "x", 1), 1);
	} else {
		close(p.stop_fd);
		p.stop_fd = -1;
	}
	probe_end(&p, &v);
	ck_assert_uint_ge(v.n, 30);
	/* What was on its way then may be unanswered, nothing else. */
	for (size_t i = 0; i < 30; i++)
		ck_assert_uint_eq(v.v[i].copies, 1);
	VEC_FREE(&v);
}
END_TEST

START_TEST(refused)
{
	struct probe_config c = ping("10.0.0.2", MS, 50 * MS);
	char message[256] = "";
	int fds[2];
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	if (_i == 0)
		c.payload = PROBE_MARK_SIZE - 1;
	else if (_i == 1)
		c.to.family = AF_UNSPEC;
	else if (_i == 2)
		c.interval_ns = 0;
	else
		strcpy(c.path, "/nowhere/x.csv");
	ck_assert_int_eq(probes_main(&c, 1, -1, fds[1], NULL, NULL), 1);
	n = read(fds[0], message, sizeof(message) - 1);
	ck_assert_int_gt(n, 1);
	ck_assert_int_eq(message[n - 1], '\n');
}
END_TEST

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *tc = tcase_create("probe");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, ping_is_answered, 0, 2);
	tcase_add_loop_test(tc, as_many_as_fit, 0, 6);
	tcase_add_test(tc, late_start_sends_all);
	tcase_add_test(tc, what_was_slept_through_is_not_sent);
	tcase_add_test(tc, nothing_is_left_to_send);
	tcase_add_test(tc, address_removed);
	tcase_add_test(tc, only_true_replies_count);
	tcase_add_loop_test(tc, router_refuses, 0, 5);
	tcase_add_loop_test(tc, send_fails, 0, 4);
	tcase_add_loop_test(tc, udp_echo, 0, 4);
	tcase_add_loop_test(tc, udp_large, 0, 2);
	tcase_add_loop_test(tc, udp_nobody_listens, 0, 2);
	tcase_add_test(tc, side_by_side);
	tcase_add_loop_test(tc, stopped_early, 0, 3);
	tcase_add_loop_test(tc, refused, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
