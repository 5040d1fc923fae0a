/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When each flow wants to be woken next: a binary heap over flow numbers, with
 * the place of each in it, so that a time can be moved. One time a flow is
 * enough: the flow keeps what it waits for, and sets the earliest here.
 */
#ifndef SAL_TIMERS_H
#define SAL_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#define SAL_NEVER INT64_MAX

struct sal_timer {
	int64_t due_ns;
	uint32_t flow;
};

struct sal_timers {
	struct sal_timer *heap;
	uint32_t *place; /* of a flow in the heap, from 1; 0: not in it */
	uint32_t n, max;
};

/* heap and place have room for max; place may be uninitialised. */
void sal_timers_init(struct sal_timers *t, struct sal_timer *heap,
		     uint32_t *place, uint32_t max);
/* SAL_NEVER takes the flow out. */
void sal_timers_set(struct sal_timers *t, uint32_t flow, int64_t due_ns);
/* The earliest, or SAL_NEVER. */
int64_t sal_timers_next(const struct sal_timers *t, uint32_t *flow);

#endif
