/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expectations with a "within": judged again and again, until they hold or
 * their time is over, which the record is told.
 *
 * The time of those with an "after" counts from the beginning of that entry, by
 * the run's clock; whether they hold follows from the record alone
 * (report/expect_within.c), and what is seen here is told to those who watch
 * the run, and stops its clock where that is wanted. The end of the run waits
 * for them. The time of all others begins when the run would end.
 */
#include "orchestrator/cli/run_state.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLL_US UINT64_C(50000)
#define POLL_SHARE 4 /* of the time that judging takes: a quarter */

/* ---- from an entry on ---------------------------------------------------- */

static size_t windows_open(const struct run *run)
{
	size_t n = 0;

	for (size_t i = 0; run->within.began_ns && i < run->scenario->expects.n;
	     i++)
		n += run->within.began_ns[i] && !run->within.over[i];
	return n;
}

static bool all_windows_closed(const struct run *run)
{
	return run_is_broken(run) || !windows_open(run);
}

/* The record has been judged; not known: that failed, and nothing is seen to
 * hold. */
static void look(struct run *run, bool known)
{
	const struct scenario *s = run->scenario;
	/* What it may have seen is what was there when it began. */
	int64_t now_ns = pauses_run_ns(run->pauses, run->judge.began_ns);

	run->within.took_us =
		(uint64_t)((clock_mono_ns() - run->judge.began_ns) /
			   NSEC_PER_USEC);
	for (size_t i = 0; run->within.began_ns && i < s->expects.n; i++) {
		const struct scn_expect *e = &s->expects.v[i];
		bool held = known && run->judge.told[i] == JUDGED_HELD;
		int64_t began_ns = run->within.began_ns[i], waited_ns;

		if (!began_ns || run->within.over[i])
			continue;
		waited_ns = now_ns - pauses_run_ns(run->pauses, began_ns);
		if (!held && waited_ns <= e->within_ns)
			continue;
		run->within.over[i] = true;
		recorder_expect_polled(run->recorder, i, held, waited_ns);
		run_progress(run, "line %u: %s within %.3g s after '%s'",
			     e->pos.line, held ? "holds" : "did not hold",
			     (double)e->within_ns / NSEC_PER_SEC, e->after);
	}
}

static int on_poll(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct run *run = arg;
	uint64_t next_us = now_us + POLL_US;

	if (!windows_open(run))
		return 0;
	if (!run->judge.pid && !run->pause.now) {
		next_us += POLL_SHARE * run->within.took_us;
		/* Then it is time alone that closes windows. */
		if (run_judge_begin(run))
			look(run, false);
	}
	sd_event_source_set_time(source, next_us);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static void watch(struct run *run)
{
	struct err err = ERR_INIT;
	int r;

	run->within.timer = sd_event_source_disable_unref(run->within.timer);
	r = sd_event_add_time(run->event, &run->within.timer, CLOCK_MONOTONIC,
			      run_now_us(), 1, on_poll, run);
	if (r < 0) {
		err_errno(&err, -r, "event loop");
		run_fail(run, &err);
	}
}

void run_within_entry(struct run *run, const struct scn_entry *e,
		      int64_t begin_ns)
{
	const struct scenario *s = run->scenario;
	bool any = false;

	for (size_t i = 0; run->within.began_ns && e->name && i < s->expects.n;
	     i++) {
		const char *after = s->expects.v[i].after;

		if (!after || strcmp(after, e->name) != 0 ||
		    run->within.began_ns[i])
			continue;
		run->within.began_ns[i] = begin_ns;
		any = true;
	}
	if (any)
		watch(run);
}

int run_within_init(struct run *run, struct err *err)
{
	size_t n = run->scenario->expects.n;

	for (size_t i = 0; i < n; i++)
		if (run->scenario->expects.v[i].after)
			goto some;
	return 0;
some:
	run->judge.seen = look;
	run->within.began_ns = calloc(n, sizeof(*run->within.began_ns));
	run->within.over = calloc(n, sizeof(*run->within.over));
	return run->within.began_ns && run->within.over ?
		       0 :
		       err_errno(err, ENOMEM, "prepare the expectations");
}

void run_within_free(struct run *run)
{
	sd_event_source_disable_unref(run->within.timer);
	free(run->within.began_ns);
	free(run->within.over);
}

/* ---- from the end on ----------------------------------------------------- */

static bool is_polled(const struct scn_expect *e)
{
	/* The host is looked at when the lab is gone. */
	return e->within_ns && !e->after && e->kind != SCN_EXPECT_HOST;
}

/* Takes those off whose time is over, or that hold; how many are left. */
static size_t settle(struct run *run, const unsigned char *told, bool *waiting,
		     int64_t waited_ns)
{
	const struct scenario *s = run->scenario;
	size_t left = 0;

	for (size_t i = 0; i < s->expects.n; i++) {
		bool held = told && told[i] == JUDGED_HELD;

		if (!waiting[i])
			continue;
		if (!held && waited_ns < s->expects.v[i].within_ns) {
			left++;
			continue;
		}
		waiting[i] = false;
		recorder_expect_polled(run->recorder, i, held, waited_ns);
	}
	return left;
}

void run_wait_within(struct run *run)
{
	const struct scenario *s = run->scenario;
	CLEANUP_FREE bool *waiting = calloc(s->expects.n + 1, sizeof(*waiting));
	int64_t began_ns = clock_mono_ns();
	size_t left = 0;

	for (size_t i = 0; waiting && i < s->expects.n; i++) {
		waiting[i] = is_polled(&s->expects.v[i]);
		left += waiting[i];
	}
	while (left && !run_is_broken(run)) {
		/* Before it looks: what it sees later was there in time. */
		int64_t waited_ns = clock_mono_ns() - began_ns;
		bool over = false;

		left = settle(run, run_judge(run), waiting, waited_ns);
		if (left)
			run_turn_until(run, run_is_broken, POLL_US, &over);
	}
	if (!run_is_broken(run)) {
		bool over = false;

		run_turn_until(run, all_windows_closed, 0, &over);
	}
}
