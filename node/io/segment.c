/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmentation in user space.
 *
 * The kernel would do this for TCP and UDP, but not behind a SAL header: to it
 * protocol 144 is opaque. All pieces carry the same SAL header, which is thus
 * not copied, nor is the payload; only the transport header differs.
 *
 * Checksums are computed anew, over the pseudo-header of the inner addresses,
 * and not completed from the partial sum that the kernel left in the field:
 * that sum is over the addresses which the packet had on the TUN, and the
 * source of a reply from a wildcard socket is rewritten after that.
 */
#include "node/io/segment.h"
#include "base/checksum.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

/* Linux 6.2; the headers of older distributions lack it. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static int start_gso(struct segmenter *s, const struct sal_outer *p)
{
	uint8_t type = p->offload.gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	size_t head;

	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (p->protocol != IPPROTO_TCP ||
		    p->len < sizeof(struct tcphdr))
			return -EINVAL;
		head = (size_t)(p->segment[12] >> 4) * 4;
		if (head < sizeof(struct tcphdr))
			return -EINVAL;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		if (p->protocol != IPPROTO_UDP)
			return -EINVAL;
		head = sizeof(struct udphdr);
		break;
	default:
		return -EINVAL;
	}
	if (p->len < head || !p->offload.gso_size)
		return -EINVAL;
	s->cut = true;
	s->head_len = head;
	s->step = p->offload.gso_size;
	return 0;
}

int segment_start(struct segmenter *s, const struct sal_outer *packet)
{
	const struct sal_offload *o = &packet->offload;

	*s = (struct segmenter){ .packet = packet };
	if (o->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return start_gso(s, packet);
	if (o->needs_csum) {
		/* Up to the checksum's field and no further; even, so that the
		 * rest is summed at the same parity. */
		s->head_len = (size_t)o->csum_offset + 2;
		if (s->head_len > SEGMENT_HEAD_MAX || s->head_len % 2 ||
		    s->head_len > packet->len)
			return -EINVAL;
	}
	s->step = packet->len - s->head_len;
	return 0;
}

/* RFC 9293, 3.1, and RFC 8200, 8.1: for the sum of a segment in two pieces. */
static uint64_t pseudo_header(const struct sal_outer *p, size_t len)
{
	uint32_t tail[2] = { htonl((uint32_t)len), htonl(p->protocol) };
	uint64_t sum;

	if (p->protocol == IPPROTO_ICMP)
		return 0;
	sum = checksum_add(0, p->inner_src.bytes, ip_addr_size(&p->inner_src));
	sum = checksum_add(sum, p->inner_dst.bytes,
			   ip_addr_size(&p->inner_dst));
	return checksum_add(sum, tail, sizeof(tail));
}

/* field: where in the head the checksum goes. */
static void fill_checksum(const struct sal_outer *p, struct segment *piece,
			  size_t field)
{
	uint64_t sum = pseudo_header(p, piece->head_len + piece->rest_len);
	uint16_t checksum;

	memset(piece->head + field, 0, sizeof(checksum));
	sum = checksum_add(sum, piece->head, piece->head_len);
	sum = checksum_add(sum, piece->rest, piece->rest_len);
	checksum = htons(checksum_finish(sum));
	if (!checksum && p->protocol == IPPROTO_UDP)
		checksum = 0xffff; /* 0 would say that there is none */
	memcpy(piece->head + field, &checksum, sizeof(checksum));
}

/* done: payload bytes before this piece. */
static void fix_tcp(struct segment *piece, size_t done, bool last)
{
	struct tcphdr tcp;

	memcpy(&tcp, piece->head, sizeof(tcp));
	tcp.th_seq = htonl(ntohl(tcp.th_seq) + (uint32_t)done);
	if (!last)
		tcp.th_flags &= (uint8_t) ~(TH_FIN | TH_PUSH);
	if (done)
		tcp.th_flags &=
			0x7f; /* CWR goes with the first (RFC 3168, 6.1.2) */
	memcpy(piece->head, &tcp, sizeof(tcp));
}

static void fix_udp(struct segment *piece)
{
	uint16_t len = htons((uint16_t)(piece->head_len + piece->rest_len));

	memcpy(piece->head + offsetof(struct udphdr, uh_ulen), &len, 2);
}

bool segment_next(struct segmenter *s, struct segment *out)
{
	const struct sal_outer *p = s->packet;
	size_t left = p->len - s->head_len - s->done;
	size_t take = left < s->step ? left : s->step;

	if (s->end)
		return false;
	s->end = take == left;
	out->head_len = s->head_len;
	out->rest = p->segment ? p->segment + s->head_len + s->done : NULL;
	out->rest_len = take;
	if (s->head_len)
		memcpy(out->head, p->segment, s->head_len);
	if (s->cut && p->protocol == IPPROTO_TCP) {
		fix_tcp(out, s->done, s->end);
		fill_checksum(p, out, offsetof(struct tcphdr, th_sum));
	} else if (s->cut) {
		fix_udp(out);
		fill_checksum(p, out, offsetof(struct udphdr, uh_sum));
	} else if (p->offload.needs_csum) {
		fill_checksum(p, out, p->offload.csum_offset);
	}
	s->done += take;
	return true;
}
