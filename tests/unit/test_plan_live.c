/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What actions ask of a living lab, with what those ahead of them have changed.
 */
#include "orchestrator/plan/live.h"
#include "tests/support/scenario_text.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <stdlib.h>

static struct plan *plan;
static struct plan_live *live;
static plan_op_vec ops;
static char all[4096];

static void teardown_all(void)
{
	VEC_FREE(&ops);
	live = plan_live_free(live);
	plan = plan_free(plan);
	teardown();
}

#define LAB                                                                    \
	HEAD "duration: 99s\n"                                                 \
	     "topology:\n"                                                     \
	     "  nodes:\n"                                                      \
	     "    a: {}\n"                                                     \
	     "    c: {}\n"                                                     \
	     "    r: { kind: router }\n"                                       \
	     "    lan: { kind: bridge, subnet: 10.0.0.0/24 }\n"                \
	     "    net: { kind: bridge, subnet: 10.0.1.0/24 }\n"                \
	     "  links:\n"                                                      \
	     "    - { endpoints: [\"a:eth0\", lan], name: la }\n"              \
	     "    - { endpoints: [\"c:eth0\", lan] }\n"                        \
	     "    - { endpoints: [\"r:eth0\", net] }\n"                        \
	     "    - { endpoints: [\"a:card\", net], start: manual }\n"         \
	     "    - { endpoints: [\"r:eth1\", \"c:eth1\"], name: rc,\n"        \
	     "        subnet: 10.0.2.0/24 }\n"                                 \
	     "services:\n"                                                     \
	     "  nat: { resolver: nat, instances: [c], at: a }\n"               \
	     "timeline:\n"

static void must_plan(const char *text)
{
	parse_good(text);
	if (plan_make(s, diag, &plan)) {
		diag_render(diag, stderr);
		ck_abort_msg("no plan");
	}
	live = plan_live_new(plan);
	ck_assert_ptr_nonnull(live);
}

static const char *joined(void)
{
	char one[512];

	all[0] = '\0';
	for (size_t i = 0; i < ops.n; i++) {
		plan_op_text(plan, &ops.v[i], one, sizeof(one));
		strcat(all, all[0] ? " | " : "");
		strcat(all, one);
	}
	VEC_FREE(&ops);
	return all;
}

static const struct scn_action *action(size_t entry)
{
	return &s->timeline.v[entry].actions.v[0];
}

/* What the entry's first action asks; it is done then. */
static const char *change(size_t entry)
{
	const struct scn_action *a = action(entry);

	ck_assert_int_eq(plan_change_ops(live, a, &ops), 0);
	ck_assert_int_eq(plan_live_take(live, a), 0);
	return joined();
}

START_TEST(interfaces_go_and_come)
{
	must_plan(LAB "  - { at: 1s, interface: \"a:eth0\", state: absent }\n"
		      "  - { at: 2s, link: la, state: down }\n"
		      "  - { at: 3s, interface: \"a:eth0\", state: present }\n"
		      "  - { at: 4s, link: la, state: up }\n"
		      "  - { at: 5s, interface: \"a:card\", state: present }\n"
		      "  - { at: 6s, interface: \"a:card\", rename: wlan0 }\n");
	ck_assert_str_eq(change(0), "delete link p4 (port to a:eth0) - a:eth0");
	/* Its port is gone, and takes no state. */
	ck_assert_str_eq(change(1), "");
	/* Nor is it raised while the link is down. */
	change(2);
	ck_assert_ptr_nonnull(strstr(all, "add link p4 (port to a:eth0) - "
					  "a:eth0 in br2"));
	ck_assert_ptr_null(strstr(all, "set p4 (port to a:eth0) up"));
	ck_assert_ptr_nonnull(strstr(all, "a: set eth0 up"));
	ck_assert_ptr_nonnull(strstr(all, "a: add address 10.0.0.1/24"));
	/* Whatever comes behind is not to meet a port that is closed. */
	ck_assert_str_eq(change(3), "set p4 (port to a:eth0) up | "
				    "see the carrier of p4 (port to a:eth0) | "
				    "a: see the carrier of eth0");
	change(4);
	ck_assert_ptr_nonnull(strstr(all, "a: add address 10.0.1.2/24"));
	ck_assert_str_eq(change(5), "a: rename card to wlan0");
}
END_TEST

