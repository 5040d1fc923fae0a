/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest moves to another network, in two halves: it is unplugged, and it is
 * plugged in again, with the gap between them. Nothing is done to its
 * processes: what they notice is what the kernel and their sald tell them.
 */
#include "orchestrator/timeline/perform.h"

#include <errno.h>

static size_t guest_node(const struct performance *p)
{
	const struct scn_action *a = p->action;

	return p->tl->plan->scenario->links.v[a->guest.at.link]
		.end[a->guest.at.end]
		.node;
}

/* Its nat services are at its new address; those of sal, see plan_follow_ops().
 */
static int bind_services(const struct performance *p, struct err *err)
{
	const struct scenario *s = p->tl->plan->scenario;
	int r = 0;

	for (size_t i = 0; i < s->services.n && !r; i++) {
		plan_op_vec ops = { 0 };

		if (s->services.v[i].resolver == SCN_RESOLVER_SAL ||
		    !plan_live_serves(p->tl->live, i, guest_node(p)))
			continue;
		r = plan_bind_ops(p->tl->live, i, SCN_NONE, SCN_NONE,
				  p->action->pos, &ops);
		r = perform_ops(p, "rule", r, &ops, err);
		if (!r)
			r = perform_forget(p, i, SCN_NONE, SCN_NONE, false,
					   err);
	}
	return r;
}

/* Who follows a sal service of the guest's was found when it left: by now a
 * node may have crashed, and learns it when it boots, or be frozen, and does at
 * thaw.
 */
static int tell_others(struct performance *p, struct err *err)
{
	struct plan_live *live = p->tl->live;
	size_t n = 0;

	for (size_t i = 0; i < p->later.n; i++) {
		const struct plan_op *op = &p->later.v[i];
		struct plan_op *missed;

		if (live->nodes[op->node] == PLAN_NODE_ON) {
			p->later.v[n++] = *op;
		} else if (live->nodes[op->node] == PLAN_NODE_FROZEN) {
			missed = VEC_PUSH(&live->missed[op->node]);
			if (!missed)
				return err_errno(err, ENOMEM, "follow a guest");
			*missed = *op;
		}
	}
	p->later.n = n;
	return n ? perform_ops(p, "forward", 0, &p->later, err) : 0;
}

static int arrive(struct performance *p, struct err *err)
{
	plan_op_vec ops = { 0 };
	int r = 0;

	/* One that is off by now is in its new network when it boots. */
	r = plan_guest_arrive_ops(p->tl->live, p->action, &ops);
	r = perform_ops(p, "plugged", r, &ops, err);
	if (!r)
		r = tell_others(p, err);
	return r ? r : bind_services(p, err);
}

static int on_gap(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_result(p, arrive(p, &err), &err);
	return 0;
}

int perform_guest(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	struct plan_live *live = p->tl->live;
	plan_op_vec ops = { 0 };
	int r;

	r = plan_guest_leave_ops(live, a, &ops);
	if (!r)
		r = plan_follow_ops(live, a, &p->later);
	r = perform_ops(p, "unplugged", r, &ops, err);
	if (!r)
		r = performance_take(p, err);
	if (r)
		return r;
	if (!a->guest.gap_ns)
		return arrive(p, err);
	r = performance_wait(p, a->guest.gap_ns, on_gap, err);
	return r ? r : PERFORM_UNDER_WAY;
}
