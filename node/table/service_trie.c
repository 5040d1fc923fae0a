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
 * whatever an adversary registers, about log2 P for random IDs. Going down from
 * the root is therefore only how the trie is understood; service_index.c finds
 * the same node by at most nine questions.
 *
 * That node has targets or not. If not, the longest above it that has decides,
 * and each node keeps who that is (best), for it may be 256 steps up. With the
 * first target of a node, or without its last, that changes for the nodes below
 * it, as far as there are none with targets in between: such a change costs as
 * much as there are of those. The root is the exception. It covers everything,
 * and a rule for everything is the one that comes and goes while all others are
 * there: who has no best looks at the root himself.
 *
 * Nodes are an array, and refer to each other by index, 0 being none (node 0 is
 * the root, which nothing needs to refer to). Free ones that have been used
 * form a list; those that never were start at "fresh", so that a table for a
 * million prefixes takes up no more memory than it has rules.
 */
#include "node/table/service_trie.h"

/* ---- memory ------------------------------------------------------------- */

uint32_t trie_target_take(struct service_table *t)
{
	struct service_pool *pool = &t->target_pool;
	uint32_t i = pool->free;

	assert(pool->n_free);
	pool->n_free--;
	if (i == TRIE_NONE)
		return pool->fresh++;
	pool->free = trie_target(t, i)->next;
	return i;
}

void trie_target_put(struct service_table *t, uint32_t i)
{
	trie_target(t, i)->generation = 0;
	trie_target(t, i)->next = t->target_pool.free;
	t->target_pool.free = i;
	t->target_pool.n_free++;
}

static uint32_t node_take(struct service_table *t)
{
	struct service_pool *pool = &t->node_pool;
	uint32_t i = pool->free;

	assert(pool->n_free);
	pool->n_free--;
	if (i == TRIE_NONE)
		return pool->fresh++;
	pool->free = trie_node(t, i)->parent;
	return i;
}

static void node_put(struct service_table *t, uint32_t i)
{
	trie_node(t, i)->parent = t->node_pool.free;
	t->node_pool.free = i;
	t->node_pool.n_free++;
}

/* Number 0 of both is not for use. */
static struct service_pool pool_of(uint32_t n)
{
	return (struct service_pool){
		.n = n, .fresh = 1, .free = TRIE_NONE, .n_free = n - 1
	};
}

void trie_init(struct service_table *t, uint32_t nodes, uint32_t targets)
{
	t->node_pool = pool_of(nodes);
	t->target_pool = pool_of(targets);
	*trie_node(t, TRIE_ROOT) = (struct trie_node){ .best = TRIE_NONE };
}

/* ---- looking ------------------------------------------------------------ */

static bool covers(const struct trie_node *n, const struct service_id *id,
		   unsigned bits)
{
	return n->prefix.bits <= bits &&
	       trie_common(&n->prefix.id, id) >= n->prefix.bits;
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
	c = n->child[trie_bit(id, n->prefix.bits)];
	return c != TRIE_NONE && covers(trie_node(t, c), id, bits) ? c :
								     TRIE_NONE;
}

static uint32_t descend(const struct service_table *t,
			const struct service_id *id, unsigned bits)
{
	uint32_t i = TRIE_ROOT, next;

	if (t->index_whole)
		return trie_index_find(t, id, bits);
	while ((next = step(t, i, id, bits)) != TRIE_NONE)
		i = next;
	return i;
}

uint32_t trie_descend(const struct service_table *t,
		      const struct service_prefix *p)
{
	return descend(t, &p->id, p->bits);
}

bool trie_longest(const struct service_table *t, const struct service_id *id,
		  uint32_t *out)
{
	*out = trie_node(t, descend(t, id, SERVICE_ID_BITS))->best;
	return *out != TRIE_NONE ||
	       trie_node(t, TRIE_ROOT)->targets != TRIE_NONE;
}

/* ---- who decides -------------------------------------------------------- */

/* The next node after i below top; what is below i as well, if down. top: that
 * was the last. */
