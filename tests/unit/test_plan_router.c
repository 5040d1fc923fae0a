/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans with service routers: who asks whom, and what they are told. */
#include "orchestrator/plan/live.h"
#include "tests/support/scenario_text.h"
#include "tests/support/run_suite.h"

#include <stdio.h>

static struct plan *plan;

static void plan_teardown(void)
{
	plan = plan_free(plan);
	teardown();
}

static void must_plan(const char *text)
{
	parse_good(text);
	if (plan_make(s, diag, &plan)) {
		diag_render(diag, stderr);
		ck_abort_msg("no plan");
	}
}

/*
 *   a c --la-- ra ------ rb --lb-- d e
 */
#define NODES(rb)                                                              \
	HEAD "topology:\n"                                                     \
	     "  nodes:\n"                                                      \
	     "    a: {}\n"                                                     \
	     "    c: {}\n"                                                     \
	     "    d: {}\n"                                                     \
	     "    e: {}\n"                                                     \
	     "    ra: { kind: service-router }\n"                              \
	     "    rb: { kind: service-router" rb " }\n"                        \
	     "    la: { kind: bridge, subnet: 10.1.0.0/24 }\n"                 \
	     "    lb: { kind: bridge, subnet: 10.2.0.0/24 }\n"                 \
	     "  links:\n"                                                      \
	     "    - endpoints: [\"a:eth0\", la]\n"                             \
	     "    - endpoints: [\"c:eth0\", la]\n"                             \
	     "    - endpoints: [\"ra:eth0\", la]\n"                            \
	     "    - endpoints: [\"d:eth0\", lb]\n"                             \
	     "    - endpoints: [\"e:eth0\", lb]\n"                             \
	     "    - endpoints: [\"rb:eth0\", lb]\n"                            \
	     "    - { endpoints: [\"ra:up\", \"rb:up\"], subnet: "             \
	     "10.3.0.0/24 }\n"                                                 \
	     "services:\n"                                                     \
	     "  web:\n"                                                        \
	     "    resolver: sal\n"                                             \
	     "    instances: [c, { node: d, weight: 3 },\n"                    \
	     "                { node: e, weight: 4 }]\n"

static const char *texts(const struct plan_op *ops, size_t n, const char *part)
{
	static char all[4096];
	char one[512];

	all[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		plan_op_text(plan, &ops[i], one, sizeof(one));
		if (part && !strstr(one, part))
			continue;
		strcat(all, all[0] ? " | " : "");
		strcat(all, one);
	}
	return all;
}

static const char *planned(const char *part)
{
	return texts(plan->ops.v, plan->ops.n, part);
}

/* The lab before the nth entry. */
static struct plan_live *live_before(size_t n)
{
	struct plan_live *l = plan_live_new(plan);

	ck_assert_ptr_nonnull(l);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(
			plan_live_take(l, &s->timeline.v[i].actions.v[0]), 0);
	return l;
}

/* What the nth entry makes of instances, at those who hand on. */
static const char *rebound(size_t n)
{
	const struct scn_action *a = &s->timeline.v[n].actions.v[0];
	struct plan_live *l = live_before(n);
	plan_op_vec ops = { 0 };
	const char *text;
	size_t from = SCN_NONE, to = SCN_NONE;

	plan_live_begin(l, a);
	if (a->kind == SCN_ACTION_MIGRATE) {
		from = a->migrate.from;
		to = a->migrate.to;
	} else if (a->kind == SCN_ACTION_REGISTER) {
		to = a->serve.node;
	} else {
		from = a->serve.node;
	}
	ck_assert_int_eq(plan_sal_bind_ops(l, 0, from, to, PLAN_SAL_FORWARD,
					   a->pos, &ops),
			 0);
	text = texts(ops.v, ops.n, NULL);
	VEC_FREE(&ops);
	plan_live_free(l);
	return text;
}

