/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/plan/internal.h"

#include "base/diag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV6_MTU_MIN 1280 /* RFC 8200, section 5 */

static void check_mtus(const struct plan *p, struct diag *diag)
{
	for (size_t i = 0; i < p->links.n; i++) {
		const struct scn_link *l = &p->scenario->links.v[i];
		const struct plan_network *net =
			&p->networks.v[p->links.v[i].network];

		for (size_t k = 0; k < net->subnets.n; k++) {
			if (!l->mtu || l->mtu >= IPV6_MTU_MIN ||
			    net->subnets.v[k].addr.family != AF_INET6)
				continue;
			diag_error(diag, l->pos, 1,
				   "an mtu of %u is too small for IPv6, which "
				   "needs %d",
				   l->mtu, IPV6_MTU_MIN);
			diag_help(diag,
				  "give the %s an IPv4 subnet only, as "
				  "in 'subnet: 10.0.0.0/24'",
				  net->bridge == SCN_NONE ? "link" : "bridge");
			break;
		}
	}
}

static bool has_given_mac(const struct plan *p, const struct plan_iface *f)
{
	return f->node != PLAN_LAB &&
	       p->scenario->links.v[f->link].end[f->end].has_mac;
}

/* Two interfaces with one MAC address take each other's packets. Automatic ones
 * differ, so that one of two was given. */
static void check_macs(const struct plan *p, struct diag *diag)
{
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];
		const uint8_t *m = f->mac;

		if (!has_given_mac(p, f))
			continue;
		for (size_t k = 0; k < p->ifaces.n; k++) {
			const struct plan_iface *o = &p->ifaces.v[k];
			bool given = has_given_mac(p, o);

			if (k == i || o->network != f->network ||
			    memcmp(m, o->mac, sizeof(o->mac)) ||
			    (given && k > i))
				continue;
			diag_error(diag, f->pos, 1,
				   "the MAC address %02x:%02x:%02x:%02x:%02x:"
				   "%02x is taken on this network",
				   m[0], m[1], m[2], m[3], m[4], m[5]);
			diag_note(diag, o->pos, 1, "%s",
				  given ? "it was given here first" :
					  "this has it automatically");
			break;
		}
	}
}

int plan_make(const struct scenario *s, struct diag *diag, struct plan **out)
{
	struct plan *p = calloc(1, sizeof(*p));
	plan_route_vec routes = { 0 };
	size_t errors = diag_count(diag);
	int r;

	if (!p)
		return -ENOMEM;
	p->scenario = s;
	r = plan_topology(p);
	if (!r)
		r = plan_addresses(p, diag);
	if (!r) {
		check_macs(p, diag);
		check_mtus(p, diag);
	}
	if (!r)
		r = plan_readdresses(p, diag);
	if (!r)
		r = plan_sal(p, diag);
	if (!r)
		r = plan_services(p, diag);
	/* Routes over wrong addresses would only repeat what was said. */
	if (!r && diag_count(diag) == errors)
		r = plan_routes(p, diag, &routes);
	if (!r && diag_count(diag) == errors)
		r = plan_flows(p, &routes, diag);
	if (!r && diag_count(diag) == errors)
		r = plan_operations(p, &routes);
	if (!r && diag_count(diag) == errors)
		r = plan_names_operations(p);
	if (!r && diag_count(diag) == errors)
		r = plan_sal_operations(p);
	VEC_FREE(&routes);
	if (!r && diag_count(diag) > errors)
		r = -EINVAL;
	if (r) {
		plan_free(p);
		return r;
	}
	*out = p;
	return 0;
}

struct plan *plan_free(struct plan *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->networks.n; i++)
		VEC_FREE(&p->networks.v[i].subnets);
	for (size_t i = 0; i < p->ifaces.n; i++)
		VEC_FREE(&p->ifaces.v[i].addresses);
	for (size_t i = 0; i < p->services.n; i++) {
		VEC_FREE(&p->services.v[i].addresses);
		VEC_FREE(&p->services.v[i].holders);
	}
	for (size_t i = 0; i < p->readdresses.n; i++) {
		VEC_FREE(&p->readdresses.v[i].old);
		VEC_FREE(&p->readdresses.v[i].new);
	}
	VEC_FREE(&p->readdresses);
	VEC_FREE(&p->nodes);
	VEC_FREE(&p->networks);
	VEC_FREE(&p->ifaces);
	VEC_FREE(&p->links);
	VEC_FREE(&p->services);
	VEC_FREE(&p->ops);
	VEC_FREE(&p->late_routes);
	free(p);
	return NULL;
}

