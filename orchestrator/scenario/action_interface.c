/* SPDX-License-Identifier: GPL-2.0-or-later */
/* interface: an interface of a node changes. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>
#include <string.h>

static const struct type type_new_address = {
	.expects = "renew, none, or an address such as 10.0.0.9/24, or a list "
		   "of them",
	.scalar = SCALAR_TEXT,
	.item = &type_ifaddrs,
};

enum { STATE_ABSENT, STATE_PRESENT, STATE_DOWN, STATE_UP };

static const struct word state_words[] = {
	{ "present", STATE_PRESENT, NULL },
	{ "absent", STATE_ABSENT, NULL },
	{ "up", STATE_UP, NULL },
	{ "down", STATE_DOWN, NULL },
	{ 0 },
};

static const struct type type_state = {
	.expects = "present, absent, up or down",
	.scalar = SCALAR_WORD,
	.thing = "a state of an interface",
	.words = state_words,
};

static const struct type type_iface_name = {
	.expects = "an interface name",
	.scalar = SCALAR_NAME,
	.rule = NAME_IFACE,
};

static const struct type type_bridge = {
	.expects = "a bridge",
	.scalar = SCALAR_REF,
	.names = NAMES_NODE,
	.nodes = 1u << SCN_NODE_BRIDGE,
};

static const struct type type_mtu = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.min = 68,
	.max = 65535,
};

enum {
	INTERFACE_NAME,
	INTERFACE_STATE,
	INTERFACE_RENAME,
	INTERFACE_PLUG,
	INTERFACE_MTU,
	INTERFACE_ADDRESS,
};

static const struct field interface_fields[] = {
	[INTERFACE_NAME] = { .name = "interface",
			     .type = &type_iface,
			     .doc = "the interface that changes" },
	[INTERFACE_STATE] = { .name = "state",
			      .type = &type_state,
			      .doc = "absent: it is taken out of its node; "
				     "down: it is set down in it" },
	[INTERFACE_RENAME] = { .name = "rename",
			       .type = &type_iface_name,
			       .doc = "its new name in the node" },
	[INTERFACE_PLUG] = { .name = "plug",
			     .type = &type_bridge,
			     .doc = "the bridge that it is plugged into from "
				    "then on" },
	[INTERFACE_MTU] = { .name = "mtu",
			    .type = &type_mtu,
			    .doc = "bytes, at both ends of the link" },
	[INTERFACE_ADDRESS] = { .name = "address",
				.type = &type_new_address,
				.doc = "its new ones; renew: new ones of its "
				       "network, as DHCP would give; none: it "
				       "loses those it has" },
};

const struct mapping mapping_action_interface = {
	.what = "action",
	MAPPING_FIELDS(interface_fields),
};

static bool read_readdress(struct loader *l, const struct value *v,
			   const struct scn_iface_ref *at, struct scn_action *a)
{
	const struct value *given = &v[INTERFACE_ADDRESS];
	const struct scn_node *owner =
		&l->s->nodes.v[l->s->links.v[at->link].end[at->end].node];

	a->kind = SCN_ACTION_READDRESS;
	memset(&a->readdress, 0, sizeof(a->readdress));
	a->readdress.link = at->link;
	a->readdress.end = at->end;
	if (!given->ok)
		return false;
	if (!scn_kind_is_host(owner->kind)) {
		tree_error(l->diag, v[INTERFACE_NAME].node,
			   "'%s' is a router: others reach their networks by "
			   "its addresses",
			   owner->name);
		return false;
	}
	if (given->node->kind == TREE_SCALAR &&
	    !strcmp(given->node->text, "renew"))
		return true;
	if (given->node->kind == TREE_SCALAR &&
	    !strcmp(given->node->text, "none")) {
		a->readdress.none = true;
		return true;
	}
	if (!value_items(given)) {
		tree_error(l->diag, given->node, "this list has no addresses");
		return false;
	}
	if (prefixes_read(l, type_ifaddrs.item, given, &a->readdress.addresses))
		return true;
	VEC_FREE(&a->readdress.addresses);
	return false;
}

static bool read_plug(struct loader *l, const struct value *v,
		      const struct scn_iface_ref *at, struct scn_action *a)
{
	const struct scn_link *link = &l->s->links.v[at->link];

	a->kind = SCN_ACTION_PLUG;
	a->iface.bridge = v[INTERFACE_PLUG].index;
	if (!v[INTERFACE_PLUG].ok)
		return false;
	if (l->s->nodes.v[link->end[!at->end].node].kind != SCN_NODE_BRIDGE) {
		tree_error(l->diag, v[INTERFACE_NAME].node,
			   "this interface is in no bridge that it could be "
			   "taken out of");
		return false;
	}
	if (scn_kind_is_host(l->s->nodes.v[link->end[at->end].node].kind))
		return true;
	tree_error(l->diag, v[INTERFACE_NAME].node,
		   "'%s' is a router: others reach their networks by it",
		   l->s->nodes.v[link->end[at->end].node].name);
	return false;
}

/* The changes of one mapping, in the order in which they are made. */
static bool read_change(struct loader *l, const struct value *v, size_t field,
			const struct scn_iface_ref *at, struct scn_action *a)
{
	if (field == INTERFACE_ADDRESS)
		return read_readdress(l, v, at, a);
	a->iface.at = *at;
	switch (field) {
	case INTERFACE_STATE:
		if (v[field].ok && v[field].word >= STATE_DOWN) {
			a->kind = SCN_ACTION_ADMIN;
			a->iface.up = v[field].word == STATE_UP;
			return true;
		}
		a->kind = SCN_ACTION_PRESENCE;
		a->iface.present = v[field].word == STATE_PRESENT;
		return v[field].ok;
	case INTERFACE_RENAME:
		a->kind = SCN_ACTION_RENAME;
		if (v[field].ok)
			strcpy(a->iface.name, v[field].text); /* checked */
		return v[field].ok;
	case INTERFACE_MTU:
		a->kind = SCN_ACTION_MTU;
		a->iface.mtu = (uint32_t)v[field].number;
		return v[field].ok;
	default:
		return read_plug(l, v, at, a);
	}
}

