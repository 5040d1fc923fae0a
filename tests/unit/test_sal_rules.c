/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of every kind at work: who is chosen, held, dropped, and forgotten. */
#include "tests/support/sal_rules_lab.h"
#include "tests/support/toy_tcp.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* ---- who is chosen ------------------------------------------------------ */

/* Where the flows of so many pings are, of different IDs; a few at a time. */
static unsigned to_b(struct world *w, unsigned pings)
{
	struct host *b = world_b(w);
	unsigned before = b->requests;

	for (unsigned i = 0; i < pings; i++) {
		host_ping(world_c(w), "10.8.0.1", (uint16_t)(100 + i), 1, 56);
		if (i % 20 == 19 || i + 1 == pings)
			world_run_for(w, 5 * MSEC);
	}
	return b->requests - before;
}

START_TEST(the_highest_priority_serves)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	host_serve(world_b(w), 1);
	add(c, rule(SAL_RULE_FORWARD, TO_B, 5, 1));
	ck_assert_uint_eq(to_b(w, 10), 10);
	/* Drained, it gets nothing new, and keeps what it has. */
	change(c, rule(SAL_RULE_FORWARD, TO_B, 0, 0), SAL_CHANGE_WEIGHT);
	host_ping(c, "10.8.0.1", 100, 2, 56);
	host_ping(c, "10.8.0.1", 900, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, world_b(w)->requests == 11 && world_a(w)->requests == 1);
	WORLD_OK(w, info(c, SAL_RULE_FORWARD, TO_B).rule.priority == 5);
	WORLD_OK(w, info(c, SAL_RULE_FORWARD, TO_B).flows == 10);
	WORLD_OK(w, info(c, SAL_RULE_FORWARD, TO_B).packets == 22);
	WORLD_OK(w, info(c, SAL_RULE_FORWARD, TO_B).bytes == 22 * 64);
	WORLD_OK(w, info(world_b(w), SAL_RULE_DEMUX, NULL).flows == 10);
	WORLD_OK(w, info(world_b(w), SAL_RULE_DEMUX, NULL).packets == 22);
	world_free(w);
}
END_TEST

static void many_flows(struct sal_config *c)
{
	c->max_flows = 4000;
}

START_TEST(equals_share_by_weight)
{
	unsigned b;
	struct world *w;

	world_adjust = many_flows;
	w = world_usual((uint64_t)_i);
	host_serve(world_b(w), 1);
	add(world_c(w), rule(SAL_RULE_FORWARD, TO_B, 0, 3));
	b = to_b(w, 2000);
	/* 1500 expected; 64 are 3.3 standard deviations. The seed is fixed. */
	WORLD_OK(w, b > 1436 && b < 1564);
	world_free(w);
	world_adjust = NULL;
}
END_TEST

/* An instance that is drained at its own host says that there is none. */
START_TEST(a_drained_instance_refuses_the_new)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	change(a, rule(SAL_RULE_DEMUX, NULL, 0, 0), SAL_CHANGE_WEIGHT);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, c->replies == 2 && c->unreachable == 1);
	change(a, rule(SAL_RULE_DEMUX, NULL, 0, 1), SAL_CHANGE_WEIGHT);
	host_ping(c, "10.8.0.1", 9, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 3);
	world_free(w);
}
END_TEST

/* ---- set aside ---------------------------------------------------------- */

/* Nobody has the address of the first choice. */
START_TEST(a_silent_target_is_set_aside)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	int64_t began = w->now_ns;

	add(c, rule(SAL_RULE_FORWARD, "10.0.9.9", 5, 1));
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 2900 * MSEC);
	WORLD_OK(w, !c->replies);
	world_run_for(w, 200 * MSEC);
	WORLD_OK(w, c->replies == 1 && world_a(w)->requests == 1);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_SERVICE_UNREACHABLE) == 1);
	/* The next ones do not wait for it, for ten seconds. */
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_run(w, began + 14 * SEC);
	host_ping(c, "10.8.0.1", 9, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_run_for(w, 3100 * MSEC);
	WORLD_OK(w, c->replies == 3);
	world_free(w);
}
END_TEST

static unsigned asides(struct world *w)
{
	return (unsigned)sal_stats(world_c(w)->sal)->service_aside;
}

