/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"

#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

int64_t clock_real_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

int64_t clock_real_minus_mono_ns(void)
{
	int64_t best = 0, best_width = INT64_MAX;

	for (int i = 0; i < 4; i++) {
		int64_t before = clock_mono_ns();
		int64_t real = clock_real_ns();
		int64_t after = clock_mono_ns();

		if (after - before < best_width) {
			best_width = after - before;
			best = real - (before + best_width / 2);
		}
	}
	return best;
}
