/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which broadcast domains and which devices a lab has.
 *
 * Devices are numbered through the whole lab, not per namespace, and are given
 * these numbers as ifindex. The obvious way, to let each namespace count for
 * itself, gives both ends of a veth the same ifindex every so often, and then
 * the kernel takes the device for its own lower one, is in no hurry to tell of
 * its carrier, and the bridge port stays closed for up to a second.
 */
#include "orchestrator/plan/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_IFINDEX 2 /* 1 is lo, everywhere */

bool plan_link_switched(const struct scenario *s, size_t link)
{
	return scn_link_switches(s, link);
}

static size_t add_iface(struct plan *p, size_t node, size_t link, size_t end,
			size_t network, struct src_pos pos)
{
	struct plan_iface *f = VEC_PUSH(&p->ifaces);
	uint32_t index;

	if (!f)
		return SCN_NONE;
	index = (uint32_t)(p->ifaces.n - 1) + FIRST_IFINDEX;
	f->node = node;
	f->link = link;
	f->end = end;
	f->ifindex = index;
	f->network = network;
	f->pos = pos;
	/* Locally administered, and the same in every run. */
	f->mac[0] = 0x02;
	f->mac[1] = 0x1a;
	f->mac[2] = 0xb0;
	f->mac[3] = (uint8_t)(index >> 16);
	f->mac[4] = (uint8_t)(index >> 8);
	f->mac[5] = (uint8_t)index;
	return p->ifaces.n - 1;
}

static size_t add_bridge(struct plan *p, size_t network, struct src_pos pos)
{
	size_t i = add_iface(p, PLAN_LAB, SCN_NONE, 0, network, pos);

	if (i == SCN_NONE)
		return SCN_NONE;
	snprintf(p->ifaces.v[i].name, IFNAMSIZ, "br%u", p->ifaces.v[i].ifindex);
	p->networks.v[network].bridge_iface = i;
	return i;
}

static size_t add_port(struct plan *p, size_t link, size_t end, size_t network,
		       struct src_pos pos)
{
	size_t i = add_iface(p, PLAN_LAB, link, end, network, pos);

	if (i == SCN_NONE)
		return SCN_NONE;
	snprintf(p->ifaces.v[i].name, IFNAMSIZ, "p%u", p->ifaces.v[i].ifindex);
	p->links.v[link].port[end] = i;
	return i;
}

static size_t add_network(struct plan *p, size_t bridge, size_t link,
			  struct src_pos pos)
{
	struct plan_network *net = VEC_PUSH(&p->networks);

	if (!net)
		return SCN_NONE;
	net->bridge = bridge;
	net->link = link;
	net->bridge_iface = SCN_NONE;
	net->pos = pos;
	return p->networks.n - 1;
}

size_t plan_network_of(const struct plan *p, size_t bridge)
{
	for (size_t i = 0; i < p->networks.n; i++)
		if (p->networks.v[i].bridge == bridge)
			return i;
	return SCN_NONE;
}

static int add_link(struct plan *p, size_t link)
{
	const struct scenario *s = p->scenario;
	const struct scn_link *l = &s->links.v[link];
	struct plan_link *pl = VEC_PUSH(&p->links);
	size_t network = SCN_NONE;
	bool bridged = false;

	if (!pl)
		return -ENOMEM;
	for (size_t end = 0; end < 2; end++) {
		size_t node = l->end[end].node;

		pl->iface[end] = pl->port[end] = SCN_NONE;
		if (s->nodes.v[node].kind == SCN_NODE_BRIDGE)
			network = plan_network_of(p, node);
	}
	if (network == SCN_NONE) {
		network = add_network(p, SCN_NONE, link, l->pos);
		if (network == SCN_NONE)
			return -ENOMEM;
		if (plan_link_switched(s, link) && !l->emulated &&
		    add_bridge(p, network, l->pos) == SCN_NONE)
			return -ENOMEM;
	}
	pl->network = network;
	bridged = p->networks.v[network].bridge_iface != SCN_NONE;

	for (size_t end = 0; end < 2; end++) {
		const struct scn_endpoint *ep = &l->end[end];
		struct plan_iface *f;
		size_t i;

		if (s->nodes.v[ep->node].kind == SCN_NODE_BRIDGE)
			continue;
		if (bridged &&
		    add_port(p, link, end, network, ep->pos) == SCN_NONE)
			return -ENOMEM;
		i = add_iface(p, ep->node, link, end, network, ep->pos);
		if (i == SCN_NONE)
			return -ENOMEM;
		f = &p->ifaces.v[i];
		memcpy(f->name, ep->ifname, sizeof(f->name));
		if (ep->has_mac)
			memcpy(f->mac, ep->mac, sizeof(f->mac));
		p->links.v[link].iface[end] = i;
	}
	return 0;
}

int plan_topology(struct plan *p)
{
	const struct scenario *s = p->scenario;

	for (size_t i = 0; i < s->nodes.n; i++) {
		const struct scn_node *node = &s->nodes.v[i];
		size_t network;

		if (node->kind != SCN_NODE_BRIDGE)
			continue;
		network = add_network(p, i, SCN_NONE, node->pos);
		if (network == SCN_NONE ||
		    add_bridge(p, network, node->pos) == SCN_NONE)
			return -ENOMEM;
	}
	for (size_t i = 0; i < s->links.n; i++) {
		int r = add_link(p, i);

		if (r)
			return r;
	}
	return 0;
}
