/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drop: the next control packets of the SAL that come to a node are lost. */
#include "orchestrator/scenario/action.h"

#include "include/serval/wire.h"

#include <stdio.h>

static const struct word kind_words[] = {
	{ "syn", SAL_FLAG_SYN, NULL },
	{ "syn_ack", SAL_FLAG_SYN | SAL_FLAG_ACK, NULL },
	{ "rsyn", SAL_FLAG_RSYN, NULL },
	{ "rsyn_ack", SAL_FLAG_RSYN | SAL_FLAG_ACK, NULL },
	{ "ack", SAL_FLAG_ACK, NULL },
	{ "fin", SAL_FLAG_FIN, NULL },
	{ "rst", SAL_FLAG_RST, NULL },
	{ 0 },
};

static const struct type type_kind = {
	.expects = "syn, syn_ack, rsyn, rsyn_ack, ack, fin or rst",
	.scalar = SCALAR_WORD,
	.thing = "a control packet of the SAL",
	.words = kind_words,
};

static const struct type type_how_many = {
	.expects = "a number of packets",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = 10000,
};

enum { DROP_KIND, DROP_NODE, DROP_COUNT };

static const struct field drop_fields[] = {
	[DROP_KIND] = { .name = "drop",
			.type = &type_kind,
			.doc = "the kind of control packet that is lost" },
	[DROP_NODE] = { .name = "node",
			.type = &type_host,
			.required = true,
			.example = "a",
			.doc = "the host that it comes to" },
	[DROP_COUNT] = { .name = "count",
			 .type = &type_how_many,
			 .fallback = "1",
			 .doc = "how many of them, the next ones" },
};

const struct mapping mapping_action_drop = {
	.what = "action",
	MAPPING_FIELDS(drop_fields),
};

static bool read_drop(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;
	bool any = false;

	(void)also;
	a->kind = SCN_ACTION_DROP;
	step->subject = v[DROP_NODE].node;
	a->drop.flags = (uint8_t)v[DROP_KIND].word;
	a->drop.node = v[DROP_NODE].index;
	a->drop.count = (uint32_t)v[DROP_COUNT].number;
	if (!v[DROP_KIND].ok || !v[DROP_NODE].ok || !v[DROP_COUNT].ok)
		return false;
	for (size_t i = 0; i < l->s->services.n; i++)
		any |= l->s->services.v[i].resolver == SCN_RESOLVER_SAL;
	if (any || l->names[NAMES_SERVICE].incomplete)
		return true;
	tree_error(l->diag, v[DROP_KIND].node,
		   "there is no sal service, and so no such packet");
	return false;
}

const struct action_form form_drop = {
	.mapping = &mapping_action_drop,
	.read = read_drop,
	.kinds = ACTION_BIT(SCN_ACTION_DROP),
};

static void drop_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	const char *kind = "?";

	for (size_t i = 0; kind_words[i].text; i++)
		if (kind_words[i].value == a->drop.flags)
			kind = kind_words[i].text;
	snprintf(buf, size, "drop %u %s at %s", a->drop.count, kind,
		 s->nodes.v[a->drop.node].name);
}

const struct action_kind kind_drop = {
	.name = "drop",
	.text = drop_text,
};
