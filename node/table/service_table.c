/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules on top of the trie: a node's targets are a list by falling
 * priority, in the order of their arrival within one, so that the targets to
 * choose from stand together. Both kinds of cells come from one array: what is
 * not needed for prefixes can be used for targets.
 */
#include "node/table/service_trie.h"

#include <errno.h>
#include <string.h>

size_t service_table_bytes(uint32_t prefixes, uint32_t targets)
{
	size_t cells = 1 + 2 * (size_t)prefixes + targets;

	return cells * sizeof(union service_cell) +
	       _Alignof(union service_cell) - 1;
}

int service_table_init(struct service_table *t, void *mem, size_t size)
{
	size_t align = _Alignof(union service_cell);
	size_t skip = (align - (uintptr_t)mem % align) % align;
	size_t n = size < skip ? 0 : (size - skip) / sizeof(union service_cell);

	if (n < 4) /* the root, and what one addition may take */
		return -ENOSPC;
	if (n > UINT32_MAX)
		n = UINT32_MAX;
	trie_init(t, (union service_cell *)((char *)mem + skip), (uint32_t)n);
	return 0;
}

/* The node with targets of just this prefix. False: there is none. */
static bool find_prefix(const struct service_table *t,
			const struct service_prefix *p, uint32_t *out)
{
	*out = trie_descend(t, p);
	return trie_node(t, *out)->prefix.bits == p->bits &&
	       trie_node(t, *out)->targets != TRIE_NONE;
}

static bool same_target(const struct service_target *a,
			const struct service_target *b)
{
	if (a->rule != b->rule)
		return false;
	switch (a->rule) {
	case SERVICE_DEMUX:
		return a->instance == b->instance;
	case SERVICE_FORWARD:
		return a->port == b->port && ip_addr_equal(&a->addr, &b->addr);
	default:
		return true;
	}
}

/* The link that leads to the target, or to the end of the list. */
static uint32_t *find_target(struct service_table *t, uint32_t node,
			     const struct service_target *target)
{
	uint32_t *link = &trie_node(t, node)->targets;

	while (*link != TRIE_NONE &&
	       !same_target(&trie_target(t, *link)->public, target))
		link = &trie_target(t, *link)->next;
	return link;
}

/* Behind all of its priority. */
static void link_target(struct service_table *t, uint32_t node, uint32_t i)
{
	uint32_t *link = &trie_node(t, node)->targets;
	uint16_t priority = trie_target(t, i)->public.priority;

	while (*link != TRIE_NONE &&
	       trie_target(t, *link)->public.priority >= priority)
		link = &trie_target(t, *link)->next;
	trie_target(t, i)->next = *link;
	*link = i;
}

static bool is_zero_beyond(const struct service_prefix *p)
{
	static const struct service_id zero;

	if (p->bits > SERVICE_ID_BITS)
		return false;
	if (p->bits % 8 && p->id.bytes[p->bits / 8] & 0xff >> p->bits % 8)
		return false;
	return !memcmp(p->id.bytes + (p->bits + 7) / 8, zero.bytes,
		       SERVICE_ID_LEN - (p->bits + 7u) / 8);
}

static bool is_valid(const struct service_prefix *p,
		     const struct service_target *target)
{
	if (target->rule >= SERVICE_RULES || !is_zero_beyond(p))
		return false;
	return target->rule != SERVICE_FORWARD || ip_addr_size(&target->addr);
}

int service_table_add(struct service_table *t, const struct service_prefix *p,
		      const struct service_target *target, int64_t now_ns)
{
	uint32_t at, node, i;
	bool is_new;

	if (!is_valid(p, target))
		return -EINVAL;
	at = trie_descend(t, p);
	is_new = trie_node(t, at)->prefix.bits != p->bits;
	if (!is_new && *find_target(t, at, target) != TRIE_NONE)
		return -EEXIST;
	if (t->n_free < (is_new ? 3 : 1)) /* leaf, fork and target */
		return -ENOSPC;
	node = trie_insert(t, at, p);
	i = trie_cell_take(t);
	*trie_target(t, i) = (struct trie_target){ .public = *target };
	trie_target(t, i)->public.uses = 0;
	trie_target(t, i)->public.added_ns = now_ns;
	trie_target(t, i)->public.used_ns = now_ns;
	t->n_prefixes += trie_node(t, node)->targets == TRIE_NONE;
	t->n_targets++;
	link_target(t, node, i);
	return 0;
}

