/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * One timer is armed, for the entry that comes next; entries are sorted. When
 * it fires, the entry's actions begin one after the other without returning to
 * the loop, as close together as they can be.
 *
 * An action is a short program of steps (migrate: rule, flush). Steps follow
 * each other at once, or after a gap that the scenario asked for, in which case
 * the action goes on from a timer of its own and the entry's next action begins
 * meanwhile. Doing it by sleeping would hold up everything else that is due.
 *
 * Planned times are computed from the zero, so that one late action makes no
 * other one late.
 */
#include "orchestrator/timeline/timeline.h"

#include "base/clock.h"

#include <errno.h>

enum step { STEP_RULE, STEP_FLUSH, STEP_END };

/* An action that has begun and is not done. */
struct running {
	struct timeline *tl;
	const struct scn_action *action;
	unsigned id;
	enum step program[3];
	unsigned next;
	sd_event_source *timer; /* within a gap */
};

struct timeline {
	struct lab *lab;
	const struct plan *plan;
	sd_event *event;
	struct timeline_listener listener;
	int64_t zero_ns;
	size_t next; /* entry */
	unsigned ids;
	size_t unfinished; /* actions */
	bool stopped;
	sd_event_source *timer;
	VEC(struct running *) running; /* all ever begun with steps */
};

int timeline_new(struct lab *lab, const struct plan *plan, sd_event *event,
		 const struct timeline_listener *listener,
		 struct timeline **out, struct err *err)
{
	struct timeline *tl = calloc(1, sizeof(*tl));

	if (!tl)
		return err_errno(err, ENOMEM, "prepare the timeline");
	tl->lab = lab;
	tl->plan = plan;
	tl->event = event;
	tl->listener = *listener;
	*out = tl;
	return 0;
}

void timeline_stop(struct timeline *tl)
{
	tl->stopped = true;
	tl->timer = sd_event_source_disable_unref(tl->timer);
	for (size_t i = 0; i < tl->running.n; i++)
		tl->running.v[i]->timer =
			sd_event_source_disable_unref(tl->running.v[i]->timer);
}

struct timeline *timeline_free(struct timeline *tl)
{
	if (!tl)
		return NULL;
	timeline_stop(tl);
	for (size_t i = 0; i < tl->running.n; i++)
		free(tl->running.v[i]);
	VEC_FREE(&tl->running);
	free(tl);
	return NULL;
}

static void action_failed(struct timeline *tl, unsigned id,
			  const struct scn_action *a, struct err *err)
{
	char text[256];

	err_wrap(err, "%s",
		 scn_action_text(tl->plan->scenario, a, text, sizeof(text)));
	err_at(err, a->pos);
	timeline_stop(tl);
	if (tl->listener.failed)
		tl->listener.failed(tl->listener.arg, id, err);
}

static void action_done(struct timeline *tl, unsigned id)
{
	tl->unfinished--;
	if (tl->listener.done)
		tl->listener.done(tl->listener.arg, id, clock_mono_ns());
	if (!tl->unfinished && tl->next == tl->plan->scenario->timeline.n &&
	    tl->listener.finished)
		tl->listener.finished(tl->listener.arg);
}

/* ---- migrate, of nat services ------------------------------------------- */

static int do_step(struct running *run, enum step step, struct err *err)
{
	struct timeline *tl = run->tl;
	const struct scn_action *a = run->action;
	unsigned deleted = 0;
	plan_op_vec ops = { 0 };
	int r;

	if (step == STEP_FLUSH) {
		r = lab_flush_service(tl->lab, a->migrate.service, &deleted,
				      err);
	} else {
		r = plan_bind_ops(tl->plan, a, &ops);
		r = r ? err_errno(err, -r, "plan the change") :
			lab_apply(tl->lab, ops.v, ops.n, err);
		VEC_FREE(&ops);
	}
	if (!r && tl->listener.step)
		tl->listener.step(tl->listener.arg, run->id,
				  step == STEP_FLUSH ? "flush" : "rule",
				  clock_mono_ns(),
				  step == STEP_FLUSH ? (int64_t)deleted : -1);
	return r;
}

static int go_on(sd_event_source *source, uint64_t now_us, void *arg);

/* Steps up to the next gap or the end. */
static void advance(struct running *run)
{
	struct timeline *tl = run->tl;
	struct err err = ERR_INIT;
	int64_t gap = run->action->migrate.gap_ns;

	while (run->program[run->next] != STEP_END) {
		int r = do_step(run, run->program[run->next++], &err);

		if (!r && gap && run->program[run->next] != STEP_END) {
			r = sd_event_add_time(
				tl->event, &run->timer, CLOCK_MONOTONIC,
				(uint64_t)((clock_mono_ns() + gap) /
					   NSEC_PER_USEC),
				1, go_on, run);
			if (r >= 0)
				return;
			err_errno(&err, -r, "wait for the gap");
		}
		if (r) {
			action_failed(tl, run->id, run->action, &err);
			return;
		}
	}
	action_done(tl, run->id);
}

static int go_on(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct running *run = arg;

	(void)source;
	(void)now_us;
	run->timer = sd_event_source_unref(run->timer);
	advance(run);
	return 0;
}

static int begin_migrate(struct timeline *tl, const struct scn_action *a,
			 unsigned id, struct err *err)
{
	static const enum step programs[][3] = {
		[SCN_FLUSH_AFTER] = { STEP_RULE, STEP_FLUSH, STEP_END },
		[SCN_FLUSH_NONE] = { STEP_RULE, STEP_END, STEP_END },
		[SCN_FLUSH_BEFORE] = { STEP_FLUSH, STEP_RULE, STEP_END },
	};
	struct running **slot = VEC_PUSH(&tl->running);
	struct running *run = slot ? calloc(1, sizeof(*run)) : NULL;

	if (!run) {
		tl->running.n -= slot != NULL;
		return err_errno(err, ENOMEM, "begin the action");
	}
	*slot = run;
	run->tl = tl;
	run->action = a;
	run->id = id;
	for (size_t i = 0; i < 3; i++)
		run->program[i] = programs[a->migrate.flush][i];
	advance(run);
	return 0;
}

