/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/sal/timers.h"

#include <stdbool.h>
#include <string.h>

void sal_timers_init(struct sal_timers *t, struct sal_timer *heap,
		     uint32_t *place, uint32_t max)
{
	t->heap = heap;
	t->place = place;
	t->n = 0;
	t->max = max;
	memset(place, 0, max * sizeof(*place));
}

/* Ties go to the lower flow number, so that a run does not depend on the order
 * in which the heap happened to grow. */
static bool earlier(const struct sal_timer *a, const struct sal_timer *b)
{
	if (a->due_ns != b->due_ns)
		return a->due_ns < b->due_ns;
	return a->flow < b->flow;
}

static void put(struct sal_timers *t, uint32_t i, struct sal_timer timer)
{
	t->heap[i] = timer;
	t->place[timer.flow] = i + 1;
}

static void sift_up(struct sal_timers *t, uint32_t i)
{
	struct sal_timer moving = t->heap[i];

	while (i && earlier(&moving, &t->heap[(i - 1) / 2])) {
		put(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(t, i, moving);
}

static void sift_down(struct sal_timers *t, uint32_t i)
{
	struct sal_timer moving = t->heap[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= t->n)
			break;
		if (child + 1 < t->n &&
		    earlier(&t->heap[child + 1], &t->heap[child]))
			child++;
		if (!earlier(&t->heap[child], &moving))
			break;
		put(t, i, t->heap[child]);
		i = child;
	}
	put(t, i, moving);
}

static void take_out(struct sal_timers *t, uint32_t i)
{
	t->place[t->heap[i].flow] = 0;
	if (i == --t->n)
		return;
	put(t, i, t->heap[t->n]);
	sift_up(t, i);
	sift_down(t, i);
}

void sal_timers_set(struct sal_timers *t, uint32_t flow, int64_t due_ns)
{
	uint32_t i;

	if (t->place[flow]) {
		i = t->place[flow] - 1;
		if (due_ns == SAL_NEVER) {
			take_out(t, i);
			return;
		}
		if (t->heap[i].due_ns == due_ns)
			return;
		t->heap[i].due_ns = due_ns;
	} else {
		if (due_ns == SAL_NEVER)
			return;
		i = t->n++;
		put(t, i, (struct sal_timer){ due_ns, flow });
	}
	sift_up(t, i);
	sift_down(t, t->place[flow] - 1);
}

int64_t sal_timers_next(const struct sal_timers *t, uint32_t *flow)
{
	if (!t->n)
		return SAL_NEVER;
	if (flow)
		*flow = t->heap[0].flow;
	return t->heap[0].due_ns;
}
