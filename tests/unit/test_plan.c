/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/diag.h"
#include "orchestrator/plan/live.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct diag *diag;
static struct scenario *scenario;
static struct plan *plan;

static void setup(void)
{
	diag = diag_new();
	ck_assert_ptr_nonnull(diag);
}

static void teardown(void)
{
	plan = plan_free(plan);
	scenario = scenario_free(scenario);
	diag = diag_free(diag);
}

/* Parses the topology (and what follows it) and plans; the plan's result. */
static int make(const char *rest)
{
	struct err err = ERR_INIT;
	char text[8192];
	int n = snprintf(text, sizeof(text), "version: 1\nname: t\n%s", rest);

	ck_assert_int_lt(n, (int)sizeof(text));
	if (scenario_parse("t.yaml", text, (size_t)n, diag, &scenario, &err)) {
		diag_render(diag, stdout);
		ck_abort_msg("the scenario itself is wrong: %s", err.msg);
	}
	return plan_make(scenario, diag, &plan);
}

static void must_make(const char *rest)
{
	if (make(rest)) {
		diag_render(diag, stdout);
		ck_abort_msg("no plan");
	}
}

/* All addresses of "NODE:IFNAME", with a space behind each. */
static const char *addresses(const char *node, const char *ifname)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < plan->ifaces.n; i++) {
		const struct plan_iface *f = &plan->ifaces.v[i];
		char one[IP_TEXT_MAX];

		if (f->node == PLAN_LAB || strcmp(f->name, ifname) ||
		    strcmp(scenario->nodes.v[f->node].name, node))
			continue;
		for (size_t k = 0; k < f->addresses.n; k++) {
			strcat(text, ip_format_prefix(&f->addresses.v[k], one,
						      sizeof(one)));
			strcat(text, " ");
		}
	}
	return text;
}

static bool has_op(const char *wanted)
{
	char text[512];

	for (size_t i = 0; i < plan->ops.n; i++)
		if (!strcmp(plan_op_text(plan, &plan->ops.v[i], text,
					 sizeof(text)),
			    wanted))
			return true;
	return false;
}

static size_t count_ops(const char *part)
{
	char text[512];
	size_t n = 0;

	for (size_t i = 0; i < plan->ops.n; i++)
		n += strstr(plan_op_text(plan, &plan->ops.v[i], text,
					 sizeof(text)),
			    part) != NULL;
	return n;
}

/* plan_make() must fail, and say this. */
static void must_complain(const char *rest, const char *message)
{
	char *text = NULL;
	size_t size;
	FILE *f;

	ck_assert_int_lt(make(rest), 0);
	f = open_memstream(&text, &size);
	diag_render(diag, f);
	fclose(f);
	ck_assert_msg(strstr(text, message), "'%s' is not in:\n%s", message,
		      text);
	free(text);
}

#define LAN                                                                    \
	"topology:\n"                                                          \
	"  nodes: { a: {}, b: {}, c: {}, lan: { kind: bridge } }\n"            \
	"  links:\n"                                                           \
	"    - endpoints: [a, lan]\n"                                          \
	"    - endpoints: [b, lan]\n"                                          \
	"    - endpoints: [c, lan]\n"

START_TEST(automatic_addresses)
{
	must_make(LAN);
	ck_assert_str_eq(addresses("a", "eth0"),
			 "10.64.0.1/24 fd5e:1ab::1/64 ");
	ck_assert_str_eq(addresses("c", "eth0"),
			 "10.64.0.3/24 fd5e:1ab::3/64 ");
}
END_TEST

START_TEST(given_addresses_are_kept_and_passed_over)
{
	must_make("topology:\n"
		  "  nodes: { a: {}, b: {}, c: {}, lan: { kind: bridge, "
		  "subnet: 10.0.0.0/24 } }\n"
		  "  links:\n"
		  "    - endpoints: [a, lan]\n"
		  "    - endpoints: [{ node: b, address: 10.0.0.2/24 }, lan]\n"
		  "    - endpoints: [c, lan]\n");
	ck_assert_str_eq(addresses("a", "eth0"), "10.0.0.1/24 ");
	ck_assert_str_eq(addresses("b", "eth0"), "10.0.0.2/24 ");
	ck_assert_str_eq(addresses("c", "eth0"), "10.0.0.3/24 ");
}
END_TEST

