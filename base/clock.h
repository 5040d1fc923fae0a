/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks, as signed nanoseconds. Events carry CLOCK_MONOTONIC, packets
 * CLOCK_REALTIME (the kernel stamps them so); a clock pair ties the two.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_USEC INT64_C(1000)

int64_t clock_mono_ns(void);
int64_t clock_real_ns(void);

/*
 * CLOCK_REALTIME minus CLOCK_MONOTONIC, read so that the error is at most half
 * of the shortest of a few readings (well below 1 us unless preempted).
 */
int64_t clock_real_minus_mono_ns(void);

#endif
