/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's links must be. */
#include "orchestrator/scenario/load.h"

void guests_check(struct loader *l)
{
	const struct scenario *s = l->s;

	/* A link with errors may have been the one. */
	if (l->names[NAMES_IFACE].incomplete)
		return;
	for (size_t node = 0; node < s->nodes.n; node++) {
		const struct scn_endpoint *found = NULL;
		bool told = false;

		if (s->nodes.v[node].kind != SCN_NODE_GUEST)
			continue;
		for (size_t i = 0; i < 2 * s->links.n; i++) {
			const struct scn_link *link = &s->links.v[i / 2];
			const struct scn_endpoint *end = &link->end[i % 2];
			size_t other = link->end[!(i % 2)].node;

			if (end->node != node)
				continue;
			if (found && !told) {
				diag_error(l->diag, end->pos, 1,
					   "'%s' is a guest, and has one "
					   "interface only",
					   s->nodes.v[node].name);
				diag_note(l->diag, found->pos, 1,
					  "its first one is here");
				told = true;
			} else if (!found &&
				   s->nodes.v[other].kind != SCN_NODE_BRIDGE) {
				diag_error(l->diag, end->pos, 1,
					   "'%s' is a guest, and is plugged "
					   "into a bridge only",
					   s->nodes.v[node].name);
				diag_help(l->diag,
					  "put a bridge between '%s' and '%s'",
					  s->nodes.v[node].name,
					  s->nodes.v[other].name);
				told = true;
			}
			found = end;
		}
		if (found)
			continue;
		diag_error(l->diag, s->nodes.v[node].pos, 1,
			   "'%s' is a guest, and has no interface",
			   s->nodes.v[node].name);
		diag_help(l->diag, "plug it into a bridge, as in "
				   "'endpoints: [vm, lan]'");
	}
}
