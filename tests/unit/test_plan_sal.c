/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans of the Service Access Layer, and of addresses that change. */
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

#define SAL                                                                    \
	HEAD "topology:\n"                                                     \
	     "  nodes:\n"                                                      \
	     "    a: {}\n"                                                     \
	     "    c: {}\n"                                                     \
	     "    r: { kind: router }\n"                                       \
	     "    d: {}\n"                                                     \
	     "    lan: { kind: bridge, subnet: [10.0.0.0/24, fd00:1::/64] }\n" \
	     "  links:\n"                                                      \
	     "    - { endpoints: [\"a:eth0\", lan], rate: 10mbit,\n"           \
	     "        backend: kernel }\n"                                     \
	     "    - endpoints: [\"c:eth0\", lan]\n"                            \
	     "    - endpoints: [\"r:eth0\", lan]\n"                            \
	     "    - { endpoints: [\"r:eth1\", \"d:eth0\"], rate: 1mbit,\n"     \
	     "        backend: kernel, subnet: 10.0.1.0/24 }\n"                \
	     "services:\n"                                                     \
	     "  echo: { resolver: sal, instances: [c] }\n"

/* The texts of the operations, joined by " | ". */
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

START_TEST(hosts_have_a_sald)
{
	char text[IP_TEXT_MAX];

	must_plan(SAL);
	ck_assert(plan_has_sald(plan));
	ck_assert_str_eq(planned("sald"),
			 "a: start sald | c: start sald | d: start sald");
	ck_assert_str_eq(planned("service"),
			 "a: name service echo | a: forward service echo to "
			 "10.0.0.2 | c: name service echo | c: serve service "
			 "echo | d: name service echo | d: forward service "
			 "echo to 10.0.0.2");
	ck_assert_str_eq(ip_format_prefix(&plan->nodes.v[1].inner[0], text,
					  sizeof(text)),
			 "198.19.0.2/16");
	/* Hosts are counted, not nodes. */
	ck_assert_str_eq(ip_format_prefix(&plan->nodes.v[3].inner[1], text,
					  sizeof(text)),
			 "fd5e:1ab:fffe::3/64");
	ck_assert(!plan->nodes.v[2].sald);
}
END_TEST

START_TEST(no_service_no_sald)
{
	must_plan(NETWORK
		  "services: { s: { resolver: nat, instances: [c] } }\n");
	ck_assert(!plan_has_sald(plan));
	ck_assert_str_eq(planned("sald"), "");
}
END_TEST

/* As sha256sum(1) has it of "echo", behind the prefix. */
START_TEST(service_id)
{
	static const uint8_t id[] = {
		0xfd, 0x5e, 0x01, 0xab, 0x09, 0x2c, 0x79, 0xe8,
		0xf8, 0x0e, 0x55, 0x9e, 0x40, 0x4b, 0xcf, 0x66,
		0x0c, 0x48, 0xf3, 0x52, 0x2b, 0x67, 0xab, 0xa9,
		0xff, 0x14, 0x84, 0xb0, 0x36, 0x7e, 0x1a, 0x4d,
	};

	must_plan(SAL);
	ck_assert_mem_eq(plan->services.v[0].id.bytes, id, sizeof(id));
}
END_TEST

/* What is given is the prefix; the name fills it up. */
START_TEST(service_prefixes)
{
	static const uint8_t name[] = { 0x6b, 0x76 };
	char text[SERVICE_ID_TEXT_MAX];

	must_plan(SAL "  kv: { resolver: sal, id: 0x6b76/16, instances: [c] }\n"
		      "  web: { resolver: sal, id: 16385, instances: [c] }\n"
		      "  auto: { resolver: sal, id: auto, instances: [c] }\n");
	ck_assert_str_eq(service_prefix_format(&plan->services.v[1].prefix,
					       text, sizeof(text)),
			 "0x6b76/16");
	ck_assert_mem_eq(plan->services.v[1].id.bytes, name, 2);
	ck_assert(service_prefix_contains(&plan->services.v[1].prefix,
					  &plan->services.v[1].id));
	ck_assert_str_eq(service_prefix_format(&plan->services.v[2].prefix,
					       text, sizeof(text)),
			 "16385");
	ck_assert_str_eq(
		service_id_format(&plan->services.v[2].id, text, sizeof(text)),
		"16385");
	ck_assert_uint_eq(plan->services.v[3].prefix.bits, SERVICE_ID_BITS);
	ck_assert_uint_eq(plan->services.v[3].id.bytes[0], 0xfd);
}
END_TEST

#define TWO_CANDIDATES                                                         \
	SAL "  web: { resolver: sal, port: tcp/80, candidates: [c, { node: "   \
	    "d, "                                                              \
	    "weight: 3, priority: 2 }] }\n"                                    \
	    "timeline:\n"                                                      \
	    "  - { at: 1s, service: web, weights: { c: 5, d: 0 } }\n"

