/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the terminal shows at the end of a run. In the order of the questions
 * that one has: did it pass (and if the run proves nothing, why); what did each
 * probe live through, action by action; what did not hold, next to the line of
 * the scenario that asked for it. What went as it should is kept short.
 */
#include "orchestrator/report/summary.h"

#include "base/clock.h"
#include "base/diag.h"
#include "base/units.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_MAX 100 /* wider lines are harder to read, not easier */
#define WIDTH_MIN 40

enum color { RED = 31, GREEN = 32, YELLOW = 33 };

static void put_colored(const struct summary *s, enum color color,
			const char *text)
{
	if (s->color)
		fprintf(s->out, "\033[1;%dm", color);
	summary_put(s, text);
	if (s->color)
		fputs("\033[0m", s->out);
}

const char *summary_duration(int64_t ns, char *buf, size_t size)
{
	if (ns == FIGURE_NONE)
		snprintf(buf, size, "-");
	else
		units_format_duration(ns, buf, size);
	return buf;
}

const char *summary_moment(int64_t t_ns, char *buf, size_t size)
{
	long long us = t_ns / NSEC_PER_USEC;
	long long ms = (llabs(us) + 500) / 1000;

	snprintf(buf, size, "%s%lld.%03lld s", us < 0 && ms ? "-" : "",
		 ms / 1000, ms % 1000);
	return buf;
}

/* ---- head -------------------------------------------------------------- */

/* They are in no figure. */
static void print_pauses(const struct summary *s)
{
	const struct record *rec = &s->report->record;
	const struct pauses *p = &rec->pauses;
	char at[48], length[48];

	for (uint32_t i = 0; i < p->n; i++) {
		const struct pause *v = &p->v[i];
		int64_t run_ns = pauses_run_ns(p, v->at_ns);

		fprintf(s->out, "  paused at %s for %s\n",
			summary_moment(record_t_ns(rec, run_ns), at,
				       sizeof(at)),
			v->for_ns == PAUSE_OPEN ?
				"good" :
				summary_duration(v->for_ns, length,
						 sizeof(length)));
	}
}

static void print_head(const struct summary *s)
{
	const struct report *r = s->report;
	const char *dot = s->utf8 ? " \u00b7 " : " - ";
	char text[48];

	summary_put(s, r->record.scenario->name);
	summary_put(s, dot);
	summary_put(
		s, summary_duration(report_duration_ns(r), text, sizeof(text)));
	summary_put(s, dot);
	fprintf(s->out, "seed %" PRIu64, r->record.seed);
	summary_put(s, dot);
	put_colored(s,
		    r->verdict == REPORT_PASSED ? GREEN :
		    r->verdict == REPORT_FAILED ? RED :
						  YELLOW,
		    verdict_name(r->verdict));
	if (r->verdict == REPORT_PASSED && !r->record.scenario->expects.n)
		fputs(" (nothing was expected)", s->out);
	fputc('\n', s->out);
	print_pauses(s);
	for (size_t i = 0; i < r->reasons.n; i++) {
		fputs("  ", s->out);
		summary_put(s, r->reasons.v[i]);
		fputc('\n', s->out);
	}
}

/* ---- processes, capture ------------------------------------------------ */

/* Was the way it ended expected, by the run or by an expectation? */
static bool ended_well(const struct report *r, size_t process)
{
	const struct record_process *p = &r->record.processes[process];
	const struct scenario *scn = r->record.scenario;

	if (!p->exited || p->expected || (!p->signal && !p->status))
		return true;
	for (size_t i = 0; i < scn->expects.n; i++) {
		const struct scn_expect *e = &scn->expects.v[i];

		if (e->kind == SCN_EXPECT_EXIT && e->subject == process)
			return true; /* said there */
	}
	return false;
}

/* Those that ended before anybody asked them to: when, and how. */
static void print_processes(const struct summary *s)
{
	const struct record *rec = &s->report->record;
	bool first = true;

	for (size_t i = 0; i < rec->scenario->processes.n; i++) {
		const struct record_process *p = &rec->processes[i];
		char at[32];

		if (!p->exited || p->expected)
			continue;
		if (first)
			fputs("\nprocesses\n", s->out);
		first = false;
		fprintf(s->out, "  %s  ",
			summary_moment(record_t_ns(rec, p->exited_ns), at,
				       sizeof(at)));
		summary_put(s, rec->scenario->processes.v[i].name);
		if (p->signal)
			fprintf(s->out, " ended by %s",
				units_format_signal(p->signal, at, sizeof(at)));
		else
			fprintf(s->out, " ended with status %d", p->status);
		if (!ended_well(s->report, i)) {
			fputs(": see processes/", s->out);
			summary_put(s, rec->scenario->processes.v[i].name);
			fputs(".log", s->out);
		}
		fputc('\n', s->out);
	}
}

