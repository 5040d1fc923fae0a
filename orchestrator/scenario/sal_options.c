/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sal: how salds watch their peers, how they are carried, and by what policy
 * they choose among a host's interfaces: of all hosts, and, where a node says
 * otherwise, its own.
 */
#include "orchestrator/scenario/load.h"

#include "base/clock.h"

static const struct word encapsulate_words[] = {
	{ "auto", SCN_ENCAPSULATE_AUTO, NULL },
	{ "never", SCN_ENCAPSULATE_NEVER, NULL },
	{ 0 },
};

static const struct type type_encapsulate = {
	.expects = "auto or never",
	.scalar = SCALAR_WORD,
	.thing = "a way to encapsulate",
	.words = encapsulate_words,
};

static const struct type type_gap = {
	.expects = "a duration, such as 100ms",
	.scalar = SCALAR_DURATION,
	.min = NSEC_PER_MSEC,
	.max = INT64_C(3600) * NSEC_PER_SEC,
};

static const struct type type_tries = {
	.expects = "a number of questions",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = 100,
};

static const struct word by_words[] = {
	{ "order", SCN_BY_ORDER, NULL },
	{ "cost", SCN_BY_COST, NULL },
	{ 0 },
};

static const struct type type_by = {
	.expects = "order or cost",
	.scalar = SCALAR_WORD,
	.thing = "a policy",
	.words = by_words,
};

static const struct type type_ifname = {
	.expects = "the name of an interface of this node",
	.scalar = SCALAR_NAME,
	.rule = NAME_IFACE,
};

static const struct type type_order = {
	.expects = "an interface of this node, or a list of them",
	.scalar = SCALAR_TEXT,
	.item = &type_ifname,
};

static const struct type type_hold = {
	.expects = "a duration, such as 2s",
	.scalar = SCALAR_DURATION,
	.max = INT64_C(24 * 3600) * NSEC_PER_SEC,
};

enum {
	SAL_LIVENESS,
	SAL_GAP,
	SAL_PROBES,
	SAL_KEEPALIVE,
	SAL_ENCAPSULATE,
	SAL_RESEND,
	SAL_SOURCE_ROUTES,
	SAL_BY,
	SAL_ORDER,
	SAL_AVOID_METERED,
	SAL_GO_BACK,
	SAL_HOLD,
};

static const struct field sal_fields[] = {
	[SAL_LIVENESS] = { .name = "liveness",
			   .type = &type_gap,
			   .doc = "how long a program waits before its peer is "
				  "asked whether it is there" },
	[SAL_GAP] = { .name = "probe_gap",
		      .type = &type_gap,
		      .doc = "the time between two such questions" },
	[SAL_PROBES] = { .name = "probes",
			 .type = &type_tries,
			 .doc = "how many go unanswered before another way is "
				"taken" },
	[SAL_KEEPALIVE] = { .name = "keepalive",
			    .type = &type_gap,
			    .doc = "the time between packets that keep a NAT's "
				   "binding" },
	[SAL_ENCAPSULATE] = { .name = "encapsulate",
			      .type = &type_encapsulate,
			      .doc = "whether they go by UDP where protocol "
				     "144 does not pass: auto, or never" },
	[SAL_RESEND] = { .name = "resend",
			 .type = &type_switch,
			 .doc = "false: what TCP has not ACKed is not sent "
				"again when a flow has moved" },
	[SAL_SOURCE_ROUTES] = { .name = "source_routes",
				.type = &type_switch,
				.doc = "true: packets leave by the interface "
				       "that has their source address" },
	[SAL_BY] = { .name = "by",
		     .type = &type_by,
		     .doc = "which interface is the best: the first, or the "
			    "cheapest" },
	[SAL_ORDER] = { .name = "order",
			.type = &type_order,
			.doc = "interfaces of this node that come first, the "
			       "best first" },
	[SAL_AVOID_METERED] = { .name = "avoid_metered",
				.type = &type_switch,
				.doc = "whether metered interfaces come last" },
	[SAL_GO_BACK] = { .name = "go_back",
			  .type = &type_switch,
			  .doc = "whether flows move to a better interface "
				 "that comes back" },
	[SAL_HOLD] = { .name = "hold",
		       .type = &type_hold,
		       .doc = "how long it has to be there before they do" },
};

static const struct mapping mapping_sal = {
	.what = "sal section",
	.doc = "How salds work.",
	MAPPING_FIELDS(sal_fields),
};

const struct type type_sal = {
	.expects = "a mapping such as '{ liveness: 200ms }'",
	.mapping = &mapping_sal,
};

/* A sald counts in milliseconds. What is not given stays. */
static void read_ms(struct loader *l, const struct value *v, int64_t *out)
{
	if (!v->ok || !v->node)
		return;
	if (v->ns % NSEC_PER_MSEC)
		tree_error(l->diag, v->node,
			   "this is no whole number of milliseconds");
	*out = v->ns / NSEC_PER_MSEC;
}

