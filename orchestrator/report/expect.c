/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was expected and what was found are always given as texts of the same
 * form, so that the one can be read against the other, and a judgement that
 * cannot be made for want of data is one that did not hold: "lost at most 1"
 * of a probe that never sent anything says nothing about the network, and a
 * pass would hide that.
 */
#include "orchestrator/report/expect_internal.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_RUNS 24 /* of a service's answers; the others are counted */

/* ---- who answered ------------------------------------------------------ */

static char *nodes_text(const struct scenario *s, const size_t *nodes, size_t n)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < n && i < SHOWN_RUNS; i++)
		fprintf(f, "%s%s", i ? ", " : "", s->nodes.v[nodes[i]].name);
	if (n > SHOWN_RUNS)
		fprintf(f, ", ... %zu more", n - SHOWN_RUNS);
	if (n == 0)
		fputs("nobody", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static char *runs_text(const struct scenario *s, const served_runs *runs)
{
	CLEANUP_FREE size_t *nodes = calloc(runs->n + 1, sizeof(*nodes));

	if (!nodes)
		return NULL;
	for (size_t i = 0; i < runs->n; i++)
		nodes[i] = runs->v[i].node;
	return nodes_text(s, nodes, runs->n);
}

static bool runs_are(const served_runs *runs, const scn_index_vec *nodes)
{
	if (runs->n != nodes->n)
		return false;
	for (size_t i = 0; i < runs->n; i++) {
		if (runs->v[i].node != nodes->v[i])
			return false;
	}
	return true;
}

/*
 * Each probe of the service has to see the same instances in the same order.
 * Shown is the first probe that did not, else the first one.
 */
static void judge_answered_by(const struct record *rec,
			      const struct probe_result *probes,
			      const struct scn_expect *e, struct judgement *j)
{
	const struct scenario *s = rec->scenario;
	size_t asking = 0, shown = SCN_NONE;

	expect_say(&j->subject, "%s: answered by",
		   s->services.v[e->subject].name);
	j->expected = nodes_text(s, e->answered_by.v, e->answered_by.n);
	j->held = true;
	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *probe = &s->probes.v[i];
		bool matches = runs_are(&probes[i].served, &e->answered_by);

		if (probe->target != SCN_TARGET_SERVICE ||
		    probe->to != e->subject)
			continue;
		asking++;
		if (shown == SCN_NONE || (j->held && !matches))
			shown = i;
		j->held &= matches;
	}
	if (!asking) {
		j->held = false;
		expect_say(&j->actual, "unknown: no probe asks it");
	} else {
		CLEANUP_FREE char *runs = runs_text(s, &probes[shown].served);

		if (!runs)
			return;
		if (asking == 1 || j->held)
			expect_say(&j->actual, "%s", runs);
		else
			expect_say(&j->actual, "%s (asked by %s)", runs,
				   s->probes.v[shown].name);
	}
}

/* ---- processes --------------------------------------------------------- */

static void signal_text(char **out, int signal)
{
	char name[16];

	expect_say(out, "ended by %s",
		   units_format_signal(signal, name, sizeof(name)));
}

static void judge_exit(const struct record *rec, const struct scn_expect *e,
		       struct judgement *j)
{
	const struct record_process *p = &rec->processes[e->subject];
	CLEANUP_FREE char *range = NULL, *how = NULL;

	expect_say(&j->subject,
		   "%s:", rec->scenario->processes.v[e->subject].name);
	expect_range_text(&range, &e->range, SCN_UNIT_COUNT);
	if (e->exit_signal)
		signal_text(&j->expected, e->exit_signal);
	else
		expect_say(&j->expected, "exit status %s%s",
			   e->exit_not ? "other than " : "",
			   range ? range : "?");

	if (!p->starts) {
		expect_say(&j->actual, "never started");
	} else if (!p->exited) {
		expect_say(&j->actual, "did not end");
	} else if (p->signal) {
		j->held = p->signal == e->exit_signal;
		signal_text(&how, p->signal);
		expect_say(&j->actual, "%s%s", how ? how : "?",
			   p->expected && !j->held ?
				   ", as the run asked it to" :
				   "");
	} else {
		j->held = !e->exit_signal &&
			  expect_in_range(&e->range, p->status) != e->exit_not;
		expect_say(&j->actual, "exit status %d", p->status);
	}
}

/*
 * Logs may be larger than memory: read piece by piece, each one with the end of
 * the one before it in front, since the text may lie across. 1: found.
 */
static int file_holds(FILE *f, const char *text, uint64_t *total)
{
	size_t len = strlen(text), size = 65536 + len, have = 0, n;
	CLEANUP_FREE char *buf = malloc(size);

	*total = 0;
	if (!buf)
		return -ENOMEM;
	while ((n = fread(buf + have, 1, size - have, f)) > 0) {
		*total += n;
		have += n;
		if (memmem(buf, have, text, len))
			return 1;
		if (have >= len && len > 0) {
			memmove(buf, buf + have - (len - 1), len - 1);
			have = len - 1;
		}
	}
	return ferror(f) ? -EIO : 0;
}

static int judge_prints(const struct record *rec, const struct scn_expect *e,
			struct judgement *j, struct err *err)
{
	const char *name = rec->scenario->processes.v[e->subject].name;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FCLOSE FILE *f = NULL;
	uint64_t total = 0;
	int r = 0;

