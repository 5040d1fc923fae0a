/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One entry of the timeline: its actions begin one after the other without
 * returning to the loop, as close together as they can be. Those that are
 * nothing but operations and stand next to each other go to the kernel
 * together, and what there is to tell of them is told behind that.
 *
 * An action that takes time goes on from a source of its own while the next one
 * begins. Only a "wait" holds up what is behind it.
 */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#include <errno.h>

/* NULL: it is nothing but operations, of plan_change_ops(). */
static perform_fn *const performers[] = {
	[SCN_ACTION_MIGRATE] = perform_migrate,
	[SCN_ACTION_REGISTER] = perform_serve,
	[SCN_ACTION_UNREGISTER] = perform_serve,
	[SCN_ACTION_WEIGHT] = perform_weight,
	[SCN_ACTION_FLUSH] = perform_flush,
	[SCN_ACTION_LINK_STATE] = NULL,
	[SCN_ACTION_LINK_CHANGE] = NULL,
	[SCN_ACTION_READDRESS] = perform_readdress,
	[SCN_ACTION_PRESENCE] = NULL,
	[SCN_ACTION_ADMIN] = NULL,
	[SCN_ACTION_RENAME] = NULL,
	[SCN_ACTION_PLUG] = NULL,
	[SCN_ACTION_GUEST] = perform_guest,
	[SCN_ACTION_MTU] = NULL,
	[SCN_ACTION_ROUTE] = NULL,
	[SCN_ACTION_DROP] = NULL,
	[SCN_ACTION_NAT_REBIND] = perform_nat_rebind,
	[SCN_ACTION_PARTITION] = NULL,
	[SCN_ACTION_HEAL] = NULL,
	[SCN_ACTION_CRASH] = perform_crash,
	[SCN_ACTION_BOOT] = perform_boot,
	[SCN_ACTION_FREEZE] = perform_freeze,
	[SCN_ACTION_THAW] = perform_thaw,
	[SCN_ACTION_START] = perform_start,
	[SCN_ACTION_STOP] = perform_stop,
	[SCN_ACTION_KILL] = perform_kill,
	[SCN_ACTION_PAUSE] = perform_pause,
	[SCN_ACTION_RESUME] = perform_pause,
	[SCN_ACTION_RESTART] = perform_restart,
	[SCN_ACTION_EXEC] = perform_exec,
	[SCN_ACTION_MARK] = perform_mark,
	[SCN_ACTION_WAIT] = perform_wait,
};

_Static_assert(sizeof(performers) / sizeof(*performers) == SCN_ACTION_COUNT_,
	       "every kind has a performer");

/* ---- for the performers -------------------------------------------------- */

void performance_step(const struct performance *p, const char *step,
		      const char *field, int64_t value)
{
	const struct timeline_listener *l = &p->tl->listener;

	if (l->step)
		l->step(l->arg, p->id, step, clock_mono_ns(), field, value);
}

void performance_rolled_back(const struct performance *p, const struct err *why)
{
	const struct timeline_listener *l = &p->tl->listener;

	if (l->rolled_back)
		l->rolled_back(l->arg, p->id, clock_mono_ns(), why);
}

void performance_failed(struct performance *p, struct err *err)
{
	p->over = true;
	timeline_fail(p->tl, p->id, p->action, err);
}

void performance_done(struct performance *p)
{
	const struct timeline_listener *l = &p->tl->listener;

	p->over = true;
	if (l->done)
		l->done(l->arg, p->id, clock_mono_ns());
	entry_action_done(p->entry);
}

void performance_result(struct performance *p, int r, struct err *err)
{
	if (p->tl->stopped)
		return;
	if (r < 0)
		performance_failed(p, err);
	else if (r != PERFORM_UNDER_WAY)
		performance_done(p);
}

int performance_wait(struct performance *p, int64_t delay_ns,
		     sd_event_time_handler_t fn, struct err *err)
{
	return timeline_arm(p->tl, &p->timer, timeline_now_ns(p->tl) + delay_ns,
			    fn, p, err);
}

int perform_ops(const struct performance *p, const char *step, int made,
		plan_op_vec *ops, struct err *err)
{
	int r = made ? err_errno(err, -made, "plan the change") :
		       lab_apply(p->tl->lab, ops->v, ops->n, err);

	VEC_FREE(ops);
	if (!r && step)
		performance_step(p, step, NULL, 0);
	return r;
}

int performance_take(const struct performance *p, struct err *err)
{
	int r = plan_live_take(p->tl->live, p->action);

	return r ? err_errno(err, -r, "remember the change") : 0;
}

/* ---- beginning ------------------------------------------------------------
 */

static struct performance *new_performance(struct entry_run *e,
					   const struct scn_action *a)
{
	struct timeline *tl = e->tl;
	struct performance **slot = VEC_PUSH(&tl->begun);
	struct performance *p = slot ? calloc(1, sizeof(*p)) : NULL;

	if (!p) {
		struct err err = ERR_INIT;

		tl->begun.n -= slot != NULL;
		err_errno(&err, ENOMEM, "begin the action");
		timeline_fail(tl, tl->ids++, a, &err);
		return NULL;
	}
	*slot = p;
	*p = (struct performance){
		.tl = tl, .entry = e, .action = a, .id = tl->ids++
	};
	e->unfinished++;
	return p;
}

static void tell_start(const struct performance *p, int64_t now_ns)
{
	const struct timeline_listener *l = &p->tl->listener;

	if (!p->entry->first_ns)
		p->entry->first_ns = now_ns;
	if (l->started)
		l->started(l->arg, p->id, p->entry->entry, p->action,
			   p->entry->planned_ns, now_ns);
}