/* ---- sal services and addresses ---------------------------------------- */

/* Everything that changes for one step; told as done by its name. */
static int do_ops(struct timeline *tl, unsigned id, const char *step, int made,
		  plan_op_vec *ops, struct err *err)
{
	int r = made ? err_errno(err, -made, "plan the change") :
		       lab_apply(tl->lab, ops->v, ops->n, err);

	VEC_FREE(ops);
	if (!r && tl->listener.step)
		tl->listener.step(tl->listener.arg, id, step, clock_mono_ns(),
				  -1);
	return r;
}

static int migrate_sal(struct timeline *tl, const struct scn_action *a,
		       unsigned id, struct err *err)
{
	static const char *const steps[] = {
		[PLAN_SAL_START] = "start",
		[PLAN_SAL_FORWARD] = "forward",
		[PLAN_SAL_STOP] = "stop",
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && !r; i++) {
		plan_op_vec ops = { 0 };

		r = plan_sal_bind_ops(tl->plan, a, (enum plan_sal_step)i, &ops);
		r = do_ops(tl, id, steps[i], r, &ops, err);
	}
	return r;
}

static int readdress(struct timeline *tl, const struct scn_action *a,
		     unsigned id, struct err *err)
{
	plan_op_vec ops = { 0 };
	int r = plan_readdress_ops(tl->plan, a, &ops);

	r = do_ops(tl, id, "address", r, &ops, err);
	if (r)
		return r;
	r = plan_follow_ops(tl->plan, a, &ops);
	if (!r && !ops.n)
		return 0; /* no service is there */
	return do_ops(tl, id, "forward", r, &ops, err);
}

static bool is_sal(const struct timeline *tl, const struct scn_action *a)
{
	return tl->plan->scenario->services.v[a->migrate.service].resolver ==
	       SCN_RESOLVER_SAL;
}

/* ---- the others -------------------------------------------------------- */

static int set_link(struct timeline *tl, const struct scn_action *a,
		    struct err *err)
{
	plan_op_vec ops = { 0 };
	int r = plan_carrier_ops(tl->plan, a->link.link, a->link.up, a->pos,
				 &ops);

	r = r ? err_errno(err, -r, "plan the change") :
		lab_apply(tl->lab, ops.v, ops.n, err);
	VEC_FREE(&ops);
	return r;
}

static void begin(struct timeline *tl, const struct scn_action *a,
		  int64_t planned_ns)
{
	struct err err = ERR_INIT;
	unsigned id = tl->ids++;
	int r = 0;

	if (tl->listener.started)
		tl->listener.started(tl->listener.arg, id, a, planned_ns,
				     clock_mono_ns());
	switch (a->kind) {
	case SCN_ACTION_MIGRATE:
		if (is_sal(tl, a)) {
			r = migrate_sal(tl, a, id, &err);
			break;
		}
		r = begin_migrate(tl, a, id, &err);
		if (r)
			break;
		return; /* says itself when it is done */
	case SCN_ACTION_LINK_STATE:
		r = set_link(tl, a, &err);
		break;
	case SCN_ACTION_READDRESS:
		r = readdress(tl, a, id, &err);
		break;
	case SCN_ACTION_START:
		r = lab_start_process(tl->lab, a->process.process, &err);
		break;
	case SCN_ACTION_STOP:
		r = lab_stop_process(tl->lab, a->process.process, &err);
		break;
	case SCN_ACTION_KILL:
		r = lab_kill_process(tl->lab, a->process.process,
				     a->process.signal, &err);
		break;
	}
	if (r < 0) {
		action_failed(tl, id, a, &err);
		return;
	}
	if (r == LAB_HAD_ENDED && tl->listener.step)
		tl->listener.step(tl->listener.arg, id, "ended",
				  clock_mono_ns(), -1);
	action_done(tl, id);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg);

static int arm(struct timeline *tl, struct err *err)
{
	const struct scenario *s = tl->plan->scenario;
	int64_t due;
	int r;

	tl->timer = sd_event_source_disable_unref(tl->timer);
	if (tl->stopped || tl->next == s->timeline.n)
		return 0;
	/* Rounded up: an action may be late, never early. */
	due = tl->zero_ns + s->timeline.v[tl->next].at_ns;
	r = sd_event_add_time(
		tl->event, &tl->timer, CLOCK_MONOTONIC,
		(uint64_t)((due + NSEC_PER_USEC - 1) / NSEC_PER_USEC), 1,
		on_timer, tl);
	return r < 0 ? err_errno(err, -r, "arm the timeline") : 0;
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct timeline *tl = arg;
	const struct scn_entry *e = &tl->plan->scenario->timeline.v[tl->next++];
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	tl->unfinished += e->actions.n;
	for (size_t i = 0; i < e->actions.n && !tl->stopped; i++)
		begin(tl, &e->actions.v[i], tl->zero_ns + e->at_ns);
	if (arm(tl, &err))
		action_failed(tl, tl->ids, &e->actions.v[0], &err);
	return 0;
}

int timeline_start(struct timeline *tl, int64_t zero_mono_ns, struct err *err)
{
	tl->zero_ns = zero_mono_ns;
	if (!tl->plan->scenario->timeline.n && tl->listener.finished)
		tl->listener.finished(tl->listener.arg);
	return arm(tl, err);
}
