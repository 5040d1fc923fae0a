/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late binding by real salds: host 1 knows host 4, a service router, and
 * nothing else; 2 and 3 are instances. On one switch, or with host 1 behind a
 * router that masquerades and lets nothing but UDP pass. And without any
 * service router: the SYN goes to all.
 */
#include "tests/support/sald_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/stream.h"
#include "tests/support/run_suite.h"

#define ANY "default"

static void salds(int n)
{
	hosts[4].option = n == 4 ? "--service-router" : NULL;
	lab_liveness_ms = PATIENT;
	lab_hosts(n);
	/* As routers need it: for what has no address of its own it asks its
	 * neighbours from this one. */
	netns_enter(hosts[n].ns);
	sh("ip addr add fe80::%d/64 dev eth0 nodad", n);
	for (int i = 1; i <= n; i++)
		host_start_sald(&hosts[i]);
	lab_name_web(n);
}

static void ping_answers(const struct host *h, const char *address)
{
	ck_assert_int_eq(
		host_try(h, "ping -c 3 -i 0.2 -W 20 %s >/dev/null", address),
		0);
}

/* So many flows, whose SYNs were repeated where a host got no CPU for longer
 * than they wait. */
static void forwarded(unsigned flows)
{
	unsigned long n = host_counter(&hosts[4], "forwarded");

	ck_assert_uint_ge(n, flows);
	ck_assert_uint_le(n,
			  flows + host_counter(&hosts[1], "retransmissions"));
}

static bool is_with(const struct host *h, const char *peer)
{
	return host_shows(h, "flow list", peer);
}

/* Over IPv4 and IPv6, what is inside as well. */
START_TEST(through_a_service_router)
{
	const char *instance = _i == 4 ? "10.0.0.2" : "fd00::2";
	struct stream s;

	salds(4);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[4], "service add " WEB " forward %s", instance);
	salctl(&hosts[1], "service add " ANY " forward %s",
	       _i == 4 ? "10.0.0.4" : "fd00::4");
	ping_answers(&hosts[1], WEB4);
	ping_answers(&hosts[1], WEB6);
	ck_assert(is_with(&hosts[1], instance));
	ck_assert(host_shows(&hosts[1], "service", " default"));
	forwarded(2);
	ck_assert_uint_eq(host_counter(&hosts[4], "underlay_send_failed"), 0);
	/* A stream goes on without the router. */
	stream_start(&s, &hosts[1], &hosts[2], WEB4, true, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	host_stop_sald(&hosts[4]);
	stream_await(&s, stream_progress(&s) + (1 << 20));
	stream_end(&s);
	stream_finish(&s);
}
END_TEST

/* The first packet is as long as the path's MTU, and so the SYN longer. */
START_TEST(a_long_first_packet)
{
	salds(4);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[4], "service add " WEB " forward 10.0.0.2");
	salctl(&hosts[1], "service add " ANY " forward 10.0.0.4");
	for (int size = 1330; size < 1440; size += 10)
		ck_assert_int_eq(host_try(&hosts[1],
					  "ping -c 1 -s %d -W 20 " WEB4
					  " >/dev/null",
					  size),
				 0);
	ck_assert_uint_eq(host_counter(&hosts[4], "underlay_send_failed"), 0);
}
END_TEST

/* What the router does not know, and what it cannot send anywhere, is refused
 * at once. */
START_TEST(the_router_refuses)
{
	int fd;

	salds(4);
	salctl(&hosts[1], "service add " ANY " forward 10.0.0.4");
	salctl(&hosts[4], "service add " WEB " forward 10.0.0.3");
	/* 3 is none, and has no rule for it: no such service. */
	fd = host_socket(&hosts[1], AF_INET, SOCK_STREAM, NULL, 0);
	ck_assert_int_eq(try_connect(fd, WEB4, 80), ECONNREFUSED);
	close(fd);
	/* 3 sends it back: a loop. */
	salctl(&hosts[3], "service add " WEB " forward 10.0.0.4");
	fd = host_socket(&hosts[1], AF_INET, SOCK_STREAM, NULL, 0);
	ck_assert_int_eq(try_connect(fd, WEB4, 80), ECONNREFUSED);
	close(fd);
}
END_TEST

/* The host of an instance is gone: ARP says so to the client, which asks the
 * router again, and gets the other one. */
START_TEST(an_instance_is_dead)
{
	salds(4);
	salctl(&hosts[1], "service add " ANY " forward 10.0.0.4");
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[4], "service add " WEB " forward 10.0.0.2");
	salctl(&hosts[4], "service add " WEB " forward 10.0.0.3 weight 60000");
	host_stop_sald(&hosts[3]);
	netns_enter(hosts[3].ns);
	sh("ip link set eth0 down");
	ping_answers(&hosts[1], WEB4);
	ck_assert(is_with(&hosts[1], "10.0.0.2"));
}
END_TEST

/*
 *     host 1, 10.5.0.1 -- 10.5.0.254 NAT 10.0.0.254 -- switch
 */
