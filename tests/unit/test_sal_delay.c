/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules that have a conversation wait for a verdict. */
#include "tests/support/run_suite.h"
#include "tests/support/sal_rules_lab.h"
#include "tests/support/toy_tcp.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

struct held {
	struct sal_delayed d;
	unsigned n;
};

static void note_held(void *arg, const struct sal_delayed *d)
{
	struct held *h = arg;

	h->d = *d;
	h->n++;
}

static struct held held(struct host *h)
{
	struct held found = { .n = 0 };

	sal_delayed(h->sal, note_held, &found);
	return found;
}

static struct world *world_delayed(void)
{
	struct sal_rule r = rule(SAL_RULE_DELAY, NULL, 5, 1);
	struct world *w = world_usual(1);

	r.hold_ms = 4000;
	add(world_c(w), r);
	host_ping(world_c(w), "10.8.0.1", 7, 1, 56);
	world_run_for(w, SEC);
	host_ping(world_c(w), "10.8.0.1", 7, 2, 56);
	WORLD_OK(w, !sal_stats(world_c(w)->sal)->outer_out);
	WORLD_OK(w, !sal_stats(world_c(w)->sal)->inner_out);
	WORLD_OK(w, held(world_c(w)).n == 1);
	WORLD_OK(w, held(world_c(w)).d.packets == 2);
	return w;
}

static int verdict(struct host *h, enum sal_verdict verdict, const char *to)
{
	struct ip_addr addr = { 0 };

	if (to)
		addr = ip(to);
	return sal_verdict(h->sal, held(h).d.flow, verdict, &addr,
			   h->world->now_ns);
}

START_TEST(held_and_released)
{
	struct world *w = world_delayed();
	struct host *c = world_c(w);

	WORLD_OK(w, world_events(w, c, SAL_EVENT_SERVICE_DELAYED) == 1);
	/* By the other rules, or to where the verdict says. */
	if (_i)
		host_serve(world_b(w), 1);
	ck_assert_int_eq(verdict(c, SAL_VERDICT_RELEASE, _i ? TO_B : NULL), 0);
	WORLD_OK(w, !held(c).n);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 2);
	WORLD_OK(w, (_i ? world_b(w) : world_a(w))->requests == 2);
	/* The next one is held again. */
	host_ping(c, "10.8.0.1", 8, 1, 56);
	WORLD_OK(w, held(c).n == 1);
	world_free(w);
}
END_TEST

START_TEST(held_and_refused)
{
	struct world *w = world_delayed();
	struct host *c = world_c(w);
	uint32_t flow = held(c).d.flow;

	ck_assert_int_eq(
		verdict(c, _i ? SAL_VERDICT_REFUSE : SAL_VERDICT_DROP, NULL),
		0);
	WORLD_OK(w, c->unreachable == (_i ? 2 : 0) && !host_flows(c));
	/* A verdict too many, and one about nothing. */
	ck_assert_int_eq(
		sal_verdict(c->sal, flow, SAL_VERDICT_DROP, NULL, w->now_ns),
		-ENOENT);
	ck_assert_int_eq(sal_verdict(c->sal, 12345, SAL_VERDICT_RELEASE, NULL,
				     w->now_ns),
			 -ENOENT);
	world_free(w);
}
END_TEST

START_TEST(held_too_long)
{
	struct world *w = world_delayed();
	struct host *c = world_c(w);

	world_run_for(w, 2900 * MSEC);
	WORLD_OK(w, !c->unreachable && held(c).n == 1);
	world_run_for(w, 200 * MSEC);
	WORLD_OK(w, c->unreachable == 2 && !host_flows(c) && !held(c).n);
	WORLD_OK(w, sal_stats(c->sal)->delay_expired == 1);
	world_free(w);
}
END_TEST

/* Nowhere to go from here: it is still held, and can have another verdict. */
START_TEST(released_to_nowhere)
{
	struct world *w = world_delayed();
	struct host *c = world_c(w);

	ck_assert_int_eq(verdict(c, SAL_VERDICT_RELEASE, "fd00::9"),
			 -EHOSTUNREACH);
	WORLD_OK(w, held(c).n == 1);
	ck_assert_int_eq(verdict(c, SAL_VERDICT_RELEASE, NULL), 0);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 2);
	world_free(w);
}
END_TEST

/* Rules that decide otherwise release as well, and others leave it as it is. */
START_TEST(released_by_rules)
{
	struct world *w = world_delayed();
	struct sal_rule delay = rule(SAL_RULE_DELAY, NULL, 5, 1);
	struct host *c = world_c(w);
	int64_t until = held(c).d.until_ns;

	host_serve(world_b(w), 1);
	add(c, rule(SAL_RULE_FORWARD, TO_B, 4, 1));
	WORLD_OK(w, held(c).n == 1 && held(c).d.until_ns == until);
	WORLD_OK(w, world_events(w, c, SAL_EVENT_SERVICE_DELAYED) == 1);
	switch (_i) {
	case 0:
		change(c, rule(SAL_RULE_FORWARD, TO_B, 6, 1),
		       SAL_CHANGE_PRIORITY);
		break;
	case 1:
		ck_assert_int_eq(sal_rule_delete(c->sal, &delay, w->now_ns), 0);
		break;
	default:
		change(c, rule(SAL_RULE_DELAY, NULL, 3, 1),
		       SAL_CHANGE_PRIORITY);
	}
	WORLD_OK(w, !held(c).n);
	world_run_for(w, 10 * MSEC);
	WORLD_OK(w, c->replies == 2 && world_b(w)->requests == 2);
	world_free(w);
}
END_TEST

static void two_delayed(struct sal_config *c)
{
	c->max_delayed = 2;
}

START_TEST(too_many_are_held)
{
	struct world *w;
	struct host *c;

	world_adjust = two_delayed;
	w = world_usual(1);
	world_adjust = NULL;
	c = world_c(w);
	add(c, rule(SAL_RULE_DELAY, NULL, 5, 1));
	for (uint16_t id = 1; id <= 3; id++)
		host_ping(c, "10.8.0.1", id, 1, 56);
	WORLD_OK(w, held(c).n == 2 && c->unreachable == 1);
	WORLD_OK(w, sal_stats(c->sal)->delay_full == 1);
	ck_assert_int_eq(verdict(c, SAL_VERDICT_DROP, NULL), 0);
	host_ping(c, "10.8.0.1", 4, 1, 56);
	WORLD_OK(w, held(c).n == 2 && c->unreachable == 1);
	/* Each has its 5 s, and all is given back. */
	world_run_for(w, 6 * SEC);
	WORLD_OK(w, !held(c).n && c->unreachable == 3 && !host_flows(c));
	world_free(w);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("sal: delay");
	TCase *tc = tcase_create("delay");

	tcase_add_loop_test(tc, held_and_released, 0, 2);
	tcase_add_loop_test(tc, held_and_refused, 0, 2);
	tcase_add_test(tc, held_too_long);
	tcase_add_test(tc, released_to_nowhere);
	tcase_add_loop_test(tc, released_by_rules, 0, 3);
	tcase_add_test(tc, too_many_are_held);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
