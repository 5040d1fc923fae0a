/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of actions that change links, interfaces and nodes.
 *
 * A link's carrier is there when nobody has taken it down and both of its ends
 * are there; so whatever changes one of these leaves the carrier as it is where
 * another still forbids it.
 *
 * What is done to an interface that is not there, or whose node is off, asks
 * nothing of the kernel: it will be so when it comes back.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t iface_of(const struct plan *p, const struct scn_iface_ref *at)
{
	return p->links.v[at->link].iface[at->end];
}

/* ---- links --------------------------------------------------------------- */

static int link_state_ops(const struct plan_live *l, const struct scn_action *a,
			  plan_op_vec *out)
{
	const struct plan_link *pl = &l->plan->links.v[a->link.link];

	if (!a->link.up)
		return plan_carrier_ops(l, a->link.link, false, a->pos, out);
	for (size_t end = 0; end < 2; end++)
		if (pl->iface[end] != SCN_NONE &&
		    !plan_end_exists(l, a->link.link, end))
			return 0; /* it has no carrier all the same */
	return plan_carrier_ops(l, a->link.link, true, a->pos, out);
}

static int link_change_ops(const struct plan_live *l,
			   const struct scn_action *a, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	size_t link = a->change.link;
	struct plan_op *op =
		plan_op_add(out, PLAN_OP_LINK_CHANGE, PLAN_LAB, a->pos);

	if (!op)
		return -ENOMEM;
	op->wire.link = link;
	op->wire.set = a->change.set;
	for (size_t end = 0; end < 2 && !p->scenario->links.v[link].emulated;
	     end++) {
		size_t iface = plan_sender(p, link, end);

		if (!a->change.set->from[end].properties)
			continue;
		/* One that is not there gets them when it comes. */
		if (!plan_end_exists(
			    l, link,
			    p->ifaces.v[iface].node == PLAN_LAB ? !end : end))
			continue;
		op = plan_op_add(out, PLAN_OP_QUEUE_SET,
				 p->ifaces.v[iface].node, a->pos);
		if (!op)
			return -ENOMEM;
		op->queue.iface = iface;
		op->queue.link = link;
		op->queue.from = end;
	}
	return 0;
}

/* ---- interfaces ---------------------------------------------------------- */

bool plan_has_family(const struct plan_live_iface *f, int family)
{
	for (size_t i = 0; i < f->addresses.n; i++)
		if (f->addresses.v[i].addr.family == family)
			return true;
	return false;
}

int plan_route_ops(const struct plan_live *l, size_t iface, struct src_pos pos,
		   plan_op_vec *out)
{
	for (size_t i = 0; i < l->routes.n; i++) {
		struct plan_op *op;

		if (l->routes.v[i].route.iface != iface ||
		    !plan_has_family(&l->ifaces[iface],
				     l->routes.v[i].route.to.addr.family))
			continue;
		op = VEC_PUSH(out);
		if (!op)
			return -ENOMEM;
		*op = l->routes.v[i];
		op->pos = pos;
	}
	return 0;
}

/* What building did inside of the node, with what has changed since. */
static int configure_ops(const struct plan_live *l, size_t iface,
			 struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct plan_live_iface *f = &l->ifaces[iface];
	plan_op_vec usual = { 0 };
	int r = plan_iface_ops(p, iface, &usual);

	for (size_t i = 0; i < usual.n && !r; i++) {
		struct plan_op *op;
		bool link_local = usual.v[i].kind == PLAN_OP_ADDR_ADD &&
				  usual.v[i].addr.address.addr.bytes[0] == 0xfe;

		if (usual.v[i].kind == PLAN_OP_ADDR_ADD && !link_local)
			continue;
		op = VEC_PUSH(out);
		if (!op) {
			r = -ENOMEM;
			break;
		}
		*op = usual.v[i];
		op->pos = pos;
		if (op->kind == PLAN_OP_QUEUE_SET)
			op->queue.params = NULL; /* as they are by now */
	}
	VEC_FREE(&usual);
	for (size_t i = 0; i < f->addresses.n && !r; i++) {
		struct plan_op *op = plan_op_add(out, PLAN_OP_ADDR_ADD,
						 p->ifaces.v[iface].node, pos);

		if (!op)
			return -ENOMEM;
		op->addr.iface = iface;
		op->addr.address = f->addresses.v[i];
	}
	if (!r)
		r = plan_route_ops(l, iface, pos, out);
	if (!r && strcmp(f->name, p->ifaces.v[iface].name)) {
		struct plan_op *op = plan_op_add(out, PLAN_OP_IFACE_RENAME,
						 p->ifaces.v[iface].node, pos);

		if (!op)
			return -ENOMEM;
		op->rename.iface = iface;
		memcpy(op->rename.name, f->name, sizeof(f->name));
		memcpy(op->rename.old_name, p->ifaces.v[iface].name,
		       sizeof(f->name));
	}
	return r;
}

