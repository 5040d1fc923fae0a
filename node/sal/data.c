/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments: from a program onto its flow, and from a flow to the program.
 *
 * On the way out a segment is sent, or waits in the flow's queue while the flow
 * has no peer yet or is between two addresses. On the way in it must name both
 * of the flow's IDs, come from an address that the peer is known to have (or
 * had a moment ago), and be a segment of just this flow's conversation: an
 * engine that we talk to may not speak into the conversations of others. Data
 * says nothing about the state of the flow: only control packets do.
 */
#include "node/sal/engine.h"

#include "base/checksum.h"

#include <netinet/in.h>
#include <string.h>

struct sal_kept sal_kept_of(const struct sal_inner *p)
{
	return (struct sal_kept){
		.len = (uint32_t)p->len,
		.protocol = p->protocol,
		.ip = p->ip,
		.offload = p->offload,
	};
}

/* TCP repeats its SYN while ours waits for the answer; one is enough. */
static bool waits_already(const struct sal *s, const struct sal_flow *f,
			  const struct sal_kept *kept, const uint8_t *segment)
{
	struct sal_tcp first, again;

	if (!f->queue.first || kept->protocol != IPPROTO_TCP ||
	    !sal_tcp_parse(segment, kept->len, &again) ||
	    !(again.flags & SAL_TCP_SYN))
		return false;
	return sal_tcp_parse(
		       sal_store_bytes(&s->queue, f->queue.first, s->scratch),
		       sal_store_kept(&s->queue, f->queue.first)->len,
		       &first) &&
	       first.flags & SAL_TCP_SYN && first.seq == again.seq;
}

void sal_queue_add(struct sal *s, struct sal_flow *f,
		   const struct sal_kept *kept, const uint8_t *segment)
{
	if (waits_already(s, f, kept, segment))
		return;
	/* Those who have shown nothing wait only where there is much room:
	 * they shall not fill it. */
	if (sal_bound_on(f)) {
		s->stats.unproven_waits++;
		if (s->queue.used > s->queue.n / 4) {
			s->stats.queue_full++;
			return;
		}
	}
	if (!sal_store_push(&s->queue, &f->queue, kept, segment))
		s->stats.queue_full++;
}

static void send_segment(struct sal *s, struct sal_flow *f,
			 const struct sal_kept *kept, const uint8_t *segment)
{
	if (f->info.native) {
		sal_native_send_segment(s, f, &f->tie.path, segment, kept->len);
		return;
	}
	sal_unacked_out(s, f, kept, segment);
	sal_rule_count(s, f, kept->len);
	sal_send_data(s, f, kept, segment);
}

void sal_queue_flush(struct sal *s, struct sal_flow *f)
{
	while (f->queue.first &&
	       sal_bound_admits(f, sal_store_kept(&s->queue, f->queue.first))) {
		send_segment(
			s, f, sal_store_kept(&s->queue, f->queue.first),
			sal_store_bytes(&s->queue, f->queue.first, s->scratch));
		sal_store_pop(&s->queue, &f->queue);
	}
}

/* ---- from a program ----------------------------------------------------- */

bool sal_can_send(const struct sal_flow *f)
{
	if (sal_flow_still(f))
		return false;
	switch (f->info.state) {
	case SAL_RSYN_SENT:
	case SAL_RSYN_RCVD:
		return f->early;
	case SAL_ESTABLISHED:
	case SAL_FIN_WAIT:
	case SAL_CLOSE_WAIT:
	case SAL_TIME_WAIT:
		return true;
	case SAL_SYN_RCVD:
		/* The program's answer to what came on the SYN does not wait
		 * for the handshake's end; the SYN-ACK goes before it. A NAT
		 * lets it in only when the client has spoken to us, not to a
		 * service router. */
		return f->confirmed || !f->hops.n || !f->tie.path.remote_port;
	default:
		return false;
	}
}

/*
 * A server on a wildcard address answers from the host's own: put the service's
 * address in, which is what the client's checksum will be over. Where the
 * checksum is left to be done its field holds the sum of the pseudo-header, not
 * complemented (virtio 1.1, 5.1.6.2).
 */
