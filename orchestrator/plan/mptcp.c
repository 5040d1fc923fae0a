/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernels of nodes are told of MPTCP: their endpoints, that is, which
 * addresses more subflows may use. By itself, a host whose probe speaks MPTCP
 * opens one from each of its addresses, and a host that such a probe asks, and
 * that has several interfaces, announces each of them.
 *
 * Endpoints follow the addresses, as a daemon on a laptop makes them.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>

static bool has_several(const struct plan *p, size_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < p->ifaces.n; i++)
		n += p->ifaces.v[i].node == node;
	return n > 1;
}

static size_t target_of(const struct scenario *s, const struct scn_probe *pr)
{
	switch (pr->target) {
	case SCN_TARGET_NODE:
		return pr->to;
	case SCN_TARGET_SERVICE:
		return s->services.v[pr->to].instance;
	default:
		return SCN_NONE;
	}
}

enum scn_mptcp plan_mptcp_role(const struct plan *p, size_t iface)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	const struct scenario *s = p->scenario;
	enum scn_mptcp role;

	if (f->node == PLAN_LAB || f->link == SCN_NONE)
		return SCN_MPTCP_NONE;
	role = s->links.v[f->link].end[f->end].mptcp;
	for (size_t i = 0; role == SCN_MPTCP_AUTO && i < s->probes.n; i++) {
		const struct scn_probe *pr = &s->probes.v[i];

		if (pr->mptcp && pr->node == f->node)
			role = SCN_MPTCP_SUBFLOW;
		else if (pr->mptcp && target_of(s, pr) == f->node &&
			 has_several(p, f->node))
			role = SCN_MPTCP_SIGNAL;
	}
	return role == SCN_MPTCP_AUTO ? SCN_MPTCP_NONE : role;
}

int plan_mptcp_op(const struct plan *p, enum plan_op_kind kind, size_t iface,
		  const struct ip_prefix *address, struct src_pos pos,
		  plan_op_vec *out)
{
	struct plan_op *op;

	if (plan_mptcp_role(p, iface) == SCN_MPTCP_NONE)
		return 0;
	op = plan_op_add(out, kind, p->ifaces.v[iface].node, pos);
	if (!op)
		return -ENOMEM;
	op->addr.iface = iface;
	op->addr.address = *address;
	return 0;
}

int plan_mptcp_iface_ops(const struct plan_live *l, enum plan_op_kind kind,
			 size_t iface, struct src_pos pos, plan_op_vec *out)
{
	const struct plan_live_iface *f = &l->ifaces[iface];
	int r = 0;

	for (size_t i = 0; i < f->addresses.n && !r; i++)
		r = plan_mptcp_op(l->plan, kind, iface, &f->addresses.v[i], pos,
				  out);
	return r;
}

/* A host whose endpoints nobody set takes those that others announce all the
 * same, where a probe of it or to it speaks MPTCP. */
static bool speaks(const struct plan *p, size_t node)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < s->probes.n; i++)
		if (s->probes.v[i].mptcp &&
		    (s->probes.v[i].node == node ||
		     target_of(s, &s->probes.v[i]) == node))
			return true;
	for (size_t i = 0; i < p->ifaces.n; i++)
		if (p->ifaces.v[i].node == node &&
		    plan_mptcp_role(p, i) != SCN_MPTCP_NONE)
			return true;
	return false;
}

int plan_mptcp_ops(const struct plan_live *l, size_t node, plan_op_vec *out)
{
	const struct plan *p = l->plan;
	struct src_pos pos = p->scenario->nodes.v[node].pos;
	int r = 0;

	if (p->scenario->nodes.v[node].kind == SCN_NODE_BRIDGE ||
	    !speaks(p, node))
		return 0;
	if (!plan_op_add(out, PLAN_OP_MPTCP_LIMITS, node, pos))
		return -ENOMEM;
	for (size_t i = 0; i < p->ifaces.n && !r; i++)
		if (p->ifaces.v[i].node == node && l->ifaces[i].present)
			r = plan_mptcp_iface_ops(l, PLAN_OP_MPTCP_ADD, i,
						 p->ifaces.v[i].pos, out);
	return r;
}

bool plan_has_mptcp(const struct plan *p)
{
	for (size_t i = 0; i < p->scenario->nodes.n; i++)
		if (p->scenario->nodes.v[i].kind != SCN_NODE_BRIDGE &&
		    speaks(p, i))
			return true;
	return false;
}
