/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for many small things that die together. */
#ifndef SCENARIO_ARENA_H
#define SCENARIO_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used; /* of the newest block */
};

/* Zeroed, aligned for anything; NULL: out of memory. */
void *arena_alloc(struct arena *a, size_t size);
/* len bytes of text and a NUL. */
char *arena_text(struct arena *a, const char *text, size_t len);
void arena_deinit(struct arena *a);

#endif