static const uint8_t *readdress(struct sal *s, const struct sal_inner *p,
				const struct ip_addr *as)
{
	size_t n = ip_addr_size(as), at = p->offload.csum_offset;
	uint16_t sum;

	if (p->len > SAL_SEGMENT_MAX)
		return NULL;
	memcpy(s->scratch, p->segment, p->len);
	if (!p->offload.needs_csum) {
		transport_checksum_readdress(p->protocol, &p->src, as,
					     s->scratch, p->len);
		return s->scratch;
	}
	if (at + 2 > p->len)
		return NULL;
	sum = (uint16_t)(s->scratch[at] << 8 | s->scratch[at + 1]);
	sum = (uint16_t)~checksum_replace((uint16_t)~sum, p->src.bytes,
					  as->bytes, n);
	s->scratch[at] = (uint8_t)(sum >> 8);
	s->scratch[at + 1] = (uint8_t)sum;
	return s->scratch;
}

/* What the path cannot carry in one piece, where the program asked to be told
 * (IPv6: always). Segments of an offloaded one count each. */
static bool too_big(struct sal *s, const struct sal_flow *f,
		    const struct sal_inner *p)
{
	size_t room, size = p->len;
	bool six = p->src.family == AF_INET6;

	if (!f->mtu || !(six || p->ip.dont_fragment))
		return false;
	room = sal_room(s, f, SAL_HEADER_LEN);
	if (p->offload.gso_type && p->offload.gso_size)
		size = (size_t)p->offload.header_len + p->offload.gso_size;
	if (size <= room)
		return false;
	room += six ? 40 : 20;
	/* An IPv6 program need not go below 1280: the underlay fragments. */
	if (six && room < 1280)
		return false;
	sal_refuse_too_big(s, p, (uint16_t)room);
	return true;
}

static void out_on_flow(struct sal *s, struct sal_flow *f,
			const struct sal_inner *p)
{
	struct sal_kept kept = sal_kept_of(p);
	const uint8_t *segment = p->segment;

	if (!ip_addr_equal(&p->src, &f->info.inner_local)) {
		segment = readdress(s, p, &f->info.inner_local);
		if (!segment) {
			s->stats.not_inner++;
			return;
		}
	}
	f->info.last_used_ns = s->now_ns;
	if (!sal_can_send(f) ||
	    (sal_bound_on(f) &&
	     (f->queue.first || !sal_bound_admits(f, &kept)))) {
		sal_queue_add(s, f, &kept, segment);
		if (sal_bound_on(f))
			sal_alive_starved(s, f, &kept, segment);
		return;
	}
	if (too_big(s, f, p))
		return;
	send_segment(s, f, &kept, segment);
	sal_close_check(s, f);
}

/* A new conversation on the tuple of one that is over, or all but. */
static bool starts_anew(const struct sal_flow *f, const struct sal_inner *p)
{
	struct sal_tcp tcp;

	if (!f->info.client || !sal_flow_closing(f))
		return false;
	if (sal_flow_stateless(f))
		return true;
	return sal_tcp_parse(p->segment, p->len, &tcp) &&
	       (tcp.flags & (SAL_TCP_SYN | SAL_TCP_ACK)) == SAL_TCP_SYN;
}

/* TCP in the middle of a connection whose flow is gone cannot go on. */
static bool may_open(const struct sal_inner *p)
{
	struct sal_tcp tcp;

	return p->protocol != IPPROTO_TCP ||
	       (sal_tcp_parse(p->segment, p->len, &tcp) &&
		(tcp.flags & (SAL_TCP_SYN | SAL_TCP_ACK)) == SAL_TCP_SYN);
}

static void out_without_flow(struct sal *s, const struct sal_tuple *t,
			     const struct sal_inner *p)
{
	const struct sal_name *name = sal_name_by_addr(s, &p->dst);

	if (!name) {
		s->stats.no_service++;
		sal_refuse_inner(s, p, true);
		return;
	}
	if (!may_open(p)) {
		s->stats.unknown_flow++;
		sal_refuse_inner(s, p, true);
		return;
	}
	sal_open(s, name, t, p);
}

