/* SPDX-License-Identifier: GPL-2.0-or-later */
/* partition, heal: groups of nodes that do not hear each other. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>
#include <string.h>

static const struct type type_group = {
	.expects = "a host or router, or a list of them",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_HOST | SCN_ROUTERS | 1u << SCN_NODE_GUEST,
	.item = &type_machine,
};

static const struct type type_groups = {
	.expects = "a list of groups of nodes, such as [[a, b], c]",
	.item = &type_group,
};

static const struct field partition_fields[] = {
	{ .name = "partition",
	  .type = &type_groups,
	  .doc = "groups of nodes, none of which hears another from then on" },
};

static const struct word heal_words[] = {
	{ "all", 1, NULL },
	{ 0 },
};

static const struct type type_heal = {
	.expects = "all",
	.scalar = SCALAR_WORD,
	.thing = "a partition to heal",
	.words = heal_words,
};

static const struct field heal_fields[] = {
	{ .name = "heal",
	  .type = &type_heal,
	  .doc = "all: the partition is over" },
};

const struct mapping mapping_action_partition = {
	.what = "action",
	MAPPING_FIELDS(partition_fields),
};
const struct mapping mapping_action_heal = {
	.what = "action",
	MAPPING_FIELDS(heal_fields),
};

static void partition_free(struct scn_action *a)
{
	for (size_t i = 0; i < a->partition.groups.n; i++)
		VEC_FREE(&a->partition.groups.v[i]);
	VEC_FREE(&a->partition.groups);
}

/* A node that is in two groups would be cut off from itself. */
static bool check_twice(struct loader *l, const struct value *groups,
			const scn_groups *all)
{
	const scn_index_vec *last = &all->v[all->n - 1];
	struct value group = { .node = value_item(groups, all->n - 1) };

	for (size_t i = 0; i < last->n; i++) {
		for (size_t g = 0; g < all->n; g++) {
			size_t n = g + 1 < all->n ? all->v[g].n : i;

			for (size_t k = 0; k < n; k++) {
				if (all->v[g].v[k] != last->v[i] ||
				    last->v[i] == SCN_NONE)
					continue;
				tree_error(l->diag, value_item(&group, i),
					   "'%s' comes twice in this partition",
					   value_item(&group, i)->text);
				return false;
			}
		}
	}
	return true;
}

static bool read_partition(struct loader *l, const struct value *v,
			   struct step *step, step_vec *also)
{
	scn_groups *groups = &step->action.partition.groups;
	size_t n = value_items(v);
	bool good = true;

	(void)also;
	step->action.kind = SCN_ACTION_PARTITION;
	memset(groups, 0, sizeof(*groups));
	step->subject = v->node;
	if (!v->ok)
		return false;
	if (n < 2) {
		tree_error(l->diag, v->node,
			   "a partition has two groups at least");
		diag_help(l->diag, "write '[[a, b], [c]]'");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		scn_index_vec *group = LOADER_PUSH(l, groups);
		struct value list;

		if (!group)
			return false;
		if (!value_read(l, &type_group, value_item(v, i), &list)) {
			good = false;
			continue;
		}
		if (!value_items(&list)) {
			tree_error(l->diag, list.node, "this group is empty");
			good = false;
			continue;
		}
		refs_read(l, &type_machine, &list, group, &good);
		good = good && check_twice(l, v, groups);
	}
	return good;
}

static bool read_heal(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	step->action.kind = SCN_ACTION_HEAL;
	step->subject = v->node;
	return v->ok;
}

const struct action_form form_partition = {
	.mapping = &mapping_action_partition,
	.read = read_partition,
	.kinds = ACTION_BIT(SCN_ACTION_PARTITION),
};
const struct action_form form_heal = {
	.mapping = &mapping_action_heal,
	.read = read_heal,
	.kinds = ACTION_BIT(SCN_ACTION_HEAL),
};

static void partition_text(const struct scenario *s, const struct scn_action *a,
			   char *buf, size_t size)
{
	int n = snprintf(buf, size, "partition");

	for (size_t i = 0; i < a->partition.groups.n; i++)
		for (size_t k = 0; k < a->partition.groups.v[i].n; k++)
			if (n >= 0 && (size_t)n < size)
				n += snprintf(
					buf + n, size - (size_t)n, "%s%s",
					k ? ", " :
					i ? " | " :
					    " ",
					s->nodes.v[a->partition.groups.v[i]
							   .v[k]]
						.name);
}

static void heal_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	(void)s;
	(void)a;
	snprintf(buf, size, "heal");
}

static void check_partition(struct loader *l, struct state *st,
			    const struct step *step)
{
	bool begin = step->action.kind == SCN_ACTION_PARTITION;
	const struct step *before = st->parted;
	bool same = st->partition == begin;

	st->partition = begin;
	st->parted = step;
	if (!same || !action_is_known(l, SCN_ACTION_PARTITION) ||
	    !action_is_known(l, SCN_ACTION_HEAL))
		return;
	tree_error(l->diag, step->subject,
		   begin ? "at %s, there is a partition already" :
			   "at %s, there is no partition to heal",
		   step->when);
	if (begin)
		diag_help(l->diag, "heal it first: 'heal: all'");
	if (before)
		diag_note(l->diag, before->action.pos, 1, "%s here, at %s",
			  begin ? "it began" : "it was healed", before->when);
}

const struct action_kind kind_partition = {
	.name = "partition",
	.text = partition_text,
	.simulate = check_partition,
	.free = partition_free,
};
const struct action_kind kind_heal = {
	.name = "heal",
	.text = heal_text,
	.simulate = check_partition,
};
