/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What salds are told of services: which there are, who serves, and where to
 * send what is for them; at first, when instances come and go, when those get
 * other addresses, and, of all that, when a node is thawed that was frozen
 * meanwhile.
 */
#include "orchestrator/plan/routing.h"

#include <errno.h>

/* An interface's first address of that family. */
static struct ip_addr of_iface(const struct plan_view *v, size_t iface,
			       int family)
{
	const struct plan_readdress *r = v->readdress;
	const struct plan_live_iface *f = &v->live->ifaces[iface];
	bool changes = r && iface == r->iface && plan_readdress_has(r, family);
	const struct ip_prefix *a = changes ? r->new.v : f->addresses.v;
	size_t n = changes ? r->new.n : f->addresses.n;

	/* What is not there has no address, but will have, for who waits. */
	for (size_t k = 0; (r || f->present) && k < n; k++)
		if (a[k].addr.family == family)
			return a[k].addr;
	return (struct ip_addr){ 0 };
}

static struct ip_addr address_in(const struct plan_view *v, size_t node,
				 int family)
{
	const struct plan *p = v->live->plan;
	struct ip_addr a = { 0 };

	for (size_t i = 0; i < p->ifaces.n && !a.family; i++)
		if (p->ifaces.v[i].node == node)
			a = of_iface(v, i, family);
	return a;
}

static bool is_on(const struct plan_view *v, size_t node, size_t network)
{
	const struct plan *p = v->live->plan;

	for (size_t i = 0; i < p->ifaces.n; i++)
		if (p->ifaces.v[i].node == node &&
		    v->live->ifaces[i].network == network)
			return true;
	return false;
}

/* A service router's address on a network of the node's own, if there is one,
 * or else its first. */
static struct ip_addr nearest_in(const struct plan_view *v, size_t node,
				 size_t router, int family)
{
	const struct plan *p = v->live->plan;
	struct ip_addr a = { 0 };

	for (size_t i = 0; i < p->ifaces.n && !a.family; i++)
		if (p->ifaces.v[i].node == router &&
		    is_on(v, node, v->live->ifaces[i].network))
			a = of_iface(v, i, family);
	return a.family ? a : address_in(v, router, family);
}

struct ip_addr plan_forward_in(const struct plan_view *v, size_t node,
			       size_t instance)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct ip_addr to = { 0 };

	for (size_t f = 0; f < 2 && !to.family; f++)
		if (address_in(v, node, families[f]).family)
			to = plan_is_service_router(v->live->plan, instance) ?
				     nearest_in(v, node, instance,
						families[f]) :
				     address_in(v, instance, families[f]);
	return to;
}

static struct plan_op *add_op(plan_op_vec *out, enum plan_op_kind kind,
			      size_t node, size_t service, struct src_pos pos)
{
	struct plan_op *op = VEC_PUSH(out);

	if (!op)
		return NULL;
	op->kind = kind;
	op->node = node;
	op->sal.service = service;
	op->sal.instance = SCN_NONE;
	op->pos = pos;
	return op;
}

/* A rule for an instance: of itself (to is AF_UNSPEC), or for others. */
static int add_rule_op(const struct plan_live *l, plan_op_vec *out,
		       enum plan_op_kind kind, size_t node, size_t service,
		       size_t instance, const struct ip_addr *to,
		       struct src_pos pos)
{
	struct plan_op *op = add_op(out, kind, node, service, pos);

	if (!op)
		return -ENOMEM;
	op->sal.to = *to;
	op->sal.instance = instance;
	op->sal.weight = plan_live_weight(l, service, instance);
	op->sal.priority = plan_live_priority(l, service, instance);
	return 0;
}

