/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The summary of one probe: a table whose rows are the phases around the
 * actions, in the order of time, so that it reads as the story of the flow.
 */
#include "orchestrator/report/summary.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#define SHOWN_ACTIONS 8 /* where there are more, those with long outages */
#define SHOWN_RUNS 8 /* of who answered */

enum column { LABEL, SENT, RECEIVED, LOST, DUP, REORD, OUTAGE, RTT };

__attribute__((format(printf, 3, 4))) static void
cell(struct table_row *row, enum column column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(row->cells[column], TABLE_CELL, fmt, ap);
	va_end(ap);
}

static void add_heads(struct table *t, const struct figures *f)
{
	struct table_row *row = table_add(t);

	if (!row)
		return;
	cell(row, SENT, "sent");
	cell(row, RECEIVED,
	     f->connections == FIGURE_NONE ? "received" : "answered");
	cell(row, LOST, f->connections == FIGURE_NONE ? "lost" : "failed");
	if (f->connections == FIGURE_NONE)
		cell(row, DUP, "dup");
	if (f->counts.reordered && f->connections == FIGURE_NONE)
		cell(row, REORD, "reordered");
	cell(row, OUTAGE, "outage");
	cell(row, RTT,
	     f->connections == FIGURE_NONE ? "rtt p50 / p99" :
					     "latency p50 / p99");
}

static void add_figures(struct table *t, const struct figures *f,
			const char *label, const struct figures_counts *c,
			const struct figures_outage *outage,
			const struct figures_rtt *rtt)
{
	struct table_row *row = table_add(t);
	char p50[32], p99[32];

	if (!row)
		return;
	cell(row, LABEL, "%s", label);
	cell(row, SENT, "%" PRIu64, c->sent);
	cell(row, RECEIVED, "%" PRIu64, c->received);
	cell(row, LOST, "%" PRIu64, c->lost);
	if (f->connections == FIGURE_NONE)
		cell(row, DUP, "%" PRIu64, c->duplicated);
	if (f->counts.reordered && f->connections == FIGURE_NONE)
		cell(row, REORD, "%" PRIu64, c->reordered);
	/* All was lost, and the outage is that of a "during" which it led to.
	 */
	if (!outage->length_ns && c->sent && !c->received)
		cell(row, OUTAGE, "(below)");
	else
		summary_duration(outage->length_ns ? outage->length_ns :
						     FIGURE_NONE,
				 row->cells[OUTAGE], TABLE_CELL);
	if (rtt->p50_ns == FIGURE_NONE)
		cell(row, RTT, "-");
	else
		cell(row, RTT, "%s / %8s",
		     summary_duration(rtt->p50_ns, p50, sizeof(p50)),
		     summary_duration(rtt->p99_ns, p99, sizeof(p99)));
}

static void add_action(struct table *t, const struct report *r, size_t i)
{
	const struct record_action *a = &r->record.actions.v[i];
	char at[32], late[32], took[32];

	summary_moment(a->planned_ns, at, sizeof(at));
	summary_duration(report_late_ns(r, i), late, sizeof(late));
	if (a->error)
		table_add_text(t, "%s  %s  (failed)", at, a->text);
	else if (a->rolled_back)
		table_add_text(t, "%s  %s  (rolled back: %.100s)", at, a->text,
			       a->rolled_back);
	else if (a->end_ns == RECORD_NONE)
		table_add_text(t, "%s  %s  (never done)", at, a->text);
	else if (a->unchanged)
		table_add_text(t, "%s  %s  (nothing to do: %s)", at, a->text,
			       a->unchanged);
	else
		table_add_text(t, "%s  %s  (%s late, took %s)", at, a->text,
			       late,
			       summary_duration(report_took_ns(r, i), took,
						sizeof(took)));
}

/* Is this action's outage among the longest? The earlier ones win a tie. */
static bool is_shown(const struct figures *f, size_t i)
{
	int64_t length = f->actions.v[i].length_ns;
	size_t worse = 0;

	if (f->actions.n <= SHOWN_ACTIONS)
		return true;
	for (size_t j = 0; j < f->actions.n && worse < SHOWN_ACTIONS; j++)
		worse += f->actions.v[j].length_ns > length ||
			 (f->actions.v[j].length_ns == length && j < i);
	return worse < SHOWN_ACTIONS;
}

void summary_phases(struct table *t, const struct report *r,
		    const struct figures *f, summary_row add)
{
	size_t left = f->actions.n;

	for (size_t i = 0; i < f->phases.n && f->actions.n; i++) {
		const struct figures_phase *p = &f->phases.v[i];
		const char *label = p->kind == PHASE_BEFORE ? "before" :
				    p->kind == PHASE_DURING ? "  during" :
							      "  after";

		if (p->kind != PHASE_BEFORE && !is_shown(f, p->action))
			continue;
		for (size_t k = 0; p->kind == PHASE_DURING && k < p->n_actions;
		     k++, left--)
			add_action(t, r, p->action + k);
		/* No time, or none in which it was looked at. */
		if (p->counts.sent == 0 && p->outage.length_ns == 0 &&
		    p->goodput_bps == FIGURE_NONE)
			continue;
		add(t, f, label, p);
	}
	if (left)
		table_add_text(t,
			       "... and %zu more action%s with shorter outages",
			       left, left == 1 ? "" : "s");
}

