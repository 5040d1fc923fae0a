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
#include <string.h>

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
		"{s:o, s:o, s:s, s:s?, s:s, s:o, s:o, s:o, s:i, s:o, s:i, "
		"s:o}",
		"flow", json_of_u64(f->local_id), "peer_flow",
		json_of_u64(f->remote_id), "state", sal_state_name(f->state),
		"handoff", f->hand, "role", f->client ? "client" : "server",
		"service", json_of_id(&f->service), "protocol",
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

static const char *const kind_names[] = {
	[SAL_RULE_DEMUX] = "demux",
	[SAL_RULE_FORWARD] = "forward",
	[SAL_RULE_DELAY] = "delay",
	[SAL_RULE_DROP] = "drop",
};

bool json_rule_kind_of(const char *text, enum sal_rule_kind *out)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(*kind_names); i++) {
		if (strcmp(kind_names[i], text) != 0)
			continue;
		*out = (enum sal_rule_kind)i;
		return true;
	}
	return false;
}

/* Adds a new reference, which may be NULL; false where memory ran out. */
static bool put(json_t *o, const char *key, json_t *value)
{
	return json_object_set_new(o, key, value) == 0;
}

/* What the rule says, without what became of it. Consumes o where it fails. */
static json_t *put_rule(json_t *o, const struct sal_rule *r)
{
	bool whole = o && put(o, "service", json_of_id(&r->id)) &&
		     put(o, "bits", json_integer(r->bits)) &&
		     put(o, "kind", json_string(kind_names[r->kind])) &&
		     put(o, "to", json_of_addr(&r->to)) &&
		     put(o, "priority", json_of_u64(r->priority)) &&
		     put(o, "weight", json_of_u64(r->weight));

	if (whole && r->kind == SAL_RULE_DROP)
		whole = put(o, "refuse", json_boolean(r->refuse));
	if (whole && r->kind == SAL_RULE_DELAY)
		whole = put(o, "hold_ms",
			    json_of_u64(r->hold_ms ? r->hold_ms : SAL_HOLD_MS));
	if (whole && r->idle_ms)
		whole = put(o, "idle_ms", json_of_u64(r->idle_ms));
	if (whole && r->hard_ms)
		whole = put(o, "hard_ms", json_of_u64(r->hard_ms));
	if (!whole) {
		json_decref(o);
		return NULL;
	}
	return o;
}

/* From now to then; 0 where that is in the past. */
static json_t *json_of_ms(int64_t ns, int64_t now_ns)
{
	return json_integer(ns > now_ns ? (ns - now_ns) / 1000000 : 0);
}

json_t *json_of_rule(const struct sal_rule_info *r,
		     const struct control_name *name, int64_t now_ns)
{
	bool named = name && name->name[0], used = r->flows || r->packets;
	json_t *o = put_rule(
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name",
			  named ? json_string(name->name) : json_null(),
			  "addr4",
			  name ? json_of_addr(&name->addr4) : json_null(),
			  "addr6",
			  name ? json_of_addr(&name->addr6) : json_null(),
			  "hits", json_of_u64(r->flows), "packets",
			  json_of_u64(r->packets), "bytes",
			  json_of_u64(r->bytes)),
		&r->rule);
	bool whole = o && put(o, "age_ms", json_of_ms(now_ns, r->added_ns)) &&
		     put(o, "used_ms",
			 used ? json_of_ms(now_ns, r->used_ns) : json_null()) &&
		     put(o, "down", json_boolean(r->down)) &&
		     put(o, "aside_ms", json_of_ms(r->aside_ns, now_ns));

	if (whole && r->end_ns != INT64_MAX)
		whole = put(o, "expires_ms", json_of_ms(r->end_ns, now_ns));
	if (!whole) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *json_of_delayed(const struct sal_delayed *d, int64_t now_ns)
{
	json_t *o = json_of_flow(&d->info);

	if (o && put(o, "waiting_ms", json_of_ms(now_ns, d->since_ns)) &&
	    put(o, "left_ms", json_of_ms(d->until_ns, now_ns)) &&
	    put(o, "packets", json_of_u64(d->packets)))
		return o;
	json_decref(o);
	return NULL;
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

static bool is_of_rule(enum sal_event_kind kind)
{
	return kind == SAL_EVENT_SERVICE_DELAYED ||
	       kind == SAL_EVENT_SERVICE_EXPIRED ||
	       kind == SAL_EVENT_SERVICE_UNREACHABLE ||
	       kind == SAL_EVENT_SERVICE_FORWARDED;
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
	if (whole && e->flow.local_id && e->why != SAL_WAY_OPENED)
		whole = put(o, "why", json_string(sal_way_why_name(e->why)));
	if (whole && e->kind == SAL_EVENT_RESENT)
		whole = put(o, "count", json_of_u64(e->count));
	if (whole && e->kind == SAL_EVENT_SERVICE_FORWARDED)
		whole = put(o, "service", json_of_id(&e->flow.service)) &&
			put(o, "client", json_of_addr(&e->flow.path.remote));
	if (whole && is_of_rule(e->kind)) {
		json_t *rule = put_rule(json_object(), &e->rule);

		whole = put(o, "rule", rule);
	}
	if (!whole) {
		json_decref(o);
		return NULL;
	}
	return o;
}

json_t *json_of_address(const struct control_address *a)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:b, s:o}", "interface",
			 a->ifname, "address", json_of_addr(&a->addr),
			 "ifindex", json_of_u64(a->ifindex), "cost",
			 json_of_u64(a->cost), "metered", (int)a->metered,
			 "cap_bps",
			 a->cap_bps ? json_of_u64(a->cap_bps) : json_null());
}

static json_t *json_of_time(int64_t ns)
{
	return ns == INT64_MAX ? json_null() : json_integer(ns);
}

json_t *json_of_ended(const struct sal_history *h)
{
	json_t *o = json_of_flow(&h->info);

	if (o && put(o, "ended_ns", json_of_time(h->ended_ns)) &&
	    put(o, "reason",
		h->reason ? json_of_reason(h->reason) : json_null()))
		return o;
	json_decref(o);
	return NULL;
}

json_t *json_of_ways(const struct sal_history *h)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < h->n; i++) {
		const struct sal_way *w = &h->v[i];
		json_t *one = json_pack("{s:o, s:o, s:o, s:s}", "path",
					json_of_path(&w->path), "from_ns",
					json_of_time(w->from_ns), "until_ns",
					json_of_time(w->until_ns), "why",
					sal_way_why_name(w->why));

		if (!json_array_append_new(all, one))
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}
