/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native flows: their packets, as the stack of 2012 has them.
 *
 *     SYN            CONTROL, SERVICE           | UDP: empty; TCP: its SYN
 *     SYN-ACK        CONTROL (, SOURCE)         | UDP: empty, unchecked; TCP
 *     handshake ACK  CONTROL, SERVICE           | UDP: empty, unchecked; TCP
 *     data           none                       | UDP or TCP
 *     all else       CONTROL                    | none
 *     datagram       SERVICE to, SERVICE from   | UDP
 *
 * The ports are zero, and the transport's checksum is over the packet's own
 * addresses: it can only be put in here, when the path is known, and a segment
 * that has waited for a move gets the new one's. Inside UDP encapsulation a NAT
 * may have changed them on the way; the outer checksum, which the kernel has
 * seen to, stands for it then.
 */
#include "node/sal/engine.h"

#include "base/checksum.h"

#include <netinet/in.h>
#include <string.h>

#define UDP_HEADER 8u

/* ---- out ---------------------------------------------------------------- */

/* out's segment is in s->scratch. */
static void make_segment(struct sal *s, const struct sal_packet *p,
			 struct sal_outer *out, size_t len)
{
	memset(s->scratch, 0, 4);
	transport_checksum_set(p->protocol, &out->path.local, &out->path.remote,
			       s->scratch, len);
	out->segment = s->scratch;
	out->len = len;
}

void sal_native_send_segment(struct sal *s, struct sal_flow *f,
			     const struct sal_path *path,
			     const uint8_t *segment, size_t len)
{
	struct sal_outer out = { .path = *path, .ip = { .ttl = SAL_TTL } };
	struct sal_packet p;

	if (segment != s->scratch)
		memcpy(s->scratch, segment, len);
	sal_packet_init(&p, f->info.local_id, f->tie.remote_id,
			f->info.protocol);
	f->info.packets_out++;
	f->info.bytes_out += len;
	make_segment(s, &p, &out, len);
	sal_emit(s, &p, &out);
}

static void make_udp(struct sal *s, const struct sal_packet *p,
		     struct sal_outer *out, const uint8_t *bytes, size_t len)
{
	size_t all = UDP_HEADER + len;

	memset(s->scratch, 0, UDP_HEADER);
	s->scratch[4] = (uint8_t)(all >> 8);
	s->scratch[5] = (uint8_t)all;
	if (len)
		memcpy(s->scratch + UDP_HEADER, bytes, len);
	make_segment(s, p, out, all);
}

void sal_native_emit_udp(struct sal *s, const struct sal_packet *p,
			 struct sal_outer *out, const uint8_t *bytes,
			 size_t len)
{
	make_udp(s, p, out, bytes, len);
	sal_emit(s, p, out);
}

static void make_handshake(struct sal *s, const struct sal_flow *f,
			   const struct sal_packet *p, struct sal_outer *out,
			   bool syn)
{
	static const uint8_t unchecked[UDP_HEADER] = { 0, 0, 0, 0, 0, 8, 0, 0 };
	const struct sal_native_segment *k =
		syn ? &f->native.syn : &f->native.answer;

	if (f->info.protocol == IPPROTO_TCP && k->len) {
		memcpy(s->scratch, k->bytes, k->len);
		make_segment(s, p, out, k->len);
	} else if (f->info.protocol == IPPROTO_UDP && syn) {
		make_udp(s, p, out, NULL, 0);
	} else if (f->info.protocol == IPPROTO_UDP) {
		out->segment = unchecked;
		out->len = sizeof(unchecked);
	}
}

bool sal_native_send_control(struct sal *s, struct sal_flow *f,
			     const struct sal_tie *tie,
			     const struct sal_control_out *c)
{
	struct sal_outer out = { .path = tie->path, .ip = { .ttl = SAL_TTL } };
	bool syn = c->flags == SAL_FLAG_SYN;
	bool synack = c->flags == (SAL_FLAG_SYN | SAL_FLAG_ACK);
	struct sal_packet p;

	/* A SYN that is repeated after the peer's has crossed it is the same.
	 */
	sal_packet_init(&p, f->info.local_id, syn ? 0 : tie->remote_id,
			f->info.protocol);
	sal_add_control(&p, c->flags, c->verno, c->ackno, tie->nonce);
	if (c->service)
		sal_add_service(&p, &f->info.service);
	if (synack) {
		sal_hops_add(&p, &f->hops);
		sal_answer_from(s, &out, &f->hops);
	}
	if (c->service || synack)
		make_handshake(s, f, &p, &out, syn);
	return sal_emit_bounded(s, f, &p, &out);
}

/* ---- in ----------------------------------------------------------------- */

static size_t get16(const uint8_t *p)
{
	return (size_t)(p[0] << 8 | p[1]);
}

bool sal_native_segment_ok(const struct sal_arrival *a)
{
	const struct sal_packet *p = &a->packet;

	return !p->payload_len || a->path->remote_port ||
	       transport_checksum_check(
		       p->protocol, &a->path->remote, &a->path->local,
		       p->payload, p->payload_len) != TRANSPORT_CHECKSUM_BAD;
}

bool sal_native_looks_so(const struct sal_arrival *a)
{
	const struct sal_packet *p = &a->packet;
	static const uint8_t zero[4];

	return (p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_TCP) &&
	       p->payload_len >= sizeof(zero) &&
	       !memcmp(p->payload, zero, sizeof(zero));
}

