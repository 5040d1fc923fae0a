/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probes: measurements, packet by packet. */
#include "orchestrator/scenario/load.h"

static const struct word kind_words[] = {
	{ "ping", SCN_PROBE_PING, NULL },
	{ "udp_echo", SCN_PROBE_UDP_ECHO, NULL },
	{ 0 },
};

static const struct type type_kind = {
	.expects = "a kind of probe: ping or udp_echo",
	.scalar = SCALAR_WORD,
	.thing = "a kind of probe",
	.words = kind_words,
};

static const struct type type_to = {
	.expects = "the name of a service or node, or an IP address",
	.scalar = SCALAR_TEXT,
};

static const struct type type_udp_port = {
	.expects = "a port number",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = UINT16_MAX,
};

static const struct word family_words[] = {
	{ "4", 4, NULL },
	{ "6", 6, NULL },
	{ 0 },
};

static const struct type type_family = {
	.expects = "4 or 6",
	.scalar = SCALAR_WORD,
	.thing = "an address family",
	.words = family_words,
};

/* Below this, a probe measures its own timer. */
static const struct type type_interval = {
	.expects = "a duration, such as 10ms",
	.scalar = SCALAR_DURATION,
	.min = 100 * 1000,
	.max = INT64_MAX,
};

/* A probe's mark needs 16 bytes; 1400 pass every usual MTU in one piece. */
static const struct type type_payload = {
	.expects = "a number of bytes",
	.scalar = SCALAR_UINT,
	.min = 16,
	.max = 1400,
};

enum {
	PROBE_KIND,
	PROBE_NODE,
	PROBE_TO,
	PROBE_PORT,
	PROBE_FAMILY,
	PROBE_INTERVAL,
	PROBE_AT,
	PROBE_FOR,
	PROBE_PAYLOAD,
};

static const struct field probe_fields[] = {
	[PROBE_KIND] = { .name = "kind",
			 .type = &type_kind,
			 .required = true,
			 .example = "ping",
			 .doc = "what it sends" },
	[PROBE_NODE] = { .name = "node",
			 .type = &type_host,
			 .required = true,
			 .example = "a",
			 .doc = "the host it sends from" },
	[PROBE_TO] = { .name = "to",
		       .type = &type_to,
		       .required = true,
		       .example = "echo",
		       .doc = "the service, node or address it sends to" },
	[PROBE_PORT] = { .name = "port",
			 .type = &type_udp_port,
			 .doc = "the UDP port; without it, the service's" },
	[PROBE_FAMILY] = { .name = "family",
			   .type = &type_family,
			   .doc = "4 or 6; without it, 4 where there are "
				  "both" },
	[PROBE_INTERVAL] = { .name = "interval",
			     .type = &type_interval,
			     .fallback = "100ms",
			     .doc = "the time from one packet to the next" },
	[PROBE_AT] = { .name = "at",
		       .type = &type_delay,
		       .fallback = "0s",
		       .doc = "when it begins" },
	[PROBE_FOR] = { .name = "for",
			.type = &type_span,
			.required = true,
			.example = "6s",
			.doc = "how long it sends" },
	[PROBE_PAYLOAD] = { .name = "payload",
			    .type = &type_payload,
			    .fallback = "56",
			    .doc = "bytes behind the ICMP or UDP header" },
};

static const struct mapping mapping_probe = {
	.what = "probe",
	.doc = "A stream of numbered packets that are answered one by one.",
	MAPPING_FIELDS(probe_fields),
};

static const struct type type_probe_body = {
	.expects = "a probe, such as '{ kind: ping, node: a, to: b, for: 5s }'",
	.mapping = &mapping_probe,
};

const struct type type_probes = {
	.expects = "probes by name",
	.key = &type_name,
	.value = &type_probe_body,
	.may_be_empty = true,
};

/* ---- the target -------------------------------------------------------- */

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

