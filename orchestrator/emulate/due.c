/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/due.h"

#include <errno.h>
#include <stdlib.h>

int due_init(struct due *d, size_t cap)
{
	/* Places count from 1: v[0] stays unused. */
	*d = (struct due){ .v = calloc(cap + 1, sizeof(struct due_item *)),
			   .cap = cap };
	return d->v ? 0 : -ENOMEM;
}

void due_deinit(struct due *d)
{
	free(d->v);
	*d = (struct due){ 0 };
}

static void put(struct due *d, struct due_item *item, size_t place)
{
	d->v[place] = item;
	item->place = place;
}

static void rise(struct due *d, struct due_item *item)
{
	size_t at = item->place;

	for (; at > 1 && d->v[at / 2]->at_ns > item->at_ns; at /= 2)
		put(d, d->v[at / 2], at);
	put(d, item, at);
}

static void sink(struct due *d, struct due_item *item)
{
	size_t at = item->place;

	for (size_t child; (child = at * 2) <= d->n; at = child) {
		if (child < d->n && d->v[child + 1]->at_ns < d->v[child]->at_ns)
			child++;
		if (d->v[child]->at_ns >= item->at_ns)
			break;
		put(d, d->v[child], at);
	}
	put(d, item, at);
}

static void take_out(struct due *d, struct due_item *item)
{
	struct due_item *last = d->v[d->n--];

	if (last != item) {
		put(d, last, item->place);
		rise(d, last);
		sink(d, last);
	}
	item->place = 0;
}

void due_set(struct due *d, struct due_item *item, int64_t at_ns)
{
	int64_t before = item->at_ns;

	item->at_ns = at_ns;
	if (at_ns == DUE_NEVER) {
		if (item->place)
			take_out(d, item);
	} else if (!item->place) {
		if (d->n == d->cap)
			return; /* more items than due_init() was told of */
		item->place = ++d->n;
		rise(d, item);
	} else if (at_ns < before) {
		rise(d, item);
	} else if (at_ns > before) {
		sink(d, item);
	}
}

struct due_item *due_first(const struct due *d)
{
	return d->n ? d->v[1] : NULL;
}