/* The instance loses its power: whoever has seen it answer waits for some
 * round trips and not for seconds, and spares it for longer each time. */
START_TEST(one_that_has_answered_falls_silent)
{
	static const int64_t spared_ms[] = { 1000, 2000, 4000, 8000, 10000 };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	uint16_t id = 100;
	unsigned b;

	host_serve(world_b(w), 1);
	add(c, rule(SAL_RULE_FORWARD, TO_B, 5, 1));
	ck_assert_uint_eq(to_b(w, 1), 1);
	WORLD_OK(w, c->replies == 1);
	host_addresses(world_b(w), NULL, NULL);
	for (size_t i = 0; i < 5; i++) {
		unsigned replies = c->replies;

		/* The wait doubles with it, from 200 ms to a second. */
		host_ping(c, "10.8.0.1", ++id, 1, 56);
		world_run_for(w, (i < 3 ? 200 << i : 1000) * MSEC - MSEC);
		WORLD_OK(w, c->replies == replies);
		world_run_for(w, 10 * MSEC);
		WORLD_OK(w, c->replies == replies + 1);
		WORLD_OK(w, asides(w) == i + 1);
		/* All others go there at once meanwhile. */
		host_ping(c, "10.8.0.1", ++id, 1, 56);
		world_run_for(w, (spared_ms[i] - 30) * MSEC);
		WORLD_OK(w, c->replies == replies + 2);
		WORLD_OK(w, asides(w) == i + 1);
		world_run_for(w, 40 * MSEC);
	}
	/* It is back: the next that tries it finds it, and it is as before. */
	host_addresses(world_b(w), TO_B, NULL);
	world_run_for(w, 20 * SEC);
	b = world_b(w)->requests;
	for (int i = 0; i < 3; i++)
		host_ping(c, "10.8.0.1", ++id, 1, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, world_b(w)->requests == b + 3);
	WORLD_OK(w, asides(w) == 5);
	world_free(w);
}
END_TEST

/* One of twenty packets is lost: both instances go on to serve, new flows are
 * answered all the same, and none waits for long. */
START_TEST(a_lossy_link_hides_nobody)
{
	struct world *w;
	struct host *c;
	unsigned b = 0, asked = 0;

	world_adjust = many_flows;
	w = world_usual((uint64_t)_i + 1);
	c = world_c(w);
	w->weather.loss = 50;
	host_serve(world_b(w), 1);
	add(c, rule(SAL_RULE_FORWARD, TO_B, 0, 1));
	for (unsigned i = 0; i < 1000; i++) {
		unsigned before = world_b(w)->requests;

		host_ping(c, "10.8.0.1", (uint16_t)(100 + i), 1, 56);
		world_run_for(w, 20 * MSEC);
		b += world_b(w)->requests - before;
		asked++;
	}
	w->weather.loss = 0;
	world_run_for(w, 60 * SEC);
	WORLD_OK(w, !c->unreachable);
	WORLD_OK(w, asides(w) > 0);
	/* Neither is ever out for long: a quarter each at the least. */
	WORLD_OK(w, b > asked / 4 && b < 3 * asked / 4);
	WORLD_OK(w, c->replies >= asked - asked / 10);
	world_free(w);
	world_adjust = NULL;
}
END_TEST

/* With nobody else there, it is asked as often as ever. */
START_TEST(the_only_target_is_never_given_up)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	no_rule(w);
	add(c, rule(SAL_RULE_FORWARD, "10.0.9.9", 5, 1));
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 62 * SEC);
	WORLD_OK(w, !c->unreachable && host_flows(c) == 1);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, c->unreachable == 1 && !host_flows(c));
	world_free(w);
}
END_TEST

/* Neither of two answers: the search has an end all the same. */
START_TEST(two_silent_targets)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	no_rule(w);
	add(c, rule(SAL_RULE_FORWARD, "10.0.9.9", 5, 1));
	add(c, rule(SAL_RULE_FORWARD, "10.0.9.8", 1, 1));
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 100 * SEC);
	WORLD_OK(w, c->unreachable == 1 && !host_flows(c));
	world_free(w);
}
END_TEST

