/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Late binding: what a service router does.
 *
 *     client             r1                     r2                 instance
 *     SYN ------------>  SYN, SOURCE c r1 --->  SYN, SOURCE c r1 r2 --->
 *     <---------------------------------- SYN-ACK, SOURCE c r1 r2 i ----
 *     ACK ------------------------------------------------------------->
 *
 * What names a service that is not here (SYN, RSYN by name, datagram) goes on
 * to where the rules have it, and the router's own address is put behind
 * SOURCE. Its source stays the client's: so the instance answers straight, and
 * all that follows does not come by here. Of a conversation a router keeps
 * nothing that it needs; when it dies, those that are open go on.
 *
 * Who is behind a NAT can only be answered from where it has asked: such a
 * SYN-ACK, and each refusal, leaves with the first router's address
 * (sal_answer_from()), as the stack of 2012 has it.
 *
 * Affinity. A SYN that is repeated must not make a second flow at another
 * instance, also where weights have changed meanwhile. The choice is a hash of
 * what all repetitions share, so that it stays without any memory as long as
 * the rules stay; and of the last so many SYNs it is kept, by the client's
 * address, flow ID and service, where they went. The nonce tells what a SYN of
 * a known flow wants. The same one: it is a repetition, and goes the same way;
 * after two that nobody answered, over two seconds, another one, if there is
 * any. A new one: the client has asked before and was refused, so it is sent
 * elsewhere, if that is possible. The obvious way, to set a silent target aside
 * for all, would let anybody have instances set aside by SYNs from addresses
 * that are not his.
 *
 * The memory is sets of a few places; the one used least lately makes room. A
 * flood so costs affinity under changing weights, and nothing else.
 *
 * Where targets are other routers, those that SOURCE has are passed over: two
 * domains may each have the other as one of their targets. If nothing else is
 * left it is a loop.
 *
 * A DELAY rule is passed over here as for all that comes from outside: who
 * sends a SYN repeats it. With a controller it would ask that, and drop.
 */
#include "node/sal/engine.h"

#include "base/checksum.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

#define WAYS 4u /* places that a flow may have */
#define SILENT_NS (2 * SAL_SYN_GAP_NS)

/* ---- SOURCE ------------------------------------------------------------- */

static enum sal_ext_type source_type(sa_family_t family)
{
	return family == AF_INET6 ? SAL_EXT_SOURCE6 : SAL_EXT_SOURCE;
}

/* NULL: it came straight. */
static const struct sal_list *source_of(const struct sal_arrival *a)
{
	const struct sal_ext *e =
		sal_find(&a->packet, source_type(a->path->remote.family), 0);

	return e ? &e->source : NULL;
}

static struct ip_addr source_at(const struct sal_arrival *a, unsigned i)
{
	return sal_list_at(source_of(a), source_type(a->path->remote.family),
			   i);
}

bool sal_hops_take(struct sal_hops *h, const struct sal_arrival *a,
		   const struct ip_addr *own)
{
	const struct sal_list *list = source_of(a);
	size_t size = ip_addr_size(own);

	h->n = 0;
	if (!list)
		return true;
	if (list->n >= SAL_HOPS_ADDRESSES)
		return false;
	h->family = (uint8_t)own->family;
	h->n = list->n;
	memcpy(h->bytes, list->bytes, h->n * size);
	memcpy(h->bytes + h->n * size, own->bytes, size);
	h->n++;
	return true;
}

void sal_hops_add(struct sal_packet *p, const struct sal_hops *h)
{
	if (h->n)
		sal_add_source(p, source_type(h->family),
			       (struct sal_list){ h->bytes, h->n });
}

bool sal_peer_of_source(struct ip_addr *peer, const struct sal_arrival *a)
{
	const struct sal_list *list = source_of(a);

	if (!list || peer->family != a->path->remote.family)
		return false;
	*peer = source_at(a, list->n - 1u);
	return true;
}

static void answer_from(const struct sal *s, struct sal_outer *out,
			const struct ip_addr *router)
{
	if (!out->path.remote_port || sal_local_address(s, router))
		return;
	out->path.local = *router;
	out->path.ifindex = 0;
	out->foreign = true;
}

void sal_answer_from(const struct sal *s, struct sal_outer *out,
		     const struct sal_hops *h)
{
	const struct sal_list list = { h->bytes, h->n };
	struct ip_addr router;

	if (h->n < 3 || h->family != out->path.remote.family)
		return;
	router = sal_list_at(&list, source_type(h->family), 1);
	answer_from(s, out, &router);
}

