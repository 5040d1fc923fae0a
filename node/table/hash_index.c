/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linear probing, kept in order (Robin Hood hashing, Celis 1986).
 *
 * The low bits of an entry's hash give its home slot; it stands there or in one
 * of the slots after it (round the end), at its distance from home. Always:
 *
 *  (1) There is no free slot between an entry's home and its own.
 *  (2) Entries in neighbouring slots stand in the order of their homes: the
 *      distance of the second is at most one more than that of the first.
 *
 * A search starts at its home, distance 0, and goes on slot by slot. It ends
 * without success at a free slot, by (1), and at an entry nearer to its own
 * home than the search is to its own: by (2) it would stand before that one.
 * So a miss costs as little as a hit, which plain linear probing cannot say.
 *
 * Insertion searches likewise and takes the slot at which a miss was certain,
 * moving what stands there and after it on by one, up to the next free slot.
 * Those are one further from home then, hence the look beforehand. Removal
 * moves entries back by one, until a free slot or one that is at home, and so
 * leaves no tombstones that would wear the table out.
 */
#include "node/table/hash_index.h"

#include <errno.h>

size_t hash_index_slots(uint32_t entries)
{
	size_t n = 2;

	while (n < 2 * (size_t)entries)
		n *= 2;
	return n;
}

void hash_index_init(struct hash_index *ix, struct hash_slot *slots,
		     uint32_t entries)
{
	size_t n = hash_index_slots(entries);

	ix->slots = slots;
	ix->mask = (uint32_t)(n - 1);
	for (size_t i = 0; i < n; i++)
		slots[i].entry = HASH_NONE;
}

/* How far slot i is from the home of the entry in it. */
static uint32_t distance(const struct hash_index *ix, uint32_t i)
{
	return (i - ix->slots[i].hash) & ix->mask;
}

uint32_t hash_index_find(const struct hash_index *ix, uint32_t hash,
			 hash_equal_fn *equal, const void *arg, const void *key)
{
	for (uint32_t d = 0; d < HASH_PROBES_MAX; d++) {
		uint32_t i = (hash + d) & ix->mask;
		const struct hash_slot *slot = &ix->slots[i];

		if (slot->entry == HASH_NONE || distance(ix, i) < d)
			break;
		if (slot->hash == hash && equal(arg, slot->entry, key))
			return slot->entry;
	}
	return HASH_NONE;
}

/* Whether slot i and all up to the next free one may move on by one. */
static bool may_move(const struct hash_index *ix, uint32_t i)
{
	for (uint32_t n = 0; n <= ix->mask; n++, i = (i + 1) & ix->mask) {
		if (ix->slots[i].entry == HASH_NONE)
			return true;
		if (distance(ix, i) + 1 >= HASH_PROBES_MAX)
			return false;
	}
	return false; /* no slot is free */
}

int hash_index_add(struct hash_index *ix, uint32_t hash, uint32_t entry)
{
	struct hash_slot carried = { hash, entry };
	uint32_t i = hash & ix->mask, d = 0;

	while (ix->slots[i].entry != HASH_NONE && distance(ix, i) >= d) {
		if (++d == HASH_PROBES_MAX)
			return -ENOSPC;
		i = (i + 1) & ix->mask;
	}
	if (!may_move(ix, i))
		return -ENOSPC;
	while (carried.entry != HASH_NONE) {
		struct hash_slot moved = ix->slots[i];

		ix->slots[i] = carried;
		carried = moved;
		i = (i + 1) & ix->mask;
	}
	return 0;
}

void hash_index_remove(struct hash_index *ix, uint32_t hash, uint32_t entry)
{
	uint32_t i = hash & ix->mask, next;

	for (uint32_t d = 0; ix->slots[i].entry != entry; d++) {
		if (d == HASH_PROBES_MAX)
			return;
		i = (i + 1) & ix->mask;
	}
	for (;; i = next) {
		next = (i + 1) & ix->mask;
		if (ix->slots[next].entry == HASH_NONE || !distance(ix, next))
			break;
		ix->slots[i] = ix->slots[next];
	}
	ix->slots[i].entry = HASH_NONE;
}
