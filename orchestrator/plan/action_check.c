/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actions that cannot work, however the timeline is played. */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

/* An emulated link's ends are the emulator's, which does not let go of them. */
void plan_check_actions(const struct plan *p, struct diag *diag)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			const struct scn_action *a = &e->actions.v[k];
			bool plug = a->kind == SCN_ACTION_PRESENCE ||
				    a->kind == SCN_ACTION_PLUG;
			bool crash = a->kind == SCN_ACTION_CRASH;

			for (size_t link = 0; link < s->links.n; link++) {
				const struct scn_link *l = &s->links.v[link];

				if (!l->emulated ||
				    !((plug && a->iface.at.link == link) ||
				      (crash &&
				       (l->end[0].node == a->node.node ||
					l->end[1].node == a->node.node))))
					continue;
				diag_error(diag, a->pos, 1,
					   "the link '%s' is emulated: its "
					   "ends cannot be taken out of their "
					   "nodes yet",
					   l->name);
				diag_help(diag,
					  crash ? "freeze the node instead, or "
						  "take the link down" :
						  "take the link down instead");
				break;
			}
		}
	}
	for (size_t i = 0; i < s->links.n; i++)
		if (s->links.v[i].emulated && s->links.v[i].absent)
			diag_error(diag, s->links.v[i].pos, 1,
				   "an emulated link cannot have 'start: "
				   "manual' yet");
}
