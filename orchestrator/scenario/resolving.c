/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names: what the lab's resolver does with questions for names that are none of
 * its services'. */
#include "orchestrator/scenario/load.h"

#include <string.h>

static const struct type type_others = {
	.expects = "refuse, or the address of a name server in the lab",
	.scalar = SCALAR_TEXT,
};

static const struct field fields[] = {
	{ .name = "others",
	  .type = &type_others,
	  .fallback = "refuse",
	  .doc = "what becomes of questions for other names: refuse, or the "
		 "address of a name server in the lab that they are passed on "
		 "to" },
};

static const struct mapping mapping_resolving = {
	.what = "names",
	.doc = "How names are resolved.",
	MAPPING_FIELDS(fields),
};

const struct type type_resolving = {
	.expects = "a mapping, such as '{ others: 10.0.0.53 }'",
	.mapping = &mapping_resolving,
	.may_be_empty = true,
};

static void read_others(struct loader *l, const struct tree_node *node)
{
	struct value address;

	if (!strcmp(node->text, "refuse"))
		return;
	if (!strpbrk(node->text, ".:/")) {
		tree_error(l->diag, node,
			   "'%s' is neither refuse nor an IP address",
			   node->text);
		diag_help(l->diag, "name servers are asked by their address: "
				   "write one such as 10.0.0.53, or refuse");
		return;
	}
	if (value_read(l, &type_address, node, &address))
		l->s->others = address.address;
}

void resolving_read(struct loader *l, const struct tree_node *node)
{
	struct value v[VALUES_MAX];

	if (!node || node->kind != TREE_MAP)
		return;
	mapping_read(l, &mapping_resolving, node, NULL, v, NULL);
	if (v[0].ok && v[0].node)
		read_others(l, v[0].node);
	if (!l->s->services.n && !l->names[NAMES_SERVICE].incomplete) {
		tree_error(l->diag, node,
			   "there is no service, and so no resolver of names");
		diag_help(l->diag, "take 'names' out, or add a service");
	}
}