/* What the first node hears of who has come. */
static uint32_t weight_of_first(const plan_op_vec *ops)
{
	for (size_t i = 0; i < ops->n; i++)
		if (ops->v[i].kind == PLAN_OP_SAL_RULE_ADD)
			return ops->v[i].sal.weight;
	ck_abort_msg("nobody comes");
}

/* A candidate's weight: nobody is told before somebody listens, and then it is
 * the one that holds by then. */
START_TEST(weights_of_candidates)
{
	size_t c, d, web = 1;
	plan_op_vec ops = { 0 };
	struct plan_live *l;
	const struct scn_action *weigh;

	must_plan(TWO_CANDIDATES);
	c = scenario_find_node(s, "c");
	d = scenario_find_node(s, "d");
	weigh = &s->timeline.v[0].actions.v[0];
	l = plan_live_new(plan);
	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(plan_weight_ops(l, weigh, &ops), 0);
	ck_assert_uint_eq(ops.n, 0);

	/* d begins to listen: with the weight it was given. */
	ck_assert_int_eq(plan_active_ops(l, web, d, true, &ops), 0);
	ck_assert_str_eq(
		texts(ops.v, ops.n, NULL),
		"a: forward service web to 10.0.1.2, weight 3, priority 2 | c: "
		"forward service web to 10.0.1.2, weight 3, priority 2");
	ck_assert_uint_eq(weight_of_first(&ops), 3);
	ck_assert_uint_eq(ops.v[0].sal.priority, 2);
	plan_live_listen(l, web, d, true);

	/* Both change; only for d somebody has a rule. */
	ops.n = 0;
	ck_assert_int_eq(plan_weight_ops(l, weigh, &ops), 0);
	ck_assert_uint_eq(ops.n, 2);
	for (size_t i = 0; i < ops.n; i++) {
		ck_assert_int_eq(ops.v[i].kind, PLAN_OP_SAL_RULE_CHANGE);
		ck_assert_uint_eq(ops.v[i].sal.instance, d);
		ck_assert_uint_eq(ops.v[i].sal.weight, 0);
		ck_assert_uint_eq(ops.v[i].sal.priority, 2);
	}
	ck_assert_int_eq(plan_live_take(l, weigh), 0);

	/* c comes, and has what it was given meanwhile. */
	ops.n = 0;
	ck_assert_int_eq(plan_active_ops(l, web, c, true, &ops), 0);
	ck_assert_uint_eq(weight_of_first(&ops), 5);
	VEC_FREE(&ops);
	plan_live_free(l);
}
END_TEST

START_TEST(keys_follow_the_seed)
{
	uint8_t first[PLAN_KEY_LEN], other[PLAN_KEY_LEN];

	must_plan(SAL);
	plan_sald_key(plan, 0, first);
	plan_sald_key(plan, 1, other);
	ck_assert_mem_ne(first, other, sizeof(first));
	s->seed++;
	plan_sald_key(plan, 0, other);
	ck_assert_mem_ne(first, other, sizeof(first));
	s->seed--;
	plan_sald_key(plan, 0, other);
	ck_assert_mem_eq(first, other, sizeof(first));
}
END_TEST

/* At both ends, in the port of a bridge where one is such. */
START_TEST(rates)
{
	must_plan(SAL);
	ck_assert_str_eq(planned("rate"),
			 "set rate of p3 (port to a:eth0) to 10000 kbit/s | "
			 "a: set rate of eth0 to 10000 kbit/s | "
			 "r: set rate of eth1 to 1000 kbit/s | "
			 "d: set rate of eth0 to 1000 kbit/s");
}
END_TEST

/* The lab when all actions ahead of this one are done. */
static struct plan_live *live_at(const struct scn_action *at)
{
	struct plan_live *l = plan_live_new(plan);

	ck_assert_ptr_nonnull(l);
	for (size_t i = 0; i < s->timeline.n; i++) {
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++) {
			if (&s->timeline.v[i].actions.v[k] == at)
				return l;
			ck_assert_int_eq(
				plan_live_take(l,
					       &s->timeline.v[i].actions.v[k]),
				0);
		}
	}
	return l;
}

static const char *step(const struct scn_action *a, enum plan_sal_step which)
{
	struct plan_live *l = live_at(a);
	plan_op_vec ops = { 0 };
	const char *text;

	ck_assert_int_eq(plan_sal_bind_ops(l, a->migrate.service,
					   a->migrate.from, a->migrate.to,
					   which, a->pos, &ops),
			 0);
	plan_live_free(l);
	text = texts(ops.v, ops.n, NULL);
	VEC_FREE(&ops);
	return text;
}

