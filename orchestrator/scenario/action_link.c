/* SPDX-License-Identifier: GPL-2.0-or-later */
/* link: a link changes. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>

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

enum { LINK_NAME, LINK_STATE };

static const struct field link_fields[] = {
	[LINK_NAME] = { .name = "link",
			.type = &type_link,
			.doc = "the link that changes" },
	[LINK_STATE] = { .name = "state",
			 .type = &type_state,
			 .required = true,
			 .example = "down",
			 .doc = "whether it carries packets from then on" },
};

const struct mapping mapping_action_link = {
	.what = "action",
	MAPPING_FIELDS(link_fields),
};

static bool read_link(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;

	(void)l;
	(void)also;
	a->kind = SCN_ACTION_LINK_STATE;
	step->subject = v[LINK_NAME].node;
	a->link.link = v[LINK_NAME].index;
	a->link.up = v[LINK_STATE].word;
	return v[LINK_NAME].ok && v[LINK_STATE].ok;
}

const struct action_form form_link = {
	.mapping = &mapping_action_link,
	.read = read_link,
	.kinds = ACTION_BIT(SCN_ACTION_LINK_STATE),
};

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
		   step->at->text, l->s->links.v[link].name,
		   step->action.link.up ? "up" : "down");
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it went %s here, at %s",
			  step->action.link.up ? "up" : "down",
			  before->at->text);
}

const struct action_kind kind_link_state = {
	.name = "link",
	.text = state_text,
	.simulate = check_link,
};
