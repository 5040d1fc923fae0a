/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An interface of a node gets other addresses. */
#include "orchestrator/timeline/perform.h"

/* Names that mean the node's addresses. */
static int rename_services(const struct performance *p, struct err *err)
{
	const struct scenario *s = p->tl->plan->scenario;
	const struct scn_action *a = p->action;
	size_t node = s->links.v[a->readdress.link].end[a->readdress.end].node;
	int r = 0;

	for (size_t i = 0; i < s->services.n && !r; i++) {
		plan_op_vec ops = { 0 };

		if (s->services.v[i].resolver != SCN_RESOLVER_DNS ||
		    !plan_live_serves(p->tl->live, i, node))
			continue;
		r = plan_bind_ops(p->tl->live, i, SCN_NONE, SCN_NONE, a->pos,
				  &ops);
		r = perform_ops(p, "rule", r, &ops, err);
	}
	return r;
}

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
		r = perform_ops(p, "forward", 0, &follow, err);
	else
		VEC_FREE(&follow);
	return r ? r : rename_services(p, err);
}