/* The routes of a network are those of its router. */
START_TEST(plugs_take_routes_along)
{
	must_plan(LAB "  - at: 1s\n"
		      "    do:\n"
		      "      - { interface: \"a:eth0\", plug: net,\n"
		      "          address: renew }\n");
	ck_assert_uint_eq(s->timeline.v[0].actions.n, 2);
	change(0);
	ck_assert_ptr_nonnull(
		strstr(all, "move p4 (port to a:eth0) from br2 to br3"));
	ck_assert_int_eq(
		plan_readdress_ops(live, &s->timeline.v[0].actions.v[1], &ops),
		0);
	ck_assert_str_eq(joined(),
			 "a: delete address 10.0.0.1/24 from eth0 | "
			 "a: add address 10.0.1.3/24 to eth0 | "
			 "a: add route to 0.0.0.0/0 via 10.0.1.1 dev eth0");
}
END_TEST

START_TEST(partitions_are_everywhere)
{
	must_plan(LAB "  - { at: 1s, partition: [a, c] }\n"
		      "  - { at: 2s, heal: all }\n");
	ck_assert_str_eq(change(0), "a: cut off from the other groups | "
				    "c: cut off from the other groups | "
				    "r: cut off from the other groups");
	ck_assert_str_eq(change(1),
			 "a: join the other groups | c: join the other groups "
			 "| r: join the other groups");
}
END_TEST

/* What a node was like when it crashed, and what has changed since. */
START_TEST(a_boot_brings_everything_back)
{
	struct src_pos pos = { 0 };
	size_t c;

	must_plan(LAB "  - { at: 1s, crash: c }\n"
		      "  - { at: 2s, partition: [a, c] }\n"
		      "  - { at: 3s, link: rc, state: down }\n"
		      "  - { at: 4s, boot: c }\n");
	c = scenario_find_node(s, "c");
	ck_assert_int_eq(plan_cut_off_ops(live, c, pos, &ops), 0);
	/* Who is at the other end of a cable loses its carrier, too. */
	ck_assert_str_eq(joined(), "set p6 (port to c:eth0) down | "
				   "set p13 (port to r:eth1) down | "
				   "set p15 (port to c:eth1) down");
	ck_assert_int_eq(plan_remove_ops(live, c, pos, &ops), 0);
	ck_assert_str_eq(joined(), "delete link p6 (port to c:eth0) - c:eth0 | "
				   "delete link p15 (port to c:eth1) - c:eth1 "
				   "| delete node c");
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	ck_assert_uint_eq(plan_live_address(live, c, AF_INET).family, AF_INET);
	change(1);
	ck_assert_ptr_null(strstr(all, "c: cut"));
	ck_assert_str_eq(change(2), "set p13 (port to r:eth1) down");
	ck_assert_int_eq(plan_boot_ops(live, c, pos, &ops), 0);
	joined();
	ck_assert_ptr_nonnull(strstr(all, "add node c"));
	ck_assert_ptr_nonnull(strstr(all, "c: add address 10.0.0.2/24"));
	ck_assert_ptr_nonnull(strstr(all, "c: cut off"));
	ck_assert_int_eq(plan_live_take(live, action(3)), 0);
	ck_assert_int_eq(plan_connect_ops(live, c, pos, &ops), 0);
	/* One link was taken down meanwhile, and stays so. */
	ck_assert_str_eq(joined(), "set p6 (port to c:eth0) up | "
				   "see the carrier of p6 (port to c:eth0) | "
				   "c: see the carrier of eth0");
}
END_TEST

#define EMULATED                                                               \
	HEAD "duration: 99s\n"                                                 \
	     "topology:\n"                                                     \
	     "  nodes:\n"                                                      \
	     "    a: {}\n"                                                     \
	     "    c: {}\n"                                                     \
	     "    lan: { kind: bridge, subnet: 10.0.0.0/24 }\n"                \
	     "    net: { kind: bridge, subnet: 10.0.1.0/24 }\n"                \
	     "  links:\n"                                                      \
	     "    - { endpoints: [\"a:eth0\", lan], delay: 1ms, name: la }\n"  \
	     "    - { endpoints: [\"c:eth0\", \"a:eth1\"], delay: 1ms,\n"      \
	     "        name: wire, subnet: 10.0.2.0/24 }\n"                     \
	     "    - { endpoints: [\"c:card\", net], delay: 1ms, name: late,\n" \
	     "        start: manual }\n"                                       \
	     "timeline:\n"

