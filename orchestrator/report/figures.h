/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a probe's packets lived through, in numbers. Pure: samples and actions
 * in, figures out. docs/measures.md holds the definitions, with a drawing.
 *
 * All times are CLOCK_MONOTONIC in ns, as in the samples. FIGURE_NONE stands
 * where there is nothing to tell, such as the RTT of packets never answered.
 */
#ifndef REPORT_FIGURES_H
#define REPORT_FIGURES_H

#include "base/vec.h"
#include "orchestrator/observe/bins.h"
#include "orchestrator/observe/samples.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIGURE_NONE INT64_MIN
#define FIGURE_FOREVER INT64_MAX

/* An action, from its actual beginning to when it was done. */
struct figures_action {
	int64_t begin_ns;
	int64_t end_ns; /* FIGURE_FOREVER: never done */
	bool joins; /* the one before: nothing is cut between the two */
};

struct figures_rtt {
	int64_t min_ns, p50_ns, p99_ns, max_ns; /* FIGURE_NONE: no reply */
};

/* The longest time without a delivery; length 0 where there is no gap. */
struct figures_outage {
	int64_t length_ns;
	int64_t begin_ns; /* FIGURE_NONE where length is 0 */
};

struct figures_counts {
	uint64_t sent, received, lost, duplicated, reordered;
};

/* How many packets met an error of that name. */
struct figures_error {
	const char *text; /* borrowed from the samples */
	uint64_t count;
};
#define FIGURES_ERRORS_MAX 8 /* kinds kept apart; the rest is "other" */

enum figures_phase_kind { PHASE_BEFORE, PHASE_DURING, PHASE_AFTER };

struct figures_phase {
	enum figures_phase_kind kind;
	size_t action; /* index of the first; before: 0 */
	size_t n_actions; /* it and those that join it; before: 0 */
	int64_t begin_ns,
		end_ns; /* [begin, end); the first begins at INT64_MIN,
			   the last ends at FIGURE_FOREVER */
	struct figures_counts counts; /* of the packets sent in it */
	struct figures_rtt rtt;
	struct figures_outage outage;
	int64_t bytes, goodput_bps; /* of a stream; FIGURE_NONE */
};

/* How a stream came back to its earlier rate after an action. */
enum figures_recovery_kind {
	RECOVERY_UNKNOWN, /* there was no earlier rate to speak of */
	RECOVERY_UNNEEDED, /* it never fell below 90 % */
	RECOVERY_DONE,
	RECOVERY_NEVER, /* not before the next action, or the end */
};

struct figures_recovery {
	enum figures_recovery_kind kind;
	int64_t earlier_bps; /* FIGURE_NONE */
	int64_t after_ns; /* from the action's beginning; unneeded: 0; else
			     FIGURE_NONE */
};

struct figures {
	struct figures_counts counts;
	struct figures_rtt rtt;
	struct figures_outage outage;
	struct figures_error errors[FIGURES_ERRORS_MAX + 1];
	size_t n_errors;
	int64_t interval_ns; /* mean time between sendings; FIGURE_NONE */
	int64_t bytes, goodput_bps; /* of a stream; FIGURE_NONE */
	int64_t connections; /* that requests were sent over; FIGURE_NONE */
	int64_t recovery_ns; /* the longest; FIGURE_NONE: unknown, or never */
	VEC(struct figures_phase)
	phases; /* before, (during, after) per action that joins no other */
	VEC(struct figures_outage)
	actions; /* longest gap from an action's beginning to the
		    next one's; those that join have the same */
	VEC(struct figures_recovery) recoveries; /* likewise; of a stream */
};

/*
 * The samples sorted by seq (and to live as long as the figures), the actions
 * by beginning. 0 or -ENOMEM; out is to be freed either way.
 */
int figures_make(const struct sample *samples, size_t n_samples,
		 const struct figures_action *actions, size_t n_actions,
		 struct figures *out);
void figures_free(struct figures *f);

/* A stream, as its receiver saw it. */
struct figures_stream {
	const struct bin *bins; /* by time */
	size_t n;
	int64_t connected_ns; /* FIGURE_NONE: never */
	int64_t ended_ns; /* FIGURE_NONE: never */
	bool complete; /* it ended as it should: nothing was to come any more */
	bool stopped; /* the run's end cut it off */
};

/*
 * The same for a stream: there are no counts and round trips. 0 or -ENOMEM; out
 * is to be freed either way.
 */
int figures_make_stream(const struct figures_stream *stream,
			const struct figures_action *actions, size_t n_actions,
			struct figures *out);

/*
 * The nearest-rank percentile (0 < percent <= 100) of sorted values: the
 * smallest value that at least percent % of them do not exceed. It always is
 * a value that was measured. FIGURE_NONE where n is 0.
 */
int64_t figures_percentile(const int64_t *sorted, size_t n, unsigned percent);

/* a - b, held within what int64_t can say: records may hold any number. */
int64_t figures_span(int64_t a, int64_t b);

#endif
