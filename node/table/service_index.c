/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Into the middle of the trie by a few questions to a hash table, where going
 * down from the root takes one step a node: up to 256, and about 20 among a
 * million random IDs, of which the later ones each wait for memory. (The fat
 * binary search of z-fast tries: Belazzougui, Boldi, Pagh, Vigna, SODA 2009.)
 *
 * Sought is the longest node that covers an ID x. Let an edge be a node v with
 * the lengths that it adds to its parent's: from one above the parent's up to
 * its own. Every length from 1 to that of the sought node lies on just one edge
 * of the path to it. So one might search for its length by halves: is there, on
 * an edge, the prefix of x of so many bits? A table of all of those would be
 * large. But halving always asks for the *roundest* length of an interval, the
 * one that has most zeros at its end in binary: 256 of 1 to 256, 128 of 1 to
 * 255, 192 of 129 to 255. Hence it is enough that each node is entered once,
 * under its handle: the roundest length on its edge, and its first bits.
 *
 * The search keeps lengths a < b: node n, of a bits, covers x, and no node of
 * more than b bits does. It looks up the roundest length f in a+1 to b.
 *
 *  - Nothing there: no node that covers x has f bits or more. If one had, the
 *    edge with f on it would lie within a+1 to b, as its parent is n or below
 *    it; f would be the roundest there, too, and found. So b = f - 1.
 *  - Node v, and it covers x: n = v, a = its length.
 *  - Node v, and it has x's first f bits but then differs: x leaves the trie
 *    on this edge. The sought node is v's parent.
 *  - Node v, but under another handle: two hashes are the same. It is passed
 *    over.
 *
 * Each question halves the interval: nine at most, and one for an ID that has a
 * rule of its own, since 256 is asked for first. Each node is entered once and
 * only its own edge says under what, so that a change of the trie changes at
 * most three entries. (Binary search over a hash table per length, without a
 * trie, needs markers below every prefix, and each with the best rule for it.)
 *
 * What a large table makes slow is waiting for memory, a question at a time,
 * so:
 *
 *  - A slot holds the hash, the node, and the node's length. The search takes
 *    every hash it meets for the right one, and only the last node is looked
 *    at. If that has the handle it was found under, so had all before it: an
 *    edge on the path to it is on the path of x. If not (once in some hundred
 *    lookups, among a million rules), it is done again, looking at each.
 *  - While a slot is waited for, those of both possible next questions are
 *    under way.
 *
 * Hashes are of 31 bits, over the eight words of the ID and the length:
 * multilinear, strongly universal under random keys (Lemire, Kaser, The
 * Computer Journal 2014). So whoever does not know the keys cannot choose IDs
 * that meet, and a prefix's hash is made from that of its whole words by one
 * multiplication more: an ID is gone through once, not nine times.
 *
 * Slots are probed in a line; at most half of them are in use. Removal moves
 * the later ones back and leaves no tombstones. The table of them is doubled
 * when half full, within memory that was set aside for as many nodes as there
 * can be: so a table for a million rules that has ten costs no more than one
 * for ten. Should an entry come to stand PROBES_MAX slots away from its place,
 * which would take somebody who knows the keys, the index says that it is not
 * whole, and the trie is gone through from its root.
 */
#include "node/table/service_trie.h"

#define WORDS (SERVICE_ID_LEN / 4)
#define ROOM_FIRST 32u /* nodes */
/* Half full, the longest run of slots in use is some 75 among a million nodes;
 * that one has this length is less likely than 1 in 10^30. */
#define PROBES_MAX 512u

/* A slot: hash 31, length - 1 8, node 25 bits. 0: free, as the root is in none.
 */
#define NODE_BITS 25
#define LENGTH_BITS 8
#define HASH_SHIFT (NODE_BITS + LENGTH_BITS)

static_assert(2 * (uint64_t)SERVICE_TABLE_MAX + 1 <= 1ull << NODE_BITS,
	      "the number of any node");

static uint32_t slot_node(uint64_t slot)
{
	return slot & ((1u << NODE_BITS) - 1);
}

static unsigned slot_length(uint64_t slot)
{
	return (slot >> NODE_BITS & 0xff) + 1;
}

