/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How late things were done, in memory that does not grow: a histogram whose
 * steps are at most 1/32 of the value. Percentiles are the upper edge of the
 * step that they fall into, so never too small; the maximum is exact.
 */
#ifndef OBSERVE_LATENESS_H
#define OBSERVE_LATENESS_H

#include "orchestrator/observe/probe.h"

#define LATENESS_BITS 5 /* 2^5 steps for each power of two */
#define LATENESS_STEPS ((64 - LATENESS_BITS) << LATENESS_BITS)

struct lateness {
	uint64_t count;
	int64_t max_ns;
	uint32_t steps[LATENESS_STEPS];
};

/* Early counts as on time. */
void lateness_add(struct lateness *l, int64_t late_ns);
struct probe_lateness lateness_get(const struct lateness *l);

#endif
