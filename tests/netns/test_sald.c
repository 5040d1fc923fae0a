/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real programs over real salds: ICMP, UDP and TCP, of both families, over
 * underlays of both families, and what happens when an address, an instance or
 * a sald goes away in between.
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/stream.h"
#include "tests/support/run_suite.h"

static const int outer_families[] = { 4, 6 };

/* ---- ping ------------------------------------------------------------- */

START_TEST(ping_reaches_a_service)
{
	int outer = outer_families[_i];
	const char *path =
		outer == 4 ? "10.0.0.1 > 10.0.0.2" : "fd00::1 > fd00::2";

	lab_liveness_ms = PATIENT;
	lab_client_and_server(outer);
	ck_assert_int_eq(host_try(&hosts[1],
				  "ping -c 3 -i 0.1 -W 20 " WEB4 " >/dev/null"),
			 0);
	ck_assert_int_eq(host_try(&hosts[1],
				  "ping -c 3 -i 0.1 -W 20 " WEB6 " >/dev/null"),
			 0);
	ck_assert(host_shows(&hosts[1], "flow list", path));
	/* Longer than the MTU: in fragments within, put together by sald. */
	ck_assert_int_eq(host_try(&hosts[1],
				  "ping -c 2 -i 0.1 -W 20 -s 5000 " WEB4
				  " >/dev/null"),
			 0);
	ck_assert_int_eq(host_try(&hosts[1],
				  "ping -c 2 -i 0.1 -W 20 -s 60000 " WEB6
				  " >/dev/null"),
			 0);
	ck_assert_uint_gt(host_counter(&hosts[1], "tun_fragments"), 80);
	ck_assert_uint_eq(host_counter(&hosts[1], "tun_malformed"), 0);
}
END_TEST

/* The service's address is one of the host's only while an instance is there.
 */
START_TEST(instances_have_the_services_address)
{
	char *text;

	lab_client_and_server(4);
	netns_enter(hosts[2].ns);
	text = sh_output("ip -o addr show sal0");
	ck_assert_ptr_nonnull(strstr(text, WEB4 "/32"));
	ck_assert_ptr_nonnull(strstr(text, WEB6 "/128"));
	free(text);
	salctl(&hosts[2], "service delete " WEB " demux");
	text = sh_output("ip -o addr show sal0");
	ck_assert_ptr_null(strstr(text, WEB4));
	ck_assert_ptr_null(strstr(text, WEB6));
	free(text);
	netns_enter(hosts[1].ns);
	text = sh_output("ip -o addr show sal0");
	ck_assert_ptr_null(strstr(text, WEB4));
	free(text);
}
END_TEST

/* Said at once: long before anybody's time-out. */
START_TEST(unoffered_services_are_unreachable)
{
	static const char *const addresses[] = { "10.255.0.9", "fd5f::9" };
	char *text;
	int fd;

	lab_client_and_server(4);
	salctl(&hosts[1], "name set nobody 9 10.255.0.9 fd5f::9");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(host_try(&hosts[1],
					  "ping -c 1 -W 60 %s >/run/said 2>&1",
					  addresses[i]),
				 1);
		text = sh_output("cat /run/said");
		ck_assert_msg(strstr(text, "nreachable"), "%s", text);
		free(text);
		fd = host_socket(&hosts[1], i ? AF_INET6 : AF_INET, SOCK_STREAM,
				 NULL, 0);
		ck_assert_int_eq(try_connect(fd, addresses[i], 80),
				 ECONNREFUSED);
		close(fd);
	}
}
END_TEST

/* ---- UDP -------------------------------------------------------------- */

/* Answers each datagram with itself, until it is killed. */
static pid_t udp_echo_start(const struct host *h, const char *address)
{
	int fd = host_socket(h, strchr(address, ':') ? AF_INET6 : AF_INET,
			     SOCK_DGRAM, address, 7);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		static char buf[65536];
		struct sockaddr_storage from;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			socklen_t len = sizeof(from);
			ssize_t n = recvfrom(fd, buf, sizeof(buf), 0,
					     (struct sockaddr *)&from, &len);

			if (n >= 0)
				sendto(fd, buf, (size_t)n, 0,
				       (struct sockaddr *)&from, len);
		}
	}
	close(fd);
	return pid;
}

/* A connected socket takes answers only from the address that it asked. */
static void udp_exchange(const struct host *h, const char *address, size_t len)
{
	static char out[65536], in[65536];
	int fd = host_socket(h, strchr(address, ':') ? AF_INET6 : AF_INET,
			     SOCK_DGRAM, NULL, 0);

	ck_assert_int_eq(try_connect(fd, address, 7), 0);
	for (int i = 0; i < 10; i++) {
		ssize_t n;

		memset(out, 'a' + i, len);
		ck_assert_int_eq(send(fd, out, len, 0), len);
		n = recv(fd, in, sizeof(in), 0);
		ck_assert_msg(n == (ssize_t)len,
			      "datagram %d of %zu bytes to %s: %zd, %s", i, len,
			      address, n, n < 0 ? strerror(errno) : "");
		ck_assert_mem_eq(in, out, len);
	}
	close(fd);
}

