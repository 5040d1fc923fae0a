/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame is read through a cursor and believed as far as it goes: a capture
 * cuts frames off, a fault may hand us anything, and what a header claims
 * about the length of what follows only ever shortens what we look at (the
 * padding of short Ethernet frames is no payload). Claims of zero length are
 * those of segments too long for the 16-bit field, so they do not shorten.
 *
 * The Service Access Layer stands between IP and the transport, whatever the
 * family of either: what is inside is told by its own field.
 *
 * Only the first fragment of a datagram carries the transport's header, and
 * its payload is not whole; the other fragments are told by addresses alone.
 */
#include "orchestrator/observe/packet.h"
#include "base/cursor.h"

#include <endian.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#define VLAN_TAGS_MAX 2
#define IPV6_EXTENSIONS_MAX 16
#define ETHERTYPE_QINQ 0x88a8
#define IPPROTO_SAL 144
#define SAL_HEADER 12 /* without extensions */

enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_ECHO_REQUEST = 8,
	ICMP6_REQUEST = 128,
	ICMP6_REPLY = 129,
};

static void cursor_shorten(struct cursor *c, size_t len)
{
	if (len < c->left)
		c->left = len;
}

static void set_payload(struct packet_info *out, enum packet_kind kind,
			const struct cursor *c)
{
	out->kind = kind;
	out->payload = c->p;
	out->payload_len = c->left;
}

static void parse_icmp(struct cursor *c, struct packet_info *out,
		       uint8_t request, uint8_t reply)
{
	uint8_t type = cursor_u8(c);
	uint16_t id, seq;

	cursor_take(c, 3); /* code, checksum */
	id = cursor_be16(c);
	seq = cursor_be16(c);
	if (c->overrun || (type != request && type != reply))
		return;
	out->echo_id = id;
	out->echo_seq = seq;
	set_payload(out,
		    type == request ? PACKET_ECHO_REQUEST : PACKET_ECHO_REPLY,
		    c);
}

static void parse_udp(struct cursor *c, struct packet_info *out)
{
	uint16_t sport = cursor_be16(c), dport = cursor_be16(c);
	uint16_t length = cursor_be16(c);

	cursor_take(c, 2); /* checksum */
	if (c->overrun || (length && length < 8))
		return;
	if (length)
		cursor_shorten(c, length - 8u);
	out->sport = sport;
	out->dport = dport;
	set_payload(out, PACKET_UDP, c);
}

static void parse_tcp(struct cursor *c, struct packet_info *out)
{
	uint16_t sport = cursor_be16(c), dport = cursor_be16(c);
	size_t header;
	uint8_t flags;

	cursor_take(c, 8); /* sequence and acknowledgement numbers */
	header = (size_t)(cursor_u8(c) >> 4) * 4;
	flags = cursor_u8(c);
	cursor_take(c, 6); /* window, checksum, urgent pointer */
	if (c->overrun || header < 20)
		return;
	cursor_take(c, header - 20);
	if (c->overrun)
		return;
	out->sport = sport;
	out->dport = dport;
	out->tcp_flags = flags;
	set_payload(out, PACKET_TCP, c);
}

static void parse_segment(struct cursor *c, struct packet_info *out,
			  uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_UDP:
		parse_udp(c, out);
		break;
	case IPPROTO_TCP:
		parse_tcp(c, out);
		break;
	case IPPROTO_ICMP:
		parse_icmp(c, out, ICMP4_ECHO_REQUEST, ICMP4_ECHO_REPLY);
		break;
	case IPPROTO_ICMPV6:
		parse_icmp(c, out, ICMP6_REQUEST, ICMP6_REPLY);
		break;
	}
}

/* docs/wire-format.md */
static void parse_sal(struct cursor *c, struct packet_info *out)
{
	size_t header;
	uint8_t protocol;

	cursor_take(c, 8); /* flow IDs */
	header = cursor_u8(c) * (size_t)4;
	protocol = cursor_u8(c);
	cursor_take(c, 2); /* checksum */
	if (c->overrun || header < SAL_HEADER)
		return;
	cursor_take(c, header - SAL_HEADER); /* extensions */
	if (!c->overrun)
		parse_segment(c, out, protocol);
}

