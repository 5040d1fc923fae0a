/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control socket may ask of a node. */
#include "node/app/node_parts.h"

#include <errno.h>
#include <string.h>

static int ops_name_set(void *arg, const struct control_name *name,
			struct err *err)
{
	struct node *n = arg;

	return services_name_set(n->services, name, err);
}

static int ops_listen(void *arg, const struct control_listen *l,
		      struct err *err)
{
	struct node *n = arg;
	int r = active_listen(n->active, l, err);

	return r ? r : node_watch_active(n, err);
}

static int ops_rule_add(void *arg, const struct sal_rule *r, struct err *err)
{
	struct node *n = arg;

	return services_rule_add(n->services, r, n->now_ns, err);
}

static int ops_rule_change(void *arg, const struct sal_rule *r, unsigned what,
			   struct err *err)
{
	struct node *n = arg;

	return services_rule_change(n->services, r, what, n->now_ns, err);
}

static int ops_rules_delete(void *arg, const struct service_prefix *p,
			    struct err *err)
{
	struct node *n = arg;

	return services_rules_delete(n->services, p, n->now_ns, err);
}

static int ops_rule_delete(void *arg, const struct sal_rule *r, struct err *err)
{
	struct node *n = arg;

	return services_rule_delete(n->services, r, n->now_ns, err);
}

struct rule_visit {
	const struct services *services;
	control_rule_fn visit;
	void *to;
};

static bool visit_rule(void *arg, const struct sal_rule_info *r)
{
	struct rule_visit *v = arg;

	return v->visit(v->to, r, services_find(v->services, &r->rule.id));
}

static void ops_rules(void *arg, const struct sal_rules_at *after,
		      control_rule_fn visit, void *to)
{
	struct node *n = arg;
	struct rule_visit v = { n->services, visit, to };

	sal_rules(n->sal, after, visit_rule, &v);
}

static void ops_delayed(void *arg, control_delayed_fn visit, void *to)
{
	struct node *n = arg;

	sal_delayed(n->sal, visit, to);
}

static int ops_verdict(void *arg, uint32_t flow, enum sal_verdict verdict,
		       const struct ip_addr *to, struct err *err)
{
	struct node *n = arg;
	int r = sal_verdict(n->sal, flow, verdict, to, n->now_ns);

	if (r == -ENOENT)
		return err_set(err, ENOENT, "nothing is held as flow %u", flow);
	if (r)
		return err_errno(err, -r, "cannot release flow %u", flow);
	return 0;
}

static int64_t ops_now(void *arg)
{
	const struct node *n = arg;

	return n->now_ns;
}

static int ops_handoff(void *arg, enum control_handoff step, uint32_t flow,
		       struct err *err)
{
	struct node *n = arg;

	return handoffs_step(n->handoffs, step, flow, n->now_ns, err);
}

static int ops_export(void *arg, uint32_t flow, struct control_part *part,
		      struct err *err)
{
	struct node *n = arg;

	return handoffs_export(n->handoffs, flow, part, n->now_ns, err);
}

static int ops_import(void *arg, const struct control_part *part,
		      uint32_t *flow, struct err *err)
{
	struct node *n = arg;

	return handoffs_import(n->handoffs, part, flow, n->now_ns, err);
}

static void ops_flows(void *arg, control_flow_fn visit, void *to)
{
	struct node *n = arg;

	sal_flows(n->sal, visit, to);
}

static void ops_addresses(void *arg, control_address_fn visit, void *to)
{
	struct node *n = arg;
	struct sal_local_address list[MONITOR_ADDRESSES_MAX];
	struct monitor_state s = *monitor_state(n->monitor);

	interfaces_order(&n->interfaces, &s);
	interfaces_fill(&n->interfaces, &s, list);
	for (size_t i = 0; i < s.n; i++) {
		struct control_address a = {
			.ifname = s.names[i],
			.addr = list[i].addr,
			.ifindex = list[i].ifindex,
			.cost = list[i].cost,
			.metered = list[i].metered,
			.cap_bps =
				interfaces_cap_bps(&n->interfaces, s.names[i]),
		};

		visit(to, &a);
	}
}

static int ops_interface_set(void *arg, const struct control_interface *i,
			     struct err *err)
{
	struct node *n = arg;
	int r = interfaces_set(&n->interfaces, i, err);

	if (r)
		return r;
	node_set_caps(n);
	node_tell_addresses(n);
	return 0;
}

static void ops_policy(void *arg, struct control_policy *out)
{
	struct node *n = arg;

	out->sal = sal_get_policy(n->sal);
	memcpy(out->order, n->interfaces.order, sizeof(out->order));
	out->n_order = n->interfaces.n_order;
}