/* It says so itself: the other one serves after some milliseconds. */
START_TEST(a_target_without_an_instance)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	add(c, rule(SAL_RULE_FORWARD, TO_B, 5, 1));
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 50 * MSEC);
	WORLD_OK(w, c->replies == 1 && !c->unreachable);
	WORLD_OK(w, world_a(w)->requests == 1);
	/* In a second it is tried again. */
	host_serve(world_b(w), 1);
	world_run_for(w, SEC);
	ck_assert_uint_eq(to_b(w, 3), 3);
	world_free(w);
}
END_TEST

/* ---- DROP --------------------------------------------------------------- */

START_TEST(dropped_in_silence)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	add(c, rule(SAL_RULE_DROP, NULL, 5, 1));
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 100 * SEC);
	WORLD_OK(w, !sal_stats(c->sal)->inner_out && !host_flows(c));
	WORLD_OK(w, !sal_stats(c->sal)->outer_out);
	WORLD_OK(w, sal_stats(c->sal)->service_dropped == 1);
	WORLD_OK(w, info(c, SAL_RULE_DROP, NULL).flows == 1);
	/* Taken away, the one below serves. */
	ck_assert_int_eq(
		sal_rule_delete(c->sal,
				&(struct sal_rule){ .id = service(1),
						    .bits = 256,
						    .kind = SAL_RULE_DROP },
				w->now_ns),
		0);
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 1);
	world_free(w);
}
END_TEST

START_TEST(dropped_with_an_answer)
{
	struct sal_rule r = rule(SAL_RULE_DROP, NULL, 5, 1);
	struct world *w = world_usual(1);
	struct host *c = world_c(w);
	struct toy_tcp t;

	r.refuse = true;
	add(c, r);
	toy_connect(&t, c, "10.8.0.1", 4000, 80, 0);
	WORLD_OK(w, t.reset && c->resets == 1);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	WORLD_OK(w, c->unreachable == 1 && !host_flows(c));
	world_free(w);
}
END_TEST

/* At a host that is asked, and has no instance: nothing, or "refused". */
START_TEST(a_syn_meets_a_drop_rule)
{
	struct sal_rule r = rule(SAL_RULE_DROP, NULL, 5, 1);
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *b = world_b(w);

	r.refuse = _i;
	no_rule(w);
	host_forward(c, 1, TO_B);
	add(b, r);
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->unreachable == (unsigned)_i);
	WORLD_OK(w, sal_stats(b->sal)->outer_out == (unsigned)_i);
	WORLD_OK(w, sal_stats(b->sal)->service_dropped == 1);
	/* An instance that is here is not overruled. */
	host_serve(b, 1);
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 5 * MSEC);
	WORLD_OK(w, c->replies == 1);
	world_free(w);
}
END_TEST

/* ---- time --------------------------------------------------------------- */

START_TEST(rules_expire)
{
	struct sal_rule r = rule(SAL_RULE_FORWARD, TO_B, 5, 1);
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *b = world_b(w);

	host_serve(b, 1);
	if (_i)
		r.idle_ms = 2000;
	else
		r.hard_ms = 2000;
	add(c, r);
	for (uint16_t i = 1; i <= 10; i++) {
		host_ping(c, "10.8.0.1", 7, i, 56);
		world_run_for(w, 300 * MSEC);
	}
	/* While it is used, an idle time does not run. */
	WORLD_OK(w, c->replies == 10);
	WORLD_OK(w, count_rules(c, SAL_RULE_FORWARD) == (_i ? 2 : 1));
	WORLD_OK(w, b->requests == (_i ? 10 : 7));
	world_run_for(w, 2100 * MSEC);
	WORLD_OK(w, count_rules(c, SAL_RULE_FORWARD) == 1);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_SERVICE_EXPIRED) == 1);
	world_free(w);
}
END_TEST

/* The end of an instance's rule is that of its flows. */
START_TEST(instances_expire)
{
	struct sal_rule r = rule(SAL_RULE_DEMUX, NULL, 0, 1);
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *b = world_b(w);
	struct toy_tcp t;

	no_rule(w);
	r.hard_ms = 3000;
	add(b, r);
	host_forward(c, 1, TO_B);
	toy_connect(&t, c, "10.8.0.1", 4000, 80, 0);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, host_flows(b) == 1);
	world_run_for(w, 2 * SEC);
	/* Renewed in time it stays. */
	change(b, r, SAL_CHANGE_HARD);
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, host_flows(b) == 1 && count_rules(b, SAL_RULE_DEMUX) == 1);
	world_run_for(w, 1100 * MSEC);
	WORLD_OK(w, !host_flows(b) && !count_rules(b, SAL_RULE_DEMUX));
	world_free(w);
}
END_TEST

