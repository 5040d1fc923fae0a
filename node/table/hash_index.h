/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a key to a number: an open hash table of entries that lie elsewhere,
 * in memory of the caller's. hash_index.c says how it works.
 *
 * The index knows hashes and numbers only. Who uses it keeps the keys, says
 * which entry a key equals, and hashes with a secret (keys come off the wire).
 */
#ifndef TABLE_HASH_INDEX_H
#define TABLE_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No search looks at more slots than this. */
#define HASH_PROBES_MAX 64

#define HASH_NONE UINT32_MAX /* no entry has this number */

struct hash_slot {
	uint32_t hash;
	uint32_t entry; /* HASH_NONE: the slot is free */
};

struct hash_index {
	struct hash_slot *slots;
	uint32_t mask; /* number of slots - 1 */
};

/* How many slots an index of so many entries has: at most half are in use. */
size_t hash_index_slots(uint32_t entries);

/* slots: hash_index_slots(entries) of them, borrowed; they need not be zero. */
void hash_index_init(struct hash_index *ix, struct hash_slot *slots,
		     uint32_t entries);

typedef bool hash_equal_fn(const void *arg, uint32_t entry, const void *key);

/* The entry with the key, or HASH_NONE. */
uint32_t hash_index_find(const struct hash_index *ix, uint32_t hash,
			 hash_equal_fn *equal, const void *arg,
			 const void *key);

/*
 * The entry's key must not be there yet. -ENOSPC, with nothing changed: some
 * entry would be more than HASH_PROBES_MAX slots from where its search starts.
 * Half full, that does not happen to random hashes; it is what keeps a search
 * short should somebody learn the secret.
 */
int hash_index_add(struct hash_index *ix, uint32_t hash, uint32_t entry);

/* The entry must be there, with this hash. */
void hash_index_remove(struct hash_index *ix, uint32_t hash, uint32_t entry);

#endif