static void ops_policy_set(void *arg, const struct control_policy *p)
{
	struct node *n = arg;

	memcpy(n->interfaces.order, p->order, sizeof(p->order));
	n->interfaces.n_order = p->n_order;
	sal_put_policy(n->sal, &p->sal);
	node_tell_addresses(n); /* in their order by it */
}

static bool ops_flow_show(void *arg, uint32_t flow, struct sal_history *out,
			  struct ip_addr standby[SAL_STANDBY_MAX], unsigned *n)
{
	struct node *node = arg;

	*n = sal_flow_standby(node->sal, flow, standby);
	return sal_flow_history(node->sal, flow, out);
}

static void ops_flows_ended(void *arg, control_ended_fn visit, void *to)
{
	struct node *n = arg;

	sal_flows_ended(n->sal, visit, to);
}

/* The address is ours, and nothing leads from it to the peer; or it is not. */
static int refuse_address(struct node *n, uint32_t flow,
			  const struct ip_addr *to, struct err *err)
{
	const struct monitor_state *s = monitor_state(n->monitor);
	char from[IP_TEXT_MAX], peer[IP_TEXT_MAX];
	struct sal_flow_info f;

	ip_format_addr(to, from, sizeof(from));
	for (size_t i = 0; i < s->n && sal_flow_find(n->sal, flow, &f); i++) {
		if (!ip_addr_equal(&s->list[i].addr, to))
			continue;
		err_set(err, EADDRNOTAVAIL, "there is no route to %s from %s",
			ip_format_addr(&f.path.remote, peer, sizeof(peer)),
			from);
		if (f.path.remote.family != to->family)
			err_hint(err, "take an address of the peer's family");
		else
			err_hint(err,
				 "add a route to %s through the interface %s, "
				 "or take another address",
				 peer, s->names[i]);
		return -EADDRNOTAVAIL;
	}
	err_set(err, EADDRNOTAVAIL,
		"%s is none of this host's addresses that can be used", from);
	err_hint(err, "\"interface list\" has them");
	return -EADDRNOTAVAIL;
}

static int ops_flow_migrate(void *arg, uint32_t flow, const struct ip_addr *to,
			    struct err *err)
{
	struct node *n = arg;

	switch (-sal_flow_move(n->sal, flow, to, n->now_ns)) {
	case 0:
		return 0;
	case ENOENT:
		return err_set(err, ENOENT, "there is no flow %u", flow);
	case EBUSY:
		return err_set(err, EBUSY, "flow %u is being handed over",
			       flow);
	default:
		return refuse_address(n, flow, to, err);
	}
}

static void ops_counters(void *arg, control_counter_fn visit, void *to)
{
	struct node *n = arg;
	const struct sal_stats *sal = sal_stats(n->sal);
	const struct tun_stats *tun = tun_stats(n->tun);
	const struct underlay_stats *underlay = underlay_stats(n->underlay);
	const struct caps_stats *caps = caps_stats(n->caps);

#define VISIT_SAL(name, text) visit(to, #name, sal->name);
#define VISIT_TUN(name, text) visit(to, #name, tun->name);
#define VISIT_UNDERLAY(name, text) visit(to, #name, underlay->name);
#define VISIT_CAPS(name, text) visit(to, #name, caps->name);
	SAL_STATS(VISIT_SAL)
	TUN_STATS(VISIT_TUN)
	UNDERLAY_STATS(VISIT_UNDERLAY)
	CAPS_STATS(VISIT_CAPS)
}

int node_open_control(struct node *n, const struct node_config *c,
		      struct err *err)
{
	struct control_ops ops = {
		.arg = n,
		.program = "sald " SERVALAB_VERSION,
		.tun = c->tun,
		.inner4 = c->inner4.addr,
		.inner6 = c->inner6.addr,
		.name_set = ops_name_set,
		.listen = ops_listen,
		.rule_add = ops_rule_add,
		.rule_change = ops_rule_change,
		.rule_delete = ops_rule_delete,
		.rules_delete = ops_rules_delete,
		.rules = ops_rules,
		.delayed = ops_delayed,
		.verdict = ops_verdict,
		.now_ns = ops_now,
		.handoff = ops_handoff,
		.flow_export = ops_export,
		.flow_import = ops_import,
		.flows = ops_flows,
		.addresses = ops_addresses,
		.interface_set = ops_interface_set,
		.policy = ops_policy,
		.policy_set = ops_policy_set,
		.flow_show = ops_flow_show,
		.flows_ended = ops_flows_ended,
		.flow_migrate = ops_flow_migrate,
		.counters = ops_counters,
	};

	return control_open(&n->control, c->control, &ops, err);
}
