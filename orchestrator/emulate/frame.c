/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is read out of bytes that a node sent, so nothing is believed: a
 * train's headers must lie where the virtio header says, be of the kind that
 * it says, and leave the payload that they claim.
 *
 * A segment's checksum is left for the kernel (CHECKSUM_PARTIAL), with the sum
 * of the pseudo-header in its field. Summing up the payload here would cost as
 * much as copying it, for a receiver that would only have to check what cannot
 * have changed. But a frame that is to be damaged must be finished first: the
 * kernel would otherwise compute the checksum over the damage.
 */
#include "orchestrator/emulate/frame.h"

#include "base/checksum.h"

#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

/* Linux 6.2; the headers of older distributions lack it. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define TAG_BYTES 4 /* of a VLAN */
#define TAGS_MAX 2
#define IPV4_MIN 20
#define IPV6_HEADER 40
#define TCP_MIN 20
#define TCP_CHECKSUM 16
#define TCP_FLAGS 13
#define UDP_HEADER 8
#define UDP_CHECKSUM 6
#define ECN_MASK 3

enum { FIN = 0x01, PSH = 0x08, CWR = 0x80 };

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void store16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t load32(const uint8_t *p)
{
	return (uint32_t)load16(p) << 16 | load16(p + 2);
}

static void store32(uint8_t *p, uint32_t v)
{
	store16(p, v >> 16);
	store16(p + 2, v & 0xffff);
}

/* ---- reading ------------------------------------------------------------ */

/* Where the packet begins; *type: what it is. 0: the frame is too short. */
static size_t network_at(const uint8_t *frame, size_t len, uint16_t *type)
{
	size_t at = ETH_HLEN;

	if (len < ETH_HLEN)
		return 0;
	*type = load16(frame + at - 2);
	for (int i = 0;
	     i < TAGS_MAX && (*type == ETHERTYPE_VLAN || *type == 0x88a8);
	     i++) {
		at += TAG_BYTES;
		if (len < at)
			return 0;
		*type = load16(frame + at - 2);
	}
	return at;
}

/* Is there an IP header at s->network, and the transport's behind it? */
static int inspect_network(const uint8_t *frame, size_t len, uint16_t type,
			   struct frame_shape *s)
{
	const uint8_t *ip = frame + s->network;
	size_t room = len - s->network, head;

	s->v6 = type == ETHERTYPE_IPV6;
	if (type != ETHERTYPE_IP && !s->v6)
		return -EINVAL;
	if (room < (s->v6 ? IPV6_HEADER : IPV4_MIN) ||
	    ip[0] >> 4 != (s->v6 ? 6 : 4))
		return -EINVAL;
	head = s->v6 ? IPV6_HEADER : (size_t)(ip[0] & 15) * 4;
	/* IPv6's extension headers lie between. */
	if (head < IPV4_MIN || s->transport < s->network + head ||
	    (!s->v6 && s->transport != s->network + head))
		return -EINVAL;
	return 0;
}

static int inspect_transport(const uint8_t *frame, size_t len,
			     const struct virtio_net_hdr *h,
			     struct frame_shape *s)
{
	const uint8_t *transport = frame + s->transport;
	size_t room = len - s->transport, head = UDP_HEADER;

	if (h->csum_offset != (s->udp ? UDP_CHECKSUM : TCP_CHECKSUM))
		return -EINVAL;
	if (room < (s->udp ? UDP_HEADER : TCP_MIN))
		return -EINVAL;
	if (!s->udp)
		head = (size_t)(transport[12] >> 4) * 4;
	if ((!s->udp && head < TCP_MIN) || head > room)
		return -EINVAL;
	s->header = (uint16_t)(s->transport + head);
	return 0;
}

static int inspect_train(const struct virtio_net_hdr *h, const uint8_t *frame,
			 size_t len, struct frame_shape *s)
{
	uint8_t kind = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint16_t type = 0;
	size_t payload, at;
	int r;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !h->gso_size)
		return -EINVAL;
	at = network_at(frame, len, &type);
	if (!at || h->csum_start <= at || h->csum_start >= len)
		return -EINVAL;
	s->network = (uint16_t)at;
	s->transport = h->csum_start;
	s->step = h->gso_size;
	s->udp = kind == VIRTIO_NET_HDR_GSO_UDP_L4;
	r = inspect_network(frame, len, type, s);
	if (!r)
		r = inspect_transport(frame, len, h, s);
	if (r)
		return r;
	if ((kind == VIRTIO_NET_HDR_GSO_TCPV4 && s->v6) ||
	    (kind == VIRTIO_NET_HDR_GSO_TCPV6 && !s->v6))
		return -EINVAL;
	payload = len - s->header;
	if (payload <= s->step)
		return 0; /* one segment: as good as an ordinary frame */
	s->segments = (uint32_t)((payload + s->step - 1) / s->step);
	s->bytes = (uint32_t)s->header + s->step;
	s->last_bytes = (uint32_t)(s->header + payload -
				   (size_t)(s->segments - 1) * s->step);
	return 0;
}

