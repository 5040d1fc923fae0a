/* SPDX-License-Identifier: GPL-2.0-or-later */
/* topology: nodes: */
#include "orchestrator/scenario/load.h"

static const struct word kind_words[] = {
	{ "host", SCN_NODE_HOST, NULL },
	{ "router", SCN_NODE_ROUTER, NULL },
	{ "bridge", SCN_NODE_BRIDGE, NULL },
	{ "guest", SCN_NODE_GUEST, NULL },
	{ 0 },
};

static const struct type type_kind = {
	.expects = "a kind of node: host, router, bridge or guest",
	.scalar = SCALAR_WORD,
	.thing = "a kind of node",
	.words = kind_words,
};

enum { NODE_KIND, NODE_SUBNET, NODE_SAL };

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
	if (*sal && v[NODE_KIND].ok && !scn_kind_is_host(node->kind)) {
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

void nodes_read(struct loader *l, const struct tree_node *node)
{
	named_read(l, &type_nodes, node, NAMES_NODE, read_node);
}