/* ---- the table ---------------------------------------------------------- */

static void four_rules(struct sal_config *c)
{
	c->max_rules = 4;
}

START_TEST(the_table_is_full)
{
	struct world *w;
	struct host *c;
	struct sal_rule r = rule(SAL_RULE_FORWARD, TO_B, 0, 1);

	world_adjust = four_rules;
	w = world_usual(1);
	world_adjust = NULL;
	c = world_c(w);
	for (unsigned i = 2; i <= 4; i++) {
		r.id = service(i);
		add(c, r);
	}
	r.id = service(5);
	ck_assert_int_eq(sal_rule_add(c->sal, &r, w->now_ns), -ENOSPC);
	r.id = service(4);
	ck_assert_int_eq(sal_rule_add(c->sal, &r, w->now_ns), -EEXIST);
	r.priority = 70000;
	ck_assert_int_eq(sal_rule_change(c->sal, &r, SAL_CHANGE_ALL, 0),
			 -EINVAL);
	ck_assert_uint_eq(count_rules(c, SAL_RULE_FORWARD), 4);
	world_free(w);
}
END_TEST

START_TEST(a_prefix_is_deleted_whole)
{
	struct service_prefix p = { .id = service(1), .bits = 256 };
	struct world *w = world_usual(1);
	struct host *c = world_c(w);

	add(c, rule(SAL_RULE_FORWARD, TO_B, 1, 1));
	add(c, rule(SAL_RULE_DROP, NULL, 2, 1));
	host_serve(c, 1);
	ck_assert_int_eq(sal_rules_delete(c->sal, &p, w->now_ns), 0);
	WORLD_OK(w, !count_rules(c, SAL_RULE_FORWARD) &&
			    !count_rules(c, SAL_RULE_DROP) &&
			    !count_rules(c, SAL_RULE_DEMUX));
	ck_assert_int_eq(sal_rules_delete(c->sal, &p, w->now_ns), -ENOENT);
	p.bits = 257;
	ck_assert_int_eq(sal_rules_delete(c->sal, &p, w->now_ns), -EINVAL);
	world_free(w);
}
END_TEST

/* ---- prefixes ----------------------------------------------------------- */

static struct sal_rule at_bits(struct sal_rule r, uint16_t bits)
{
	r.bits = bits; /* service(1) begins with 0x01 */
	return r;
}

/* A has all that begins with 0x01; then a longer prefix, with what its client
 * talks to in it, is B's. Nobody tells the client, but A itself. */
START_TEST(a_longer_prefix_takes_services_away)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w), *b = world_b(w);
	struct service_id id = service(1);

	host_unserve(a, 1);
	add(a, at_bits(rule(SAL_RULE_DEMUX, NULL, 0, 1), 8));
	WORLD_OK(w, sal_rule_serves(a->sal, &id, 0));
	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, a->requests == 1 && c->replies == 1);
	add(c, rule(SAL_RULE_FORWARD, TO_B, 0, 0)); /* for later */
	add(b, at_bits(rule(SAL_RULE_DEMUX, NULL, 0, 1), 16));
	/* One that is not longer changes nothing. */
	add(a, at_bits(rule(SAL_RULE_FORWARD, TO_B, 0, 1), 8));
	WORLD_OK(w, sal_rule_serves(a->sal, &id, 0));
	host_ping(c, "10.8.0.1", 7, 2, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, a->requests == 2 && c->replies == 2);

	add(a, at_bits(rule(SAL_RULE_FORWARD, TO_B, 0, 1), 16));
	WORLD_OK(w, !sal_rule_serves(a->sal, &id, 0));
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, !host_flows(a));
	change(c, rule(SAL_RULE_FORWARD, TO_B, 0, 1), SAL_CHANGE_WEIGHT);
	host_ping(c, "10.8.0.1", 7, 3, 56);
	world_run_for(w, SEC);
	WORLD_OK(w, b->requests == 1 && a->requests == 2);
	WORLD_OK(w, c->replies == 3 && !c->unreachable);
	/* And back. */
	ck_assert_int_eq(
		sal_rule_delete(a->sal,
				&(struct sal_rule){ .id = id,
						    .bits = 16,
						    .kind = SAL_RULE_FORWARD,
						    .to = ip(TO_B) },
				w->now_ns),
		0);
	WORLD_OK(w, sal_rule_serves(a->sal, &id, 0));
	WORLD_OK(w, !sal_rule_serves(c->sal, &id, 0));
	WORLD_OK(w, sal_rule_serves(c->sal, &id, 256));
	WORLD_OK(w, !sal_rule_serves(c->sal, &id, 255));
	world_free(w);
}
END_TEST