int service_table_change(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target)
{
	struct service_target *public;
	uint32_t node, i, *link;

	if (!find_prefix(t, p, &node))
		return -ENOENT;
	link = find_target(t, node, target);
	i = *link;
	if (i == TRIE_NONE)
		return -ENOENT;
	public = &trie_target(t, i)->public;
	public->weight = target->weight;
	public->down = target->down;
	if (public->priority == target->priority)
		return 0;
	public->priority = target->priority;
	*link = trie_target(t, i)->next;
	link_target(t, node, i);
	return 0;
}

static void unlink_target(struct service_table *t, uint32_t *link)
{
	uint32_t i = *link;

	*link = trie_target(t, i)->next;
	trie_cell_put(t, i);
	t->n_targets--;
}

int service_table_delete(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target)
{
	uint32_t node, *link;

	if (!find_prefix(t, p, &node))
		return -ENOENT;
	link = target ? find_target(t, node, target) :
			&trie_node(t, node)->targets;
	if (*link == TRIE_NONE)
		return -ENOENT;
	do {
		unlink_target(t, link);
	} while (!target && *link != TRIE_NONE);
	if (trie_node(t, node)->targets == TRIE_NONE) {
		t->n_prefixes--;
		trie_prune(t, node);
	}
	return 0;
}

bool service_table_match(const struct service_table *t,
			 const struct service_id *id,
			 struct service_prefix *out)
{
	uint32_t node;

	if (!trie_longest(t, id, &node))
		return false;
	*out = trie_node(t, node)->prefix;
	return true;
}

static uint16_t usable_weight(const struct service_target *target)
{
	return target->down ? 0 : target->weight;
}

/*
 * The sum of the weights in the highest priority that has any; *first is where
 * that starts. 0: nothing can be used.
 */
static uint64_t sum_weights(const struct service_table *t, uint32_t i,
			    uint32_t *first)
{
	uint64_t sum = 0;
	uint16_t priority = 0;

	for (; i != TRIE_NONE; i = trie_target(t, i)->next) {
		const struct service_target *target =
			&trie_target(t, i)->public;

		if (sum && target->priority != priority)
			break;
		if (!sum)
			*first = i;
		priority = target->priority;
		sum += usable_weight(target);
	}
	return sum;
}

int service_table_resolve(struct service_table *t, const struct service_id *id,
			  uint64_t random, int64_t now_ns,
			  const struct service_target **out)
{
	struct service_target *target;
	uint32_t node, i;
	uint64_t sum;

	if (!trie_longest(t, id, &node))
		return -ENOENT;
	sum = sum_weights(t, trie_node(t, node)->targets, &i);
	if (!sum)
		return -EHOSTUNREACH;
	random %= sum;
	for (;;) {
		target = &trie_target(t, i)->public;
		if (random < usable_weight(target))
			break;
		random -= usable_weight(target);
		i = trie_target(t, i)->next;
	}
	target->uses++;
	target->used_ns = now_ns;
	*out = target;
	return 0;
}

int service_table_walk(const struct service_table *t, service_walk_fn *fn,
		       void *arg)
{
	uint32_t i = TRIE_ROOT;

	do {
		const struct trie_node *n = trie_node(t, i);

		for (uint32_t j = n->targets; j != TRIE_NONE;
		     j = trie_target(t, j)->next) {
			int r = fn(&n->prefix, &trie_target(t, j)->public, arg);

			if (r)
				return r;
		}
		i = trie_next(t, i);
	} while (i != TRIE_ROOT);
	return 0;
}
