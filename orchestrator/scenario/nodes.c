/* SPDX-License-Identifier: GPL-2.0-or-later */
/* topology: nodes: */
#include "orchestrator/scenario/load.h"

#include "base/diag.h"

#include <string.h>

static const struct word kind_words[] = {
	{ "host", SCN_NODE_HOST, NULL },
	{ "router", SCN_NODE_ROUTER, NULL },
	{ "bridge", SCN_NODE_BRIDGE, NULL },
	{ "guest", SCN_NODE_GUEST, NULL },
	{ "service-router", SCN_NODE_SERVICE_ROUTER, NULL },
	{ 0 },
};

static const struct type type_kind = {
	.expects = "a kind of node: host, router, bridge, guest or "
		   "service-router",
	.scalar = SCALAR_WORD,
	.thing = "a kind of node",
	.words = kind_words,
};

/* References to nodes that may come later: they are read when all are known. */
static const struct type type_resolves = {
	.expects = "table, broadcast, a service router or a list of them",
	.scalar = SCALAR_TEXT,
	.item = &type_text,
};

static const struct type type_service_router = {
	.expects = "a service router",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_SERVICE_ROUTER,
};

enum { NODE_KIND, NODE_SUBNET, NODE_SAL, NODE_RESOLVES };

static const struct field node_fields[] = {
	[NODE_KIND] = { .name = "kind",
			.type = &type_kind,
			.fallback = "host",
			.doc = "what it does with packets" },
	[NODE_SUBNET] = { .name = "subnet",
			  .type = &type_subnets,
			  .doc = "the network of a bridge, one a family" },
	[NODE_SAL] = { .name = "sal",
		       .type = &type_sal,
		       .doc = "how its sald works, where it is not as all" },
	[NODE_RESOLVES] = { .name = "resolves_by",
			    .type = &type_resolves,
			    .doc = "how it finds instances of sal services: "
				   "table, broadcast, or service routers; "
				   "without it, the nearest service router" },
};

static const struct mapping mapping_node = {
	.what = "node",
	.doc = "A machine, or a bridge.",
	MAPPING_FIELDS(node_fields),
};

static const struct type type_node_name = {
	.expects = "a name",
	.scalar = SCALAR_NAME,
	.rule = NAME_NODE,
};

static const struct type type_node_body = {
	.expects = "what the node is, such as '{ kind: router }', or '{}'",
	.mapping = &mapping_node,
	.may_be_empty = true,
};

const struct type type_nodes = {
	.expects = "nodes by name, such as '{ a: {}, b: {} }'",
	.key = &type_node_name,
	.value = &type_node_body,
};

static size_t read_node(struct loader *l, const struct tree_node *key,
			const struct tree_node *value)
{
	static const struct tree_node nothing = { .kind = TREE_MAP };
	struct scn_node *node = LOADER_PUSH(l, &l->s->nodes);
	size_t index = l->s->nodes.n - 1;
	const struct tree_node **sal = LOADER_PUSH(l, &l->node_sal);
	struct value v[VALUES_MAX];
	bool good;

	if (!node || !sal)
		return SCN_NONE;
	node->name = loader_dup(l, key->text);
	node->pos = key->pos;
	good = mapping_read(l, &mapping_node,
			    tree_is_null(value) ? &nothing : value, key, v,
			    NULL);
	if (v[NODE_KIND].ok)
		node->kind = v[NODE_KIND].word;
	if (v[NODE_SUBNET].ok &&
	    !prefixes_read(l, type_subnets.item, &v[NODE_SUBNET],
			   &node->subnets))
		good = false;
	*sal = v[NODE_SAL].ok ? v[NODE_SAL].node : NULL;
	if (*sal && v[NODE_KIND].ok &&
	    (node->kind == SCN_NODE_ROUTER || node->kind == SCN_NODE_BRIDGE)) {
		tree_error(l->diag, *sal, "a %s has no sald",
			   scn_node_kind_name(node->kind));
		*sal = NULL;
		good = false;
	}
	if (v[NODE_SUBNET].node && v[NODE_KIND].ok &&
	    node->kind != SCN_NODE_BRIDGE) {
		tree_error(l->diag, v[NODE_SUBNET].node,
			   "a %s has no subnet of its own",
			   scn_node_kind_name(node->kind));
		diag_help(l->diag, "give the subnet to a bridge, or to a link "
				   "between two nodes");
		good = false;
	}
	return good ? index : SCN_NONE;
}

