/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A link changes. */
#include "orchestrator/timeline/perform.h"

int perform_link_state(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	int r = plan_carrier_ops(p->tl->plan, a->link.link, a->link.up, a->pos,
				 &ops);

	return perform_ops(p, NULL, r, &ops, err);
}

int perform_link_change(struct performance *p, struct err *err)
{
	plan_op_vec ops = { 0 };
	int r = plan_change_ops(p->tl->plan, p->action, &ops);

	return perform_ops(p, NULL, r, &ops, err);
}
