/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the emulator come round in time to read? A device does not say when a
 * frame came into it, so a frame that had to wait to be read seems to have come
 * only then: a process that did not run for a second would make none late but
 * those that were inside.
 *
 * So while frames come there are beats, one each BEAT_NS, at which the loop
 * wants to look round. By how much it was late for each of them is how long a
 * frame waited that came at that moment. Beats that it missed count, each by
 * its own time: percentiles are over time. Where nothing has come for a while
 * there are no beats, and idle links cost nothing.
 */
#ifndef EMULATE_BEAT_H
#define EMULATE_BEAT_H

#include "orchestrator/emulate/tally.h"

#define BEAT_NS INT64_C(5000000)
#define BEATS_IDLE 200 /* so many in a row without a frame are the last */

struct beat { /* to be zeroed */
	int64_t next_ns; /* 0: there are no beats */
	uint64_t reads; /* by the last one */
	unsigned idle;
	struct tally late;
};

/* To be called when the loop looks round, and when it has done so; reads: how
 * many frames have come so far. */
void beat_take(struct beat *b, int64_t now_ns, uint64_t reads);

#endif