static bool read_target(struct loader *l, const struct tree_node *node,
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

static bool check_family(struct loader *l, const struct value *family,
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
static bool check_ping(struct loader *l, const struct value *to,
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

/* The port of a UDP probe, which a service may bring along. */
static bool read_port(struct loader *l, const struct tree_node *key,
		      const struct value *to, const struct value *port,
		      struct scn_probe *probe)
{
	const struct scn_service *service =
		probe->target == SCN_TARGET_SERVICE ?
			&l->s->services.v[probe->to] :
			NULL;

	probe->port = (uint16_t)port->number;
	if (service && service->port.protocol == SCN_PROTO_TCP) {
		tree_error(l->diag, to->node,
			   "the service '%s' is on tcp/%u, and a udp_echo "
			   "probe sends UDP",
			   service->name, service->port.port);
		diag_note(l->diag, service->pos, 1, "defined here");
		return false;
	}
	if (service && service->port.protocol == SCN_PROTO_UDP) {
		if (port->ok && port->number != service->port.port) {
			tree_error(l->diag, port->node,
				   "the service '%s' is on udp/%u",
				   service->name, service->port.port);
			diag_help(l->diag, "leave the port out");
			return false;
		}
		probe->port = service->port.port;
		return true;
	}
	if (port->node)
		return port->ok;
	tree_error(l->diag, key, "probe '%s' has no 'port'", key->text);
	diag_help(l->diag,
		  service ? "add 'port: 7000', or give the service one "
			    "('port: udp/7000')" :
			    "add 'port: 7000' (the UDP port it sends to)");
	return false;
}

/* ---- probes ------------------------------------------------------------ */

static bool check_time(struct loader *l, const struct value *v,
		       const struct tree_node *key,
		       const struct scn_probe *probe)
{
	int64_t end;

	if (!v[PROBE_AT].ok || !v[PROBE_FOR].ok)
		return true;
	if (__builtin_add_overflow(probe->start_ns, probe->for_ns, &end)) {
		tree_error(l->diag, v[PROBE_FOR].node, "the probe never ends");
		return false;
	}
	if (l->s->duration_ns && probe->start_ns >= l->s->duration_ns) {
		tree_error(l->diag, v[PROBE_AT].node ? v[PROBE_AT].node : key,
			   "the probe begins when the run is over");
		diag_note(l->diag, l->duration->pos, l->duration->width,
			  "the run ends at %s", l->duration->text);
		return false;
	}
	return true;
}

static size_t read_probe(struct loader *l, const struct tree_node *key,
			 const struct tree_node *value)
{
	struct scn_probe *probe = LOADER_PUSH(l, &l->s->probes);
	size_t index = l->s->probes.n - 1;
	struct value v[VALUES_MAX];
	bool good, target = false;

	if (!probe)
		return SCN_NONE;
	probe->name = loader_dup(l, key->text);
	probe->pos = key->pos;
	good = mapping_read(l, &mapping_probe, value, key, v, NULL);
	probe->kind = v[PROBE_KIND].word;
	probe->node = v[PROBE_NODE].index;
	probe->family = v[PROBE_FAMILY].word;
	probe->interval_ns = v[PROBE_INTERVAL].ns;
	probe->start_ns = v[PROBE_AT].ns;
	probe->for_ns = v[PROBE_FOR].ns;
	probe->payload = (uint32_t)v[PROBE_PAYLOAD].number;
	if (v[PROBE_TO].ok) {
		target = read_target(l, v[PROBE_TO].node, probe);
		good &= target && check_family(l, &v[PROBE_FAMILY], probe);
	}
	if (v[PROBE_KIND].ok && probe->kind == SCN_PROBE_UDP_ECHO && target)
		good &= read_port(l, key, &v[PROBE_TO], &v[PROBE_PORT], probe);
	if (v[PROBE_KIND].ok && probe->kind == SCN_PROBE_PING &&
	    v[PROBE_PORT].node) {
		tree_error(l->diag, v[PROBE_PORT].node, "a ping has no port");
		good = false;
	}
	if (v[PROBE_KIND].ok && probe->kind == SCN_PROBE_PING && target)
		good &= check_ping(l, &v[PROBE_TO], probe);
	good &= check_time(l, v, key, probe);
	return good ? index : SCN_NONE;
}

void probes_read(struct loader *l, const struct tree_node *node)
{
	named_read(l, &type_probes, node, NAMES_PROBE, read_probe);
}