/* The node's rule for a service whose instance is there. */
static int add_rule(const struct plan_live *l, plan_op_vec *out,
		    enum plan_op_kind kind, size_t node, size_t service,
		    size_t instance, struct src_pos pos)
{
	const struct plan_view view = { .live = l };
	struct ip_addr to = { 0 };

	if (node != instance) {
		to = plan_forward_in(&view, node, instance);
		if (!to.family)
			return 0; /* they have no network in common */
	}
	return add_rule_op(l, out, kind, node, service, instance, &to, pos);
}

/* All rules of a node: it serves, or sends to all who do. */
static int add_rules(const struct plan_live *l, plan_op_vec *out, size_t node,
		     size_t service, struct src_pos pos)
{
	int r = 0;

	if (plan_is_service_router(l->plan, node))
		return plan_router_rules(l, out, node, service, pos);
	if (plan_live_serves(l, service, node))
		return add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node, service,
				node, pos);
	if (!plan_knows_all(l->plan, node))
		return 0;
	for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
		if (plan_live_serves(l, service, i))
			r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node,
				     service, i, pos);
	return r;
}

int plan_listen_ops(const struct plan_live *l, size_t node, plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;

	if (!l->plan->nodes.v[node].sald || l->nodes[node] != PLAN_NODE_ON)
		return 0;
	for (size_t k = 0; k < s->services.n; k++)
		if (s->services.v[k].candidates.n &&
		    !add_op(out, PLAN_OP_SAL_LISTEN, node, k,
			    s->services.v[k].candidates_pos))
			return -ENOMEM;
	return 0;
}

int plan_sald_ops(const struct plan_live *l, size_t node, plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;
	int r = plan_sal_policy_ops(l, node, s->nodes.v[node].pos, out);

	for (size_t k = 0; k < s->services.n && !r; k++) {
		const struct scn_service *svc = &s->services.v[k];

		if (!l->plan->nodes.v[node].sald ||
		    svc->resolver != SCN_RESOLVER_SAL)
			continue;
		if (!add_op(out, PLAN_OP_SAL_NAME, node, k, svc->pos))
			r = -ENOMEM;
		if (!r)
			r = add_rules(l, out, node, k, svc->pos);
		if (!r && svc->candidates.n &&
		    !add_op(out, PLAN_OP_SAL_LISTEN, node, k,
			    svc->candidates_pos))
			r = -ENOMEM;
	}
	if (!r && l->plan->nodes.v[node].sald)
		r = plan_default_rules(l, out, node, s->nodes.v[node].pos);
	return r;
}

int plan_sal_operations(struct plan *p)
{
	const struct scenario *s = p->scenario;
	struct plan_live *l = plan_live_new(p);
	plan_op_vec ops = { 0 };
	int r = l ? 0 : -ENOMEM;

	/* All of them first, so that they start at the same time. */
	for (size_t i = 0; i < p->nodes.n && !r; i++)
		if (p->nodes.v[i].sald &&
		    !add_op(&ops, PLAN_OP_SALD_START, i, 0, s->nodes.v[i].pos))
			r = -ENOMEM;
	for (size_t i = 0; i < p->nodes.n && !r; i++)
		r = plan_sald_ops(l, i, &ops);
	if (!r)
		r = plan_ops_append(&p->ops, &ops);
	VEC_FREE(&ops);
	plan_live_free(l);
	return r;
}

/* ---- instances come and go ----------------------------------------------- */

/*
 * One node's rules when an instance comes (to) and another goes (from). What is
 * new is added first: a flow that finds no rule would be refused.
 */
static int change_rules(const struct plan_live *l, plan_op_vec *out,
			size_t node, size_t service, size_t from, size_t to,
			struct src_pos pos)
{
	int r = 0;

