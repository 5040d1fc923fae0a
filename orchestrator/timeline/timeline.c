/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * One timer is armed, for the entry with a time that comes next; entries are
 * sorted. When it fires, the entry begins (entry.c). Entries that wait for
 * others, or for something to happen, have timers and watches of their own
 * (watch.c).
 *
 * Planned times are computed from the zero, so that one late action makes no
 * other one late. What is due after an event is planned for the moment of that
 * event.
 */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#include <errno.h>
#include <unistd.h>

int timeline_new(struct lab *lab, const struct plan *plan, sd_event *event,
		 const struct timeline_listener *listener,
		 struct timeline **out, struct err *err)
{
	size_t n = plan->scenario->timeline.n;
	struct timeline *tl = calloc(1, sizeof(*tl));

	if (tl) {
		tl->live = plan_live_new(plan);
		tl->entries = calloc(n + 1, sizeof(*tl->entries));
	}
	if (!tl || !tl->live || !tl->entries) {
		if (tl) {
			plan_live_free(tl->live);
			free(tl->entries);
			free(tl);
		}
		return err_errno(err, ENOMEM, "prepare the timeline");
	}
	tl->lab = lab;
	tl->plan = plan;
	tl->event = event;
	tl->listener = *listener;
	for (size_t i = 0; i < n; i++) {
		tl->entries[i].tl = tl;
		tl->entries[i].entry = &plan->scenario->timeline.v[i];
		tl->entries[i].watch_fd = -1;
	}
	*out = tl;
	return 0;
}

void timeline_stop(struct timeline *tl)
{
	tl->stopped = true;
	tl->heard_source = sd_event_source_disable_unref(tl->heard_source);
	tl->timer = sd_event_source_disable_unref(tl->timer);
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++) {
		struct entry_run *e = &tl->entries[i];

		e->timer = sd_event_source_disable_unref(e->timer);
		watch_stop(e);
	}
	for (size_t i = 0; i < tl->begun.n; i++) {
		struct performance *p = tl->begun.v[i];

		p->timer = sd_event_source_disable_unref(p->timer);
		p->telling = lab_telling_free(p->telling);
		if (p->hands_over)
			lab_handoff_stop(p->handoff, "the run ended before it "
						     "was complete");
	}
}

bool timeline_hands_over(const struct timeline *tl)
{
	for (size_t i = 0; i < tl->begun.n; i++)
		if (tl->begun.v[i]->hands_over)
			return true;
	return false;
}

struct timeline *timeline_free(struct timeline *tl)
{
	if (!tl)
		return NULL;
	timeline_stop(tl);
	for (size_t i = 0; i < tl->begun.n; i++) {
		lab_handoff_free(tl->begun.v[i]->handoff);
		VEC_FREE(&tl->begun.v[i]->later);
		free(tl->begun.v[i]);
	}
	VEC_FREE(&tl->begun);
	sd_event_source_disable_unref(tl->heard_source);
	VEC_FREE(&tl->heard);
	plan_live_free(tl->live);
	free(tl->entries);
	free(tl);
	return NULL;
}

bool timeline_is_idle(const struct timeline *tl)
{
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++) {
		const struct entry_run *e = &tl->entries[i];

		if (e->state == ENTRY_DUE || e->state == ENTRY_RUNNING ||
		    (e->state == ENTRY_WAITING &&
		     e->entry->trigger == SCN_TRIGGER_AT))
			return false;
	}
	return true;
}

void timeline_fail(struct timeline *tl, unsigned id, const struct scn_action *a,
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

int64_t timeline_now_ns(const struct timeline *tl)
{
	return tl->paused_ns ? tl->paused_ns : clock_mono_ns();
}

int timeline_arm(struct timeline *tl, sd_event_source **timer, int64_t due_ns,
		 sd_event_time_handler_t fn, void *arg, struct err *err)
{
	int r;

	*timer = sd_event_source_disable_unref(*timer);
	r = sd_event_add_time(
		tl->event, timer, CLOCK_MONOTONIC,
		(uint64_t)((due_ns + NSEC_PER_USEC - 1) / NSEC_PER_USEC), 1, fn,
		arg);
	if (r >= 0 && tl->paused_ns)
		r = sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
	return r < 0 ? err_errno(err, -r, "set a timer") : 0;
}

int timeline_arm_entry(struct timeline *tl, sd_event_source **timer,
		       int64_t due_ns, sd_event_time_handler_t fn, void *arg,
		       struct err *err)
{
	int r = timeline_arm(tl, timer, due_ns, fn, arg, err);

	if (r)
		return r;
	r = sd_event_source_set_priority(*timer, SD_EVENT_PRIORITY_IMPORTANT);
	return r < 0 ? err_errno(err, -r, "set a timer") : 0;
}

/* ---- the clock ----------------------------------------------------------- */

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg);

static int64_t planned_ns(const struct timeline *tl, size_t entry)
{
	int64_t at_ns = tl->plan->scenario->timeline.v[entry].at_ns;

	return tl->zero_ns + tl->shift_ns + at_ns;
}

static int arm(struct timeline *tl, struct err *err)
{
	const struct scenario *s = tl->plan->scenario;

	tl->timer = sd_event_source_disable_unref(tl->timer);
	while (tl->next < s->timeline.n &&
	       s->timeline.v[tl->next].trigger != SCN_TRIGGER_AT)
		tl->next++;
	if (tl->stopped || tl->next == s->timeline.n)
		return 0;
	return timeline_arm_entry(tl, &tl->timer, planned_ns(tl, tl->next),
				  on_timer, tl, err);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct timeline *tl = arg;
	struct entry_run *e = &tl->entries[tl->next++];
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	e->planned_ns = planned_ns(tl, (size_t)(e - tl->entries));
	entry_begin(e);
	if (arm(tl, &err))
		timeline_fail(tl, tl->ids, &e->entry->actions.v[0], &err);
	return 0;
}

int timeline_start(struct timeline *tl, int64_t zero_mono_ns, struct err *err)
{
	int r;

	tl->zero_ns = zero_mono_ns;
	tl->begun_playing = true;
	r = watch_all(tl, err);
	return r ? r : arm(tl, err);
}