	expect_say(&j->subject, "%s:", name);
	expect_say(&j->expected, "printed \"%s\"", e->text);
	if (asprintf(&path, "%s/processes/%s.log", rec->dir, name) < 0) {
		path = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	f = fopen(path, "re");
	if (f)
		r = file_holds(f, e->text, &total);
	else if (errno != ENOENT)
		r = -errno;
	if (r < 0)
		return err_errno(err, -r, "%s", path);
	j->held = r > 0;
	if (j->held)
		expect_say(&j->actual, "printed \"%s\"", e->text);
	else if (!rec->processes[e->subject].starts)
		expect_say(&j->actual,
			   "did not print \"%s\" (it never started)", e->text);
	else if (!total)
		expect_say(&j->actual,
			   "did not print \"%s\" (its log is empty)", e->text);
	else
		expect_say(&j->actual,
			   "did not print \"%s\" (its log has %" PRIu64
			   " byte%s%s)",
			   e->text, total, total == 1 ? "" : "s",
			   rec->processes[e->subject].log_cut ?
				   ", where it was cut" :
				   "");
	return 0;
}

/* ---- captures ---------------------------------------------------------- */

static void judge_capture(const struct record *rec,
			  const struct trace_counter *counter,
			  const struct scn_expect *e, struct judgement *j)
{
	const char *node = e->subject == SCN_NONE ?
				   "every interface" :
				   rec->scenario->nodes.v[e->subject].name;

	expect_say(&j->subject, "packets at %s%s%s that match \"%s\":", node,
		   *e->ifname ? ":" : "", e->ifname, e->text);
	expect_range_text(&j->expected, &e->range, SCN_UNIT_COUNT);
	if (!counter->filter) {
		expect_say(&j->actual, "unknown: %s", counter->error.msg);
	} else if (!rec->trace) {
		expect_say(&j->actual, "unknown: there is no trace");
	} else {
		j->held = expect_in_range(&e->range, (int64_t)counter->count);
		j->exceeds = e->range.has_max &&
			     (int64_t)counter->count > e->range.max;
		expect_actual_text(j, &e->range, (int64_t)counter->count,
				   SCN_UNIT_COUNT);
	}
}

/* ---- timing ------------------------------------------------------------ */

static void judge_lateness(const struct record *rec, const struct scn_expect *e,
			   struct judgement *j)
{
	int64_t latest = 0;

	for (size_t i = 0; i < rec->actions.n; i++) {
		const struct record_action *a = &rec->actions.v[i];
		int64_t t_ns = record_t_ns(rec, a->begin_ns);
		int64_t late = figures_span(t_ns, a->planned_ns);

		/* Those planned for one moment follow each other. */
		if (i && a->planned_ns == rec->actions.v[i - 1].planned_ns)
			continue;
		if (late > latest)
			latest = late;
	}
	expect_say(&j->subject, "timing: lateness");
	expect_range_text(&j->expected, &e->range, SCN_UNIT_TIME);
	if (!rec->actions.n) {
		expect_say(&j->actual, "unknown: no action began");
		return;
	}
	j->held = expect_in_range(&e->range, latest);
	expect_actual_text(j, &e->range, latest, SCN_UNIT_TIME);
}

/* ---- all of it --------------------------------------------------------- */

/*
 * Where the end of the run waited for it, the time for it is over: what became
 * true when the lab was taken down, or never, did not hold in time.
 */
static void mind_polled(const struct record *rec, struct judgement *j)
{
	char within[48], *actual;
	const struct record_polled *p;

	if (!rec->polled)
		return;
	p = &rec->polled[j->expect - rec->scenario->expects.v];
	/* From an entry on, the record itself says what was in time. */
	if (j->expect->after || !p->known || (p->held && j->held) || !j->actual)
		return;
	if (!p->held) {
		units_format_duration(j->expect->within_ns, within,
				      sizeof(within));
		actual = j->actual;
		j->actual = NULL;
		expect_say(&j->actual, "%s%s within %s", actual,
			   j->held ? ", but not" : ", not", within);
		free(actual);
	}
	j->held = false;
}

int expect_judge(const struct record *rec, const struct probe_result *probes,
		 const struct trace_counter *counter,
		 const struct scn_expect *expect, struct judgement *out,
		 struct err *err)
{
	int r = 0;

	*out = (struct judgement){ .expect = expect };
	switch (expect->kind) {
	case SCN_EXPECT_PROBE:
		if (expect->within_ns)
			r = expect_judge_within(rec, expect, out, err);
		else
			expect_judge_probe(rec, probes, expect, out);
		break;
	case SCN_EXPECT_ANSWERED_BY:
		judge_answered_by(rec, probes, expect, out);
		break;
	case SCN_EXPECT_SHARE:
		expect_judge_share(rec, probes, expect, out);
		break;
	case SCN_EXPECT_EXIT:
		judge_exit(rec, expect, out);
		break;
	case SCN_EXPECT_PRINTS:
		r = judge_prints(rec, expect, out, err);
		break;
	case SCN_EXPECT_CAPTURE:
		judge_capture(rec, counter, expect, out);
		break;
	case SCN_EXPECT_LATENESS:
		judge_lateness(rec, expect, out);
		break;
	case SCN_EXPECT_HOST:
		expect_judge_host(rec, out);
		break;
	case SCN_EXPECT_LINK:
		expect_judge_link(rec, expect, out);
		break;
	}
	mind_polled(rec, out);
	if (!r && (!out->subject || !out->expected || !out->actual))
		r = err_set(err, ENOMEM, "out of memory");
	return r;
}

void judgement_free(struct judgement *j)
{
	free(j->subject);
	free(j->expected);
	free(j->actual);
	*j = (struct judgement){ 0 };
}

bool expect_needs_trace(const struct scn_expect *expect)
{
	return expect->kind == SCN_EXPECT_ANSWERED_BY ||
	       expect->kind == SCN_EXPECT_SHARE ||
	       expect->kind == SCN_EXPECT_CAPTURE;
}
