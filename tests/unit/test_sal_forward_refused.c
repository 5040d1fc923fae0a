/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Late binding: who says no to a SYN that service routers hand on, and when. */
#include "tests/support/forward_lab.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void refused_with(uint16_t reason, int64_t within_ns)
{
	struct toy_tcp t;

	host_ping(s.c, "10.8.0.1", 7, 1, 56);
	host_udp(s.c, NULL, "10.8.0.1", 9, 9, "hello");
	toy_connect(&t, s.c, "10.8.0.1", 4000, 80, 10);
	s.c->program = toy_program;
	s.c->program_arg = &t;
	world_run_for(s.w, within_ns);
	WORLD_OK(s.w, s.c->unreachable == 2); /* of UDP: its port */
	WORLD_OK(s.w, t.reset && !t.connected);
	WORLD_OK(s.w, last_reason(s.c) == reason);
	WORLD_OK(s.w, host_flows(s.c) == 0);
}

START_TEST(nobody_knows_the_service)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	refused_with(SAL_REASON_NO_SERVICE, 10 * MSEC);
	WORLD_OK(s.w, stats(s.r2)->no_service == 3);
	finish();
}
END_TEST

/* It is drained, or gone a moment ago: asked again for a while. */
START_TEST(no_instance_is_left)
{
	begin(1);
	chain();
	weigh(s.r2, AT_A, 0);
	refused_with(SAL_REASON_NO_INSTANCE, 1 * SEC);
	finish();
}
END_TEST

START_TEST(a_router_that_knows_the_name_says_no_instance)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	host_name_usual(s.r1);
	refused_with(SAL_REASON_NO_INSTANCE, 1 * SEC);
	finish();
}
END_TEST

START_TEST(a_rule_that_refuses)
{
	struct sal_rule r = { .id = service(1),
			      .bits = 256,
			      .kind = SAL_RULE_DROP,
			      .refuse = true,
			      .priority = 9,
			      .weight = 1 };

	begin(1);
	chain();
	ck_assert_int_eq(sal_rule_add(s.r1->sal, &r, s.w->now_ns), 0);
	refused_with(SAL_REASON_REFUSED, 10 * MSEC);
	finish();
}
END_TEST

START_TEST(a_loop)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	add(s.r1, AT_R2, 1);
	add(s.r2, AT_R1, 1);
	refused_with(SAL_REASON_LOOP, 10 * MSEC);
	WORLD_OK(s.w, stats(s.r2)->forward_loops == 3);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 3);
	finish();
}
END_TEST

/* By rules that a router cannot see through: it comes back by another address
 * of its own. */
START_TEST(a_loop_by_another_address)
{
	begin(1);
	default_to(s.c, AT_R1, 0);
	host_addresses(s.r1, AT_R1, "10.0.8.2");
	add(s.r1, AT_R2, 60000);
	add(s.r1, AT_A, 1); /* it could go on, but should not have come */
	add(s.r2, "10.0.8.2", 1);
	refused_with(SAL_REASON_LOOP, 10 * MSEC);
	WORLD_OK(s.w, stats(s.r1)->forward_loops == 3);
	finish();
}
END_TEST

/* C - R10 ... R18 - A: eight of them are the limit. */
START_TEST(too_many_hops)
{
	struct host *h = NULL;
	char at[32];

	begin(1);
	default_to(s.c, "10.0.20.10", 0);
	for (int i = 10; i < 10 + _i; i++) {
		snprintf(at, sizeof(at), "10.0.20.%d", i);
		if (h)
			add(h, at, 1);
		h = add_router("R", at);
	}
	add(h, AT_A, 1);
	if (_i > 8) {
		refused_with(SAL_REASON_HOP_LIMIT, 30 * MSEC);
		/* The ninth says so, not the last. */
		WORLD_OK(s.w, stats(&s.w->hosts[5 + 8])->forward_far == 3);
	} else {
		host_ping(s.c, "10.8.0.1", 7, 1, 56);
		world_run_for(s.w, 30 * MSEC);
		WORLD_OK(s.w, s.c->replies == 1);
	}
	finish();
}
END_TEST

/* Puts a packet into an engine as if it came to it from there. */
static void put(struct host *h, const char *from, uint8_t ttl, const char *text)
{
	const struct sal_path path = { .local = h->addresses[0],
				       .remote = ip(from),
				       .ifindex = 1 };
	const struct sal_ip_fields fields = { .ttl = ttl };
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int n = sal_text_parse(text, bytes, sizeof(bytes), &err);

	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	sal_from_outer(h->sal, &path, &fields, bytes, (size_t)n, s.w->now_ns);
}

#define SERVICE_1 "16777216"

START_TEST(the_hop_limit_of_ip_counts_too)
{
	static const char syn[] =
		"5>0 | CONTROL SYN v=7 a=0 nonce=99 | SERVICE " SERVICE_1
		" | IDENTITY 10.9.0.1 | ICMP";

	begin(1);
	chain();
	put(s.r1, AT_C, 2, syn);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 1 && !s.resets);
	put(s.r1, AT_C, 1, syn);
	WORLD_OK(s.w, stats(s.r1)->forwarded == 1 && s.resets == 1);
	WORLD_OK(s.w, stats(s.r1)->forward_far == 1);
	finish();
}
END_TEST

static void few_flows(struct sal_config *c)
{
	c->max_flows = 1;
}

/* The instance has no room: another one has, or the program is told. */
START_TEST(table_full)
{
	struct host *full;

	begin(1);
	default_to(s.c, AT_R1, 0);
	world_adjust = few_flows;
	full = add_client_or_instance("F", 9, "10.0.5.1");
	world_adjust = NULL;
	host_serve(full, 1);
	add(s.r1, "10.0.5.1", 60000);
	/* More than a question: it does not make room. */
	for (uint16_t seq = 1; seq <= 3; seq++)
		host_ping(s.c, "10.8.0.1", 6, seq, 56);
	world_run_for(s.w, 10 * MSEC);
	WORLD_OK(s.w, s.c->replies == 3);
	if (_i) {
		add(s.r1, AT_A, 1);
		host_ping(s.c, "10.8.0.1", 7, 1, 56);
		world_run_for(s.w, 100 * MSEC);
		WORLD_OK(s.w, s.c->replies == 4 && s.a->requests == 1);
	} else {
		host_ping(s.c, "10.8.0.1", 7, 1, 56);
		world_run_for(s.w, 1 * SEC);
		WORLD_OK(s.w, s.c->replies == 3 && s.c->unreachable == 1);
		WORLD_OK(s.w, last_reason(s.c) == SAL_REASON_TABLE_FULL);
	}
	finish();
}
END_TEST

static Suite *suite(void)
{
	Suite *all = suite_create("sal: refused by routers");
	TCase *tc = tcase_create("refused");

	tcase_add_test(tc, nobody_knows_the_service);
	tcase_add_test(tc, no_instance_is_left);
	tcase_add_test(tc, a_router_that_knows_the_name_says_no_instance);
	tcase_add_test(tc, a_rule_that_refuses);
	tcase_add_test(tc, a_loop);
	tcase_add_test(tc, a_loop_by_another_address);
	tcase_add_loop_test(tc, too_many_hops, 7, 11);
	tcase_add_test(tc, the_hop_limit_of_ip_counts_too);
	tcase_add_loop_test(tc, table_full, 0, 2);
	suite_add_tcase(all, tc);
	return all;
}

int main(void)
{
	return run_suite(suite());
}