static void put_behind_nat(struct host *h)
{
	int nat_ns = netns_new();

	veth_add(nat_ns, "outside", switch_ns, "port9");
	sh("ip link set lo up");
	sh("ip addr add 10.0.0.254/24 dev outside");
	sh("echo 1 >/proc/sys/net/ipv4/ip_forward");
	netns_enter(switch_ns);
	sh("ip link set port9 master br0");
	netns_enter(h->ns);
	sh("ip link del eth0");
	veth_add(h->ns, "eth0", nat_ns, "inside");
	sh("ip addr add 10.5.0.1/24 dev eth0");
	netns_enter(nat_ns);
	sh("ip addr add 10.5.0.254/24 dev inside");
	sh("nft 'add table ip t; add chain ip t post { type nat hook "
	   "postrouting priority 100; }; add rule ip t post oifname outside "
	   "masquerade; add chain ip t no { type filter hook forward priority "
	   "0; }; add rule ip t no meta l4proto 144 drop'");
	netns_enter(h->ns);
	sh("ip route add default via 10.5.0.254");
	WAIT_FOR(host_reaches(h, "10.0.0.2"));
}

/* Of what a host has sent. */
static unsigned long not_in_udp(const struct host *h)
{
	char *counters = host_counters(h);
	unsigned long n = counter_in(counters, "underlay_out") -
			  counter_in(counters, "underlay_udp_out");

	free(counters);
	return n;
}

START_TEST(a_client_behind_a_nat)
{
	struct stream s;

	unsigned long plain;

	hosts[4].option = "--service-router";
	lab_liveness_ms = PATIENT;
	lab_hosts(4);
	put_behind_nat(&hosts[1]);
	for (int i = 1; i <= 4; i++)
		host_start_sald(&hosts[i]);
	lab_name_web(4);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[4], "service add " WEB " forward 10.0.0.2");
	salctl(&hosts[1], "service add " ANY " forward 10.0.0.4");
	/* After one time-out the SYN goes over UDP. */
	ck_assert_int_eq(
		host_try(&hosts[1], "ping -c 1 -W 20 " WEB4 " >/dev/null"), 0);
	ck_assert(is_with(&hosts[1], "10.0.0.2"));
	ck_assert(host_shows(&hosts[1], "flow list", " udp"));
	ck_assert_uint_ge(host_counter(&hosts[1], "retransmissions"), 1);
	plain = not_in_udp(&hosts[1]);
	ck_assert_uint_ge(plain, 1);
	stream_start(&s, &hosts[1], &hosts[2], WEB4, true, STREAM_ENDLESS);
	stream_await(&s, 1 << 20);
	stream_end(&s);
	stream_finish(&s);
	/* The second one went to the router over UDP at once. */
	ck_assert_uint_eq(not_in_udp(&hosts[1]), plain);
	ck_assert_uint_ge(host_counter(&hosts[2], "underlay_foreign"), 2);
}
END_TEST

/* To all: by broadcast, and by multicast of IPv6. */
START_TEST(without_any_router)
{
	salds(3);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[1], "service add " ANY " forward %s",
	       _i == 4 ? "255.255.255.255" : "ff02::1");
	ping_answers(&hosts[1], WEB4);
	ping_answers(&hosts[1], WEB6);
	ck_assert(is_with(&hosts[1], _i == 4 ? "10.0.0.2" : "fd00::2"));
	/* 3 has had both SYNs, once each or more, and has said nothing. */
	ck_assert_uint_ge(host_counter(&hosts[3], "no_service"), 2);
	ck_assert_uint_eq(host_counter(&hosts[3], "outer_out"), 0);
	if (_i != 4)
		return;
	/* The host is told after 3 s that nobody is there. */
	salctl(&hosts[2], "service delete " WEB " demux");
	WAIT_FOR(host_try(&hosts[1], "ping -c 1 -W 10 " WEB6
				     " | grep -q nreachable") == 0);
}
END_TEST

START_TEST(the_first_to_answer_is_the_one)
{
	salds(3);
	salctl(&hosts[2], "service add " WEB " demux");
	salctl(&hosts[3], "service add " WEB " demux");
	salctl(&hosts[1], "service add " ANY " forward 255.255.255.255");
	ping_answers(&hosts[1], WEB4);
	/* Or more: a SYN to all is repeated after 0.2 s. */
	WAIT_FOR(host_counter(&hosts[1], "lost_races") >= 1);
	WAIT_FOR(is_with(&hosts[2], "10.0.0.1") !=
		 is_with(&hosts[3], "10.0.0.1"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sald router");
	TCase *tc = tcase_create("router");

	test_sandbox_enter();
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, lab_set_up, NULL);
	tcase_add_loop_test(tc, through_a_service_router, 4, 6);
	tcase_add_test(tc, a_long_first_packet);
	tcase_add_test(tc, the_router_refuses);
	tcase_add_test(tc, an_instance_is_dead);
	tcase_add_test(tc, a_client_behind_a_nat);
	tcase_add_loop_test(tc, without_any_router, 4, 6);
	tcase_add_test(tc, the_first_to_answer_is_the_one);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
