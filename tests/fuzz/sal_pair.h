/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two engines and the network between them, for fuzz_sal_play: small tables,
 * and after each step a look at what must hold. abort() where it does not.
 *
 * Inside an engine: no step that its table lacks; each flow that is in use is
 * found by its ID, and no two have the same conversation; the stores hold what
 * the flows' lists hold, and no more; no more half-open flows than there may
 * be. Between them: what is delivered to a program was sent by the other's, is
 * what just arrived, and comes once; what rides on a SYN does not come again
 * while its flow is there; each end's versions only grow. A packet that was
 * altered, or made by one who knows the nonces, may do what it likes to these
 * (trusted), but not to the former.
 */
#ifndef FUZZ_SAL_PAIR_H
#define FUZZ_SAL_PAIR_H

#include "base/checksum.h"
#include "node/sal/engine.h"
#include "node/wire/sal_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLIGHTS_MAX 32
#define PACKET_MAX 400
#define KEPT_MAX 16
#define SEEN_MAX 512

#define MUST(ok)                                                               \
	do {                                                                   \
		if (!(ok))                                                     \
			abort();                                               \
	} while (0)

struct flight {
	int64_t due_ns;
	uint64_t order;
	struct sal_path path; /* the sender's */
	struct sal_ip_fields ip;
	size_t len;
	bool altered;
	bool foreign; /* of a stranger, whose SYN may well open a flow */
	uint8_t bytes[PACKET_MAX];
};

/* Hashes, the latest SEEN_MAX of them. */
struct seen {
	uint64_t v[SEEN_MAX];
	unsigned n;
};

struct end {
	struct pair *pair;
	struct sal *sal;
	void *mem;
	size_t size;
	struct sal_config config;
	struct sal_local_address addresses[3];
	size_t n_addresses;
	struct seen sent; /* what its program sent */
	/* Of a tie: its latest verno. */
	struct {
		uint64_t nonce;
		uint32_t verno;
	} versions[32];
	uint16_t echo_got; /* sequence number of the last echo reply */
};

struct pair {
	struct end ends[2];
	struct flight flights[FLIGHTS_MAX];
	unsigned n;
	struct flight kept[KEPT_MAX]; /* that arrived */
	unsigned kept_n;
	int64_t now_ns;
	uint64_t order, random;
	int64_t delay_ns;
	unsigned loss, doubling; /* of 256 */
	bool tainted; /* somebody who knew the nonces had his way */
	/* Of the packet that arrives. */
	const uint8_t *payload;
	size_t payload_len;
	bool foreign;
	bool syn_again; /* it is a SYN whose flow is there already */
	unsigned delivered;
};

/* ---- small things -------------------------------------------------------- */

