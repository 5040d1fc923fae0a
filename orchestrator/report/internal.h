/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a report is made of. report.c makes it, verdict.c and expect.c judge;
 * summary.c and json.c, which show it, only read.
 */
#ifndef REPORT_INTERNAL_H
#define REPORT_INTERNAL_H

#include "base/vec.h"
#include "orchestrator/report/expect.h"
#include "orchestrator/report/figures.h"
#include "orchestrator/report/record.h"
#include "orchestrator/report/report.h"
#include "orchestrator/report/served.h"

#include <stdbool.h>
#include <stdint.h>

struct report_lateness { /* of the actions; FIGURE_NONE: there were none */
	int64_t p50_ns, p99_ns, max_ns;
};

struct report {
	struct record record;
	struct probe_result *probes; /* by the scenario's index */
	struct judgement *judged; /* by the expectation's index */
	struct report_lateness lateness;
	enum report_verdict verdict;
	VEC(char *) reasons; /* why the verdict is no plain pass or failure */
};

/* verdict.c: fills in verdict and reasons; 0 or -ENOMEM. */
int verdict_make(struct report *r);
/* Adds a reason; the same. */
int verdict_reason(struct report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* verdict_links.c: adds what is wrong with the emulated links; the same. */
int verdict_links(struct report *r);
/* verdict_undone.c: what was planned and not done; the same. */
int verdict_undone(struct report *r);
const char *verdict_name(enum report_verdict v);

/* How long the run was: from the timeline's zero (or the run's start). */
int64_t report_duration_ns(const struct report *r);
/* Action i began that much after its planned time. */
int64_t report_late_ns(const struct report *r, size_t i);
/* FIGURE_NONE: it was never done. */
int64_t report_took_ns(const struct report *r, size_t i);

#endif
