/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the judgements to one word. Five words rather than two: "failed" is said
 * about the thing under test, and a run that was stopped halfway, or measured
 * with a broken rule, says nothing about it. It must neither fail nor, worse,
 * pass. In the order in which they win:
 *
 *   it broke            failed: what was asked for could not be done
 *   timed out           it had no more time (--timeout)
 *   interrupted         somebody stopped it
 *   invalid             it was not played to its end, or the clock, the capture
 *                       or a probe cannot be trusted
 *   failed, passed      by the expectations
 */
#include "orchestrator/report/internal.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_STEP_NS (10 * NSEC_PER_MSEC)
#define FLOOR_FACTOR 10
#define LATE_NS (100 * NSEC_PER_MSEC)
#define STEAL_PERCENT 50
#define STEAL_TICKS_MIN 100 /* of 10 ms: less is no measure */
#define CLOCK_SLEW_PPM 500 /* the most by which adjtime(3) and NTP slew */

const char *verdict_name(enum report_verdict v)
{
	static const char *const names[] = {
		[REPORT_PASSED] = "passed",
		[REPORT_FAILED] = "failed",
		[REPORT_INVALID] = "invalid",
		[REPORT_INTERRUPTED] = "interrupted",
		[REPORT_TIMED_OUT] = "timed out",
	};

	return names[v];
}

int verdict_reason(struct report *r, const char *fmt, ...)
{
	char **text = VEC_PUSH(&r->reasons);
	va_list ap;
	int n;

	if (!text)
		return -ENOMEM;
	va_start(ap, fmt);
	n = vasprintf(text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		r->reasons.n--;
		return -ENOMEM;
	}
	return 0;
}

static int check_actions(struct report *r)
{
	const struct record *rec = &r->record;
	int ret = 0;

	for (size_t i = 0; !ret && i < rec->actions.n; i++) {
		const struct record_action *a = &rec->actions.v[i];
		size_t len = strlen(a->text);

		if (!a->error)
			continue;
		/* Errors mostly begin with what was tried; once is enough. */
		if (strncmp(a->error, a->text, len) == 0)
			ret = verdict_reason(r, "failed: %s", a->error);
		else
			ret = verdict_reason(r, "failed: %s: %s", a->text,
					     a->error);
	}
	if (!ret && rec->failure)
		ret = verdict_reason(r, "failed: %s", rec->failure);
	/* An action that failed is why the run broke, and was told. */
	if (!ret && rec->broken && !r->reasons.n)
		ret = verdict_reason(r, "failed: %s", rec->broken);
	return ret;
}

static int check_clock(struct report *r)
{
	char text[48];

	for (size_t i = 1; i < r->record.clocks.n; i++) {
		const struct record_clock *a = &r->record.clocks.v[i - 1];
		const struct record_clock *b = &r->record.clocks.v[i];
		int64_t mono = figures_span(b->mono_ns, a->mono_ns);
		int64_t real = figures_span(b->real_ns, a->real_ns);
		int64_t step = figures_span(real, mono);
		int64_t allowed =
			CLOCK_STEP_NS + mono / 1000000 * CLOCK_SLEW_PPM;

		if (step > allowed || step < -allowed)
			return verdict_reason(
				r,
				"the real-time clock was stepped by %s: "
				"packets and events cannot be matched",
				units_format_duration(step, text,
						      sizeof(text)));
	}
	return 0;
}

/*
 * Did the machine keep up? Its timers are compared with how late they are by
 * themselves; what is late by less than LATE_NS is not held against anybody,
 * for every figure counts from when an action really began.
 */
static int check_lateness(struct report *r)
{
	int64_t floor = r->record.floor_p99_ns, late = r->lateness.p99_ns;
	int64_t allowed = floor == RECORD_NONE ? LATE_NS : FLOOR_FACTOR * floor;
	char a[48], b[48];

	if (allowed < LATE_NS)
		allowed = LATE_NS;
	if (late == FIGURE_NONE || late <= allowed)
		return 0;
	return verdict_reason(
		r,
		"the machine did not keep up: actions began %s late (p99), "
		"and its timers are %s late by themselves (p99)",
		units_format_duration(late, a, sizeof(a)),
		floor == RECORD_NONE ?
			"nobody knows how much" :
			units_format_duration(floor, b, sizeof(b)));
}