static uint64_t hash_more(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static bool seen_has(const struct seen *s, uint64_t hash)
{
	for (unsigned i = 0; i < s->n && i < SEEN_MAX; i++)
		if (s->v[i] == hash)
			return true;
	return false;
}

static void seen_add(struct seen *s, uint64_t hash)
{
	s->v[s->n++ % SEEN_MAX] = hash;
}

static uint64_t fingerprint(const struct sal_inner *p)
{
	uint64_t h = 14695981039346656037u;

	h = hash_more(h, p->src.bytes, 4);
	h = hash_more(h, p->dst.bytes, 4);
	h = hash_more(h, &p->protocol, 1);
	return hash_more(h, p->segment, p->len);
}

static uint32_t pair_random(struct pair *p, uint32_t below)
{
	uint64_t z = (p->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

static struct ip_addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct ip_addr){ AF_INET, { a, b, c, d } };
}

/* The i-th address of a host; the third is of IPv6. */
static struct ip_addr address_of(unsigned host, unsigned i)
{
	if (i < 2)
		return v4(10, 0, (uint8_t)host, (uint8_t)(1 + i));
	return (struct ip_addr){ AF_INET6, { 0xfd, [14] = (uint8_t)host } };
}

static struct ip_addr inner_of(unsigned host)
{
	return v4(10, 9, 0, (uint8_t)host);
}

static struct ip_addr service_addr(void)
{
	return v4(10, 8, 0, 1);
}

static unsigned host_of(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? a->bytes[14] : a->bytes[2];
}

/* With PLAY_TRACE in the environment: what goes over the network. */
static bool traces(void)
{
	static int known;

	if (!known)
		known = getenv("PLAY_TRACE") ? 2 : 1;
	return known == 2;
}

static void trace(const struct pair *p, const char *what,
		  const struct sal_path *path, const uint8_t *bytes, size_t len)
{
	char from[IP_TEXT_MAX], to[IP_TEXT_MAX], text[SAL_TEXT_HEADER_MAX];
	struct sal_packet d;

	if (!traces())
		return;
	if (sal_result_is_packet(sal_decode(&d, bytes, len)))
		sal_text_format(&d, SAL_TEXT_PAYLOAD_LENGTH, text,
				sizeof(text));
	else
		snprintf(text, sizeof(text), "%zu bytes, no packet", len);
	fprintf(stderr, "%12.3f ms %-7s %s > %s  %s\n", (double)p->now_ns / 1e6,
		what, ip_format_addr(&path->local, from, sizeof(from)),
		ip_format_addr(&path->remote, to, sizeof(to)), text);
}

/* ---- what must hold inside an engine ------------------------------------- */

static bool same_conversation(const struct sal_flow *f,
			      const struct sal_flow *g)
{
	return f->indexed[SAL_BY_TUPLE] && g->indexed[SAL_BY_TUPLE] &&
	       f->info.protocol == g->info.protocol &&
	       f->info.port_local == g->info.port_local &&
	       f->info.port_remote == g->info.port_remote &&
	       ip_addr_equal(&f->info.inner_local, &g->info.inner_local) &&
	       ip_addr_equal(&f->info.inner_remote, &g->info.inner_remote);
}

static void look_inside(const struct sal *s)
{
	uint32_t flows = 0, half_open = 0, queue = 0, unacked = 0;

	MUST(!s->stats.broken);
	for (uint32_t i = 0; i < s->flow_fresh; i++) {
		const struct sal_flow *f = &s->flows[i];

		if (!f->in_use)
			continue;
		flows++;
		half_open += sal_flow_unproven(f);
		queue += f->queue.chunks;
		unacked += f->unacked.chunks;
		MUST(f->info.state != SAL_CLOSED);
		MUST(f->info.local_id &&
		     sal_flow_by_id(s, f->info.local_id) == f);
		for (uint32_t k = 0; k < i; k++)
			MUST(!s->flows[k].in_use ||
			     !same_conversation(f, &s->flows[k]));
	}
	MUST(flows == s->flow_count && half_open == s->half_open);
	MUST(half_open <= s->config.max_half_open);
	MUST(queue == s->queue.used && unacked == s->unacked.used);
	MUST(s->timers.n <= flows);
}

/* ---- the network --------------------------------------------------------- */

static void add_flight(struct pair *p, const struct flight *f, int64_t due_ns)
{
	if (p->n == FLIGHTS_MAX)
		return;
	p->flights[p->n] = *f;
	p->flights[p->n].due_ns = due_ns;
	p->flights[p->n++].order = p->order++;
}

static void take_flight(struct pair *p, unsigned k, struct flight *out)
{
	*out = p->flights[k];
	p->n--;
	memmove(&p->flights[k], &p->flights[k + 1],
		(p->n - k) * sizeof(p->flights[0]));
}

static void watch_versions(struct end *e, const struct sal_packet *p)
{
	const struct sal_control *c = sal_find_control(p);
	unsigned i;

	if (!c || !(c->flags & (SAL_FLAG_RSYN | SAL_FLAG_FIN)) ||
	    c->flags & SAL_FLAG_ACK)
		return;
	i = c->nonce % (sizeof(e->versions) / sizeof(e->versions[0]));
	MUST(e->versions[i].nonce != c->nonce ||
	     (int32_t)(c->verno - e->versions[i].verno) >= 0);
	e->versions[i].nonce = c->nonce;
	e->versions[i].verno = c->verno;
}

static void on_send(void *arg, const struct sal_outer *o)
{
	struct end *e = arg;
	struct pair *p = e->pair;
	struct flight f = { .path = o->path, .ip = o->ip };
	struct sal_packet decoded;
	int64_t due;

	MUST(ip_addr_size(&o->path.remote) && ip_addr_size(&o->path.local));
	f.len = o->header_len + o->len;
	if (f.len > PACKET_MAX)
		return;
	memcpy(f.bytes, o->header, o->header_len);
	if (o->len)
		memcpy(f.bytes + o->header_len, o->segment, o->len);
	MUST(sal_decode(&decoded, f.bytes, f.len) == SAL_OK);
	watch_versions(e, &decoded);
	trace(p, "send", &f.path, f.bytes, f.len);
	if (p->loss && pair_random(p, 256) < p->loss)
		return;
	due = p->now_ns + p->delay_ns;
	if (p->delay_ns > MS)
		due += pair_random(p, 20) * MS;
	add_flight(p, &f, due);
	if (p->doubling && pair_random(p, 256) < p->doubling)
		add_flight(p, &f, due + MS);
}

static bool is_refusal(const struct sal_inner *in)
{
	return in->protocol == IPPROTO_ICMP ?
		       in->segment[0] == 3 :
		       in->protocol == IPPROTO_TCP && in->segment[13] & 4;
}

static void check_delivery(struct end *e, const struct sal_inner *in)
{
	struct pair *p = e->pair;

	MUST(p->payload && in->len == p->payload_len &&
	     !memcmp(in->segment, p->payload, in->len));
	MUST(!p->delivered++);
	if (p->tainted)
		return;
	/* By the other; or its own, where its rules lead back to itself. */
	MUST(p->foreign || seen_has(&p->ends[0].sent, fingerprint(in)) ||
	     seen_has(&p->ends[1].sent, fingerprint(in)) ||
	     p->ends[0].sent.n + p->ends[1].sent.n > SEEN_MAX);
	MUST(!p->syn_again);
}

static void program_sends(struct end *e, struct sal_inner *in, uint8_t *segment)
{
	transport_checksum_set(in->protocol, &in->src, &in->dst, segment,
			       in->len);
	in->segment = segment;
	seen_add(&e->sent, fingerprint(in));
	sal_from_inner(e->sal, in, e->pair->now_ns);
}

/* A program must not speak from within: its echo is put on the network's list
 * of what is to come by the caller (see pair_echo). */
static struct {
	struct sal_inner in;
	uint8_t bytes[PACKET_MAX];
	struct end *from; /* NULL: none */
} echo_waits;

static void on_deliver(void *arg, const struct sal_inner *in)
{
	struct end *e = arg;

	MUST(in->src.family == in->dst.family && ip_addr_size(&in->src));
	if (!is_refusal(in))
		check_delivery(e, in);
	if (in->protocol != IPPROTO_ICMP || in->len < 8)
		return;
	if (in->segment[0] == 0)
		e->echo_got = (uint16_t)(in->segment[6] << 8 | in->segment[7]);
	if (in->segment[0] != 8 || in->len > PACKET_MAX)
		return;
	echo_waits.in = (struct sal_inner){ .src = in->dst,
					    .dst = in->src,
					    .protocol = in->protocol,
					    .len = in->len,
					    .ip.ttl = 64 };
	memcpy(echo_waits.bytes, in->segment, in->len);
	echo_waits.bytes[0] = 0;
	echo_waits.from = e;
}

static void on_event(void *arg, const struct sal_event *ev)
{
	(void)arg;
	MUST(sal_event_name(ev->kind)[0] && sal_state_name(ev->flow.state)[0]);
}

static void pair_echo(void)
{
	struct end *e = echo_waits.from;

	echo_waits.from = NULL;
	if (e)
		program_sends(e, &echo_waits.in, echo_waits.bytes);
}

static bool is_syn_again(const struct end *to, const struct sal_packet *d)
{
	const struct sal_control *c = sal_find_control(d);

	if (!c || (c->flags & (SAL_FLAG_SYN | SAL_FLAG_ACK)) != SAL_FLAG_SYN)
		return false;
	for (uint32_t i = 0; i < to->sal->flow_fresh; i++) {
		const struct sal_flow *f = &to->sal->flows[i];

		if (f->in_use && !f->info.client &&
		    f->tie.remote_id == d->src_flow &&
		    f->tie.peer_nonce == c->nonce)
			return true;
	}
	return false;
}

static bool has_address(const struct end *e, const struct ip_addr *a)
{
	for (size_t i = 0; i < e->n_addresses; i++)
		if (ip_addr_equal(&e->addresses[i].addr, a))
			return true;
	return false;
}

static void arrive(struct pair *p, const struct flight *f)
{
	struct end *e = &p->ends[host_of(&f->path.remote) & 1];
	struct sal_path path = { .local = f->path.remote,
				 .remote = f->path.local,
				 .local_port = f->path.remote_port,
				 .remote_port = f->path.local_port,
				 .ifindex = 1 };
	struct sal_packet d;

	if (!has_address(e, &path.local))
		return;
	trace(p, "arrive", &f->path, f->bytes, f->len);
	p->tainted |= f->altered;
	p->foreign = f->foreign;
	p->delivered = 0;
	p->syn_again = false;
	p->payload = f->bytes;
	p->payload_len = 0;
	if (sal_decode(&d, f->bytes, f->len) == SAL_OK) {
		p->payload = d.payload;
		p->payload_len = d.payload_len;
		p->syn_again = is_syn_again(e, &d);
	}
	sal_from_outer(e->sal, &path, &f->ip, f->bytes, f->len, p->now_ns);
	p->payload = NULL;
	p->kept[p->kept_n++ % KEPT_MAX] = *f;
	pair_echo();
}

/* ---- time ---------------------------------------------------------------- */

/* Of the packets under way the next to arrive; p->n: none. */
static unsigned next_flight(const struct pair *p)
{
	unsigned first = p->n;

	for (unsigned i = 0; i < p->n; i++)
		if (first == p->n ||
		    p->flights[i].due_ns < p->flights[first].due_ns ||
		    (p->flights[i].due_ns == p->flights[first].due_ns &&
		     p->flights[i].order < p->flights[first].order))
			first = i;
	return first;
}

static int64_t pair_next_ns(const struct pair *p)
{
	unsigned k = next_flight(p);
	int64_t next = k < p->n ? p->flights[k].due_ns : INT64_MAX;

	for (int i = 0; i < 2; i++)
		if (sal_next_ns(p->ends[i].sal) < next)
			next = sal_next_ns(p->ends[i].sal);
	return next;
}

/* What is next, where that is no later than until_ns. */
static bool pair_step(struct pair *p, int64_t until_ns)
{
	unsigned k = next_flight(p);
	int64_t next = pair_next_ns(p);
	struct flight f;

	if (next > until_ns)
		return false;
	if (next > p->now_ns)
		p->now_ns = next;
	if (k < p->n && p->flights[k].due_ns <= p->now_ns) {
		take_flight(p, k, &f);
		arrive(p, &f);
		return true;
	}
	for (int i = 0; i < 2; i++) {
		if (sal_next_ns(p->ends[i].sal) > p->now_ns)
			continue;
		sal_tick(p->ends[i].sal, p->now_ns);
		MUST(sal_next_ns(p->ends[i].sal) > p->now_ns);
	}
	return true;
}

/* At most so many steps; false: there would have been more. */
static bool pair_run(struct pair *p, int64_t until_ns, unsigned steps)
{
	while (steps && pair_step(p, until_ns))
		steps--;
	if (pair_next_ns(p) <= until_ns)
		return false;
	if (until_ns > p->now_ns)
		p->now_ns = until_ns;
	return true;
}

/* ---- its beginning and end ----------------------------------------------- */

static void end_addresses(struct end *e, unsigned which)
{
	unsigned host = (unsigned)(e - e->pair->ends);

	e->n_addresses = 0;
	for (unsigned i = 0; i < 3; i++)
		if (which & 1u << i)
			e->addresses[e->n_addresses++] =
				(struct sal_local_address){ .addr = address_of(
								    host, i),
							    .ifindex = 1 + i };
	sal_set_addresses(e->sal, e->addresses, e->n_addresses,
			  e->pair->now_ns);
}

static struct sal_rule pair_rule(bool demux, unsigned whereto)
{
	struct sal_rule r = { .bits = SERVICE_ID_BITS, .weight = 1 };

	r.id.bytes[0] = 1;
	r.kind = demux ? SAL_RULE_DEMUX : SAL_RULE_FORWARD;
	if (!demux)
		r.to = address_of(whereto >> 2 & 1, (whereto & 3) % 3);
	return r;
}

static void end_rule(struct end *e, bool add, bool demux, unsigned whereto)
{
	struct sal_rule r = pair_rule(demux, whereto);

	if (add)
		sal_rule_add(e->sal, &r, e->pair->now_ns);
	else
		sal_rule_delete(e->sal, &r, e->pair->now_ns);
}

static void end_start(struct end *e)
{
	struct sal_sink sink = { .arg = e,
				 .send = on_send,
				 .deliver = on_deliver,
				 .event = on_event };
	struct ip_addr addr = service_addr();
	struct service_id id = { { 1 } };

	e->config.key[1]++;
	MUST(!sal_init(e->mem, e->size, &e->config, &sink, e->pair->now_ns,
		       &e->sal));
	sal_set_addresses(e->sal, e->addresses, e->n_addresses,
			  e->pair->now_ns);
	sal_name_set(e->sal, &id, &addr, NULL);
	if (e == &e->pair->ends[0]) {
		end_rule(e, true, false, 4);
	} else {
		end_rule(e, true, true, 0);
	}
}

static void pair_start(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	echo_waits.from = NULL;
	p->now_ns = SECOND;
	p->delay_ns = MS;
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &p->ends[i];

		e->pair = p;
		sal_config_defaults(&e->config);
		e->config.key[0] = (uint8_t)(1 + i);
		e->config.inner4 = inner_of(i);
		e->config.max_flows = 6;
		e->config.max_half_open = 3;
		e->config.max_services = 4;
		e->config.queue_bytes = 4096;
		e->config.unacked_bytes = 4096;
		e->size = sal_memory(&e->config);
		e->mem = malloc(e->size);
		MUST(e->mem != NULL);
		e->addresses[0] =
			(struct sal_local_address){ .addr = address_of(i, 0),
						    .ifindex = 1 };
		e->n_addresses = 1;
		end_start(e);
	}
}

static void pair_end(struct pair *p)
{
	free(p->ends[0].mem);
	free(p->ends[1].mem);
}

#endif