/* ---- strangers ---------------------------------------------------------- */

/*
 * Rules are set over the control socket of their host and nowhere else. What a
 * stranger can send is packets: each set of control flags, with each reason,
 * for the service, for a flow that is open, with and without its flow IDs.
 */
START_TEST(strangers_take_no_rule_away)
{
	struct world *w = world_usual(1);
	struct host *c = world_c(w), *a = world_a(w);
	struct host *ends[] = { c, a };
	struct service_id id = service(1);
	uint32_t ids[2];

	host_ping(c, "10.8.0.1", 7, 1, 56);
	world_run_for(w, 10 * MSEC);
	ids[0] = host_flow(c).local_id;
	ids[1] = host_flow(a).local_id;
	for (unsigned flags = 0; flags < 256; flags += 4)
		for (unsigned i = 0; i < 64; i++) {
			unsigned end = i & 1, reason = i >> 3;
			struct sal_packet p;
			uint8_t bytes[256];
			int n;

			sal_packet_init(&p, i & 2 ? ids[!end] : 77,
					i & 4 ? ids[end] : 0, IPPROTO_ICMP);
			sal_add_control(&p, (uint8_t)flags, 5, 6, 12345);
			sal_add_service(&p, &id);
			if (reason)
				sal_add_reason(&p, (uint16_t)reason);
			n = sal_encode(&p, bytes, sizeof(bytes));
			ck_assert_int_gt(n, 0);
			world_inject(w, i % 3 ? TO_A : "10.0.6.6", ends[end],
				     bytes, (size_t)n);
		}
	world_run_for(w, 2 * SEC);
	WORLD_OK(w, count_rules(a, SAL_RULE_DEMUX) == 1);
	WORLD_OK(w, count_rules(c, SAL_RULE_FORWARD) == 1);
	WORLD_OK(w, info(c, SAL_RULE_FORWARD, TO_A).aside_ns < w->now_ns);
	WORLD_OK(w, !world_events(w, c, SAL_EVENT_SERVICE_UNREACHABLE));
	host_ping(c, "10.8.0.1", 7, 2, 56);
	host_ping(c, "10.8.0.1", 8, 1, 56);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 3);
	world_free(w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sal_rules");
	TCase *tc = tcase_create("sal_rules");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_highest_priority_serves);
	tcase_add_loop_test(tc, equals_share_by_weight, 1, 4);
	tcase_add_test(tc, a_drained_instance_refuses_the_new);
	tcase_add_test(tc, a_silent_target_is_set_aside);
	tcase_add_test(tc, one_that_has_answered_falls_silent);
	tcase_add_loop_test(tc, a_lossy_link_hides_nobody, 0, 4);
	tcase_add_test(tc, the_only_target_is_never_given_up);
	tcase_add_test(tc, two_silent_targets);
	tcase_add_test(tc, a_target_without_an_instance);
	tcase_add_test(tc, dropped_in_silence);
	tcase_add_test(tc, dropped_with_an_answer);
	tcase_add_loop_test(tc, a_syn_meets_a_drop_rule, 0, 2);
	tcase_add_loop_test(tc, rules_expire, 0, 2);
	tcase_add_test(tc, instances_expire);
	tcase_add_test(tc, the_table_is_full);
	tcase_add_test(tc, a_prefix_is_deleted_whole);
	tcase_add_test(tc, a_longer_prefix_takes_services_away);
	tcase_add_test(tc, strangers_take_no_rule_away);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