void sal_answer_arrival_from(const struct sal *s, struct sal_outer *out,
			     const struct sal_arrival *a)
{
	struct ip_addr router;

	if (!source_of(a))
		return;
	router = source_at(a, 1);
	answer_from(s, out, &router);
}

/* ---- where SYNs went ---------------------------------------------------- */

static uint64_t hashed(const struct sal *s, const void *bytes, size_t n)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t h;

	crypto_shorthash(out, bytes, n, s->hash_key);
	memcpy(&h, out, sizeof(h));
	return h;
}

/* Of what stays when the client asks anew. */
static uint64_t flow_key(const struct sal *s, const struct sal_arrival *a,
			 const struct service_id *id)
{
	uint8_t text[16 + 4 + 1 + SERVICE_ID_LEN], *to = text;

	memcpy(to, a->path->remote.bytes, 16);
	to += 16;
	memcpy(to, &a->packet.src_flow, 4);
	to += 4;
	*to++ = a->packet.protocol;
	memcpy(to, id->bytes, SERVICE_ID_LEN);
	return hashed(s, text, sizeof(text));
}

/* Of what stays when the client repeats, or moves. */
static uint64_t choice_key(const struct sal *s, const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	uint8_t text[4 + 8];

	memcpy(text, &a->packet.src_flow, 4);
	memcpy(text + 4, &c->nonce, 8);
	return hashed(s, text, sizeof(text));
}

static struct sal_forwarded *set_of(struct sal *s, uint64_t key)
{
	return s->forwarded + key % (s->forwarded_count / WAYS) * WAYS;
}

static struct sal_forwarded *find(struct sal *s, uint64_t key)
{
	struct sal_forwarded *set = set_of(s, key);

	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].used && set[i].key == key)
			return &set[i];
	return NULL;
}

/* The same for a client that has moved: its RSYNs are few. */
static struct sal_forwarded *find_moved(struct sal *s,
					const struct sal_arrival *a)
{
	uint64_t nonce = sal_find_control(&a->packet)->nonce;

	for (uint32_t i = 0; i < s->forwarded_count; i++)
		if (s->forwarded[i].used && s->forwarded[i].nonce == nonce &&
		    s->forwarded[i].flow == a->packet.src_flow)
			return &s->forwarded[i];
	return NULL;
}

static struct sal_forwarded *place_for(struct sal *s, uint64_t key)
{
	struct sal_forwarded *set = set_of(s, key), *place = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (!set[i].used)
			return &set[i];
		if (set[i].last_ns < place->last_ns)
			place = &set[i];
	}
	return place;
}

/* ---- the choice --------------------------------------------------------- */

struct choice {
	struct sal *s;
	const struct sal_arrival *a;
	const struct service_target *not_this; /* or NULL */
	bool loops; /* a target was passed over because SOURCE has it */
};

static bool has_been_at(const struct sal_arrival *a, const struct ip_addr *addr)
{
	const struct sal_list *list = source_of(a);

	/* The first is the client. */
	for (unsigned i = 1; list && i < list->n; i++) {
		struct ip_addr hop = source_at(a, i);

		if (ip_addr_equal(&hop, addr))
			return true;
	}
	return false;
}

static bool has_been_here(const struct sal *s, const struct sal_arrival *a)
{
	for (uint32_t i = 0; i < s->address_count; i++)
		if (has_been_at(a, &s->addresses[i].addr))
			return true;
	return false;
}

/* The client's address is in the packet's header, and so of its family. */
static bool cannot_go_there(const struct service_target *target, void *arg)
{
	struct choice *c = arg;
	const struct sal_arrival *a = c->a;

	if (target->rule != SERVICE_FORWARD)
		return false;
	if (target->addr.family != a->path->remote.family ||
	    target == c->not_this || sal_to_many(&target->addr) ||
	    ip_addr_equal(&target->addr, &a->path->remote) ||
	    sal_local_address(c->s, &target->addr))
		return true;
	if (!has_been_at(a, &target->addr))
		return false;
	c->loops = true;
	return true;
}

static int choose(struct choice *c, const struct service_id *id,
		  uint64_t random, const struct service_target **target)
{
	struct service_query q = {
		.random = random,
		.now_ns = c->s->now_ns,
		.without = 1u << SERVICE_DELAY,
		.skip = cannot_go_there,
		.skip_arg = c,
	};
	int r = service_table_resolve(&c->s->forward, id, &q, target);

	if (!r || !c->not_this)
		return r;
	c->not_this = NULL;
	return service_table_resolve(&c->s->forward, id, &q, target);
}

/* ---- handing on --------------------------------------------------------- */