START_TEST(addresses_name_the_subnet)
{
	must_make("topology:\n"
		  "  nodes: { a: {}, b: {} }\n"
		  "  links:\n"
		  "    - endpoints: [{ node: a, address: 192.0.2.9/28 }, b]\n");
	ck_assert_str_eq(addresses("a", "eth0"), "192.0.2.9/28 ");
	ck_assert_str_eq(addresses("b", "eth0"), "192.0.2.1/28 ");
}
END_TEST

START_TEST(automatic_subnets_avoid_given_ones)
{
	must_make("topology:\n"
		  "  nodes: { a: {}, b: {}, c: {} }\n"
		  "  links:\n"
		  "    - endpoints: [a, b]\n"
		  "    - { endpoints: [b, c], subnet: 10.64.0.0/23 }\n");
	ck_assert_str_eq(addresses("a", "eth0"),
			 "10.64.2.1/24 fd5e:1ab::1/64 ");
}
END_TEST

START_TEST(wide_network_gets_a_wide_subnet)
{
	char text[64 * 600];
	size_t n = 0;

	n += (size_t)sprintf(
		text + n, "version: 1\nname: t\ntopology:\n  nodes:\n"
			  "    x: {}\n    y: {}\n    lan: { kind: bridge }\n");
	for (int i = 0; i < 300; i++)
		n += (size_t)sprintf(text + n, "    h%d: {}\n", i);
	n += (size_t)sprintf(text + n, "  links:\n    - endpoints: [x, y]\n");
	for (int i = 0; i < 300; i++)
		n += (size_t)sprintf(text + n, "    - endpoints: [h%d, lan]\n",
				     i);
	ck_assert_int_eq(scenario_parse("t", text, n, diag, &scenario, NULL),
			 0);
	ck_assert_int_eq(plan_make(scenario, diag, &plan), 0);
	/* Networks are numbered bridges first. */
	ck_assert_str_eq(addresses("h299", "eth0"),
			 "10.64.1.44/23 fd5e:1ab::12c/64 ");
	ck_assert_str_eq(addresses("x", "eth0"),
			 "10.64.2.1/24 fd5e:1ab:0:1::1/64 ");
}
END_TEST

START_TEST(routes_take_the_shortest_way)
{
	/* r1 - r2 - r3 in a ring of four over r4; a at r1, b at r3. */
	must_make("topology:\n"
		  "  nodes:\n"
		  "    a: {}\n    b: {}\n"
		  "    r1: { kind: router }\n    r2: { kind: router }\n"
		  "    r3: { kind: router }\n    r4: { kind: router }\n"
		  "  links:\n"
		  "    - { endpoints: [a, r1], subnet: 10.0.1.0/24 }\n"
		  "    - { endpoints: [r1, r2], subnet: 10.0.12.0/24 }\n"
		  "    - { endpoints: [r2, r3], subnet: 10.0.23.0/24 }\n"
		  "    - { endpoints: [r3, b], subnet: 10.0.3.0/24 }\n"
		  "    - { endpoints: [r1, r4], subnet: 10.0.14.0/24 }\n");
	ck_assert(has_op("a: add route to 0.0.0.0/0 via 10.0.1.2 dev eth0"));
	ck_assert(
		has_op("r1: add route to 10.0.3.0/24 via 10.0.12.2 dev eth1"));
	ck_assert(
		has_op("r2: add route to 10.0.3.0/24 via 10.0.23.2 dev eth1"));
	ck_assert(
		has_op("r4: add route to 10.0.3.0/24 via 10.0.14.1 dev eth0"));
	ck_assert(
		has_op("r3: add route to 10.0.1.0/24 via 10.0.23.1 dev eth0"));
	/* Attached networks need none; hosts have their default alone. */
	ck_assert(!has_op(
		"r1: add route to 10.0.12.0/24 via 10.0.12.2 dev eth1"));
	ck_assert_uint_eq(count_ops("b: add route"), 1);
}
END_TEST

