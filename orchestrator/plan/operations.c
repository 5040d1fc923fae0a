/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations that build a lab, in an order that is both right and fast:
 * all namespaces, all bridges, all links, all ports (raised before their peers,
 * so that they forward when the nodes come up), then node by node what happens
 * inside it, so that whoever applies them can send long runs in one batch.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>

static struct plan_op *add_op(struct plan *p, enum plan_op_kind kind,
			      size_t node, struct src_pos pos)
{
	return plan_op_add(&p->ops, kind, node, pos);
}

static bool has_switched_link(const struct plan *p, size_t node)
{
	for (size_t i = 0; i < p->links.n; i++)
		for (size_t end = 0; end < 2; end++)
			if (p->scenario->links.v[i].end[end].node == node &&
			    plan_link_switched(p->scenario, i))
				return true;
	return false;
}

static int add_sysctl(struct plan *p, size_t node, const char *key,
		      const char *value, const char *old, struct src_pos pos)
{
	struct plan_op *op = add_op(p, PLAN_OP_SYSCTL, node, pos);

	if (!op)
		return -ENOMEM;
	op->sysctl.key = key;
	op->sysctl.value = value;
	op->sysctl.old = old;
	return 0;
}

static bool has_active(const struct scenario *s)
{
	for (size_t i = 0; i < s->services.n; i++)
		if (s->services.v[i].candidates.n)
			return true;
	return false;
}

static bool has_readdress(const struct plan *p, size_t node)
{
	for (size_t i = 0; i < p->readdresses.n; i++)
		if (p->ifaces.v[p->readdresses.v[i].iface].node == node)
			return true;
	return false;
}

static int add_node(struct plan *p, size_t node, bool switched)
{
	const struct scn_node *n = &p->scenario->nodes.v[node];

	if (n->kind == SCN_NODE_BRIDGE)
		return 0;
	if (!add_op(p, PLAN_OP_NODE_ADD, node, n->pos))
		return -ENOMEM;
	if (scn_kind_is_router(n->kind) &&
	    add_sysctl(p, node, "net/ipv6/conf/all/forwarding", "1", "0",
		       n->pos))
		return -ENOMEM;
	/* So that programs can bind a service's address and become instances
	 * by that: until they are, no interface has it. */
	if (has_active(p->scenario) && p->nodes.v[node].sald &&
	    (add_sysctl(p, node, "net/ipv4/ip_nonlocal_bind", "1", "0",
			n->pos) ||
	     add_sysctl(p, node, "net/ipv6/ip_nonlocal_bind", "1", "0",
			n->pos)))
		return -ENOMEM;
	/* A new address in the subnet of the old one stays when that goes. */
	if (has_readdress(p, node) &&
	    add_sysctl(p, node, "net/ipv4/conf/all/promote_secondaries", "1",
		       "0", n->pos))
		return -ENOMEM;
	if (switched &&
	    add_sysctl(p, node,
		       "net/ipv6/conf/default/ignore_routes_with_linkdown", "1",
		       "0", n->pos))
		return -ENOMEM;
	return 0;
}

static int add_tap(struct plan *p, size_t iface, uint32_t mtu)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	struct plan_op *op = add_op(p, PLAN_OP_TAP_ADD, f->node, f->pos);

	if (!op)
		return -ENOMEM;
	op->tap.iface = iface;
	op->tap.bridge = f->node == PLAN_LAB ?
				 p->networks.v[f->network].bridge_iface :
				 SCN_NONE;
	op->tap.mtu = mtu;
	return 0;
}

static int add_emulated_link(struct plan *p, size_t link)
{
	for (size_t end = 0; end < 2; end++)
		if (add_tap(p, plan_sender(p, link, end),
			    p->scenario->links.v[link].mtu))
			return -ENOMEM;
	return 0;
}

static int add_link(struct plan *p, size_t link)
{
	const struct scn_link *l = &p->scenario->links.v[link];
	const struct plan_link *pl = &p->links.v[link];
	size_t bridge = p->networks.v[pl->network].bridge_iface;
	struct plan_op *op;

	if (l->absent)
		return 0;
	if (l->emulated)
		return add_emulated_link(p, link);
	if (bridge == SCN_NONE) {
		op = add_op(p, PLAN_OP_LINK_ADD, PLAN_LAB, l->pos);
		if (!op)
			return -ENOMEM;
		op->link.iface[0] = pl->iface[0];
		op->link.iface[1] = pl->iface[1];
		op->link.bridge = SCN_NONE;
		op->link.mtu = l->mtu;
		return 0;
	}
	for (size_t end = 0; end < 2; end++) {
		if (pl->port[end] == SCN_NONE)
			continue;
		op = add_op(p, PLAN_OP_LINK_ADD, PLAN_LAB, l->end[end].pos);
		if (!op)
			return -ENOMEM;
		op->link.iface[0] = pl->port[end];
		op->link.iface[1] = pl->iface[end];
		op->link.bridge = bridge;
		op->link.mtu = l->mtu;
	}
	return 0;
}