/* Nothing of a link that is not there at first is built, but the emulator. */
START_TEST(emulated_ends_go_and_come)
{
	must_plan(EMULATED
		  "  - { at: 1s, interface: \"a:eth0\", state: absent }\n"
		  "  - { at: 2s, link: la, state: down }\n"
		  "  - { at: 3s, interface: \"c:card\", state: present }\n"
		  "  - { at: 4s, interface: \"c:card\", plug: lan }\n"
		  "  - { at: 5s, interface: \"c:eth0\", state: absent }\n"
		  "  - { at: 6s, link: wire, state: down }\n"
		  "  - { at: 7s, interface: \"c:eth0\", state: present }\n"
		  "  - { at: 8s, link: wire, state: up }\n");
	for (size_t i = 0; i < plan->ops.n; i++)
		ck_assert(plan->ops.v[i].kind != PLAN_OP_TAP_ADD ||
			  strcmp(plan->ifaces.v[plan->ops.v[i].tap.iface].name,
				 "card") != 0);
	ck_assert_str_eq(change(0),
			 "take link la down | delete TAP p4 (port to a:eth0) | "
			 "a: delete TAP eth0");
	ck_assert_str_eq(change(1), "take link la down");
	change(2);
	ck_assert_ptr_eq(strstr(all, "add TAP p8 (port to c:card) in br3 | "
				     "set p8 (port to c:card) up | "
				     "c: add TAP card | "),
			 all);
	ck_assert_ptr_nonnull(strstr(all, "c: set card up | c: add address "
					  "10.0.1.1/24 to card"));
	ck_assert_str_eq(all + strlen(all) - strlen(" | take link late up"),
			 " | take link late up");
	ck_assert_str_eq(change(3),
			 "take link late down | move p8 (port to c:card) from "
			 "br3 to br2 | take link late up");
	ck_assert_str_eq(change(4), "take link wire down | c: delete TAP eth0");
	ck_assert_str_eq(change(5), "take link wire down");
	change(6);
	ck_assert_ptr_nonnull(strstr(all, "c: add TAP eth0"));
	ck_assert_ptr_null(strstr(all, "take link wire up"));
	ck_assert_str_eq(change(7), "take link wire up");
}
END_TEST

START_TEST(emulated_ends_crash_and_boot)
{
	struct src_pos pos = { 0 };
	size_t a, c;

	must_plan(EMULATED
		  "  - { at: 1s, crash: c }\n"
		  "  - { at: 2s, crash: a }\n"
		  "  - { at: 3s, interface: \"c:card\", state: present }\n"
		  "  - { at: 4s, boot: c }\n"
		  "  - { at: 5s, boot: a }\n");
	a = scenario_find_node(s, "a");
	c = scenario_find_node(s, "c");
	ck_assert_int_eq(plan_cut_off_ops(live, c, pos, &ops), 0);
	ck_assert_str_eq(joined(), "take link wire down | take link late down");
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	/* What is not there is not taken out. */
	ck_assert_int_eq(plan_remove_ops(live, c, pos, &ops), 0);
	ck_assert_str_eq(joined(), "c: delete TAP eth0 | delete node c");
	ck_assert_int_eq(plan_live_take(live, action(1)), 0);
	ck_assert_str_eq(change(2), "");
	ck_assert_int_eq(plan_boot_ops(live, c, pos, &ops), 0);
	joined();
	ck_assert_ptr_nonnull(strstr(all, "c: add TAP eth0"));
	ck_assert_ptr_nonnull(strstr(all, "c: add TAP card"));
	ck_assert_int_eq(plan_live_take(live, action(3)), 0);
	/* Nobody is at the other end of the wire yet. */
	ck_assert_int_eq(plan_connect_ops(live, c, pos, &ops), 0);
	ck_assert_str_eq(joined(), "take link late up");
	ck_assert_int_eq(plan_live_take(live, action(4)), 0);
	ck_assert_int_eq(plan_connect_ops(live, a, pos, &ops), 0);
	ck_assert_str_eq(joined(), "take link la up | take link wire up");
}
END_TEST

