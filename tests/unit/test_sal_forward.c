/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late binding: a client that knows a service router only, routers that hand
 * its SYN on by the service's name, instances that answer straight.
 */
#include "tests/support/forward_lab.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* ---- the way there, and straight back ----------------------------------- */

START_TEST(through_two_routers)
{
	begin(1);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && s.a->requests == 1);
	WORLD_OK(s.w, peer_is(s.c, AT_A) && peer_is(s.a, AT_C));
	WORLD_OK(s.w, strstr(s.syn, "SOURCE 10.0.0.1,10.0.8.1,10.0.9.1"));
	WORLD_OK(s.w, strstr(s.synack,
			     "SOURCE 10.0.0.1,10.0.8.1,10.0.9.1,10.0.1.1"));
	WORLD_OK(s.w, s.by_routers == 2); /* one SYN each */
	WORLD_OK(s.w, stats(s.r1)->forwarded == 1);
	WORLD_OK(s.w,
		 world_events(s.w, s.r2, SAL_EVENT_SERVICE_FORWARDED) == 1);
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && s.by_routers == 2);
	/* The routers keep no flow of it. */
	WORLD_OK(s.w, !host_flows(s.r1) && !host_flows(s.r2));
	finish();
}
END_TEST

START_TEST(through_two_routers_over_ipv6)
{
	static const char *const at[] = { "fd00::1", "fd01::1", "fd02::1",
					  "fd08::8", "fd09::9" };

	begin_at(1, at);
	default_to(s.c, "fd08::8", 0);
	add(s.r1, "fd09::9", 1);
	add(s.r2, "fd01::1", 1);
	host_ping(s.c, "fd08::1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, "fd01::1"));
	WORLD_OK(s.w,
		 strstr(s.synack, "SOURCE6 fd00::1,fd08::8,fd09::9,fd01::1"));
	finish();
}
END_TEST

/* What the path cannot carry in one piece does not ride. */
START_TEST(a_rider_fits_all_the_way)
{
	begin(1);
	chain();
	for (unsigned i = 0; i < 40; i++)
		host_ping(s.c, "10.8.0.1", (uint16_t)(10 + i), 1, 1340 + i);
	world_run_for(s.w, 20 * MSEC);
	WORLD_OK(s.w, s.c->replies == 40);
	WORLD_OK(s.w, stats(s.r2)->forwarded == 40);
	finish();
}
END_TEST

START_TEST(a_stream_through_a_router)
{
	struct toy_tcp client, server;

	begin(1);
	chain();
	toy_listen(&server, s.a, "10.8.0.1", 80, 20000);
	s.a->program = toy_program;
	s.a->program_arg = &server;
	toy_connect(&client, s.c, "10.8.0.1", 4000, 80, 20000);
	s.c->program = toy_program;
	s.c->program_arg = &client;
	toy_finish(&client, &server, 20 * SEC);
	WORLD_OK(s.w, s.by_routers == 2);
	finish();
}
END_TEST

/* Neither a move nor anything else needs the router then. */
START_TEST(moves_need_no_router)
{
	begin(1);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.r1, NULL, NULL);
	host_addresses(s.r2, NULL, NULL);
	host_addresses(s.c, "10.0.0.77", NULL);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.a, "10.0.1.77", NULL);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, peer_is(s.c, "10.0.1.77") && peer_is(s.a, "10.0.0.77"));
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && s.by_routers == 2);
	finish();
}
END_TEST

/* Both at the same moment: by name, through the routers, to where it is now. */
START_TEST(both_move_and_find_each_other_by_name)
{
	begin((uint64_t)_i);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.c, "10.0.0.77", NULL);
	host_addresses(s.a, "10.0.1.77", NULL);
	world_run_for(s.w, MSEC);
	/* As whoever sees to the rules would: what is new first. */
	add(s.r2, "10.0.1.77", 1);
	host_unforward(s.r2, 1, AT_A);
	world_run_for(s.w, 3 * SEC);
	WORLD_OK(s.w, peer_is(s.c, "10.0.1.77") && peer_is(s.a, "10.0.0.77"));
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2);
	finish();
}
END_TEST

/* ---- which way ---------------------------------------------------------- */