static int presence_ops(const struct plan_live *l, const struct scn_action *a,
			plan_op_vec *out)
{
	const struct plan *p = l->plan;
	size_t link = a->iface.at.link, end = a->iface.at.end;
	size_t iface = iface_of(p, &a->iface.at);
	bool emulated = p->scenario->links.v[link].emulated;
	bool up = !l->link_down[link] &&
		  (p->links.v[link].iface[!end] == SCN_NONE ||
		   plan_end_exists(l, link, !end));
	int r = 0;

	if (l->nodes[p->ifaces.v[iface].node] == PLAN_NODE_OFF)
		return 0;
	if (!a->iface.present) {
		/* What an emulated link has under way is lost first. */
		if (emulated)
			r = plan_carrier_ops(l, link, false, a->pos, out);
		if (!r)
			r = plan_take_out_ops(l, iface, a->pos, out);
		/* What it was plugged into has lost its carrier. */
		if (!r && !emulated && plan_end_exists(l, link, !end))
			r = plan_port_ops(l, link, !end, false, a->pos, out);
		return r ? r :
			   plan_mptcp_iface_ops(l, PLAN_OP_MPTCP_DEL, iface,
						a->pos, out);
	}
	r = plan_put_in_ops(l, iface, a->pos, out);
	for (size_t k = 0; k < 2 && up && !emulated && !r; k++)
		r = plan_port_ops(l, link, k, true, a->pos, out);
	if (!r)
		r = configure_ops(l, iface, a->pos, out);
	/* As at a boot: when it can answer. */
	if (!r && up && emulated)
		r = plan_carrier_ops(l, link, true, a->pos, out);
	return r ? r :
		   plan_mptcp_iface_ops(l, PLAN_OP_MPTCP_ADD, iface, a->pos,
					out);
}

/* What the kernel took when it was set down, and what has changed meanwhile.
 * IPv4 addresses have stayed. */
static int raise_ops(const struct plan_live *l, size_t iface,
		     struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct plan_live_iface *f = &l->ifaces[iface];
	size_t node = p->ifaces.v[iface].node, first;
	plan_op_vec usual = { 0 };
	int r = plan_iface_ops(p, iface, &usual);

	/* Those of the link, where the kernel does not make them itself. */
	for (size_t i = 0; i < usual.n && !r; i++) {
		struct plan_op *op;

		if (usual.v[i].kind != PLAN_OP_ADDR_ADD ||
		    usual.v[i].addr.address.addr.bytes[0] != 0xfe)
			continue;
		op = VEC_PUSH(out);
		if (!op)
			r = -ENOMEM;
		else
			*op = usual.v[i];
	}
	VEC_FREE(&usual);
	for (size_t i = 0; i < f->addresses.n && !r; i++) {
		struct plan_op *op;

		if (f->addresses.v[i].addr.family != AF_INET6)
			continue;
		op = plan_op_add(out, PLAN_OP_ADDR_ADD, node, pos);
		if (!op)
			return -ENOMEM;
		op->addr.iface = iface;
		op->addr.address = f->addresses.v[i];
	}
	first = out->n;
	if (!r)
		r = plan_route_ops(l, iface, pos, out);
	/* Some that need no gateway may be there already. */
	for (size_t i = first; i < out->n && !r; i++)
		out->v[i].kind = PLAN_OP_ROUTE_SET;
	return r;
}