/* What is done to a node that is off is so when it comes back. */
START_TEST(a_node_that_is_off_is_changed_later)
{
	struct src_pos pos = { 0 };
	size_t a;

	must_plan(LAB "  - { at: 1s, crash: a }\n"
		      "  - { at: 2s, interface: \"a:eth0\", rename: lan0 }\n"
		      "  - { at: 3s, interface: \"a:eth0\", plug: net }\n"
		      "  - { at: 4s, interface: \"a:eth0\",\n"
		      "      address: 10.0.1.77/24 }\n"
		      "  - { at: 5s, boot: a }\n");
	a = scenario_find_node(s, "a");
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	ck_assert_str_eq(change(1), "");
	ck_assert_str_eq(change(2), "");
	ck_assert_int_eq(plan_readdress_ops(live, action(3), &ops), 0);
	ck_assert_uint_eq(ops.n, 0);
	ck_assert_int_eq(plan_live_take(live, action(3)), 0);
	ck_assert_int_eq(plan_boot_ops(live, a, pos, &ops), 0);
	joined();
	ck_assert_ptr_nonnull(strstr(all, "add link p4 (port to a:eth0) - "
					  "a:eth0 in br3"));
	ck_assert_ptr_nonnull(strstr(all, "a: add address 10.0.1.77/24"));
	ck_assert_ptr_nonnull(strstr(all, "a: rename eth0 to lan0"));
}
END_TEST

START_TEST(operations_are_taken_back)
{
	struct plan_op back;
	char text[512];

	must_plan(LAB "  - { at: 1s, interface: \"a:eth0\", rename: lan0 }\n"
		      "  - { at: 2s, interface: \"a:eth0\", plug: net }\n"
		      "  - { at: 3s, partition: [a, c] }\n");
	ck_assert_int_eq(plan_change_ops(live, action(0), &ops), 0);
	ck_assert(plan_op_inverse(&ops.v[0], &back));
	ck_assert_str_eq(plan_op_text(plan, &back, text, sizeof(text)),
			 "a: rename lan0 to eth0");
	ops.n = 0;
	ck_assert_int_eq(plan_change_ops(live, action(1), &ops), 0);
	ck_assert(plan_op_inverse(&ops.v[1], &back));
	ck_assert_str_eq(plan_op_text(plan, &back, text, sizeof(text)),
			 "move p4 (port to a:eth0) from br3 to br2");
	ops.n = 0;
	ck_assert_int_eq(plan_change_ops(live, action(2), &ops), 0);
	ck_assert(plan_op_inverse(&ops.v[0], &back));
	ck_assert_int_eq(back.kind, PLAN_OP_UNCUT);
}
END_TEST

/* An instance less leaves the name bound to nobody. */
START_TEST(services_lose_their_instances)
{
	struct src_pos pos = { 0 };

	must_plan(LAB "  - { at: 1s, unregister: nat, node: c }\n");
	ck_assert_int_eq(plan_bind_ops(live, 0, scenario_find_node(s, "c"),
				       SCN_NONE, pos, &ops),
			 0);
	ck_assert_str_eq(joined(),
			 "a: rebind service nat: 198.18.0.1 to nobody");
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	ck_assert(!plan_live_serves(live, 0, scenario_find_node(s, "c")));
}
END_TEST

/* Several instances share; weight 0 is for new flows; the highest priority that
 * has something serves. */
