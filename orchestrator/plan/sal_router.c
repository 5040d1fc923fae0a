/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of service routers, and of hosts that ask them or all on their
 * links.
 *
 * A router's rule is for a place and not for an instance: several instances may
 * be behind another router, which has their weights together. So what an action
 * changes is found by holding what the rules are to be against what they were.
 * What is new comes first: a SYN that finds no rule would be refused.
 */
#include "orchestrator/plan/routing.h"

#include <errno.h>
#include <string.h>

struct place {
	size_t node;
	struct ip_addr to;
	uint32_t weight, priority;
};
typedef VEC(struct place) place_vec;

static int push(place_vec *v, const struct place *place)
{
	struct place *slot = VEC_PUSH(v);

	if (!slot)
		return -ENOMEM;
	*slot = *place;
	return 0;
}

static int take_instance(place_vec *v, const struct plan_live *l,
			 size_t service, size_t instance, size_t at)
{
	uint32_t weight = plan_live_weight(l, service, instance);
	uint32_t priority = plan_live_priority(l, service, instance);
	struct place *place = NULL;

	for (size_t i = 0; i < v->n && !place; i++)
		if (v->v[i].node == at)
			place = &v->v[i];
	if (!place) {
		const struct place new = { .node = at, .priority = priority };

		if (push(v, &new))
			return -ENOMEM;
		place = &v->v[v->n - 1];
	}
	/* As behind it: only those of the highest priority share. */
	if (priority > place->priority) {
		place->priority = priority;
		place->weight = 0;
	}
	if (priority == place->priority)
		place->weight += weight;
	if (place->weight > SCN_WEIGHT_MAX)
		place->weight = SCN_WEIGHT_MAX;
	return 0;
}

/* Where the router is to send what is for the service. */
static int places_of(const struct plan_view *v, size_t node, size_t service,
		     place_vec *out)
{
	const struct plan *p = v->live->plan;
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < p->nodes.n && !r; i++) {
		size_t at;

		if (!plan_live_serves(v->live, service, i))
			continue;
		at = plan_next_router(p, node, i);
		if (at != SCN_NONE)
			r = take_instance(out, v->live, service, i, at);
	}
	for (size_t i = 0; i < out->n; i++) {
		struct place *place = &out->v[i];

		place->to = plan_forward_in(v, node, place->node);
		if (place->to.family)
			out->v[kept++] = *place;
	}
	out->n = kept;
	return r;
}

/* Routers first to last: what all goes to that the node does not know. */
static int defaults_of(const struct plan_view *v, size_t node, place_vec *out)
{
	const struct plan *p = v->live->plan;
	const struct plan_node *n = &p->nodes.v[node];
	struct place place = { .weight = 1 };

	if (n->resolves == SCN_RESOLVES_BROADCAST) {
		bool four = plan_node_address(p, node, AF_INET).family;

		ip_parse_addr(four ? "255.255.255.255" : "ff02::1", &place.to);
		return push(out, &place);
	}
	for (size_t i = 0; i < n->router_count; i++) {
		place.node = n->routers[i];
		place.priority = (uint32_t)(n->router_count - 1 - i);
		place.to = plan_forward_in(v, node, place.node);
		if (place.to.family && push(out, &place))
			return -ENOMEM;
	}
	return 0;
}

/* ---- what has changed --------------------------------------------------- */

static int add(plan_op_vec *out, enum plan_op_kind kind, size_t node,
	       size_t service, const struct place *place,
	       const struct place *old, struct src_pos pos)
{
	struct plan_op *op = VEC_PUSH(out);

	if (!op)
		return -ENOMEM;
	op->kind = kind;
	op->node = node;
	op->sal.service = service;
	op->sal.instance = SCN_NONE;
	op->sal.to = place->to;
	op->sal.weight = place->weight;
	op->sal.priority = place->priority;
	if (old) {
		op->sal.old_weight = old->weight;
		op->sal.old_priority = old->priority;
	}
	op->pos = pos;
	return 0;
}

static const struct place *find(const place_vec *v, const struct ip_addr *to)
{
	for (size_t i = 0; i < v->n; i++)
		if (ip_addr_equal(&v->v[i].to, to))
			return &v->v[i];
	return NULL;
}

static int differences(const place_vec *before, const place_vec *behind,
		       size_t node, size_t service, struct src_pos pos,
		       plan_op_vec *out)
{
	int r = 0;

	for (size_t i = 0; i < behind->n && !r; i++) {
		const struct place *new = &behind->v[i];
		const struct place *old = find(before, &new->to);

		if (!old)
			r = add(out, PLAN_OP_SAL_RULE_ADD, node, service, new,
				NULL, pos);
		else if (old->weight != new->weight ||
			 old->priority != new->priority)
			r = add(out, PLAN_OP_SAL_RULE_CHANGE, node, service,
				new, old, pos);
	}
	for (size_t i = 0; i < before->n && !r; i++)
		if (!find(behind, &before->v[i].to))
			r = add(out, PLAN_OP_SAL_RULE_DEL, node, service,
				&before->v[i], NULL, pos);
	return r;
}

int plan_router_follow(const struct plan_view *before,
		       const struct plan_view *behind, plan_op_vec *out,
		       size_t node, size_t service, struct src_pos pos)
{
	place_vec old = { 0 }, new = { 0 };
	int r = before ? places_of(before, node, service, &old) : 0;

	if (!r)
		r = places_of(behind, node, service, &new);
	if (!r)
		r = differences(&old, &new, node, service, pos, out);
	VEC_FREE(&old);
	VEC_FREE(&new);
	return r;
}

