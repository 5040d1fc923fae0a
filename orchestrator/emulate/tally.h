/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many durations, of which a few figures are wanted at the end: counted in
 * buckets that grow with the value, so that a percentile is at most 1/32 above
 * the truth, and memory does not grow with the run.
 */
#ifndef EMULATE_TALLY_H
#define EMULATE_TALLY_H

#include <stdint.h>

/* 32 for the first 32 ns, and for each doubling up to 2^40 ns (18 minutes). */
#define TALLY_BUCKETS (32 * 36)

struct tally {
	uint64_t n;
	int64_t max_ns;
	double sum_ns;
	uint64_t buckets[TALLY_BUCKETS];
};

void tally_add(struct tally *t, int64_t ns); /* less than 0 counts as 0 */
/* By nearest rank, share of 1; 0 where there is nothing. */
int64_t tally_percentile_ns(const struct tally *t, double share);
int64_t tally_mean_ns(const struct tally *t);

#endif