START_TEST(instances_of_nat_share)
{
	struct src_pos pos = { 0 };
	struct ip_addr *kept = NULL;
	size_t n = 0, c;

	must_plan(HEAD
		  "duration: 99s\n"
		  "topology:\n"
		  "  nodes: { a: {}, c: {}, d: {}, e: {}, lan: { kind: bridge, "
		  "subnet: 10.0.0.0/24 } }\n"
		  "  links: [{ endpoints: [a, lan] }, { endpoints: [c, lan] }, "
		  "{ endpoints: [d, lan] }, { endpoints: [e, lan] }]\n"
		  "services:\n"
		  "  s: { resolver: nat, at: a, instances: [c, { node: d, "
		  "weight: 3 }, { node: e, priority: 0, weight: 0 }] }\n"
		  "timeline:\n"
		  "  - { at: 1s, service: s, weights: { c: 0, e: 2 } }\n"
		  "  - { at: 2s, service: s, instance: d, weight: 0 }\n"
		  "  - { at: 3s, unregister: s, node: d }\n"
		  "  - { at: 4s, register: s, node: d, weight: 5, "
		  "priority: 7 }\n"
		  "  - { at: 5s, service: s, instance: c, weight: 1 }\n");
	ck_assert_int_eq(plan_weight_ops(live, action(0), &ops), 0);
	ck_assert_str_eq(joined(),
			 "a: rebind service s: 198.18.0.1 to 10.0.0.3, weight "
			 "3 | a: bind also service s: 198.18.0.1 to 10.0.0.4, "
			 "weight 2");
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	ck_assert_int_eq(plan_live_take(live, action(1)), 0);
	/* Drained, and still instances: nothing of theirs is forgotten. */
	ck_assert_int_eq(
		plan_bound_addresses(live, 0, SCN_NONE, SCN_NONE, &kept, &n),
		0);
	ck_assert_uint_eq(n, 3);
	free(kept);
	c = scenario_find_node(s, "c");
	ck_assert_int_eq(plan_bound_addresses(live, 0, c, SCN_NONE, &kept, &n),
			 0);
	ck_assert_uint_eq(n, 2);
	free(kept);
	ck_assert_int_eq(plan_live_take(live, action(2)), 0);
	VEC_FREE(&ops);
	plan_live_begin(live, action(3));
	ck_assert_int_eq(plan_bind_ops(live, 0, SCN_NONE,
				       scenario_find_node(s, "d"), pos, &ops),
			 0);
	ck_assert_str_eq(joined(), "a: rebind service s: 198.18.0.1 to "
				   "10.0.0.3, weight 5");
}
END_TEST

#define GUEST                                                                  \
	HEAD "duration: 99s\n"                                                 \
	     "topology:\n"                                                     \
	     "  nodes:\n"                                                      \
	     "    vm: { kind: guest }\n"                                       \
	     "    a: {}\n"                                                     \
	     "    r: { kind: router }\n"                                       \
	     "    lan: { kind: bridge, subnet: [10.0.0.0/24, \"fd00::/64\"] "  \
	     "}\n"                                                             \
	     "    net: { kind: bridge, subnet: 10.0.1.0/24 }\n"                \
	     "  links:\n"                                                      \
	     "    - { endpoints: [vm, lan], name: cable }\n"                   \
	     "    - { endpoints: [r, lan] }\n"                                 \
	     "    - { endpoints: [r, net] }\n"                                 \
	     "    - { endpoints: [a, net] }\n"                                 \
	     "services:\n"                                                     \
	     "  echo: { resolver: sal, instances: [vm] }\n"                    \
	     "timeline:\n"

/* Nothing of the network that it was in is left, and in the other one its first
 * question meets a port that is open. */
START_TEST(a_guest_moves)
{
	must_plan(GUEST "  - { at: 1s, migrate: { guest: vm, to: net } }\n"
			"  - { at: 2s, link: cable, state: down }\n"
			"  - { at: 3s, migrate: { guest: vm, to: lan } }\n");
	ck_assert_int_eq(plan_guest_leave_ops(live, action(0), &ops), 0);
	ck_assert_str_eq(
		joined(),
		"set p4 (port to vm:eth0) down | "
		"move p4 (port to vm:eth0) from br2 to br3 | "
		"vm: delete route to 0.0.0.0/0 via 10.0.0.2 dev eth0 | "
		"vm: delete route to ::/0 via fd00::2 dev eth0 | "
		"vm: delete address 10.0.0.1/24 from eth0 | "
		"vm: delete address fd00::1/64 from eth0");
	ck_assert_int_eq(plan_follow_ops(live, action(0), &ops), 0);
	ck_assert_str_eq(joined(),
			 "a: forward service echo to 10.0.1.3 | "
			 "a: stop forwarding service echo to 10.0.0.1");
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	ck_assert_int_eq(plan_guest_arrive_ops(live, action(0), &ops), 0);
	ck_assert_str_eq(joined(),
			 "set p4 (port to vm:eth0) up | "
			 "see the carrier of p4 (port to vm:eth0) | "
			 "vm: see the carrier of eth0 | "
			 "vm: add address 10.0.1.3/24 to eth0 | "
			 "vm: add route to 0.0.0.0/0 via 10.0.1.1 dev eth0");
	/* Of a link that is down, the carrier stays away. */
	ck_assert_int_eq(plan_live_take(live, action(1)), 0);
	ck_assert_int_eq(plan_live_take(live, action(2)), 0);
	ck_assert_int_eq(plan_guest_arrive_ops(live, action(2), &ops), 0);
	ck_assert_ptr_null(strstr(joined(), " up"));
	ck_assert_ptr_nonnull(strstr(all, "vm: add address 10.0.0.3/24"));
}
END_TEST

