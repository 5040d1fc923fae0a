/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the names of services mean, and in which nodes they are resolved. */
#include "orchestrator/plan/internal.h"

#include <errno.h>

bool plan_has_names(const struct plan *p)
{
	return p->scenario->services.n > 0;
}

int plan_name_op(plan_op_vec *out, enum plan_op_kind kind, size_t service,
		 const struct ip_addr *address, uint32_t weight,
		 struct src_pos pos)
{
	struct plan_op *op = plan_op_add(out, kind, PLAN_LAB, pos);

	if (!op)
		return -ENOMEM;
	op->name.service = service;
	if (address)
		op->name.address = *address;
	op->name.weight = weight;
	return 0;
}

/* What a name means at first. With all resolvers but dns it is the service's
 * address, which stays. */
static int name_service(const struct plan_live *l, size_t service,
			plan_op_vec *out)
{
	const struct plan_service *svc = &l->plan->services.v[service];
	const struct scn_service *s = &l->plan->scenario->services.v[service];
	int r = 0;

	if (s->resolver == SCN_RESOLVER_DNS)
		return plan_bind_ops(l, service, SCN_NONE, SCN_NONE, s->pos,
				     out);
	for (size_t i = 0; i < svc->addresses.n && !r; i++)
		r = plan_name_op(out, PLAN_OP_NAME_ADD, service,
				 &svc->addresses.v[i], 1, s->pos);
	return r;
}

int plan_names_open_ops(const struct plan_live *l, size_t node,
			struct src_pos pos, plan_op_vec *out)
{
	if (!plan_has_names(l->plan))
		return 0;
	return plan_op_add(out, PLAN_OP_NAMES_OPEN, node, pos) ? 0 : -ENOMEM;
}

int plan_names_operations(struct plan *p)
{
	const struct scenario *s = p->scenario;
	struct plan_live *l;
	int r = 0;

	if (!plan_has_names(p))
		return 0;
	l = plan_live_new(p);
	if (!l || !plan_op_add(&p->ops, PLAN_OP_NAMES_START, PLAN_LAB,
			       s->services.v[0].pos))
		r = -ENOMEM;
	for (size_t i = 0; i < s->services.n && !r; i++)
		r = name_service(l, i, &p->ops);
	for (size_t i = 0; i < s->nodes.n && !r; i++)
		if (s->nodes.v[i].kind != SCN_NODE_BRIDGE)
			r = plan_names_open_ops(l, i, s->nodes.v[i].pos,
						&p->ops);
	plan_live_free(l);
	return r;
}
