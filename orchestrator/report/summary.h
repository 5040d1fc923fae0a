/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the terminal summary share. */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

#include "orchestrator/report/internal.h"
#include "orchestrator/report/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct summary {
	const struct report *report;
	FILE *out;
	bool color, utf8;
	unsigned width;
};

static inline void summary_put(const struct summary *s, const char *text)
{
	text_print(s->out, text, s->utf8);
}

/* "12.3 ms"; "-" for FIGURE_NONE. Returns buf. */
const char *summary_duration(int64_t ns, char *buf, size_t size);

/* "2.000 s": a moment of the run, in thousandths, so that one can be read
 * against another. t_ns counts from the timeline's zero. */
const char *summary_moment(int64_t t_ns, char *buf, size_t size);

/* summary_beside.c: a line for each probe, if there are several. */
void summary_beside(const struct summary *s);

/* summary_links.c: the emulated links, if there are any. */
void summary_links(const struct summary *s);

/* moves.c: why flows moved, if any did. */
void summary_moves(const struct summary *s);

/* summary_probe.c: all about one probe. */
void summary_probe(const struct summary *s, size_t probe);
/* Rows of a probe's table: its actions, and for each phase what add() makes of
 * it. */
typedef void (*summary_row)(struct table *t, const struct figures *f,
			    const char *label, const struct figures_phase *p);
void summary_phases(struct table *t, const struct report *r,
		    const struct figures *f, summary_row add);
void summary_outage(struct table *t, const struct report *r,
		    const struct figures *f);
/* "down: tcp download from a to bulk (198.18.0.1)" */
void summary_probe_head(const struct summary *s, size_t probe,
			const char *what);

/* Who answered, and by which interfaces, where there were several. */
void summary_served(const struct summary *s, size_t probe);
/* What the freeze or the crash of its own node did to it. */
void summary_probe_end(const struct summary *s, size_t probe);

/* summary_stream.c: likewise, of a stream. */
void summary_stream(const struct summary *s, size_t probe);

#endif