static void read_choice(const struct value *v, enum scn_choice *out)
{
	if (v->ok && v->node)
		*out = v->word ? SCN_YES : SCN_NO;
}

static void read_order(struct loader *l, const struct value *v, size_t node,
		       struct scn_sal *s)
{
	if (!v->ok || !v->node)
		return;
	if (node == SCN_NONE) {
		tree_error(l->diag, v->node,
			   "an order of interfaces is one node's");
		diag_help(l->diag, "write it into the 'sal' of that node");
		return;
	}
	s->n_order = 0;
	for (size_t i = 0; i < value_items(v); i++) {
		const struct tree_node *item = value_item(v, i);
		struct value name;
		const char *text;
		size_t index;

		if (!value_read(l, &type_ifname, item, &name))
			continue;
		text = loader_format(l, "%s:%s", l->s->nodes.v[node].name,
				     item->text);
		if (!text ||
		    !ref_read(l, &type_iface, item, item->text, text, &index))
			continue;
		for (size_t k = 0; k < s->n_order; k++)
			if (s->order[k].link == index / 2 &&
			    s->order[k].end == index % 2) {
				tree_error(l->diag, item,
					   "'%s' is in this order already",
					   item->text);
				return;
			}
		if (s->n_order == SCN_ORDER_MAX) {
			tree_error(l->diag, item,
				   "an order holds at most %d interfaces",
				   SCN_ORDER_MAX);
			return;
		}
		s->order[s->n_order++] =
			(struct scn_iface_ref){ index / 2, index % 2 };
	}
}

/* node: SCN_NONE: what holds for all. */
static void read_section(struct loader *l, const struct tree_node *tree,
			 size_t node, struct scn_sal *s)
{
	struct value v[VALUES_MAX];

	if (!tree || tree->kind != TREE_MAP)
		return;
	mapping_read(l, &mapping_sal, tree, NULL, v, NULL);
	read_ms(l, &v[SAL_LIVENESS], &s->liveness_ms);
	read_ms(l, &v[SAL_GAP], &s->probe_gap_ms);
	read_ms(l, &v[SAL_KEEPALIVE], &s->keepalive_ms);
	read_ms(l, &v[SAL_HOLD], &s->hold_ms);
	if (v[SAL_PROBES].ok)
		s->probes = (unsigned)v[SAL_PROBES].number;
	if (v[SAL_ENCAPSULATE].ok)
		s->encapsulate = (enum scn_encapsulate)v[SAL_ENCAPSULATE].word;
	if (v[SAL_BY].ok)
		s->by = (enum scn_by)v[SAL_BY].word;
	read_choice(&v[SAL_RESEND], &s->resend);
	read_choice(&v[SAL_SOURCE_ROUTES], &s->source_routes);
	read_choice(&v[SAL_AVOID_METERED], &s->avoid_metered);
	read_choice(&v[SAL_GO_BACK], &s->go_back);
	read_order(l, &v[SAL_ORDER], node, s);
	if (v[SAL_HOLD].ok && v[SAL_HOLD].node && s->go_back != SCN_YES) {
		tree_error(l->diag, v[SAL_HOLD].node, "flows do not go back");
		diag_help(l->diag, "add 'go_back: true'");
	}
}

static void no_sald(struct loader *l, const struct tree_node *node)
{
	if (node)
		tree_error(l->diag, node,
			   "there is no sal service, and so no sald");
}

/* What is said to salds where there are none. */
static void check_none(struct loader *l, const struct tree_node *section)
{
	no_sald(l, section);
	for (size_t i = 0; i < l->node_sal.n; i++)
		no_sald(l, l->node_sal.v[i]);
	for (size_t i = 0; i < 2 * l->s->links.n; i++) {
		const struct scn_endpoint *end =
			&l->s->links.v[i / 2].end[i % 2];

		if (end->has_cost || end->metered || end->cap_bps)
			diag_error(l->diag, end->pos, 1,
				   "there is no sal service, and so no sald "
				   "that would heed cost, meter or cap");
	}
}

void sal_options_read(struct loader *l, const struct tree_node *node)
{
	bool any = l->names[NAMES_SERVICE].incomplete;
	struct scn_sal all = { 0 };

	read_section(l, node, SCN_NONE, &all);
	for (size_t i = 0; i < l->s->nodes.n; i++) {
		l->s->nodes.v[i].sal = all;
		read_section(l, l->node_sal.v[i], i, &l->s->nodes.v[i].sal);
	}
	for (size_t i = 0; i < l->s->services.n; i++)
		any |= l->s->services.v[i].resolver == SCN_RESOLVER_SAL;
	if (!any)
		check_none(l, node && node->kind == TREE_MAP ? node : NULL);
}
