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
	unsigned names, added, deleted;
	struct control_name name;
	struct sal_rule rule;
	char ifname[64];
	uint32_t cost, flow;
	bool metered;
	struct sal_policy policy;
	struct ip_addr to;
	int fail; /* errno of the next rule_add */
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

static int fake_rule_delete(void *arg, const struct sal_rule *r,
			    struct err *err)
{
	(void)arg;
	(void)err;
	host.deleted++;
	host.rule = *r;
	return 0;
}

static void fake_rules(void *arg, control_rule_fn visit, void *to)
{
	struct control_name name = { .name = "web" };
	struct sal_rule r = {
		.bits = 256, .kind = SAL_RULE_DEMUX, .priority = 3, .weight = 2
	};

	(void)arg;
	r.id.bytes[2] = 0x40;
	r.id.bytes[3] = 1;
	ck_assert_int_eq(ip_parse_addr("10.255.0.1", &name.addr4), 0);
	visit(to, &r, 42, &name);
	r.kind = SAL_RULE_FORWARD;
	ck_assert_int_eq(ip_parse_addr("fd00::2", &r.to), 0);
	visit(to, &r, 0, NULL);
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

static int fake_interface_set(void *arg, const char *name, uint32_t cost,
			      bool metered, struct err *err)
{
	(void)arg;
	(void)err;
	snprintf(host.ifname, sizeof(host.ifname), "%s", name);
	host.cost = cost;
	host.metered = metered;
	return 0;
}

static struct sal_policy fake_policy(void *arg)
{
	(void)arg;
	return host.policy;
}

static void fake_policy_set(void *arg, const struct sal_policy *p)
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

static const struct control_ops ops = {
	.program = "fake 1",
	.tun = "sal0",
	.name_set = fake_name_set,
	.rule_add = fake_rule_add,
	.rule_delete = fake_rule_delete,
	.rules = fake_rules,
	.flows = fake_flows,
	.addresses = fake_addresses,
	.interface_set = fake_interface_set,
	.policy = fake_policy,
	.policy_set = fake_policy_set,
	.flow_migrate = fake_flow_migrate,
	.counters = fake_counters,
};

static inline void setup(void)
{
	memset(&host, 0, sizeof(host));
}

#endif