static bool read_interface(struct loader *l, const struct value *v,
			   struct step *step, step_vec *also)
{
	struct scn_iface_ref at = { v[INTERFACE_NAME].index / 2,
				    v[INTERFACE_NAME].index % 2 };
	struct step plain = *step;
	bool good = true;
	size_t n = 0;

	step->action.kind = SCN_ACTION_PRESENCE; /* whatever it was to be */
	if (!v[INTERFACE_NAME].ok)
		return false;
	plain.subject = v[INTERFACE_NAME].node;
	for (size_t i = INTERFACE_STATE; i <= INTERFACE_ADDRESS; i++) {
		struct step *s = step;

		if (!v[i].node)
			continue;
		if (n++)
			s = LOADER_PUSH(l, also);
		if (!s)
			return false;
		*s = plain;
		good &= read_change(l, v, i, &at, &s->action);
	}
	if (n)
		return good;
	tree_error(l->diag, v[INTERFACE_NAME].node,
		   "nothing is said to become of this interface");
	diag_help(l->diag, "add 'state', 'rename', 'plug', 'mtu' or 'address'");
	return false;
}

const struct action_form form_interface = {
	.mapping = &mapping_action_interface,
	.read = read_interface,
	.kinds = ACTION_BIT(SCN_ACTION_READDRESS) |
		 ACTION_BIT(SCN_ACTION_PRESENCE) |
		 ACTION_BIT(SCN_ACTION_ADMIN) | ACTION_BIT(SCN_ACTION_RENAME) |
		 ACTION_BIT(SCN_ACTION_PLUG) | ACTION_BIT(SCN_ACTION_MTU),
};

/* ---- texts --------------------------------------------------------------- */

static void readdress_text(const struct scenario *s, const struct scn_action *a,
			   char *buf, size_t size)
{
	const struct scn_endpoint *end =
		&s->links.v[a->readdress.link].end[a->readdress.end];
	const scn_prefix_vec *given = &a->readdress.addresses;
	char text[IP_TEXT_MAX];
	size_t n;

	snprintf(buf, size, "readdress %s:%s%s", s->nodes.v[end->node].name,
		 end->ifname,
		 a->readdress.none ? ": none" :
		 given->n	   ? ":" :
				     "");
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

static void iface_text(const struct scenario *s, const struct scn_action *a,
		       char *buf, size_t size)
{
	const struct scn_endpoint *end =
		&s->links.v[a->iface.at.link].end[a->iface.at.end];
	const char *node = s->nodes.v[end->node].name;

	switch (a->kind) {
	case SCN_ACTION_PRESENCE:
		snprintf(buf, size, "interface %s:%s %s", node, end->ifname,
			 a->iface.present ? "present" : "absent");
		break;
	case SCN_ACTION_ADMIN:
		snprintf(buf, size, "interface %s:%s %s", node, end->ifname,
			 a->iface.up ? "up" : "down");
		break;
	case SCN_ACTION_RENAME:
		snprintf(buf, size, "rename %s:%s to %s", node, end->ifname,
			 a->iface.name);
		break;
	case SCN_ACTION_PLUG:
		snprintf(buf, size, "plug %s:%s into %s", node, end->ifname,
			 s->nodes.v[a->iface.bridge].name);
		break;
	default:
		snprintf(buf, size, "mtu of %s:%s %u", node, end->ifname,
			 a->iface.mtu);
		break;
	}
}

/* ---- without a lab ------------------------------------------------------- */

static void check_presence(struct loader *l, struct state *st,
			   const struct step *step)
{
	const struct scn_action *a = &step->action;
	size_t i = 2 * a->iface.at.link + a->iface.at.end;
	const struct step *before = st->iface_changed[i];
	bool same = st->absent[i] == !a->iface.present;

	st->absent[i] = !a->iface.present;
	st->iface_changed[i] = step;
	st->iface_down[i] = false; /* it comes back up */
	st->iface_switched[i] = NULL;
	if (!same || !action_is_known(l, SCN_ACTION_PRESENCE))
		return;
	tree_error(l->diag, step->subject, "at %s, the interface is %s already",
		   step->when, a->iface.present ? "present" : "absent");
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "that was made so here, at %s", before->when);
}

