/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timeline: what happens, and when.
 *
 * An item of the list is an entry; one with "every" is several, one for each of
 * its times, so that whatever looks at the timeline later sees plain entries.
 * Items are looked at three times: what they say of when, and by what name;
 * then whom each one waits for, which may stand further down; then what they
 * do, once for each time.
 */
#include "orchestrator/scenario/action.h"

#include "base/cleanup.h"
#include "orchestrator/scenario/when.h"

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

enum {
	ENTRY_AT,
	ENTRY_EVERY,
	ENTRY_TIMES,
	ENTRY_UNTIL,
	ENTRY_AFTER,
	ENTRY_WHEN,
	ENTRY_PLUS,
	ENTRY_NAME,
	ENTRY_OPTIONAL,
	ENTRY_OWN,
};

#define OCCURRENCES_MAX 10000 /* of all entries together */

static const struct type type_times = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = OCCURRENCES_MAX,
};

static const struct type type_after = {
	.expects = "the name of an entry",
	.scalar = SCALAR_REF,
	.names = NAMES_ENTRY,
};

static const struct word yes_words[] = {
	{ "true", 1, NULL },
	{ "false", 0, NULL },
	{ 0 },
};

static const struct type type_yes = {
	.expects = "true or false",
	.scalar = SCALAR_WORD,
	.thing = "an answer",
	.words = yes_words,
};