/* A repeated SYN goes where the first went, whatever the weights are now. */
START_TEST(repetitions_go_the_same_way)
{
	struct host *first;

	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1);
	add(s.r1, AT_B, 1);
	world_lose(s.w, s.a, SAL_FLAG_SYN | SAL_FLAG_ACK, 9);
	world_lose(s.w, s.b, SAL_FLAG_SYN | SAL_FLAG_ACK, 9);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 1);
	first = s.a->requests ? s.a : s.b;
	weigh(s.r1, AT_A, first == s.a ? 0 : 1000);
	weigh(s.r1, AT_B, first == s.b ? 0 : 1000);
	world_run_for(s.w, 2 * SEC);
	WORLD_OK(s.w, stats(s.r1)->forward_again == 1);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 1);
	WORLD_OK(s.w, host_flows(first) == 1);
	WORLD_OK(s.w, host_flows(first == s.a ? s.b : s.a) == 0);
	finish();
}
END_TEST

static void no_memory(struct sal_config *c)
{
	c->max_forwarded = 4;
}

/* Without memory of it (a flood has taken the places) as well, as long as the
 * rules stay. */
START_TEST(repetitions_go_the_same_way_without_memory)
{
	begin((uint64_t)_i);
	more_of_it = no_memory;
	s.r1 = add_router("R3", "10.0.8.3");
	host_serve(s.b, 1);
	default_to(s.c, "10.0.8.3", 0);
	add(s.r1, AT_A, 1);
	add(s.r1, AT_B, 1);
	world_lose(s.w, s.a, SAL_FLAG_SYN | SAL_FLAG_ACK, 99);
	world_lose(s.w, s.b, SAL_FLAG_SYN | SAL_FLAG_ACK, 99);
	for (unsigned i = 0; i < 20; i++)
		host_ping(s.c, "10.8.0.1", (uint16_t)(10 + i), 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 20);
	world_run_for(s.w, 1 * SEC);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 40);
	WORLD_OK(s.w, stats(s.r1)->forward_again < 20);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 20);
	finish();
}
END_TEST

static void count_pings(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		host_ping(s.c, "10.8.0.1", (uint16_t)(100 + i), 1, 56);
		world_run_for(s.w, i % 20 == 19 ? 10 * MSEC : 0);
	}
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == n);
}

static void many_flows(struct sal_config *c)
{
	c->max_flows = 2000;
}

/* The deviation of 1200 draws at 3 : 1 is 15: five of them. */
START_TEST(shares_follow_the_weights)
{
	world_adjust = many_flows;
	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 3);
	add(s.r1, AT_B, 1);
	count_pings(1200);
	WORLD_OK(s.w, s.b->requests > 225 && s.b->requests < 375);
	WORLD_OK(s.w, s.a->requests + s.b->requests == 1200);
	finish();
}
END_TEST

START_TEST(a_silent_instance_is_passed_over)
{
	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1000);
	add(s.r1, AT_B, 1);
	host_addresses(s.a, NULL, NULL);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 4 * SEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_B));
	/* For this flow alone: nobody can have A set aside by SYNs. */
	WORLD_OK(s.w, stats(s.r1)->service_aside == 0);
	finish();
}
END_TEST

/* It turns out that A had only been slow: its half of a flow goes. */
START_TEST(who_answers_late_is_told)
{
	begin(1);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1000);
	add(s.r1, AT_B, 1);
	world_lose(s.w, s.a, SAL_FLAG_SYN | SAL_FLAG_ACK, 4);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 4 * SEC);
	WORLD_OK(s.w, peer_is(s.c, AT_B) && host_flows(s.a) == 1);
	world_run_for(s.w, 20 * SEC);
	WORLD_OK(s.w, host_flows(s.a) == 0 && stats(s.c)->lost_races == 1);
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, peer_is(s.c, AT_B) && s.c->last_reply_seq == 2);
	finish();
}
END_TEST

/* ---- when something dies ------------------------------------------------ */

/* The instance goes: its client asks the router again, and gets the other. */
START_TEST(an_instance_is_withdrawn)
{
	begin(1);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_serve(s.b, 1);
	add(s.r2, AT_B, 1);
	host_unforward(s.r2, 1, AT_A);
	host_unserve(s.a, 1);
	world_run_for(s.w, 100 * MSEC);
	host_ping(s.c, "10.8.0.1", 7, 2, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && peer_is(s.c, AT_B));
	finish();
}
END_TEST

/* The router's rule for it stands a while longer: the client is refused by the
 * host that was one, asks again, and is sent elsewhere. */
