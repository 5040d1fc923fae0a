/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate: a guest moves to another network.
 *
 * A guest stands for a virtual machine: it has one interface, in a bridge of
 * its host's network. All that its move changes is what is seen of it from
 * outside: it is plugged into another bridge, and has an address of that one's
 * network; its programs, sockets and inner addresses go along.
 */
#include "orchestrator/scenario/action.h"

#include <stdio.h>
#include <string.h>

static const struct type type_guest = {
	.expects = "a guest",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_GUEST,
};

static const struct type type_bridge = {
	.expects = "a bridge",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_BRIDGE,
};

static const struct type type_new_address = {
	.expects = "renew, or an address such as 10.0.0.9/24, or a list of "
		   "them",
	.scalar = SCALAR_TEXT,
	.item = &type_ifaddrs,
};

enum { GUEST_NAME, GUEST_TO, GUEST_ADDRESS, GUEST_GAP };

static const struct field guest_fields[] = {
	[GUEST_NAME] = { .name = "guest",
			 .type = &type_guest,
			 .doc = "the guest that moves" },
	[GUEST_TO] = { .name = "to",
		       .type = &type_bridge,
		       .required = true,
		       .example = "lan2",
		       .doc = "the bridge that it is plugged into from then "
			      "on" },
	[GUEST_ADDRESS] = { .name = "address",
			    .type = &type_new_address,
			    .fallback = "renew",
			    .doc = "its new ones; renew: new ones of that "
				   "network, as DHCP would give" },
	[GUEST_GAP] = { .name = "gap",
			.type = &type_delay,
			.fallback = "0s",
			.doc = "how long it is plugged into nothing" },
};

const struct mapping mapping_migrate_guest = {
	.what = "migration",
	.doc = "Moves a guest to another network.",
	MAPPING_FIELDS(guest_fields),
};

/* Its only interface: nodes that are guests were checked for that. */
static bool find_interface(const struct scenario *s, size_t node,
			   struct scn_iface_ref *at)
{
	for (size_t i = 0; i < 2 * s->links.n; i++) {
		if (s->links.v[i / 2].end[i % 2].node != node)
			continue;
		*at = (struct scn_iface_ref){ i / 2, i % 2 };
		return true;
	}
	return false;
}

static bool read_address(struct loader *l, const struct value *given,
			 struct scn_action *a)
{
	if (!given->ok)
		return false;
	if (!given->node || (given->node->kind == TREE_SCALAR &&
			     !strcmp(given->node->text, "renew")))
		return true;
	if (!value_items(given)) {
		tree_error(l->diag, given->node, "this list has no addresses");
		return false;
	}
	if (prefixes_read(l, type_ifaddrs.item, given, &a->guest.addresses))
		return true;
	VEC_FREE(&a->guest.addresses);
	return false;
}

bool guest_read(struct loader *l, const struct value *v, struct step *step)
{
	struct scn_action *a = &step->action;
	bool good;

	a->kind = SCN_ACTION_GUEST;
	memset(&a->guest, 0, sizeof(a->guest));
	step->subject = v[GUEST_NAME].node;
	good = read_address(l, &v[GUEST_ADDRESS], a);
	a->guest.bridge = v[GUEST_TO].index;
	a->guest.gap_ns = v[GUEST_GAP].ns;
	return v[GUEST_NAME].ok && v[GUEST_TO].ok && v[GUEST_GAP].ok &&
	       find_interface(l->s, v[GUEST_NAME].index, &a->guest.at) && good;
}

static const struct scn_endpoint *end_of(const struct scenario *s,
					 const struct scn_action *a)
{
	return &s->links.v[a->guest.at.link].end[a->guest.at.end];
}

static void guest_text(const struct scenario *s, const struct scn_action *a,
		       char *buf, size_t size)
{
	snprintf(buf, size, "migrate guest %s to %s",
		 s->nodes.v[end_of(s, a)->node].name,
		 s->nodes.v[a->guest.bridge].name);
}

static void guest_free(struct scn_action *a)
{
	VEC_FREE(&a->guest.addresses);
}

static void check_guest(struct loader *l, struct state *st,
			const struct step *step)
{
	const struct scn_action *a = &step->action;
	size_t i = 2 * a->guest.at.link + a->guest.at.end;
	size_t home =
		l->s->links.v[a->guest.at.link].end[!a->guest.at.end].node;
	const struct step *before = st->guest_moved[i];
	bool same = (st->guest_at[i] == SCN_NONE ? home : st->guest_at[i]) ==
		    a->guest.bridge;

	check_there(l, st, step, a->guest.at.link, a->guest.at.end);
	st->guest_at[i] = a->guest.bridge;
	st->guest_moved[i] = step;
	if (!same || !action_is_known(l, SCN_ACTION_GUEST) ||
	    !action_is_known(l, SCN_ACTION_PLUG))
		return;
	tree_error(l->diag, step->subject, "at %s, '%s' is in '%s' already",
		   step->when, l->s->nodes.v[end_of(l->s, a)->node].name,
		   l->s->nodes.v[a->guest.bridge].name);
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it moved there here, at %s", before->when);
	else
		diag_note(l->diag, end_of(l->s, a)->pos, 1,
			  "it is from the start");
}

const struct action_kind kind_guest = {
	.name = "migrate_guest",
	.text = guest_text,
	.simulate = check_guest,
	.free = guest_free,
};
