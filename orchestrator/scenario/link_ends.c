/* SPDX-License-Identifier: GPL-2.0-or-later */
/* topology: links: endpoints: */
#include "orchestrator/scenario/link_props.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

static const struct type type_iface_name = {
	.expects = "an interface name",
	.scalar = SCALAR_NAME,
	.rule = NAME_IFACE,
};

static const struct type type_mac = {
	.expects = "a MAC address, such as '02:00:00:00:00:01'",
	.scalar = SCALAR_MAC,
};

static const struct word mptcp_words[] = {
	{ "subflow", SCN_MPTCP_SUBFLOW, NULL },
	{ "backup", SCN_MPTCP_BACKUP, NULL },
	{ "signal", SCN_MPTCP_SIGNAL, NULL },
	{ "none", SCN_MPTCP_NONE, NULL },
	{ 0 },
};

static const struct type type_mptcp = {
	.expects = "subflow, backup, signal or none",
	.scalar = SCALAR_WORD,
	.thing = "a use for MPTCP",
	.words = mptcp_words,
};

static const struct type type_cost = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.max = UINT32_MAX,
};

static const struct type type_cap = {
	.expects = "a rate such as 2mbit",
	.scalar = SCALAR_RATE,
	.min = 8000,
	.max = UINT64_C(100000000000),
};

enum {
	END_NODE,
	END_INTERFACE,
	END_ADDRESS,
	END_MAC,
	END_MASQUERADE,
	END_MPTCP,
	END_COST,
	END_METERED,
	END_CAP
};

static const struct field end_fields[] = {
	[END_NODE] = { .name = "node",
		       .type = &type_node,
		       .required = true,
		       .example = "a",
		       .doc = "the node at this end" },
	[END_INTERFACE] = { .name = "interface",
			    .type = &type_iface_name,
			    .doc = "what it is called in the node; without it, "
				   "the first ethN that is free" },
	[END_ADDRESS] = { .name = "address",
			  .type = &type_ifaddrs,
			  .doc = "its addresses; without them, the next free "
				 "ones of the network" },
	[END_MAC] = { .name = "mac",
		      .type = &type_mac,
		      .doc = "its MAC address" },
	[END_MASQUERADE] = { .name = "masquerade",
			     .type = &type_switch,
			     .doc = "true: the router gives what leaves by it "
				    "its own address" },
	[END_MPTCP] = { .name = "mptcp",
			.type = &type_mptcp,
			.doc = "what MPTCP does with its addresses" },
	[END_COST] = { .name = "cost",
		       .type = &type_cost,
		       .doc = "of what goes through it: its sald takes the "
			      "cheapest" },
	[END_METERED] = { .name = "metered",
			  .type = &type_switch,
			  .doc = "true: its sald takes it where nothing else "
				 "is there" },
	[END_CAP] = { .name = "cap",
		      .type = &type_cap,
		      .doc = "the most that its sald has go through it, each "
			     "way" },
};

static const struct mapping mapping_end = {
	.what = "endpoint",
	.doc = "One end of a link.",
	MAPPING_FIELDS(end_fields),
};

const struct type type_link_end = {
	.expects = "a node and its interface, such as 'a:eth0', a bridge, or a "
		   "mapping",
	.scalar = SCALAR_TEXT,
	.mapping = &mapping_end,
};

static bool no_such_thing_at_a_bridge(struct loader *l,
				      const struct tree_node *node,
				      const char *start, size_t len,
				      const char *bridge, const char *thing)
{
	tree_error_part(l->diag, node, start, len,
			"'%s' is a bridge: its ends of links have no %s",
			bridge, thing);
	return false;
}

static bool read_short_end(struct loader *l, const struct tree_node *node,
			   struct scn_endpoint *end)
{
	const char *colon = strchr(node->text, ':');
	size_t len = colon ? (size_t)(colon - node->text) : node->n;
	char *name = arena_text(l->arena, node->text, len);
	bool good;