int plan_router_rules(const struct plan_live *l, plan_op_vec *out, size_t node,
		      size_t service, struct src_pos pos)
{
	const struct plan_view now = { .live = l };

	return plan_router_follow(NULL, &now, out, node, service, pos);
}

int plan_default_follow(const struct plan_view *before,
			const struct plan_view *behind, plan_op_vec *out,
			size_t node, struct src_pos pos)
{
	place_vec old = { 0 }, new = { 0 };
	int r = before ? defaults_of(before, node, &old) : 0;

	if (!r)
		r = defaults_of(behind, node, &new);
	if (!r)
		r = differences(&old, &new, node, SCN_NONE, pos, out);
	VEC_FREE(&old);
	VEC_FREE(&new);
	return r;
}

int plan_default_rules(const struct plan_live *l, plan_op_vec *out, size_t node,
		       struct src_pos pos)
{
	const struct plan_view now = { .live = l };

	return plan_default_follow(NULL, &now, out, node, pos);
}

/* ---- as an action makes it ---------------------------------------------- */

/* A lab that differs in who serves, and how much; all else is borrowed. */
struct changed {
	struct plan_live live;
	size_t first; /* of the service */
};

static int change(struct changed *c, const struct plan_live *l, size_t service)
{
	size_t nodes = l->plan->nodes.n, n = l->plan->scenario->services.n;

	c->live = *l;
	c->first = service * nodes;
	c->live.serves = calloc(n * nodes + 1, sizeof(*l->serves));
	c->live.weights = calloc(n * nodes + 1, sizeof(*l->weights));
	if (!c->live.serves || !c->live.weights)
		return -ENOMEM;
	memcpy(c->live.serves, l->serves, n * nodes * sizeof(*l->serves));
	memcpy(c->live.weights, l->weights, n * nodes * sizeof(*l->weights));
	return 0;
}

static int told(struct changed *c, const struct plan_live *l, plan_op_vec *out,
		size_t node, size_t service, struct src_pos pos)
{
	const struct plan_view before = { .live = l };
	const struct plan_view behind = { .live = &c->live };

	return plan_router_follow(&before, &behind, out, node, service, pos);
}

static void forget(struct changed *c)
{
	free(c->live.serves);
	free(c->live.weights);
}

int plan_router_bind(const struct plan_live *l, plan_op_vec *out, size_t node,
		     size_t service, size_t from, size_t to, struct src_pos pos)
{
	struct changed c;
	int r = change(&c, l, service);

	if (!r && from != SCN_NONE)
		c.live.serves[c.first + from] = false;
	if (!r && to != SCN_NONE)
		c.live.serves[c.first + to] = true;
	if (!r)
		r = told(&c, l, out, node, service, pos);
	forget(&c);
	return r;
}

int plan_router_weigh(const struct plan_live *l, plan_op_vec *out, size_t node,
		      const struct scn_action *a)
{
	size_t service = a->weight.service;
	struct changed c;
	int r = change(&c, l, service);

	for (size_t i = 0; i < a->weight.n && !r; i++)
		c.live.weights[c.first + a->weight.set[i].node] =
			a->weight.set[i].weight;
	if (!r)
		r = told(&c, l, out, node, service, a->pos);
	forget(&c);
	return r;
}

/* ---- who was frozen meanwhile ------------------------------------------- */

static bool same_rule(const struct plan_op *a, const struct plan_op *b)
{
	return a->sal.service == b->sal.service &&
	       ip_addr_equal(&a->sal.to, &b->sal.to);
}

/* The last word on a rule; NULL: there was an earlier one than at's. */
static const struct plan_op *last_word(const plan_op_vec *missed, size_t at)
{
	const struct plan_op *last = NULL;

	for (size_t i = 0; i < missed->n; i++) {
		if (!same_rule(&missed->v[i], &missed->v[at]))
			continue;
		if (i < at)
			return NULL;
		last = &missed->v[i];
	}
	return last;
}

int plan_router_missed(const struct plan_live *l, plan_op_vec *out, size_t node,
		       struct src_pos pos)
{
	static const enum plan_op_kind passes[] = { PLAN_OP_SAL_RULE_ADD,
						    PLAN_OP_SAL_RULE_CHANGE,
						    PLAN_OP_SAL_RULE_DEL };
	const plan_op_vec *missed = &l->missed[node];

	for (size_t pass = 0; pass < 3; pass++)
		for (size_t i = 0; i < missed->n; i++) {
			const struct plan_op *last = last_word(missed, i);
			bool was = missed->v[i].kind != PLAN_OP_SAL_RULE_ADD;
			enum plan_op_kind kind;
			struct plan_op *op;

			if (!last)
				continue;
			kind = !was ? PLAN_OP_SAL_RULE_ADD :
			       last->kind == PLAN_OP_SAL_RULE_DEL ?
				      PLAN_OP_SAL_RULE_DEL :
				      PLAN_OP_SAL_RULE_CHANGE;
			if (kind != passes[pass] ||
			    (!was && last->kind == PLAN_OP_SAL_RULE_DEL))
				continue;
			/* DEMUX rules have nothing that changes. */
			if (kind == PLAN_OP_SAL_RULE_CHANGE &&
			    !last->sal.to.family)
				continue;
			op = VEC_PUSH(out);
			if (!op)
				return -ENOMEM;
			*op = *last;
			op->kind = kind;
			op->pos = pos;
		}
	return 0;
}