START_TEST(a_refused_client_is_sent_elsewhere)
{
	begin((uint64_t)_i);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 60000);
	add(s.r1, AT_B, 1);
	host_serve(s.b, 1);
	host_unserve(s.a, 1);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 100 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_B));
	/* The router itself has done nothing wrong. */
	WORLD_OK(s.w, stats(s.c)->service_aside == 0);
	finish();
}
END_TEST

/* ICMP, from the last router before A, comes to the client, whose address is
 * on the SYN. Who quotes its nonce has seen that. */
START_TEST(an_instance_is_unreachable)
{
	struct sal_path path = { .local = ip(AT_C), .remote = ip(AT_A) };
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int len;

	begin(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 60000);
	add(s.r1, AT_B, 1);
	host_serve(s.b, 1);
	host_addresses(s.a, NULL, NULL);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	ck_assert_int_eq(host_flow(s.c).state, SAL_SYN_SENT);
	len = sal_text_parse(s.syn, bytes, sizeof(bytes), &err);
	ck_assert_msg(len > 0, "%s: %s", s.syn, err.msg);
	sal_unreachable(s.c->sal, &path, bytes, (size_t)len, s.w->now_ns);
	world_run_for(s.w, 100 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_B));
	finish();
}
END_TEST

START_TEST(a_router_dies)
{
	begin(1);
	default_to(s.c, AT_R1, 9);
	default_to(s.c, AT_R2, 0);
	add(s.r1, AT_A, 1);
	add(s.r2, AT_A, 1);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_addresses(s.r1, NULL, NULL);
	for (uint16_t i = 2; i < 12; i++) {
		host_ping(s.c, "10.8.0.1", 7, i, 56);
		world_run_for(s.w, 300 * MSEC);
		WORLD_OK(s.w, s.c->replies == i);
	}
	WORLD_OK(s.w, stats(s.r2)->forwarded == 0);
	/* A new one asks the other router after the first SYN, for this one has
	 * answered before; and then at once. */
	host_ping(s.c, "10.8.0.1", 8, 1, 56);
	world_run_for(s.w, 220 * MSEC);
	WORLD_OK(s.w, s.c->replies == 12);
	host_ping(s.c, "10.8.0.1", 9, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 13 && stats(s.r2)->forwarded == 2);
	finish();
}
END_TEST

/* ---- domains ------------------------------------------------------------ */

/* Each router has its own instance and the other router: half of all go
 * there, and none comes back. */
START_TEST(two_domains)
{
	begin((uint64_t)_i);
	host_serve(s.b, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_A, 1);
	add(s.r1, AT_R2, 1);
	add(s.r2, AT_B, 1);
	add(s.r2, AT_R1, 1);
	count_pings(60);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 60);
	WORLD_OK(s.w, stats(s.r2)->forwarded == s.b->requests);
	WORLD_OK(s.w, s.a->requests > 10 && s.b->requests > 10);
	WORLD_OK(s.w, s.resets == 0);
	finish();
}
END_TEST

/* ---- NATs --------------------------------------------------------------- */

/*
 * In front of C: nothing but UDP passes, a binding is for one peer, and has a
 * port of its own.
 */
#define NAT "10.0.7.7"
static struct nat {
	struct ip_addr peer[8];
	unsigned n;
	unsigned dropped;
} nat;

static bool behind_nat(struct world *w, struct sal_path *path, void *arg)
{
	struct ip_addr inside = ip(AT_C), outside = ip(NAT);
	unsigned i = 0;

	(void)w;
	(void)arg;
	if (ip_addr_equal(&path->local, &inside)) {
		if (!path->remote_port)
			return false;
		while (i < nat.n && !ip_addr_equal(&nat.peer[i], &path->remote))
			i++;
		if (i == nat.n)
			nat.peer[nat.n++] = path->remote;
		path->local = outside;
		path->local_port = (uint16_t)(40000 + i);
		return true;
	}
	if (ip_addr_equal(&path->remote, &inside))
		return false; /* an address of the inside, from outside */
	if (!ip_addr_equal(&path->remote, &outside))
		return true;
	i = path->remote_port - 40000u;
	if (i >= nat.n || !ip_addr_equal(&nat.peer[i], &path->local)) {
		nat.dropped++;
		return false;
	}
	path->remote = inside;
	path->remote_port = 54324;
	return true;
}

