/* SPDX-License-Identifier: GPL-2.0-or-later */
/* interface: an interface of a node changes. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>
#include <string.h>

static const struct type type_new_address = {
	.expects = "renew, or an address such as 10.0.0.9/24, or a list of "
		   "them",
	.scalar = SCALAR_TEXT,
	.item = &type_ifaddrs,
};

static const struct field interface_fields[] = {
	{ .name = "interface",
	  .type = &type_iface,
	  .doc = "the interface that gets other addresses" },
	{ .name = "address",
	  .type = &type_new_address,
	  .required = true,
	  .example = "renew",
	  .doc = "its new ones; renew: new ones of its network, as DHCP "
		 "would give" },
};

const struct mapping mapping_action_interface = {
	.what = "action",
	MAPPING_FIELDS(interface_fields),
};

/* v: of the interface and its new addresses. */
static bool read_interface(struct loader *l, const struct value *v,
			   struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;
	const struct tree_node *node = v[1].node;
	const struct scn_node *owner;

	(void)also;
	a->kind = SCN_ACTION_READDRESS;
	step->subject = v[0].node;
	memset(&a->readdress, 0, sizeof(a->readdress));
	if (!v[0].ok || !v[1].ok)
		return false;
	a->readdress.link = v[0].index / 2;
	a->readdress.end = v[0].index % 2;
	owner = &l->s->nodes.v[l->s->links.v[a->readdress.link]
				       .end[a->readdress.end]
				       .node];
	if (owner->kind != SCN_NODE_HOST) {
		tree_error(l->diag, v[0].node,
			   "'%s' is a router: others reach their networks by "
			   "its addresses",
			   owner->name);
		return false;
	}
	if (node->kind == TREE_SCALAR && !strcmp(node->text, "renew"))
		return true;
	if (!value_items(&v[1])) {
		tree_error(l->diag, node, "this list has no addresses");
		return false;
	}
	if (prefixes_read(l, type_ifaddrs.item, &v[1], &a->readdress.addresses))
		return true;
	VEC_FREE(&a->readdress.addresses);
	return false;
}

const struct action_form form_interface = {
	.mapping = &mapping_action_interface,
	.read = read_interface,
	.kinds = ACTION_BIT(SCN_ACTION_READDRESS),
};

static void readdress_text(const struct scenario *s, const struct scn_action *a,
			   char *buf, size_t size)
{
	const struct scn_endpoint *end =
		&s->links.v[a->readdress.link].end[a->readdress.end];
	const scn_prefix_vec *given = &a->readdress.addresses;
	char text[IP_TEXT_MAX];
	size_t n;

	snprintf(buf, size, "readdress %s:%s%s", s->nodes.v[end->node].name,
		 end->ifname, given->n ? ":" : "");
	for (size_t i = 0; i < given->n; i++) {
		n = strlen(buf);
		snprintf(buf + n, size - n, " %s",
			 ip_format_prefix(&given->v[i].prefix, text,
					  sizeof(text)));
	}
}

static void readdress_free(struct scn_action *a)
{
	VEC_FREE(&a->readdress.addresses);
}

const struct action_kind kind_readdress = {
	.name = "readdress",
	.text = readdress_text,
	.free = readdress_free, /* to whatever it has then */
};
