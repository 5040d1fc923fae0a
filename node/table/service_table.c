/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules on top of the trie: a node's targets are a list by falling
 * priority, in the order of their arrival within one, so that the targets to
 * choose from stand together.
 *
 * Choosing goes through that list once, for the sum of the weights of the first
 * priority that has any, and once more up to the target that the random number
 * points at. So a choice costs as much as a prefix has targets; a service has
 * few instances beside how many services there are.
 */
#include "node/table/service_trie.h"

#include <errno.h>

/* ---- memory ------------------------------------------------------------- */

/* The root comes with the 2P nodes of P prefixes; target 0 is not for use. */
static size_t node_count(uint32_t prefixes)
{
	return 2 * (size_t)prefixes + 1;
}

struct layout {
	size_t targets, timers, slots, end;
};

static struct layout lay_out(uint32_t prefixes, uint32_t targets)
{
	size_t nodes = node_count(prefixes);
	struct layout l;

	l.targets = nodes * sizeof(struct trie_node);
	l.timers = l.targets + (targets + 1ul) * sizeof(struct table_target);
	l.slots = l.timers + targets * sizeof(struct table_timer);
	l.end = l.slots + trie_index_slots((uint32_t)nodes) * sizeof(uint64_t);
	return l;
}

size_t service_table_bytes(uint32_t prefixes, uint32_t targets)
{
	return lay_out(prefixes, targets).end + _Alignof(struct trie_node) - 1;
}

int service_table_init(struct service_table *t, void *mem, size_t size,
		       uint32_t prefixes, uint32_t targets, uint64_t seed)
{
	size_t align = _Alignof(struct trie_node);
	char *base = (char *)mem + (align - (uintptr_t)mem % align) % align;
	struct layout l;

	if (!prefixes || prefixes > SERVICE_TABLE_MAX || !targets ||
	    targets > SERVICE_TABLE_MAX ||
	    size < service_table_bytes(prefixes, targets))
		return -ENOSPC;
	l = lay_out(prefixes, targets);
	*t = (struct service_table){
		.nodes = (struct trie_node *)base,
		.targets = (struct table_target *)(base + l.targets),
		.timers = (struct table_timer *)(base + l.timers),
		.slots = (uint64_t *)(base + l.slots),
	};
	trie_init(t, (uint32_t)node_count(prefixes), targets + 1);
	trie_index_init(t, seed);
	return 0;
}

/* ---- one target --------------------------------------------------------- */

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
static uint32_t *find_target(const struct service_table *t, uint32_t node,
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

static uint32_t next_generation(struct service_table *t)
{
	if (!++t->generation)
		t->generation = 1;
	return t->generation;
}

int service_table_add(struct service_table *t, const struct service_prefix *p,
		      const struct service_target *target, int64_t now_ns)
{
	struct table_target *new;
	uint32_t at, node, i;
	bool is_new;

	if (!is_valid(p, target))
		return -EINVAL;
	at = trie_descend(t, p);
	is_new = trie_node(t, at)->prefix.bits != p->bits;
	if (!is_new && *find_target(t, at, target) != TRIE_NONE)
		return -EEXIST;
	if (!t->target_pool.n_free ||
	    (is_new && t->node_pool.n_free < 2)) /* leaf and fork */
		return -ENOSPC;
	node = trie_insert(t, at, p);
	i = trie_target_take(t);
	new = trie_target(t, i);
	*new = (struct table_target){ .public = *target,
				      .node = node,
				      .generation = next_generation(t) };
	new->public.flows = new->public.packets = new->public.bytes = 0;
	new->public.added_ns = new->public.used_ns = now_ns;
	new->public.aside_ns = INT64_MIN;
	if (trie_node(t, node)->targets == TRIE_NONE) {
		t->n_prefixes++;
		trie_marked(t, node);
	}
	t->n_targets++;
	link_target(t, node, i);
	target_timer_set(t, i);
	return 0;
}

const struct service_target *
service_table_find(const struct service_table *t,
		   const struct service_prefix *p,
		   const struct service_target *target)
{
	uint32_t node, i;

	if (!find_prefix(t, p, &node))
		return NULL;
	i = *find_target(t, node, target);
	return i == TRIE_NONE ? NULL : &trie_target(t, i)->public;
}

int service_table_change(struct service_table *t,
			 const struct service_prefix *p,
			 const struct service_target *target, bool renew,
			 int64_t now_ns)
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
	public->refuse = target->refuse;
	public->hold_ms = target->hold_ms;
	public->idle_ms = target->idle_ms;
	public->hard_ms = target->hard_ms;
	if (renew)
	public->added_ns = public->used_ns = now_ns;
	target_timer_set(t, i);
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
	target_timer_stop(t, i);
	trie_target_put(t, i);
	t->n_targets--;
}