/* Where there are probes, their tables tell the actions. */
static void print_actions(const struct summary *s)
{
	const struct record *rec = &s->report->record;
	char at[32], late[32], took[32];

	if (rec->scenario->probes.n || !rec->actions.n)
		return;
	fputs("\ntimeline\n", s->out);
	for (size_t i = 0; i < rec->actions.n; i++) {
		fprintf(s->out, "  %s  ",
			summary_moment(rec->actions.v[i].planned_ns, at,
				       sizeof(at)));
		summary_put(s, rec->actions.v[i].text);
		if (rec->actions.v[i].unchanged) {
			fprintf(s->out, "  (nothing to do: %s)\n",
				rec->actions.v[i].unchanged);
			continue;
		}
		fprintf(s->out, "  (%s late, took %s)\n",
			summary_duration(report_late_ns(s->report, i), late,
					 sizeof(late)),
			summary_duration(report_took_ns(s->report, i), took,
					 sizeof(took)));
	}
}

/* Where no expectation needs the trace, gaps in it are no reason to worry. */
static void print_capture(const struct summary *s)
{
	const struct record *rec = &s->report->record;

	if (rec->dropped && s->report->verdict != REPORT_INVALID)
		fprintf(s->out,
			"\nthe capture took %" PRIu64
			" packets and missed %" PRIu64 "\n",
			rec->packets, rec->dropped);
}

/* ---- expectations ------------------------------------------------------ */

static char *judgement_text(const struct judgement *j)
{
	bool same = strcmp(j->actual, j->expected) == 0;
	char *text;
	int n;
	/* Or what did not happen, which is what was expected. */
	bool all_said =
		same || (!j->held && j->expect->kind == SCN_EXPECT_PRINTS);

	if (all_said)
		n = asprintf(&text, "%s %s", j->subject, j->actual);
	else if (j->held)
		n = asprintf(&text, "%s %s (%.*s)", j->subject, j->actual,
			     (int)(j->brief ? j->brief : strlen(j->expected)),
			     j->expected);
	else
		n = asprintf(&text, "%s %s; expected %s", j->subject, j->actual,
			     j->expected);
	return n < 0 ? NULL : text;
}

static void print_judgement(const struct summary *s, const struct judgement *j,
			    const char *text, size_t column)
{
	const struct src_pos *pos = &j->expect->pos;
	size_t n;

	fputs("  ", s->out);
	if (s->utf8)
		put_colored(s, j->held ? GREEN : RED,
			    j->held ? "\u2713" : "\u2717");
	else
		put_colored(s, j->held ? GREEN : RED, j->held ? "ok" : "NO");
	fputc(' ', s->out);
	n = text_print(s->out, text ? text : "?", s->utf8);
	if (pos->file && pos->line) {
		if (n > column) /* no room behind it */
			fputs("\n      ", s->out);
		else
			fprintf(s->out, "%*s", (int)(column - n) + 2, "");
		summary_put(s, pos->file);
		fprintf(s->out, ":%u", pos->line);
	}
	fputc('\n', s->out);
	if (!j->held)
		diag_quote(s->report->record.diag, *pos, 1, s->out);
}

/* Where the positions begin: behind the longest text that leaves them room. */
static size_t position_column(const struct summary *s, char *const *texts,
			      size_t n)
{
	const struct scenario *scn = s->report->record.scenario;
	size_t longest = 0;

	for (size_t i = 0; i < n; i++) {
		const struct src_pos *pos = &scn->expects.v[i].pos;
		size_t len =
			texts[i] ? utf8_count(texts[i], strlen(texts[i])) : 0;
		size_t mark = s->utf8 ? 4 : 5;
		int where = snprintf(NULL, 0, "  %s:%u",
				     pos->file ? pos->file : "", pos->line);

		if (len > longest && mark + len + (size_t)where <= s->width)
			longest = len;
	}
	return longest;
}

static void print_expectations(const struct summary *s)
{
	const struct report *r = s->report;
	size_t n = r->record.scenario->expects.n, held = 0, column;
	char **texts = calloc(n + 1, sizeof(*texts));

	if (!n || !texts) {
		free(texts);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		texts[i] = judgement_text(&r->judged[i]);
		held += r->judged[i].held;
	}
	column = position_column(s, texts, n);
	fprintf(s->out, "\nexpectations: %zu of %zu held\n", held, n);
	for (size_t i = 0; i < n; i++) {
		print_judgement(s, &r->judged[i], texts[i], column);
		free(texts[i]);
	}
	free(texts);
}

static struct summary make_summary(const struct report *r, FILE *out,
				   bool color, unsigned width)
{
	return (struct summary){
		.report = r,
		.out = out,
		.color = color,
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.width = width < WIDTH_MIN ? WIDTH_MIN :
			 width > WIDTH_MAX ? WIDTH_MAX :
					     width,
	};
}

void report_print_expectation(const struct report *r, size_t expectation,
			      FILE *out, bool color, unsigned width)
{
	struct summary s = make_summary(r, out, color, width);
	char *text = judgement_text(&r->judged[expectation]);

	print_judgement(&s, &r->judged[expectation], text,
			text ? utf8_count(text, strlen(text)) : 0);
	free(text);
}

void report_print(const struct report *r, FILE *out, bool color, unsigned width)
{
	struct summary s = make_summary(r, out, color, width);

	print_head(&s);
	for (size_t i = 0; i < r->record.scenario->probes.n; i++)
		summary_probe(&s, i);
	summary_beside(&s);
	print_actions(&s);
	summary_moves(&s);
	summary_links(&s);
	print_processes(&s);
	print_capture(&s);
	print_expectations(&s);
}
