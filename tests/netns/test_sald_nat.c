/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real salds on both sides of a router that masquerades:
 *
 *     host 1, 10.0.0.1 --+                                 +-- host 2, 10.7.0.2
 *                        +-- 10.0.0.254 router 10.7.0.254 -+
 *     host 3, 10.0.0.3 --+
 *
 * Host 2 serves, and has no route to those inside. The kernel's connection
 * tracking takes all of protocol 144 between two hosts for one conversation, so
 * one of those inside has it, and the other needs UDP.
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/stream.h"
#include "tests/support/run_suite.h"

static int router_ns;

static void nat_lab(void)
{
	struct host *server = &hosts[2];

	lab_hosts(3);
	router_ns = netns_new();
	veth_add(router_ns, "inside", switch_ns, "port9");
	sh("ip link set lo up");
	sh("ip addr add 10.0.0.254/24 dev inside");
	sh("echo 1 >/proc/sys/net/ipv4/ip_forward");
	netns_enter(switch_ns);
	sh("ip link set port9 master br0");
	netns_enter(server->ns);
	sh("ip link del eth0");
	veth_add(server->ns, "eth0", router_ns, "outside");
	sh("ip addr add 10.7.0.2/24 dev eth0");
	netns_enter(router_ns);
	sh("ip addr add 10.7.0.254/24 dev outside");
	sh("nft 'add table ip nat; add chain ip nat post { type nat hook "
	   "postrouting priority 100; }; add rule ip nat post oifname outside "
	   "masquerade'");
	for (int i = 1; i <= 3; i += 2) {
		netns_enter(hosts[i].ns);
		sh("ip -6 addr flush dev eth0");
		sh("ip route add default via 10.0.0.254");
		WAIT_FOR(host_reaches(&hosts[i], "10.7.0.2"));
	}
	for (int i = 1; i <= 3; i++)
		host_start_sald(&hosts[i]);
	lab_name_web(3);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " WEB " forward 10.7.0.2");
	salctl(&hosts[3], "service add " WEB " forward 10.7.0.2");
}

/* All that passes from now on gets ports from here, and what has any is
 * forgotten. */
static void nat_rebinds(unsigned first_port)
{
	netns_enter(router_ns);
	sh("nft 'flush chain ip nat post; add rule ip nat post oifname outside "
	   "meta l4proto udp masquerade to :%u-%u; add rule ip nat post "
	   "oifname "
	   "outside masquerade'",
	   first_port, first_port + 99);
	sh("conntrack -F 2>/dev/null");
}

/* Answers each request, whatever it is, by the same page. */
static pid_t page_server(const struct host *h)
{
	static const char page[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n"
				   "\r\nhello\n";
	int fd = host_socket(h, AF_INET, SOCK_STREAM, WEB4, 80);
	char request[4096];
	pid_t pid;

	ck_assert_int_eq(listen(fd, 8), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int c = accept(fd, NULL, NULL);

			if (c >= 0 && recv(c, request, sizeof(request), 0) > 0)
				send(c, page, sizeof(page) - 1, MSG_NOSIGNAL);
			close(c);
		}
	}
	close(fd);
	return pid;
}

static bool uses_udp(const struct host *h)
{
	return host_shows(h, "flow list", " udp");
}

START_TEST(two_clients_ping_and_curl)
{
	pid_t server;

	nat_lab();
	server = page_server(&hosts[2]);
	for (int i = 1; i <= 3; i += 2) {
		ck_assert_int_eq(host_try(&hosts[i],
					  "ping -c 5 -i 0.2 -W 20 " WEB4
					  " >/dev/null"),
				 0);
		ck_assert_int_eq(host_try(&hosts[i],
					  "curl -sS --max-time 60 http://" WEB4
					  "/ | grep -qx hello"),
				 0);
	}
	/* The first one has protocol 144, unless its first SYN was not answered
	 * in time; and the second had to learn. */
	ck_assert(!uses_udp(&hosts[1]) ||
		  host_counter(&hosts[1], "retransmissions") > 0);
	ck_assert(uses_udp(&hosts[3]));
	/* Both still work. */
	for (int i = 1; i <= 3; i += 2)
		ck_assert_int_eq(host_try(&hosts[i],
					  "ping -c 3 -i 0.2 -W 20 " WEB4
					  " >/dev/null"),
				 0);
	ck_assert_int_eq(kill(server, SIGKILL), 0);
	ck_assert_int_eq(waitpid(server, NULL, 0), server);
}
END_TEST

/* In the middle of a stream, either way, the NAT gives it another port. */
START_TEST(a_stream_outlives_its_binding)
{
	struct stream s;
	char *before, *after;

	nat_lab();
	/* Nothing but UDP passes. */
	netns_enter(router_ns);
	sh("nft 'add chain ip nat no { type filter hook forward priority 0; }; "
	   "add rule ip nat no meta l4proto 144 drop'");
	stream_start(&s, &hosts[1], &hosts[2], WEB4, _i == 0, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	ck_assert(uses_udp(&hosts[1]) && uses_udp(&hosts[2]));
	before = sh_output("%s -c %s -f json flow list", SALCTL,
			   hosts[2].control);
	ck_assert_ptr_nonnull(strstr(before, "\"remote_port\":54324"));
	nat_rebinds(20000);
	stream_await(&s, stream_progress(&s) + (8u << 20));
	after = sh_output("%s -c %s -f json flow list", SALCTL,
			  hosts[2].control);
	ck_assert_msg(strstr(after, "\"remote_port\":200"), "%s", after);
	free(before);
	free(after);
	stream_end(&s);
	stream_finish(&s);
	ck_assert_uint_gt(host_counter(&hosts[2], "challenges_sent"), 0);
	ck_assert_uint_eq(host_counter(&hosts[2], "underlay_no_way"), 0);
}
END_TEST

/* Sizes that fill the path, and more, in the clear and in UDP. */
START_TEST(long_packets_pass)
{
	nat_lab();
	for (int i = 1; i <= 3; i += 2) {
		ck_assert_int_eq(host_try(&hosts[i],
					  "ping -c 2 -i 0.2 -W 20 -s 1412 " WEB4
					  " >/dev/null"),
				 0);
		ck_assert_int_eq(host_try(&hosts[i],
					  "ping -c 2 -i 0.2 -W 20 -s 8000 " WEB4
					  " >/dev/null"),
				 0);
	}
	ck_assert(uses_udp(&hosts[3]));
	ck_assert_uint_gt(host_counter(&hosts[3], "underlay_udp_out"), 4);
	ck_assert_uint_gt(host_counter(&hosts[3], "underlay_udp_in"), 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald nat");
	TCase *tc = tcase_create("nat");

	test_sandbox_enter();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_test(tc, two_clients_ping_and_curl);
	tcase_add_loop_test(tc, a_stream_outlives_its_binding, 0, 2);
	tcase_add_test(tc, long_packets_pass);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