static void add_phase(struct table *t, const struct figures *f,
		      const char *label, const struct figures_phase *p)
{
	add_figures(t, f, label, &p->counts, &p->outage, &p->rtt);
}

/* Did the outage go on while this action disturbed the flow? Any other gap is
 * no doing of its. */
static bool touches_during(const struct figures *f, size_t action)
{
	for (size_t i = 0; i < f->phases.n; i++) {
		const struct figures_phase *p = &f->phases.v[i];

		if (p->kind == PHASE_DURING && p->action == action)
			return p->outage.begin_ns == f->outage.begin_ns &&
			       p->outage.length_ns == f->outage.length_ns;
	}
	return false;
}

/* Of the actions that the longest outage overlaps, the one nearest to where it
 * began; SCN_NONE where there is none. */
static size_t outage_action(const struct report *r, const struct figures *f)
{
	size_t nearest = SCN_NONE;
	int64_t best = INT64_MAX;

	for (size_t i = 0; i < f->actions.n; i++) {
		int64_t away = figures_span(f->outage.begin_ns,
					    r->record.actions.v[i].begin_ns);

		if (away < 0)
			away = -away;
		if (!touches_during(f, i))
			continue;
		if (f->actions.v[i].begin_ns == f->outage.begin_ns &&
		    away < best) {
			best = away;
			nearest = i;
		}
	}
	return nearest;
}

void summary_outage(struct table *t, const struct report *r,
		    const struct figures *f)
{
	char length[32], at[32], away[32];
	size_t i = outage_action(r, f);
	int64_t since;

	summary_duration(f->outage.length_ns, length, sizeof(length));
	summary_moment(record_t_ns(&r->record, f->outage.begin_ns), at,
		       sizeof(at));
	if (i == SCN_NONE) {
		table_add_text(t, "longest outage %s, from %s", length, at);
		return;
	}
	since = figures_span(f->outage.begin_ns,
			     r->record.actions.v[i].begin_ns);
	summary_duration(since < 0 ? -since : since, away, sizeof(away));
	table_add_text(t, "longest outage %s, from %s (%s %s \"%s\")", length,
		       at, away, since < 0 ? "before" : "after",
		       r->record.actions.v[i].text);
}

/* "0.001 s to 1.027 s" */
static void print_times(const struct summary *s, int64_t first_ns,
			int64_t last_ns)
{
	const struct record *rec = &s->report->record;
	char first[32], last[32];

	summary_moment(record_t_ns(rec, record_run_of_real(rec, first_ns)),
		       first, sizeof(first));
	summary_moment(record_t_ns(rec, record_run_of_real(rec, last_ns)), last,
		       sizeof(last));
	fprintf(s->out, " (%s to %s)", first, last);
}

static void print_path(const struct summary *s, const char *how,
		       const path_runs *runs)
{
	if (runs->n < 2)
		return;
	fprintf(s->out, "  %s by ", how);
	for (size_t i = 0; i < runs->n && i < SHOWN_RUNS; i++) {
		fputs(i ? ", " : "", s->out);
		summary_put(s, runs->v[i].interface);
		print_times(s, runs->v[i].first_ns, runs->v[i].last_ns);
	}
	if (runs->n > SHOWN_RUNS)
		fprintf(s->out, ", ... %zu more", runs->n - SHOWN_RUNS);
	fputc('\n', s->out);
}

void summary_served(const struct summary *s, size_t probe)
{
	const struct scenario *scn = s->report->record.scenario;
	const struct probe_result *p = &s->report->probes[probe];
	bool by_port = whose_by_port(&scn->probes.v[probe]);

	print_path(s, "left", &p->path.left);
	print_path(s, "came", &p->path.came);
	if (!p->served.n)
		return;
	fputs("  answered by ", s->out);
	for (size_t i = 0; i < p->served.n && i < SHOWN_RUNS; i++) {
		const struct served_run *run = &p->served.v[i];

		fputs(i ? ", " : "", s->out);
		summary_put(s, scn->nodes.v[run->node].name);
		if (by_port) {
			print_times(s, run->first_ns, run->last_ns);
			continue;
		}
		fprintf(s->out, " %" PRIu64 " (%" PRIu64, run->count,
			run->first_seq);
		if (run->last_seq != run->first_seq)
			fprintf(s->out, " to %" PRIu64, run->last_seq);
		fputc(')', s->out);
	}
	if (p->served.n > SHOWN_RUNS)
		fprintf(s->out, ", ... %zu more", p->served.n - SHOWN_RUNS);
	fputc('\n', s->out);
	if (p->twice)
		fprintf(s->out,
			"  %" PRIu64 " packet%s answered by more than "
			"one instance\n",
			p->twice, p->twice == 1 ? " was" : "s were");
}

