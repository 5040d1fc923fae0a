/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts: an engine each, the programs above it, and its place in the world. */
#include "tests/support/sal_world_parts.h"

#include "base/checksum.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

void (*world_adjust)(struct sal_config *c);

/* ---- programs ----------------------------------------------------------- */

void host_send(struct host *h, const struct sal_inner *p)
{
	world_remember_sent(h->world, p);
	sal_from_inner(h->sal, p, h->world->now_ns);
	WORLD_OK(h->world, sal_stats(h->sal)->broken == 0);
	host_touched(h);
}

/* After the moment that a program or kernel takes. */
static void answer_soon(struct host *h, struct sal_inner *p)
{
	struct happening later = { .host = h, .inner = *p };
	uint8_t *copy = must(malloc(p->len));

	memcpy(copy, p->segment, p->len);
	transport_checksum_set(p->protocol, &p->src, &p->dst, copy, p->len);
	later.inner.segment = copy;
	happen(h->world, h->world->now_ns + 10000, later);
}

static void kernel_answers(struct host *h, const struct sal_inner *p)
{
	uint8_t copy[4096];
	struct sal_inner back = { .src = p->dst,
				  .dst = p->src,
				  .protocol = p->protocol,
				  .segment = copy,
				  .len = p->len,
				  .ip = { .ttl = 64 } };

	memcpy(copy, p->segment, p->len);
	if (h->echoes && segment_is_ping(p, 8, 128)) {
		copy[0] = p->protocol == IPPROTO_ICMP ? 0 : 129;
		answer_soon(h, &back);
	}
	if (p->protocol == IPPROTO_UDP && h->udp_port &&
	    (p->segment[2] << 8 | p->segment[3]) == h->udp_port) {
		memcpy(copy, p->segment + 2, 2);
		memcpy(copy + 2, p->segment, 2);
		if (h->wildcard)
			back.src = p->src.family == AF_INET6 ? h->inner6 :
							       h->inner4;
		/* Only the server's side may answer an answer. */
		answer_soon(h, &back);
		/* What arrives is from the service, whatever the server says.
		 */
		back.src = p->dst;
		transport_checksum_set(IPPROTO_UDP, &back.src, &back.dst, copy,
				       back.len);
		world_remember_sent(h->world, &back);
	}
}

static void count(struct host *h, const struct sal_inner *p)
{
	if (segment_is_ping(p, 0, 129)) {
		h->replies++;
		h->last_reply_seq =
			(uint16_t)(p->segment[6] << 8 | p->segment[7]);
	} else if (segment_is_ping(p, 8, 128)) {
		h->requests++;
	} else if (segment_is_ping(p, 3, 1)) {
		h->unreachable++;
	} else if (p->protocol == IPPROTO_UDP) {
		h->udp_got++;
	} else if (p->protocol == IPPROTO_TCP && p->segment[13] & 4) {
		h->resets++;
	}
	h->last = *p;
	h->last.segment = NULL;
}

static void sink_deliver(void *arg, const struct sal_inner *p)
{
	struct host *h = arg;
	struct world *w = h->world;

	WORLD_OK(w, transport_checksum_check(p->protocol, &p->src, &p->dst,
					     p->segment, p->len) ==
			    TRANSPORT_CHECKSUM_GOOD);
	if (!segment_is_refusal(p))
		world_check_arrival(w, p);
	count(h, p);
	if (h->program)
		h->program(h, p, h->program_arg);
	if (!w->quiet)
		kernel_answers(h, p);
}

static void sink_event(void *arg, const struct sal_event *e)
{
	struct host *h = arg;
	struct world *w = h->world;

	w->events = grown(w->events, w->event_count, &w->event_room,
			  sizeof(*w->events));
	w->events[w->event_count++] = (struct seen_event){ *e, h };
	h->migrated += e->kind == SAL_EVENT_FLOW_MIGRATED;
}

