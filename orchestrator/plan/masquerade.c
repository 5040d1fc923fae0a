/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routers that masquerade. What such a router's bindings are is the kernel's;
 * all that is planned is which range of ports they are from, which every
 * rebinding changes, so that no flow keeps the one it had.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>

bool plan_masquerades(const struct plan *p, size_t iface)
{
	const struct plan_iface *f = &p->ifaces.v[iface];

	return f->node != PLAN_LAB && f->link != SCN_NONE &&
	       p->scenario->links.v[f->link].end[f->end].masquerade;
}

int plan_masquerade_ops(const struct plan_live *l, size_t node,
			unsigned rebinds, struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	struct plan_op *op;

	for (size_t i = 0; i < p->ifaces.n; i++) {
		if (p->ifaces.v[i].node != node || !plan_masquerades(p, i))
			continue;
		op = VEC_PUSH(out);
		if (!op)
			return -ENOMEM;
		op->kind = PLAN_OP_MASQUERADE;
		op->node = node;
		op->pos = pos.line ? pos : p->ifaces.v[i].pos;
		op->masquerade.rebinds = rebinds;
		return 0; /* all of its interfaces */
	}
	return 0;
}

int plan_nat_rebind_ops(const struct plan_live *l, const struct scn_action *a,
			plan_op_vec *out)
{
	return plan_masquerade_ops(l, a->node.node,
				   l->rebinds[a->node.node] + 1, a->pos, out);
}
