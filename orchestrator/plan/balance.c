/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nat services: which instances a name is bound to, in which shares.
 *
 * A binding is told whole whenever any part of it changes, as one operation for
 * its first target and one (ALSO) for each of the others: they go to the kernel
 * in one transaction, so that no packet ever meets a part of it. Targets are
 * those instances of the highest priority that have a weight. One of weight 0
 * is still an instance: what it has keeps coming, since the kernel remembers
 * each flow by itself, and is made to forget only those of others
 * (plan_bound_addresses()).
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>
#include <stdlib.h>

/* Who is an instance: now, or with one gone (from) and another there (to). */
struct bound {
	const struct plan_live *live;
	size_t service, from, to;
	const struct scn_action *weigh; /* and with these weights; NULL */
};

static bool is_bound(const struct bound *b, size_t node)
{
	return node == b->to ||
	       (node != b->from && plan_live_serves(b->live, b->service, node));
}

static uint32_t weight_in(const struct bound *b, size_t node)
{
	for (size_t i = 0; b->weigh && i < b->weigh->weight.n; i++)
		if (b->weigh->weight.set[i].node == node)
			return b->weigh->weight.set[i].weight;
	return plan_live_weight(b->live, b->service, node);
}

/* The highest priority of those that are to get anything. False: nobody. */
static bool find_priority(const struct bound *b, int family, uint32_t *priority)
{
	bool found = false;

	for (size_t i = 0; i < b->live->plan->scenario->nodes.n; i++) {
		uint32_t p = plan_live_priority(b->live, b->service, i);

		if (!is_bound(b, i) || !weight_in(b, i) ||
		    !plan_live_address(b->live, i, family).family ||
		    (found && p <= *priority))
			continue;
		*priority = p;
		found = true;
	}
	return found;
}

static unsigned binding_id(size_t service, int family)
{
	return (unsigned)service * 2 + (family == AF_INET6);
}

static struct plan_op *add_op(plan_op_vec *out, enum plan_op_kind kind,
			      size_t holder, const struct bound *b,
			      const struct ip_addr *address, struct src_pos pos)
{
	struct plan_op *op = VEC_PUSH(out);

	if (!op)
		return NULL;
	op->kind = kind;
	op->node = holder;
	op->pos = pos;
	op->nat.service = b->service;
	op->nat.id = binding_id(b->service, address->family);
	op->nat.from = *address;
	return op;
}

/* For the inverse: what it is bound to now, if that is at most one. */
static void keep_old(const struct bound *b, struct plan_op *op)
{
	size_t n = 0;

	for (size_t i = 0; i < b->live->plan->scenario->nodes.n; i++)
		if (plan_live_serves(b->live, b->service, i)) {
			op->nat.old_to = plan_live_address(b->live, i,
							   op->nat.from.family);
			n++;
		}
	op->nat.lost = n > 1;
}

/* One holder's binding of one of the service's addresses. */
static int add_binding(const struct bound *b, plan_op_vec *out,
		       enum plan_op_kind kind, size_t holder,
		       const struct ip_addr *address, struct src_pos pos)
{
	uint32_t priority = 0;
	bool any = find_priority(b, address->family, &priority);
	size_t first = out->n;
	struct plan_op *op = add_op(out, kind, holder, b, address, pos);

	if (!op)
		return -ENOMEM;
	if (kind == PLAN_OP_NAT_BIND)
		keep_old(b, op);
	for (size_t i = 0; any && i < b->live->plan->scenario->nodes.n; i++) {
		struct ip_addr to =
			plan_live_address(b->live, i, address->family);

		if (!is_bound(b, i) || !weight_in(b, i) || !to.family ||
		    plan_live_priority(b->live, b->service, i) != priority)
			continue;
		op = &out->v[first];
		if (op->nat.to.family) {
			op->nat.also++;
			op = add_op(out, PLAN_OP_NAT_ALSO, holder, b, address,
				    pos);
		}
		if (!op)
			return -ENOMEM;
		op->nat.to = to;
		op->nat.weight = weight_in(b, i);
	}
	return 0;
}

