/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When rules time out: a binary heap of times, in which each target knows its
 * place. Targets without time-outs are not in it.
 *
 * Each use of a rule makes its end later, and is told nobody: the heap keeps
 * the time that was right once, which is never too late. When that has come the
 * target is looked at again, and goes or gets a new time. So a rule that is
 * used a million times a second costs one look every idle time.
 */
#include "node/table/service_trie.h"

#define LOOKS_MAX 1024u /* of one search: others want to get on, too */
#define MS_NS INT64_C(1000000)

int64_t service_target_end_ns(const struct service_target *target)
{
	int64_t end = SERVICE_NEVER, other;

	if (target->idle_ms)
		end = target->used_ns + target->idle_ms * MS_NS;
	if (target->hard_ms) {
		other = target->added_ns + target->hard_ms * MS_NS;
		if (other < end)
			end = other;
	}
	return end;
}

static void put(struct service_table *t, uint32_t place, struct table_timer e)
{
	t->timers[place] = e;
	trie_target(t, e.target)->timer = place + 1;
}

static void rise(struct service_table *t, uint32_t i, struct table_timer e)
{
	while (i && t->timers[(i - 1) / 2].due_ns > e.due_ns) {
		put(t, i, t->timers[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(t, i, e);
}

static void sink(struct service_table *t, uint32_t i, struct table_timer e)
{
	uint32_t n = t->n_timers, c;

	while ((c = 2 * i + 1) < n) {
		if (c + 1 < n && t->timers[c + 1].due_ns < t->timers[c].due_ns)
			c++;
		if (t->timers[c].due_ns >= e.due_ns)
			break;
		put(t, i, t->timers[c]);
		i = c;
	}
	put(t, i, e);
}

static void settle(struct service_table *t, uint32_t i, struct table_timer e)
{
	if (i && t->timers[(i - 1) / 2].due_ns > e.due_ns)
		rise(t, i, e);
	else
		sink(t, i, e);
}

void target_timer_stop(struct service_table *t, uint32_t target)
{
	uint32_t place = trie_target(t, target)->timer;

	if (!place)
		return;
	trie_target(t, target)->timer = 0;
	t->n_timers--;
	if (place - 1 != t->n_timers)
		settle(t, place - 1, t->timers[t->n_timers]);
}

void target_timer_set(struct service_table *t, uint32_t target)
{
	struct table_timer e = {
		.due_ns =
			service_target_end_ns(&trie_target(t, target)->public),
		.target = target,
	};

	if (e.due_ns == SERVICE_NEVER)
		target_timer_stop(t, target);
	else if (trie_target(t, target)->timer)
		settle(t, trie_target(t, target)->timer - 1, e);
	else
		rise(t, t->n_timers++, e);
}

int64_t service_table_next_ns(const struct service_table *t)
{
	return t->n_timers ? t->timers[0].due_ns : SERVICE_NEVER;
}

uint32_t target_timer_due(struct service_table *t, int64_t now_ns, bool *found)
{
	*found = false;
	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		uint32_t target;

		if (service_table_next_ns(t) > now_ns)
			return 0;
		target = t->timers[0].target;
		if (service_target_end_ns(&trie_target(t, target)->public) <=
		    now_ns) {
			*found = true;
			return target;
		}
		target_timer_set(t, target);
	}
	return 0;
}
