/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judging one expectation against what a record shows. */
#ifndef REPORT_EXPECT_H
#define REPORT_EXPECT_H

#include "base/err.h"
#include "orchestrator/report/figures.h"
#include "orchestrator/report/record.h"
#include "orchestrator/report/served.h"
#include "orchestrator/report/trace.h"

#include <stdbool.h>
#include <stdint.h>

struct probe_result { /* by the scenario's index of the probe */
	struct figures figures;
	served_runs served;
	served_choice_vec choices;
	struct path path;
	uint64_t twice; /* packets that more than one node answered */
};

/*
 * Read as "SUBJECT ACTUAL" and "SUBJECT EXPECTED": "rtt: lost", "3", "at most
 * 1". Where the actual text is the expected one, there is no more to say.
 */
struct judgement {
	const struct scn_expect *expect;
	bool held;
	bool exceeds; /* a count that only grows is above its range */
	char *subject, *expected, *actual;
	/* So much of expected says enough where the actual text is beside it;
	 * 0: all of it. */
	size_t brief;
	/* Where the expectation compares: the figure, and the other probe's.
	 * FIGURE_NONE: not known. */
	struct {
		int64_t value, whole;
	} share;
};

/*
 * probes by the scenario's index; counter: this expectation's, for captures.
 * 0 or a negative errno (no memory, a log that cannot be read). out is to be
 * freed either way.
 */
int expect_judge(const struct record *rec, const struct probe_result *probes,
		 const struct trace_counter *counter,
		 const struct scn_expect *expect, struct judgement *out,
		 struct err *err);
void judgement_free(struct judgement *j);

/* Needs this expectation the trace to be whole? */
bool expect_needs_trace(const struct scn_expect *expect);

#endif
