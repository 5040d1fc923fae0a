/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A row's counts are what the model counted at its end, less what it had
 * counted at its beginning: nothing is counted twice, or anywhere else, and all
 * rows together are the totals of the report.
 *
 * Whether a row is over is seen when the next thing happens, before the model
 * hears of it. So an idle link needs no timer, and what happens is in the row
 * of its time.
 */
#include "orchestrator/emulate/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 32

void history_init(struct history *h, int64_t base_ns)
{
	*h = (struct history){ .base_ns = base_ns,
			       .width_ns = HISTORY_WIDTH_NS,
			       .end_ns = INT64_MIN };
}

void history_deinit(struct history *h)
{
	free(h->rows);
	*h = (struct history){ 0 };
}

/* ---- room ---------------------------------------------------------------- */

/* b follows a. */
static void join(struct history_row *a, const struct history_row *b)
{
	a->end_ns = b->end_ns;
	a->offered += b->offered;
	a->offered_bytes += b->offered_bytes;
	a->delivered += b->delivered;
	a->delivered_bytes += b->delivered_bytes;
	a->lost += b->lost;
	a->queue_dropped += b->queue_dropped;
	a->other_dropped += b->other_dropped;
	a->marked += b->marked;
	if (a->capacity_bytes == UINT64_MAX || b->capacity_bytes == UINT64_MAX)
		a->capacity_bytes = UINT64_MAX;
	else
		a->capacity_bytes += b->capacity_bytes;
	if (b->queued_most > a->queued_most)
		a->queued_most = b->queued_most;
	a->written += b->written;
	a->delay_sum_ns += b->delay_sum_ns;
	if (b->delay_max_ns > a->delay_max_ns)
		a->delay_max_ns = b->delay_max_ns;
	if (b->late_max_ns > a->late_max_ns)
		a->late_max_ns = b->late_max_ns;
}

static int64_t cell_of(const struct history *h, int64_t ns)
{
	return (ns - h->base_ns) / h->width_ns;
}

/* Rows that lie in the same cell of a grid twice as wide become one. */
static void widen(struct history *h)
{
	size_t n = 0;

	h->width_ns *= 2;
	for (size_t i = 0; i < h->n; i++) {
		struct history_row *last = n ? &h->rows[n - 1] : NULL;

		if (last && cell_of(h, last->begin_ns) ==
				    cell_of(h, h->rows[i].end_ns - 1))
			join(last, &h->rows[i]);
		else
			h->rows[n++] = h->rows[i];
	}
	h->n = n;
}

static void append(struct history *h, const struct history_row *row)
{
	if (h->n == h->room && h->room < HISTORY_ROWS) {
		size_t room = h->room ? 2 * h->room : ROWS_FIRST;
		struct history_row *rows =
			realloc(h->rows, room * sizeof(*rows));

		if (!rows) {
			h->untold++;
			return;
		}
		h->rows = rows;
		h->room = room;
	}
	while (h->n == h->room)
		widen(h);
	h->rows[h->n++] = *row;
}

/* ---- rows ---------------------------------------------------------------- */

static uint64_t others_dropped(const struct link_counts *c)
{
	return c->mtu_dropped + c->down_dropped + c->overflow_dropped;
}

static void end_row(struct history *h, const struct link_direction *model,
		    int64_t end_ns)
{
	const struct link_counts *c = link_counts(model), *b = &h->before;
	struct history_row *row = &h->now;

	row->end_ns = end_ns;
	row->offered = c->offered - b->offered;
	row->offered_bytes = c->offered_bytes - b->offered_bytes;
	row->delivered = c->delivered - b->delivered;
	row->delivered_bytes = c->delivered_bytes - b->delivered_bytes;
	row->lost = c->lost - b->lost;
	row->queue_dropped = c->queue_dropped - b->queue_dropped;
	row->other_dropped = others_dropped(c) - others_dropped(b);
	row->marked = c->marked - b->marked;
	row->capacity_bytes = link_capacity(model, row->begin_ns, end_ns);
	append(h, row);
	h->before = *c;
	h->now = (struct history_row){ .begin_ns = end_ns };
}

void history_turn(struct history *h, const struct link_direction *model,
		  int64_t now_ns)
{
	int64_t cell_ns = h->base_ns + cell_of(h, now_ns) * h->width_ns;

	if (h->end_ns == INT64_MIN)
		h->now.begin_ns = cell_ns;
	else
		end_row(h, model, h->end_ns);
	/* The width may be another one by now. */
	cell_ns = h->base_ns + cell_of(h, now_ns) * h->width_ns;
	if (cell_ns > h->now.begin_ns) /* nothing happened in between */
		end_row(h, model, cell_ns);
	h->end_ns = h->base_ns + (cell_of(h, now_ns) + 1) * h->width_ns;
}

void history_cut(struct history *h, const struct link_direction *model,
		 int64_t now_ns)
{
	if (h->end_ns == INT64_MIN)
		return; /* no frame has come yet */
	history_touch(h, model, now_ns);
	if (now_ns > h->now.begin_ns)
		end_row(h, model, now_ns);
}

/* ---- telling --------------------------------------------------------------
 */

void history_write_header(FILE *out)
{
	fputs("link,from,to,begin_ns,end_ns,offered,offered_bytes,delivered,"
	      "delivered_bytes,lost,queue_dropped,other_dropped,marked,"
	      "capacity_bytes,queued_most,delay_mean_ns,delay_max_ns,"
	      "late_max_ns\n",
	      out);
}

/* In quotes where it needs them (RFC 4180). */
static void write_name(const char *name, FILE *out)
{
	if (!name[strcspn(name, ",\"\r\n")]) {
		fputs(name, out);
	} else {
		fputc('"', out);
		for (; *name; name++) {
			if (*name == '"')
				fputc('"', out);
			fputc(*name, out);
		}
		fputc('"', out);
	}
	fputc(',', out);
}

static void write_row(const struct history_row *r, FILE *out)
{
	fprintf(out,
		"%" PRIi64 ",%" PRIi64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
		",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",",
		r->begin_ns, r->end_ns, r->offered, r->offered_bytes,
		r->delivered, r->delivered_bytes, r->lost, r->queue_dropped,
		r->other_dropped, r->marked);
	if (r->capacity_bytes != UINT64_MAX)
		fprintf(out, "%" PRIu64, r->capacity_bytes);
	fprintf(out, ",%" PRIu32 ",", r->queued_most);
	if (r->written)
		fprintf(out, "%.0f,%" PRIi64 ",%" PRIi64,
			r->delay_sum_ns / (double)r->written, r->delay_max_ns,
			r->late_max_ns);
	else
		fputs(",,", out);
	fputc('\n', out);
}

void history_write(const struct history *h, const char *link, const char *from,
		   const char *to, FILE *out)
{
	for (size_t i = 0; i < h->n; i++) {
		write_name(link, out);
		write_name(from, out);
		write_name(to, out);
		write_row(&h->rows[i], out);
	}
}