START_TEST(migration)
{
	const struct scn_action *a;

	must_plan(
		SAL
		"duration: 9s\n"
		"timeline:\n"
		"  - { at: 1s, migrate: { service: echo, from: c, to: d } }\n");
	a = &s->timeline.v[0].actions.v[0];
	ck_assert_str_eq(step(a, PLAN_SAL_START),
			 "d: serve service echo | d: stop forwarding service "
			 "echo to 10.0.0.2");
	ck_assert_str_eq(step(a, PLAN_SAL_FORWARD),
			 "a: forward service echo to 10.0.1.2 | a: stop "
			 "forwarding service echo to 10.0.0.2");
	ck_assert_str_eq(
		step(a, PLAN_SAL_STOP),
		"c: forward service echo to 10.0.1.2 | c: stop serving "
		"service echo");
}
END_TEST

static const char *told(const struct plan_live *l, size_t node,
			const struct scn_action *a)
{
	plan_op_vec ops = { 0 };
	const char *text;

	ck_assert_int_eq(
		a ? plan_weight_ops(l, a, &ops) :
		    plan_missed_ops(l, node, (struct src_pos){ 0 }, &ops),
		0);
	text = texts(ops.v, ops.n, NULL);
	VEC_FREE(&ops);
	return text;
}

/* Clients learn of weights; those that are frozen when they are thawed, as they
 * are by then. */
START_TEST(weights)
{
	struct plan_live *l;
	size_t a;

	must_plan(SAL "duration: 9s\n"
		      "timeline:\n"
		      "  - { at: 1s, register: echo, node: d, weight: 3 }\n"
		      "  - { at: 2s, freeze: a }\n"
		      "  - { at: 3s, service: echo, instance: c, weight: 0 }\n"
		      "  - { at: 4s, service: echo, weights: { c: 2, d: 5 } }\n"
		      "  - { at: 5s, unregister: echo, node: d }\n"
		      "  - { at: 6s, register: echo, node: d, weight: 7 }\n");
	a = scenario_find_node(s, "a");
	l = live_at(&s->timeline.v[1].actions.v[0]);
	ck_assert_str_eq(told(l, a, &s->timeline.v[2].actions.v[0]),
			 "a: forward service echo to 10.0.0.2, weight 0");
	for (size_t i = 1; i < 6; i++)
		ck_assert_int_eq(
			plan_live_take(l, &s->timeline.v[i].actions.v[0]), 0);
	ck_assert_str_eq(told(l, a, NULL),
			 "a: forward service echo to 10.0.0.2, weight 2 | a: "
			 "forward service echo to 10.0.1.2, weight 7");
	plan_live_free(l);
}
END_TEST

static const char *change(const struct scn_action *a, bool follow)
{
	struct plan_live *l = live_at(a);
	plan_op_vec ops = { 0 };
	const char *text;

	ck_assert_int_eq(follow ? plan_follow_ops(l, a, &ops) :
				  plan_readdress_ops(l, a, &ops),
			 0);
	plan_live_free(l);
	text = texts(ops.v, ops.n, NULL);
	VEC_FREE(&ops);
	return text;
}

/* The new address comes first, and so routes stay. */
START_TEST(readdress)
{
	const struct scn_action *renew, *given, *again, *same;

	must_plan(
		SAL
		"duration: 9s\n"
		"timeline:\n"
		"  - { at: 0s, interface: \"a:eth0\", address: "
		"\"fd00:1::1/64\" }\n"
		"  - { at: 1s, interface: \"a:eth0\", address: renew }\n"
		"  - { at: 2s, interface: \"a:eth0\", address: 10.0.0.9/24 }\n"
		"  - { at: 3s, interface: \"c:eth0\", address: renew }\n");
	same = &s->timeline.v[0].actions.v[0];
	renew = &s->timeline.v[1].actions.v[0];
	given = &s->timeline.v[2].actions.v[0];
	again = &s->timeline.v[3].actions.v[0];
	ck_assert_str_eq(change(renew, false),
			 "a: add address 10.0.0.4/24 to eth0 | "
			 "a: delete address 10.0.0.1/24 from eth0 | "
			 "a: add address fd00:1::4/64 to eth0 | "
			 "a: delete address fd00:1::1/64 from eth0");
	ck_assert_str_eq(change(renew, true), ""); /* no instance is there */
	/* Only the family that is given changes. */
	ck_assert_str_eq(change(given, false),
			 "a: add address 10.0.0.9/24 to eth0 | "
			 "a: delete address 10.0.0.4/24 from eth0");
	/* One cannot be added that is there. */
	ck_assert_str_eq(change(same, false),
			 "a: delete address fd00:1::1/64 from eth0 | "
			 "a: add address fd00:1::1/64 to eth0");
	ck_assert_str_eq(change(again, true),
			 "a: forward service echo to 10.0.0.5 | "
			 "a: stop forwarding service echo to 10.0.0.2 | "
			 "d: forward service echo to 10.0.0.5 | "
			 "d: stop forwarding service echo to 10.0.0.2");
}
END_TEST

