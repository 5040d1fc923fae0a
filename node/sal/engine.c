/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * The engine sits between the programs of one host and the underlay. A
 * program's packet to a service's address opens a flow by the service's name;
 * from then on the two engines at its ends know each other by flow IDs, and may
 * change their addresses. This file has the life of an engine and the dispatch
 * of what comes in: packets, time, addresses. Each kind of exchange has a file
 * of its own.
 *
 *     data.c       segments between programs and flows; what waits
 *     resolve.c    names and rules: which instance, and another one
 *     rules.c      rules come, change and go
 *     forward.c    service routers: SYNs handed on by name
 *     delay.c      conversations that wait for a verdict
 *     handshake.c  SYN, SYN-ACK, ACK: two engines get to know each other
 *     pressure.c   SYNs answered without state
 *     migrate.c    RSYN, RSYN-ACK, ACK: an end moves
 *     close.c      FIN, RST, idleness: the end
 *     paths.c      ADDRESS lists, standby paths, the policy
 *     encap.c      UDP encapsulation, and NATs
 *     liveness.c   is the peer still there?
 *     challenge.c  CHALLENGE: who says so?
 *     prove.c      CHALLENGE to standby addresses, before they are needed
 *     bound.c      how much goes to an address that is not proven
 *     native*.c    flows of sockets that speak SAL themselves
 *     unacked.c    the inner TCP: what is sent again after a move
 *     history.c    which paths a flow had
 *     refuse.c     what programs are told by their own host
 *
 * and below them step.c (the table at work), flow.c (flows), output.c (SAL
 * packets), inner.c (programs' packets), store.c, timers.c, rand.c.
 *
 * How a flow's state changes, and what is done then, is one table: see
 * transitions.h, and docs/sal-protocol.md, which shows it. step.c works by it.
 *
 * What holds throughout:
 *
 * 1. Nothing that a stranger can send changes a flow. Control packets need the
 *    peer's nonce, answers to ours may bring back our own, all else makes us
 *    ask.
 * 2. A packet that waits for an answer is sent again until there is one or it
 *    is given up; the timer for it belongs to the state. Each end repeats what
 *    it has sent and answers what is repeated, so no single loss leaves an end
 *    waiting.
 * 3. A segment is delivered only to the conversation it belongs to. The rider
 *    of a SYN is delivered once, however often the SYN comes.
 * 4. All memory is the caller's, given once. Each table and store is bounded,
 *    and what happens when it is full is said where it is kept.
 * 5. The sink is called from deep within and must not call back. A flow that a
 *    function has closed is gone for its callers, who look no more.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

/* ---- life --------------------------------------------------------------- */

void sal_config_defaults(struct sal_config *c)
{
	c->max_flows = 1024;
	c->max_services = 64;
	c->max_rules = 1024;
	c->max_delayed = 64;
	c->max_forwarded = 0;
	c->max_half_open = 256;
	c->unacked_bytes = 2u << 20;
	c->queue_bytes = 1u << 20;
	/* NATs keep TCP for 2 h 4 min at least (RFC 5382), UDP for 2 min (RFC
	 * 4787), ICMP queries for one (RFC 5508): no program counts on more. */
	c->idle_tcp_ns = 124 * 60 * SECOND;
	c->idle_udp_ns = 180 * SECOND;
	c->idle_icmp_ns = 60 * SECOND;
	c->max_listeners = 64;
	c->native_syn_gap_ns = SAL_SYN_GAP_NS;
	c->native_syn_gap_max_ns = 120 * SECOND;
	c->native_syn_tries = SAL_SYN_TRIES;
	c->random = NULL;
	c->random_arg = NULL;
	c->encapsulate = true;
	c->encap_memory_ns = 600 * SECOND;
	/* Of the NATs that RFC 4787 found wanting the shortest had 30 s. */
	c->keepalive_ns = 20 * SECOND;
	c->liveness_ns = 1 * SECOND;
	c->probe_gap_ns = 200 * MS;
	c->probe_tries = 3;
	c->proof_ns = 60 * SECOND;
	c->resend = true;
	c->mtu = 1500;
}

static bool config_ok(const struct sal_config *c)
{
	return c->max_flows && c->max_flows <= 1u << 24 && c->max_services &&
	       c->max_services <= 1u << 20 && c->max_rules &&
	       c->max_rules <= SERVICE_TABLE_MAX && c->max_half_open &&
	       c->max_forwarded <= 1u << 20 && c->unacked_bytes <= 1u << 30 &&
	       c->queue_bytes <= 1u << 30 && c->idle_udp_ns > 0 &&
	       c->idle_icmp_ns > 0 && c->idle_tcp_ns > 0 &&
	       c->max_listeners <= 1u << 16 && c->native_syn_gap_ns > 0 &&
	       c->native_syn_gap_max_ns > 0 && c->native_syn_tries &&
	       c->mtu >= 576 && c->encap_memory_ns >= 0 &&
	       c->keepalive_ns >= 0 && c->liveness_ns >= 0 &&
	       c->proof_ns >= 0 && c->probe_gap_ns > 0 && c->probe_tries;
}

/* One piece after the other out of the caller's memory. With base NULL it only
 * adds up. */
struct carver {
	uint8_t *base;
	size_t used;
};

static void *carve(struct carver *c, size_t size)
{
	size_t at = c->used;

	c->used += (size + 15) & ~(size_t)15;
	return c->base ? c->base + at : NULL;
}

/* Not for those who choose service IDs to know. */
static uint64_t table_seed(const struct sal *s)
{
	static const uint8_t what[] = "service table";
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t seed;

	crypto_shorthash(out, what, sizeof(what), s->hash_key);
	memcpy(&seed, out, sizeof(seed));
	return seed;
}

/* Where all of the memory goes; sal_memory() and sal_init() agree because both
 * come here. Of the large pieces nothing is touched before it is used. */
static size_t lay_out(struct sal *s, void *mem, const struct sal_config *c)
{
	size_t here = service_table_bytes(c->max_services, c->max_services);
	size_t rules = service_table_bytes(c->max_rules, c->max_rules);
	size_t slots = hash_index_slots(c->max_flows);
	struct hash_slot *index[SAL_INDEX_COUNT_];
	void *queue, *unacked, *forward, *demux;
	struct carver carver = { .base = mem };
	struct sal_timer *heap;
	uint32_t *place;
	uint64_t seed;

	carve(&carver, sizeof(struct sal));
	s->flows = carve(&carver, c->max_flows * sizeof(*s->flows));
	s->ways = carve(&carver,
			(size_t)c->max_flows * SAL_WAYS_MAX * sizeof(*s->ways));
	s->ended = carve(&carver, SAL_ENDED_MAX * sizeof(*s->ended));
	for (int i = 0; i < SAL_INDEX_COUNT_; i++)
		index[i] = carve(&carver, slots * sizeof(*index[i]));
	heap = carve(&carver, c->max_flows * sizeof(*heap));
	place = carve(&carver, c->max_flows * sizeof(*place));
	s->names = carve(&carver, c->max_services * sizeof(*s->names));
	s->native.sockets =
		carve(&carver, c->max_listeners * sizeof(*s->native.sockets));
	s->forwarded_count = (c->max_forwarded + 3) & ~3u;
	s->forwarded =
		carve(&carver, s->forwarded_count * sizeof(*s->forwarded));
	forward = carve(&carver, rules);
	demux = carve(&carver, here);
	s->scratch = carve(&carver, SAL_SEGMENT_MAX);
	queue = carve(&carver, sal_store_memory(c->queue_bytes));
	unacked = carve(&carver, sal_store_memory(c->unacked_bytes));
	if (!mem)
		return carver.used;
	for (int i = 0; i < SAL_INDEX_COUNT_; i++)
		hash_index_init(&s->index[i], index[i], c->max_flows);
	sal_timers_init(&s->timers, heap, place, c->max_flows);
	seed = table_seed(s);
	service_table_init(&s->forward, forward, rules, c->max_rules,
			   c->max_rules, seed);
	service_table_init(&s->demux, demux, here, c->max_services,
			   c->max_services, ~seed);
	sal_store_init(&s->queue, queue, c->queue_bytes);
	sal_store_init(&s->unacked, unacked, c->unacked_bytes);
	return carver.used;
}

size_t sal_memory(const struct sal_config *c)
{
	struct sal none = { 0 };

	return config_ok(c) ? lay_out(&none, NULL, c) : 0;
}

int sal_init(void *mem, size_t size, const struct sal_config *c,
	     const struct sal_sink *sink, int64_t now_ns, struct sal **out)
{
	struct sal *s = mem;

	if (!config_ok(c) || size < sal_memory(c) || !sink->send ||
	    !sink->deliver || !sink->event)
		return -EINVAL;
	memset(s, 0, sizeof(*s));
	s->config = *c;
	s->sink = *sink;
	s->now_ns = now_ns;
	s->rst_credit_ns = INT64_MIN / 2;
	sal_rand_init(&s->rand, c->key);
	s->rand.source = c->random;
	s->rand.source_arg = c->random_arg;
	sal_rand_bytes(&s->rand, s->hash_key, sizeof(s->hash_key));
	sal_rand_bytes(&s->rand, s->syn_key, sizeof(s->syn_key));
	lay_out(s, mem, c);
	*out = s;
	return 0;
}

/* ---- from the underlay -------------------------------------------------- */

/* With the peer's nonce, on the present tie. */
static void control_on_flow(struct sal *s, struct sal_flow *f,
			    const struct sal_arrival *a)
{
	uint8_t flags = sal_find_control(&a->packet)->flags;
	uint8_t rsyn = flags & (SAL_FLAG_RSYN | SAL_FLAG_ACK);

	sal_client_heard(s, f, a);
	sal_alive_heard(f);
	sal_alive_spoken(s, f,
			 flags & SAL_FLAG_FIN ||
				 sal_find(&a->packet, SAL_EXT_ADDRESS, 0) ||
				 sal_find(&a->packet, SAL_EXT_ADDRESS6, 0));
	if (flags == SAL_FLAG_ACK)
		sal_bound_acked(s, f, a);
	sal_proof_again(s, f, a);
	sal_list_arrived(s, f, a);
	if (flags == SAL_FLAG_ACK && !sal_path_known(f, a->path))
		sal_ask_path(s, f, a);
	if (rsyn == (SAL_FLAG_RSYN | SAL_FLAG_ACK))
		sal_step(s, f, SAL_ON_RSYNACK, a);
	else if (rsyn == SAL_FLAG_RSYN)
		sal_step(s, f, SAL_ON_RSYN, a);
	else if (rsyn == SAL_FLAG_ACK && !sal_step(s, f, SAL_ON_ACK, a) &&
		 f->info.state == SAL_SYN_RCVD)
		s->stats.stale_version++;
	if (flags & SAL_FLAG_FIN && (rsyn != SAL_FLAG_RSYN || f->info.native))
		sal_step(s, f, SAL_ON_FIN, a);
	else if (rsyn == SAL_FLAG_ACK && f->info.native)
		sal_native_ack(s, f, a);
}

/* Neither the peer, nor the one before. As long as we have no peer it may be
 * the one that has answered our SYN, and has moved since. */
static void stranger_on_flow(struct sal *s, const struct sal_flow *f,
			     const struct sal_arrival *a)
{
	s->stats.bad_nonce++;
	if (!f->info.native && f->tie.remote_id &&
	    a->packet.src_flow != f->tie.remote_id)
		sal_left_tie_arrived(s, a);
}

static void control_arrived(struct sal *s, const struct sal_arrival *a,
			    const struct sal_control *c)
{
	struct sal_flow *f;

	if ((c->flags & (SAL_FLAG_SYN | SAL_FLAG_ACK)) == SAL_FLAG_SYN) {
		if (!sal_forward(s, a))
			sal_syn_arrived(s, a);
		return;
	}
	f = sal_flow_by_id(s, a->packet.dst_flow);
	/* By name, for there is where it is known. */
	if (!f && c->flags == SAL_FLAG_RSYN && sal_forward(s, a))
		return;
	if (!f && sal_proof_arrived(s, a))
		return;
	if (!f) {
		s->stats.unknown_flow++;
		if (!sal_native_stray(s, a))
			sal_send_stray_rst(s, a, SAL_REASON_UNKNOWN_FLOW);
		return;
	}
	if (sal_flow_still(f)) {
		s->stats.still++;
		return;
	}
	sal_bound_got(f, a);
	if (c->flags & SAL_FLAG_RST)
		sal_rst_arrived(s, f, a);
	else if (c->flags & SAL_FLAG_SYN)
		sal_synack_arrived(s, f, a);
	else if (f->tie.remote_id && a->packet.src_flow == f->tie.remote_id &&
		 c->nonce == f->tie.peer_nonce)
		control_on_flow(s, f, a);
	else if (f->old.remote_id && a->packet.src_flow == f->old.remote_id &&
		 c->nonce == f->old.peer_nonce)
		sal_left_fin_arrived(s, f, a);
	else
		stranger_on_flow(s, f, a);
}

static void challenge_arrived(struct sal *s, const struct sal_arrival *a,
			      const struct sal_challenge *c)
{
	struct sal_flow *f = sal_flow_by_id(s, a->packet.dst_flow);

	if (f && !sal_flow_still(f))
		sal_bound_got(f, a);
	if (f && sal_flow_still(f)) {
		s->stats.still++;
	} else if (f && f->info.native) {
		s->stats.unknown_extension++;
	} else if (f && c->kind == SAL_CHALLENGE_ASK) {
		sal_asked(s, f, a);
	} else if (f) {
		sal_answered(s, f, a);
	} else {
		s->stats.unknown_flow++;
		if (c->kind == SAL_CHALLENGE_ASK)
			sal_send_stray_rst(s, a, SAL_REASON_UNKNOWN_FLOW);
	}
}

/* True: a packet; else it was counted for what it is. */
static bool decode(struct sal *s, struct sal_arrival *a, const uint8_t *bytes,
		   size_t len)
{
	switch (sal_decode(&a->packet, bytes, len)) {
	case SAL_OK:
		return true;
	case SAL_UNKNOWN_EXTENSION:
		s->stats.unknown_extension++;
		return false;
	case SAL_BAD_CHECKSUM:
		s->stats.bad_checksum++;
		return false;
	default:
		s->stats.malformed++;
		return false;
	}
}

/* What came to all of a link is answered from our own end there. */
static bool end_on_link(const struct sal *s, struct sal_path *path)
{
	for (uint32_t i = 0; i < s->address_count; i++) {
		const struct sal_local_address *l = &s->addresses[i];

		if (l->addr.family != path->remote.family ||
		    l->ifindex != path->ifindex)
			continue;
		path->local = l->addr;
		return true;
	}
	return sal_local_for(s, &path->remote, path);
}

static void packet_arrived(struct sal *s, const struct sal_path *path,
			   const struct sal_ip_fields *ip, const uint8_t *bytes,
			   size_t len)
{
	struct sal_arrival a = { .path = path, .ip = ip, .len = len };
	const struct sal_control *control;
	const struct sal_ext *challenge;
	struct sal_path own = *path;

	s->stats.outer_in++;
	if (!decode(s, &a, bytes, len))
		return;
	if (!a.packet.n) {
		sal_data_arrived(s, &a);
		return;
	}
	if (sal_to_many(&path->local)) {
		a.to_many = true;
		a.path = &own;
		if (!end_on_link(s, &own))
			return;
	}
	control = sal_find_control(&a.packet);
	challenge = sal_find(&a.packet, SAL_EXT_CHALLENGE, 0);
	if (control)
		control_arrived(s, &a, control);
	else if (challenge)
		challenge_arrived(s, &a, &challenge->challenge);
	else if (sal_find_service(&a.packet, 0))
		sal_native_datagram(s, &a);
	else
		s->stats.malformed++;
}

void sal_from_outer(struct sal *s, const struct sal_path *path,
		    const struct sal_ip_fields *ip, const uint8_t *bytes,
		    size_t len, int64_t now_ns)
{
	s->now_ns = now_ns;
	packet_arrived(s, path, ip, bytes, len);
	sal_moves_go_on(s);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

void sal_unreachable(struct sal *s, const struct sal_path *path,
		     const uint8_t *header, size_t len, int64_t now_ns)
{
	const struct sal_control *c;
	struct sal_packet p;
	struct sal_flow *f;

	s->now_ns = now_ns;
	if (len < 4)
		return;
	f = sal_flow_by_id(s, get32(header));
	/* A native flow's end may be the old stack, which nobody can ask. */
	if (!f || f->info.native || sal_flow_still(f))
		return;
	if (f->info.state != SAL_SYN_SENT) {
		if (!sal_path_equal(&f->tie.path, path))
			return;
		sal_ask(s, f, SAL_ASK_ALIVE, &f->tie.path,
			SAL_REASON_NO_INSTANCE);
		return;
	}
	/* Nobody to ask yet; but who quotes our nonce has seen our SYN, be it
	 * behind a service router. */
	if (sal_decode(&p, header, len) != SAL_OK || f->resolve_again)
		return;
	c = sal_find_control(&p);
	if (!c || c->nonce != f->tie.nonce)
		return;
	if (ip_addr_equal(&f->bound_to, &path->remote))
		sal_set_aside(s, f, SAL_ASIDE_NS);
	sal_syn_refused(s, f, SAL_REASON_NO_INSTANCE, &path->remote);
}

/* Who quotes both flow IDs has seen a packet of ours, and so sits on the path;
 * a SYN names only one, but there is the nonce. */
static bool quotes_us(const struct sal_flow *f, const uint8_t *header,
		      size_t len)
{
	const struct sal_control *c;
	struct sal_packet p;

	if (len < 8)
		return false;
	if (f->tie.remote_id)
		return get32(header + 4) == f->tie.remote_id;
	if (sal_decode(&p, header, len) != SAL_OK)
		return false;
	c = sal_find_control(&p);
	return c && c->nonce == f->tie.nonce;
}

/* What it says holds for all that goes the same way. */
void sal_path_mtu(struct sal *s, const struct sal_path *path,
		  const uint8_t *header, size_t len, uint16_t mtu,
		  int64_t now_ns)
{
	/* Lower than any link may have, and not to be believed. */
	uint16_t least = path->remote.family == AF_INET6 ? 1280 : 552;
	struct sal_flow *f = len < 4 ? NULL : sal_flow_by_id(s, get32(header));
	uint32_t at = 0;

	s->now_ns = now_ns;
	if (!f || !sal_path_equal(&f->tie.path, path) ||
	    !quotes_us(f, header, len)) {
		s->stats.icmp_unproved++;
		return;
	}
	if (mtu < least)
		mtu = least;
	while ((f = sal_flow_each(s, &at)))
		if (sal_path_equal(&f->tie.path, path) &&
		    (!f->mtu || mtu < f->mtu))
			f->mtu = mtu;
}

/* ---- time --------------------------------------------------------------- */

static void end(struct sal *s, struct sal_flow *f)
{
	if (f->hand == SAL_HAND_HELD || f->hand == SAL_HAND_IMPORTED) {
		sal_handoff_timeout(s, f);
		return;
	}
	if (s->now_ns >= sal_flow_end_ns(s, f))
		sal_step_because(s, f, SAL_ON_EXPIRED, 0);
}

static void retry(struct sal *s, struct sal_flow *f)
{
	/* Of an instance that did not hear the end of the handshake. */
	sal_step_because(
		s, f, SAL_ON_RETRY,
		f->info.state == SAL_SYN_RCVD ? SAL_REASON_UNKNOWN_FLOW : 0);
}

/* Each step may free the flow. */
static void wake(struct sal *s, struct sal_flow *f)
{
	bool still = sal_flow_still(f);

	if (!still && sal_ask_due_ns(s, f) <= s->now_ns)
		sal_ask_timeout(s, f);
	if (!still && f->in_use && f->retry_ns <= s->now_ns)
		retry(s, f);
	if (!still && f->in_use && sal_keepalive_due_ns(s, f) <= s->now_ns)
		sal_keepalive(s, f);
	if (!still && f->in_use && sal_alive_due_ns(s, f) <= s->now_ns)
		sal_alive_probe(s, f);
	if (!still && f->in_use && sal_list_due_ns(f) <= s->now_ns)
		sal_list_send(s, f);
	if (!still && f->in_use && sal_prove_due_ns(s, f) <= s->now_ns)
		sal_prove(s, f);
	if (!still && f->in_use && sal_back_due_ns(f) <= s->now_ns)
		sal_back(s, f);
	if (!still && f->in_use && sal_bound_due_ns(f) <= s->now_ns)
		sal_bound_ask(s, f);
	if (f->in_use)
		end(s, f);
	if (f->in_use)
		sal_flow_arm(s, f);
}

int64_t sal_next_ns(const struct sal *s)
{
	int64_t flows = sal_timers_next(&s->timers, NULL);
	int64_t rules = sal_rules_next_ns(s);

	if (sal_moves_due(s))
		return s->now_ns;
	return flows < rules ? flows : rules;
}

void sal_tick(struct sal *s, int64_t now_ns)
{
	uint32_t budget = s->flow_count;
	uint32_t flow;

	s->now_ns = now_ns;
	sal_rules_expire(s);
	/* A flow that wants to be woken again by now has to wait for the next
	 * call: whatever the clock does, this one ends. */
	while (budget-- && sal_timers_next(&s->timers, &flow) <= now_ns)
		wake(s, &s->flows[flow]);
	sal_moves_go_on(s);
}
