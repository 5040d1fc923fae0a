/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * One timer is armed, for the entry that comes next; entries are sorted. When
 * it fires, the entry's actions begin one after the other without returning to
 * the loop, as close together as they can be.
 *
 * An action that takes time (a gap between two steps) goes on from a source of
 * its own, while the entry's next action begins: perform.h.
 *
 * Planned times are computed from the zero, so that one late action makes no
 * other one late.
 */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#include <errno.h>

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
	for (size_t i = 0; i < tl->begun.n; i++)
		tl->begun.v[i]->timer =
			sd_event_source_disable_unref(tl->begun.v[i]->timer);
}

struct timeline *timeline_free(struct timeline *tl)
{
	if (!tl)
		return NULL;
	timeline_stop(tl);
	for (size_t i = 0; i < tl->begun.n; i++)
		free(tl->begun.v[i]);
	VEC_FREE(&tl->begun);
	free(tl);
	return NULL;
}

static void fail(struct timeline *tl, unsigned id, const struct scn_action *a,
		 struct err *err)
{
	char text[256];

	err_wrap(err, "%s",
		 scn_action_text(tl->plan->scenario, a, text, sizeof(text)));
	err_at(err, a->pos);
	timeline_stop(tl);
	if (tl->listener.failed)
		tl->listener.failed(tl->listener.arg, id, err);
}

/* ---- for the performers -------------------------------------------------- */

static perform_fn *const performers[] = {
	[SCN_ACTION_MIGRATE] = perform_migrate,
	[SCN_ACTION_LINK_STATE] = perform_link_state,
	[SCN_ACTION_LINK_CHANGE] = perform_link_change,
	[SCN_ACTION_READDRESS] = perform_readdress,
	[SCN_ACTION_START] = perform_start,
	[SCN_ACTION_STOP] = perform_stop,
	[SCN_ACTION_KILL] = perform_kill,
};

_Static_assert(sizeof(performers) / sizeof(*performers) == SCN_ACTION_COUNT_,
	       "every kind has a performer");

void performance_step(const struct performance *p, const char *step,
		      int64_t deleted)
{
	const struct timeline_listener *l = &p->tl->listener;

	if (l->step)
		l->step(l->arg, p->id, step, clock_mono_ns(), deleted);
}

void performance_failed(struct performance *p, struct err *err)
{
	fail(p->tl, p->id, p->action, err);
}

void performance_done(struct performance *p)
{
	struct timeline *tl = p->tl;

	tl->unfinished--;
	if (tl->listener.done)
		tl->listener.done(tl->listener.arg, p->id, clock_mono_ns());
	if (!tl->unfinished && tl->next == tl->plan->scenario->timeline.n &&
	    tl->listener.finished)
		tl->listener.finished(tl->listener.arg);
}

int performance_wait(struct performance *p, int64_t delay_ns,
		     sd_event_time_handler_t fn, struct err *err)
{
	int64_t due = clock_mono_ns() + delay_ns;
	int r;

	p->timer = sd_event_source_disable_unref(p->timer);
	r = sd_event_add_time(
		p->tl->event, &p->timer, CLOCK_MONOTONIC,
		(uint64_t)((due + NSEC_PER_USEC - 1) / NSEC_PER_USEC), 1, fn,
		p);
	return r < 0 ? err_errno(err, -r, "wait") : 0;
}

int perform_ops(const struct performance *p, const char *step, int made,
		plan_op_vec *ops, struct err *err)
{
	int r = made ? err_errno(err, -made, "plan the change") :
		       lab_apply(p->tl->lab, ops->v, ops->n, err);

	VEC_FREE(ops);
	if (!r && step)
		performance_step(p, step, -1);
	return r;
}

/* ---- the clock ----------------------------------------------------------- */

static void begin(struct timeline *tl, const struct scn_action *a,
		  int64_t planned_ns)
{
	struct performance **slot = VEC_PUSH(&tl->begun);
	struct performance *p = slot ? calloc(1, sizeof(*p)) : NULL;
	struct err err = ERR_INIT;
	int r;

	if (!p) {
		tl->begun.n -= slot != NULL;
		err_errno(&err, ENOMEM, "begin the action");
		fail(tl, tl->ids++, a, &err);
		return;
	}
	*slot = p;
	*p = (struct performance){ .tl = tl, .action = a, .id = tl->ids++ };
	if (tl->listener.started)
		tl->listener.started(tl->listener.arg, p->id, a, planned_ns,
				     clock_mono_ns());
	r = performers[a->kind](p, &err);
	if (r < 0)
		performance_failed(p, &err);
	else if (!r)
		performance_done(p);
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
		fail(tl, tl->ids, &e->actions.v[0], &err);
	return 0;
}

int timeline_start(struct timeline *tl, int64_t zero_mono_ns, struct err *err)
{
	tl->zero_ns = zero_mono_ns;
	if (!tl->plan->scenario->timeline.n && tl->listener.finished)
		tl->listener.finished(tl->listener.arg);
	return arm(tl, err);
}
