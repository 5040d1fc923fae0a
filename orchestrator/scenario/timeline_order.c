/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries and their actions, by their times. */
#include "orchestrator/scenario/action.h"

#include "base/cleanup.h"

/* An entry's time and its place in the file, which decides where times are
 * equal: qsort() keeps no order of its own. */
struct entry_key {
	int64_t at_ns;
	size_t order;
};

static int compare_times(int64_t a_ns, size_t a, int64_t b_ns, size_t b)
{
	if (a_ns != b_ns)
		return a_ns < b_ns ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int compare_keys(const void *a, const void *b)
{
	const struct entry_key *x = a, *y = b;

	return compare_times(x->at_ns, x->order, y->at_ns, y->order);
}

static int compare_steps(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return compare_times(x->at_ns, x->order, y->at_ns, y->order);
}

void entries_sort(struct loader *l)
{
	size_t n = l->s->timeline.n;
	struct scn_entry *entries = l->s->timeline.v, *sorted;
	CLEANUP_FREE struct entry_key *keys = calloc(n + 1, sizeof(*keys));
	CLEANUP_FREE size_t *place = calloc(n + 1, sizeof(*place));

	sorted = calloc(n + 1, sizeof(*sorted));
	if (!keys || !place || !sorted) {
		free(sorted);
		l->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct entry_key){ entries[i].at_ns, i };
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++)
		sorted[i] = entries[keys[i].order];
	for (size_t i = 0; i < n; i++)
		place[keys[i].order] = i;
	for (size_t i = 0; i < n; i++)
		if (sorted[i].trigger == SCN_TRIGGER_AFTER &&
		    sorted[i].after != SCN_NONE)
			sorted[i].after = place[sorted[i].after];
	free(entries);
	l->s->timeline.v = sorted;
	l->s->timeline.cap = n + 1;
}

void steps_sort(step_vec *steps)
{
	if (steps->n)
		qsort(steps->v, steps->n, sizeof(*steps->v), compare_steps);
}
