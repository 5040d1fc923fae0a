/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sending side of a stream on its socket, at its rate. */
#ifndef STREAM_PUMP_H
#define STREAM_PUMP_H

#include "stream/stream.h"

/* Sends at most at the rate: what an outage kept back is not made up for. */
struct stream_pump {
	struct stream_sender sender;
	bool enough; /* to end as soon as the block on its way has gone */
	int64_t paced_ns; /* since when credit gathers; 0: not begun */
	uint64_t credit; /* bytes that may go */
};

/*
 * Writes what may go, not much at a time. Returns a negative errno; 0: there
 * is more once the socket takes it; or when there will be more to write
 * (CLOCK_MONOTONIC; INT64_MAX: all of it is written).
 */
int64_t stream_pump_run(struct stream_pump *p, int fd, int64_t now_ns);

#endif
