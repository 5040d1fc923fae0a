/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interface of a node gets other addresses. */
#include "orchestrator/timeline/perform.h"

int perform_readdress(struct performance *p, struct err *err)
{
	const struct plan_live *live = p->tl->live;
	plan_op_vec ops = { 0 }, follow = { 0 };
	int r;

	/* Who follows is found out while the old ones are still known. */
	r = plan_readdress_ops(live, p->action, &ops);
	if (!r)
		r = plan_follow_ops(live, p->action, &follow);
	r = perform_ops(p, "address", r, &ops, err);
	if (!r)
		r = performance_take(p, err);
	if (!r && follow.n) /* else no service is there */
		return perform_ops(p, "forward", 0, &follow, err);
	VEC_FREE(&follow);
	return r;
}