void host_ping(struct host *h, const char *to, uint16_t id, uint16_t seq,
	       size_t payload)
{
	struct ip_addr dst = ip(to);
	bool six = dst.family == AF_INET6;
	uint8_t echo[2048] = { six ? 128 : 8,
			       0,
			       0,
			       0,
			       (uint8_t)(id >> 8),
			       (uint8_t)id,
			       (uint8_t)(seq >> 8),
			       (uint8_t)seq };
	struct sal_inner p = {
		.src = six ? h->inner6 : h->inner4,
		.dst = dst,
		.protocol = six ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.segment = echo,
		.len = 8 + payload,
		.ip = { .ttl = 64 },
	};

	for (size_t i = 0; i < payload; i++)
		echo[8 + i] = (uint8_t)i;
	transport_checksum_set(p.protocol, &p.src, &p.dst, echo, p.len);
	host_send(h, &p);
}

void host_udp(struct host *h, const char *from, const char *to, uint16_t sport,
	      uint16_t dport, const char *text)
{
	size_t len = 8 + strlen(text);
	uint8_t d[2048] = { (uint8_t)(sport >> 8), (uint8_t)sport,
			    (uint8_t)(dport >> 8), (uint8_t)dport,
			    (uint8_t)(len >> 8),   (uint8_t)len };
	struct sal_inner p = {
		.src = from ? ip(from) : h->inner4,
		.dst = ip(to),
		.protocol = IPPROTO_UDP,
		.segment = d,
		.len = len,
		.ip = { .ttl = 64 },
	};

	memcpy(d + 8, text, strlen(text));
	transport_checksum_set(p.protocol, &p.src, &p.dst, d, p.len);
	host_send(h, &p);
}

/* ---- building it -------------------------------------------------------- */

struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(!ip_parse_addr(text, &a), "%s", text);
	return a;
}

struct service_id service(unsigned n)
{
	struct service_id id = { { 0 } };

	id.bytes[0] = (uint8_t)n;
	return id;
}

static bool sink_reaches(void *arg, const struct sal_local_address *from,
			 const struct ip_addr *to)
{
	const struct host *h = arg;

	(void)to;
	return !ip_addr_equal(&from->addr, &h->no_route);
}

static void start(struct host *h)
{
	struct sal_sink sink = { .arg = h,
				 .send = world_takes,
				 .deliver = sink_deliver,
				 .event = sink_event,
				 .reaches = sink_reaches };

	if (h->sal)
		h->early += sal_stats(h->sal)->early;
	for (size_t i = 0; i < sizeof(h->config.key); i++)
		h->config.key[i] = (uint8_t)world_random(h->world, 256);
	ck_assert_int_eq(sal_init(h->memory, sal_memory(&h->config), &h->config,
				  &sink, h->world->now_ns, &h->sal),
			 0);
	h->tick_ns = INT64_MAX;
	h->boots++;
}

void host_name_usual(struct host *h)
{
	struct service_id id = service(1);
	struct ip_addr v4 = ip("10.8.0.1"), v6 = ip("fd08::1");

	ck_assert_int_eq(sal_name_set(h->sal, &id, &v4, &v6), 0);
}

struct host *world_host(struct world *w, const char *name, const char *address,
			const char *inner4, const char *inner6)
{
	struct host *h = &w->hosts[w->host_count++];
	struct sal_config c = { .max_flows = 0 };

	ck_assert_uint_le(w->host_count, w->host_room);
	*h = (struct host){ .world = w, .name = name, .echoes = true };
	sal_config_defaults(&c);
	c.max_flows = 64;
	c.queue_bytes = 64 << 10;
	c.unacked_bytes = 256 << 10;
	if (inner4)
		c.inner4 = h->inner4 = ip(inner4);
	if (inner6)
		c.inner6 = h->inner6 = ip(inner6);
	if (world_adjust)
		world_adjust(&c);
	h->memory = must(malloc(sal_memory(&c)));
	h->config = c;
	start(h);
	host_addresses(h, address, NULL);
	return h;
}

struct kept_rules {
	struct sal_rule v[16];
	size_t n;
};

static bool keep_rule(void *arg, const struct sal_rule_info *r)
{
	struct kept_rules *k = arg;

	k->v[k->n++] = r->rule;
	return true;
}

void host_reboot(struct host *h)
{
	struct kept_rules k = { .n = 0 };
	struct sal_local_address list[8];

	sal_rules(h->sal, NULL, keep_rule, &k);
	start(h);
	for (size_t i = 0; i < h->address_count; i++)
		list[i] = (struct sal_local_address){ .addr = h->addresses[i],
						      .ifindex = 1 };
	sal_set_addresses(h->sal, list, h->address_count, h->world->now_ns);
	for (size_t i = 0; i < k.n; i++)
		ck_assert_int_eq(
			sal_rule_add(h->sal, &k.v[i], h->world->now_ns), 0);
	host_name_usual(h);
}