START_TEST(two_homed_host_keeps_a_backup_and_finds_the_far_side)
{
	must_make(
		"topology:\n"
		"  nodes:\n"
		"    a: {}\n    x: {}\n"
		"    r1: { kind: router }\n    r2: { kind: router }\n"
		"  links:\n"
		"    - { endpoints: [\"a:wlan0\", r1], subnet: 10.0.1.0/24 }\n"
		"    - { endpoints: [\"a:wwan0\", r2], subnet: 10.0.2.0/24 }\n"
		"    - { endpoints: [r2, x], subnet: 10.0.3.0/24 }\n");
	ck_assert(has_op("a: add route to 0.0.0.0/0 via 10.0.1.2 dev wlan0"));
	ck_assert(has_op("a: add route to 0.0.0.0/0 via 10.0.2.2 dev wwan0 "
			 "metric 2048"));
	/* r1 does not know the way: the default would be wrong. */
	ck_assert(has_op("a: add route to 10.0.3.0/24 via 10.0.2.2 dev wwan0"));
}
END_TEST

#define ROUTED                                                                 \
	"topology:\n"                                                          \
	"  nodes: { a: {}, r: { kind: router }, c: {}, d: {} }\n"              \
	"  links:\n"                                                           \
	"    - { endpoints: [a, r], subnet: 10.0.0.0/24 }\n"                   \
	"    - { endpoints: [c, r], subnet: 10.0.1.0/24 }\n"                   \
	"    - { endpoints: [d, r], subnet: 10.0.2.0/24 }\n"

START_TEST(service_in_a_router)
{
	plan_op_vec ops = { 0 };
	struct plan_live *live;
	struct plan_op back;
	char text[512];

	must_make(
		ROUTED
		"services: { s: { resolver: nat, instances: [c], at: r } }\n");
	ck_assert(has_op("r: bind service s: 198.18.0.1 to 10.0.1.1"));
	ck_assert_uint_eq(count_ops("bind service"), 1);
	live = plan_live_new(plan);
	ck_assert_ptr_nonnull(live);
	ck_assert_int_eq(plan_bind_ops(live, 0,
				       scenario_find_node(scenario, "c"),
				       scenario_find_node(scenario, "d"),
				       (struct src_pos){ 0 }, &ops),
			 0);
	plan_live_free(live);
	ck_assert_uint_eq(ops.n, 1);
	ck_assert_str_eq(plan_op_text(plan, &ops.v[0], text, sizeof(text)),
			 "r: rebind service s: 198.18.0.1 to 10.0.2.1");
	ck_assert(plan_op_inverse(&ops.v[0], &back));
	ck_assert_str_eq(plan_op_text(plan, &back, text, sizeof(text)),
			 "r: rebind service s: 198.18.0.1 to 10.0.1.1");
	VEC_FREE(&ops);
}
END_TEST

START_TEST(service_in_the_clients)
{
	must_make(LAN "services: { s: { resolver: nat, instances: [c] } }\n"
		      "timeline: [{ at: 1s, migrate: { service: s, from: c, "
		      "to: b } }]\n"
		      "duration: 2s\n");
	/* Both b and c are instances at some time: a alone holds rules. */
	ck_assert_uint_eq(count_ops("add NAT table"), 1);
	ck_assert(has_op("a: bind service s: 198.18.0.1 to 10.64.0.3"));
	ck_assert(has_op("a: bind service s: fd5e:1ab:ffff::1 to fd5e:1ab::3"));
	ck_assert(has_op("a: add route to 198.18.0.1/32 dev eth0"));
}
END_TEST

START_TEST(switched_links_have_ports_at_both_ends)
{
	plan_op_vec ops = { 0 };
	struct plan_live *live;

	must_make("topology:\n"
		  "  nodes: { a: {}, b: {}, c: {} }\n"
		  "  links:\n"
		  "    - { name: cable, endpoints: [a, b] }\n"
		  "    - { name: other, endpoints: [b, c] }\n"
		  "timeline: [{ at: 1s, link: cable, state: down }]\n"
		  "duration: 2s\n");
	live = plan_live_new(plan);
	ck_assert_ptr_nonnull(live);
	ck_assert_int_eq(plan_change_ops(live,
					 &scenario->timeline.v[0].actions.v[0],
					 &ops),
			 0);
	plan_live_free(live);
	ck_assert_uint_eq(ops.n, 2);
	for (size_t i = 0; i < ops.n; i++) {
		struct plan_op up;

		ck_assert_int_eq(ops.v[i].kind, PLAN_OP_IFACE_DOWN);
		ck_assert(ops.v[i].node == PLAN_LAB);
		ck_assert(plan_op_inverse(&ops.v[i], &up));
		ck_assert_int_eq(up.kind, PLAN_OP_IFACE_UP);
	}
	/* The other one is a plain pair, without a bridge. */
	ck_assert_uint_eq(count_ops("add link"), 3);
	ck_assert_uint_eq(count_ops("add bridge"), 1);
	VEC_FREE(&ops);
}
END_TEST