static uint32_t slot_hash(uint64_t slot)
{
	return (uint32_t)(slot >> HASH_SHIFT);
}

size_t trie_index_slots(uint32_t nodes)
{
	size_t n = 2;

	while (n < 2 * (size_t)nodes)
		n *= 2;
	return n;
}

/* ---- hashes ------------------------------------------------------------- */

struct hashes {
	uint64_t sum[WORDS + 1]; /* of the words before */
	uint32_t word[WORDS];
};

static uint64_t split_mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void hash_start(const struct service_table *t,
		       const struct service_id *id, struct hashes *h)
{
	h->sum[0] = t->keys[WORDS + 1];
	for (unsigned i = 0; i < WORDS; i++) {
		uint32_t word;

		memcpy(&word, id->bytes + 4 * i, 4);
		h->word[i] = be32toh(word);
		h->sum[i + 1] = h->sum[i] + t->keys[i] * h->word[i];
	}
}

static uint32_t hash_of(const struct service_table *t, const struct hashes *h,
			unsigned bits)
{
	unsigned whole = bits / 32, rest = bits % 32;
	uint64_t sum = h->sum[whole] + t->keys[WORDS] * bits;

	if (rest)
		sum += t->keys[whole] *
		       (h->word[whole] & ~(UINT32_MAX >> rest));
	return (uint32_t)(sum >> 33);
}

/* The roundest number above a, up to b; a < b. */
static unsigned roundest(unsigned a, unsigned b)
{
	unsigned top = 31 - (unsigned)__builtin_clz(a ^ b);

	return b & ~0u << top;
}

static uint32_t hash_of_node(const struct service_table *t, uint32_t i)
{
	const struct trie_node *n = trie_node(t, i);
	struct hashes h;

	hash_start(t, &n->prefix.id, &h);
	return hash_of(t, &h, roundest(n->above, n->prefix.bits));
}

/* ---- entries ------------------------------------------------------------ */

static void enter(struct service_table *t, uint32_t i)
{
	uint32_t hash = hash_of_node(t, i), at = hash & t->slot_mask;
	uint64_t length = trie_node(t, i)->prefix.bits - 1u;

	for (unsigned d = 0; d < PROBES_MAX; d++) {
		if (!t->slots[at]) {
			t->slots[at] = (uint64_t)hash << HASH_SHIFT |
				       length << NODE_BITS | i;
			return;
		}
		at = (at + 1) & t->slot_mask;
	}
	t->index_whole = false;
}

void trie_index_add(struct service_table *t, uint32_t i)
{
	if (t->index_whole)
		enter(t, i);
}

void trie_index_remove(struct service_table *t, uint32_t i)
{
	uint32_t at, next;

	if (!t->index_whole)
		return;
	at = hash_of_node(t, i) & t->slot_mask;
	while (slot_node(t->slots[at]) != i)
		at = (at + 1) & t->slot_mask;
	for (next = (at + 1) & t->slot_mask; t->slots[next];
	     next = (next + 1) & t->slot_mask) {
		uint32_t home = slot_hash(t->slots[next]) & t->slot_mask;

		/* May it stand at "at", which is not before its place? */
		if (((next - home) & t->slot_mask) <
		    ((next - at) & t->slot_mask))
			continue;
		t->slots[at] = t->slots[next];
		at = next;
	}
	t->slots[at] = 0;
}

static void fill(struct service_table *t)
{
	size_t n = trie_index_slots(t->index_room);

	memset(t->slots, 0, n * sizeof(*t->slots));
	t->slot_mask = (uint32_t)(n - 1);
	t->index_whole = true;
	for (uint32_t i = trie_next(t, TRIE_ROOT); i != TRIE_ROOT;
	     i = trie_next(t, i))
		trie_index_add(t, i);
}

void trie_index_init(struct service_table *t, uint64_t seed)
{
	for (unsigned i = 0; i < SERVICE_HASH_KEYS; i++)
		t->keys[i] = split_mix(&seed);
	t->index_room =
		t->node_pool.n < ROOM_FIRST ? t->node_pool.n : ROOM_FIRST;
	fill(t);
}