void host_addresses(struct host *h, const char *first, const char *second)
{
	struct sal_local_address list[2];
	const char *text[] = { first, second };

	h->address_count = 0;
	for (int i = 0; i < 2; i++) {
		if (!text[i])
			continue;
		h->addresses[h->address_count] = ip(text[i]);
		list[h->address_count] = (struct sal_local_address){
			.addr = h->addresses[h->address_count], .ifindex = 1
		};
		h->address_count++;
	}
	sal_set_addresses(h->sal, list, h->address_count, h->world->now_ns);
	WORLD_OK(h->world, !sal_stats(h->sal)->broken);
	host_touched(h);
}

static void rule(struct host *h, unsigned n, const char *to, bool add)
{
	struct sal_rule r = { .id = service(n),
			      .bits = SERVICE_ID_BITS,
			      .weight = 1 };
	int result;

	r.kind = to ? SAL_RULE_FORWARD : SAL_RULE_DEMUX;
	if (to)
		r.to = ip(to);
	result = add ? sal_rule_add(h->sal, &r, h->world->now_ns) :
		       sal_rule_delete(h->sal, &r, h->world->now_ns);
	ck_assert_int_eq(result, 0);
	WORLD_OK(h->world, !sal_stats(h->sal)->broken);
	host_touched(h);
}

void host_serve(struct host *h, unsigned n)
{
	rule(h, n, NULL, true);
}

void host_unserve(struct host *h, unsigned n)
{
	rule(h, n, NULL, false);
	h->boots++;
}

void host_forward(struct host *h, unsigned n, const char *to)
{
	rule(h, n, to, true);
}

void host_unforward(struct host *h, unsigned n, const char *to)
{
	rule(h, n, to, false);
}

void world_replace(struct world *w, unsigned n, struct host *from,
		   struct host *to)
{
	char was[IP_TEXT_MAX], is[IP_TEXT_MAX];

	ip_format_addr(&from->addresses[0], was, sizeof(was));
	ip_format_addr(&to->addresses[0], is, sizeof(is));
	host_unserve(from, n);
	host_serve(to, n);
	for (unsigned i = 0; i < w->host_count; i++) {
		struct host *h = &w->hosts[i];

		if (h == from || h == to)
			continue;
		host_unforward(h, n, was);
		host_forward(h, n, is);
	}
}

struct world *world_usual(uint64_t seed)
{
	struct world *w = world_new(seed);

	world_host(w, "C", "10.0.0.1", "10.9.0.1", "fd09::1");
	world_host(w, "A", "10.0.1.1", "10.9.0.2", "fd09::2");
	world_host(w, "B", "10.0.2.1", "10.9.0.3", "fd09::3");
	for (unsigned i = 0; i < w->host_count; i++)
		host_name_usual(&w->hosts[i]);
	host_serve(world_a(w), 1);
	host_forward(world_c(w), 1, "10.0.1.1");
	return w;
}

struct host *world_c(struct world *w)
{
	return &w->hosts[0];
}

struct host *world_a(struct world *w)
{
	return &w->hosts[1];
}

struct host *world_b(struct world *w)
{
	return &w->hosts[2];
}

/* ---- looking at it ------------------------------------------------------ */

unsigned world_events(const struct world *w, const struct host *h,
		      enum sal_event_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->event_count; i++)
		n += w->events[i].host == h && w->events[i].e.kind == kind;
	return n;
}

struct only {
	struct sal_flow_info info;
	unsigned n;
};

static void take_only(void *arg, const struct sal_flow_info *f)
{
	struct only *o = arg;

	o->info = *f;
	o->n++;
}

struct sal_flow_info host_flow(struct host *h)
{
	struct only o = { .n = 0 };

	sal_flows(h->sal, take_only, &o);
	WORLD_OK(h->world, o.n == 1);
	return o.info;
}

unsigned host_flows(const struct host *h)
{
	struct only o = { .n = 0 };

	sal_flows(h->sal, take_only, &o);
	return o.n;
}