/* As it came, but for the destination, the checksums, and SOURCE. */
static void hand_on(struct sal *s, const struct sal_arrival *a,
		    const struct ip_addr *to)
{
	const struct ip_addr *client = &a->path->remote;
	enum sal_ext_type type = source_type(client->family);
	const struct sal_list *list = source_of(a);
	uint8_t bytes[16 * SAL_HOPS_ADDRESSES];
	size_t size = ip_addr_size(client);
	struct sal_packet p = a->packet;
	struct sal_list longer = { bytes, 1 };
	struct sal_outer out = {
		.path = { .local = *client,
			  .remote = *to,
			  .local_port = a->path->remote_port,
			  .remote_port = a->path->remote_port ?
						 SAL_UDP_PORT_SERVER :
						 0 },
		.segment = p.payload,
		.len = p.payload_len,
		.ip = *a->ip,
		.foreign = true,
	};

	if (out.ip.ttl)
		out.ip.ttl--;
	memcpy(bytes, client->bytes, size);
	if (list) {
		longer.n = list->n;
		memcpy(bytes, list->bytes, list->n * size);
	}
	memcpy(bytes + longer.n++ * size, a->path->local.bytes, size);
	if (!list)
		sal_add_source(&p, type, longer);
	for (unsigned i = 0; list && i < p.n; i++)
		if (p.ext[i].type == type)
			p.ext[i].source = longer;
	if (out.len && !sal_find(&a->packet, SAL_EXT_IDENTITY, 0)) {
		/* A native flow's is over the packet's own addresses. */
		memcpy(s->scratch, p.payload, out.len);
		transport_checksum_readdress(p.protocol, &a->path->local, to,
					     s->scratch, out.len);
		out.segment = s->scratch;
	}
	s->stats.forwarded++;
	sal_emit(s, &p, &out);
}

static void report(struct sal *s, const struct sal_arrival *a,
		   const struct service_id *id,
		   const struct service_target *target, struct service_ref ref)
{
	struct sal_event e = {
		.kind = SAL_EVENT_SERVICE_FORWARDED,
		.now_ns = s->now_ns,
		.flow = { .remote_id = a->packet.src_flow,
			  .service = *id,
			  .protocol = a->packet.protocol,
			  .path = *a->path },
		.rule = sal_rule_of(service_table_prefix(&s->forward, ref),
				    target),
	};

	s->sink.event(s->sink.arg, &e);
}

static bool is_inner(const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	return sal_find(&a->packet, SAL_EXT_IDENTITY, 0) ||
	       (c && c->flags & SAL_FLAG_RSYN);
}

/* Native flows get what the stack of 2012 has for them: nothing. */
static void refuse(struct sal *s, const struct sal_arrival *a, uint16_t reason)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	bool far = reason == SAL_REASON_LOOP || reason == SAL_REASON_HOP_LIMIT;

	s->stats.forward_loops += reason == SAL_REASON_LOOP;
	s->stats.forward_far += reason == SAL_REASON_HOP_LIMIT;
	s->stats.no_service += !far;
	if (!is_inner(a)) {
		s->stats.native++;
		return;
	}
	/* An RSYN by name was worth a try: that it failed is no reason to end
	 * what may be reached in another way. */
	if (far && c->flags & SAL_FLAG_RSYN)
		return;
	sal_send_stray_rst(s, a, reason);
}

static uint16_t why_not(struct sal *s, const struct choice *c,
			const struct service_id *id, bool covered)
{
	if (c->loops)
		return SAL_REASON_LOOP;
	return covered || sal_name_by_id(s, id) ? SAL_REASON_NO_INSTANCE :
						  SAL_REASON_NO_SERVICE;
}

static bool may_go_on(struct sal *s, const struct sal_arrival *a)
{
	const struct sal_list *list = source_of(a);

	if (has_been_here(s, a))
		refuse(s, a, SAL_REASON_LOOP);
	else if ((list && list->n > SAL_HOPS_MAX) || a->ip->ttl == 1)
		refuse(s, a, SAL_REASON_HOP_LIMIT);
	else
		return true;
	return false;
}

/* Where it went before, if that still is to be. */
static const struct service_target *the_same_way(struct sal *s,
						 struct choice *c,
						 struct sal_forwarded *e,
						 uint64_t nonce)
{
	const struct service_target *target =
		service_table_at(&s->forward, e->rule);
	bool silent = e->sent >= SAL_SILENT_TRIES &&
		      s->now_ns - e->first_ns >= SILENT_NS;

	if (!target || target->rule != SERVICE_FORWARD || target->down)
		return NULL;
	if (e->nonce == nonce && !silent && !cannot_go_there(target, c))
		return target;
	c->not_this = target;
	return NULL;
}

