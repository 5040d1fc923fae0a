/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans as people read them. */
#include "orchestrator/plan/plan.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const char *node_name(const struct plan *p, size_t node)
{
	return node == PLAN_LAB ? "(lab)" : p->scenario->nodes.v[node].name;
}

/* "a:eth0", or for bridges and ports what they stand for. */
static const char *iface_name(const struct plan *p, size_t iface, char *buf,
			      size_t size)
{
	const struct plan_iface *f = &p->ifaces.v[iface];
	const struct plan_network *net = &p->networks.v[f->network];

	if (f->node != PLAN_LAB)
		snprintf(buf, size, "%s:%s", node_name(p, f->node), f->name);
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
		iface_name(p, op->queue.iface, name, sizeof(name));
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
		append(buf, size, "%s: ", node_name(p, op->node));

	switch (op->kind) {
	case PLAN_OP_NODE_ADD:
	case PLAN_OP_NODE_DEL:
		append(buf, size, "%s node %s",
		       op->kind == PLAN_OP_NODE_ADD ? "add" : "delete",
		       node_name(p, op->node));
		break;
	case PLAN_OP_SYSCTL:
		append(buf, size, "set %s to %s", op->sysctl.key,
		       op->sysctl.value);
		break;
	case PLAN_OP_BRIDGE_ADD:
		append(buf, size, "add bridge %s",
		       iface_name(p, op->iface.iface, one, sizeof(one)));
		break;
	case PLAN_OP_LINK_ADD:
	case PLAN_OP_LINK_DEL:
		append(buf, size, "%s link %s - %s",
		       op->kind == PLAN_OP_LINK_ADD ? "add" : "delete",
		       iface_name(p, op->link.iface[0], one, sizeof(one)),
		       iface_name(p, op->link.iface[1], two, sizeof(two)));
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
			iface_name(p, op->iface.iface, one, sizeof(one));
		else
			snprintf(one, sizeof(one), "%s",
				 p->ifaces.v[op->iface.iface].name);
		append(buf, size, "set %s %s", one,
		       op->kind == PLAN_OP_IFACE_UP ? "up" : "down");
		break;
	case PLAN_OP_CARRIER_SYNC:
		append(buf, size, "see the carrier of %s",
		       op->node == PLAN_LAB ?
			       iface_name(p, op->iface.iface, one,
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
			       iface_name(p, op->tap.iface, one, sizeof(one)) :
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
		       iface_name(p, op->mtu.iface, one, sizeof(one)),
		       op->mtu.mtu);
		break;
	case PLAN_OP_PORT_MOVE:
		append(buf, size, "move %s from %s to %s",
		       iface_name(p, op->port.iface, one, sizeof(one)),
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

static void print_networks(const struct plan *p, FILE *out)
{
	char text[IP_TEXT_MAX];

	fprintf(out, "networks\n");
	for (size_t i = 0; i < p->networks.n; i++) {
		const struct plan_network *net = &p->networks.v[i];

		fprintf(out, "  %-20s",
			net->bridge != SCN_NONE ?
				p->scenario->nodes.v[net->bridge].name :
				p->scenario->links.v[net->link].name);
		for (size_t k = 0; k < net->subnets.n; k++)
			fprintf(out, " %s",
				ip_format_prefix(&net->subnets.v[k], text,
						 sizeof(text)));
		fprintf(out, "%s\n", net->automatic ? "  (automatic)" : "");
	}
}

static void print_interfaces(const struct plan *p, FILE *out)
{
	char name[320], text[IP_TEXT_MAX];

	fprintf(out, "interfaces\n");
	for (size_t i = 0; i < p->ifaces.n; i++) {
		const struct plan_iface *f = &p->ifaces.v[i];

		if (f->node == PLAN_LAB)
			continue;
		fprintf(out, "  %-20s", iface_name(p, i, name, sizeof(name)));
		for (size_t k = 0; k < f->addresses.n; k++)
			fprintf(out, " %s",
				ip_format_prefix(&f->addresses.v[k], text,
						 sizeof(text)));
		fprintf(out, "\n");
	}
}

/* Those of which anything is asked. */
static void print_links(const struct plan *p, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < p->links.n; i++) {
		const struct scn_link *l = &p->scenario->links.v[i];
		bool plain = link_params_are_plain(&l->params[0]) &&
			     link_params_are_plain(&l->params[1]);

		if (!l->emulated && plain)
			continue;
		if (!any)
			fprintf(out, "links\n");
		any = true;
		fprintf(out, "  %-20s %s\n", l->name,
			scn_backend_name(l->emulated));
		for (size_t end = 0; end < 2; end++) {
			char direction[2 * 128 + 2], text[256];

			fprintf(out, "    %-18s %s\n",
				scn_direction_text(p->scenario, i, end,
						   direction,
						   sizeof(direction)),
				*link_params_text(&l->params[end], text,
						  sizeof(text)) ?
					text :
					"nothing");
		}
	}
}

static void print_inner(const struct plan *p, FILE *out)
{
	char text[IP_TEXT_MAX];

	if (!plan_has_sald(p))
		return;
	fprintf(out, "inner addresses\n");
	for (size_t i = 0; i < p->nodes.n; i++) {
		const struct plan_node *n = &p->nodes.v[i];

		if (!n->sald)
			continue;
		fprintf(out, "  %-20s", node_name(p, i));
		for (size_t f = 0; f < 2; f++)
			fprintf(out, " %s",
				ip_format_addr(&n->inner[f].addr, text,
					       sizeof(text)));
		fprintf(out, "\n");
	}
}

/* " c, d (weight 3)" */
static void print_instances(const struct plan *p, const struct scn_service *s,
			    FILE *out)
{
	for (size_t i = 0; i < s->candidates.n; i++)
		fprintf(out, "%s %s", i ? "," : " those that listen, of",
			node_name(p, s->candidates.v[i]));
	for (size_t i = 0; i < s->instances.n; i++) {
		const struct scn_instance *in = &s->instances.v[i];

		fprintf(out, "%s %s", i ? "," : "", node_name(p, in->node));
		if (in->weight != 1)
			fprintf(out, " (weight %" PRIu32 ")", in->weight);
		if (in->priority)
			fprintf(out, " (priority %" PRIu32 ")", in->priority);
	}
}

static bool is_plain(const struct plan *p, size_t node)
{
	return !p->nodes.v[node].sald ||
	       (p->nodes.v[node].resolves == SCN_RESOLVES_TABLE &&
		p->scenario->nodes.v[node].kind != SCN_NODE_SERVICE_ROUTER);
}

/* Of hosts that do not know all instances, and of service routers. */
static void print_resolution(const struct plan *p, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < p->nodes.n; i++) {
		const struct plan_node *n = &p->nodes.v[i];

		if (is_plain(p, i))
			continue;
		if (!any)
			fprintf(out, "resolution\n");
		any = true;
		fprintf(out, "  %-20s %s", node_name(p, i),
			n->resolves == SCN_RESOLVES_BROADCAST ? "by broadcast" :
			n->resolves == SCN_RESOLVES_TABLE     ? "hands on" :
								"by");
		for (size_t k = 0; k < n->router_count; k++)
			fprintf(out, "%s %s", k ? "," : "",
				node_name(p, n->routers[k]));
		fprintf(out, "\n");
	}
}

static void print_services(const struct plan *p, FILE *out)
{
	char text[IP_TEXT_MAX], id[SERVICE_ID_TEXT_MAX];

	if (!p->services.n)
		return;
	fprintf(out, "services\n");
	for (size_t i = 0; i < p->services.n; i++) {
		const struct plan_service *svc = &p->services.v[i];
		const struct scn_service *s = &p->scenario->services.v[i];

		fprintf(out, "  %-20s", s->name);
		for (size_t k = 0; k < svc->addresses.n; k++)
			fprintf(out, " %s",
				ip_format_addr(&svc->addresses.v[k], text,
					       sizeof(text)));
		fprintf(out, "  at");
		print_instances(p, s, out);
		if (s->resolver == SCN_RESOLVER_DNS) {
			fprintf(out, "  DNS, TTL %u s\n", s->ttl_s);
			continue;
		}
		if (s->resolver == SCN_RESOLVER_SAL) {
			fprintf(out, ", SAL\n  %20s ID %s\n", "",
				service_id_format(&svc->id, id, sizeof(id)));
			continue;
		}
		fprintf(out, ", NAT in");
		for (size_t k = 0; k < svc->holders.n; k++)
			fprintf(out, " %s", node_name(p, svc->holders.v[k]));
		fprintf(out, "\n");
	}
}

static void print_prefixes(const struct ip_prefix *v, size_t n, FILE *out)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		fprintf(out, " %s",
			ip_format_prefix(&v[i], text, sizeof(text)));
}

/* What "renew" gives. */
static void print_readdress(const struct plan *p, const struct scn_action *a,
			    FILE *out)
{
	for (size_t i = 0; i < p->readdresses.n; i++) {
		const struct plan_readdress *r = &p->readdresses.v[i];

		if (r->action != a)
			continue;
		fprintf(out, "%26s", "");
		print_prefixes(r->old.v, r->old.n, out);
		fprintf(out, " ->");
		print_prefixes(r->new.v, r->new.n, out);
		fprintf(out, "\n");
	}
}

static const char *when_text(const struct scn_entry *e, char *buf, size_t size)
{
	if (e->at_ns == SCN_UNTIMED)
		snprintf(buf, size, "%s",
			 e->trigger == SCN_TRIGGER_WHEN ? "when" : "after");
	else
		snprintf(buf, size, "%.3f s", (double)e->at_ns / 1e9);
	return buf;
}

static void print_timeline(const struct plan *p, FILE *out)
{
	char text[320], when[32];

	if (!p->scenario->timeline.n)
		return;
	fprintf(out, "timeline\n");
	for (size_t i = 0; i < p->scenario->timeline.n; i++) {
		const struct scn_entry *e = &p->scenario->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			fprintf(out, "  line %-5u %10s  %s\n",
				e->actions.v[k].pos.line,
				when_text(e, when, sizeof(when)),
				scn_action_text(p->scenario, &e->actions.v[k],
						text, sizeof(text)));
			print_readdress(p, &e->actions.v[k], out);
		}
	}
}

void plan_print(const struct plan *p, FILE *out)
{
	char text[1024];

	print_networks(p, out);
	print_interfaces(p, out);
	print_links(p, out);
	print_inner(p, out);
	print_resolution(p, out);
	print_services(p, out);
	fprintf(out, "operations\n");
	for (size_t i = 0; i < p->ops.n; i++)
		fprintf(out, "  line %-5u %s\n", p->ops.v[i].pos.line,
			plan_op_text(p, &p->ops.v[i], text, sizeof(text)));
	print_timeline(p, out);
}