static void begin_behind_nat(uint64_t seed)
{
	begin(seed);
	nat.n = nat.dropped = 0;
	s.w->middle = behind_nat;
}

START_TEST(a_client_behind_a_nat)
{
	begin_behind_nat((uint64_t)_i);
	chain();
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 1100 * MSEC);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, AT_A));
	WORLD_OK(s.w, nat.dropped == 0);
	/* Of the next one each hop knows. */
	host_ping(s.c, "10.8.0.1", 8, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 2 && nat.dropped == 0);
	WORLD_OK(s.w, stats(s.r2)->forwarded == 2);
	finish();
}
END_TEST

START_TEST(a_client_behind_a_nat_is_refused)
{
	begin_behind_nat(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 1100 * MSEC);
	WORLD_OK(s.w, s.c->unreachable == 1 && nat.dropped == 0);
	WORLD_OK(s.w, last_reason(s.c) == SAL_REASON_NO_SERVICE);
	finish();
}
END_TEST

START_TEST(a_stream_from_behind_a_nat)
{
	struct toy_tcp client, server;

	begin_behind_nat(1);
	chain();
	toy_listen(&server, s.a, "10.8.0.1", 80, 20000);
	s.a->program = toy_program;
	s.a->program_arg = &server;
	toy_connect(&client, s.c, "10.8.0.1", 4000, 80, 20000);
	s.c->program = toy_program;
	s.c->program_arg = &client;
	toy_finish(&client, &server, 20 * SEC);
	WORLD_OK(s.w, nat.dropped == 0);
	finish();
}
END_TEST

/* ---- pressure ----------------------------------------------------------- */

static void no_half_open(struct sal_config *c)
{
	c->max_half_open = 1;
}

/* A flow whose ACK never comes fills the instance: the next is answered without
 * state, which the client proves straight to it. */
START_TEST(answers_without_state)
{
	begin(1);
	if (_i)
		s.w->middle = behind_nat;
	nat.n = nat.dropped = 0;
	world_adjust = no_half_open;
	s.a = add_client_or_instance("P", 9, "10.0.5.1");
	world_adjust = NULL;
	host_serve(s.a, 1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	add(s.r2, "10.0.5.1", 1);
	default_to(s.b, "10.0.5.1", 0);
	world_lose(s.w, s.b, SAL_FLAG_ACK, 100);
	host_ping(s.b, "10.8.0.1", 5, 1, 56);
	world_run_for(s.w, 10 * MSEC);
	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	world_run_for(s.w, 1100 * MSEC);
	WORLD_OK(s.w, stats(s.a)->syn_stateless >= 1);
	WORLD_OK(s.w, stats(s.a)->syn_proved == 1);
	WORLD_OK(s.w, s.c->replies == 1 && peer_is(s.c, "10.0.5.1"));
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forward");
	TCase *tc = tcase_create("forward");

	tcase_add_test(tc, through_two_routers);
	tcase_add_test(tc, through_two_routers_over_ipv6);
	tcase_add_test(tc, a_rider_fits_all_the_way);
	tcase_add_test(tc, a_stream_through_a_router);
	tcase_add_test(tc, moves_need_no_router);
	tcase_add_loop_test(tc, both_move_and_find_each_other_by_name, 1, 10);
	tcase_add_loop_test(tc, repetitions_go_the_same_way, 1, 20);
	tcase_add_loop_test(tc, repetitions_go_the_same_way_without_memory, 1,
			    5);
	tcase_add_loop_test(tc, shares_follow_the_weights, 1, 5);
	tcase_add_loop_test(tc, a_silent_instance_is_passed_over, 1, 5);
	tcase_add_test(tc, who_answers_late_is_told);
	tcase_add_test(tc, an_instance_is_withdrawn);
	tcase_add_loop_test(tc, a_refused_client_is_sent_elsewhere, 1, 20);
	tcase_add_test(tc, an_instance_is_unreachable);
	tcase_add_test(tc, a_router_dies);
	tcase_add_loop_test(tc, two_domains, 1, 10);
	tcase_add_loop_test(tc, a_client_behind_a_nat, 1, 5);
	tcase_add_test(tc, a_client_behind_a_nat_is_refused);
	tcase_add_test(tc, a_stream_from_behind_a_nat);
	tcase_add_loop_test(tc, answers_without_state, 0, 2);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
