/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations of a plan as people read them. */
#include "orchestrator/plan/internal.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

const char *plan_node_name(const struct plan *p, size_t node)
{
	return node == PLAN_LAB ? "(lab)" : p->scenario->nodes.v[node].name;
}

/* "a:eth0", or for bridges and ports what they stand for. */
const char *plan_iface_name(const struct plan *p, size_t iface, char *buf,
			    size_t size)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	const struct plan_network *net = &p->networks.v[f->network];

	if (f->node != PLAN_LAB)
		snprintf(buf, size, "%s:%s", plan_node_name(p, f->node),
			 f->name);
	else if (f->link != SCN_NONE)
		snprintf(buf, size, "%s (port to %s:%s)", f->name,
			 p->scenario->nodes
				 .v[p->scenario->links.v[f->link]
					    .end[f->end]
					    .node]
				 .name,
			 p->scenario->links.v[f->link].end[f->end].ifname);
	else
		snprintf(buf, size, "%s (%s %s)", f->name,
			 net->bridge != SCN_NONE ? "bridge" : "link",
			 net->bridge != SCN_NONE ?
				 p->scenario->nodes.v[net->bridge].name :
				 p->scenario->links.v[net->link].name);
	return buf;
}

static void append(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void append(char *buf, size_t size, const char *fmt, ...)
{
	size_t n = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, size - n, fmt, ap);
	va_end(ap);
}

static void route_text(const struct plan *p, const struct plan_op *op,
		       char *buf, size_t size)
{
	char to[IP_TEXT_MAX], via[IP_TEXT_MAX];

	append(buf, size, "%s route to %s",
	       op->kind == PLAN_OP_ROUTE_ADD ? "add" :
	       op->kind == PLAN_OP_ROUTE_SET ? "set" :
					       "delete",
	       op->route.to.len ?
		       ip_format_prefix(&op->route.to, to, sizeof(to)) :
	       op->route.to.addr.family == AF_INET ? "0.0.0.0/0" :
						     "::/0");
	if (op->route.via.family)
		append(buf, size, " via %s",
		       ip_format_addr(&op->route.via, via, sizeof(via)));
	append(buf, size, " dev %s", p->ifaces.v[op->route.iface].name);
	if (op->route.metric)
		append(buf, size, " metric %u", op->route.metric);
}

static void sal_text(const struct plan *p, const struct plan_op *op, char *buf,
		     size_t size)
{
	const char *name =
		op->sal.service == SCN_NONE ?
			NULL :
			p->scenario->services.v[op->sal.service].name;
	char to[IP_TEXT_MAX];

	if (op->sal.service == SCN_NONE)
		append(buf, size, "%s services that it does not know to %s",
		       op->kind == PLAN_OP_SAL_RULE_DEL ? "stop forwarding" :
							  "forward",
		       ip_format_addr(&op->sal.to, to, sizeof(to)));
	else if (op->kind == PLAN_OP_SAL_NAME)
		append(buf, size, "name service %s", name);
	else if (op->kind == PLAN_OP_SAL_LISTEN)
		append(buf, size, "look who listens for service %s", name);
	else if (!op->sal.to.family)
		append(buf, size, "%s service %s",
		       op->kind == PLAN_OP_SAL_RULE_ADD ? "serve" :
							  "stop serving",
		       name);
	else
		append(buf, size, "%s service %s to %s",
		       op->kind == PLAN_OP_SAL_RULE_DEL ? "stop forwarding" :
							  "forward",
		       name, ip_format_addr(&op->sal.to, to, sizeof(to)));
	if (op->kind == PLAN_OP_SAL_NAME || op->kind == PLAN_OP_SAL_RULE_DEL ||
	    !op->sal.to.family)
		return;
	if (op->sal.weight != 1 || op->kind == PLAN_OP_SAL_RULE_CHANGE)
		append(buf, size, ", weight %" PRIu32, op->sal.weight);
	if (op->sal.priority)
		append(buf, size, ", priority %" PRIu32, op->sal.priority);
}

static void sal_interface_text(const struct plan *p, const struct plan_op *op,
			       char *buf, size_t size)
{
	const struct plan_iface *f = &p->ifaces.v[op->iface.iface];
	const struct scn_endpoint *end =
		&p->scenario->links.v[f->link].end[f->end];
	char rate[32];

	append(buf, size, "tell sald of %s: cost %u%s", f->name, end->cost,
	       end->metered ? ", metered" : "");
	if (end->cap_bps)
		append(buf, size, ", at most %s",
		       units_format_rate(end->cap_bps, rate, sizeof(rate)));
}

static void sal_policy_text(const struct plan *p, const struct plan_op *op,
			    char *buf, size_t size)
{
	struct plan_sal_policy policy = plan_sal_policy(p, op->node);

	append(buf, size, "tell sald its policy: by %s",
	       policy.by_cost ? "cost" : "order");
	for (size_t i = 0; i < policy.n_order; i++)
		append(buf, size, "%s%s", i ? ", " : " ",
		       p->ifaces.v[policy.order[i]].name);
	if (policy.avoid_metered)
		append(buf, size, ", metered last");
	if (policy.go_back)
		append(buf, size, ", go back after %lld ms",
		       (long long)policy.hold_ms);
}