/* What is not there cannot be changed. */
void check_there(struct loader *l, const struct state *st,
		 const struct step *step, size_t link, size_t end)
{
	const struct step *before = st->iface_changed[2 * link + end];

	if (!st->absent[2 * link + end] ||
	    !action_is_known(l, SCN_ACTION_PRESENCE))
		return;
	tree_error(l->diag, step->subject, "at %s, the interface is absent",
		   step->when);
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it was taken away here, at %s", before->when);
	else
		diag_note(l->diag, l->s->links.v[link].pos, 1,
			  "its link has 'start: manual'");
}

static void check_admin(struct loader *l, struct state *st,
			const struct step *step)
{
	const struct scn_action *a = &step->action;
	size_t i = 2 * a->iface.at.link + a->iface.at.end;
	const struct step *before = st->iface_switched[i];
	bool same = st->iface_down[i] == !a->iface.up;

	check_there(l, st, step, a->iface.at.link, a->iface.at.end);
	st->iface_down[i] = !a->iface.up;
	st->iface_switched[i] = step;
	if (!same || st->absent[i] || !action_is_known(l, SCN_ACTION_ADMIN) ||
	    !action_is_known(l, SCN_ACTION_PRESENCE) ||
	    st->node_changed
		    [l->s->links.v[a->iface.at.link].end[a->iface.at.end].node])
		return; /* a node boots with all of them up */
	tree_error(l->diag, step->subject, "at %s, the interface is %s already",
		   step->when, a->iface.up ? "up" : "down");
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "that was made so here, at %s", before->when);
}

static void check_change(struct loader *l, struct state *st,
			 const struct step *step)
{
	const struct scn_iface_ref *at = &step->action.iface.at;

	check_there(l, st, step, at->link, at->end);
	if (step->action.kind == SCN_ACTION_PLUG)
		st->guest_at[2 * at->link + at->end] =
			step->action.iface.bridge;
}

static void check_readdress(struct loader *l, struct state *st,
			    const struct step *step)
{
	size_t link = step->action.readdress.link;
	size_t end = step->action.readdress.end;

	check_there(l, st, step, link, end);
	if (!st->iface_down[2 * link + end] ||
	    !action_is_known(l, SCN_ACTION_ADMIN) ||
	    st->node_changed[l->s->links.v[link].end[end].node])
		return;
	tree_error(l->diag, step->subject,
		   "at %s, the interface is down, and can have no address",
		   step->when);
	if (st->iface_switched[2 * link + end])
		diag_note(l->diag,
			  st->iface_switched[2 * link + end]->action.pos, 1,
			  "it was set down here, at %s",
			  st->iface_switched[2 * link + end]->when);
}

const struct action_kind kind_readdress = {
	.name = "readdress",
	.text = readdress_text,
	.simulate = check_readdress,
	.free = readdress_free,
};
const struct action_kind kind_presence = {
	.name = "interface",
	.text = iface_text,
	.simulate = check_presence,
};
const struct action_kind kind_admin = {
	.name = "interface",
	.text = iface_text,
	.simulate = check_admin,
};
const struct action_kind kind_rename = {
	.name = "rename",
	.text = iface_text,
	.simulate = check_change,
};
const struct action_kind kind_plug = {
	.name = "plug",
	.text = iface_text,
	.simulate = check_change,
};
const struct action_kind kind_mtu = {
	.name = "mtu",
	.text = iface_text,
	.simulate = check_change,
};