static void settle(struct service_table *t, uint32_t node)
{
	if (trie_node(t, node)->targets != TRIE_NONE)
		return;
	t->n_prefixes--;
	trie_unmarked(t, node);
	trie_prune(t, node);
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
	settle(t, node);
	return 0;
}

bool service_table_expire(struct service_table *t, int64_t now_ns,
			  struct service_prefix *p,
			  struct service_target *target)
{
	uint32_t i, node, *link;
	bool found;

	i = target_timer_due(t, now_ns, &found);
	if (!found)
		return false;
	node = trie_target(t, i)->node;
	*p = trie_node(t, node)->prefix;
	*target = trie_target(t, i)->public;
	link = &trie_node(t, node)->targets;
	while (*link != i)
		link = &trie_target(t, *link)->next;
	unlink_target(t, link);
	settle(t, node);
	return true;
}

/* NULL: it is gone. */
static struct table_target *at(const struct service_table *t,
			       struct service_ref ref)
{
	struct table_target *target;

	if (!ref.generation)
		return NULL;
	target = trie_target(t, ref.target);
	return target->generation == ref.generation ? target : NULL;
}

/* ---- looking ------------------------------------------------------------ */

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

bool service_table_has(const struct service_table *t,
		       const struct service_id *id, enum service_rule rule)
{
	uint32_t node, i;

	if (!trie_longest(t, id, &node))
		return false;
	for (i = trie_node(t, node)->targets; i != TRIE_NONE;
	     i = trie_target(t, i)->next)
		if (trie_target(t, i)->public.rule == rule)
			return true;
	return false;
}

static uint16_t usable_weight(const struct service_target *target,
			      const struct service_query *q, bool aside)
{
	if (target->down || q->without >> target->rule & 1 ||
	    (!aside && q->now_ns < target->aside_ns) ||
	    (q->skip && q->skip(target, q->skip_arg)))
		return 0;
	return target->weight;
}

/*
 * The sum of the weights in the highest priority that has any; *first is where
 * that starts. 0: nothing can be used.
 */
static uint64_t sum_weights(const struct service_table *t, uint32_t i,
			    const struct service_query *q, bool aside,
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
		sum += usable_weight(target, q, aside);
	}
	return sum;
}

int service_table_resolve(const struct service_table *t,
			  const struct service_id *id,
			  const struct service_query *q,
			  const struct service_target **out)
{
	const struct service_target *target;
	uint32_t node, i = TRIE_NONE;
	bool aside = false;
	uint64_t sum, left;

	if (!trie_longest(t, id, &node))
		return -ENOENT;
	sum = sum_weights(t, trie_node(t, node)->targets, q, aside, &i);
	if (!sum) {
		aside = true;
		sum = sum_weights(t, trie_node(t, node)->targets, q, aside, &i);
	}
	if (!sum)
		return -EHOSTUNREACH;
	left = q->random % sum;
	for (;;) {
		target = &trie_target(t, i)->public;
		if (left < usable_weight(target, q, aside))
			break;
		left -= usable_weight(target, q, aside);
		i = trie_target(t, i)->next;
	}
	*out = target;
	return 0;
}

bool service_table_has_other(const struct service_table *t,
			     struct service_ref ref, int64_t now_ns)
{
	const struct service_query q = { .now_ns = now_ns };
	const struct table_target *its = at(t, ref);

	if (!its)
		return false;
	for (uint32_t i = trie_node(t, its->node)->targets; i != TRIE_NONE;
	     i = trie_target(t, i)->next)
		if (i != ref.target &&
		    usable_weight(&trie_target(t, i)->public, &q, false))
			return true;
	return false;
}

/* ---- targets that are known --------------------------------------------- */

struct service_ref service_table_ref(const struct service_table *t,
				     const struct service_target *target)
{
	const struct table_target *of = (const void *)target;

	static_assert(offsetof(struct table_target, public) == 0,
		      "a target is where its public part is");
	return (struct service_ref){ (uint32_t)(of - t->targets),
				     of->generation };
}

const struct service_target *service_table_at(const struct service_table *t,
					      struct service_ref ref)
{
	const struct table_target *target = at(t, ref);

	return target ? &target->public : NULL;
}

const struct service_prefix *service_table_prefix(const struct service_table *t,
						  struct service_ref ref)
{
	const struct table_target *target = at(t, ref);

