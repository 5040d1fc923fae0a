/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host that notes what it was asked to do over the control socket. */
#ifndef SUPPORT_CONTROL_HOST_H
#define SUPPORT_CONTROL_HOST_H

#include "node/control/control.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct {
	unsigned names, added, changed, deleted, whole, verdicts;
	struct control_name name;
	struct sal_rule rule;
	char ifname[64];
	uint32_t cost, flow;
	bool metered;
	uint64_t cap_bps;
	struct control_policy policy;
	unsigned what; /* of rule_change */
	struct service_prefix prefix;
	enum sal_verdict verdict;
	struct ip_addr to;
	int fail; /* errno of the next rule_add */
	bool has_rule; /* for rule_change to find */
	unsigned many; /* rules of the list besides */
	unsigned steps; /* of handoffs */
	enum control_handoff step;
	struct control_part part; /* imported; its bytes are below */
	uint8_t bytes[CONTROL_PART_MAX];
	struct control_listen listen;
} host;

static int fake_name_set(void *arg, const struct control_name *n,
			 struct err *err)
{
	(void)arg;
	(void)err;
	host.names++;
	host.name = *n;
	return 0;
}

static int fake_rule_add(void *arg, const struct sal_rule *r, struct err *err)
{
	(void)arg;
	if (host.fail)
		return err_set(err, host.fail, "the words of the host");
	host.added++;
	host.rule = *r;
	return 0;
}

static int fake_rule_change(void *arg, const struct sal_rule *r, unsigned what,
			    struct err *err)
{
	(void)arg;
	if (!host.has_rule)
		return err_set(err, ENOENT, "there is no such rule");
	host.changed++;
	host.rule = *r;
	host.what = what;
	return 0;
}

static int fake_rules_delete(void *arg, const struct service_prefix *p,
			     struct err *err)
{
	(void)arg;
	(void)err;
	host.whole++;
	host.prefix = *p;
	return 0;
}

static int fake_verdict(void *arg, uint32_t flow, enum sal_verdict verdict,
			const struct ip_addr *to, struct err *err)
{
	(void)arg;
	(void)err;
	host.verdicts++;
	host.flow = flow;
	host.verdict = verdict;
	host.to = *to;
	return 0;
}

static int64_t fake_now(void *arg)
{
	(void)arg;
	return INT64_C(10000000000);
}

static int fake_rule_delete(void *arg, const struct sal_rule *r,
			    struct err *err)
{
	(void)arg;
	(void)err;
	host.deleted++;
	host.rule = *r;
	return 0;
}

static int fake_handoff(void *arg, enum control_handoff step, uint32_t flow,
			struct err *err)
{
	(void)arg;
	if (host.fail)
		return err_set(err, host.fail, "the words of the host");
	host.steps++;
	host.step = step;
	host.flow = flow;
	return 0;
}

/* 100,000 bytes, each of which says where it is. */
static int fake_export(void *arg, uint32_t flow, struct control_part *part,
		       struct err *err)
{
	(void)arg;
	(void)err;
	host.flow = flow;
	part->total = 100000;
	part->bytes = host.bytes;
	part->len = part->total - part->offset;
	if (part->len > CONTROL_PART_MAX)
		part->len = CONTROL_PART_MAX;
	for (size_t i = 0; i < part->len; i++)
		host.bytes[i] = (uint8_t)((part->offset + i) * 7);
	return 0;
}

static int fake_import(void *arg, const struct control_part *part,
		       uint32_t *flow, struct err *err)
{
	(void)arg;
	(void)err;
	host.part = *part;
	memcpy(host.bytes, part->bytes, part->len);
	*flow = part->offset + part->len == part->total ? 4711 : 0;
	return 0;
}

/* As the engine does: DEMUX first, then by prefix. */
static void fake_rules(void *arg, const struct sal_rules_at *after,
		       control_rule_fn visit, void *to)
{
	struct control_name name = { .name = "web" };
	struct sal_rule_info r = {
		.rule = { .bits = 256,
			  .kind = SAL_RULE_DEMUX,
			  .priority = 3,
			  .weight = 2 },
		.flows = 42,
		.bytes = 4200,
		.used_ns = INT64_C(8000000000),
		.end_ns = INT64_MAX,
	};

	(void)arg;
	r.rule.id.bytes[2] = 0x40;
	r.rule.id.bytes[3] = 1;
	ck_assert_int_eq(ip_parse_addr("10.255.0.1", &name.addr4), 0);
	if (!after && !visit(to, &r, &name))
		return;
	r.rule.kind = SAL_RULE_FORWARD;
	r.flows = 0;
	r.rule.idle_ms = 7000;
	r.end_ns = INT64_C(15000000000);
	r.aside_ns = INT64_C(11500000000);
	ck_assert_int_eq(ip_parse_addr("fd00::2", &r.rule.to), 0);
	if ((!after || after->demux) && !visit(to, &r, NULL))
		return;
	for (unsigned i = 1; i <= host.many; i++) {
		r.rule.id.bytes[2] = (uint8_t)(0x40 + (i >> 8));
		r.rule.id.bytes[3] = (uint8_t)i;
		r.rule.id.bytes[4] = 1;
		if (after && !after->demux &&
		    memcmp(&r.rule.id, &after->prefix.id, 32) <= 0)
			continue;
		/* Two of a prefix stay together. */
		if (!visit(to, &r, NULL) || !visit(to, &r, NULL))
			return;
	}
}