START_TEST(no_pair_shares_an_ifindex)
{
	must_make(LAN);
	for (size_t i = 0; i < plan->ifaces.n; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(plan->ifaces.v[i].ifindex,
					  plan->ifaces.v[k].ifindex);
}
END_TEST

START_TEST(inverses)
{
	must_make(
		ROUTED
		"services: { s: { resolver: nat, instances: [c], at: r } }\n");
	for (size_t i = 0; i < plan->ops.n; i++) {
		struct plan_op back, again;

		if (!plan_op_inverse(&plan->ops.v[i], &back))
			continue;
		ck_assert(back.kind != plan->ops.v[i].kind ||
			  back.kind == PLAN_OP_SYSCTL);
		if (plan_op_inverse(&back, &again))
			ck_assert_int_eq(
				memcmp(&again, &plan->ops.v[i], sizeof(again)),
				0);
	}
}
END_TEST

START_TEST(probe_targets_and_hosts_file)
{
	struct ip_addr a;
	char text[IP_TEXT_MAX], *hosts;

	must_make(LAN
		  "services: { s: { resolver: nat, instances: [c] } }\n"
		  "probes:\n"
		  "  p: { kind: ping, node: a, to: s, for: 1s }\n"
		  "  q: { kind: ping, node: a, to: b, for: 1s, family: 6 }\n");
	a = plan_probe_target(plan, &scenario->probes.v[0]);
	ck_assert_str_eq(ip_format_addr(&a, text, sizeof(text)), "198.18.0.1");
	a = plan_probe_target(plan, &scenario->probes.v[1]);
	ck_assert_str_eq(ip_format_addr(&a, text, sizeof(text)), "fd5e:1ab::2");
	hosts = plan_hosts_text(plan);
	ck_assert(strstr(hosts, "10.64.0.2 b\n"));
	/* Names of services are the resolver's, or they could not change. */
	ck_assert(!strstr(hosts, "serval"));
	free(hosts);
}
END_TEST

/* Neither another service's address, given or not, nor a network's. */
START_TEST(automatic_services_avoid_all_that_is_taken)
{
	static const char *const expected[] = {
		"198.18.2.0 fd5e:1ab:ffff:0:1:: ",
		"198.18.2.2 fd5e:1ab:ffff:0:1::1 ",
		"198.18.2.1 ",
		"198.18.2.3 fd5e:1ab:ffff:0:1::2 ",
	};
	char text[IP_TEXT_MAX];

	must_make(
		"topology:\n"
		"  nodes: { a: {}, b: {} }\n"
		"  links:\n"
		"    - { endpoints: [a, b], subnet: [198.18.0.0/23, "
		"'fd5e:1ab:ffff::/80'] }\n"
		"services:\n"
		"  s: { resolver: nat, instances: [b] }\n"
		"  t: { resolver: nat, instances: [b] }\n"
		"  u: { resolver: nat, instances: [b], address: 198.18.2.1 }\n"
		"  v: { resolver: nat, instances: [b] }\n");
	for (size_t i = 0; i < 4; i++) {
		char all[128] = "";

		for (size_t k = 0; k < plan->services.v[i].addresses.n; k++) {
			strcat(all, ip_format_addr(
					    &plan->services.v[i].addresses.v[k],
					    text, sizeof(text)));
			strcat(all, " ");
		}
		ck_assert_str_eq(all, expected[i]);
	}
}
END_TEST

/* A link that joins what would else be apart, clients that translate for
 * themselves, bystanders: nothing of this is an error. */
START_TEST(services_that_work)
{
	must_make("topology:\n"
		  "  nodes: { a: {}, r: { kind: router }, q: { kind: router }, "
		  "c: {}, d: {}, lan: { kind: bridge }, x: {}, y: {} }\n"
		  "  links:\n"
		  "    - endpoints: [a, r]\n"
		  "    - endpoints: [r, q]\n"
		  "    - endpoints: [q, lan]\n"
		  "    - endpoints: [c, lan]\n"
		  "    - endpoints: [d, lan]\n"
		  "    - endpoints: [x, y]\n"
		  "services:\n"
		  "  near: { resolver: nat, instances: [c], at: r }\n"
		  "  far: { resolver: nat, instances: [c], at: q }\n"
		  "  own: { resolver: nat, instances: [c] }\n"
		  "  self: { resolver: nat, instances: [c], at: [a, q] }\n"
		  "probes:\n"
		  "  p: { kind: ping, node: a, to: near, for: 3s }\n"
		  "  q: { kind: ping, node: a, to: far, family: 6, for: 3s }\n"
		  "  r: { kind: ping, node: d, to: own, for: 3s }\n"
		  "  s: { kind: ping, node: a, to: self, for: 3s }\n"
		  "timeline: [{ at: 1s, migrate: { service: near, from: c, to: "
		  "d } }]\n");
}
END_TEST

/* The answer takes the first of two default routes, through the translator. */
START_TEST(answers_take_the_way_of_the_least_metric)
{
	must_make("topology:\n"
		  "  nodes: { a: {}, lan: { kind: bridge }, r: { kind: router "
		  "}, q: { kind: router }, c: {} }\n"
		  "  links:\n"
		  "    - endpoints: [a, lan]\n"
		  "    - endpoints: [r, lan]\n"
		  "    - endpoints: [q, lan]\n"
		  "    - endpoints: [c, r]\n"
		  "    - endpoints: [c, q]\n"
		  "services: { s: { resolver: nat, instances: [c], at: r } }\n"
		  "probes: { p: { kind: ping, node: a, to: s, for: 1s } }\n");
	ck_assert_uint_eq(count_ops("metric 2048"), 2); /* one a family */
}
END_TEST

/* Topologies that cannot be, and what is said of them. */
static const struct {
	const char *scenario, *message;
} wrong[] = {
	{ "topology:\n"
	  "  nodes: { a: {}, b: {}, c: {} }\n"
	  "  links:\n"
	  "    - { endpoints: [a, b], subnet: 10.0.0.0/16 }\n"
	  "    - { endpoints: [b, c], subnet: 10.0.3.0/24 }\n",
	  "t.yaml:7:36: error: subnet 10.0.3.0/24 of 'b:eth1-c:eth0' overlaps "
	  "subnet 10.0.0.0/16 of 'a:eth0-b:eth0'" },
	{ "topology:\n"
	  "  nodes: { a: {}, b: {} }\n"
	  "  links: [{ endpoints: [{ node: a, address: 10.0.1.1/24 }, b], "
	  "subnet: 10.0.0.0/24 }]\n",
	  "10.0.1.1/24 is in none of the subnets" },
	{ "topology:\n"
	  "  nodes: { a: {}, b: {} }\n"
	  "  links: [{ endpoints: [{ node: a, address: 10.0.1.1/24 }, { node: "
	  "b, address: 10.0.1.1/24 }] }]\n",
	  "10.0.1.1 is taken already" },
	{ "topology:\n"
	  "  nodes: { a: {}, b: {}, c: {}, lan: { kind: bridge, subnet: "
	  "10.0.0.0/30 } }\n"
	  "  links: [{ endpoints: [a, lan] }, { endpoints: [b, lan] }, { "
	  "endpoints: [c, lan] }]\n",
	  "subnet 10.0.0.0/30 of 'lan' has no address left" },
	{ ROUTED "services: { s: { resolver: nat, instances: [c], at: r, "
		 "address: 10.0.0.9 } }\n",
	  "service address 10.0.0.9 lies in a network's subnet" },
	{ ROUTED "services: { s: { resolver: nat, instances: [c], at: r, "
		 "address: \"fe00::1\" } }\n",
	  "'c' has no IPv6 address" },
	{ ROUTED "services: { s: { resolver: nat, instances: [c], at: c } }\n",
	  "'c' is an instance of 's' itself" },
	{ ROUTED
	  "services:\n"
	  "  s: { resolver: nat, instances: [c], at: r, address: 10.9.0.1 }\n"
	  "  t: { resolver: nat, instances: [d], at: r, address: 10.9.0.1 }\n",
	  "10.9.0.1 is service 's' already" },
	{ "topology:\n"
	  "  nodes: { a: {}, b: {}, c: {}, d: {} }\n"
	  "  links: [{ endpoints: [a, b] }, { endpoints: [c, d] }]\n"
	  "probes: { p: { kind: ping, node: a, to: d, for: 1s } }\n",
	  "there is no way from 'a' to 10.64.1.2" },
	{ "topology:\n"
	  "  nodes: { a: {}, b: {} }\n"
	  "  links: [{ endpoints: [a, b], subnet: 198.18.0.0/16 }]\n"
	  "services: { s: { resolver: nat, instances: [b] } }\n",
	  "no automatic address is left" },
	{ "topology:\n"
	  "  nodes: { a: {}, b: {}, lan: { kind: bridge } }\n"
	  "  links:\n"
	  "    - endpoints: [{ node: a, mac: '02:1a:b0:00:00:06' }, lan]\n"
	  "    - endpoints: [b, lan]\n",
	  "02:1a:b0:00:00:06 is taken on this network" },
	/* A holder that sends no probe may be a bystander; a client may not. */
	{ "topology:\n"
	  "  nodes: { a: {}, b: {}, c: {}, x: {}, y: {} }\n"
	  "  links: [{ endpoints: [a, b] }, { endpoints: [c, x] }, { "
	  "endpoints: [x, y] }]\n"
	  "services: { s: { resolver: nat, instances: [b] } }\n"
	  "probes: { p: { kind: ping, node: a, to: s, for: 3s } }\n"
	  "timeline: [{ at: 1s, migrate: { service: s, from: b, to: c } }]\n",
	  "'a', which translates 's', has no way to its instance 'c'" },
	{ ROUTED
	  "services: { s: { resolver: nat, instances: [c] } }\n"
	  "probes: { p: { kind: ping, node: d, to: s, for: 1s } }\n"
	  "timeline: [{ at: 1s, migrate: { service: s, from: c, to: d } }]\n",
	  "'d' is an instance of 's' at some time" },
	/* One of two translators is passed, by luck the wrong one. */
	{ "topology:\n"
	  "  nodes: { a: {}, l: { kind: bridge }, r: { kind: router }, q: { "
	  "kind: router }, m: { kind: bridge }, c: {} }\n"
	  "  links:\n"
	  "    - endpoints: [a, l]\n"
	  "    - endpoints: [q, l]\n"
	  "    - endpoints: [r, l]\n"
	  "    - endpoints: [r, m]\n"
	  "    - endpoints: [q, m]\n"
	  "    - endpoints: [c, m]\n"
	  "services: { s: { resolver: nat, instances: [c], at: q } }\n"
	  "probes: { p: { kind: ping, node: a, to: s, for: 1s } }\n",
	  "the answers of 'c' to 'a' do not pass 'q'" },
};

START_TEST(complaints)
{
	must_complain(wrong[_i].scenario, wrong[_i].message);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plan");
	TCase *tc = tcase_create("plan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, automatic_addresses);
	tcase_add_test(tc, given_addresses_are_kept_and_passed_over);
	tcase_add_test(tc, addresses_name_the_subnet);
	tcase_add_test(tc, automatic_subnets_avoid_given_ones);
	tcase_add_test(tc, wide_network_gets_a_wide_subnet);
	tcase_add_test(tc, routes_take_the_shortest_way);
	tcase_add_test(tc,
		       two_homed_host_keeps_a_backup_and_finds_the_far_side);
	tcase_add_test(tc, service_in_a_router);
	tcase_add_test(tc, service_in_the_clients);
	tcase_add_test(tc, switched_links_have_ports_at_both_ends);
	tcase_add_test(tc, no_pair_shares_an_ifindex);
	tcase_add_test(tc, inverses);
	tcase_add_test(tc, probe_targets_and_hosts_file);
	tcase_add_test(tc, automatic_services_avoid_all_that_is_taken);
	tcase_add_test(tc, services_that_work);
	tcase_add_test(tc, answers_take_the_way_of_the_least_metric);
	tcase_add_loop_test(tc, complaints, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