static void parse_transport(struct cursor *c, struct packet_info *out)
{
	bool v4 = out->src.family == AF_INET;

	if (out->protocol == IPPROTO_SAL)
		parse_sal(c, out);
	else if (out->protocol != (v4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		parse_segment(c, out, out->protocol);
}

static void parse_ipv4(struct cursor *c, struct packet_info *out)
{
	struct ip_addr src = { .family = AF_INET }, dst = src;
	size_t header, total, left = c->left;
	uint16_t fragment;
	uint8_t first, protocol;

	first = cursor_u8(c);
	header = (size_t)(first & 15) * 4;
	cursor_take(c, 1);
	total = cursor_be16(c);
	cursor_take(c, 2);
	fragment = cursor_be16(c) & 0x1fff;
	cursor_take(c, 1);
	protocol = cursor_u8(c);
	cursor_take(c, 2);
	cursor_copy(c, src.bytes, 4);
	cursor_copy(c, dst.bytes, 4);
	if (c->overrun || first >> 4 != 4 || header < 20)
		return;
	if (total && total < header)
		return;
	out->src = src;
	out->dst = dst;
	out->protocol = protocol;
	cursor_take(c, header - 20);
	if (c->overrun || fragment)
		return;
	if (total && total < left)
		cursor_shorten(c, total - header);
	parse_transport(c, out);
}

/* Walks to the transport's header. False: there is none to be found here. */
static bool skip_ipv6_extensions(struct cursor *c, uint8_t *next)
{
	for (unsigned i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		uint8_t type = *next;
		uint16_t fragment;
		size_t len;

		switch (type) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			*next = cursor_u8(c);
			len = cursor_u8(c) * 8u + 8;
			cursor_take(c, len - 2);
			break;
		case IPPROTO_AH:
			*next = cursor_u8(c);
			len = cursor_u8(c) * 4u + 8; /* RFC 4302, 2.2 */
			cursor_take(c, len - 2);
			break;
		case IPPROTO_FRAGMENT:
			*next = cursor_u8(c);
			cursor_take(c, 1);
			fragment = cursor_be16(c) >> 3;
			cursor_take(c, 4);
			if (fragment)
				return false;
			break;
		default:
			return true;
		}
		if (c->overrun)
			return false;
	}
	return false;
}

static void parse_ipv6(struct cursor *c, struct packet_info *out)
{
	struct ip_addr src = { .family = AF_INET6 }, dst = src;
	uint8_t first = cursor_u8(c), next;
	size_t length;
	bool whole;

	cursor_take(c, 3);
	length = cursor_be16(c);
	next = cursor_u8(c);
	cursor_take(c, 1);
	cursor_copy(c, src.bytes, 16);
	cursor_copy(c, dst.bytes, 16);
	if (c->overrun || first >> 4 != 6)
		return;
	out->src = src;
	out->dst = dst;
	if (length)
		cursor_shorten(c, length);
	whole = skip_ipv6_extensions(c, &next);
	out->protocol = next;
	if (whole)
		parse_transport(c, out);
}

void packet_parse(const uint8_t *frame, size_t len, struct packet_info *out)
{
	struct cursor c = cursor_make(frame, len);
	uint16_t type;

	*out = (struct packet_info){ .kind = PACKET_OTHER };
	cursor_take(&c, 12);
	type = cursor_be16(&c);
	for (unsigned i = 0; i < VLAN_TAGS_MAX; i++) {
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
		cursor_take(&c, 2);
		type = cursor_be16(&c);
	}
	if (c.overrun)
		return;
	if (type == ETHERTYPE_IP)
		parse_ipv4(&c, out);
	else if (type == ETHERTYPE_IPV6)
		parse_ipv6(&c, out);
}