bool plan_op_inverse(const struct plan_op *op, struct plan_op *out)
{
	*out = *op;
	switch (op->kind) {
	case PLAN_OP_NODE_ADD:
		out->kind = PLAN_OP_NODE_DEL;
		return true;
	case PLAN_OP_SYSCTL:
		out->sysctl.value = op->sysctl.old;
		out->sysctl.old = op->sysctl.value;
		return op->sysctl.old != NULL;
	case PLAN_OP_LINK_ADD:
		out->kind = PLAN_OP_LINK_DEL;
		return true;
	case PLAN_OP_LINK_DEL:
		out->kind = PLAN_OP_LINK_ADD;
		return true;
	case PLAN_OP_ADDR_ADD:
		out->kind = PLAN_OP_ADDR_DEL;
		return true;
	case PLAN_OP_ADDR_DEL:
		out->kind = PLAN_OP_ADDR_ADD;
		return true;
	case PLAN_OP_MPTCP_ADD:
		out->kind = PLAN_OP_MPTCP_DEL;
		return true;
	case PLAN_OP_MPTCP_DEL:
		out->kind = PLAN_OP_MPTCP_ADD;
		return true;
	case PLAN_OP_IFACE_UP:
		out->kind = PLAN_OP_IFACE_DOWN;
		return true;
	case PLAN_OP_IFACE_DOWN:
		out->kind = PLAN_OP_IFACE_UP;
		return true;
	case PLAN_OP_ROUTE_ADD:
		out->kind = PLAN_OP_ROUTE_DEL;
		return true;
	case PLAN_OP_ROUTE_DEL:
		out->kind = PLAN_OP_ROUTE_ADD;
		return true;
	case PLAN_OP_LINK_STATE:
		out->wire.up = !op->wire.up;
		return true;
	case PLAN_OP_NAT_INIT:
		out->kind = PLAN_OP_NAT_DEL;
		return true;
	case PLAN_OP_NAT_BIND:
		out->nat.to = op->nat.old_to;
		out->nat.old_to = op->nat.to;
		return !op->nat.also && !op->nat.lost;
	case PLAN_OP_SAL_RULE_ADD:
		out->kind = PLAN_OP_SAL_RULE_DEL;
		return true;
	case PLAN_OP_SAL_RULE_DEL:
		out->kind = PLAN_OP_SAL_RULE_ADD;
		return true;
	case PLAN_OP_SAL_RULE_CHANGE:
		out->sal.weight = op->sal.old_weight;
		out->sal.old_weight = op->sal.weight;
		out->sal.priority = op->sal.old_priority;
		out->sal.old_priority = op->sal.priority;
		return true;
	case PLAN_OP_IFACE_RENAME:
		memcpy(out->rename.name, op->rename.old_name, IFNAMSIZ);
		memcpy(out->rename.old_name, op->rename.name, IFNAMSIZ);
		return true;
	case PLAN_OP_IFACE_MTU:
		out->mtu.mtu = op->mtu.old_mtu;
		out->mtu.old_mtu = op->mtu.mtu;
		return op->mtu.old_mtu != 0;
	case PLAN_OP_TAP_ADD:
	case PLAN_OP_TAP_DEL:
		out->kind = op->kind == PLAN_OP_TAP_ADD ? PLAN_OP_TAP_DEL :
							  PLAN_OP_TAP_ADD;
		return true;
	case PLAN_OP_PORT_MOVE:
		out->port.bridge = op->port.old_bridge;
		out->port.old_bridge = op->port.bridge;
		return true;
	case PLAN_OP_CUT:
		out->kind = PLAN_OP_UNCUT;
		return true;
	case PLAN_OP_UNCUT:
		out->kind = PLAN_OP_CUT;
		return op->cut.partition != NULL;
	case PLAN_OP_SILENCE:
		out->kind = PLAN_OP_UNSILENCE;
		return true;
	case PLAN_OP_UNSILENCE:
		out->kind = PLAN_OP_SILENCE;
		return true;
	case PLAN_OP_ROUTE_SET: /* what was there before is not known */
	case PLAN_OP_NODE_DEL: /* what was in it is gone */
	case PLAN_OP_BRIDGE_ADD: /* goes with the lab */
	case PLAN_OP_IFACE_CONF:
	case PLAN_OP_CARRIER_SYNC: /* changes nothing */
	case PLAN_OP_MASQUERADE:
	case PLAN_OP_DROP: /* how many are left only the kernel knows */
	case PLAN_OP_MPTCP_LIMITS:
	case PLAN_OP_NAT_DEL:
	case PLAN_OP_NAT_ADD:
	case PLAN_OP_NAT_ALSO: /* goes with what it is a part of */
	case PLAN_OP_QUEUE_SET:
	case PLAN_OP_EMULATOR_START: /* goes with the lab */
	case PLAN_OP_LINK_CHANGE: /* only the lab knows what was */
	case PLAN_OP_SALD_START: /* goes with the lab */
	case PLAN_OP_SAL_INTERFACE:
	case PLAN_OP_SAL_POLICY:
	case PLAN_OP_SAL_NAME:
	case PLAN_OP_SAL_LISTEN:
	case PLAN_OP_NAMES_START:
	case PLAN_OP_NAMES_OPEN: /* goes with the node */
		return false;
	case PLAN_OP_NAME_ADD:
		out->kind = PLAN_OP_NAME_DEL;
		return true;
	case PLAN_OP_NAME_DEL:
		out->kind = PLAN_OP_NAME_ADD;
		return op->name.address.family != AF_UNSPEC;
	}
	return false;
}