/* The bindings of one node's table, to whoever serves. */
int plan_nat_ops(const struct plan_live *l, size_t node, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	bool has_table = false;
	int r = 0;

	for (size_t i = 0; i < p->services.n && !r; i++) {
		const struct plan_service *svc = &p->services.v[i];
		const struct bound b = { .live = l,
					 .service = i,
					 .from = SCN_NONE,
					 .to = SCN_NONE };
		struct src_pos pos = p->scenario->services.v[i].pos;
		bool holds = false;

		for (size_t h = 0; h < svc->holders.n; h++)
			holds |= svc->holders.v[h] == node;
		if (holds && !has_table) {
			if (!plan_op_add(out, PLAN_OP_NAT_INIT, node, pos))
				return -ENOMEM;
			has_table = true;
		}
		for (size_t k = 0; holds && k < svc->addresses.n && !r; k++)
			r = add_binding(&b, out, PLAN_OP_NAT_ADD, node,
					&svc->addresses.v[k], pos);
	}
	return r;
}

/* A dns service's name means their addresses, as a binding would have them for
 * its targets; what it meant is forgotten. */
static int name_all(const struct bound *b, struct src_pos pos, plan_op_vec *out)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct plan_live *l = b->live;
	int r = plan_name_op(out, PLAN_OP_NAME_DEL, b->service, NULL, 0, pos);

	for (size_t f = 0; f < 2; f++) {
		uint32_t priority = 0;
		bool any = find_priority(b, families[f], &priority);

		for (size_t i = 0; any && i < l->plan->scenario->nodes.n && !r;
		     i++) {
			struct ip_addr to =
				plan_live_address(l, i, families[f]);

			if (is_bound(b, i) && weight_in(b, i) && to.family &&
			    plan_live_priority(l, b->service, i) == priority)
				r = plan_name_op(out, PLAN_OP_NAME_ADD,
						 b->service, &to,
						 weight_in(b, i), pos);
		}
	}
	return r;
}

static int bind_all(const struct bound *b, struct src_pos pos, plan_op_vec *out)
{
	const struct plan_live *l = b->live;
	const struct plan_service *svc = &l->plan->services.v[b->service];

	if (l->plan->scenario->services.v[b->service].resolver ==
	    SCN_RESOLVER_DNS)
		return name_all(b, pos, out);
	for (size_t h = 0; h < svc->holders.n; h++)
		for (size_t k = 0; k < svc->addresses.n; k++)
			if (l->nodes[svc->holders.v[h]] != PLAN_NODE_OFF &&
			    add_binding(b, out, PLAN_OP_NAT_BIND,
					svc->holders.v[h], &svc->addresses.v[k],
					pos))
				return -ENOMEM;
	return 0;
}

int plan_bind_ops(const struct plan_live *l, size_t service, size_t from,
		  size_t to, struct src_pos pos, plan_op_vec *out)
{
	const struct bound b = {
		.live = l, .service = service, .from = from, .to = to
	};

	return bind_all(&b, pos, out);
}

int plan_bound_addresses(const struct plan_live *l, size_t service, size_t from,
			 size_t to, struct ip_addr **out, size_t *n)
{
	const struct plan_service *svc = &l->plan->services.v[service];
	const struct bound b = {
		.live = l, .service = service, .from = from, .to = to
	};
	VEC(struct ip_addr) all = { 0 };

	for (size_t i = 0; i < l->plan->scenario->nodes.n; i++)
		for (size_t k = 0; is_bound(&b, i) && k < svc->addresses.n;
		     k++) {
			struct ip_addr a = plan_live_address(
				l, i, svc->addresses.v[k].family);
			struct ip_addr *slot = a.family ? VEC_PUSH(&all) : &a;

			if (!slot) {
				VEC_FREE(&all);
				return -ENOMEM;
			}
			*slot = a;
		}
	*out = all.v;
	*n = all.n;
	return 0;
}

int plan_weight_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out)
{
	const struct scn_service *s =
		&l->plan->scenario->services.v[a->weight.service];
	const struct bound b = { .live = l,
				 .service = a->weight.service,
				 .from = SCN_NONE,
				 .to = SCN_NONE,
				 .weigh = a };

	if (s->resolver == SCN_RESOLVER_SAL)
		return plan_sal_weight_ops(l, a, out);
	return bind_all(&b, a->pos, out);
}
