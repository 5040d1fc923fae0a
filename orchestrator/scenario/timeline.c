/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timeline: what happens, and when. */
#include "orchestrator/scenario/action.h"

#include "base/cleanup.h"

#include <string.h>

static const struct field do_fields[] = {
	{ .name = "do",
	  .type = &type_do,
	  .doc = "actions that happen together, in this order" },
};

static const struct mapping entry_do = {
	.what = "entry",
	MAPPING_FIELDS(do_fields),
};

enum { ENTRY_AT, ENTRY_OWN };

static const struct field entry_fields[] = {
	[ENTRY_AT] = { .name = "at",
		       .type = &type_delay,
		       .required = true,
		       .example = "2s",
		       .doc = "when it happens, after the timeline begins" },
};

static const struct mapping mapping_entry = {
	.what = "entry",
	.doc = "A time, and what happens then.",
	MAPPING_FIELDS(entry_fields),
	.variants = (const struct mapping *const[]){ &entry_do, ACTION_MAPPINGS,
						     NULL },
	.example = "link: wifi, state: down",
	.several = "a list holds several actions of one time: "
		   "'do: [{ stop: p }, { start: q }]'",
};

static const struct type type_entry = {
	.expects = "an entry, such as '{ at: 2s, link: wifi, state: down }'",
	.mapping = &mapping_entry,
};

const struct type type_timeline = {
	.expects = "a list of entries, each with its 'at'",
	.item = &type_entry,
	.may_be_empty = true,
};

/* ---- reading ----------------------------------------------------------- */

static void add_step(struct loader *l, struct step *step, bool good,
		     step_vec *steps)
{
	struct scn_entry *entry = &l->s->timeline.v[l->s->timeline.n - 1];
	struct scn_action *action;
	struct step *copy;

	if (!good) {
		scn_action_deinit(&step->action);
		return;
	}
	action = LOADER_PUSH(l, &entry->actions);
	copy = LOADER_PUSH(l, steps);
	if (!action || !copy) {
		entry->actions.n -= action != NULL;
		scn_action_deinit(&step->action);
		return;
	}
	*action = step->action;
	*copy = *step;
	copy->order = steps->n;
}

/* One action, from the fields of its form. */
static void read_action(struct loader *l, const struct mapping *mapping,
			const struct value *v, struct step *step, bool good,
			step_vec *steps)
{
	const struct action_form *form = action_form_of(mapping);
	step_vec also = { 0 };
	struct step first = *step;

	first.map_good = good;
	good &= form->read(l, v, &first, &also);
	good &= step->at != NULL;
	if (!good)
		l->actions_unknown |= form->kinds;
	add_step(l, &first, good, steps);
	for (size_t i = 0; i < also.n; i++)
		add_step(l, &also.v[i], good, steps);
	VEC_FREE(&also);
}

static void read_do(struct loader *l, const struct value *list,
		    struct step *step, step_vec *steps)
{
	size_t n = value_items(list);

	if (list->node->kind == TREE_LIST && !n)
		tree_error(l->diag, list->node, "this list has no actions");
	for (size_t i = 0; i < n; i++) {
		const struct tree_node *node = value_item(list, i);
		const struct mapping *variant;
		struct value v[VALUES_MAX];
		bool good = mapping_read(l, &mapping_action, node, NULL, v,
					 &variant);

		if (!variant) {
			l->actions_unknown = ACTIONS_ALL;
			continue;
		}
		step->action.pos = node->pos;
		step->map = node;
		read_action(l, variant, v, step, good, steps);
	}
}

static void read_entry(struct loader *l, const struct tree_node *node,
		       step_vec *steps)
{
	struct scn_entry *entry = LOADER_PUSH(l, &l->s->timeline);
	const struct mapping *variant;
	struct value v[VALUES_MAX];
	struct step step = { 0 };
	bool good;

	if (!entry)
		return;
	good = mapping_read(l, &mapping_entry, node, NULL, v, &variant);
	entry->pos = node->pos;
	entry->at_ns = v[ENTRY_AT].ns;
	step.at_ns = v[ENTRY_AT].ns;
	step.at = v[ENTRY_AT].ok ? v[ENTRY_AT].node : NULL;
	step.action.pos = node->pos;
	step.map = node;
	if (!variant) {
		l->actions_unknown = ACTIONS_ALL;
	} else if (variant == &entry_do) {
		if (v[ENTRY_OWN].ok)
			read_do(l, &v[ENTRY_OWN], &step, steps);
		else
			l->actions_unknown = ACTIONS_ALL;
	} else {
		read_action(l, variant, v + ENTRY_OWN, &step, good, steps);
	}
}

/* ---- order ------------------------------------------------------------- */

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

static void sort_entries(struct loader *l)
{
	size_t n = l->s->timeline.n;
	struct scn_entry *entries = l->s->timeline.v, *sorted;
	CLEANUP_FREE struct entry_key *keys = calloc(n + 1, sizeof(*keys));

	sorted = calloc(n + 1, sizeof(*sorted));
	if (!keys || !sorted) {
		free(sorted);
		l->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct entry_key){ entries[i].at_ns, i };
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++)
		sorted[i] = entries[keys[i].order];
	free(entries);
	l->s->timeline.v = sorted;
	l->s->timeline.cap = n + 1;
}

void timeline_read(struct loader *l, const struct tree_node *node)
{
	step_vec steps = { 0 };

	if (!node || node->kind != TREE_LIST) {
		if (node && !tree_is_null(node))
			l->actions_unknown = ACTIONS_ALL;
		return;
	}
	for (size_t i = 0; i < node->n && !l->no_memory; i++)
		read_entry(l, node->items[i], &steps);
	if (!l->no_memory)
		sort_entries(l);
	if (steps.n)
		qsort(steps.v, steps.n, sizeof(*steps.v), compare_steps);
	if (!l->no_memory)
		timeline_simulate(l, &steps);
	VEC_FREE(&steps);
}