void trie_index_reserve(struct service_table *t, uint32_t more)
{
	const struct service_pool *pool = &t->node_pool;

	if (t->index_room == pool->n ||
	    pool->n - pool->n_free + more <= t->index_room)
		return;
	t->index_room =
		t->index_room < pool->n / 2 ? 2 * t->index_room : pool->n;
	fill(t);
}

/* ---- searching ---------------------------------------------------------- */

struct search {
	const struct service_id *id;
	unsigned bits; /* of the ID that count */
	struct hashes h;
};

enum met { NOTHING, COVERS, LEAVES };

/* What node i is to the ID, if its handle is the ID's first f bits. */
static enum met look_at(const struct service_table *t, const struct search *s,
			uint32_t i, unsigned f)
{
	const struct trie_node *n = trie_node(t, i);
	unsigned common = trie_common(s->id, &n->prefix.id);

	if (common < f || n->above >= f || n->prefix.bits < f)
		return NOTHING;
	return n->prefix.bits <= s->bits && common >= n->prefix.bits ? COVERS :
								       LEAVES;
}

static uint32_t result(const struct service_table *t, uint32_t i, enum met met)
{
	return met == LEAVES ? trie_node(t, i)->parent : i;
}

static uint32_t find_surely(const struct service_table *t,
			    const struct search *s)
{
	uint32_t found = TRIE_ROOT;
	unsigned a = 0, b = s->bits;

	while (a < b) {
		unsigned f = roundest(a, b);
		uint32_t hash = hash_of(t, &s->h, f), at = hash & t->slot_mask;
		enum met met = NOTHING;
		uint32_t node = TRIE_ROOT;

		for (; t->slots[at] && met == NOTHING;
		     at = (at + 1) & t->slot_mask) {
			if (slot_hash(t->slots[at]) != hash)
				continue;
			node = slot_node(t->slots[at]);
			met = look_at(t, s, node, f);
		}
		if (met == LEAVES)
			return trie_node(t, node)->parent;
		if (met == NOTHING) {
			b = f - 1;
			continue;
		}
		found = node;
		a = trie_node(t, node)->prefix.bits;
	}
	return found;
}

uint32_t trie_index_find(const struct service_table *t,
			 const struct service_id *id, unsigned bits)
{
	struct search s = { .id = id, .bits = bits };
	unsigned a = 0, b = bits, f = bits ? roundest(0, bits) : 0, found_f = 0;
	uint32_t found = TRIE_ROOT, hash, if_none = 0, if_found = 0;
	enum met met;

	hash_start(t, id, &s.h);
	hash = hash_of(t, &s.h, f);
	while (a < b) {
		unsigned none_f = 0, found_next_f = 0;
		uint32_t at = hash & t->slot_mask;
		uint64_t slot;

		__builtin_prefetch(&t->slots[at]);
		if (a < f - 1) {
			none_f = roundest(a, f - 1);
			if_none = hash_of(t, &s.h, none_f);
			__builtin_prefetch(&t->slots[if_none & t->slot_mask]);
		}
		if (f < b) {
			found_next_f = roundest(f, b);
			if_found = hash_of(t, &s.h, found_next_f);
			__builtin_prefetch(&t->slots[if_found & t->slot_mask]);
		}
		/* A shorter one has the same hash by chance; and to go on by it
		 * might be to go round in circles. */
		while ((slot = t->slots[at]) &&
		       (slot_hash(slot) != hash || slot_length(slot) < f))
			at = (at + 1) & t->slot_mask;
		if (!slot) {
			b = f - 1;
			f = none_f;
			hash = if_none;
			continue;
		}
		found = slot_node(slot);
		found_f = f;
		__builtin_prefetch(trie_node(t, found));
		a = slot_length(slot);
		if (a == f) {
			f = found_next_f;
			hash = if_found;
		} else if (a < b) {
			f = roundest(a, b);
			hash = hash_of(t, &s.h, f);
		}
	}
	if (!found_f)
		return TRIE_ROOT;
	met = look_at(t, &s, found, found_f);
	return met == NOTHING ? find_surely(t, &s) : result(t, found, met);
}
