/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pauses of a run (servalab run --pause-on-failure), and the run's own
 * clock, which stands still in them: it is CLOCK_MONOTONIC without the time
 * that was paused. What was planned is planned by the run's clock; what is
 * written down carries CLOCK_MONOTONIC.
 *
 * The list may lie in memory that processes share: one adds to it, while those
 * that read it are stopped. Everywhere, NULL is a list of none.
 */
#ifndef OBSERVE_PAUSES_H
#define OBSERVE_PAUSES_H

#include <stdint.h>

#define PAUSES_MAX 64u
#define PAUSE_OPEN (INT64_MAX / 2) /* for_ns of one that goes on */
/* A pause's length is a multiple of this, so that what is counted in bins of
 * it (bins.h) is cut by the same grid on the run's clock. */
#define PAUSE_GRID_NS INT64_C(10000000)

struct pauses {
	uint32_t n;
	struct pause {
		int64_t at_ns, for_ns; /* CLOCK_MONOTONIC; by at_ns */
		int64_t settled_ns; /* what was on its way has come by then */
	} v[PAUSES_MAX];
};

/* The run's clock at this moment of CLOCK_MONOTONIC. */
int64_t pauses_run_ns(const struct pauses *p, int64_t mono_ns);
/* And back: of a moment at which a pause began, its beginning. */
int64_t pauses_mono_ns(const struct pauses *p, int64_t run_ns);
/* All of the time that was paused, but for a pause that goes on. */
int64_t pauses_total_ns(const struct pauses *p);
/* The pause whose time, from settled_ns on, holds this moment; or NULL. */
const struct pause *pauses_find(const struct pauses *p, int64_t mono_ns);

#endif