START_TEST(two_domains)
{
	must_plan(NODES(""));
	/* The nearest router, and nothing else. */
	ck_assert_str_eq(planned("know"),
			 "a: forward services that it does not know to "
			 "10.1.0.3 | c: forward services that it does not know "
			 "to 10.1.0.3 | d: forward services that it does not "
			 "know to 10.2.0.3 | e: forward services that it does "
			 "not know to 10.2.0.3");
	ck_assert_str_eq(planned("serve service"),
			 "c: serve service web | d: serve service web | e: "
			 "serve service web");
	/* The other domain has the weight of both that are there. */
	ck_assert_str_eq(planned("forward service web"),
			 "ra: forward service web to 10.1.0.2 | ra: forward "
			 "service web to 10.3.0.2, weight 7 | rb: forward "
			 "service web to 10.3.0.1 | rb: forward service web to "
			 "10.2.0.1, weight 3 | rb: forward service web to "
			 "10.2.0.2, weight 4");
}
END_TEST

/* rb is below ra, which alone knows what both have. */
START_TEST(levels)
{
	must_plan(NODES(", resolves_by: ra"));
	ck_assert_str_eq(planned("rb: forward"),
			 "rb: forward service web to 10.2.0.1, weight 3 | rb: "
			 "forward service web to 10.2.0.2, weight 4 | rb: "
			 "forward services that it does not know to 10.3.0.1");
	ck_assert_str_eq(planned("ra: forward"),
			 "ra: forward service web to 10.1.0.2 | ra: forward "
			 "service web to 10.3.0.2, weight 7");
}
END_TEST

START_TEST(instances_come_and_go)
{
	must_plan(
		NODES("") "duration: 9s\n"
			  "timeline:\n"
			  "  - { at: 1s, unregister: web, node: e }\n"
			  "  - { at: 2s, unregister: web, node: d }\n"
			  "  - { at: 3s, register: web, node: e, weight: 2 }\n"
			  "  - { at: 4s, migrate: { service: web, from: c, "
			  "to: a } }\n"
			  "  - { at: 5s, migrate: { service: web, from: a, "
			  "to: d } }\n");
	ck_assert_str_eq(rebound(0),
			 "ra: forward service web to 10.3.0.2, weight 3 | rb: "
			 "stop forwarding service web to 10.2.0.2");
	ck_assert_str_eq(rebound(1),
			 "ra: stop forwarding service web to 10.3.0.2 | rb: "
			 "stop forwarding service web to 10.2.0.1");
	ck_assert_str_eq(rebound(2),
			 "ra: forward service web to 10.3.0.2, weight 2 | rb: "
			 "forward service web to 10.2.0.2, weight 2");
	/* In the same domain: the other one sees nothing of it. */
	ck_assert_str_eq(rebound(3),
			 "ra: forward service web to 10.1.0.1 | ra: stop "
			 "forwarding service web to 10.1.0.2");
	ck_assert_str_eq(rebound(4),
			 "ra: forward service web to 10.3.0.2, weight 3 | ra: "
			 "stop forwarding service web to 10.1.0.1 | rb: "
			 "forward service web to 10.2.0.1 | rb: stop "
			 "forwarding service web to 10.3.0.1");
}
END_TEST

START_TEST(weights)
{
	plan_op_vec ops = { 0 };
	struct plan_live *l;

	must_plan(NODES("") "duration: 9s\n"
			    "timeline:\n"
			    "  - { at: 1s, service: web, instance: e, weight: "
			    "0 }\n");
	l = live_before(0);
	ck_assert_int_eq(
		plan_weight_ops(l, &s->timeline.v[0].actions.v[0], &ops), 0);
	ck_assert_str_eq(texts(ops.v, ops.n, NULL),
			 "ra: forward service web to 10.3.0.2, weight 3 | rb: "
			 "forward service web to 10.2.0.2, weight 0");
	VEC_FREE(&ops);
	plan_live_free(l);
}
END_TEST