static int add_iface_op(struct plan *p, enum plan_op_kind kind, size_t iface)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	struct plan_op *op = add_op(p, kind, f->node, f->pos);

	if (!op)
		return -ENOMEM;
	op->iface.iface = iface;
	return 0;
}

size_t plan_sender(const struct plan *p, size_t link, size_t end)
{
	const struct plan_link *pl = &p->links.v[link];

	return pl->iface[end] != SCN_NONE ? pl->iface[end] : pl->port[!end];
}

/*
 * The properties of a link that the kernel carries are kept by whoever sends
 * into it: at each of its two ends, one of which is the bridge's port where the
 * other node is a bridge. (A link that the timeline takes down has two ports as
 * well, but its nodes keep them.)
 */
static int add_queue(struct plan *p, size_t iface)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	const struct scn_link *l = &p->scenario->links.v[f->link];
	size_t from = f->node == PLAN_LAB ? !f->end : f->end;
	struct plan_op *op;

	if (l->emulated || link_params_are_plain(&l->params[from]) ||
	    plan_sender(p, f->link, from) != iface)
		return 0;
	op = add_op(p, PLAN_OP_QUEUE_SET, f->node, l->pos);
	if (!op)
		return -ENOMEM;
	op->queue.iface = iface;
	op->queue.link = f->link;
	op->queue.from = from;
	op->queue.params = &l->params[from];
	return 0;
}

static int add_emulator(struct plan *p)
{
	for (size_t i = 0; i < p->links.n; i++)
		if (p->scenario->links.v[i].emulated)
			return add_op(p, PLAN_OP_EMULATOR_START, PLAN_LAB,
				      p->scenario->links.v[i].pos) ?
				       0 :
				       -ENOMEM;
	return 0;
}

static int add_address(struct plan *p, size_t iface,
		       const struct ip_prefix *address)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	struct plan_op *op = add_op(p, PLAN_OP_ADDR_ADD, f->node, f->pos);

	if (!op)
		return -ENOMEM;
	op->addr.iface = iface;
	op->addr.address = *address;
	return 0;
}

/*
 * Interfaces come up without the link-local address that the kernel would make
 * (and the solicitations that go with it). A host with one interface does
 * without: it asks for its neighbours from the address that it sends from. Who
 * sends from an address that the interface does not have (a router that
 * forwards, a host that answers from its other interface's address), asks from
 * the link-local one or not at all.
 */
static struct ip_prefix link_local(const uint8_t mac[6])
{
	return (struct ip_prefix){
		.addr = { .family = AF_INET6,
			  .bytes = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0,
				     /* RFC 4291, appendix A */
				     mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe,
				     mac[3], mac[4], mac[5] } },
		.len = 64,
	};
}

/* Everything inside of a node about one of its interfaces, but the routes. */
static int configure_iface(struct plan *p, size_t iface, bool switched,
			   bool several)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	bool has_ipv6 = false;
	bool forwarding =
		scn_kind_is_router(p->scenario->nodes.v[f->node].kind);

	if (forwarding || switched) {
		if (add_iface_op(p, PLAN_OP_IFACE_CONF, iface))
			return -ENOMEM;
		p->ops.v[p->ops.n - 1].iface.forwarding = forwarding;
		p->ops.v[p->ops.n - 1].iface.ignore_linkdown = switched;
	}
	if (add_queue(p, iface) || add_iface_op(p, PLAN_OP_IFACE_UP, iface))
		return -ENOMEM;
	for (size_t k = 0; k < f->addresses.n; k++) {
		if (add_address(p, iface, &f->addresses.v[k]))
			return -ENOMEM;
		has_ipv6 |= f->addresses.v[k].addr.family == AF_INET6;
	}
	if ((forwarding || several) && has_ipv6) {
		struct ip_prefix local = link_local(f->mac);

		return add_address(p, iface, &local);
	}
	return 0;
}