int frame_inspect(const struct virtio_net_hdr *h, const uint8_t *frame,
		  size_t len, struct frame_shape *out)
{
	if (len < ETH_HLEN || len > FRAME_MAX)
		return -EINVAL;
	*out = (struct frame_shape){ .segments = 1,
				     .bytes = (uint32_t)len,
				     .last_bytes = (uint32_t)len };
	if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
	    (size_t)h->csum_start + h->csum_offset + 2 > len)
		return -EINVAL;
	switch (h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return 0;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return inspect_train(h, frame, len, out);
	default:
		return -EINVAL;
	}
}

void frame_settle(struct virtio_net_hdr *h, const struct frame_shape *s)
{
	/* "The checksum was verified" is the kernel's to know, not ours. */
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (s->segments == 1) {
		h->gso_type = VIRTIO_NET_HDR_GSO_NONE;
		h->gso_size = 0;
	}
	/*
	 * How much of it the kernel puts into one piece of memory: what it read
	 * may have been all of it, and 60 KiB in one piece are hard to get.
	 */
	h->hdr_len = s->segments > 1 ? s->header : 0;
}

/* ---- cutting ------------------------------------------------------------ */

/* The sum over the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1), as the kernel
 * wants to find it: not complemented. */
static uint16_t pseudo_sum(const struct frame_shape *s, const uint8_t *ip,
			   size_t len)
{
	uint8_t tail[8] = { [7] = s->udp ? IPPROTO_UDP : IPPROTO_TCP };
	uint64_t sum;

	store32(tail, (uint32_t)len);
	sum = s->v6 ? checksum_add(0, ip + 8, 32) : checksum_add(0, ip + 12, 8);
	return (uint16_t)~checksum_finish(checksum_add(sum, tail, 8));
}

static void fix_network(const struct frame_shape *s, uint8_t *ip, size_t len,
			uint32_t i)
{
	size_t head;

	if (s->v6) {
		store16(ip + 4, len - IPV6_HEADER);
		return;
	}
	head = (size_t)(ip[0] & 15) * 4;
	store16(ip + 2, len);
	store16(ip + 4, load16(ip + 4) + i); /* identification */
	store16(ip + 10, 0);
	store16(ip + 10, checksum_finish(checksum_add(0, ip, head)));
}

static void fix_transport(const struct frame_shape *s, uint8_t *transport,
			  size_t len, uint32_t i)
{
	if (s->udp) {
		store16(transport + 4, len);
		return;
	}
	store32(transport + 4, load32(transport + 4) + i * s->step);
	if (i + 1 < s->segments)
		transport[TCP_FLAGS] &= (uint8_t) ~(FIN | PSH);
	if (i > 0) /* RFC 3168, 6.1.2: it goes with the first */
		transport[TCP_FLAGS] &= (uint8_t)~CWR;
}

size_t frame_segment(const struct frame_shape *s,
		     const struct virtio_net_hdr *header, const uint8_t *train,
		     uint32_t i, uint8_t *out,
		     struct virtio_net_hdr *out_header)
{
	size_t len = i + 1 < s->segments ? s->bytes : s->last_bytes;
	uint8_t *ip = out + s->network, *transport = out + s->transport;

	memcpy(out, train, s->header);
	memcpy(out + s->header, train + s->header + (size_t)i * s->step,
	       len - s->header);
	fix_network(s, ip, len - s->network, i);
	fix_transport(s, transport, len - s->transport, i);
	store16(transport + header->csum_offset,
		pseudo_sum(s, ip, len - s->transport));
	*out_header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = header->csum_start,
		.csum_offset = header->csum_offset,
	};
	return len;
}

/* ---- changing ----------------------------------------------------------- */

void frame_complete(struct virtio_net_hdr *h, uint8_t *frame, size_t len)
{
	uint16_t checksum;

	if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    (size_t)h->csum_start + h->csum_offset + 2 > len)
		return;
	checksum = checksum_finish(
		checksum_add(0, frame + h->csum_start, len - h->csum_start));
	/* In UDP 0 says that there is none; to the others it is the same. */
	store16(frame + h->csum_start + h->csum_offset,
		checksum ? checksum : 0xffff);
	*h = (struct virtio_net_hdr){ 0 };
}

bool frame_mark(uint8_t *frame, size_t len)
{
	uint16_t type = 0, checksum;
	size_t at = network_at(frame, len, &type);
	uint8_t *ip = frame + at, before[2];

	if (at && type == ETHERTYPE_IP && len >= at + IPV4_MIN) {
		if (!(ip[1] & ECN_MASK))
			return false;
		memcpy(before, ip, 2);
		ip[1] |= ECN_MASK;
		checksum = checksum_replace(load16(ip + 10), before, ip, 2);
		store16(ip + 10, checksum);
		return true;
	}
	if (at && type == ETHERTYPE_IPV6 && len >= at + IPV6_HEADER) {
		if (!(ip[1] & ECN_MASK << 4))
			return false;
		ip[1] |= ECN_MASK << 4;
		return true;
	}
	return false;
}

void frame_flip(uint8_t *frame, size_t len, uint32_t bit)
{
	size_t bits = len > ETH_HLEN ? (len - ETH_HLEN) * 8 : 0;

	if (bits) {
		size_t at = bit % bits;

		frame[ETH_HLEN + at / 8] ^= (uint8_t)(1u << at % 8);
	}
}
