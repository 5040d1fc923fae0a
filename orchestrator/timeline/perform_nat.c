/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A router that masquerades loses its bindings: as when it restarts, or its
 * table was too small. The rule comes first, or a packet in between would bind
 * its flow by the old one.
 */
#include "orchestrator/timeline/perform.h"

int perform_nat_rebind(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	unsigned deleted = 0;
	int r;

	if (p->tl->live->nodes[a->node.node] == PLAN_NODE_OFF)
		return performance_take(p, err);
	r = plan_nat_rebind_ops(p->tl->live, a, &ops);
	r = perform_ops(p, "rule", r, &ops, err);
	if (!r)
		r = lab_flush_node(p->tl->lab, a->node.node, SCN_NONE, &deleted,
				   err);
	if (r)
		return r;
	performance_step(p, "flush", "deleted", deleted);
	return performance_take(p, err);
}
