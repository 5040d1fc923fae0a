/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nat_rebind: a router that masquerades binds its flows anew. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>

static const struct type type_router = {
	.expects = "a router",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = SCN_ROUTERS,
};

static const struct field rebind_fields[] = {
	{ .name = "nat_rebind",
	  .type = &type_router,
	  .doc = "the router whose flows all get other ports" },
};

const struct mapping mapping_action_nat_rebind = {
	.what = "action",
	MAPPING_FIELDS(rebind_fields),
};

static bool masquerades(const struct scenario *s, size_t node)
{
	for (size_t i = 0; i < 2 * s->links.n; i++) {
		const struct scn_endpoint *end = &s->links.v[i / 2].end[i % 2];

		if (end->node == node && end->masquerade)
			return true;
	}
	return false;
}

static bool read_rebind(struct loader *l, const struct value *v,
			struct step *step, step_vec *also)
{
	(void)also;
	step->action.kind = SCN_ACTION_NAT_REBIND;
	step->action.node.node = v[0].index;
	step->subject = v[0].node;
	if (!v[0].ok)
		return false;
	/* A link with errors may have been the one. */
	if (masquerades(l->s, v[0].index) || l->names[NAMES_LINK].incomplete ||
	    l->names[NAMES_IFACE].incomplete)
		return true;
	tree_error(l->diag, v[0].node, "'%s' does not masquerade",
		   v[0].node->text);
	diag_help(l->diag,
		  "say at which of its interfaces it does, as in "
		  "'endpoints: [{ node: %s, interface: wan, masquerade: true "
		  "}, net]'",
		  v[0].node->text);
	return false;
}

const struct action_form form_nat_rebind = {
	.mapping = &mapping_action_nat_rebind,
	.read = read_rebind,
	.kinds = ACTION_BIT(SCN_ACTION_NAT_REBIND),
};

static void rebind_text(const struct scenario *s, const struct scn_action *a,
			char *buf, size_t size)
{
	snprintf(buf, size, "nat_rebind %s", s->nodes.v[a->node.node].name);
}

const struct action_kind kind_nat_rebind = {
	.name = "nat_rebind",
	.text = rebind_text,
};