static void print_errors(const struct summary *s, const struct figures *f)
{
	if (!f->n_errors)
		return;
	fputs("  errors: ", s->out);
	for (size_t i = 0; i < f->n_errors; i++) {
		fputs(i ? ", " : "", s->out);
		summary_put(s, f->errors[i].text);
		fprintf(s->out, " %" PRIu64, f->errors[i].count);
	}
	fputc('\n', s->out);
}

void summary_probe_head(const struct summary *s, size_t i, const char *what)
{
	const struct scenario *scn = s->report->record.scenario;
	const struct scn_probe *probe = &scn->probes.v[i];
	const char *to = s->report->record.probes[i].to;

	summary_put(s, probe->name);
	fprintf(s->out, ": %s from ", what);
	summary_put(s, scn->nodes.v[probe->node].name);
	fputs(" to ", s->out);
	if (probe->target == SCN_TARGET_SERVICE)
		summary_put(s, scn->services.v[probe->to].name);
	else if (probe->target == SCN_TARGET_NODE)
		summary_put(s, scn->nodes.v[probe->to].name);
	if (probe->target == SCN_TARGET_ADDRESS) {
		summary_put(s, to ? to : "its address");
	} else if (to) {
		fputs(" (", s->out);
		summary_put(s, to);
		fputs(")", s->out);
	}
}

/* "rtt: ping from a to echo (fe00::1), every 10 ms" */
static void print_probe_head(const struct summary *s, size_t i)
{
	const struct scn_probe *probe =
		&s->report->record.scenario->probes.v[i];
	const struct figures *f = &s->report->probes[i].figures;
	int64_t off = figures_span(f->interval_ns, probe->interval_ns);
	char text[32];

	static const char *const what[] = {
		[SCN_PROBE_PING] = "ping",
		[SCN_PROBE_UDP_ECHO] = "udp",
		[SCN_PROBE_TCP_STREAM] = "tcp stream",
		[SCN_PROBE_TCP_REQUEST] = "tcp requests",
		[SCN_PROBE_HTTP] = "http",
	};

	summary_probe_head(s, i, what[probe->kind]);
	if (probe->kind == SCN_PROBE_HTTP && probe->concurrency > 1)
		fprintf(s->out, ", %u at a time", probe->concurrency);
	if (!probe->interval_ns) {
		fputs(", one after another\n", s->out);
		return;
	}
	fputs(", every ", s->out);
	summary_put(s,
		    summary_duration(probe->interval_ns, text, sizeof(text)));
	/* What was skipped stretches the mean, and is told by itself. */
	if (f->interval_ns != FIGURE_NONE &&
	    !s->report->record.probes[i].skipped &&
	    llabs(off) > probe->interval_ns / 100) {
		fputs(" (in fact ", s->out);
		summary_put(s, summary_duration(f->interval_ns, text,
						sizeof(text)));
		fputs(")", s->out);
	}
	fputc('\n', s->out);
}

void summary_probe_end(const struct summary *s, size_t i)
{
	const struct record *rec = &s->report->record;
	const struct record_probe *p = &rec->probes[i];
	const char *node =
		rec->scenario->nodes.v[rec->scenario->probes.v[i].node].name;
	char at[32];

	if (p->skipped) {
		fprintf(s->out, "  %" PRIu64 " %s due while ", p->skipped,
			p->skipped == 1 ? "was" : "were");
		summary_put(s, node);
		fputs(" stood still, and not sent\n", s->out);
	}
	if (p->crashed_ns == RECORD_NONE)
		return;
	fprintf(s->out, "  ended at %s, when ",
		summary_moment(record_t_ns(rec, p->crashed_ns), at,
			       sizeof(at)));
	summary_put(s, node);
	fputs(" crashed\n", s->out);
}

void summary_probe(const struct summary *s, size_t i)
{
	const struct report *r = s->report;
	const struct figures *f = &r->probes[i].figures;
	struct table t = { .indent = 2 };

	if (r->record.scenario->probes.v[i].kind == SCN_PROBE_TCP_STREAM) {
		summary_stream(s, i);
		return;
	}
	fputc('\n', s->out);
	print_probe_head(s, i);
	if (!f->counts.sent) {
		fputs(r->record.probes[i].started ? "  nothing was sent\n" :
						    "  never began\n",
		      s->out);
		summary_probe_end(s, i);
		return;
	}
	add_heads(&t, f);
	summary_phases(&t, r, f, add_phase);
	add_figures(&t, f, "all", &f->counts, &f->outage, &f->rtt);
	if (f->outage.length_ns)
		summary_outage(&t, r, f);
	table_print(&t, s->out, s->utf8);
	table_free(&t);
	summary_served(s, i);
	print_errors(s, f);
	if (f->connections != FIGURE_NONE)
		fprintf(s->out, "  over %" PRId64 " connection%s\n",
			f->connections, f->connections == 1 ? "" : "s");
	summary_probe_end(s, i);
}