/* Servers bound to the service's address, and to any. */
START_TEST(udp_goes_there_and_back)
{
	static const char *const servers[][2] = { { WEB4, WEB4 },
						  { WEB6, WEB6 },
						  { "0.0.0.0", WEB4 },
						  { "::", WEB6 } };
	static const size_t sizes[] = { 1, 1000, 1420, 9000 };

	/* Nobody looks for another way, on which a datagram may be lost. */
	lab_liveness_ms = PATIENT;
	lab_client_and_server(outer_families[_i]);
	for (size_t i = 0; i < 4; i++) {
		pid_t pid = udp_echo_start(&hosts[2], servers[i][0]);

		for (size_t k = 0; k < 4; k++)
			udp_exchange(&hosts[1], servers[i][1], sizes[k]);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	}
}
END_TEST

static bool is_stopped(pid_t pid)
{
	char *state =
		sh_output("sed 's/.*) \\(.\\).*/\\1/' /proc/%d/stat", pid);
	bool stopped = state[0] == 'T';

	free(state);
	return stopped;
}

/* Its sald gets no CPU while a program sends, and then the host moves: nothing
 * goes from where it is no more. */
START_TEST(what_waited_goes_from_the_new_address)
{
	enum { SENT = 30 };
	bool got[SENT] = { false };
	pid_t server;
	uint8_t i;
	int fd;

	lab_liveness_ms = PATIENT;
	lab_client_and_server(4);
	server = udp_echo_start(&hosts[2], WEB4);
	fd = host_socket(&hosts[1], AF_INET, SOCK_DGRAM, NULL, 0);
	ck_assert_int_eq(try_connect(fd, WEB4, 7), 0);
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	ck_assert_int_eq(recv(fd, &i, 1, 0), 1);
	ck_assert_int_eq(kill(hosts[1].sald, SIGSTOP), 0);
	/* While it waits; not on its way to what comes next. */
	WAIT_FOR(is_stopped(hosts[1].sald));
	for (i = 0; i < SENT; i++)
		ck_assert_int_eq(send(fd, &i, 1, 0), 1);
	netns_enter(hosts[1].ns);
	sh("ip addr del 10.0.0.1/24 dev eth0");
	sh("ip addr add 10.0.0.77/24 dev eth0");
	ck_assert_int_eq(kill(hosts[1].sald, SIGCONT), 0);
	for (int n = 0; n < SENT; n++) {
		ck_assert_msg(recv(fd, &i, 1, 0) == 1, "answer %d: %s", n,
			      strerror(errno));
		ck_assert(i < SENT && !got[i]);
		got[i] = true;
	}
	close(fd);
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
}
END_TEST

/* ---- TCP -------------------------------------------------------------- */

#define STREAM_BYTES (16u << 20)

START_TEST(tcp_carries_every_byte)
{
	static const char *const addresses[] = { WEB4, WEB6 };

	lab_client_and_server(outer_families[_i]);
	for (int i = 0; i < 2; i++) {
		for (int upload = 0; upload < 2; upload++) {
			struct stream s;

			stream_start(&s, &hosts[1], &hosts[2], addresses[i],
				     upload, STREAM_BYTES);
			stream_finish(&s);
		}
	}
	/* It came in super-packets, and left in segments. */
	ck_assert_uint_lt(host_counter(&hosts[1], "tun_in") * 2,
			  host_counter(&hosts[1], "underlay_out"));
}
END_TEST

START_TEST(iperf3_works)
{
	lab_client_and_server(4);
	ck_assert_int_eq(
		host_try(&hosts[2], "iperf3 -s -1 -D -B " WEB4 " >/dev/null"),
		0);
	WAIT_FOR(host_try(&hosts[1],
			  "iperf3 -n 4M -c " WEB4 " >/run/said 2>&1") == 0);
}
END_TEST

/* Writes all events of the host to /run/events; subscribed on return. */
static pid_t events_start(const struct host *h)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/run/events", "w", stdout))
			_exit(127);
		execl(SALCTL, "salctl", "-c", h->control, "-f", "json",
		      "events", NULL);
		_exit(127);
	}
	/* Something happens until it is seen. */
	WAIT_FOR(host_try(h, "ip addr add 10.9.9.9/32 dev eth0; "
			     "ip addr del 10.9.9.9/32 dev eth0; "
			     "grep -q sal.addresses /run/events") == 0);
	return pid;
}

