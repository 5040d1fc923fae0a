/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A binary trie on the bits of service IDs, with paths compressed.
 *
 * A node stands for a prefix: a length in bits, and that many leading bits;
 * those beyond are zero. Its child[b] is a node whose prefix is longer, starts
 * with the node's own and goes on with bit b. Because paths are compressed a
 * child may be longer by any number of bits, so that coming to a child one has
 * to compare its whole prefix, not just the bit that led there. Always:
 *
 *  (1) The root is the prefix of length 0 and never goes away.
 *  (2) Any other node has targets, or both children, or all of it.
 *
 * For example, with targets at 10/2, 1011/4 and 1000/4 (the bits, not bytes):
 *
 *                    0/0  root
 *                      \
 *                     10/2  targets
 *                     /   \
 *          1000/4 targets  1011/4 targets
 *
 * and with 1010/4 as well, its path parts from that of 1011/4 at the fourth
 * bit, where a node with no targets appears: 101/3, the parent of both.
 *
 * Lookup goes down from the root, from child to child as long as the child's
 * prefix covers the ID, and remembers the last node with targets. No node off
 * that path can cover the ID: it would differ from the ID where it left.
 *
 * Insertion goes down likewise, as long as a child covers the new prefix p, to
 * the longest node n that does. Either n is p; or n has no child at p's next
 * bit, and gets a leaf there; or it has one, c, which does not cover p. Let k
 * be the number of leading bits that c and p share (more than n has). If p has
 * no more than k bits, it covers c: its node goes between n and c. Else a node
 * of k bits without targets goes there, with c and a leaf for p below.
 *
 * Deletion takes away a node without targets that has no more than one child,
 * putting that child (or nothing) into its place. In the latter case, and only
 * then, the parent may have lost what (2) asks of it, and goes the same way.
 * Its own parent does not: it has the parent's other child in its place.
 *
 * By (2), without the root, there are fewer nodes without targets than with:
 * P prefixes take up at most 2P nodes, root included. Depth is at most 256
 * whatever an adversary registers, about log2 P for random IDs. A hash table
 * per length, the obvious design, costs up to 257 probes a lookup for anybody
 * who may register, and gives no order to list by.
 *
 * Memory is an array of equal cells; a cell is a node or a target. Nodes and
 * targets refer to others by index, 0 being none (cell 0 is the root, which
 * nothing needs to refer to). Free cells that have been used form a list; those
 * that never were start at n_fresh, so that a table for a million prefixes
 * takes up no more memory than it has rules.
 */
#include "node/table/service_trie.h"

#include <string.h>

uint32_t trie_cell_take(struct service_table *t)
{
	uint32_t i = t->free;

	assert(t->n_free);
	t->n_free--;
	if (i == TRIE_NONE)
		return t->n_fresh++;
	t->free = t->cells[i].next_free;
	return i;
}

void trie_cell_put(struct service_table *t, uint32_t i)
{
	t->cells[i].next_free = t->free;
	t->free = i;
	t->n_free++;
}

void trie_init(struct service_table *t, union service_cell *cells, uint32_t n)
{
	*t = (struct service_table){
		.cells = cells,
		.n_cells = n,
		.n_fresh = TRIE_ROOT + 1,
		.free = TRIE_NONE,
		.n_free = n - 1,
	};
	*trie_node(t, TRIE_ROOT) = (struct trie_node){ 0 };
}

