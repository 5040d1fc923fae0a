/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/lateness.h"

static size_t step_of(uint64_t v)
{
	unsigned shift;

	if (v < 1u << LATENESS_BITS)
		return v;
	shift = (unsigned)(63 - __builtin_clzll(v)) - LATENESS_BITS;
	return ((size_t)shift << LATENESS_BITS) + (size_t)(v >> shift);
}

/* The largest value of a step. */
static uint64_t step_top(size_t step)
{
	size_t shift;

	if (step < 2u << LATENESS_BITS)
		return step;
	shift = (step >> LATENESS_BITS) - 1;
	step -= shift << LATENESS_BITS;
	return ((uint64_t)(step + 1) << shift) - 1;
}

void lateness_add(struct lateness *l, int64_t late_ns)
{
	if (late_ns < 0)
		late_ns = 0;
	l->count++;
	if (late_ns > l->max_ns)
		l->max_ns = late_ns;
	l->steps[step_of((uint64_t)late_ns)]++;
}

static int64_t percentile(const struct lateness *l, unsigned percent)
{
	uint64_t rank = l->count / 100 * percent +
			(l->count % 100 * percent + 99) / 100;
	uint64_t seen = 0;

	for (size_t i = 0; i < LATENESS_STEPS; i++) {
		uint64_t top = step_top(i);

		seen += l->steps[i];
		if (seen < rank || !seen)
			continue;
		return top < (uint64_t)l->max_ns ? (int64_t)top : l->max_ns;
	}
	return l->max_ns;
}

struct probe_lateness lateness_get(const struct lateness *l)
{
	return (struct probe_lateness){
		.count = l->count,
		.p50_ns = percentile(l, 50),
		.p99_ns = percentile(l, 99),
		.max_ns = l->max_ns,
	};
}
