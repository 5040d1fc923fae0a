/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The summary of one stream: its phases, as for a probe of packets, and then
 * what became of the connection and its content. */
#include "orchestrator/report/summary.h"

#include "base/units.h"
#include "orchestrator/report/stream.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_RECOVERIES 8

enum column { LABEL, DELIVERED, GOODPUT, OUTAGE };

static void add_row(struct table *t, const char *label, int64_t bytes,
		    int64_t bps, const struct figures_outage *outage)
{
	struct table_row *row = table_add(t);

	if (!row)
		return;
	snprintf(row->cells[LABEL], TABLE_CELL, "%s", label);
	if (bytes == FIGURE_NONE)
		strcpy(row->cells[DELIVERED], "-");
	else
		units_format_bytes(bytes, row->cells[DELIVERED], TABLE_CELL);
	if (bps == FIGURE_NONE)
		strcpy(row->cells[GOODPUT], "-");
	else
		units_format_rate(bps, row->cells[GOODPUT], TABLE_CELL);
	summary_duration(outage->length_ns ? outage->length_ns : FIGURE_NONE,
			 row->cells[OUTAGE], TABLE_CELL);
}

static void add_phase(struct table *t, const struct figures *f,
		      const char *label, const struct figures_phase *p)
{
	(void)f;
	add_row(t, label, p->bytes, p->goodput_bps, &p->outage);
}

static void add_heads(struct table *t)
{
	struct table_row *row = table_add(t);

	if (!row)
		return;
	strcpy(row->cells[DELIVERED], "delivered");
	strcpy(row->cells[GOODPUT], "goodput");
	strcpy(row->cells[OUTAGE], "outage");
}

static void add_recoveries(struct table *t, const struct report *r,
			   const struct figures *f)
{
	char after[32], rate[32];
	size_t shown = 0;

	for (size_t i = 0; i < f->recoveries.n && shown < SHOWN_RECOVERIES;
	     i++) {
		const struct figures_recovery *re = &f->recoveries.v[i];
		const char *text = r->record.actions.v[i].text;

		if (re->kind != RECOVERY_DONE && re->kind != RECOVERY_NEVER)
			continue;
		/* Of several at one moment, one says it. */
		if (i && r->record.actions.v[i].planned_ns ==
				 r->record.actions.v[i - 1].planned_ns)
			continue;
		shown++;
		units_format_rate(re->earlier_bps, rate, sizeof(rate));
		if (re->kind == RECOVERY_NEVER)
			table_add_text(t,
				       "never back at 90 %% of %s after "
				       "\"%s\"",
				       rate, text);
		else
			table_add_text(t, "back at 90 %% of %s %s after \"%s\"",
				       rate,
				       summary_duration(re->after_ns, after,
							sizeof(after)),
				       text);
	}
}

static void print_content(const struct summary *s, const struct record_probe *p)
{
	int64_t intact = stream_intact(p), wrong = stream_first_wrong(p);

	if (intact == FIGURE_NONE)
		return;
	if (wrong != RECORD_NONE)
		fprintf(s->out, "; wrong from byte %" PRId64 " on", wrong);
	else
		fputs(intact ? "; intact" : "; damaged", s->out);
	if (intact && *p->stream.sha256 && *p->stream.peer_sha256)
		fprintf(s->out, ", sha256 %.16s... at both ends",
			p->stream.sha256);
}

static void print_end(const struct summary *s, const struct record_probe *p)
{
	const struct record *rec = &s->report->record;
	char text[32];

	if (!p->stream.known) {
		fputs(p->started ? "  told nothing\n" : "  never began\n",
		      s->out);
		return;
	}
	fputs("  ", s->out);
	if (p->stream.connected_ns == RECORD_NONE)
		fputs("never connected: ", s->out);
	else
		fprintf(s->out, "connected in %s; ",
			summary_duration(stream_connect_ns(p), text,
					 sizeof(text)));
	summary_put(s, p->stream.end);
	if (p->stream.ended_ns != RECORD_NONE)
		fprintf(s->out, " at %s",
			summary_moment(record_t_ns(rec, p->stream.ended_ns),
				       text, sizeof(text)));
	print_content(s, p);
	fputc('\n', s->out);
}

void summary_stream(const struct summary *s, size_t i)
{
	const struct report *r = s->report;
	const struct scn_probe *probe = &r->record.scenario->probes.v[i];
	const struct record_probe *p = &r->record.probes[i];
	const struct figures *f = &r->probes[i].figures;
	struct table t = { .indent = 2 };
	char rate[32];

	fputc('\n', s->out);
	summary_probe_head(s, i, probe->upload ? "tcp upload" : "tcp download");
	if (probe->rate_bps)
		fprintf(s->out, ", at most %s",
			units_format_rate((int64_t)probe->rate_bps, rate,
					  sizeof(rate)));
	fputc('\n', s->out);
	if (p->stream.known && p->stream.connected_ns != RECORD_NONE) {
		add_heads(&t);
		summary_phases(&t, r, f, add_phase);
		add_row(&t, "all", f->bytes, f->goodput_bps, &f->outage);
		if (f->outage.length_ns)
			summary_outage(&t, r, f);
		add_recoveries(&t, r, f);
		table_print(&t, s->out, s->utf8);
		table_free(&t);
	}
	print_end(s, p);
	summary_served(s, i);
	summary_probe_end(s, i);
}