	if (node == to) {
		r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node, service, node,
			     pos);
		if (!plan_knows_all(l->plan, node))
			return r;
		/* It has clients of its own: they stay until this is done. */
		for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
			if (plan_live_serves(l, service, i))
				r = add_rule(l, out, PLAN_OP_SAL_RULE_DEL, node,
					     service, i, pos);
		return r;
	}
	if (!plan_knows_all(l->plan, node))
		return node != from ? 0 :
				      add_rule(l, out, PLAN_OP_SAL_RULE_DEL,
					       node, service, node, pos);
	if (to != SCN_NONE)
		r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node, service, to,
			     pos);
	for (size_t i = 0; node == from && i < l->plan->nodes.n && !r; i++)
		if (i != from && plan_live_serves(l, service, i))
			r = add_rule(l, out, PLAN_OP_SAL_RULE_ADD, node,
				     service, i, pos);
	if (!r && from != SCN_NONE)
		r = add_rule(l, out, PLAN_OP_SAL_RULE_DEL, node, service, from,
			     pos);
	return r;
}

/* When a node's turn is. */
static enum plan_sal_step step_of(size_t node, size_t from, size_t to)
{
	return node == to   ? PLAN_SAL_START :
	       node == from ? PLAN_SAL_STOP :
			      PLAN_SAL_FORWARD;
}

/* What a node's sald is told when an instance comes or goes, or both. */
static int bind_node(const struct plan_live *l, size_t node, size_t service,
		     size_t from, size_t to, struct src_pos pos,
		     plan_op_vec *out)
{
	if (!l->plan->nodes.v[node].sald ||
	    (step_of(node, from, to) == PLAN_SAL_FORWARD &&
	     plan_live_serves(l, service, node)))
		return 0;
	if (plan_is_service_router(l->plan, node))
		return plan_router_bind(l, out, node, service, from, to, pos);
	return change_rules(l, out, node, service, from, to, pos);
}

int plan_sal_bind_ops(const struct plan_live *l, size_t service, size_t from,
		      size_t to, enum plan_sal_step step, struct src_pos pos,
		      plan_op_vec *out)
{
	int r = 0;

	/* A sald that is not there learns it when it comes back. */
	for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
		if (step_of(i, from, to) == step && l->nodes[i] == PLAN_NODE_ON)
			r = bind_node(l, i, service, from, to, pos, out);
	return r;
}

/* ---- an instance has made itself ------------------------------------------
 */

/* But for what the host's own sald does by itself. */
static void leave_demux_out(plan_op_vec *ops, size_t from)
{
	size_t n = from;

	for (size_t i = from; i < ops->n; i++)
		if (ops->v[i].sal.to.family)
			ops->v[n++] = ops->v[i];
	ops->n = n;
}

int plan_active_ops(struct plan_live *l, size_t service, size_t node,
		    bool listens, plan_op_vec *out)
{
	struct src_pos pos = l->plan->scenario->services.v[service].pos;
	size_t from = listens ? SCN_NONE : node, to = listens ? node : SCN_NONE;
	size_t first = out->n;
	int r = 0;

	for (size_t step = PLAN_SAL_START; step <= PLAN_SAL_STOP && !r; step++)
		r = plan_sal_bind_ops(l, service, from, to,
				      (enum plan_sal_step)step, pos, out);
	leave_demux_out(out, first);
	for (size_t i = 0; i < l->plan->nodes.n && !r; i++) {
		first = l->missed[i].n;
		if (l->nodes[i] != PLAN_NODE_FROZEN)
			continue;
		r = bind_node(l, i, service, from, to, pos, &l->missed[i]);
		leave_demux_out(&l->missed[i], first);
	}
	return r;
}

/* ---- an instance has moved ---------------------------------------------- */

