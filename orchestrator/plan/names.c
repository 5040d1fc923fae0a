/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the names of services mean, and in which nodes they are resolved. */
#include "orchestrator/plan/internal.h"

#include <errno.h>

bool plan_has_names(const struct plan *p)
{
	return p->scenario->services.n > 0;
}

static int add_name(plan_op_vec *out, enum plan_op_kind kind, size_t service,
		    const struct ip_addr *address, uint32_t weight,
		    struct src_pos pos)
{
	struct plan_op *op = plan_op_add(out, kind, PLAN_LAB, pos);

	if (!op)
		return -ENOMEM;
	op->name.service = service;
	op->name.address = *address;
	op->name.weight = weight;
	return 0;
}

/* What a name means at first: the service's address, which stays. */
static int name_service(const struct plan *p, size_t service, plan_op_vec *out)
{
	const struct plan_service *svc = &p->services.v[service];
	int r = 0;

	for (size_t i = 0; i < svc->addresses.n && !r; i++)
		r = add_name(out, PLAN_OP_NAME_ADD, service,
			     &svc->addresses.v[i], 1,
			     p->scenario->services.v[service].pos);
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
	int r = 0;

	if (!plan_has_names(p))
		return 0;
	if (!plan_op_add(&p->ops, PLAN_OP_NAMES_START, PLAN_LAB,
			 s->services.v[0].pos))
		return -ENOMEM;
	for (size_t i = 0; i < s->services.n && !r; i++)
		r = name_service(p, i, &p->ops);
	for (size_t i = 0; i < s->nodes.n && !r; i++)
		if (s->nodes.v[i].kind != SCN_NODE_BRIDGE &&
		    !plan_op_add(&p->ops, PLAN_OP_NAMES_OPEN, i,
				 s->nodes.v[i].pos))
			r = -ENOMEM;
	return r;
}