static void begin_one(struct entry_run *e, const struct scn_action *a)
{
	struct performance *p = new_performance(e, a);
	struct err err = ERR_INIT;

	if (!p)
		return;
	tell_start(p, clock_mono_ns());
	performance_result(p, performers[a->kind](p, &err), &err);
}

/* Which of n actions, begun one after the other, an error is about. */
static struct performance *find_failed(const struct timeline *tl, size_t first,
				       size_t n, const struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct performance *p = tl->begun.v[first + i];

		if (p->action->pos.line == err->pos.line &&
		    p->action->pos.col == err->pos.col)
			return p;
	}
	return tl->begun.v[first];
}

/* Actions that are nothing but operations, in one go. */
static void begin_changes(struct entry_run *e, const struct scn_action *a,
			  size_t n)
{
	struct timeline *tl = e->tl;
	size_t first = tl->begun.n;
	plan_op_vec ops = { 0 };
	struct err err = ERR_INIT;
	int64_t now_ns;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		if (!new_performance(e, &a[i]))
			return;
	for (size_t i = 0; i < n && !r; i++) {
		r = plan_change_ops(tl->live, &a[i], &ops);
		if (!r)
			r = plan_live_take(tl->live, &a[i]);
	}
	now_ns = clock_mono_ns();
	r = r ? err_errno(&err, -r, "plan the change") :
		lab_apply(tl->lab, ops.v, ops.n, &err);
	VEC_FREE(&ops);
	for (size_t i = 0; i < n; i++)
		tell_start(tl->begun.v[first + i], now_ns);
	if (r) {
		performance_failed(find_failed(tl, first, n, &err), &err);
		return;
	}
	for (size_t i = 0; i < n && !tl->stopped; i++)
		performance_done(tl->begun.v[first + i]);
}

static bool has_wait(const struct scn_entry *e)
{
	for (size_t i = 0; i < e->actions.n; i++)
		if (e->actions.v[i].kind == SCN_ACTION_WAIT)
			return true;
	return false;
}

static void tell_applied(const struct entry_run *e)
{
	const struct timeline_listener *l = &e->tl->listener;

	if (l->applied && e->entry->actions.n > 1 && !has_wait(e->entry))
		l->applied(l->arg, e->entry, e->first_ns,
			   clock_mono_ns() - e->first_ns);
}

static void end_entry(struct entry_run *e)
{
	struct timeline *tl = e->tl;
	size_t index = (size_t)(e - tl->entries);
	int64_t now_ns = timeline_now_ns(tl);

	e->state = ENTRY_DONE;
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++) {
		struct entry_run *o = &tl->entries[i];

		if (o->entry->trigger == SCN_TRIGGER_AFTER &&
		    o->entry->after == index)
			entry_due(o, now_ns + o->entry->delay_ns);
	}
}

/* From where it is to the end, or to a wait. */
void entry_go_on(struct entry_run *e)
{
	const struct scn_entry *s = e->entry;
	bool waits = false;

	e->resume = e->tl->paused_ns != 0;
	if (e->resume)
		return;
	e->inside = true;
	while (e->next < s->actions.n && !waits && !e->tl->stopped) {
		const struct scn_action *a = &s->actions.v[e->next];
		size_t n = 0;

		waits = a->kind == SCN_ACTION_WAIT;
		if (waits && e->unfinished) {
			e->held = true; /* by what is ahead of it */
			break;
		}
		if (e->held) /* it begins when that is done */
			e->planned_ns = timeline_now_ns(e->tl);
		e->held = false;
		while (e->next + n < s->actions.n &&
		       !performers[s->actions.v[e->next + n].kind])
			n++;
		e->next += n ? n : 1;
		if (n)
			begin_changes(e, a, n);
		else
			begin_one(e, a);
	}
	e->inside = false;
	if (e->tl->stopped || e->next < s->actions.n)
		return;
	if (!e->applied)
		tell_applied(e);
	e->applied = true;
	if (!e->unfinished)
		end_entry(e);
}

void entry_begin(struct entry_run *e)
{
	e->state = ENTRY_RUNNING;
	entry_go_on(e);
}

void entry_action_done(struct entry_run *e)
{
	e->unfinished--;
	if (!e->inside && !e->unfinished && !e->tl->stopped)
		entry_go_on(e);
}

static int on_due(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct entry_run *e = arg;

	(void)source;
	(void)now_us;
	e->timer = sd_event_source_disable_unref(e->timer);
	entry_begin(e);
	return 0;
}

void entry_due(struct entry_run *e, int64_t planned_ns)
{
	struct err err = ERR_INIT;

	if (e->tl->stopped || e->state != ENTRY_WAITING)
		return;
	e->state = ENTRY_DUE;
	e->planned_ns = planned_ns;
	/* From the loop, even if it is due now: who told of it goes on first.
	 */
	if (timeline_arm_entry(e->tl, &e->timer, planned_ns, on_due, e, &err))
		timeline_fail(e->tl, e->tl->ids, &e->entry->actions.v[0], &err);
}

/* ---- the two that are about the list itself --------------------------------
 */

static int waited(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_done(p);
	return 0;
}

int perform_wait(struct performance *p, struct err *err)
{
	int r = performance_wait(p, p->action->wait.ns, waited, err);

	/* What is behind it cannot be due before. */
	p->entry->planned_ns = timeline_now_ns(p->tl) + p->action->wait.ns;
	return r ? r : PERFORM_UNDER_WAY;
}

int perform_mark(struct performance *p, struct err *err)
{
	(void)p;
	(void)err;
	return 0;
}