/* What an entry waits for may be named further down: read as a text here. */
static const struct field entry_fields[] = {
	[ENTRY_AT] = { .name = "at",
		       .type = &type_delay,
		       .example = "2s",
		       .doc = "when it happens, after the timeline begins" },
	[ENTRY_EVERY] = { .name = "every",
			  .type = &type_span,
			  .doc = "it happens again and again; first at 'at', "
				 "else when that time has passed once" },
	[ENTRY_TIMES] = { .name = "times",
			  .type = &type_times,
			  .doc = "of every: how often" },
	[ENTRY_UNTIL] = { .name = "until",
			  .type = &type_delay,
			  .doc = "of every: not behind this time" },
	[ENTRY_AFTER] = { .name = "after",
			  .type = &type_text,
			  .doc = "it happens when that entry is done" },
	[ENTRY_WHEN] = { .name = "when",
			 .type = &type_when,
			 .doc = "it happens when something else has happened" },
	[ENTRY_PLUS] = { .name = "plus",
			 .type = &type_delay,
			 .doc = "of after and when: so much later" },
	[ENTRY_NAME] = { .name = "name",
			 .type = &type_name,
			 .doc = "what 'after' calls it" },
	[ENTRY_OPTIONAL] = { .name = "optional",
			     .type = &type_yes,
			     .fallback = "false",
			     .doc = "true: it is no fault if it never "
				    "happens" },
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

/* ---- when ------------------------------------------------------------- */

/* An item of the list, as far as it is known. */
struct item {
	const struct tree_node *node;
	const struct mapping *variant;
	struct value v[VALUES_MAX];
	bool good; /* of its own fields and their kinds */
	enum scn_trigger trigger;
	const struct tree_node *by; /* what says when; NULL: nothing good */
	int64_t at_ns, every_ns; /* of the first time; SCN_UNTIMED */
	uint64_t times;
	size_t after; /* an item; SCN_NONE: none that is known */
	size_t last; /* entry made of it, in the order of the file */
	bool looked_at, under_way; /* its time */
	struct scn_when when;
};

typedef VEC(struct item) item_vec;

static bool refuse(struct loader *l, const struct item *item, size_t field,
		   const char *of)
{
	const struct tree_node *given = item->v[field].node;

	if (!given)
		return true;
	tree_error(l->diag, given, "'%s' is only for entries with %s",
		   entry_fields[field].name, of);
	return false;
}

/* Exactly one thing says when; "every" may have an "at" beside it. */
static bool choose_trigger(struct loader *l, struct item *item)
{
	const struct value *v = item->v;
	const struct tree_node *first = NULL;
	static const size_t ways[] = { ENTRY_AT, ENTRY_EVERY, ENTRY_AFTER,
				       ENTRY_WHEN };
	const char *first_name = NULL;

	for (size_t i = 0; i < 4; i++) {
		const struct tree_node *given = v[ways[i]].node;

		if (!given)
			continue;
		if (first && !(ways[i] == ENTRY_EVERY && v[ENTRY_AT].node)) {
			tree_error(l->diag, given,
				   "'%s' and '%s' cannot stand in one entry",
				   first_name, entry_fields[ways[i]].name);
			return false;
		}
		first = given;
		first_name = entry_fields[ways[i]].name;
	}
	if (!first) {
		/* A misspelt key was told, and may have been meant. */
		if (item->good || item->variant || !item->node->n) {
			tree_error(l->diag, item->node,
				   "this entry has no 'at'");
			diag_help(l->diag,
				  "add 'at: 2s' (when it happens, after the "
				  "timeline begins), or one of 'every', "
				  "'after' and 'when'");
		}
		return false;
	}
	item->trigger = v[ENTRY_AFTER].node ? SCN_TRIGGER_AFTER :
			v[ENTRY_WHEN].node  ? SCN_TRIGGER_WHEN :
					      SCN_TRIGGER_AT;
	item->by = first;
	return true;
}

/* How often it happens, and from when on. */
static bool read_every(struct loader *l, struct item *item)
{
	const struct value *v = item->v;
	int64_t first, end;

	item->times = 1;
	if (!v[ENTRY_EVERY].node) {
		bool good = v[ENTRY_AT].ok;

		/* All that is wrong is told. */
		item->at_ns = v[ENTRY_AT].ns;
		good &= refuse(l, item, ENTRY_TIMES, "'every'");
		good &= refuse(l, item, ENTRY_UNTIL, "'every'");
		return good;
	}
	if (!v[ENTRY_EVERY].ok || (v[ENTRY_AT].node && !v[ENTRY_AT].ok) ||
	    (v[ENTRY_TIMES].node && !v[ENTRY_TIMES].ok) ||
	    (v[ENTRY_UNTIL].node && !v[ENTRY_UNTIL].ok))
		return false;
	item->every_ns = v[ENTRY_EVERY].ns;
	first = v[ENTRY_AT].node ? v[ENTRY_AT].ns : item->every_ns;
	item->at_ns = first;
	item->times = v[ENTRY_TIMES].node ? v[ENTRY_TIMES].number : UINT64_MAX;
	if (v[ENTRY_UNTIL].node) {
		end = v[ENTRY_UNTIL].ns;
	} else if (v[ENTRY_TIMES].node) {
		end = INT64_MAX - 1;
	} else if (l->s->duration_ns) {
		end = l->s->duration_ns - 1;
	} else {
		if (l->duration)
			return false; /* it is wrong, which was told */
		tree_error(l->diag, v[ENTRY_EVERY].node,
			   "nothing says when this ends");
		diag_help(l->diag, "add 'times' or 'until', or give the "
				   "scenario a 'duration'");
		return false;
	}
	if (end < first) {
		tree_error(l->diag, v[ENTRY_EVERY].node,
			   "this never happens: its first time would be behind "
			   "its end");
		return false;
	}
	if ((uint64_t)((end - first) / item->every_ns) + 1 < item->times)
		item->times = (uint64_t)((end - first) / item->every_ns) + 1;
	if (item->times > OCCURRENCES_MAX ||
	    (INT64_MAX - 1 - first) / item->every_ns < (int64_t)item->times) {
		tree_error(l->diag, v[ENTRY_EVERY].node,
			   "this happens too often: %d times are the most",
			   OCCURRENCES_MAX);
		return false;
	}
	return true;
}

static bool read_trigger(struct loader *l, struct item *item)
{
	const struct value *v = item->v;
	bool good = true;

	item->after = SCN_NONE;
	item->at_ns = SCN_UNTIMED;
	item->times = 1;
	if (!choose_trigger(l, item))
		return false;
	if (item->trigger == SCN_TRIGGER_AT) {
		good = read_every(l, item);
		good &= refuse(l, item, ENTRY_PLUS, "'after' or 'when'");
	} else {
		good = refuse(l, item, ENTRY_TIMES, "'every'");
		good &= refuse(l, item, ENTRY_UNTIL, "'every'");
	}
	if (item->trigger == SCN_TRIGGER_WHEN)
		good &= v[ENTRY_WHEN].ok &&
			when_read(l, v[ENTRY_WHEN].node, &item->when);
	if (v[ENTRY_PLUS].node)
		good &= v[ENTRY_PLUS].ok;
	return good;
}

static void read_item(struct loader *l, const struct tree_node *node,
		      item_vec *items)
{
	struct item *item = LOADER_PUSH(l, items);
	const struct value *name;

	if (!item)
		return;
	item->node = node;
	item->good = mapping_read(l, &mapping_entry, node, NULL, item->v,
				  &item->variant);
	if (node->kind != TREE_MAP)
		return;
	if (!read_trigger(l, item)) {
		item->by = NULL;
		item->times = 1;
	}
	name = &item->v[ENTRY_NAME];
	if (name->ok)
		loader_define(l, NAMES_ENTRY, name->text, name->node,
			      items->n - 1);
	else
		l->names[NAMES_ENTRY].incomplete |= name->node != NULL;
}

/* Where nothing takes time. Entries that wait for each other are an error. */
static void find_time(struct loader *l, item_vec *items, size_t index)
{
	struct item *item = &items->v[index];
	const struct value *after = &item->v[ENTRY_AFTER];
	int64_t delay = item->v[ENTRY_PLUS].ok ? item->v[ENTRY_PLUS].ns : 0;
	const struct item *first;

	if (item->looked_at || item->trigger != SCN_TRIGGER_AFTER || !item->by)
		return;
	item->looked_at = item->under_way = true;
	if (!after->ok ||
	    !ref_read(l, &type_after, after->node, after->node->text,
		      after->text, &item->after)) {
		item->by = NULL;
		item->after = SCN_NONE;
		return;
	}
	if (items->v[item->after].under_way) {
		tree_error(l->diag, after->node,
			   "this entry waits for '%s', which waits for it",
			   after->text);
		diag_note(l->diag, items->v[item->after].node->pos, 1,
			  "'%s' is here", after->text);
		item->by = NULL;
		item->under_way = false;
		return;
	}
	find_time(l, items, item->after);
	item = &items->v[index];
	item->under_way = false;
	first = &items->v[item->after];
	if (first->at_ns == SCN_UNTIMED)
		return;
	item->at_ns =
		first->at_ns + (int64_t)(first->times - 1) * first->every_ns;
	item->at_ns = item->at_ns > SCN_UNTIMED - 1 - delay ?
			      SCN_UNTIMED - 1 :
			      item->at_ns + delay;
}

/* ---- what ------------------------------------------------------------- */

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

/* One entry: the item at one of its times. False: it had errors. */
static bool read_entry(struct loader *l, struct item *item, uint64_t time,
		       step_vec *steps)
{
	struct scn_entry *entry = LOADER_PUSH(l, &l->s->timeline);
	size_t errors = diag_count(l->diag);
	struct step step = { 0 };
	char text[32];

	if (!entry)
		return false;
	item->last = l->s->timeline.n - 1;
	entry->pos = item->node->pos;
	entry->trigger = item->trigger;
	entry->at_ns = item->at_ns == SCN_UNTIMED ?
			       SCN_UNTIMED :
			       item->at_ns + (int64_t)time * item->every_ns;
	entry->delay_ns = item->v[ENTRY_PLUS].ns;
	entry->after = item->after;
	entry->optional = item->v[ENTRY_OPTIONAL].word;
	if (item->v[ENTRY_NAME].ok)
		entry->name = loader_dup(l, item->v[ENTRY_NAME].text);
	if (item->by && item->trigger == SCN_TRIGGER_WHEN)
		when_copy(l, &item->when, &entry->when);
	step.at_ns = entry->at_ns;
	step.at = item->by;
	if (entry->at_ns != SCN_UNTIMED)
		step.when = loader_format(
			l, "%s",
			item->trigger == SCN_TRIGGER_AT && !item->every_ns &&
					item->by ?
				item->by->text :
				scn_duration_text(entry->at_ns, text,
						  sizeof(text)));
	step.action.pos = item->node->pos;
	step.map = item->node;
	if (!item->variant) {
		l->actions_unknown = ACTIONS_ALL;
	} else if (item->variant == &entry_do) {
		if (item->v[ENTRY_OWN].ok)
			read_do(l, &item->v[ENTRY_OWN], &step, steps);
		else
			l->actions_unknown = ACTIONS_ALL;
	} else {
		read_action(l, item->variant, item->v + ENTRY_OWN, &step,
			    item->good, steps);
	}
	return diag_count(l->diag) == errors;
}

static void read_entries(struct loader *l, item_vec *items, step_vec *steps)
{
	for (size_t i = 0; i < items->n && !l->no_memory; i++) {
		struct item *item = &items->v[i];

		if (item->node->kind != TREE_MAP) {
			l->actions_unknown = ACTIONS_ALL;
			continue;
		}
		/* Each time would have the same errors. */
		for (uint64_t k = 0; k < item->times && !l->no_memory; k++)
			if (!read_entry(l, item, k, steps))
				break;
		if (l->s->timeline.n > OCCURRENCES_MAX) {
			tree_error(l->diag, item->node,
				   "more than %d entries are too many",
				   OCCURRENCES_MAX);
			return;
		}
	}
	/* From items to the entries made of them. */
	for (size_t i = 0; i < l->s->timeline.n; i++) {
		struct scn_entry *e = &l->s->timeline.v[i];

		if (e->trigger == SCN_TRIGGER_AFTER && e->after != SCN_NONE)
			e->after = items->v[e->after].last;
	}
}

/* A probe tells of a few things only. */
static void check_probe_watches(struct loader *l, const item_vec *items)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct scn_when *w = &items->v[i].when;
		size_t n = 0;

		if (!items->v[i].by ||
		    items->v[i].trigger != SCN_TRIGGER_WHEN ||
		    w->kind != SCN_WHEN_PROBE)
			continue;
		for (size_t k = 0; k < i; k++)
			n += items->v[k].by &&
			     items->v[k].trigger == SCN_TRIGGER_WHEN &&
			     items->v[k].when.kind == SCN_WHEN_PROBE &&
			     items->v[k].when.probe == w->probe;
		if (n == SCN_PROBE_WAITS_MAX)
			tree_error(l->diag, items->v[i].node,
				   "at most %d entries can wait for one probe",
				   SCN_PROBE_WAITS_MAX);
	}
}

static void note_untimed(struct loader *l, const step_vec *steps)
{
	for (size_t i = 0; i < steps->n; i++)
		if (!steps->v[i].when)
			l->actions_untimed |=
				ACTION_BIT(steps->v[i].action.kind);
}

void timeline_read(struct loader *l, const struct tree_node *node)
{
	step_vec steps = { 0 };
	item_vec items = { 0 };

	if (!node || node->kind != TREE_LIST) {
		if (node && !tree_is_null(node))
			l->actions_unknown = ACTIONS_ALL;
		return;
	}
	for (size_t i = 0; i < node->n && !l->no_memory; i++)
		read_item(l, node->items[i], &items);
	for (size_t i = 0; i < items.n && !l->no_memory; i++)
		find_time(l, &items, i);
	check_probe_watches(l, &items);
	read_entries(l, &items, &steps);
	if (!l->no_memory)
		entries_sort(l);
	steps_sort(&steps);
	note_untimed(l, &steps);
	if (!l->no_memory)
		timeline_simulate(l, &steps);
	for (size_t i = 0; i < items.n; i++)
		when_deinit(&items.v[i].when);
	VEC_FREE(&items);
	VEC_FREE(&steps);
}
