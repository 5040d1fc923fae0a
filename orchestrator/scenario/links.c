/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * topology: links:
 *
 * Interfaces that the file gives no name are called ethN, with the first N that
 * is free in the node. Which ones are free is only known when all links have
 * been read, since a name given further down counts as well: so names are
 * handed out in a second pass, and links, which are called after their ends
 * unless they have a name, get theirs in that pass too.
 */
#include "orchestrator/scenario/link_props.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

#define BRIDGE_PORTS_MAX 1023 /* the kernel's BR_MAX_PORTS, less one */

/* ---- links ------------------------------------------------------------- */

static const struct type type_ends = {
	.expects = "a list of two endpoints, such as [\"a:eth0\", \"lan\"]",
	.item = &type_link_end,
};

static const struct type type_link_name = {
	.expects = "a name",
	.scalar = SCALAR_NAME,
	.rule = NAME_NODE,
};

/* ---- what is asked of links ---------------------------------------------- */

static const struct word backend_words[] = {
	{ "auto", SCN_BACKEND_AUTO, NULL },
	{ "kernel", SCN_BACKEND_KERNEL, NULL },
	{ "emulated", SCN_BACKEND_EMULATED, NULL },
	{ 0 },
};

static const struct type type_backend = {
	.expects = "auto, kernel or emulated",
	.scalar = SCALAR_WORD,
	.thing = "a backend",
	.words = backend_words,
};

/* Where the defaults have them, and links behind their own. */
enum { ASK_BACKEND = PROP_COUNT_, ASK_TOLERANCE, ASK_COUNT_ };

#define ASK_FIELDS(first)                                                      \
	LINK_PROPERTY_FIELDS(first),                                           \
		[(first) + ASK_BACKEND] = { .name = "backend",                 \
					    .type = &type_backend,             \
					    .doc = "who carries it" },         \
			   [(first) + ASK_TOLERANCE] = {                       \
				   .name = "tolerance",                        \
				   .type = &type_span,                         \
				   .doc = "how late frames may be (99 of 100 " \
					  "of them) "                          \
					  "in a run that counts"               \
			   }

static const struct field ask_fields[] = { ASK_FIELDS(0) };

static const struct mapping mapping_ask = {
	.what = "default of links",
	.doc = "What holds for links that do not say otherwise.",
	MAPPING_FIELDS(ask_fields),
};

static const struct type type_ask = {
	.expects = "properties of links, such as '{ queue: 100 }'",
	.mapping = &mapping_ask,
};

static const struct field defaults_fields[] = {
	{ .name = "link",
	  .type = &type_ask,
	  .doc = "what holds for links that do not say otherwise" },
};

static const struct mapping mapping_defaults = {
	.what = "defaults",
	.doc = "What holds where nothing else is said.",
	MAPPING_FIELDS(defaults_fields),
};

const struct type type_defaults = {
	.expects = "a mapping such as '{ link: { queue: 100 } }'",
	.mapping = &mapping_defaults,
	.may_be_empty = true,
};

enum { LINK_ENDPOINTS, LINK_NAME, LINK_SUBNET, LINK_START, LINK_ASK };

static const struct word start_words[] = {
	{ "auto", 1, NULL },
	{ "manual", 0, NULL },
	{ 0 },
};

static const struct type type_start = {
	.expects = "auto or manual",
	.scalar = SCALAR_WORD,
	.thing = "a way to start",
	.words = start_words,
};

static const struct field link_fields[] = {
	[LINK_ENDPOINTS] = { .name = "endpoints",
			     .type = &type_ends,
			     .required = true,
			     .example = "[\"a:eth0\", \"b:eth0\"]",
			     .doc = "its two ends" },
	[LINK_NAME] = { .name = "name",
			.type = &type_link_name,
			.doc = "what actions call it" },
	[LINK_SUBNET] = { .name = "subnet",
			  .type = &type_subnets,
			  .doc = "the network of a link without a bridge" },
	[LINK_START] = { .name = "start",
			 .type = &type_start,
			 .fallback = "auto",
			 .doc = "manual: its interfaces are not there until an "
				"action adds them" },
	ASK_FIELDS(LINK_ASK),
};

static const struct mapping mapping_link = {
	.what = "link",
	.doc = "A cable between two nodes, or between a node and a bridge.",
	MAPPING_FIELDS(link_fields),
	.dynamic = &link_directions,
};

static const struct type type_link_body = {
	.expects = "a link, such as '{ endpoints: [a, b] }'",
	.mapping = &mapping_link,
};

const struct type type_links = {
	.expects = "a list of links",
	.item = &type_link_body,
	.may_be_empty = true,
};

static bool is_bridge(const struct loader *l, const struct scn_endpoint *end)
{
	return end->node != SCN_NONE &&
	       l->s->nodes.v[end->node].kind == SCN_NODE_BRIDGE;
}

