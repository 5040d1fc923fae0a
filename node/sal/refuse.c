/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program is told by its own host where no peer can tell it: refusals as
 * a kernel would word them, so that connect() gives ECONNREFUSED and ping says
 * "unreachable" at once.
 *
 * They come from the address that was asked for. One of the host's own would be
 * truer, but a packet that enters a host with a source address of that same
 * host is a martian, and dropped.
 */
#include "node/sal/engine.h"

#include "base/checksum.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

/* RFC 1812, 4.3.2.3 and RFC 4443, 2.4c: the whole error fits these. */
#define ERROR_MAX4 576
#define ERROR_MAX6 1280
#define ICMP_HEADER 8

void sal_deliver(struct sal *s, const struct sal_inner *p)
{
	s->stats.inner_out++;
	s->sink.deliver(s->sink.arg, p);
}

static void put16(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void put32(uint8_t *to, uint32_t v)
{
	put16(to, v >> 16);
	put16(to + 2, v & 0xffff);
}

/* From where p went to where it came from. */
static void answer(struct sal *s, const struct sal_inner *p, uint8_t protocol,
		   uint8_t *segment, size_t len)
{
	struct sal_inner out = {
		.src = p->dst,
		.dst = p->src,
		.protocol = protocol,
		.segment = segment,
		.len = len,
		.ip = { .ttl = SAL_TTL },
	};

	transport_checksum_set(protocol, &out.src, &out.dst, segment, len);
	sal_deliver(s, &out);
}

static void tcp_segment(uint8_t out[20], uint16_t from, uint16_t to,
			uint32_t seq, uint32_t ack, uint8_t flags)
{
	memset(out, 0, 20);
	put16(out, from);
	put16(out + 2, to);
	put32(out + 4, seq);
	put32(out + 8, ack);
	out[12] = 5 << 4;
	out[13] = flags;
}

/* RFC 9293, 3.10.7.1: the reset of a connection that does not exist. */
static void tcp_refuse(struct sal *s, const struct sal_inner *p,
		       const struct sal_tuple *t)
{
	struct sal_tcp tcp;
	uint8_t rst[20];

	if (!sal_tcp_parse(p->segment, p->len, &tcp) || tcp.flags & SAL_TCP_RST)
		return;
	if (tcp.flags & SAL_TCP_ACK)
		tcp_segment(rst, t->port_remote, t->port_local, tcp.ack, 0,
			    SAL_TCP_RST);
	else
		tcp_segment(rst, t->port_remote, t->port_local, 0, tcp.seq_end,
			    SAL_TCP_RST | SAL_TCP_ACK);
	answer(s, p, IPPROTO_TCP, rst, sizeof(rst));
}

/* p's IP header, as far as we know it; returns its size. */
static size_t rebuild_header(const struct sal_inner *p, uint8_t *to)
{
	size_t len = p->len > UINT16_MAX - 40 ? UINT16_MAX - 40 : p->len;

	if (p->src.family == AF_INET6) {
		put32(to, 6u << 28 | (uint32_t)p->ip.traffic_class << 20);
		put16(to + 4, (uint32_t)len);
		to[6] = p->protocol;
		to[7] = p->ip.ttl;
		memcpy(to + 8, p->src.bytes, 16);
		memcpy(to + 24, p->dst.bytes, 16);
		return 40;
	}
	memset(to, 0, 20);
	to[0] = 0x45;
	to[1] = p->ip.traffic_class;
	put16(to + 2, (uint32_t)len + 20);
	to[6] = p->ip.dont_fragment ? 0x40 : 0;
	to[8] = p->ip.ttl;
	to[9] = p->protocol;
	memcpy(to + 12, p->src.bytes, 4);
	memcpy(to + 16, p->dst.bytes, 4);
	put16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	return 20;
}

static void icmp_error(struct sal *s, const struct sal_inner *p, uint8_t type,
		       uint8_t code, uint32_t rest)
{
	bool six = p->src.family == AF_INET6;
	size_t max = six ? ERROR_MAX6 - 40 : ERROR_MAX4 - 20, n;
	uint8_t error[ERROR_MAX6];

	error[0] = type;
	error[1] = code;
	put16(error + 2, 0);
	put32(error + 4, rest);
	n = ICMP_HEADER + rebuild_header(p, error + ICMP_HEADER);
	max -= n;
	if (max > p->len)
		max = p->len;
	memcpy(error + n, p->segment, max);
	answer(s, p, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, error, n + max);
}

void sal_refuse_inner(struct sal *s, const struct sal_inner *p, bool refused)
{
	bool six = p->src.family == AF_INET6, port;
	struct sal_tuple t;

	/* Never an error about an error (RFC 1122, 3.2.2), nor to many. */
	if (sal_inner_tuple(p, &t) != SAL_INNER_SEGMENT || sal_to_many(&p->dst))
		return;
	if (refused && p->protocol == IPPROTO_TCP) {
		tcp_refuse(s, p, &t);
		return;
	}
	/* A port that nobody has open is what makes UDP say ECONNREFUSED. */
	port = refused && p->protocol == IPPROTO_UDP;
	if (six)
		icmp_error(s, p, ICMP6_DST_UNREACH,
			   port ? ICMP6_DST_UNREACH_NOPORT :
				  ICMP6_DST_UNREACH_ADDR,
			   0);
	else
		icmp_error(s, p, ICMP_DEST_UNREACH,
			   port ? ICMP_PORT_UNREACH : ICMP_HOST_UNREACH, 0);
}

void sal_refuse_too_big(struct sal *s, const struct sal_inner *p, uint16_t mtu)
{
	if (p->src.family == AF_INET6)
		icmp_error(s, p, ICMP6_PACKET_TOO_BIG, 0, mtu);
	else
		icmp_error(s, p, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
}

void sal_refuse_queue(struct sal *s, struct sal_flow *f, bool refused)
{
	while (f->queue.first) {
		const struct sal_kept *k =
			sal_store_kept(&s->queue, f->queue.first);
		struct sal_inner p = {
			.src = f->info.inner_local,
			.dst = f->info.inner_remote,
			.protocol = k->protocol,
			.segment = sal_store_bytes(&s->queue, f->queue.first,
						   s->scratch),
			.len = k->len,
			.ip = k->ip,
		};

		sal_refuse_inner(s, &p, refused);
		sal_store_pop(&s->queue, &f->queue);
	}
}

/*
 * A reset acts only if it stands exactly at the receiver's next byte (RFC 5961,
 * 3.2). That is what it acknowledged last, or, while its ACK is delayed, the
 * end of what it was given last: so both are tried. The one that is not exact
 * does nothing.
 */
void sal_reset_program(struct sal *s, struct sal_flow *f)
{
	struct sal_inner as_if = {
		.src = f->info.inner_local,
		.dst = f->info.inner_remote,
	};
	uint32_t at = f->tcp_has_ack_out ? f->tcp_ack_out : 0;
	uint8_t rst[20];

	if (f->info.native || f->info.protocol != IPPROTO_TCP ||
	    !f->tcp_seen_out)
		return;
	tcp_segment(rst, f->info.port_remote, f->info.port_local, at,
		    f->tcp_end_out, SAL_TCP_RST | SAL_TCP_ACK);
	answer(s, &as_if, IPPROTO_TCP, rst, sizeof(rst));
	if (!f->tcp_seen_in || f->tcp_end_in == at)
		return;
	tcp_segment(rst, f->info.port_remote, f->info.port_local, f->tcp_end_in,
		    f->tcp_end_out, SAL_TCP_RST | SAL_TCP_ACK);
	answer(s, &as_if, IPPROTO_TCP, rst, sizeof(rst));
}