static int admin_ops(const struct plan_live *l, const struct scn_action *a,
		     plan_op_vec *out)
{
	size_t iface = iface_of(l->plan, &a->iface.at);
	struct plan_op *op;
	int r = 0;

	if (!plan_end_exists(l, a->iface.at.link, a->iface.at.end))
		return 0;
	op = plan_op_add(out,
			 a->iface.up ? PLAN_OP_IFACE_UP : PLAN_OP_IFACE_DOWN,
			 l->plan->ifaces.v[iface].node, a->pos);
	if (!op)
		return -ENOMEM;
	op->iface.iface = iface;
	if (!a->iface.up)
		return 0;
	if (plan_live_link_up(l, a->iface.at.link))
		r = plan_sync_ops(l, a->iface.at.link, a->pos, out);
	return r ? r : raise_ops(l, iface, a->pos, out);
}

static int rename_ops(const struct plan_live *l, const struct scn_action *a,
		      plan_op_vec *out)
{
	size_t iface = iface_of(l->plan, &a->iface.at);
	struct plan_op *op;

	if (!plan_end_exists(l, a->iface.at.link, a->iface.at.end))
		return 0;
	op = plan_op_add(out, PLAN_OP_IFACE_RENAME,
			 l->plan->ifaces.v[iface].node, a->pos);
	if (!op)
		return -ENOMEM;
	op->rename.iface = iface;
	memcpy(op->rename.name, a->iface.name, sizeof(a->iface.name));
	memcpy(op->rename.old_name, l->ifaces[iface].name,
	       sizeof(a->iface.name));
	/* A sald knows them by their names. */
	return plan_sal_policy_ops(l, op->node, a->pos, out);
}

static int mtu_op(const struct plan_live *l, size_t iface, size_t old,
		  const struct scn_action *a, plan_op_vec *out)
{
	struct plan_op *op = plan_op_add(out, PLAN_OP_IFACE_MTU,
					 l->plan->ifaces.v[iface].node, a->pos);

	if (!op)
		return -ENOMEM;
	op->mtu.iface = iface;
	op->mtu.mtu = a->iface.mtu;
	op->mtu.old_mtu = l->ifaces[old].mtu;
	return 0;
}

/* At both ends of the link, and whatever is between them. */
static int mtu_ops(const struct plan_live *l, const struct scn_action *a,
		   plan_op_vec *out)
{
	size_t link = a->iface.at.link;
	const struct plan_link *pl = &l->plan->links.v[link];
	int r = 0;

	for (size_t end = 0; end < 2 && !r; end++) {
		if (!plan_end_exists(l, link, end))
			continue;
		r = mtu_op(l, pl->iface[end], pl->iface[end], a, out);
		if (!r && pl->port[end] != SCN_NONE)
			r = mtu_op(l, pl->port[end], pl->iface[end], a, out);
	}
	return r;
}

/* As a plug is pulled and put in elsewhere: the carrier is gone meanwhile. */
static int plug_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out)
{
	const struct scn_iface_ref *at = &a->iface.at;
	int r;

	if (!plan_end_exists(l, at->link, at->end))
		return 0;
	r = plan_move_port_ops(l, at, a->iface.bridge, a->pos, out);
	if (!r && !l->link_down[at->link])
		r = plan_carrier_ops(l, at->link, true, a->pos, out);
	return r ? r :
		   plan_forget_route_ops(l, iface_of(l->plan, at), a->pos, out);
}

