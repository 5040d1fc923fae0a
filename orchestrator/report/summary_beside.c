/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a run has several probes: a line for each, so that they can be read
 * against each other. What a probe of that kind does not have is left blank,
 * and a column that nobody has takes no room; what it should have and nobody
 * knows is "-".
 */
#include "orchestrator/report/stream.h"
#include "orchestrator/report/summary.h"

#include "base/units.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN_RUNS 4 /* of who answered */

enum column {
	LABEL,
	RECEIVED,
	LOST,
	OUTAGE,
	RTT,
	DELIVERED,
	ENDED,
	ANSWERED,
};

_Static_assert(ANSWERED < TABLE_COLUMNS, "they fit");

/* Which kinds of probes there are. */
struct kinds {
	bool packets, requests, streams;
};

static struct kinds look(const struct report *r)
{
	struct kinds kinds = { 0 };

	for (size_t i = 0; i < r->record.scenario->probes.n; i++) {
		enum scn_probe_kind k = r->record.scenario->probes.v[i].kind;

		kinds.streams |= k == SCN_PROBE_TCP_STREAM;
		kinds.packets |= scn_metric_fits(SCN_METRIC_LOST, k);
		kinds.requests |= scn_metric_fits(SCN_METRIC_FAILED, k);
	}
	return kinds;
}

static void add_heads(struct table *t, const struct kinds *kinds)
{
	struct table_row *row = table_add(t);
	bool both = kinds->packets && kinds->requests;

	if (!row)
		return;
	if (kinds->packets || kinds->requests) {
		strcpy(row->cells[RECEIVED],
		       kinds->packets ? "received" : "answered");
		strcpy(row->cells[LOST], both		? "lost, failed" :
					 kinds->packets ? "lost" :
							  "failed");
		strcpy(row->cells[RTT], both	       ? "p50" :
					kinds->packets ? "rtt p50" :
							 "latency p50");
	}
	strcpy(row->cells[OUTAGE], "outage");
	if (kinds->streams) {
		strcpy(row->cells[DELIVERED], "delivered");
		strcpy(row->cells[ENDED], "ended");
	}
}

static void put_packets(struct table_row *row, const struct figures *f)
{
	snprintf(row->cells[RECEIVED], TABLE_CELL, "%" PRIu64,
		 f->counts.received);
	snprintf(row->cells[LOST], TABLE_CELL, "%" PRIu64, f->counts.lost);
	summary_duration(f->rtt.p50_ns, row->cells[RTT], TABLE_CELL);
}

static void put_stream(struct table_row *row, const struct record_probe *p,
		       const struct figures *f)
{
	const char *end = !p->stream.known ? "-" :
			  p->stream.connected_ns == RECORD_NONE ?
					     "never connected" :
					     p->stream.end;

	snprintf(row->cells[ENDED], TABLE_CELL, "%s%s", end,
		 stream_intact(p) ? "" : ", damaged");
	if (f->bytes == FIGURE_NONE)
		strcpy(row->cells[DELIVERED], "-");
	else
		units_format_bytes(f->bytes, row->cells[DELIVERED], TABLE_CELL);
}

static void put_served(char cell[TABLE_CELL], const struct scenario *s,
		       const served_runs *runs)
{
	size_t at = 0;

	for (size_t i = 0; i < runs->n; i++) {
		const char *node = s->nodes.v[runs->v[i].node].name;
		int n;

		if (i == SHOWN_RUNS || at + strlen(node) > TABLE_CELL - 6) {
			strcpy(cell + at, " ...");
			return;
		}
		n = sprintf(cell + at, "%s%s", i ? " " : "", node);
		at += (size_t)n;
	}
}

static void add_probe(struct table *t, const struct report *r, size_t i)
{
	const struct scn_probe *probe = &r->record.scenario->probes.v[i];
	const struct record_probe *p = &r->record.probes[i];
	const struct figures *f = &r->probes[i].figures;
	struct table_row *row = table_add(t);

	if (!row)
		return;
	table_put(row->cells[LABEL], probe->name);
	if (!p->started) {
		strcpy(row->cells[OUTAGE], "-");
		return;
	}
	summary_duration(f->outage.length_ns ? f->outage.length_ns :
					       FIGURE_NONE,
			 row->cells[OUTAGE], TABLE_CELL);
	if (probe->kind == SCN_PROBE_TCP_STREAM)
		put_stream(row, p, f);
	else
		put_packets(row, f);
	put_served(row->cells[ANSWERED], r->record.scenario,
		   &r->probes[i].served);
}

void summary_beside(const struct summary *s)
{
	const struct report *r = s->report;
	const struct kinds kinds = look(r);
	struct table t = { .indent = 2 };
	size_t served = 0;

	if (r->record.scenario->probes.n < 2)
		return;
	add_heads(&t, &kinds);
	for (size_t i = 0; i < r->record.scenario->probes.n; i++) {
		add_probe(&t, r, i);
		served += r->probes[i].served.n;
	}
	if (served && t.rows.n)
		strcpy(t.rows.v[0].cells[ANSWERED], "answered by");
	fputs("\nside by side\n", s->out);
	table_print(&t, s->out, s->utf8);
	table_free(&t);
}