static void fake_delayed(void *arg, control_delayed_fn visit, void *to)
{
	struct sal_delayed d = {
		.flow = 0xfffffffe,
		.info = { .local_id = 0xfffffffe, .state = SAL_SYN_SENT },
		.since_ns = INT64_C(9000000000),
		.until_ns = INT64_C(14000000000),
		.packets = 3,
	};

	(void)arg;
	visit(to, &d);
}

static inline struct sal_flow_info fake_flow(void)
{
	return (struct sal_flow_info){
		.local_id = 0xfffffffe,
		.remote_id = 7,
		.state = SAL_ESTABLISHED,
		.client = true,
		.protocol = 6,
		.port_local = 65535,
		.port_remote = 80,
		.bytes_in = UINT64_C(5000000000),
	};
}

static void fake_flows(void *arg, control_flow_fn visit, void *to)
{
	struct sal_flow_info f = fake_flow();

	(void)arg;
	visit(to, &f);
	visit(to, &f);
}

static void fake_addresses(void *arg, control_address_fn visit, void *to)
{
	struct control_address a = { .ifname = "eth0", .ifindex = 2 };

	(void)arg;
	ck_assert_int_eq(ip_parse_addr("10.0.0.1", &a.addr), 0);
	visit(to, &a);
}

static int fake_interface_set(void *arg, const struct control_interface *i,
			      struct err *err)
{
	(void)arg;
	(void)err;
	snprintf(host.ifname, sizeof(host.ifname), "%s", i->name);
	host.cost = i->cost;
	host.metered = i->metered;
	host.cap_bps = i->cap_bps;
	return 0;
}

static void fake_policy(void *arg, struct control_policy *out)
{
	(void)arg;
	*out = host.policy;
}

/* Flow 7 has had two paths, and there is no other. */
static bool fake_flow_show(void *arg, uint32_t flow, struct sal_history *out,
			   struct ip_addr standby[SAL_STANDBY_MAX], unsigned *n)
{
	(void)arg;
	*out = (struct sal_history){
		.info.local_id = flow,
		.ended_ns = INT64_MAX,
		.left_out = 3,
		.n = 2,
		.v = { { .from_ns = 5, .until_ns = 9 },
		       { .from_ns = 11,
			 .until_ns = INT64_MAX,
			 .why = SAL_WAY_POLICY } },
	};
	ck_assert_int_eq(ip_parse_addr("10.0.0.1", &out->v[0].path.local), 0);
	ck_assert_int_eq(ip_parse_addr("10.0.0.9", &standby[0]), 0);
	*n = 1;
	return flow == 7;
}

static void fake_flows_ended(void *arg, control_ended_fn visit, void *to)
{
	const struct sal_history h = { .info.local_id = 8, .ended_ns = 12 };

	(void)arg;
	visit(to, &h);
}

static void fake_policy_set(void *arg, const struct control_policy *p)
{
	(void)arg;
	host.policy = *p;
}

static int fake_flow_migrate(void *arg, uint32_t flow, const struct ip_addr *to,
			     struct err *err)
{
	(void)arg;
	if (flow == 404)
		return err_set(err, ENOENT, "there is no flow %u", flow);
	host.flow = flow;
	host.to = *to;
	return 0;
}

static void fake_counters(void *arg, control_counter_fn visit, void *to)
{
	(void)arg;
	visit(to, "outer_in", 17);
}

static int fake_listen(void *arg, const struct control_listen *l,
		       struct err *err)
{
	(void)arg;
	(void)err;
	host.listen = *l;
	return 0;
}

static const struct control_ops ops = {
	.program = "fake 1",
	.tun = "sal0",
	.name_set = fake_name_set,
	.listen = fake_listen,
	.rule_add = fake_rule_add,
	.rule_change = fake_rule_change,
	.rule_delete = fake_rule_delete,
	.rules_delete = fake_rules_delete,
	.verdict = fake_verdict,
	.now_ns = fake_now,
	.rules = fake_rules,
	.delayed = fake_delayed,
	.handoff = fake_handoff,
	.flow_export = fake_export,
	.flow_import = fake_import,
	.flows = fake_flows,
	.addresses = fake_addresses,
	.interface_set = fake_interface_set,
	.policy = fake_policy,
	.policy_set = fake_policy_set,
	.flow_show = fake_flow_show,
	.flows_ended = fake_flows_ended,
	.flow_migrate = fake_flow_migrate,
	.counters = fake_counters,
};

static inline void setup(void)
{
	memset(&host, 0, sizeof(host));
}

#endif