/*
 * What the host keeps for itself shows in whatever it made late: actions,
 * links, the capture, each of which is judged. Only where so much is gone that
 * nothing which was measured can be told from it, is it held against the run by
 * itself.
 */
static int check_steal(struct report *r)
{
	const struct record *rec = &r->record;
	const struct record_cpu *first, *last;
	int64_t steal, total;

	if (rec->cpus.n < 2)
		return 0;
	first = &rec->cpus.v[0];
	last = &rec->cpus.v[rec->cpus.n - 1];
	steal = figures_span(last->steal_ticks, first->steal_ticks);
	total = figures_span(last->total_ticks, first->total_ticks);
	if (steal < STEAL_TICKS_MIN || total <= 0 ||
	    steal < total * STEAL_PERCENT / 100)
		return 0;
	return verdict_reason(r,
			      "the machine's host took %" PRId64
			      " %% of its processors' time (steal)",
			      steal * 100 / total);
}

static bool needs_trace(const struct report *r)
{
	const struct scenario *s = r->record.scenario;

	for (size_t i = 0; i < s->expects.n; i++) {
		if (expect_needs_trace(&s->expects.v[i]))
			return true;
	}
	return false;
}

static int check_capture(struct report *r)
{
	const struct record *rec = &r->record;

	if (!needs_trace(r))
		return 0;
	if (!rec->trace)
		return verdict_reason(r, "there is no trace to judge by");
	if (rec->trace_partial || !rec->counted)
		return verdict_reason(
			r, "the capture did not end properly: packets "
			   "may be missing from it");
	if (rec->dropped)
		return verdict_reason(
			r,
			"the capture missed %" PRIu64
			" packets, so who answered and what was captured "
			"cannot be told: run it again on a machine that "
			"is less busy, or send less",
			rec->dropped);
	return 0;
}

static int check_probes(struct report *r)
{
	const struct scenario *s = r->record.scenario;
	int ret = 0;

	for (size_t i = 0; !ret && i < s->probes.n; i++) {
		const struct record_probe *p = &r->record.probes[i];

		if (p->abandoned)
			ret = verdict_reason(
				r,
				"the probe %s did not end when it was "
				"asked to: what it measured is not whole",
				s->probes.v[i].name);
		else if (p->ended && p->status != 0)
			ret = verdict_reason(
				r,
				"the probe %s ended with status %" PRId64
				" instead of measuring",
				s->probes.v[i].name, p->status);
	}
	return ret;
}

/* Its output may go on behind the record's end. */
static int check_processes(struct report *r)
{
	const struct scenario *s = r->record.scenario;
	int ret = 0;

	for (size_t i = 0; !ret && i < s->processes.n; i++)
		if (r->record.processes[i].abandoned)
			ret = verdict_reason(
				r,
				"the process %s did not end when the run "
				"did, not even by SIGKILL",
				s->processes.v[i].name);
	return ret;
}

static int check_end(struct report *r)
{
	if (r->record.complete)
		return 0;
	return verdict_reason(
		r, "the record stops in the middle: the run was killed");
}

static enum report_verdict by_expectations(const struct report *r)
{
	for (size_t i = 0; i < r->record.scenario->expects.n; i++) {
		if (!r->judged[i].held)
			return REPORT_FAILED;
	}
	return REPORT_PASSED;
}

int verdict_make(struct report *r)
{
	static int (*const checks[])(struct report *) = {
		verdict_links, verdict_undone,	check_lateness,
		check_steal,   check_clock,	check_capture,
		check_probes,  check_processes, check_end
	};
	int ret = check_actions(r);
	char time[32];

	if (ret)
		return ret;
	if (r->reasons.n) {
		r->verdict = REPORT_FAILED;
		return 0;
	}
	if (r->record.timeout_ns) {
		r->verdict = REPORT_TIMED_OUT;
		return verdict_reason(
			r, "the run did not end within %s (%s)",
			units_format_duration(r->record.timeout_ns, time,
					      sizeof(time)),
			r->record.default_timeout ?
				"the default; --timeout changes it" :
				"--timeout");
	}
	if (r->record.interrupted) {
		r->verdict = REPORT_INTERRUPTED;
		return verdict_reason(r, "the run was interrupted");
	}
	for (size_t i = 0; !ret && i < sizeof(checks) / sizeof(*checks); i++)
		ret = checks[i](r);
	r->verdict = r->reasons.n ? REPORT_INVALID : by_expectations(r);
	return ret;
}
