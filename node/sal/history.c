/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every path that a flow had, from when to when, and why it came to it.
 *
 * It is written down after each step rather than where paths are changed: a
 * path that is only being tried is none that the flow had, and there are many
 * places that try one. A flow has a path while its data goes on; what lies
 * between two of them is what it had to wait for the move.
 *
 * Each flow has room for the newest SAL_WAYS_MAX, in a piece of memory of its
 * own, of which nothing is touched before it is used; what was before is
 * counted. Of flows that are over the last SAL_ENDED_MAX are kept.
 */
#include "node/sal/engine.h"

#include <string.h>

static struct sal_way *ways_of(const struct sal *s, const struct sal_flow *f)
{
	return s->ways + (size_t)(f - s->flows) * SAL_WAYS_MAX;
}

/* Its data goes on, or what is left of it. */
static bool has_way(const struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_ESTABLISHED:
	case SAL_FIN_WAIT:
	case SAL_CLOSE_WAIT:
	case SAL_TIME_WAIT:
		return f->hand != SAL_HAND_GIVEN;
	default:
		return false;
	}
}

static struct sal_way *newest(const struct sal *s, const struct sal_flow *f)
{
	return f->way_count ?
		       &ways_of(s, f)[(f->way_count - 1) % SAL_WAYS_MAX] :
		       NULL;
}

static bool same(const struct sal_path *a, const struct sal_path *b)
{
	return sal_path_equal(a, b) && ip_addr_equal(&a->local, &b->local);
}

void sal_way_because(struct sal_flow *f, enum sal_way_why why)
{
	if (f->way_why == SAL_WAY_OPENED)
		f->way_why = why;
}

void sal_way_note(struct sal *s, struct sal_flow *f)
{
	struct sal_way *last = newest(s, f);
	bool has = has_way(f), open = last && last->until_ns == SAL_NEVER;

	if (open && has && same(&last->path, &f->tie.path)) {
		f->way_why = SAL_WAY_OPENED;
		return;
	}
	if (open)
		last->until_ns = s->now_ns;
	if (!has)
		return;
	/* What happened before the first is not why it came to be. */
	if (!f->way_count && f->way_why != SAL_WAY_HANDED_OVER)
		f->way_why = SAL_WAY_OPENED;
	f->way_count++;
	*newest(s, f) = (struct sal_way){
		.path = f->tie.path,
		.from_ns = s->now_ns,
		.until_ns = SAL_NEVER,
		.why = f->way_why,
	};
	f->way_why = SAL_WAY_OPENED;
}

/* What the ring holds, the oldest first. */
static void copy_ways(const struct sal *s, const struct sal_flow *f,
		      struct sal_history *out)
{
	uint32_t first =
		f->way_count > SAL_WAYS_MAX ? f->way_count - SAL_WAYS_MAX : 0;

	out->left_out = first;
	out->n = f->way_count - first;
	for (uint32_t i = 0; i < out->n; i++)
		out->v[i] = ways_of(s, f)[(first + i) % SAL_WAYS_MAX];
}

void sal_way_end(struct sal *s, const struct sal_flow *f)
{
	struct sal_way *last = newest(s, f);
	struct sal_history *slot;

	if (!last)
		return; /* it never was one */
	if (last->until_ns == SAL_NEVER)
		last->until_ns = s->now_ns;
	slot = &s->ended[s->ended_count++ % SAL_ENDED_MAX];
	slot->info = sal_flow_seen(f);
	slot->ended_ns = s->now_ns;
	slot->reason = f->reason;
	copy_ways(s, f, slot);
}

/* The kth of those that are kept, the newest first. */
static const struct sal_history *ended(const struct sal *s, uint32_t k)
{
	return &s->ended[(s->ended_count - 1 - k) % SAL_ENDED_MAX];
}

static uint32_t ended_kept(const struct sal *s)
{
	return s->ended_count < SAL_ENDED_MAX ? s->ended_count : SAL_ENDED_MAX;
}

bool sal_flow_history(const struct sal *s, uint32_t local_id,
		      struct sal_history *out)
{
	const struct sal_flow *f = sal_flow_by_id(s, local_id);

	if (f) {
		out->info = sal_flow_seen(f);
		out->ended_ns = SAL_NEVER;
		out->reason = 0;
		copy_ways(s, f, out);
		return true;
	}
	for (uint32_t k = 0; k < ended_kept(s); k++) {
		if (ended(s, k)->info.local_id != local_id)
			continue;
		*out = *ended(s, k);
		return true;
	}
	return false;
}

void sal_flows_ended(const struct sal *s,
		     void (*visit)(void *arg, const struct sal_history *h),
		     void *arg)
{
	for (uint32_t k = ended_kept(s); k-- > 0;)
		visit(arg, ended(s, k));
}

const char *sal_way_why_name(enum sal_way_why why)
{
	static const char *const names[] = {
		[SAL_WAY_OPENED] = "opened",
		[SAL_WAY_INTERFACE_GONE] = "interface gone",
		[SAL_WAY_INTERFACE_DOWN] = "interface down",
		[SAL_WAY_CARRIER_LOST] = "carrier lost",
		[SAL_WAY_ADDRESS_REMOVED] = "address removed",
		[SAL_WAY_ADDRESS_DEPRECATED] = "address deprecated",
		[SAL_WAY_ADDRESS_DUPLICATE] = "address duplicate",
		[SAL_WAY_ADDRESS_GONE] = "address gone",
		[SAL_WAY_NO_ROUTE] = "no route",
		[SAL_WAY_BACK] = "went back",
		[SAL_WAY_POLICY] = "policy changed",
		[SAL_WAY_METERED] = "metered",
		[SAL_WAY_ORDERED] = "ordered",
		[SAL_WAY_SILENCE] = "peer silent",
		[SAL_WAY_PEER_MOVED] = "peer moved",
		[SAL_WAY_PEER_SEEN] = "peer seen elsewhere",
		[SAL_WAY_REBOUND] = "other instance",
		[SAL_WAY_HANDED_OVER] = "handed over",
		[SAL_WAY_HANDOFF_UNDONE] = "handoff undone",
	};

	return (unsigned)why < sizeof(names) / sizeof(*names) ? names[why] :
								"?";
}