/* The first router of each family that is in the bridge's network. */
int plan_default_route_ops(const struct plan_live *l,
			   const struct scn_iface_ref *at, size_t bridge,
			   struct src_pos pos, plan_op_vec *out)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct plan *p = l->plan;
	size_t iface = iface_of(p, at);
	size_t network = plan_network_of(p, bridge);

	for (size_t f = 0; f < 2; f++) {
		struct ip_addr via = { 0 };
		struct plan_op *op;

		for (size_t i = 0; i < p->ifaces.n && !via.family; i++) {
			const struct plan_live_iface *r = &l->ifaces[i];

			if (p->ifaces.v[i].node == PLAN_LAB ||
			    plan_masquerades(p, i) || r->network != network ||
			    !r->present ||
			    !scn_kind_is_router(
				    p->scenario->nodes.v[p->ifaces.v[i].node]
					    .kind))
				continue;
			for (size_t k = 0; k < r->addresses.n; k++)
				if (r->addresses.v[k].addr.family ==
				    families[f])
					via = r->addresses.v[k].addr;
		}
		if (!via.family)
			continue;
		op = plan_op_add(out, PLAN_OP_ROUTE_ADD,
				 p->ifaces.v[iface].node, pos);
		if (!op)
			return -ENOMEM;
		op->route.to.addr.family = (sa_family_t)families[f];
		op->route.via = via;
		op->route.iface = iface;
	}
	return 0;
}

/* ---- routes -------------------------------------------------------------- */

struct plan_op plan_route_op(const struct plan *p, const struct scn_action *a,
			     enum plan_op_kind kind)
{
	size_t iface = iface_of(p, &a->route.at);
	struct plan_op op = {
		.kind = kind,
		.node = p->ifaces.v[iface].node,
		.pos = a->pos,
	};

	op.route.to = a->route.to;
	op.route.via = a->route.via;
	op.route.iface = iface;
	op.route.metric = a->route.metric;
	return op;
}

static int route_change_ops(const struct plan_live *l,
			    const struct scn_action *a, plan_op_vec *out)
{
	static const enum plan_op_kind kinds[] = {
		[SCN_ROUTE_ADD] = PLAN_OP_ROUTE_ADD,
		[SCN_ROUTE_DELETE] = PLAN_OP_ROUTE_DEL,
		[SCN_ROUTE_REPLACE] = PLAN_OP_ROUTE_SET,
	};
	struct plan_op *op;

	if (!plan_end_exists(l, a->route.at.link, a->route.at.end))
		return 0;
	op = VEC_PUSH(out);
	if (!op)
		return -ENOMEM;
	*op = plan_route_op(l->plan, a, kinds[a->route.change]);
	return 0;
}

/* ---- partitions ---------------------------------------------------------- */

static int cut_ops(const struct plan_live *l, const struct scn_action *a,
		   plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;
	bool cut = a->kind == SCN_ACTION_PARTITION;

	for (size_t i = 0; i < s->nodes.n; i++) {
		struct plan_op *op;

		if (s->nodes.v[i].kind == SCN_NODE_BRIDGE ||
		    l->nodes[i] == PLAN_NODE_OFF)
			continue;
		op = plan_op_add(out, cut ? PLAN_OP_CUT : PLAN_OP_UNCUT, i,
				 a->pos);
		if (!op)
			return -ENOMEM;
		op->cut.partition = cut ? a : l->partition;
	}
	return 0;
}

static int drop_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out)
{
	struct plan_op *op;

	if (l->nodes[a->drop.node] == PLAN_NODE_OFF)
		return 0;
	op = plan_op_add(out, PLAN_OP_DROP, a->drop.node, a->pos);
	if (!op)
		return -ENOMEM;
	op->drop.flags = a->drop.flags;
	op->drop.count = a->drop.count;
	return 0;
}

int plan_change_ops(const struct plan_live *l, const struct scn_action *a,
		    plan_op_vec *out)
{
	switch (a->kind) {
	case SCN_ACTION_LINK_STATE:
		return link_state_ops(l, a, out);
	case SCN_ACTION_LINK_CHANGE:
		return link_change_ops(l, a, out);
	case SCN_ACTION_PRESENCE:
		return presence_ops(l, a, out);
	case SCN_ACTION_ADMIN:
		return admin_ops(l, a, out);
	case SCN_ACTION_RENAME:
		return rename_ops(l, a, out);
	case SCN_ACTION_PLUG:
		return plug_ops(l, a, out);
	case SCN_ACTION_MTU:
		return mtu_ops(l, a, out);
	case SCN_ACTION_ROUTE:
		return route_change_ops(l, a, out);
	case SCN_ACTION_DROP:
		return drop_ops(l, a, out);
	case SCN_ACTION_PARTITION:
	case SCN_ACTION_HEAL:
		return cut_ops(l, a, out);
	default:
		return 0;
	}
}