static bool check_ends(struct loader *l, const struct scn_link *link,
		       const struct link_origin *source,
		       const struct tree_node *subnet)
{
	const struct scn_endpoint *a = &link->end[0], *b = &link->end[1];
	bool good = true;

	if (a->node != SCN_NONE && a->node == b->node) {
		tree_error(l->diag, source->end[1],
			   "a link cannot connect '%s' with itself",
			   l->s->nodes.v[a->node].name);
		return false;
	}
	if (is_bridge(l, a) && is_bridge(l, b)) {
		tree_error(l->diag, source->end[1],
			   "a link between two bridges is not supported yet");
		diag_help(l->diag, "put a router between '%s' and '%s'",
			  l->s->nodes.v[a->node].name,
			  l->s->nodes.v[b->node].name);
		good = false;
	}
	if (subnet && (is_bridge(l, a) || is_bridge(l, b))) {
		const char *bridge =
			l->s->nodes.v[is_bridge(l, a) ? a->node : b->node].name;

		tree_error(
			l->diag, subnet,
			"a link to a bridge is part of the bridge's network");
		diag_help(l->diag, "give the subnet to the bridge '%s'",
			  bridge);
		good = false;
	}
	return good;
}

static bool read_ends(struct loader *l, const struct value *list,
		      struct scn_link *link, struct link_origin *source)
{
	bool good = true;
	size_t n = value_items(list);

	if (!list->ok)
		return false;
	for (size_t i = 0; i < n && i < 2; i++) {
		source->end[i] = value_item(list, i);
		good &= link_end_read(l, source->end[i], &link->end[i]);
	}
	if (n != 2) {
		tree_error(l->diag, list->node,
			   "a link has two endpoints, not %zu", n);
		good = false;
	}
	return good;
}

/* What the defaults, or a link, ask for: on top of what was asked before. */
static bool read_asked(struct loader *l, const struct value *v,
		       struct link_origin *origin, struct scn_link *link)
{
	struct link_props own = { 0 };
	bool good = link_props_read(l, v, &own);

	/* Of both ends alike, it is what their interfaces take. */
	if (v[PROP_MTU].ok)
		link->mtu = (uint32_t)v[PROP_MTU].number;
	for (size_t end = 0; end < 2; end++) {
		own.change[end].properties &= ~(unsigned)LINK_MTU;
		own.given[end][PROP_MTU] = NULL;
	}
	link_props_merge(&origin->props, &own);
	if (v[ASK_BACKEND].ok) {
		link->backend = (enum scn_backend)v[ASK_BACKEND].word;
		origin->backend = v[ASK_BACKEND].node;
	}
	if (v[ASK_TOLERANCE].ok) {
		link->tolerance_ns = v[ASK_TOLERANCE].ns;
		origin->tolerance = v[ASK_TOLERANCE].node;
	}
	return good;
}

static bool read_properties(struct loader *l, const struct tree_node *node,
			    const struct value *v, struct link_origin *origin,
			    struct scn_link *link)
{
	struct link_props own = { 0 };
	bool good = read_asked(l, v, origin, link);

	good &= link_directions_read(l, node, link->end, &own);
	link_props_merge(&origin->props, &own);
	for (size_t end = 0; end < 2; end++) {
		link_params_init(&link->params[end]);
		link_params_apply(&link->params[end],
				  &origin->props.change[end]);
	}
	return good && link_params_check(l, link->params, &origin->props);
}

static void read_link(struct loader *l, const struct tree_node *node,
		      const struct link_origin *defaults,
		      const struct scn_link *link_defaults)
{
	struct scn_link *link = LOADER_PUSH(l, &l->s->links);
	struct link_origin *origin = LOADER_PUSH(l, &l->links);
	struct value v[VALUES_MAX];

	if (!link || !origin) {
		l->s->links.n -= link != NULL;
		l->links.n -= origin != NULL;
		return;
	}
	*link = *link_defaults;
	*origin = *defaults;
	origin->tolerance = NULL; /* does not hold for the kernel's, which is
				     no mistake there */
	link->pos = node->pos;
	link->end[0].node = link->end[1].node = SCN_NONE;
	origin->node = node;
	origin->good = mapping_read(l, &mapping_link, node, NULL, v, NULL);
	origin->good &= read_ends(l, &v[LINK_ENDPOINTS], link, origin);
	if (v[LINK_NAME].ok) {
		link->name = loader_dup(l, v[LINK_NAME].text);
		origin->name = v[LINK_NAME].node;
	}
	if (v[LINK_SUBNET].ok)
		origin->good &= prefixes_read(l, type_subnets.item,
					      &v[LINK_SUBNET], &link->subnets);
	if (node->kind == TREE_MAP)
		origin->good &=
			read_properties(l, node, v + LINK_ASK, origin, link);
	link->absent = v[LINK_START].ok && !v[LINK_START].word;
	origin->good &= check_ends(l, link, origin, v[LINK_SUBNET].node);
}

