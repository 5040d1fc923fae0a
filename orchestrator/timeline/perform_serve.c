/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service has one more instance, or one less, or other weights; and what the
 * kernels of those who translate are made to forget.
 *
 * A nat service's flows that exist stay where they are, by the kernel's memory
 * of each. Only those to somebody who is no instance any more are forgotten:
 * one that is drained (weight 0) still is one, and its flows come to their own
 * end.
 */
#include "orchestrator/timeline/perform.h"

#include <stdlib.h>

/* ---- register and unregister ------------------------------------------------
 */

static int serve_sal(const struct performance *p, bool add_it, struct err *err)
{
	const struct scn_action *a = p->action;
	static const char *const names[] = {
		[PLAN_SAL_START] = "start",
		[PLAN_SAL_FORWARD] = "forward",
		[PLAN_SAL_STOP] = "stop",
	};
	int r = 0;

	for (size_t i = add_it ? PLAN_SAL_START : PLAN_SAL_FORWARD;
	     i <= (add_it ? PLAN_SAL_FORWARD : PLAN_SAL_STOP) && !r; i++) {
		plan_op_vec ops = { 0 };

		r = plan_sal_bind_ops(p->tl->live, a->serve.service,
				      add_it ? SCN_NONE : a->serve.node,
				      add_it ? a->serve.node : SCN_NONE,
				      (enum plan_sal_step)i, a->pos, &ops);
		r = perform_ops(p, names[i], r, &ops, err);
	}
	return r;
}

/* Those of the service at that node; they are not waited for. */
static int run_at(const struct performance *p, bool start, struct err *err)
{
	const struct scn_action *a = p->action;
	const struct scn_service *s =
		&p->tl->plan->scenario->services.v[a->serve.service];
	int r = 0;

	for (size_t i = 0; i < s->run.n && r >= 0; i++) {
		if (p->tl->plan->scenario->processes.v[s->run.v[i]].node !=
			    a->serve.node ||
		    lab_process_runs(p->tl->lab, s->run.v[i]) == start)
			continue;
		r = start ? lab_start_process(p->tl->lab, s->run.v[i], err) :
			    lab_stop_process(p->tl->lab, s->run.v[i], err);
	}
	return r < 0 ? r : 0;
}

/* New flows go to who is there now; those to who is not, begin anew. */
static int serve_nat(const struct performance *p, bool add_it, struct err *err)
{
	const struct scn_action *a = p->action;
	size_t from = add_it ? SCN_NONE : a->serve.node;
	size_t to = add_it ? a->serve.node : SCN_NONE;
	plan_op_vec ops = { 0 };
	int r = plan_bind_ops(p->tl->live, a->serve.service, from, to, a->pos,
			      &ops);

	r = perform_ops(p, "rule", r, &ops, err);
	return r ? r :
		   perform_forget(p, a->serve.service, from, to, false, err);
}

static int serve(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	bool add_it = a->kind == SCN_ACTION_REGISTER;
	int r = add_it ? run_at(p, true, err) : 0;

	if (r)
		return r;
	plan_live_begin(p->tl->live, a);
	if (p->tl->plan->scenario->services.v[a->serve.service].resolver ==
	    SCN_RESOLVER_SAL)
		r = serve_sal(p, add_it, err);
	else
		r = serve_nat(p, add_it, err);
	if (!r && !add_it)
		r = run_at(p, false, err);
	return r ? r : performance_take(p, err);
}

int perform_serve(struct performance *p, struct err *err)
{
	return perform_in_turn(p, serve, err);
}

/* ---- weights ---------------------------------------------------------------
 */

static int weigh(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	bool sal =
		p->tl->plan->scenario->services.v[a->weight.service].resolver ==
		SCN_RESOLVER_SAL;
	plan_op_vec ops = { 0 };
	int r = plan_weight_ops(p->tl->live, a, &ops);

	r = perform_ops(p, sal ? "forward" : "rule", r, &ops, err);
	return r ? r : performance_take(p, err);
}

int perform_weight(struct performance *p, struct err *err)
{
	return perform_in_turn(p, weigh, err);
}

/* ---- what a kernel remembers ------------------------------------------------
 */

int perform_forget(const struct performance *p, size_t service, size_t from,
		   size_t to, bool hand_over, struct err *err)
{
	struct ip_addr *keep = NULL;
	unsigned deleted = 0;
	size_t n = 0;
	int r;

	/* Nobody translates for any other. */
	if (p->tl->plan->scenario->services.v[service].resolver !=
	    SCN_RESOLVER_NAT)
		return 0;
	r = plan_bound_addresses(p->tl->live, service, from, to, &keep, &n);

	r = r ? err_errno(err, -r, "find the instances") :
		lab_flush_service(p->tl->lab, service, keep, n, hand_over,
				  &deleted, err);
	free(keep);
	if (!r)
		performance_step(p, "flush", "deleted", deleted);
	return r;
}

int perform_flush(struct performance *p, struct err *err)
{
	unsigned deleted = 0;
	int r = lab_flush_node(p->tl->lab, p->action->flush.node,
			       p->action->flush.service, &deleted, err);

	if (!r)
		performance_step(p, "flush", "deleted", deleted);
	return r;
}