/* ---- whole nodes --------------------------------------------------------- */

int plan_cut_off_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		     plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;
	int r = 0;

	for (size_t i = 0; i < s->links.n && !r; i++)
		if (s->links.v[i].end[0].node == node ||
		    s->links.v[i].end[1].node == node)
			r = plan_carrier_ops(l, i, false, pos, out);
	return r;
}

int plan_remove_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		    plan_op_vec *out)
{
	const struct plan *p = l->plan;
	int r = 0;

	for (size_t i = 0; i < p->ifaces.n && !r; i++)
		if (p->ifaces.v[i].node == node && l->ifaces[i].present)
			r = plan_take_out_ops(l, i, pos, out);
	return r || plan_op_add(out, PLAN_OP_NODE_DEL, node, pos) ? r : -ENOMEM;
}

static int copy_node_ops(const struct plan_live *l, size_t node,
			 struct src_pos pos, plan_op_vec *out)
{
	for (size_t i = 0; i < l->plan->ops.n; i++) {
		const struct plan_op *op = &l->plan->ops.v[i];
		struct plan_op *copy;

		if (op->node != node || (op->kind != PLAN_OP_NODE_ADD &&
					 op->kind != PLAN_OP_SYSCTL))
			continue;
		copy = VEC_PUSH(out);
		if (!copy)
			return -ENOMEM;
		*copy = *op;
		copy->pos = pos;
	}
	return 0;
}

int plan_boot_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		  plan_op_vec *out)
{
	const struct plan *p = l->plan;
	int r = copy_node_ops(l, node, pos, out);
	struct plan_op *op;

	for (size_t i = 0; i < p->ifaces.n && !r; i++)
		if (p->ifaces.v[i].node == node && l->ifaces[i].present)
			r = plan_put_in_ops(l, i, pos, out);
	for (size_t i = 0; i < p->ifaces.n && !r; i++)
		if (p->ifaces.v[i].node == node && l->ifaces[i].present)
			r = configure_ops(l, i, pos, out);
	if (!r)
		r = plan_nat_ops(l, node, out);
	if (!r)
		r = plan_masquerade_ops(l, node, l->rebinds[node], pos, out);
	if (!r)
		r = plan_mptcp_ops(l, node, out);
	if (!r && l->partition) {
		op = plan_op_add(out, PLAN_OP_CUT, node, pos);
		if (!op)
			return -ENOMEM;
		op->cut.partition = l->partition;
	}
	if (!r)
		r = plan_names_open_ops(l, node, pos, out);
	if (!r && p->nodes.v[node].sald) {
		if (!plan_op_add(out, PLAN_OP_SALD_START, node, pos))
			return -ENOMEM;
		r = plan_sald_ops(l, node, out);
	}
	return r;
}

int plan_connect_ops(const struct plan_live *l, size_t node, struct src_pos pos,
		     plan_op_vec *out)
{
	const struct scenario *s = l->plan->scenario;
	int r = 0;

	/* The live lab is the one with the node in it. */
	for (size_t i = 0; i < s->links.n && !r; i++)
		if ((s->links.v[i].end[0].node == node ||
		     s->links.v[i].end[1].node == node) &&
		    plan_live_link_up(l, i))
			r = plan_carrier_ops(l, i, true, pos, out);
	return r;
}

int plan_silence_ops(const struct plan_live *l, size_t node, bool silent,
		     struct src_pos pos, plan_op_vec *out)
{
	(void)l;
	return plan_op_add(out, silent ? PLAN_OP_SILENCE : PLAN_OP_UNSILENCE,
			   node, pos) ?
		       0 :
		       -ENOMEM;
}