static void read_routers(struct loader *l, struct scn_node *node,
			 const struct value *list)
{
	size_t self = (size_t)(node - l->s->nodes.v);

	if (!value_items(list))
		tree_error(l->diag, list->node,
			   "a node that resolves by service routers needs one");
	for (size_t i = 0; i < value_items(list); i++) {
		const struct tree_node *item = value_item(list, i);
		bool again = false;
		struct value v;

		if (!value_read(l, &type_service_router, item, &v) || !v.ok)
			continue;
		for (size_t k = 0; k < node->router_count; k++)
			again |= node->routers[k] == v.index;
		if (v.index == self)
			tree_error(l->diag, item,
				   "'%s' cannot resolve by itself", node->name);
		else if (again)
			tree_error(l->diag, item,
				   "'%s' comes twice in this list",
				   l->s->nodes.v[v.index].name);
		else if (node->router_count == SCN_RESOLVES_MAX)
			tree_error(l->diag, item, "at most %d service routers",
				   SCN_RESOLVES_MAX);
		else
			node->routers[node->router_count++] = v.index;
	}
}

static void read_resolves(struct loader *l, struct scn_node *node,
			  const struct tree_node *given)
{
	struct value v = { .node = given, .ok = true };
	bool text = given->kind == TREE_SCALAR;

	node->resolves_pos = given->pos;
	if (!scn_kind_is_host(node->kind) &&
	    node->kind != SCN_NODE_SERVICE_ROUTER) {
		tree_error(l->diag, given, "a %s has no programs that resolve",
			   scn_node_kind_name(node->kind));
		diag_help(l->diag, "give it to hosts, or to service routers");
	} else if (text && !strcmp(given->text, "table")) {
		node->resolves = SCN_RESOLVES_TABLE;
	} else if (text && !strcmp(given->text, "broadcast")) {
		node->resolves = SCN_RESOLVES_BROADCAST;
		if (node->kind == SCN_NODE_SERVICE_ROUTER)
			tree_error(l->diag, given,
				   "a service router sends to where it knows "
				   "that a service is, not to all");
	} else {
		node->resolves = SCN_RESOLVES_ROUTERS;
		read_routers(l, node, &v);
	}
}

/* By each other, of which no one knows the instances of the others. */
static void check_cycle(struct loader *l, size_t first)
{
	const struct scenario *s = l->s;
	size_t at = first, steps = 0;

	while (s->nodes.v[at].router_count && steps++ < s->nodes.n) {
		at = s->nodes.v[at].routers[0];
		if (at != first)
			continue;
		diag_error(l->diag, s->nodes.v[first].resolves_pos, 1,
			   "service routers resolve by each other: a service "
			   "that none of them knows would go round");
		diag_help(l->diag, "leave 'resolves_by' out at one of them: it "
				   "knows what all others have");
		return;
	}
}

void nodes_read(struct loader *l, const struct tree_node *node)
{
	size_t i = 0;

	named_read(l, &type_nodes, node, NAMES_NODE, read_node);
	if (!node || node->kind != TREE_MAP)
		return;
	/* The nodes are in the order of the pairs. */
	for (; i < node->n && i < l->s->nodes.n; i++) {
		const struct tree_node *body = node->pairs[i].value;
		const struct tree_node *given =
			body->kind == TREE_MAP ? tree_get(body, "resolves_by") :
						 NULL;

		if (given)
			read_resolves(l, &l->s->nodes.v[i], given);
	}
	for (i = 0; i < l->s->nodes.n; i++)
		if (l->s->nodes.v[i].kind == SCN_NODE_SERVICE_ROUTER)
			check_cycle(l, i);
}