/* What a node's sald is told when an instance gets other addresses. */
static int follow_node(const struct plan_live *l, size_t node,
		       const struct scn_action *a, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct scenario *s = p->scenario;
	const struct plan_view before = { .live = l };
	const struct plan_view behind = { l, plan_find_readdress(p, a) };
	size_t instance = p->ifaces.v[behind.readdress->iface].node;
	int r = 0;

	if (!p->nodes.v[node].sald)
		return 0;
	r = plan_default_follow(&before, &behind, out, node, a->pos);
	for (size_t k = 0; k < s->services.n && !r; k++) {
		struct ip_addr old, new;

		if (s->services.v[k].resolver != SCN_RESOLVER_SAL)
			continue;
		if (plan_is_service_router(p, node))
			r = plan_router_follow(&before, &behind, out, node, k,
					       a->pos);
		if (r || !plan_knows_all(p, node) ||
		    !plan_live_serves(l, k, instance) ||
		    plan_live_serves(l, k, node))
			continue;
		old = plan_forward_in(&before, node, instance);
		new = plan_forward_in(&behind, node, instance);
		if (ip_addr_equal(&old, &new))
			continue;
		if (new.family)
			r = add_rule_op(l, out, PLAN_OP_SAL_RULE_ADD, node, k,
					instance, &new, a->pos);
		if (!r && old.family)
			r = add_rule_op(l, out, PLAN_OP_SAL_RULE_DEL, node, k,
					instance, &old, a->pos);
	}
	return r;
}

int plan_follow_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out)
{
	int r = 0;

	for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
		if (l->nodes[i] == PLAN_NODE_ON)
			r = follow_node(l, i, a, out);
	return r;
}

/* ---- weights --------------------------------------------------------------
 */

/* What a node's sald is told of instances' new weights. Those that serve have
 * no rules for the others. Nobody has one for a candidate where nobody listens:
 * it has its weight when that changes. */
static int weigh_node(const struct plan_live *l, size_t node,
		      const struct scn_action *a, plan_op_vec *out)
{
	size_t service = a->weight.service;
	int r = 0;

	if (!l->plan->nodes.v[node].sald || plan_live_serves(l, service, node))
		return 0;
	if (plan_is_service_router(l->plan, node))
		return plan_router_weigh(l, out, node, a);
	if (!plan_knows_all(l->plan, node))
		return 0;
	for (size_t i = 0; i < a->weight.n && !r; i++) {
		size_t n = out->n;

		if (!plan_live_serves(l, service, a->weight.set[i].node))
			continue;
		r = add_rule(l, out, PLAN_OP_SAL_RULE_CHANGE, node, service,
			     a->weight.set[i].node, a->pos);
		if (out->n == n)
			continue;
		out->v[n].sal.old_weight = out->v[n].sal.weight;
		out->v[n].sal.old_priority = out->v[n].sal.priority;
		out->v[n].sal.weight = a->weight.set[i].weight;
	}
	return r;
}

int plan_sal_weight_ops(const struct plan_live *l, const struct scn_action *a,
			plan_op_vec *out)
{
	int r = 0;

	for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
		if (l->nodes[i] == PLAN_NODE_ON)
			r = weigh_node(l, i, a, out);
	return r;
}

/* ---- who was frozen meanwhile -------------------------------------------- */

static int miss(struct plan_live *l, size_t node, const struct scn_action *a)
{
	size_t service = a->kind == SCN_ACTION_MIGRATE ? a->migrate.service :
			 a->kind == SCN_ACTION_WEIGHT  ? a->weight.service :
							 a->serve.service;
	plan_op_vec *out = &l->missed[node];

	if (a->kind == SCN_ACTION_READDRESS || a->kind == SCN_ACTION_GUEST)
		return follow_node(l, node, a, out);
	if (l->plan->scenario->services.v[service].resolver != SCN_RESOLVER_SAL)
		return 0;
	if (a->kind == SCN_ACTION_WEIGHT)
		return weigh_node(l, node, a, out);
	if (a->kind == SCN_ACTION_MIGRATE)
		return bind_node(l, node, service, a->migrate.from,
				 a->migrate.to, a->pos, out);
	return a->kind == SCN_ACTION_REGISTER ?
		       bind_node(l, node, service, SCN_NONE, a->serve.node,
				 a->pos, out) :
		       bind_node(l, node, service, a->serve.node, SCN_NONE,
				 a->pos, out);
}

