/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_pack() takes over the references that it is given with "o", and fails
 * as a whole where one of them is NULL; that is all the error handling there
 * has to be.
 */
#include "node/control/json.h"
#include "include/serval/wire.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>

json_t *json_of_addr(const struct ip_addr *a)
{
	char text[IP_TEXT_MAX];

	if (a->family == AF_UNSPEC)
		return json_null();
	return json_string(ip_format_addr(a, text, sizeof(text)));
}

static json_t *json_of_id(const struct service_id *id)
{
	char text[SERVICE_ID_TEXT_MAX];

	return json_string(service_id_format(id, text, sizeof(text)));
}

static json_t *json_of_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_ICMP:
		return json_string("icmp");
	case IPPROTO_TCP:
		return json_string("tcp");
	case IPPROTO_UDP:
		return json_string("udp");
	case IPPROTO_ICMPV6:
		return json_string("icmpv6");
	default:
		return json_integer(protocol);
	}
}

static json_t *json_of_u64(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *json_of_path(const struct sal_path *p)
{
	return json_pack(
		"{s:o, s:o, s:o, s:i, s:i}", "local", json_of_addr(&p->local),
		"remote", json_of_addr(&p->remote), "ifindex",
		json_of_u64(p->ifindex), "local_port", (int)p->local_port,
		"remote_port", (int)p->remote_port);
}

json_t *json_of_flow(const struct sal_flow_info *f)
{
	json_t *o = json_pack(
		"{s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:i, s:o, s:i, "
		"s:o}",
		"flow", json_of_u64(f->local_id), "peer_flow",
		json_of_u64(f->remote_id), "state", sal_state_name(f->state),
		"role", f->client ? "client" : "server", "service",
		json_of_id(&f->service), "protocol",
		json_of_protocol(f->protocol), "inner_local",
		json_of_addr(&f->inner_local), "port_local", (int)f->port_local,
		"inner_remote", json_of_addr(&f->inner_remote), "port_remote",
		(int)f->port_remote, "path", json_of_path(&f->path));
	json_t *counters =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "packets_in",
			  json_of_u64(f->packets_in), "packets_out",
			  json_of_u64(f->packets_out), "bytes_in",
			  json_of_u64(f->bytes_in), "bytes_out",
			  json_of_u64(f->bytes_out), "opened_ns",
			  json_integer(f->opened_ns), "last_used_ns",
			  json_integer(f->last_used_ns));

	if (json_object_update(o, counters)) {
		json_decref(o);
		o = NULL;
	}
	json_decref(counters);
	return o;
}

json_t *json_of_rule(const struct sal_rule *r, uint64_t hits,
		     const struct control_name *name)
{
	bool named = name && name->name[0];

	return json_pack(
		"{s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "service",
		json_of_id(&r->id), "bits", (int)r->bits, "kind",
		r->kind == SAL_RULE_DEMUX ? "demux" : "forward", "to",
		json_of_addr(&r->to), "priority", json_of_u64(r->priority),
		"weight", json_of_u64(r->weight), "hits", json_of_u64(hits),
		"name", named ? json_string(name->name) : json_null(), "addr4",
		name ? json_of_addr(&name->addr4) : json_null(), "addr6",
		name ? json_of_addr(&name->addr6) : json_null());
}

static const char *const reason_names[] = {
	[SAL_REASON_NO_SERVICE] = "no such service",
	[SAL_REASON_NO_INSTANCE] = "no instance",
	[SAL_REASON_LOOP] = "loop",
	[SAL_REASON_HOP_LIMIT] = "hop limit",
	[SAL_REASON_TABLE_FULL] = "table full",
	[SAL_REASON_REFUSED] = "refused",
	[SAL_REASON_UNKNOWN_FLOW] = "unknown flow",
};

static json_t *json_of_reason(uint16_t reason)
{
	size_t n = sizeof(reason_names) / sizeof(reason_names[0]);

	if (reason < n && reason_names[reason])
		return json_string(reason_names[reason]);
	return json_integer(reason);
}

/* Adds a new reference, which may be NULL; false where memory ran out. */
static bool put(json_t *o, const char *key, json_t *value)
{
	return json_object_set_new(o, key, value) == 0;
}

json_t *json_of_event(const struct sal_event *e)
{
	json_t *o = e->flow.local_id ? json_of_flow(&e->flow) : json_object();
	bool whole;
	char name[64];

	snprintf(name, sizeof(name), "sal.%s", sal_event_name(e->kind));
	whole = put(o, "event", json_string(name)) &&
		put(o, "mono_ns", json_integer(e->now_ns));
	if (whole && e->kind == SAL_EVENT_FLOW_STATE)
		whole = put(o, "old_state",
			    json_string(sal_state_name(e->old_state)));
	if (whole && e->reason)
		whole = put(o, "reason", json_of_reason(e->reason));
	if (whole && e->kind == SAL_EVENT_RESENT)
		whole = put(o, "count", json_of_u64(e->count));
	if (!whole) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *json_of_address(const struct control_address *a)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:b}", "interface", a->ifname,
			 "address", json_of_addr(&a->addr), "ifindex",
			 json_of_u64(a->ifindex), "cost", json_of_u64(a->cost),
			 "metered", (int)a->metered);
}