#define TWO_WAYS                                                               \
	HEAD "duration: 99s\n"                                                 \
	     "topology:\n"                                                     \
	     "  nodes: { a: {}, b: {}, r: { kind: router } }\n"                \
	     "  links:\n"                                                      \
	     "    - { endpoints: [\"a:eth0\", r], subnet: 10.0.0.0/24 }\n"     \
	     "    - { endpoints: [\"a:eth1\", r], subnet: 10.0.1.0/24 }\n"     \
	     "    - { endpoints: [\"b:eth0\", r], subnet: 10.0.2.0/24 }\n"     \
	     "processes:\n"                                                    \
	     "  serve: { node: b, serve: tcp/5001 }\n"                         \
	     "probes:\n"                                                       \
	     "  p: { kind: tcp_stream, node: a, to: b, port: 5001, for: 9s,\n" \
	     "       mptcp: true }\n"                                          \
	     "timeline:\n"

/* Whatever becomes of an address becomes of its endpoint. */
START_TEST(endpoints_follow_addresses)
{
	size_t n = 0;

	must_plan(TWO_WAYS
		  "  - { at: 1s, interface: \"a:eth0\", address: renew }\n"
		  "  - { at: 2s, interface: \"a:eth1\", state: absent }\n"
		  "  - { at: 3s, interface: \"a:eth1\", state: present }\n"
		  "  - { at: 4s, interface: \"a:eth0\", address: none }\n");
	for (size_t i = 0; i < plan->ops.n; i++)
		n += plan->ops.v[i].kind == PLAN_OP_MPTCP_ADD ||
		     plan->ops.v[i].kind == PLAN_OP_MPTCP_LIMITS;
	ck_assert_uint_eq(n, 4); /* two endpoints at a, none at b, limits */
	ck_assert_int_eq(plan_readdress_ops(live, action(0), &ops), 0);
	ck_assert_ptr_nonnull(
		strstr(joined(), "a: delete MPTCP endpoint 10.0.0.1 on eth0 | "
				 "a: add MPTCP endpoint 10.0.0.3 on eth0"));
	ck_assert_int_eq(plan_live_take(live, action(0)), 0);
	ck_assert_ptr_nonnull(
		strstr(change(1), "a: delete MPTCP endpoint 10.0.1.1 on eth1"));
	ck_assert_ptr_nonnull(
		strstr(change(2), "a: add MPTCP endpoint 10.0.1.1 on eth1"));
	ck_assert_int_eq(plan_readdress_ops(live, action(3), &ops), 0);
	ck_assert_str_eq(joined(), "a: delete address 10.0.0.3/24 from eth0 | "
				   "a: delete MPTCP endpoint 10.0.0.3 on eth0");
	ck_assert_int_eq(plan_live_take(live, action(3)), 0);
	ck_assert_int_eq(
		plan_live_address(live, scenario_find_node(s, "a"), AF_INET)
			.bytes[2],
		1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan_live");
	TCase *tc = tcase_create("plan_live");

	tcase_add_checked_fixture(tc, setup, teardown_all);
	tcase_add_test(tc, interfaces_go_and_come);
	tcase_add_test(tc, plugs_take_routes_along);
	tcase_add_test(tc, partitions_are_everywhere);
	tcase_add_test(tc, a_boot_brings_everything_back);
	tcase_add_test(tc, emulated_ends_go_and_come);
	tcase_add_test(tc, emulated_ends_crash_and_boot);
	tcase_add_test(tc, a_node_that_is_off_is_changed_later);
	tcase_add_test(tc, operations_are_taken_back);
	tcase_add_test(tc, services_lose_their_instances);
	tcase_add_test(tc, instances_of_nat_share);
	tcase_add_test(tc, a_guest_moves);
	tcase_add_test(tc, endpoints_follow_addresses);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