static void queue_text(const struct plan *p, const struct plan_op *op,
		       char *buf, size_t size)
{
	const struct link_params *params = op->queue.params;
	struct link_params rest;
	char name[320], text[256];

	if (op->node == PLAN_LAB)
		plan_iface_name(p, op->queue.iface, name, sizeof(name));
	else
		snprintf(name, sizeof(name), "%s",
			 p->ifaces.v[op->queue.iface].name);
	if (!params) {
		append(buf, size, "set the queue of %s", name);
		return;
	}
	rest = *params;
	rest.rate_bps = 0;
	if (link_params_are_plain(&rest))
		append(buf, size, "set rate of %s to %llu kbit/s", name,
		       (unsigned long long)(params->rate_bps / 1000));
	else
		append(buf, size, "set the queue of %s: %s", name,
		       link_params_text(params, text, sizeof(text)));
}

const char *plan_op_text(const struct plan *p, const struct plan_op *op,
			 char *buf, size_t size)
{
	char one[320], two[320], from[IP_TEXT_MAX], to[IP_TEXT_MAX];

	buf[0] = '\0';
	if (op->node != PLAN_LAB && op->kind != PLAN_OP_NODE_ADD &&
	    op->kind != PLAN_OP_NODE_DEL)
		append(buf, size, "%s: ", plan_node_name(p, op->node));

	switch (op->kind) {
	case PLAN_OP_NODE_ADD:
	case PLAN_OP_NODE_DEL:
		append(buf, size, "%s node %s",
		       op->kind == PLAN_OP_NODE_ADD ? "add" : "delete",
		       plan_node_name(p, op->node));
		break;
	case PLAN_OP_SYSCTL:
		append(buf, size, "set %s to %s", op->sysctl.key,
		       op->sysctl.value);
		break;
	case PLAN_OP_BRIDGE_ADD:
		append(buf, size, "add bridge %s",
		       plan_iface_name(p, op->iface.iface, one, sizeof(one)));
		break;
	case PLAN_OP_LINK_ADD:
	case PLAN_OP_LINK_DEL:
		append(buf, size, "%s link %s - %s",
		       op->kind == PLAN_OP_LINK_ADD ? "add" : "delete",
		       plan_iface_name(p, op->link.iface[0], one, sizeof(one)),
		       plan_iface_name(p, op->link.iface[1], two, sizeof(two)));
		if (op->link.bridge != SCN_NONE)
			append(buf, size, " in %s",
			       p->ifaces.v[op->link.bridge].name);
		if (op->link.mtu)
			append(buf, size, " mtu %u", op->link.mtu);
		break;
	case PLAN_OP_ADDR_ADD:
	case PLAN_OP_ADDR_DEL:
		append(buf, size, "%s address %s %s %s",
		       op->kind == PLAN_OP_ADDR_ADD ? "add" : "delete",
		       ip_format_prefix(&op->addr.address, to, sizeof(to)),
		       op->kind == PLAN_OP_ADDR_ADD ? "to" : "from",
		       p->ifaces.v[op->addr.iface].name);
		break;
	case PLAN_OP_IFACE_UP:
	case PLAN_OP_IFACE_DOWN:
		if (op->node == PLAN_LAB)
			plan_iface_name(p, op->iface.iface, one, sizeof(one));
		else
			snprintf(one, sizeof(one), "%s",
				 p->ifaces.v[op->iface.iface].name);
		append(buf, size, "set %s %s", one,
		       op->kind == PLAN_OP_IFACE_UP ? "up" : "down");
		break;
	case PLAN_OP_CARRIER_SYNC:
		append(buf, size, "see the carrier of %s",
		       op->node == PLAN_LAB ?
			       plan_iface_name(p, op->iface.iface, one,
					       sizeof(one)) :
			       p->ifaces.v[op->iface.iface].name);
		break;
	case PLAN_OP_IFACE_CONF:
		append(buf, size, "set %s: IPv4 forwarding %s%s",
		       p->ifaces.v[op->iface.iface].name,
		       op->iface.forwarding ? "on" : "off",
		       op->iface.ignore_linkdown ?
			       ", ignore routes without carrier" :
			       "");
		break;
	case PLAN_OP_ROUTE_ADD:
	case PLAN_OP_ROUTE_DEL:
	case PLAN_OP_ROUTE_SET:
		route_text(p, op, buf, size);
		break;
	case PLAN_OP_QUEUE_SET:
		queue_text(p, op, buf, size);
		break;
	case PLAN_OP_TAP_ADD:
	case PLAN_OP_TAP_DEL:
		append(buf, size, "%s TAP %s",
		       op->kind == PLAN_OP_TAP_ADD ? "add" : "delete",
		       op->node == PLAN_LAB ?
			       plan_iface_name(p, op->tap.iface, one,
					       sizeof(one)) :
			       p->ifaces.v[op->tap.iface].name);
		if (op->kind == PLAN_OP_TAP_DEL)
			break;
		if (op->tap.bridge != SCN_NONE)
			append(buf, size, " in %s",
			       p->ifaces.v[op->tap.bridge].name);
		if (op->tap.mtu)
			append(buf, size, " mtu %u", op->tap.mtu);
		break;
	case PLAN_OP_EMULATOR_START:
		append(buf, size, "start the emulator");
		break;
	case PLAN_OP_LINK_CHANGE:
		append(buf, size, "change link %s: %s",
		       p->scenario->links.v[op->wire.link].name,
		       scn_change_text(p->scenario, op->wire.link, op->wire.set,
				       one, sizeof(one)));
		break;
	case PLAN_OP_LINK_STATE:
		append(buf, size, "take link %s %s",
		       p->scenario->links.v[op->wire.link].name,
		       op->wire.up ? "up" : "down");
		break;
	case PLAN_OP_IFACE_RENAME:
		append(buf, size, "rename %s to %s", op->rename.old_name,
		       op->rename.name);
		break;
	case PLAN_OP_IFACE_MTU:
		append(buf, size, "set mtu of %s to %u",
		       plan_iface_name(p, op->mtu.iface, one, sizeof(one)),
		       op->mtu.mtu);
		break;
	case PLAN_OP_PORT_MOVE:
		append(buf, size, "move %s from %s to %s",
		       plan_iface_name(p, op->port.iface, one, sizeof(one)),
		       p->ifaces.v[op->port.old_bridge].name,
		       p->ifaces.v[op->port.bridge].name);
		break;
	case PLAN_OP_MPTCP_LIMITS:
		append(buf, size, "let MPTCP have all subflows");
		break;
	case PLAN_OP_MPTCP_ADD:
	case PLAN_OP_MPTCP_DEL:
		append(buf, size, "%s MPTCP endpoint %s on %s",
		       op->kind == PLAN_OP_MPTCP_ADD ? "add" : "delete",
		       ip_format_addr(&op->addr.address.addr, to, sizeof(to)),
		       p->ifaces.v[op->addr.iface].name);
		break;
	case PLAN_OP_DROP:
		append(buf, size, "drop %u control packets of flags 0x%02x",
		       op->drop.count, op->drop.flags);
		break;
	case PLAN_OP_MASQUERADE:
		append(buf, size, "masquerade%s",
		       op->masquerade.rebinds ? " by other ports" : "");
		break;
	case PLAN_OP_CUT:
		append(buf, size, "cut off from the other groups");
		break;
	case PLAN_OP_UNCUT:
		append(buf, size, "join the other groups");
		break;
	case PLAN_OP_SILENCE:
		append(buf, size, "silence all interfaces");
		break;
	case PLAN_OP_UNSILENCE:
		append(buf, size, "let all interfaces be heard");
		break;
	case PLAN_OP_SALD_START:
		append(buf, size, "start sald");
		break;
	case PLAN_OP_SAL_INTERFACE:
		sal_interface_text(p, op, buf, size);
		break;
	case PLAN_OP_SAL_POLICY:
		sal_policy_text(p, op, buf, size);
		break;
	case PLAN_OP_SAL_NAME:
	case PLAN_OP_SAL_LISTEN:
	case PLAN_OP_SAL_RULE_ADD:
	case PLAN_OP_SAL_RULE_DEL:
	case PLAN_OP_SAL_RULE_CHANGE:
		sal_text(p, op, buf, size);
		break;
	case PLAN_OP_NAMES_START:
		append(buf, size, "start the resolver of names");
		break;
	case PLAN_OP_NAMES_OPEN:
		append(buf, size, "resolve names");
		break;
	case PLAN_OP_NAME_ADD:
	case PLAN_OP_NAME_DEL:
		append(buf, size, "%s.serval means %s%s",
		       p->scenario->services.v[op->name.service].name,
		       op->name.address.family ?
			       ip_format_addr(&op->name.address, to,
					      sizeof(to)) :
			       "nothing",
		       op->kind == PLAN_OP_NAME_DEL && op->name.address.family ?
			       " no more" :
			       "");
		break;
	case PLAN_OP_NAT_INIT:
		append(buf, size, "add NAT table");
		break;
	case PLAN_OP_NAT_DEL:
		append(buf, size, "delete NAT table");
		break;
	case PLAN_OP_NAT_ADD:
	case PLAN_OP_NAT_BIND:
	case PLAN_OP_NAT_ALSO:
		append(buf, size, "%s service %s: %s to %s",
		       op->kind == PLAN_OP_NAT_ADD  ? "bind" :
		       op->kind == PLAN_OP_NAT_BIND ? "rebind" :
						      "bind also",
		       p->scenario->services.v[op->nat.service].name,
		       ip_format_addr(&op->nat.from, from, sizeof(from)),
		       op->nat.to.family ?
			       ip_format_addr(&op->nat.to, to, sizeof(to)) :
			       "nobody");
		if (op->nat.to.family && (op->nat.weight != 1 || op->nat.also ||
					  op->kind == PLAN_OP_NAT_ALSO))
			append(buf, size, ", weight %" PRIu32, op->nat.weight);
		break;
	}
	return buf;
}
