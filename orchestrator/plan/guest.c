/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest moves to another network: first it is unplugged, and all that it had
 * of the old network goes; then it is in the new one. Its carrier comes before
 * its addresses do, since its sald uses them as soon as they are there.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>

int plan_move_port_ops(const struct plan_live *l,
		       const struct scn_iface_ref *at, size_t bridge,
		       struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	size_t iface = p->links.v[at->link].iface[at->end];
	size_t network = plan_network_of(p, bridge);
	struct plan_op *op;

	if (plan_carrier_ops(l, at->link, false, pos, out))
		return -ENOMEM;
	op = plan_op_add(out, PLAN_OP_PORT_MOVE, PLAN_LAB, pos);
	if (!op)
		return -ENOMEM;
	op->port.iface = p->links.v[at->link].port[at->end];
	op->port.bridge = p->networks.v[network].bridge_iface;
	op->port.old_bridge =
		p->networks.v[l->ifaces[iface].network].bridge_iface;
	return 0;
}

int plan_forget_route_ops(const struct plan_live *l, size_t iface,
			  struct src_pos pos, plan_op_vec *out)
{
	for (size_t i = 0; i < l->routes.n; i++) {
		const struct plan_op *route = &l->routes.v[i];
		struct plan_op *op;

		/* IPv4's have gone with the last address. */
		if (route->route.iface != iface ||
		    (route->route.to.addr.family == AF_INET &&
		     !plan_has_family(&l->ifaces[iface], AF_INET)))
			continue;
		op = VEC_PUSH(out);
		if (!op)
			return -ENOMEM;
		*op = *route;
		op->kind = PLAN_OP_ROUTE_DEL;
		op->pos = pos;
	}
	return 0;
}

static int address_op(const struct plan_live *l, enum plan_op_kind kind,
		      size_t iface, const struct ip_prefix *address,
		      struct src_pos pos, plan_op_vec *out)
{
	struct plan_op *op =
		plan_op_add(out, kind, l->plan->ifaces.v[iface].node, pos);

	if (!op)
		return -ENOMEM;
	op->addr.iface = iface;
	op->addr.address = *address;
	return 0;
}

int plan_guest_leave_ops(const struct plan_live *l, const struct scn_action *a,
			 plan_op_vec *out)
{
	const struct scn_iface_ref *at = &a->guest.at;
	size_t iface = l->plan->links.v[at->link].iface[at->end];
	const struct plan_live_iface *f = &l->ifaces[iface];
	int r;

	if (!plan_end_exists(l, at->link, at->end))
		return 0; /* when it comes, it is there */
	r = plan_move_port_ops(l, at, a->guest.bridge, a->pos, out);
	if (!r)
		r = plan_forget_route_ops(l, iface, a->pos, out);
	for (size_t i = 0; i < f->addresses.n && !r; i++)
		r = address_op(l, PLAN_OP_ADDR_DEL, iface, &f->addresses.v[i],
			       a->pos, out);
	return r ? r :
		   plan_mptcp_iface_ops(l, PLAN_OP_MPTCP_DEL, iface, a->pos,
					out);
}

int plan_guest_arrive_ops(const struct plan_live *l, const struct scn_action *a,
			  plan_op_vec *out)
{
	const struct scn_iface_ref *at = &a->guest.at;
	size_t iface = l->plan->links.v[at->link].iface[at->end];
	const struct plan_live_iface *f = &l->ifaces[iface];
	int r = 0;

	if (!plan_end_exists(l, at->link, at->end))
		return 0;
	if (!l->link_down[at->link])
		r = plan_carrier_ops(l, at->link, true, a->pos, out);
	for (size_t i = 0; i < f->addresses.n && !r; i++)
		r = address_op(l, PLAN_OP_ADDR_ADD, iface, &f->addresses.v[i],
			       a->pos, out);
	if (!r)
		r = plan_route_ops(l, iface, a->pos, out);
	return r ? r :
		   plan_mptcp_iface_ops(l, PLAN_OP_MPTCP_ADD, iface, a->pos,
					out);
}
