/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a direction did, over time: one row for each 100 ms in which something
 * happened, one for all the time between two of these, and a new one wherever
 * the link is changed, so that the properties of a row are the same throughout.
 * Rows follow each other without a gap from the first frame on.
 *
 * Nothing is written while frames go on: a disk may keep a process waiting for
 * longer than any frame is late. So it all stays in memory, and is bounded:
 * when there are HISTORY_ROWS, neighbours become one, of twice the time.
 * However long a run was, it has some hundreds of rows.
 */
#ifndef EMULATE_HISTORY_H
#define EMULATE_HISTORY_H

#include "orchestrator/link/link.h"

#include <stdio.h>

#define HISTORY_ROWS 1024
#define HISTORY_WIDTH_NS INT64_C(100000000) /* of a row at first */

struct history_row {
	int64_t begin_ns, end_ns; /* CLOCK_MONOTONIC */
	uint64_t offered, offered_bytes, delivered, delivered_bytes;
	uint64_t lost, queue_dropped, other_dropped, marked;
	/* What the rate or the trace could have let through (link_capacity());
	 * UINT64_MAX: there was none. */
	uint64_t capacity_bytes;
	uint32_t queued_most; /* packets */
	uint64_t written; /* of which there are ... */
	double delay_sum_ns; /* ... these, from being read on */
	int64_t delay_max_ns, late_max_ns;
};

struct history { /* to be zeroed, and then history_init() */
	struct history_row *rows;
	size_t n, room;
	int64_t base_ns; /* of the grid that rows begin on */
	int64_t width_ns;
	struct history_row now;
	int64_t end_ns; /* of now; INT64_MIN: there is none yet */
	struct link_counts before; /* what the model counted when it began */
	uint64_t untold; /* rows for which there was no memory */
};

void history_init(struct history *h, int64_t base_ns);
void history_deinit(struct history *h);

/* Ends the row whose time is over. */
void history_turn(struct history *h, const struct link_direction *model,
		  int64_t now_ns);
/* To be called before the model is told of anything at that time. */
static inline void history_touch(struct history *h,
				 const struct link_direction *model,
				 int64_t now_ns)
{
	if (now_ns >= h->end_ns)
		history_turn(h, model, now_ns);
}
/* To be called before the link is changed, and at the end of the run: what
 * comes then is in another row. */
void history_cut(struct history *h, const struct link_direction *model,
		 int64_t now_ns);

static inline void history_queued(struct history *h, uint32_t packets)
{
	if (packets > h->now.queued_most)
		h->now.queued_most = packets;
}

static inline void history_written(struct history *h, int64_t delay_ns,
				   int64_t late_ns)
{
	h->now.written++;
	h->now.delay_sum_ns += (double)delay_ns;
	if (delay_ns > h->now.delay_max_ns)
		h->now.delay_max_ns = delay_ns;
	if (late_ns > h->now.late_max_ns)
		h->now.late_max_ns = late_ns;
}

/* The line that names the columns, and the rows; link, from, to: the first
 * columns of each. */
void history_write_header(FILE *out);
void history_write(const struct history *h, const char *link, const char *from,
		   const char *to, FILE *out);

#endif