void sal_from_inner(struct sal *s, const struct sal_inner *p, int64_t now_ns)
{
	enum sal_inner_kind kind;
	struct sal_tuple t;
	struct sal_flow *f;

	s->now_ns = now_ns;
	s->stats.inner_in++;
	kind = sal_inner_tuple(p, &t);
	if (kind == SAL_INNER_OTHER || p->len > SAL_SEGMENT_MAX) {
		s->stats.not_inner++;
		return;
	}
	f = sal_flow_by_tuple(s, &t);
	if (!f && t.protocol == IPPROTO_UDP &&
	    (ip_addr_equal(&t.local, &s->config.inner4) ||
	     ip_addr_equal(&t.local, &s->config.inner6)))
		f = sal_flow_by_port(s, &t);
	if (f && f->hand == SAL_HAND_GIVEN) {
		s->stats.still++;
		return;
	}
	if (f && kind == SAL_INNER_SEGMENT && starts_anew(f, p)) {
		sal_step(s, f, SAL_ON_DISPLACED, NULL);
		f = NULL;
	}
	if (f)
		out_on_flow(s, f, p);
	else if (kind == SAL_INNER_SEGMENT)
		out_without_flow(s, &t, p);
	else
		s->stats.not_inner++;
}

/* ---- to a program ------------------------------------------------------- */

static bool same_tuple(const struct sal_flow *f, const struct sal_tuple *t)
{
	return t->protocol == f->info.protocol &&
	       t->port_local == f->info.port_local &&
	       t->port_remote == f->info.port_remote &&
	       ip_addr_equal(&t->local, &f->info.inner_local) &&
	       ip_addr_equal(&t->remote, &f->info.inner_remote);
}

/* The first segment of a flow whose SYN had none says what its ports are. */
static bool learn_tuple(struct sal *s, struct sal_flow *f,
			const struct sal_tuple *t)
{
	struct sal_flow *other = sal_flow_by_tuple(s, t);

	if (t->protocol != f->info.protocol)
		return false;
	if (other && sal_flow_closing(other) && !sal_flow_still(other))
		sal_step(s, other, SAL_ON_DISPLACED, NULL);
	else if (other && !sal_take_tuple(s, other))
		return false;
	sal_flow_set_tuple(s, f, t);
	return true;
}

bool sal_data_deliver(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a)
{
	struct sal_inner in = {
		.src = f->info.inner_remote,
		.dst = f->info.inner_local,
		.protocol = a->packet.protocol,
		.segment = a->packet.payload,
		.len = a->packet.payload_len,
		.ip = *a->ip,
	};
	enum sal_inner_kind kind;
	struct sal_tuple t;

	kind = sal_inner_tuple(&in, &t);
	sal_tuple_swap(&t);
	if (kind == SAL_INNER_OTHER)
		return false;
	if (!f->has_ports &&
	    (kind != SAL_INNER_SEGMENT || !learn_tuple(s, f, &t)))
		return false;
	if (!same_tuple(f, &t))
		return false;
	f->info.packets_in++;
	f->info.bytes_in += in.len;
	sal_rule_count(s, f, in.len);
	f->info.last_used_ns = s->now_ns;
	if (kind == SAL_INNER_SEGMENT && in.protocol == IPPROTO_TCP)
		sal_unacked_in(s, f, in.segment, in.len);
	sal_deliver(s, &in);
	return true;
}

static bool on_old_tie(const struct sal *s, const struct sal_flow *f,
		       const struct sal_arrival *a)
{
	return f->old.remote_id && f->old.remote_id == a->packet.src_flow &&
	       s->now_ns < f->old_until_ns &&
	       sal_path_equal(&f->old.path, a->path);
}

void sal_data_arrived(struct sal *s, const struct sal_arrival *a)
{
	struct sal_flow *f = sal_flow_by_id(s, a->packet.dst_flow);

	if (!f) {
		s->stats.unknown_flow++;
		if (a->packet.dst_flow && a->packet.src_flow &&
		    !sal_native_looks_so(a))
			sal_send_stray_rst(s, a, SAL_REASON_UNKNOWN_FLOW);
		return;
	}
	if (sal_flow_still(f)) {
		s->stats.still++;
		return;
	}
	if (f->info.native) {
		sal_native_data(s, f, a);
		return;
	}
	if (!on_old_tie(s, f, a)) {
		if (!f->tie.remote_id ||
		    f->tie.remote_id != a->packet.src_flow) {
			s->stats.unknown_flow++;
			return;
		}
		sal_bound_got(f, a);
		if (!sal_path_known(f, a->path)) {
			sal_ask_path(s, f, a);
			/* Behind an RSYN that it has overtaken, or that is
			 * lost. */
			if (!sal_proof_has(s, f, a->path))
				return;
		}
		sal_client_heard(s, f, a);
		sal_alive_heard(f);
		sal_alive_spoken(s, f, true);
		sal_bound_go_on(s, f);
	}
	if (sal_data_deliver(s, f, a))
		sal_close_check(s, f);
	else
		s->stats.malformed++;
}
