/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trie under the service table, and the cells that both are made of: for
 * service_table.c only. service_trie.c says how it works.
 */
#ifndef TABLE_SERVICE_TRIE_H
#define TABLE_SERVICE_TRIE_H

#include "node/table/service_table.h"

#include <assert.h>

#define TRIE_ROOT 0u
#define TRIE_NONE 0u

struct trie_node {
	struct service_prefix prefix;
	uint32_t parent;
	uint32_t child[2];
	uint32_t targets; /* a list; the trie only asks whether there is one */
};

struct trie_target {
	struct service_target public;
	uint32_t next;
};

union service_cell {
	struct trie_node node;
	struct trie_target target;
	uint32_t next_free;
};

static_assert(sizeof(union service_cell) <= 64, "a million prefixes: 192 MB");

static inline struct trie_node *trie_node(const struct service_table *t,
					  uint32_t i)
{
	return &t->cells[i].node;
}

static inline struct trie_target *trie_target(const struct service_table *t,
					      uint32_t i)
{
	return &t->cells[i].target;
}

/* The root alone; n cells, at least 1. */
void trie_init(struct service_table *t, union service_cell *cells, uint32_t n);

/* There must be one: callers look at n_free before they change anything. */
uint32_t trie_cell_take(struct service_table *t);
void trie_cell_put(struct service_table *t, uint32_t i);

/* The longest node that covers the prefix. */
uint32_t trie_descend(const struct service_table *t,
		      const struct service_prefix *p);
/* The longest node with targets that covers the ID. False: none. */
bool trie_longest(const struct service_table *t, const struct service_id *id,
		  uint32_t *out);

/*
 * The node of a prefix, made where there is none; at most two cells are taken.
 * at: what trie_descend() says.
 */
uint32_t trie_insert(struct service_table *t, uint32_t at,
		     const struct service_prefix *p);
/* Takes away node i, and then perhaps its parent, if they have no use left. */
void trie_prune(struct service_table *t, uint32_t i);

/* The node after i in ascending order, shorter prefixes first; the root after
 * the last. */
uint32_t trie_next(const struct service_table *t, uint32_t i);

#endif
