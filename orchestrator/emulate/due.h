/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose turn is next: a binary heap of the things that have a due time. Those
 * that have none are not in it, so a thousand idle links cost nothing.
 */
#ifndef EMULATE_DUE_H
#define EMULATE_DUE_H

#include <stddef.h>
#include <stdint.h>

#define DUE_NEVER INT64_MAX

struct due_item { /* to be embedded, and zeroed */
	int64_t at_ns;
	size_t place; /* in the heap, from 1; 0: not in it */
};

struct due {
	struct due_item **v;
	size_t n, cap;
};

/* For up to cap items. 0, or -ENOMEM. */
int due_init(struct due *d, size_t cap);
void due_deinit(struct due *d);
/* Puts it in, moves it, or (DUE_NEVER) takes it out. */
void due_set(struct due *d, struct due_item *item, int64_t at_ns);
struct due_item *due_first(const struct due *d); /* NULL: there is none */

#endif