/*
 * ---- the second pass: names --------------------------------------------
 *
 * The index behind an interface's name is 2 * link + end.
 */

static void define_given_names(struct loader *l)
{
	for (size_t i = 0; i < 2 * l->links.n; i++) {
		const struct scn_endpoint *end =
			&l->s->links.v[i / 2].end[i % 2];
		const char *text;

		if (end->node == SCN_NONE || !end->ifname[0])
			continue;
		text = loader_format(l, "%s:%s", l->s->nodes.v[end->node].name,
				     end->ifname);
		if (text)
			loader_define(l, NAMES_IFACE, text,
				      l->links.v[i / 2].end[i % 2], i);
	}
}

/* next: the ethN of the node from which on none has been tried. */
static void define_free_name(struct loader *l, struct scn_endpoint *end,
			     const struct tree_node *node, size_t index,
			     size_t *next)
{
	struct names_found found;
	const char *text;

	do {
		text = loader_format(l, "%s:eth%zu",
				     l->s->nodes.v[end->node].name, (*next)++);
	} while (text && names_find(&l->names[NAMES_IFACE], text, &found));
	if (!text)
		return;
	snprintf(end->ifname, sizeof(end->ifname), "%s",
		 strrchr(text, ':') + 1);
	loader_define(l, NAMES_IFACE, text, node, index);
}

/* counts: a node's next ethN, or a bridge's ports. */
static void define_free_names(struct loader *l, size_t *counts)
{
	for (size_t i = 0; i < 2 * l->links.n; i++) {
		const struct link_origin *source = &l->links.v[i / 2];
		struct scn_endpoint *end = &l->s->links.v[i / 2].end[i % 2];

		if (!source->good)
			continue;
		if (!is_bridge(l, end)) {
			if (!end->ifname[0])
				define_free_name(l, end, source->end[i % 2], i,
						 &counts[end->node]);
			continue;
		}
		if (++counts[end->node] != BRIDGE_PORTS_MAX + 1)
			continue;
		tree_error(l->diag, source->end[i % 2],
			   "the bridge '%s' has more than %d links, which the "
			   "kernel does not take",
			   l->s->nodes.v[end->node].name, BRIDGE_PORTS_MAX);
		diag_help(l->diag, "spread the nodes over several bridges, "
				   "with a router between them");
	}
}

static void define_links(struct loader *l)
{
	for (size_t i = 0; i < l->links.n; i++) {
		const struct link_origin *source = &l->links.v[i];
		struct scn_link *link = &l->s->links.v[i];
		const struct tree_node *node =
			source->name ? source->name : source->node;

		if (!source->good) {
			l->names[NAMES_IFACE].incomplete = true;
			if (!link->name)
				l->names[NAMES_LINK].incomplete = true;
		} else if (!link->name) {
			const struct scn_endpoint *a = &link->end[0];
			const struct scn_endpoint *b = &link->end[1];
			const char *text = loader_format(
				l, "%s%s%s-%s%s%s", l->s->nodes.v[a->node].name,
				a->ifname[0] ? ":" : "", a->ifname,
				l->s->nodes.v[b->node].name,
				b->ifname[0] ? ":" : "", b->ifname);

			link->name = text ? loader_dup(l, text) : NULL;
		}
		if (link->name)
			loader_define(l, NAMES_LINK, link->name, node,
				      source->good ? i : SCN_NONE);
	}
}

static void read_defaults(struct loader *l, const struct tree_node *node,
			  struct link_origin *origin, struct scn_link *link)
{
	struct value defaults[VALUES_MAX], v[VALUES_MAX];

	if (!node || node->kind != TREE_MAP)
		return;
	mapping_read(l, &mapping_defaults, node, NULL, defaults, NULL);
	if (!defaults[0].ok)
		return;
	mapping_read(l, &mapping_ask, defaults[0].node, NULL, v, NULL);
	read_asked(l, v, origin, link);
}

void links_read(struct loader *l, const struct tree_node *node,
		const struct tree_node *defaults)
{
	CLEANUP_FREE size_t *counts = NULL;
	struct link_origin origin = { 0 };
	struct scn_link link = { 0 };

	read_defaults(l, defaults, &origin, &link);
	if (!node || node->kind != TREE_LIST)
		return;
	for (size_t i = 0; i < node->n && !l->no_memory; i++)
		read_link(l, node->items[i], &origin, &link);
	counts = calloc(l->s->nodes.n + 1, sizeof(*counts));
	if (counts && !l->no_memory) {
		define_given_names(l);
		define_free_names(l, counts);
		define_links(l);
	} else {
		l->no_memory = true;
	}
}
