/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trie under the service table, its index, and the rules' timers: for
 * service_table.c only. service_trie.c, service_index.c and service_timer.c say
 * how they work.
 */
#ifndef TABLE_SERVICE_TRIE_H
#define TABLE_SERVICE_TRIE_H

#include "node/table/service_table.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define TRIE_ROOT 0u
#define TRIE_NONE 0u

struct trie_node {
	struct service_prefix prefix;
	uint16_t above; /* bits of its parent */
	uint32_t parent; /* of free ones: the next */
	uint32_t child[2];
	uint32_t targets; /* a list; the trie only asks whether there is one */
	/* The longest node that covers this one, or itself, and has targets;
	 * TRIE_NONE where that is the root or there is none. */
	uint32_t best;
} __attribute__((aligned(64)));

static_assert(sizeof(struct trie_node) == 64, "a node is one line of cache");

struct table_target {
	struct service_target public;
	uint32_t next; /* of the prefix, or of the free ones */
	uint32_t node;
	uint32_t generation;
	uint32_t timer; /* its place in timers + 1; 0: none */
};

static_assert(sizeof(struct table_target) <= 128, "two lines of cache");

struct table_timer {
	int64_t due_ns;
	uint32_t target;
};

static inline struct trie_node *trie_node(const struct service_table *t,
					  uint32_t i)
{
	return &t->nodes[i];
}

static inline struct table_target *trie_target(const struct service_table *t,
					       uint32_t i)
{
	return &t->targets[i];
}

/* bit < SERVICE_ID_BITS, counted from the left. */
static inline unsigned trie_bit(const struct service_id *id, unsigned bit)
{
	return id->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* How many leading bits a and b have in common. */
static inline unsigned trie_common(const struct service_id *a,
				   const struct service_id *b)
{
	for (unsigned i = 0; i < SERVICE_ID_LEN; i += 8) {
		uint64_t x, y;

		memcpy(&x, a->bytes + i, 8);
		memcpy(&y, b->bytes + i, 8);
		if (x != y)
			return i * 8 + (unsigned)__builtin_clzll(be64toh(x) ^
								 be64toh(y));
	}
	return SERVICE_ID_BITS;
}

/* ---- service_trie.c ----------------------------------------------------- */

/* The root alone. */
void trie_init(struct service_table *t, uint32_t nodes, uint32_t targets);

/* There must be one: callers look at n_free before they change anything. */
uint32_t trie_target_take(struct service_table *t);
void trie_target_put(struct service_table *t, uint32_t i);

/* The longest node that covers the prefix. */
uint32_t trie_descend(const struct service_table *t,
		      const struct service_prefix *p);
/* The longest node with targets that covers the ID. False: none. */
bool trie_longest(const struct service_table *t, const struct service_id *id,
		  uint32_t *out);

/*
 * The node of a prefix, made where there is none; at most two nodes are taken.
 * at: what trie_descend() says.
 */
uint32_t trie_insert(struct service_table *t, uint32_t at,
		     const struct service_prefix *p);
/* Node i got its first target, or lost its last. */
void trie_marked(struct service_table *t, uint32_t i);
void trie_unmarked(struct service_table *t, uint32_t i);
/* Takes away node i, and then perhaps its parent, if they have no use left. */
void trie_prune(struct service_table *t, uint32_t i);

/* The node after i in ascending order, shorter prefixes first; the root after
 * the last. */
uint32_t trie_next(const struct service_table *t, uint32_t i);
/* The first node behind the prefix, whether that has one or not. */
uint32_t trie_after(const struct service_table *t,
		    const struct service_prefix *p);

/* ---- service_index.c ---------------------------------------------------- */

/* How many slots so many nodes may need. */
size_t trie_index_slots(uint32_t nodes);
void trie_index_init(struct service_table *t, uint64_t seed);
/* Makes room for so many nodes more. */
void trie_index_reserve(struct service_table *t, uint32_t more);
/* Of a node as it hangs now: before and after it is hung elsewhere. */
void trie_index_add(struct service_table *t, uint32_t i);
void trie_index_remove(struct service_table *t, uint32_t i);
/* As trie_descend(), of an ID's first bits. */
uint32_t trie_index_find(const struct service_table *t,
			 const struct service_id *id, unsigned bits);

/* ---- service_timer.c ---------------------------------------------------- */

/* After a change of the target's times, or before it goes. */
void target_timer_set(struct service_table *t, uint32_t target);
void target_timer_stop(struct service_table *t, uint32_t target);
/* One whose time is over; *found false: none (or: not yet found). */
uint32_t target_timer_due(struct service_table *t, int64_t now_ns, bool *found);

#endif