static uint32_t next_below(const struct service_table *t, uint32_t top,
			   uint32_t i, bool down)
{
	const struct trie_node *n = trie_node(t, i);

	if (down && n->child[0] != TRIE_NONE)
		return n->child[0];
	if (down && n->child[1] != TRIE_NONE)
		return n->child[1];
	while (i != top) {
		const struct trie_node *parent =
			trie_node(t, trie_node(t, i)->parent);

		if (parent->child[0] == i && parent->child[1] != TRIE_NONE)
			return parent->child[1];
		i = trie_node(t, i)->parent;
	}
	return top;
}

/* From node i downwards, to where others decide. */
static void decide(struct service_table *t, uint32_t top, uint32_t from,
		   uint32_t to)
{
	uint32_t i = top;

	do {
		bool its = trie_node(t, i)->best == from;

		if (its)
			trie_node(t, i)->best = to;
		i = next_below(t, top, i, its);
	} while (i != top);
}

void trie_marked(struct service_table *t, uint32_t i)
{
	if (i != TRIE_ROOT)
		decide(t, i, trie_node(t, i)->best, i);
}

void trie_unmarked(struct service_table *t, uint32_t i)
{
	if (i != TRIE_ROOT)
		decide(t, i, i, trie_node(t, trie_node(t, i)->parent)->best);
}

/* ---- growing and shrinking ---------------------------------------------- */

static uint32_t node_new(struct service_table *t, const struct service_id *id,
			 unsigned bits, uint32_t parent)
{
	uint32_t i = node_take(t);
	struct trie_node *n = trie_node(t, i);

	*n = (struct trie_node){ .prefix.bits = (uint16_t)bits,
				 .parent = parent,
				 .best = trie_node(t, parent)->best };
	memcpy(n->prefix.id.bytes, id->bytes, (bits + 7) / 8);
	if (bits % 8)
		n->prefix.id.bytes[bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
	return i;
}

/* Makes c, whose prefix extends that of i, a child of i. */
static void attach(struct service_table *t, uint32_t i, uint32_t c)
{
	struct trie_node *n = trie_node(t, i), *child = trie_node(t, c);

	n->child[trie_bit(&child->prefix.id, n->prefix.bits)] = c;
	child->parent = i;
	child->above = n->prefix.bits;
	trie_index_add(t, c);
}

uint32_t trie_insert(struct service_table *t, uint32_t at,
		     const struct service_prefix *p)
{
	const struct trie_node *n = trie_node(t, at);
	uint32_t leaf, fork, c;
	unsigned shared;

	if (n->prefix.bits == p->bits)
		return at;
	trie_index_reserve(t, 2);
	c = n->child[trie_bit(&p->id, n->prefix.bits)];
	leaf = node_new(t, &p->id, p->bits, at);
	if (c == TRIE_NONE) {
		attach(t, at, leaf);
		return leaf;
	}
	trie_index_remove(t, c);
	shared = trie_common(&p->id, &trie_node(t, c)->prefix.id);
	if (shared >= p->bits) {
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
	uint32_t above = trie_node(t, i)->parent;
	struct trie_node *parent = trie_node(t, above);

	trie_index_remove(t, i);
	if (c != TRIE_NONE) {
		trie_index_remove(t, c);
		attach(t, above, c);
	} else {
		parent->child[parent->child[1] == i] = TRIE_NONE;
	}
	node_put(t, i);
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

/* ---- in order ----------------------------------------------------------- */

uint32_t trie_next(const struct service_table *t, uint32_t i)
{
	return next_below(t, TRIE_ROOT, i, true);
}

uint32_t trie_after(const struct service_table *t,
		    const struct service_prefix *p)
{
	uint32_t i = trie_descend(t, p);
	const struct trie_node *n = trie_node(t, i);
	unsigned bit;
	uint32_t c;

	if (n->prefix.bits == p->bits)
		return trie_next(t, i);
	/* What is below i at p's bit lies below p, or beside it. */
	bit = trie_bit(&p->id, n->prefix.bits);
	c = n->child[bit];
	if (c != TRIE_NONE &&
	    memcmp(&trie_node(t, c)->prefix.id, &p->id, sizeof(p->id)) >= 0)
		return c;
	if (!bit && n->child[1] != TRIE_NONE)
		return n->child[1];
	return next_below(t, TRIE_ROOT, i, false);
}