/* The stream goes on, from the new address. mover: whose address changes. */
static void check_move(int mover, bool upload, int outer)
{
	const char *dev = "dev eth0";
	struct stream s;
	pid_t events;

	lab_client_and_server(outer);
	/* No other way, for when the machine is so busy that the peer seems
	 * lost. */
	for (int i = 1; i <= 2; i++) {
		netns_enter(hosts[i].ns);
		sh("ip -%d addr flush scope global dev eth0",
		   outer == 4 ? 6 : 4);
	}
	stream_start(&s, &hosts[1], &hosts[2], WEB4, upload, STREAM_ENDLESS);
	events = events_start(&hosts[mover]);
	stream_await(&s, 1 << 20);
	netns_enter(hosts[mover].ns);
	if (outer == 4) {
		/* Of another length, or it would go with the first one. */
		sh("ip addr add 10.0.0.%d/25 %s", mover + 100, dev);
		sh("ip addr del 10.0.0.%d/24 %s", mover, dev);
	} else {
		sh("ip addr add fd00::%d/64 %s nodad", mover + 100, dev);
		sh("ip addr del fd00::%d/64 %s", mover, dev);
	}
	stream_await(&s, stream_progress(&s) + (8u << 20));
	stream_end(&s);
	stream_finish(&s);
	WAIT_FOR(system("grep -q '\"event\":\"sal.flow.migrated\"' "
			"/run/events") == 0);
	ck_assert_int_eq(kill(events, SIGTERM), 0);
	ck_assert_int_eq(waitpid(events, NULL, 0), events);
	ck_assert(host_shows(&hosts[mover], "flow list",
			     outer == 4 ? mover == 1 ? "10.0.0.101 > 10.0.0.2" :
						       "10.0.0.102 > 10.0.0.1" :
			     mover == 1 ? "fd00::101 > fd00::2" :
					  "fd00::102 > fd00::1"));
}

START_TEST(tcp_survives_a_move_of_the_client)
{
	check_move(1, _i % 2, outer_families[_i / 2]);
}
END_TEST

START_TEST(tcp_survives_a_move_of_the_server)
{
	check_move(2, _i % 2, outer_families[_i / 2]);
}
END_TEST

