/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interface of a node changes. */
#include "orchestrator/timeline/perform.h"

int perform_readdress(struct performance *p, struct err *err)
{
	const struct plan *plan = p->tl->plan;
	plan_op_vec ops = { 0 };
	int r = plan_readdress_ops(plan, p->action, &ops);

	r = perform_ops(p, "address", r, &ops, err);
	if (r)
		return r;
	r = plan_follow_ops(plan, p->action, &ops);
	if (!r && !ops.n)
		return 0; /* no service is there */
	return perform_ops(p, "forward", r, &ops, err);
}
