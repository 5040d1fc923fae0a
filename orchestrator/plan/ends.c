/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ends of links, and their carriers, on a living lab.
 *
 * Down, at a veth, is its port; an emulated link goes down as a whole, and the
 * emulator takes the carrier from both of its ends: see struct plan. An
 * interface that is taken out of its node takes its port with it, and brings
 * it back, whatever it is made of.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>

struct plan_op *plan_op_add(plan_op_vec *out, enum plan_op_kind kind,
			    size_t node, struct src_pos pos)
{
	struct plan_op *op = VEC_PUSH(out);

	if (!op)
		return NULL;
	op->kind = kind;
	op->node = node;
	op->pos = pos;
	return op;
}

int plan_ops_append(plan_op_vec *out, const plan_op_vec *more)
{
	for (size_t i = 0; i < more->n; i++) {
		struct plan_op *op = VEC_PUSH(out);

		if (!op)
			return -ENOMEM;
		*op = more->v[i];
	}
	return 0;
}

bool plan_end_exists(const struct plan_live *l, size_t link, size_t end)
{
	size_t iface = l->plan->links.v[link].iface[end];

	return iface != SCN_NONE && l->ifaces[iface].present &&
	       l->nodes[l->plan->ifaces.v[iface].node] != PLAN_NODE_OFF;
}

/* ---- carriers ------------------------------------------------------------ */

static int iface_op(size_t iface, size_t node, bool up, struct src_pos pos,
		    plan_op_vec *out)
{
	struct plan_op *op = plan_op_add(
		out, up ? PLAN_OP_IFACE_UP : PLAN_OP_IFACE_DOWN, node, pos);

	if (!op)
		return -ENOMEM;
	op->iface.iface = iface;
	return 0;
}

int plan_port_ops(const struct plan_live *l, size_t link, size_t end, bool up,
		  struct src_pos pos, plan_op_vec *out)
{
	size_t port = l->plan->links.v[link].port[end];

	return port == SCN_NONE ? 0 : iface_op(port, PLAN_LAB, up, pos, out);
}

/*
 * A carrier that has come lets nothing through until the kernel has acted on it
 * (a device's queue drops what is sent, a bridge's port is closed), which it
 * does in its own time, and a first question for a neighbour that is lost then
 * is asked again a second later. So whatever comes behind waits for that.
 */
int plan_sync_ops(const struct plan_live *l, size_t link, struct src_pos pos,
		  plan_op_vec *out)
{
	const struct plan_link *pl = &l->plan->links.v[link];

	for (size_t i = 0; i < 4; i++) {
		size_t end = i / 2,
		       iface = i % 2 ? pl->iface[end] : pl->port[end];
		struct plan_op *op;

		if (iface == SCN_NONE || !plan_end_exists(l, link, end))
			continue;
		op = plan_op_add(out, PLAN_OP_CARRIER_SYNC,
				 l->plan->ifaces.v[iface].node, pos);
		if (!op)
			return -ENOMEM;
		op->iface.iface = iface;
	}
	return 0;
}

int plan_carrier_ops(const struct plan_live *l, size_t link, bool up,
		     struct src_pos pos, plan_op_vec *out)
{
	struct plan_op *op;
	int r = 0;

	if (l->plan->scenario->links.v[link].emulated) {
		op = plan_op_add(out, PLAN_OP_LINK_STATE, PLAN_LAB, pos);
		if (!op)
			return -ENOMEM;
		op->wire.link = link;
		op->wire.up = up;
		return 0;
	}
	for (size_t end = 0; end < 2 && !r; end++)
		if (plan_end_exists(l, link, end))
			r = plan_port_ops(l, link, end, up, pos, out);
	return r || !up ? r : plan_sync_ops(l, link, pos, out);
}

/* ---- interfaces ---------------------------------------------------------- */

static int tap_op(const struct plan *p, size_t iface, enum plan_op_kind kind,
		  struct src_pos pos, plan_op_vec *out)
{
	struct plan_op *op =
		plan_op_add(out, kind, p->ifaces.v[iface].node, pos);

	if (!op)
		return -ENOMEM;
	op->tap.iface = iface;
	op->tap.bridge = SCN_NONE;
	return 0;
}

/* The port, where there is one, is up at once: its carrier comes later. */
static int put_in_emulated(const struct plan_live *l, size_t iface,
			   struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct plan_iface *f = &p->ifaces.v[iface];
	size_t port = p->links.v[f->link].port[f->end];
	int r = 0;

	if (port != SCN_NONE) {
		r = tap_op(p, port, PLAN_OP_TAP_ADD, pos, out);
		if (r)
			return r;
		out->v[out->n - 1].tap.bridge =
			p->networks.v[l->ifaces[iface].network].bridge_iface;
		out->v[out->n - 1].tap.mtu = l->ifaces[iface].mtu;
		r = iface_op(port, PLAN_LAB, true, pos, out);
	}
	if (!r)
		r = tap_op(p, iface, PLAN_OP_TAP_ADD, pos, out);
	if (!r)
		out->v[out->n - 1].tap.mtu = l->ifaces[iface].mtu;
	return r;
}

int plan_put_in_ops(const struct plan_live *l, size_t iface, struct src_pos pos,
		    plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct plan_iface *f = &p->ifaces.v[iface];
	struct plan_op *op;

	if (p->scenario->links.v[f->link].emulated)
		return put_in_emulated(l, iface, pos, out);
	op = plan_op_add(out, PLAN_OP_LINK_ADD, PLAN_LAB, pos);
	if (!op)
		return -ENOMEM;
	op->link.iface[0] = p->links.v[f->link].port[f->end];
	op->link.iface[1] = iface;
	op->link.bridge = p->networks.v[l->ifaces[iface].network].bridge_iface;
	op->link.mtu = l->ifaces[iface].mtu;
	return 0;
}

int plan_take_out_ops(const struct plan_live *l, size_t iface,
		      struct src_pos pos, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	const struct plan_iface *f = &p->ifaces.v[iface];
	size_t port = p->links.v[f->link].port[f->end];
	struct plan_op *op;
	int r = 0;

	if (p->scenario->links.v[f->link].emulated) {
		if (port != SCN_NONE)
			r = tap_op(p, port, PLAN_OP_TAP_DEL, pos, out);
		return r ? r : tap_op(p, iface, PLAN_OP_TAP_DEL, pos, out);
	}
	op = plan_op_add(out, PLAN_OP_LINK_DEL, PLAN_LAB, pos);
	if (!op)
		return -ENOMEM;
	op->link.iface[0] = port;
	op->link.iface[1] = iface;
	op->link.bridge = SCN_NONE;
	return 0;
}