	if (!name) {
		l->no_memory = true;
		return false;
	}
	good = ref_read(l, &type_node, node, node->text, name, &end->node);
	if (!colon)
		return good;
	if (good && l->s->nodes.v[end->node].kind == SCN_NODE_BRIDGE)
		return no_such_thing_at_a_bridge(l, node, colon, strlen(colon),
						 name, "interface names");
	if (!name_check(l, NAME_IFACE, node, colon + 1, colon + 1))
		return false;
	strcpy(end->ifname, colon + 1); /* at most IFNAMSIZ - 1: checked */
	return good;
}

static void read_policy(const struct value *v, struct scn_endpoint *end)
{
	if (v[END_COST].ok) {
		end->has_cost = true;
		end->cost = (uint32_t)v[END_COST].number;
	}
	end->metered = v[END_METERED].ok && v[END_METERED].word;
	if (v[END_CAP].ok)
		end->cap_bps = v[END_CAP].bps;
}

static bool read_long_end(struct loader *l, const struct tree_node *node,
			  struct scn_endpoint *end)
{
	static const char *const things[] = {
		[END_INTERFACE] = "interface names",
		[END_ADDRESS] = "addresses",
		[END_MAC] = "MAC addresses",
		[END_MASQUERADE] = "addresses to masquerade by",
		[END_MPTCP] = "addresses for MPTCP",
		[END_COST] = "cost",
		[END_METERED] = "meter",
		[END_CAP] = "cap",
	};
	struct value v[VALUES_MAX];
	bool good = mapping_read(l, &mapping_end, node, NULL, v, NULL);

	if (v[END_INTERFACE].ok)
		strcpy(end->ifname, v[END_INTERFACE].text);
	if (v[END_ADDRESS].ok)
		good &= prefixes_read(l, type_ifaddrs.item, &v[END_ADDRESS],
				      &end->addresses);
	if (v[END_MAC].ok) {
		end->has_mac = true;
		memcpy(end->mac, v[END_MAC].mac, sizeof(end->mac));
	}
	if (v[END_MPTCP].ok)
		end->mptcp = (enum scn_mptcp)v[END_MPTCP].word;
	end->masquerade = v[END_MASQUERADE].ok && v[END_MASQUERADE].word;
	read_policy(v, end);
	if (!v[END_NODE].ok)
		return false;
	end->node = v[END_NODE].index;
	for (size_t i = END_COST; i <= END_CAP; i++) {
		if (!v[i].node ||
		    l->s->nodes.v[end->node].kind != SCN_NODE_ROUTER)
			continue;
		tree_error(l->diag, v[i].node,
			   "'%s' is a router: it has no sald that would heed "
			   "this",
			   l->s->nodes.v[end->node].name);
		good = false;
	}
	if (end->masquerade &&
	    scn_kind_is_host(l->s->nodes.v[end->node].kind)) {
		tree_error(l->diag, v[END_MASQUERADE].node,
			   "'%s' is a %s: only a router masquerades",
			   l->s->nodes.v[end->node].name,
			   scn_node_kind_name(l->s->nodes.v[end->node].kind));
		return false;
	}
	if (l->s->nodes.v[end->node].kind != SCN_NODE_BRIDGE)
		return good;
	for (size_t i = END_INTERFACE; i <= END_CAP; i++) {
		const struct tree_node *given = v[i].node;

		if (given)
			good = no_such_thing_at_a_bridge(
				l, given,
				given->kind == TREE_SCALAR ? given->text : "",
				given->width, l->s->nodes.v[end->node].name,
				things[i]);
	}
	return good;
}

bool link_end_read(struct loader *l, const struct tree_node *node,
		   struct scn_endpoint *end)
{
	struct value v;

	end->pos = node->pos;
	if (!value_read(l, &type_link_end, node, &v))
		return false;
	return node->kind == TREE_SCALAR ? read_short_end(l, node, end) :
					   read_long_end(l, node, end);
}