/* Only the routers of its own domain have an instance's address. */
START_TEST(an_instance_moves)
{
	plan_op_vec ops = { 0 };
	struct plan_live *l;

	must_plan(NODES("") "duration: 9s\n"
			    "timeline:\n"
			    "  - { at: 1s, interface: \"c:eth0\", address: "
			    "10.1.0.5/24 }\n");
	l = live_before(0);
	ck_assert_int_eq(
		plan_follow_ops(l, &s->timeline.v[0].actions.v[0], &ops), 0);
	ck_assert_str_eq(texts(ops.v, ops.n, NULL),
			 "ra: forward service web to 10.1.0.5 | ra: stop "
			 "forwarding service web to 10.1.0.2");
	VEC_FREE(&ops);
	plan_live_free(l);
}
END_TEST

/* What is left of what it has missed; not what was so for a while. */
START_TEST(a_frozen_router)
{
	plan_op_vec ops = { 0 };
	struct plan_live *l;

	must_plan(NODES("") "duration: 9s\n"
			    "timeline:\n"
			    "  - { at: 1s, freeze: ra }\n"
			    "  - { at: 2s, service: web, instance: e, weight: "
			    "9 }\n"
			    "  - { at: 3s, migrate: { service: web, from: c, "
			    "to: a } }\n"
			    "  - { at: 4s, unregister: web, node: a }\n"
			    "  - { at: 5s, unregister: web, node: d }\n");
	l = live_before(5);
	ck_assert_int_eq(plan_missed_ops(l, scenario_find_node(s, "ra"),
					 (struct src_pos){ 0 }, &ops),
			 0);
	ck_assert_str_eq(texts(ops.v, ops.n, NULL),
			 "ra: forward service web to 10.3.0.2, weight 9 | ra: "
			 "stop forwarding service web to 10.1.0.2");
	VEC_FREE(&ops);
	plan_live_free(l);
}
END_TEST

START_TEST(by_broadcast_and_by_table)
{
	must_plan(HEAD "topology:\n"
		       "  nodes:\n"
		       "    a: { resolves_by: broadcast }\n"
		       "    b: { resolves_by: table }\n"
		       "    c: { resolves_by: [r2, r1] }\n"
		       "    r1: { kind: service-router }\n"
		       "    r2: { kind: service-router }\n"
		       "    lan: { kind: bridge, subnet: 10.1.0.0/24 }\n"
		       "  links:\n"
		       "    - endpoints: [\"a:eth0\", lan]\n"
		       "    - endpoints: [\"b:eth0\", lan]\n"
		       "    - endpoints: [\"c:eth0\", lan]\n"
		       "    - endpoints: [\"r1:eth0\", lan]\n"
		       "    - endpoints: [\"r2:eth0\", lan]\n"
		       "services:\n"
		       "  s: { resolver: sal, instances: [c] }\n"
		       "  t: { resolver: sal, instances: [a] }\n");
	ck_assert_str_eq(planned("know"),
			 "a: forward services that it does not know to "
			 "255.255.255.255 | c: forward services that it does "
			 "not know to 10.1.0.5, priority 1 | c: forward "
			 "services that it does not know to 10.1.0.4");
	ck_assert_str_eq(planned("forward service "),
			 "b: forward service s to 10.1.0.3 | b: forward "
			 "service t to 10.1.0.1 | r1: forward service s to "
			 "10.1.0.3 | r1: forward service t to 10.1.0.1 | r2: "
			 "forward service s to 10.1.0.3 | r2: forward service "
			 "t to 10.1.0.1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan_router");
	TCase *tc = tcase_create("plan_router");

	tcase_add_checked_fixture(tc, setup, plan_teardown);
	tcase_add_test(tc, two_domains);
	tcase_add_test(tc, levels);
	tcase_add_test(tc, instances_come_and_go);
	tcase_add_test(tc, weights);
	tcase_add_test(tc, an_instance_moves);
	tcase_add_test(tc, a_frozen_router);
	tcase_add_test(tc, by_broadcast_and_by_table);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