/*
 * What configures one interface, as building does it.
 */
int plan_iface_ops(const struct plan *p, size_t iface, plan_op_vec *out)
{
	struct plan other = *p; /* whose operations are out */
	size_t node = p->ifaces.v[iface].node, several = 0;
	int r;

	for (size_t i = 0; i < p->ifaces.n; i++)
		several += p->ifaces.v[i].node == node;
	other.ops.v = out->v;
	other.ops.n = out->n;
	other.ops.cap = out->cap;
	r = configure_iface(&other, iface, has_switched_link(p, node),
			    several > 1);
	out->v = other.ops.v;
	out->n = other.ops.n;
	out->cap = other.ops.cap;
	return r;
}

static bool is_absent(const struct plan *p, size_t iface)
{
	size_t link = p->ifaces.v[iface].link;

	return link != SCN_NONE && p->scenario->links.v[link].absent;
}

static int add_routes(struct plan *p, size_t node, const plan_route_vec *routes,
		      size_t *at)
{
	for (; *at < routes->n && routes->v[*at].node == node; (*at)++) {
		const struct plan_route *r = &routes->v[*at];
		struct plan_op *op;

		if (is_absent(p, r->iface)) {
			op = VEC_PUSH(&p->late_routes);
			if (op)
				*op = (struct plan_op){
					.kind = PLAN_OP_ROUTE_ADD,
					.node = node,
					.pos = r->pos,
				};
		} else {
			op = add_op(p, PLAN_OP_ROUTE_ADD, node, r->pos);
		}
		if (!op)
			return -ENOMEM;
		op->route.to = r->to;
		op->route.via = r->via;
		op->route.iface = r->iface;
		op->route.metric = r->metric;
	}
	return 0;
}

static int add_nat(struct plan *p)
{
	struct plan_live *l = plan_live_new(p);
	plan_op_vec ops = { 0 };
	int r = l ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->scenario->nodes.n && !r; i++)
		r = plan_nat_ops(l, i, &ops);
	for (size_t i = 0; i < p->scenario->nodes.n && !r; i++)
		r = plan_masquerade_ops(l, i, 0, (struct src_pos){ 0 }, &ops);
	for (size_t i = 0; i < p->scenario->nodes.n && !r; i++)
		r = plan_mptcp_ops(l, i, &ops);
	if (!r)
		r = plan_ops_append(&p->ops, &ops);
	VEC_FREE(&ops);
	plan_live_free(l);
	return r;
}

int plan_operations(struct plan *p, const plan_route_vec *routes)
{
	const struct scenario *s = p->scenario;
	bool *switched = calloc(s->nodes.n + 1, sizeof(*switched));
	scn_index_vec *own = calloc(s->nodes.n + 1, sizeof(*own));
	size_t route = 0;
	int r = switched && own ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->nodes.n && !r; i++) {
		switched[i] = has_switched_link(p, i);
		r = add_node(p, i, switched[i]);
	}
	for (size_t i = 0; i < p->networks.n && !r; i++) {
		size_t bridge = p->networks.v[i].bridge_iface;

		if (bridge == SCN_NONE)
			continue;
		r = add_iface_op(p, PLAN_OP_BRIDGE_ADD, bridge);
		if (!r)
			r = add_iface_op(p, PLAN_OP_IFACE_UP, bridge);
	}
	for (size_t i = 0; i < s->links.n && !r; i++)
		r = add_link(p, i);
	for (size_t i = 0; i < p->ifaces.n && !r; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];

		if (is_absent(p, i))
			continue;
		if (f->node == PLAN_LAB) {
			if (f->link != SCN_NONE)
				r = add_queue(p, i);
			if (f->link != SCN_NONE && !r)
				r = add_iface_op(p, PLAN_OP_IFACE_UP, i);
		} else {
			size_t *slot = VEC_PUSH(&own[f->node]);

			if (slot)
				*slot = i;
			else
				r = -ENOMEM;
		}
	}
	for (size_t i = 0; i < s->nodes.n && !r; i++) {
		for (size_t k = 0; k < own[i].n && !r; k++)
			r = configure_iface(p, own[i].v[k], switched[i],
					    own[i].n > 1);
		if (!r)
			r = add_routes(p, i, routes, &route);
	}
	if (!r)
		r = add_emulator(p);
	if (!r)
		r = add_nat(p);

	for (size_t i = 0; own && i < s->nodes.n; i++)
		VEC_FREE(&own[i]);
	free(own);
	free(switched);
	return r;
}