/* UDP's bytes, or the whole of a TCP segment. */
static bool content(const struct sal_arrival *a, const uint8_t **bytes,
		    size_t *len)
{
	const struct sal_packet *p = &a->packet;
	struct sal_tcp tcp;

	*bytes = p->payload;
	*len = p->payload_len;
	if (p->protocol == IPPROTO_TCP)
		return sal_native_segment_ok(a) &&
		       sal_tcp_parse(*bytes, *len, &tcp);
	if (*len < UDP_HEADER || get16(*bytes + 4) < UDP_HEADER ||
	    get16(*bytes + 4) > *len || !sal_native_segment_ok(a))
		return false;
	*len = get16(*bytes + 4) - UDP_HEADER;
	*bytes += UDP_HEADER;
	return true;
}

static void give(struct sal *s, struct sal_flow *f, const uint8_t *bytes,
		 size_t len)
{
	struct sal_flow_info info;

	f->info.packets_in++;
	f->info.bytes_in += len;
	f->info.last_used_ns = s->now_ns;
	info = sal_flow_seen(f);
	s->native.sink.receive(s->native.sink.arg, &info, bytes, len);
}

void sal_native_data(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	const uint8_t *bytes;
	size_t len;

	if (!f->tie.remote_id || f->tie.remote_id != a->packet.src_flow) {
		s->stats.unknown_flow++;
		return;
	}
	/* Who can't be asked has to say by an RSYN that he has moved. */
	if (!sal_path_known(f, a->path)) {
		s->stats.native_stray++;
		return;
	}
	if (a->packet.protocol != f->info.protocol ||
	    !content(a, &bytes, &len)) {
		s->stats.malformed++;
		return;
	}
	sal_client_heard(s, f, a);
	give(s, f, bytes, len);
}

/* The handshake's last part is TCP's too. What data is with it is thrown away,
 * as by the old stack: TCP sends it again. */
void sal_native_ack(struct sal *s, struct sal_flow *f,
		    const struct sal_arrival *a)
{
	const uint8_t *bytes;
	size_t len;

	if (f->info.protocol != IPPROTO_TCP ||
	    a->packet.protocol != IPPROTO_TCP || !content(a, &bytes, &len))
		return;
	give(s, f, bytes, (size_t)(bytes[12] >> 4) * 4);
}

void sal_native_end(struct sal *s, struct sal_flow *f)
{
	struct sal_flow_info info = sal_flow_seen(f);

	if (f->info.native)
		s->native.sink.end(s->native.sink.arg, &info);
}

/* ---- of no flow --------------------------------------------------------- */

/*
 * The old stack's reset. (It counts 32 for a FIN, which it means to be 1: the
 * expected number is what answers it.)
 */
static void send_reset(struct sal *s, const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	struct sal_outer out = { .path = *a->path, .ip = { .ttl = SAL_TTL } };
	struct sal_event e = { .kind = SAL_EVENT_REFUSED, .now_ns = s->now_ns };
	struct sal_packet p;
	uint32_t uses = 0;

	if (c && c->flags & (SAL_FLAG_SYN | SAL_FLAG_RSYN | SAL_FLAG_FIN))
		uses = 1;
	if (a->to_many || !sal_may_answer_stranger(s))
		return;
	sal_packet_init(&p, a->packet.dst_flow, a->packet.src_flow,
			a->packet.protocol);
	if (c && c->flags & SAL_FLAG_ACK)
		sal_add_control(&p, SAL_FLAG_RST, c->ackno, 0, c->nonce);
	else
		sal_add_control(&p, SAL_FLAG_RST | SAL_FLAG_ACK, 0,
				c ? c->verno + uses : 0, c ? c->nonce : 0);
	sal_emit(s, &p, &out);
	s->sink.event(s->sink.arg, &e);
}

/* Of an inner flow's packets, in so far as they name a service and may be of an
 * unknown flow, one has IDENTITY; the handshake's ACK and the RSYN by name have
 * no transport. */
static bool is_inner(const struct sal_arrival *a, uint8_t flags)
{
	return sal_find(&a->packet, SAL_EXT_IDENTITY, 0) ||
	       ((flags == SAL_FLAG_ACK || flags == SAL_FLAG_RSYN) &&
		!a->packet.payload_len);
}

bool sal_native_stray(struct sal *s, const struct sal_arrival *a)
{
	const struct service_id *service = sal_find_service(&a->packet, 0);
	uint8_t flags = sal_find_control(&a->packet)->flags;
	bool listens;

	if (!service || is_inner(a, flags))
		return false;
	listens = sal_native_socket_for(s, service, a->packet.protocol, false);
	if (flags & SAL_FLAG_RST || (listens && flags & SAL_FLAG_ACK))
		return true;
	send_reset(s, a);
	return true;
}

void sal_native_datagram(struct sal *s, const struct sal_arrival *a)
{
	const struct service_id *to = sal_find_service(&a->packet, 0);
	const struct service_id *from = sal_find_service(&a->packet, 1);
	const struct sal_native_socket *k;
	struct sal_datagram d;
	const uint8_t *bytes;
	size_t len;

	if (!from || a->packet.protocol != IPPROTO_UDP ||
	    !content(a, &bytes, &len)) {
		s->stats.malformed++;
		return;
	}
	k = sal_native_socket_for(s, to, IPPROTO_UDP, true);
	if (!k && sal_forward(s, a))
		return;
	if (!k) {
		s->stats.native++;
		send_reset(s, a);
		return;
	}
	d = (struct sal_datagram){
		.to = *to,
		.from = *from,
		.path = *a->path,
		.socket = k->id,
		.bytes = bytes,
		.len = len,
	};
	s->native.sink.datagram(s->native.sink.arg, &d);
}
