/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/tally.h"

#define STEPS 32 /* a doubling */
#define STEPS_LOG 5

static unsigned bucket_of(uint64_t ns)
{
	unsigned log, at;

	if (ns < STEPS)
		return (unsigned)ns;
	log = 63 - (unsigned)__builtin_clzll(ns);
	at = (log - STEPS_LOG + 1) * STEPS +
	     (unsigned)(ns >> (log - STEPS_LOG)) - STEPS;
	return at < TALLY_BUCKETS ? at : TALLY_BUCKETS - 1;
}

/* The largest value that falls into it. */
static int64_t bucket_top(unsigned at)
{
	unsigned shift;

	if (at < STEPS)
		return at;
	shift = at / STEPS - 1;
	return ((int64_t)(at % STEPS + STEPS + 1) << shift) - 1;
}

void tally_add(struct tally *t, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	t->n++;
	t->sum_ns += (double)ns;
	if (ns > t->max_ns)
		t->max_ns = ns;
	t->buckets[bucket_of((uint64_t)ns)]++;
}

int64_t tally_percentile_ns(const struct tally *t, double share)
{
	double rank = share * (double)t->n;
	uint64_t seen = 0;

	for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
		seen += t->buckets[i];
		if (seen && (double)seen >= rank) {
			int64_t top = bucket_top(i);

			return top < t->max_ns ? top : t->max_ns;
		}
	}
	return t->max_ns;
}

int64_t tally_mean_ns(const struct tally *t)
{
	return t->n ? (int64_t)(t->sum_ns / (double)t->n) : 0;
}