struct ip_addr plan_node_address(const struct plan *p, size_t node, int family)
{
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];

		for (size_t k = 0; f->node == node && k < f->addresses.n; k++)
			if (f->addresses.v[k].addr.family == family)
				return f->addresses.v[k].addr;
	}
	return (struct ip_addr){ 0 };
}

struct ip_addr plan_service_address(const struct plan *p, size_t service,
				    int family)
{
	const struct plan_service *svc = &p->services.v[service];

	for (size_t i = 0; i < svc->addresses.n; i++)
		if (svc->addresses.v[i].family == family)
			return svc->addresses.v[i];
	return (struct ip_addr){ 0 };
}

static struct ip_addr target_address(const struct plan *p,
				     const struct scn_probe *pr, int family)
{
	switch (pr->target) {
	case SCN_TARGET_SERVICE:
		if (p->scenario->services.v[pr->to].resolver ==
		    SCN_RESOLVER_DNS)
			return plan_node_address(
				p, p->scenario->services.v[pr->to].instance,
				family);
		return plan_service_address(p, pr->to, family);
	case SCN_TARGET_NODE:
		return plan_node_address(p, pr->to, family);
	case SCN_TARGET_ADDRESS:
		if (pr->to_address.family == family)
			return pr->to_address;
		break;
	}
	return (struct ip_addr){ 0 };
}

struct ip_addr plan_probe_target(const struct plan *p,
				 const struct scn_probe *pr)
{
	struct ip_addr a = { 0 };

	if (pr->family != 6)
		a = target_address(p, pr, AF_INET);
	if (!a.family && pr->family != 4)
		a = target_address(p, pr, AF_INET6);
	return a;
}

char *plan_hosts_text(const struct plan *p)
{
	char text[IP_TEXT_MAX];
	char *buf = NULL;
	size_t size;
	FILE *f = open_memstream(&buf, &size);
	int failed;

	if (!f)
		return NULL;
	fprintf(f, "127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *iface = &p->ifaces.v[i];

		for (size_t k = 0;
		     iface->node != PLAN_LAB && k < iface->addresses.n; k++)
			fprintf(f, "%s %s\n",
				ip_format_addr(&iface->addresses.v[k].addr,
					       text, sizeof(text)),
				p->scenario->nodes.v[iface->node].name);
	}
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(buf);
		return NULL;
	}
	return buf;
}
