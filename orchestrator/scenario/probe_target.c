/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a probe is sent to: a service, a node or an address, and a port there.
 */
#include "orchestrator/scenario/probe_target.h"

static bool unknown_target(struct loader *l, const struct tree_node *node)
{
	static const enum names_kind kinds[] = { NAMES_SERVICE, NAMES_NODE };

	if (l->names[NAMES_SERVICE].incomplete ||
	    l->names[NAMES_NODE].incomplete)
		return false;
	tree_error(l->diag, node, "'%s' is no service, node or IP address",
		   node->text);
	for (size_t i = 0; i < 2; i++)
		if (l->names[kinds[i]].table)
			names_suggest(&l->names[kinds[i]], kinds[i], node->text,
				      l->diag);
	return false;
}

bool probe_target_read(struct loader *l, const struct tree_node *node,
		       struct scn_probe *probe)
{
	struct names_found service, target;
	bool is_service, is_node, is_address;
	struct ip_addr address;

	is_service = names_find(&l->names[NAMES_SERVICE], node->text, &service);
	is_node = names_find(&l->names[NAMES_NODE], node->text, &target);
	is_address = !ip_parse_addr(node->text, &address);
	if (is_service + is_node + is_address > 1) {
		tree_error(l->diag, node, "'%s' can be %s or %s", node->text,
			   is_service ? "a service" : "a node",
			   is_address ? "an IP address" : "a node");
		diag_help(l->diag, "rename one of them");
		return false;
	}
	probe->to_pos = node->pos;
	if (is_service) {
		probe->target = SCN_TARGET_SERVICE;
		probe->to = service.index;
		return service.index != SCN_NONE;
	}
	if (is_node) {
		struct value v;

		if (!value_read(l, &type_machine, node, &v))
			return false;
		probe->target = SCN_TARGET_NODE;
		probe->to = v.index;
		return true;
	}
	if (is_address) {
		static const struct type type = {
			.expects = "an IP address",
			.scalar = SCALAR_ADDRESS,
		};
		struct value v;

		if (!value_read(l, &type, node, &v))
			return false;
		probe->target = SCN_TARGET_ADDRESS;
		probe->to_address = v.address;
		return true;
	}
	return unknown_target(l, node);
}

bool probe_target_check_family(struct loader *l, const struct value *family,
			       const struct scn_probe *probe)
{
	bool v6 = probe->to_address.family == AF_INET6;

	if (probe->target != SCN_TARGET_ADDRESS || !family->ok ||
	    (family->word == 6) == v6)
		return true;
	tree_error(l->diag, family->node,
		   "the probe's address is IPv%d, its family says %d",
		   v6 ? 6 : 4, family->word);
	return false;
}

/* A NAT that binds one port passes nothing else, so no ping either. */
bool probe_target_check_ping(struct loader *l, const struct value *to,
			     const struct scn_probe *probe)
{
	const struct scn_service *service;

	if (probe->target != SCN_TARGET_SERVICE)
		return true;
	service = &l->s->services.v[probe->to];
	if (service->resolver != SCN_RESOLVER_NAT ||
	    service->port.protocol == SCN_PROTO_ANY)
		return true;
	tree_error(l->diag, to->node,
		   "the service '%s' is on %s/%u, and a ping to it is never "
		   "answered",
		   service->name,
		   service->port.protocol == SCN_PROTO_TCP ? "tcp" : "udp",
		   service->port.port);
	diag_note(l->diag, service->pos, 1, "defined here");
	if (service->port.protocol == SCN_PROTO_UDP)
		diag_help(l->diag, "write 'kind: udp_echo', or give the "
				   "service no port");
	else
		diag_help(l->diag, "a service without a port is pinged");
	return false;
}

/* The port of a probe, which a service may bring along. */
bool probe_target_read_port(struct loader *l, const struct tree_node *key,
			    const struct value *to, const struct value *port,
			    struct scn_probe *probe)
{
	const struct scn_service *service =
		probe->target == SCN_TARGET_SERVICE ?
			&l->s->services.v[probe->to] :
			NULL;
	bool udp = probe->kind == SCN_PROBE_UDP_ECHO;
	enum scn_protocol own = udp ? SCN_PROTO_UDP : SCN_PROTO_TCP;

	probe->port = (uint16_t)port->number;
	if (service && service->port.protocol != SCN_PROTO_ANY &&
	    service->port.protocol != own) {
		tree_error(l->diag, to->node,
			   "the service '%s' is on %s/%u, and a %s probe %s",
			   service->name, udp ? "tcp" : "udp",
			   service->port.port, scn_probe_kind_name(probe->kind),
			   udp ? "sends UDP" : "speaks TCP");
		diag_note(l->diag, service->pos, 1, "defined here");
		return false;
	}
	if (service && service->port.protocol == own) {
		if (port->node && port->ok &&
		    port->number != service->port.port) {
			tree_error(l->diag, port->node,
				   "the service '%s' is on %s/%u",
				   service->name, udp ? "udp" : "tcp",
				   service->port.port);
			diag_help(l->diag, "leave the port out");
			return false;
		}
		probe->port = service->port.port;
		return true;
	}
	if (port->node)
		return port->ok;
	if (probe->kind == SCN_PROBE_HTTP) {
		probe->port = 80;
		return true;
	}
	tree_error(l->diag, key, "probe '%s' has no 'port'", key->text);
	if (service)
		diag_help(l->diag,
			  "add 'port: 7000', or give the service one ('port: "
			  "%s/7000')",
			  udp ? "udp" : "tcp");
	else
		diag_help(l->diag, "add 'port: 7000' (%s)",
			  udp ? "the UDP port it sends to" :
				"the TCP port it connects to");
	return false;
}