/* What is bound later is bound to the address that there is by then. */
START_TEST(migration_after_readdress)
{
	must_plan(SAL
		  "duration: 9s\n"
		  "timeline:\n"
		  "  - { at: 1s, interface: \"d:eth0\", address: renew }\n"
		  "  - { at: 2s, migrate: { service: echo, from: c, to: d } }\n"
		  "  - { at: 3s, interface: \"d:eth0\", address: renew }\n");
	ck_assert_str_eq(change(&s->timeline.v[0].actions.v[0], true), "");
	ck_assert_str_eq(step(&s->timeline.v[1].actions.v[0], PLAN_SAL_FORWARD),
			 "a: forward service echo to 10.0.1.3 | a: stop "
			 "forwarding service echo to 10.0.0.2");
	ck_assert_str_eq(
		change(&s->timeline.v[2].actions.v[0], true),
		"a: forward service echo to 10.0.1.4 | a: stop "
		"forwarding service echo to 10.0.1.3 | c: forward "
		"service echo to 10.0.1.4 | c: stop forwarding service "
		"echo to 10.0.1.3");
}
END_TEST

/* A frozen sald hears of nothing; when it is thawed it learns what has become
 * of it all, and not what was so for a while. */
START_TEST(what_a_frozen_sald_has_missed)
{
	plan_op_vec ops = { 0 };
	struct plan_live *l;
	size_t a;

	must_plan(
		SAL
		"duration: 19s\n"
		"timeline:\n"
		"  - { at: 1s, freeze: a }\n"
		"  - { at: 2s, interface: \"c:eth0\", address: renew }\n"
		"  - { at: 3s, migrate: { service: echo, from: c, to: d } }\n"
		"  - { at: 4s, migrate: { service: echo, from: d, to: c } }\n"
		"  - { at: 5s, thaw: a }\n"
		"  - { at: 6s, freeze: a }\n"
		"  - { at: 7s, register: echo, node: a }\n"
		"  - { at: 8s, unregister: echo, node: a }\n"
		"  - { at: 9s, thaw: a }\n"
		"  - { at: 10s, freeze: a }\n"
		"  - { at: 11s, migrate: { service: echo, from: c, to: a } }\n"
		"  - { at: 12s, thaw: a }\n");
	l = plan_live_new(plan);
	ck_assert_ptr_nonnull(l);
	a = scenario_find_node(s, "a");
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_action *act = &s->timeline.v[i].actions.v[0];

		if (act->kind == SCN_ACTION_READDRESS) {
			/* Who hears is told, the frozen one is not. */
			ck_assert_int_eq(plan_follow_ops(l, act, &ops), 0);
			ck_assert_str_eq(texts(ops.v, ops.n, NULL),
					 "d: forward service echo to 10.0.0.4 "
					 "| d: stop forwarding service echo to "
					 "10.0.0.2");
			ops.n = 0;
		}
		if (act->kind == SCN_ACTION_THAW) {
			static const char *const learnt[] = {
				[4] = "a: forward service echo to 10.0.0.4 | "
				      "a: stop forwarding service echo to "
				      "10.0.0.2",
				[8] = "",
				[11] = "a: serve service echo | a: stop "
				       "forwarding service echo to 10.0.0.4",
			};

			ck_assert_int_eq(plan_missed_ops(l, a, act->pos, &ops),
					 0);
			ck_assert_str_eq(texts(ops.v, ops.n, NULL), learnt[i]);
			ops.n = 0;
		}
		ck_assert_int_eq(plan_live_take(l, act), 0);
	}
	ck_assert_int_eq(plan_missed_ops(l, a, (struct src_pos){ 0 }, &ops), 0);
	ck_assert_uint_eq(ops.n, 0);
	VEC_FREE(&ops);
	plan_live_free(l);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan_sal");
	TCase *tc = tcase_create("plan_sal");

	tcase_add_checked_fixture(tc, setup, plan_teardown);
	tcase_add_test(tc, hosts_have_a_sald);
	tcase_add_test(tc, no_service_no_sald);
	tcase_add_test(tc, service_id);
	tcase_add_test(tc, service_prefixes);
	tcase_add_test(tc, weights_of_candidates);
	tcase_add_test(tc, keys_follow_the_seed);
	tcase_add_test(tc, rates);
	tcase_add_test(tc, migration);
	tcase_add_test(tc, weights);
	tcase_add_test(tc, readdress);
	tcase_add_test(tc, migration_after_readdress);
	tcase_add_test(tc, what_a_frozen_sald_has_missed);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
