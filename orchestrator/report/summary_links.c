/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated links in the terminal summary: one line says how late their
 * frames were at worst, and a table shows those to which anything happened. In
 * a lab of hundreds the others are nobody's business; results.json has them.
 */
#include "orchestrator/report/summary.h"

#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 10

static bool is_notable(const struct link_side *s)
{
	return s->lost || s->duplicated || s->corrupted || s->reordered ||
	       s->marked || s->queue_dropped || s->mtu_dropped ||
	       s->down_dropped || s->machine_dropped || s->busy_ns > 0;
}

static void count(char *cell, int64_t n)
{
	if (n)
		snprintf(cell, TABLE_CELL, "%" PRId64, n);
}

static void rate_text(char *cell, int64_t bps)
{
	if (bps == LINK_FIGURE_NONE)
		return;
	if (bps >= 1000000)
		snprintf(cell, TABLE_CELL, "%.2f mbit", (double)bps / 1e6);
	else
		snprintf(cell, TABLE_CELL, "%.2f kbit", (double)bps / 1e3);
}

/* Does another link connect the same two nodes? */
static bool has_twin(const struct scenario *s, size_t link)
{
	const struct scn_endpoint *a = s->links.v[link].end;

	for (size_t i = 0; i < s->links.n; i++) {
		const struct scn_endpoint *b = s->links.v[i].end;

		if (i != link &&
		    ((a[0].node == b[0].node && a[1].node == b[1].node) ||
		     (a[0].node == b[1].node && a[1].node == b[0].node)))
			return true;
	}
	return false;
}

static void add_row(struct table *t, const struct scenario *scenario,
		    size_t link, size_t end, const struct link_side *s)
{
	struct table_row *row = table_add(t);
	char direction[2 * 128 + 2], late[48];
	bool twin = has_twin(scenario, link);

	if (!row)
		return;
	snprintf(row->cells[0], TABLE_CELL, "%s%s%s",
		 twin ? scenario->links.v[link].name : "", twin ? ", " : "",
		 scn_direction_text(scenario, link, end, direction,
				    sizeof(direction)));
	utf8_mend(row->cells[0]);
	snprintf(row->cells[1], TABLE_CELL, "%" PRId64, s->offered);
	count(row->cells[2], s->lost);
	count(row->cells[3], s->queue_dropped);
	count(row->cells[4], s->mtu_dropped + s->down_dropped);
	count(row->cells[5],
	      s->duplicated + s->corrupted + s->reordered + s->marked);
	rate_text(row->cells[6], s->rate_realised_bps);
	snprintf(row->cells[7], TABLE_CELL, "%s",
		 summary_duration(s->late_p99_ns, late, sizeof(late)));
}

static void add_head(struct table *t)
{
	static const char *const head[] = { "",	     "frames",	 "lost",
					    "queue", "mtu/down", "changed",
					    "rate",  "late p99" };
	struct table_row *row = table_add(t);

	for (size_t i = 0; row && i < TABLE_COLUMNS; i++)
		snprintf(row->cells[i], TABLE_CELL, "%s", head[i]);
}

/* Without rows a column of which only the head stands there is empty. */
static void drop_empty_columns(struct table *t)
{
	for (size_t c = 1; c < TABLE_COLUMNS; c++) {
		bool used = false;

		for (size_t i = 1; i < t->rows.n; i++)
			used |= !t->rows.v[i].text && t->rows.v[i].cells[c][0];
		if (!used)
			t->rows.v[0].cells[c][0] = '\0';
	}
}

void summary_links(const struct summary *s)
{
	const struct record *rec = &s->report->record;
	struct table t = { .indent = 2 };
	int64_t p50 = 0, p99 = 0;
	size_t links = 0, more = 0;
	char a[48], b[48];

	add_head(&t);
	for (size_t i = 0; i < rec->scenario->links.n; i++) {
		const struct link_figures *f = link_figures_find(
			&rec->links, rec->scenario->links.v[i].name);

		links += f != NULL;
		for (size_t end = 0; f && end < 2; end++) {
			const struct link_side *side = &f->side[end];

			p50 = side->late_p50_ns > p50 ? side->late_p50_ns : p50;
			p99 = side->late_p99_ns > p99 ? side->late_p99_ns : p99;
			if (!is_notable(side))
				continue;
			if (t.rows.n > ROWS_MAX)
				more++;
			else
				add_row(&t, rec->scenario, i, end, side);
		}
	}
	if (links) {
		fprintf(s->out,
			"\n%zu emulated link%s, frames late by %s (p50) and %s "
			"(p99) at worst\n",
			links, links == 1 ? "" : "s",
			summary_duration(p50, a, sizeof(a)),
			summary_duration(p99, b, sizeof(b)));
		if (t.rows.n > 1) {
			drop_empty_columns(&t);
			table_print(&t, s->out, s->utf8);
		}
		if (more)
			fprintf(s->out, "  and %zu more, in results.json\n",
				more);
	}
	table_free(&t);
}