	return target ? &trie_node(t, target->node)->prefix : NULL;
}

void service_table_use(struct service_table *t, struct service_ref ref,
		       uint32_t flows, uint32_t packets, uint64_t bytes,
		       int64_t now_ns)
{
	struct table_target *target = at(t, ref);

	if (!target)
		return;
	target->public.flows += flows;
	target->public.packets += packets;
	target->public.bytes += bytes;
	target->public.used_ns = now_ns;
}

void service_table_set_aside(struct service_table *t, struct service_ref ref,
			     int64_t until_ns)
{
	struct table_target *target = at(t, ref);

	if (target)
		target->public.aside_ns = until_ns;
}

void service_table_answered(struct service_table *t, struct service_ref ref,
			    int64_t took_ns)
{
	struct table_target *target = at(t, ref);
	int64_t wait_ms, thrice_ms = 3 * (took_ns / 1000000);

	if (!target)
		return;
	target->public.silent = 0;
	target->public.aside_ns = 0;
	wait_ms = target->public.wait_ms;
	if (took_ns >= 0) {
		wait_ms -= wait_ms / 8;
		wait_ms = thrice_ms > wait_ms ? thrice_ms : wait_ms;
	} else if (!wait_ms) {
		wait_ms = SERVICE_WAIT_MAX_MS;
	}
	if (wait_ms < SERVICE_WAIT_MIN_MS)
		wait_ms = SERVICE_WAIT_MIN_MS;
	if (wait_ms > SERVICE_WAIT_MAX_MS)
		wait_ms = SERVICE_WAIT_MAX_MS;
	target->public.wait_ms = (uint16_t)wait_ms;
}

unsigned service_table_was_silent(struct service_table *t,
				  struct service_ref ref)
{
	struct table_target *target = at(t, ref);
	unsigned wait_ms;

	if (!target)
		return 0;
	wait_ms = 2u * target->public.wait_ms;
	if (wait_ms > SERVICE_WAIT_MAX_MS)
		wait_ms = SERVICE_WAIT_MAX_MS;
	target->public.wait_ms = (uint16_t)wait_ms;
	if (target->public.silent < UINT8_MAX)
		target->public.silent++;
	return target->public.silent;
}

bool service_table_answers(const struct service_table *t,
			   struct service_ref ref, int64_t now_ns)
{
	const struct service_query q = { .now_ns = now_ns };
	const struct table_target *its = at(t, ref);

	if (!its)
		return false;
	if (its->public.wait_ms)
		return true;
	for (uint32_t i = trie_node(t, its->node)->targets; i != TRIE_NONE;
	     i = trie_target(t, i)->next)
		if (trie_target(t, i)->public.wait_ms &&
		    usable_weight(&trie_target(t, i)->public, &q, false))
			return true;
	return false;
}

void service_table_set_down(struct service_table *t, service_down_fn *fn,
			    void *arg)
{
	for (uint32_t i = 1; i < t->target_pool.fresh; i++) {
		struct table_target *target = trie_target(t, i);

		if (target->generation)
			target->public.down = fn(&target->public, arg);
	}
}

/* ---- listing ------------------------------------------------------------ */

static int walk_node(const struct service_table *t, uint32_t i,
		     service_walk_fn *fn, void *arg)
{
	const struct trie_node *n = trie_node(t, i);
	uint32_t next;

	for (uint32_t j = n->targets; j != TRIE_NONE; j = next) {
		int r;

		next = trie_target(t, j)->next;
		r = fn(&n->prefix, &trie_target(t, j)->public, arg);
		if (r)
			return r;
	}
	return 0;
}

static int walk_from(const struct service_table *t, uint32_t i,
		     service_walk_fn *fn, void *arg)
{
	do {
		int r = walk_node(t, i, fn, arg);

		if (r)
			return r;
		i = trie_next(t, i);
	} while (i != TRIE_ROOT);
	return 0;
}

int service_table_walk_at(const struct service_table *t,
			  const struct service_prefix *p, service_walk_fn *fn,
			  void *arg)
{
	uint32_t i;

	return find_prefix(t, p, &i) ? walk_node(t, i, fn, arg) : 0;
}

int service_table_walk(const struct service_table *t, service_walk_fn *fn,
		       void *arg)
{
	return walk_from(t, TRIE_ROOT, fn, arg);
}

int service_table_walk_after(const struct service_table *t,
			     const struct service_prefix *after,
			     service_walk_fn *fn, void *arg)
{
	uint32_t i = trie_after(t, after);

	return i == TRIE_ROOT ? 0 : walk_from(t, i, fn, arg);
}
