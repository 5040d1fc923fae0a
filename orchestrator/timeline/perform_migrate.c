/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service gets another instance.
 *
 * Of a nat service, an action is a short program of steps (rule, flush). Steps
 * follow each other at once, or after a gap that the scenario asked for, in
 * which case the action goes on from a timer of its own and the entry's next
 * action begins meanwhile. Doing it by sleeping would hold up everything else
 * that is due.
 */
#include "orchestrator/timeline/perform.h"

#include <errno.h>

/* ---- nat ---------------------------------------------------------------- */

enum step { STEP_RULE, STEP_FLUSH, STEP_END };

static enum step step_of(const struct performance *p)
{
	static const enum step programs[][3] = {
		[SCN_FLUSH_AFTER] = { STEP_RULE, STEP_FLUSH, STEP_END },
		[SCN_FLUSH_NONE] = { STEP_RULE, STEP_END, STEP_END },
		[SCN_FLUSH_BEFORE] = { STEP_FLUSH, STEP_RULE, STEP_END },
	};

	return programs[p->action->migrate.flush][p->next];
}

static int do_step(const struct performance *p, enum step step, struct err *err)
{
	const struct scn_action *a = p->action;
	unsigned deleted = 0;
	plan_op_vec ops = { 0 };
	int r;

	if (step == STEP_RULE) {
		r = plan_bind_ops(p->tl->plan, a, &ops);
		return perform_ops(p, "rule", r, &ops, err);
	}
	r = lab_flush_service(p->tl->lab, a->migrate.service, &deleted, err);
	if (!r)
		performance_step(p, "flush", deleted);
	return r;
}

static int go_on(sd_event_source *source, uint64_t now_us, void *arg);

/* Steps up to the next gap or the end. */
static int advance(struct performance *p, struct err *err)
{
	int64_t gap = p->action->migrate.gap_ns;

	while (step_of(p) != STEP_END) {
		int r = do_step(p, step_of(p), err);

		p->next++;
		if (!r && gap && step_of(p) != STEP_END) {
			r = performance_wait(p, gap, go_on, err);
			if (!r)
				return PERFORM_UNDER_WAY;
		}
		if (r)
			return r;
	}
	return 0;
}

static int go_on(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;
	int r;

	(void)source;
	(void)now_us;
	r = advance(p, &err);
	if (r < 0)
		performance_failed(p, &err);
	else if (!r)
		performance_done(p);
	return 0;
}

/* ---- sal ---------------------------------------------------------------- */

static int migrate_sal(const struct performance *p, struct err *err)
{
	static const char *const steps[] = {
		[PLAN_SAL_START] = "start",
		[PLAN_SAL_FORWARD] = "forward",
		[PLAN_SAL_STOP] = "stop",
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && !r; i++) {
		plan_op_vec ops = { 0 };

		r = plan_sal_bind_ops(p->tl->plan, p->action,
				      (enum plan_sal_step)i, &ops);
		r = perform_ops(p, steps[i], r, &ops, err);
	}
	return r;
}

int perform_migrate(struct performance *p, struct err *err)
{
	const struct scn_service *s =
		&p->tl->plan->scenario->services.v[p->action->migrate.service];

	return s->resolver == SCN_RESOLVER_SAL ? migrate_sal(p, err) :
						 advance(p, err);
}
