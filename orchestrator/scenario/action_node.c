/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crash, boot, freeze, thaw: of a whole node. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>

#define NODE_ACTION(verb, VERB, about)                                         \
	static const struct field verb##_fields[] = {                          \
		{ .name = #verb, .type = &type_machine, .doc = about },        \
	};                                                                     \
	const struct mapping mapping_action_##verb = {                         \
		.what = "action",                                              \
		MAPPING_FIELDS(verb##_fields),                                 \
	};                                                                     \
	static bool read_##verb(struct loader *l, const struct value *v,       \
				struct step *step, step_vec *also)             \
	{                                                                      \
		(void)l;                                                       \
		(void)also;                                                    \
		step->action.kind = SCN_ACTION_##VERB;                         \
		step->action.node.node = v->index;                             \
		step->subject = v->node;                                       \
		return v->ok;                                                  \
	}                                                                      \
	const struct action_form form_##verb = {                               \
		.mapping = &mapping_action_##verb,                             \
		.read = read_##verb,                                           \
		.kinds = ACTION_BIT(SCN_ACTION_##VERB),                        \
	};                                                                     \
	const struct action_kind kind_##verb = {                               \
		.name = #verb,                                                 \
		.text = node_text,                                             \
		.simulate = check_node,                                        \
	}

static void node_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	snprintf(buf, size, "%s %s", scn_action_name(a->kind),
		 s->nodes.v[a->node.node].name);
}

/* Probes whose time comes, and goes by, while their node is off. */
static void check_probes(struct loader *l, size_t node,
			 const struct step *crash, int64_t until_ns)
{
	for (size_t i = 0; i < l->s->probes.n; i++) {
		const struct scn_probe *p = &l->s->probes.v[i];
		char at[32];

		if (p->node != node || !p->name || p->start_ns < crash->at_ns ||
		    p->for_ns > until_ns - p->start_ns)
			continue;
		diag_error(l->diag, p->pos, 1,
			   "the probe '%s' never begins: at %s, '%s' is off",
			   p->name,
			   scn_duration_text(p->start_ns, at, sizeof(at)),
			   l->s->nodes.v[node].name);
		diag_note(l->diag, crash->action.pos, 1,
			  "it crashed here, at %s", crash->when);
	}
}

static bool nodes_are_known(const struct loader *l)
{
	return action_is_known(l, SCN_ACTION_CRASH) &&
	       action_is_known(l, SCN_ACTION_BOOT) &&
	       action_is_known(l, SCN_ACTION_FREEZE) &&
	       action_is_known(l, SCN_ACTION_THAW);
}

void nodes_check_end(struct loader *l, const struct state *st)
{
	for (size_t i = 0; nodes_are_known(l) && i < l->s->nodes.n; i++)
		if (st->nodes[i] == NODE_OFF && st->node_changed[i])
			check_probes(l, i, st->node_changed[i], INT64_MAX);
}

static const char *state_word(enum node_life life)
{
	return life == NODE_ON ? "on" : life == NODE_OFF ? "off" : "frozen";
}

/* Whatever starts by itself runs again. */
static void restart_processes(struct loader *l, struct state *st,
			      const struct step *step, bool on)
{
	for (size_t i = 0; i < l->s->processes.n; i++) {
		const struct scn_process *p = &l->s->processes.v[i];

		if (p->node != step->action.node.node)
			continue;
		st->touched[i] = step;
		st->life[i] = !on || !p->autostart ? LIFE_NEVER :
			      p->command	   ? LIFE_STARTED :
						     LIFE_RUNNING;
	}
}

static void check_node(struct loader *l, struct state *st,
		       const struct step *step)
{
	static const struct {
		enum node_life from[2], to;
	} changes[] = {
		[SCN_ACTION_CRASH] = { { NODE_ON, NODE_FROZEN }, NODE_OFF },
		[SCN_ACTION_BOOT] = { { NODE_OFF, NODE_OFF }, NODE_ON },
		[SCN_ACTION_FREEZE] = { { NODE_ON, NODE_ON }, NODE_FROZEN },
		[SCN_ACTION_THAW] = { { NODE_FROZEN, NODE_FROZEN }, NODE_ON },
	};
	size_t node = step->action.node.node;
	enum scn_action_kind kind = step->action.kind;
	const struct step *before = st->node_changed[node];
	enum node_life was = st->nodes[node];
	bool fits =
		was == changes[kind].from[0] || was == changes[kind].from[1];

	st->nodes[node] = changes[kind].to;
	st->node_changed[node] = step;
	if (kind == SCN_ACTION_CRASH || kind == SCN_ACTION_BOOT)
		restart_processes(l, st, step, kind == SCN_ACTION_BOOT);
	if (!nodes_are_known(l))
		return;
	if (fits && kind == SCN_ACTION_BOOT && before)
		check_probes(l, node, before, step->at_ns);
	if (fits)
		return;
	tree_error(l->diag, step->subject, "at %s, '%s' is %s", step->when,
		   l->s->nodes.v[node].name, state_word(was));
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "that was made so here, at %s", before->when);
}

NODE_ACTION(crash, CRASH, "the node that loses its power");
NODE_ACTION(boot, BOOT, "the node that gets its power back");
NODE_ACTION(freeze, FREEZE, "the node that stands still");
NODE_ACTION(thaw, THAW, "the node that goes on");