int plan_sal_miss(struct plan_live *l, const struct scn_action *a)
{
	int r = 0;

	if (a->kind != SCN_ACTION_MIGRATE && a->kind != SCN_ACTION_REGISTER &&
	    a->kind != SCN_ACTION_UNREGISTER && a->kind != SCN_ACTION_WEIGHT &&
	    a->kind != SCN_ACTION_READDRESS && a->kind != SCN_ACTION_GUEST)
		return 0;
	for (size_t i = 0; i < l->plan->nodes.n && !r; i++)
		if (l->nodes[i] == PLAN_NODE_FROZEN)
			r = miss(l, i, a);
	return r;
}

/* Both say that the same rule comes, or goes. */
static bool same_rule(const struct plan_op *a, const struct plan_op *b)
{
	return a->kind != PLAN_OP_SAL_RULE_CHANGE &&
	       b->kind != PLAN_OP_SAL_RULE_CHANGE &&
	       a->sal.service == b->sal.service &&
	       ip_addr_equal(&a->sal.to, &b->sal.to);
}

/* The first and the last word on a rule differ: it is again as it was. */
static bool came_to_nothing(const plan_op_vec *missed, size_t first)
{
	const struct plan_op *last = &missed->v[first];

	for (size_t i = first + 1; i < missed->n; i++)
		if (same_rule(&missed->v[i], &missed->v[first]))
			last = &missed->v[i];
	return last->kind != missed->v[first].kind;
}

static bool was_said_before(const plan_op_vec *missed, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (same_rule(&missed->v[i], &missed->v[at]))
			return true;
	return false;
}

/* The weight of a rule that was there before, and is there now, whatever
 * happened to it in between. */
static int weigh_again(const struct plan_live *l, size_t node, size_t at,
		       struct src_pos pos, plan_op_vec *out)
{
	const plan_op_vec *missed = &l->missed[node];
	const struct plan_op *op = &missed->v[at];
	const struct plan_op *last = NULL;

	for (size_t i = 0; i < missed->n; i++) {
		const struct plan_op *other = &missed->v[i];

		if (other->sal.service != op->sal.service ||
		    !ip_addr_equal(&other->sal.to, &op->sal.to))
			continue;
		if (i < at)
			return 0; /* it was done for that one */
		if (other->kind != PLAN_OP_SAL_RULE_CHANGE)
			last = other;
	}
	if (!op->sal.to.family || (last && last->kind == PLAN_OP_SAL_RULE_DEL))
		return 0;
	return add_rule_op(l, out, PLAN_OP_SAL_RULE_CHANGE, node,
			   op->sal.service, op->sal.instance, &op->sal.to, pos);
}

/*
 * Not step by step: flows would move to where instances were for a while. What
 * has come is told ahead of what has gone, since a flow that finds no rule
 * would be refused.
 */
int plan_missed_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		    plan_op_vec *out)
{
	static const enum plan_op_kind passes[] = { PLAN_OP_SAL_RULE_ADD,
						    PLAN_OP_SAL_RULE_DEL };
	const plan_op_vec *missed = &l->missed[node];
	bool weighs = false;

	if (!plan_knows_all(l->plan, node))
		return plan_router_missed(l, out, node, pos);
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < missed->n; i++) {
			const struct plan_op *op = &missed->v[i];

			weighs |= op->kind == PLAN_OP_SAL_RULE_CHANGE;
			if (op->kind != passes[pass] ||
			    was_said_before(missed, i) ||
			    came_to_nothing(missed, i))
				continue;
			if (add_rule_op(l, out, op->kind, node, op->sal.service,
					op->sal.instance, &op->sal.to, pos))
				return -ENOMEM;
		}
	for (size_t i = 0; weighs && i < missed->n; i++)
		if (weigh_again(l, node, i, pos, out))
			return -ENOMEM;
	return 0;
}