static void forward_syn(struct sal *s, const struct sal_arrival *a,
			const struct service_id *id)
{
	uint64_t key = flow_key(s, a, id);
	uint64_t nonce = sal_find_control(&a->packet)->nonce;
	uint64_t random = choice_key(s, a);
	struct sal_forwarded *e = find(s, key);
	struct choice c = { .s = s, .a = a };
	const struct service_target *target =
		e ? the_same_way(s, &c, e, nonce) : NULL;
	bool again = target;
	struct service_ref ref;
	int r = 0;

	/* Another one than before also where the hash would have it. */
	if (e && e->nonce == nonce)
		random += e->turn + !again;
	if (!target)
		r = choose(&c, id, random, &target);
	if (r) {
		refuse(s, a, why_not(s, &c, id, r != -ENOENT));
		return;
	}
	ref = service_table_ref(&s->forward, target);
	service_table_use(&s->forward, ref, !again, 1, a->packet.payload_len,
			  s->now_ns);
	if (target->rule == SERVICE_DROP) {
		s->stats.service_dropped++;
		if (target->refuse)
			refuse(s, a, SAL_REASON_REFUSED);
		return;
	}
	if (!again) {
		bool same_syn = e && e->nonce == nonce;
		uint32_t turn = same_syn ? e->turn + 1 : 0;

		if (!e)
			e = place_for(s, key);
		*e = (struct sal_forwarded){ .used = true,
					     .key = key,
					     .nonce = nonce,
					     .flow = a->packet.src_flow,
					     .rule = ref,
					     .turn = turn,
					     .first_ns = s->now_ns };
		report(s, a, id, target, ref);
	} else {
		s->stats.forward_again++;
	}
	e->sent++;
	e->last_ns = s->now_ns;
	hand_on(s, a, &target->addr);
}

/*
 * To where its SYN went, if that is known. It may not be, after a restart, or
 * it may have been another instance that answered; then no rule says which is
 * the right one, and a hash would say the same wrong one for ever. So by
 * chance.
 */
#define RSYNS_SURE 3u /* in a row to where the SYN went */

static void forward_rsyn(struct sal *s, const struct sal_arrival *a,
			 const struct service_id *id)
{
	struct sal_forwarded *e = find_moved(s, a);
	bool draws = !e || (e->rsyns++ >= RSYNS_SURE && e->rsyns % 2);
	const struct service_target *target =
		draws ? NULL : service_table_at(&s->forward, e->rule);
	struct choice c = { .s = s, .a = a };
	uint64_t random;
	int r = 0;

	sal_rand_bytes(&s->rand, &random, sizeof(random));
	if (!target || target->down || cannot_go_there(target, &c))
		r = choose(&c, id, random, &target);
	if (r || target->rule != SERVICE_FORWARD) {
		refuse(s, a, why_not(s, &c, id, r != -ENOENT));
		return;
	}
	service_table_use(&s->forward, service_table_ref(&s->forward, target),
			  0, 1, 0, s->now_ns);
	hand_on(s, a, &target->addr);
}

/* One by one: no two belong together as far as can be seen here. */
static void forward_datagram(struct sal *s, const struct sal_arrival *a,
			     const struct service_id *id)
{
	struct choice c = { .s = s, .a = a };
	const struct service_target *target;
	uint64_t random;

	sal_rand_bytes(&s->rand, &random, sizeof(random));
	if (choose(&c, id, random, &target)) {
		refuse(s, a,
		       c.loops ? SAL_REASON_LOOP : SAL_REASON_NO_INSTANCE);
		return;
	}
	service_table_use(&s->forward, service_table_ref(&s->forward, target),
			  0, 1, a->packet.payload_len, s->now_ns);
	if (target->rule == SERVICE_FORWARD)
		hand_on(s, a, &target->addr);
	else
		s->stats.service_dropped++;
}

bool sal_forward(struct sal *s, const struct sal_arrival *a)
{
	const struct service_id *id = sal_find_service(&a->packet, 0);
	const struct sal_control *c = sal_find_control(&a->packet);

	if (!s->forwarded_count || a->to_many || !id)
		return false;
	if (is_inner(a) ? sal_demux_here(s, id) :
			  sal_native_socket_for(s, id, a->packet.protocol,
						!c) != NULL)
		return false;
	/* Whom nobody here knows gets the old stack's answer. */
	if (!c && !sal_rule_covered(&s->forward, id))
		return false;
	if (!may_go_on(s, a))
		return true;
	if (!c)
		forward_datagram(s, a, id);
	else if (c->flags & SAL_FLAG_RSYN)
		forward_rsyn(s, a, id);
	else
		forward_syn(s, a, id);
	return true;
}
