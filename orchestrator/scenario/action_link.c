/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: a link changes. */
#include "orchestrator/scenario/action.h"
#include "orchestrator/scenario/link_props.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct word state_words[] = {
	{ "up", 1, NULL },
	{ "down", 0, NULL },
	{ 0 },
};

static const struct type type_state = {
	.expects = "up or down",
	.scalar = SCALAR_WORD,
	.thing = "a state of a link",
	.words = state_words,
};

enum { LINK_NAME, LINK_STATE, LINK_RESET, LINK_PROPS };

static const struct field link_fields[] = {
	[LINK_NAME] = { .name = "link",
			.type = &type_link,
			.doc = "the link that changes" },
	[LINK_STATE] = { .name = "state",
			 .type = &type_state,
			 .doc = "whether it carries packets from then on" },
	[LINK_RESET] = { .name = "reset",
			 .type = &type_switch,
			 .doc = "true: its properties are again what its "
				"entry says; what stands beside it holds" },
	LINK_PROPERTY_FIELDS(LINK_PROPS),
};

const struct mapping mapping_action_link = {
	.what = "action",
	MAPPING_FIELDS(link_fields),
	.dynamic = &link_directions,
};

/* What it asks of the link's properties; 1: something, 0: nothing, -1: it has
 * an error. */
static int read_change(struct loader *l, const struct value *v,
		       struct step *step)
{
	struct link_props *props = arena_alloc(l->arena, sizeof(*props));
	struct scn_action *a = &step->action;
	struct link_props one_way = { 0 };
	static const struct scn_endpoint unknown[2] = { { .node = SCN_NONE },
							{ .node = SCN_NONE } };
	const struct scn_link *link =
		v[LINK_NAME].ok ? &l->s->links.v[v[LINK_NAME].index] : NULL;
	bool good, reset = v[LINK_RESET].ok && v[LINK_RESET].word;

	if (!props) {
		l->no_memory = true;
		return -1;
	}
	memset(props, 0, sizeof(*props));
	good = link_props_read(l, v + LINK_PROPS, props);
	good &= link_directions_read(l, step->map, link ? link->end : unknown,
				     &one_way);
	link_props_merge(props, &one_way);
	if (!good || !link)
		return -1;
	if (!props->change[0].properties && !props->change[1].properties &&
	    !reset)
		return 0;
	a->kind = SCN_ACTION_LINK_CHANGE;
	a->change.link = v[LINK_NAME].index;
	a->change.reset = reset;
	a->change.set = calloc(1, sizeof(*a->change.set));
	if (!a->change.set) {
		l->no_memory = true;
		return -1;
	}
	for (size_t end = 0; end < 2; end++) {
		struct link_change *c = &a->change.set->from[end];

		if (reset) {
			c->to = link->params[end];
			link_params_apply(&c->to, &props->change[end]);
			c->properties = LINK_PROPERTIES_ALL;
		} else {
			*c = props->change[end];
		}
	}
	step->props = props;
	return 1;
}

/* One that changes properties and the state is two actions, in this order. */
static bool read_link(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	struct step *state = step;
	int change;
	bool good = v[LINK_NAME].ok;

	step->subject = v[LINK_NAME].node;
	step->action.kind = SCN_ACTION_LINK_STATE;
	change = read_change(l, v, step);
	good &= change >= 0;
	for (size_t i = LINK_STATE; i < LINK_PROPS + PROP_COUNT_; i++)
		good &= !v[i].node || v[i].ok;
	if (!v[LINK_STATE].node) {
		if (good && !change && step->map_good) {
			tree_error(l->diag, step->map,
				   "nothing about the link is to change");
			diag_help(l->diag, "add a 'state', or a property, as "
					   "in 'state: down' or 'loss: 20%%'");
		}
		return good && change;
	}
	if (change > 0) {
		state = LOADER_PUSH(l, also);
		if (!state)
			return false;
		*state = *step;
		state->props = NULL;
		memset(&state->action, 0, sizeof(state->action));
		state->action.pos = step->action.pos;
	}
	state->action.kind = SCN_ACTION_LINK_STATE;
	state->action.link.link = v[LINK_NAME].index;
	state->action.link.up = v[LINK_STATE].word;
	return good;
}

const struct action_form form_link = {
	.mapping = &mapping_action_link,
	.read = read_link,
	.kinds = ACTION_BIT(SCN_ACTION_LINK_STATE) |
		 ACTION_BIT(SCN_ACTION_LINK_CHANGE),
};

/* ---- its state ---------------------------------------------------------- */

static void state_text(const struct scenario *s, const struct scn_action *a,
		       char *buf, size_t size)
{
	snprintf(buf, size, "link %s %s", s->links.v[a->link.link].name,
		 a->link.up ? "up" : "down");
}

static void check_link(struct loader *l, struct state *st,
		       const struct step *step)
{
	size_t link = step->action.link.link;
	const struct step *before = st->switched[link];
	bool same = st->down[link] != step->action.link.up;

	st->switched[link] = step;
	st->down[link] = !step->action.link.up;
	if (!same || !action_is_known(l, SCN_ACTION_LINK_STATE))
		return;
	tree_error(l->diag, step->subject, "at %s, the link '%s' is %s already",
		   step->when, l->s->links.v[link].name,
		   step->action.link.up ? "up" : "down");
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it went %s here, at %s",
			  step->action.link.up ? "up" : "down", before->when);
}

const struct action_kind kind_link_state = {
	.name = "link",
	.text = state_text,
	.simulate = check_link,
};

/* ---- its properties ------------------------------------------------------ */

static void change_text(const struct scenario *s, const struct scn_action *a,
			char *buf, size_t size)
{
	int n = snprintf(buf, size,
			 "link %s: ", s->links.v[a->change.link].name);

	if (n < 0 || (size_t)n >= size)
		return; /* its name took all of it */
	if (a->change.reset)
		snprintf(buf + n, size - (size_t)n, "as it was at first");
	else
		scn_change_text(s, a->change.link, a->change.set, buf + n,
				size - (size_t)n);
}

/* What the change leads to may not fit what is there already. */
static void check_change(struct loader *l, struct state *st,
			 const struct step *step)
{
	size_t link = step->action.change.link;

	for (size_t end = 0; end < 2; end++)
		link_params_apply(&st->params[link][end],
				  &step->action.change.set->from[end]);
	if (!action_is_known(l, SCN_ACTION_LINK_CHANGE) ||
	    !l->links.v[link].good || !step->props)
		return;
	if (link_params_check(l, st->params[link], step->props))
		link_kernel_check(l, link, st->params[link], step->props);
}

static void free_change(struct scn_action *a)
{
	free(a->change.set);
}

const struct action_kind kind_link_change = {
	.name = "link",
	.text = change_text,
	.simulate = check_change,
	.free = free_change,
};
