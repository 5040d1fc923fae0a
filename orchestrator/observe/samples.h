/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a probe's CSV back, for whoever judges it. See probe.h for the file. */
#ifndef OBSERVE_SAMPLES_H
#define OBSERVE_SAMPLES_H

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_NONE INT64_MIN /* no time */

struct sample {
	uint64_t seq;
	int64_t sent_ns,
		received_ns; /* CLOCK_MONOTONIC; received: SAMPLE_NONE */
	unsigned copies; /* replies in all */
	char error[24];
	bool request; /* one that failed has no received_ns */
	uint64_t connection; /* its number, from 1; 0: none */
	uint16_t local_port; /* of it; 0: unknown */
};

/* Sorted by seq, one a packet (copies are folded: the first one's time). */
typedef VEC(struct sample) sample_vec;

/* A last line that was cut off (the lab was killed) is passed over; anything
 * else that is not of the form is -EBADMSG, with file and line. */
int samples_read(const char *path, sample_vec *out, struct err *err);

#endif
