/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a sald is told of its host's interfaces, and how to choose among them.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>

static const struct scn_endpoint *endpoint_of(const struct plan *p,
					      size_t iface)
{
	const struct plan_iface *f = &p->ifaces.v[iface];

	return &p->scenario->links.v[f->link].end[f->end];
}

static bool is_of_node(const struct plan *p, size_t iface, size_t node)
{
	return p->ifaces.v[iface].node == node &&
	       p->ifaces.v[iface].link != SCN_NONE;
}

struct plan_sal_policy plan_sal_policy(const struct plan *p, size_t node)
{
	const struct scn_sal *s = &p->scenario->nodes.v[node].sal;
	struct plan_sal_policy out = {
		.go_back = s->go_back == SCN_YES,
		.hold_ms = s->hold_ms,
	};
	bool cost = false, metered = false;

	for (size_t i = 0; i < p->ifaces.n; i++) {
		if (!is_of_node(p, i, node))
			continue;
		cost |= endpoint_of(p, i)->has_cost;
		metered |= endpoint_of(p, i)->metered;
	}
	out.by_cost = s->by == SCN_BY_COST || (s->by == SCN_BY_UNSAID && cost);
	out.avoid_metered = s->avoid_metered == SCN_YES ||
			    (s->avoid_metered == SCN_UNSAID && metered);
	for (size_t i = 0; i < s->n_order; i++)
		out.order[out.n_order++] =
			p->links.v[s->order[i].link].iface[s->order[i].end];
	return out;
}

int plan_sal_policy_ops(const struct plan_live *l, size_t node,
			struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	struct plan_sal_policy policy;

	if (!p->nodes.v[node].sald)
		return 0;
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct scn_endpoint *end;
		struct plan_op *op;

		if (!is_of_node(p, i, node))
			continue;
		end = endpoint_of(p, i);
		if (!end->has_cost && !end->metered && !end->cap_bps)
			continue;
		op = plan_op_add(out, PLAN_OP_SAL_INTERFACE, node, end->pos);
		if (!op)
			return -ENOMEM;
		op->iface.iface = i;
	}
	policy = plan_sal_policy(p, node);
	if (!policy.by_cost && !policy.avoid_metered && !policy.go_back &&
	    !policy.n_order)
		return 0; /* as it is by itself */
	return plan_op_add(out, PLAN_OP_SAL_POLICY, node, pos) ? 0 : -ENOMEM;
}