/* bit < SERVICE_ID_BITS, counted from the left. */
static unsigned bit_of(const struct service_id *id, unsigned bit)
{
	return id->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

/* How many leading bits a and b have in common, at most max. */
static unsigned common_bits(const struct service_id *a,
			    const struct service_id *b, unsigned max)
{
	for (unsigned i = 0; i * 8 < max; i++) {
		unsigned differ = a->bytes[i] ^ b->bytes[i];

		if (differ) {
			unsigned n = i * 8 + (unsigned)__builtin_clz(differ) -
				     (unsigned)(sizeof(int) - 1) * 8;

			return n < max ? n : max;
		}
	}
	return max;
}

static bool covers(const struct trie_node *n, const struct service_id *id,
		   unsigned bits)
{
	return n->prefix.bits <= bits &&
	       service_prefix_contains(&n->prefix, id);
}

/*
 * The child of node i on the way to a prefix of so many bits, or TRIE_NONE
 * where it has none there or the child does not cover that prefix.
 */
static uint32_t step(const struct service_table *t, uint32_t i,
		     const struct service_id *id, unsigned bits)
{
	const struct trie_node *n = trie_node(t, i);
	uint32_t c;

	if (n->prefix.bits >= bits)
		return TRIE_NONE;
	c = n->child[bit_of(id, n->prefix.bits)];
	return c != TRIE_NONE && covers(trie_node(t, c), id, bits) ? c :
								     TRIE_NONE;
}

uint32_t trie_descend(const struct service_table *t,
		      const struct service_prefix *p)
{
	uint32_t i = TRIE_ROOT, next;

	while ((next = step(t, i, &p->id, p->bits)) != TRIE_NONE)
		i = next;
	return i;
}

bool trie_longest(const struct service_table *t, const struct service_id *id,
		  uint32_t *out)
{
	bool found = false;
	uint32_t i = TRIE_ROOT, next;

	for (;;) {
		if (trie_node(t, i)->targets != TRIE_NONE) {
			*out = i;
			found = true;
		}
		next = step(t, i, id, SERVICE_ID_BITS);
		if (next == TRIE_NONE)
			return found;
		i = next;
	}
}

static uint32_t node_new(struct service_table *t, const struct service_id *id,
			 unsigned bits, uint32_t parent)
{
	uint32_t i = trie_cell_take(t);
	struct trie_node *n = trie_node(t, i);

	*n = (struct trie_node){ .prefix.bits = (uint16_t)bits,
				 .parent = parent };
	memcpy(n->prefix.id.bytes, id->bytes, (bits + 7) / 8);
	if (bits % 8)
		n->prefix.id.bytes[bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
	return i;
}

/* Makes c, whose prefix extends that of i, a child of i. */
static void attach(struct service_table *t, uint32_t i, uint32_t c)
{
	struct trie_node *n = trie_node(t, i), *child = trie_node(t, c);

	n->child[bit_of(&child->prefix.id, n->prefix.bits)] = c;
	child->parent = i;
}

uint32_t trie_insert(struct service_table *t, uint32_t at,
		     const struct service_prefix *p)
{
	const struct trie_node *n = trie_node(t, at);
	uint32_t leaf, fork, c;
	unsigned shared;

	if (n->prefix.bits == p->bits)
		return at;
	c = n->child[bit_of(&p->id, n->prefix.bits)];
	leaf = node_new(t, &p->id, p->bits, at);
	if (c == TRIE_NONE) {
		attach(t, at, leaf);
		return leaf;
	}
	shared = trie_node(t, c)->prefix.bits;
	shared = common_bits(&p->id, &trie_node(t, c)->prefix.id,
			     p->bits < shared ? p->bits : shared);
	if (shared == p->bits) {
		attach(t, at, leaf);
		attach(t, leaf, c);
		return leaf;
	}
	fork = node_new(t, &p->id, shared, at);
	attach(t, at, fork);
	attach(t, fork, c);
	attach(t, fork, leaf);
	return leaf;
}

/* Puts c, or nothing, into the place that i has at its parent. */
static void replace(struct service_table *t, uint32_t i, uint32_t c)
{
	struct trie_node *parent = trie_node(t, trie_node(t, i)->parent);

	parent->child[parent->child[1] == i] = c;
	if (c != TRIE_NONE)
		trie_node(t, c)->parent = trie_node(t, i)->parent;
	trie_cell_put(t, i);
}

void trie_prune(struct service_table *t, uint32_t i)
{
	while (i != TRIE_ROOT) {
		const struct trie_node *n = trie_node(t, i);
		uint32_t parent = n->parent;
		uint32_t c = n->child[n->child[0] == TRIE_NONE];

		if (n->targets != TRIE_NONE ||
		    (n->child[0] != TRIE_NONE && n->child[1] != TRIE_NONE))
			return;
		replace(t, i, c);
		i = parent;
	}
}

/* Down first, and else the next branch to the right. */
uint32_t trie_next(const struct service_table *t, uint32_t i)
{
	const struct trie_node *n = trie_node(t, i);

	if (n->child[0] != TRIE_NONE)
		return n->child[0];
	if (n->child[1] != TRIE_NONE)
		return n->child[1];
	while (i != TRIE_ROOT) {
		const struct trie_node *parent =
			trie_node(t, trie_node(t, i)->parent);

		if (parent->child[0] == i && parent->child[1] != TRIE_NONE)
			return parent->child[1];
		i = trie_node(t, i)->parent;
	}
	return TRIE_ROOT;
}