/* The address goes first, the new one comes later. */
START_TEST(tcp_survives_a_time_without_address)
{
	struct stream s;

	lab_client_and_server(4);
	stream_start(&s, &hosts[1], &hosts[2], WEB4, true, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	netns_enter(hosts[1].ns);
	/* The two have told each other their addresses of the other family. */
	sh("ip addr del fd00::1/64 dev eth0");
	sh("ip addr del 10.0.0.1/24 dev eth0");
	WAIT_FOR(host_shows(&hosts[1], "flow list", "NOADDRESS"));
	sh("ip addr add 10.0.0.77/24 dev eth0");
	stream_await(&s, stream_progress(&s) + (8u << 20));
	stream_end(&s);
	stream_finish(&s);
}
END_TEST

/* ---- what goes away --------------------------------------------------- */

/* Pings go on until all is over; of those that were answered late none counts
 * as lost, and no more than two are when the instance goes away. */
START_TEST(pings_follow_a_replaced_instance)
{
	unsigned long seq = 0, answers = 0;
	char *text;
	pid_t ping;

	lab_liveness_ms = PATIENT;
	lab_hosts(3);
	for (int i = 1; i <= 3; i++)
		host_start_sald(&hosts[i]);
	lab_name_web(3);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward 10.0.0.2");
	netns_enter(hosts[1].ns);
	ping = fork();
	ck_assert_int_ge(ping, 0);
	if (ping == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("sh", "sh", "-c",
		       "exec ping -i 0.01 " WEB4 " >/run/said 2>&1", NULL);
		_exit(127);
	}
	WAIT_FOR(host_shows(&hosts[2], "flow list", "ESTABLISHED"));
	WAIT_FOR(system("grep -q icmp_seq= /run/said") == 0);
	salctl(&hosts[3], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward 10.0.0.3 priority 1");
	salctl(&hosts[1], "service delete " WEB " forward 10.0.0.2");
	salctl(&hosts[2], "service delete " WEB " demux");
	WAIT_FOR(host_shows(&hosts[3], "flow list", "ESTABLISHED"));
	/* Until the new one has answered as well. */
	answers = host_counter(&hosts[3], "inner_in");
	WAIT_FOR(host_counter(&hosts[3], "inner_in") >= answers + 20);
	ck_assert_int_eq(kill(ping, SIGINT), 0);
	ck_assert_int_eq(wait_for(ping), 0);
	text = sh_output("cat /run/said");
	answers = 0;
	for (char *p = text; (p = strstr(p, "icmp_seq=")); p++) {
		seq = strtoul(p + strlen("icmp_seq="), NULL, 10);
		answers += strstr(p, "time=") != NULL;
	}
	ck_assert_msg(answers >= 20 && answers + 2 >= seq,
		      "%lu answers up to ping %lu", answers, seq);
	free(text);
}
END_TEST

/* Killed, its sal0 goes with it; started again, it takes the socket's place. */
START_TEST(a_killed_sald_can_be_replaced)
{
	lab_client_and_server(4);
	ck_assert(host_pings(&hosts[1], WEB4));
	ck_assert_int_eq(kill(hosts[1].sald, SIGKILL), 0);
	ck_assert_int_eq(waitpid(hosts[1].sald, NULL, 0), hosts[1].sald);
	ck_assert_int_eq(access(hosts[1].control, F_OK), 0);
	WAIT_FOR(host_try(&hosts[1], "ip link show sal0 >/dev/null 2>&1") != 0);
	ck_assert_int_ne(host_try(&hosts[1], "ping -c 1 " WEB4 " 2>/dev/null"),
			 0);
	host_start_sald(&hosts[1]);
	salctl(&hosts[1], "name set web " WEB " " WEB4 " " WEB6);
	salctl(&hosts[1], "service add " WEB " forward 10.0.0.2");
	ck_assert(host_pings(&hosts[1], WEB4));
	ck_assert(host_pings(&hosts[1], WEB6));
}
END_TEST

START_TEST(nothing_is_left_after_the_end)
{
	lab_client_and_server(4);
	ck_assert(host_pings(&hosts[1], WEB4));
	host_stop_sald(&hosts[1]);
	ck_assert_int_ne(access(hosts[1].control, F_OK), 0);
	WAIT_FOR(host_try(&hosts[1], "ip link show sal0 >/dev/null 2>&1") != 0);
	host_stop_sald(&hosts[2]);
}
END_TEST

/* ---- forgeries -------------------------------------------------------- */

/* Bytes of any kind as protocol 144, from a host without sald. */
START_TEST(garbage_does_nothing_but_count)
{
	static const char *const to[] = { "10.0.0.2", "fd00::2" };
	static uint8_t bytes[1400];
	unsigned sent = 0;
	uint32_t x = 12345;

	lab_hosts(3);
	host_start_sald(&hosts[2]);
	salctl(&hosts[2], "service add " WEB " demux");
	for (int v6 = 0; v6 < 2; v6++) {
		struct sockaddr_storage sa;
		socklen_t len = make_sockaddr(to[v6], 0, &sa);
		int fd;

		netns_enter(hosts[3].ns);
		fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW, 144);
		ck_assert_int_ge(fd, 0);
		for (size_t n = 0; n < sizeof(bytes); n += 1 + n / 16) {
			for (size_t i = 0; i < n; i++) {
				x = x * 1664525 + 1013904223;
				bytes[i] = (uint8_t)(x >> 24);
			}
			ck_assert_int_eq(sendto(fd, bytes, n, 0,
						(struct sockaddr *)&sa, len),
					 n);
			sent++;
			/* No faster than it is taken in: none may get lost. */
			WAIT_FOR(host_counter(&hosts[2], "underlay_in") ==
				 sent);
		}
		close(fd);
	}
	ck_assert_uint_eq(host_counter(&hosts[2], "outer_in"), sent);
	ck_assert_uint_eq(host_counter(&hosts[2], "malformed") +
				  host_counter(&hosts[2], "bad_checksum") +
				  host_counter(&hosts[2], "unknown_extension"),
			  sent);
	ck_assert_uint_eq(host_counter(&hosts[2], "inner_out"), 0);
	ck_assert_uint_eq(host_counter(&hosts[2], "outer_out"), 0);
	ck_assert(host_is_alive(&hosts[2]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald");
	TCase *tc = tcase_create("sald");

	test_sandbox_enter();
	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_loop_test(tc, ping_reaches_a_service, 0, 2);
	tcase_add_test(tc, instances_have_the_services_address);
	tcase_add_test(tc, unoffered_services_are_unreachable);
	tcase_add_loop_test(tc, udp_goes_there_and_back, 0, 2);
	tcase_add_test(tc, what_waited_goes_from_the_new_address);
	tcase_add_loop_test(tc, tcp_carries_every_byte, 0, 2);
	tcase_add_test(tc, iperf3_works);
	tcase_add_loop_test(tc, tcp_survives_a_move_of_the_client, 0, 4);
	tcase_add_loop_test(tc, tcp_survives_a_move_of_the_server, 0, 4);
	tcase_add_test(tc, tcp_survives_a_time_without_address);
	tcase_add_test(tc, pings_follow_a_replaced_instance);
	tcase_add_test(tc, a_killed_sald_can_be_replaced);
	tcase_add_test(tc, nothing_is_left_after_the_end);
	tcase_add_test(tc, garbage_does_nothing_but_count);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
