/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between IP packets as programs have them and the engine's view of them.
 *
 * The offload's offsets count from the start of the packet in the virtio
 * header, and from the transport header in the engine, as there is no IP header
 * in between on the wire. hdr_len is not taken over: a TUN device puts there
 * whatever happened to lie in the linear part of the buffer.
 */
#include "node/io/inner.h"
#include "base/checksum.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

static struct ip_addr addr_of(sa_family_t family, const void *bytes)
{
	struct ip_addr a = { .family = family };

	memcpy(a.bytes, bytes, ip_addr_size(&a));
	return a;
}

/* The transport header's length; 0 where it is cut short. */
static size_t transport_header_len(const struct sal_inner *p)
{
	size_t n = 8;

	if (p->protocol == IPPROTO_TCP) {
		if (p->len < sizeof(struct tcphdr))
			return 0;
		n = (size_t)(p->segment[12] >> 4) * 4;
	}
	return n <= p->len ? n : 0;
}

static bool parse_offload(const struct virtio_net_hdr *vnet, size_t ip_len,
			  struct sal_inner *p)
{
	struct sal_offload *o = &p->offload;

	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (vnet->csum_start != ip_len ||
		    (size_t)vnet->csum_offset + 2 > p->len)
			return false;
		o->needs_csum = true;
		o->csum_offset = vnet->csum_offset;
	}
	if (vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		o->gso_type = vnet->gso_type;
		o->gso_size = vnet->gso_size;
		if (!o->needs_csum || !o->gso_size)
			return false;
	}
	o->header_len = (uint16_t)transport_header_len(p);
	return !o->gso_type || o->header_len;
}

static enum inner_result parse_v4(const struct virtio_net_hdr *vnet,
				  const uint8_t *bytes, size_t len,
				  struct sal_inner *p, struct fragment *f)
{
	size_t header_len, total;
	uint16_t fragment;
	struct ip ip;

	if (len < sizeof(ip))
		return INNER_MALFORMED;
	memcpy(&ip, bytes, sizeof(ip));
	header_len = ip.ip_hl * 4u;
	total = ntohs(ip.ip_len);
	if (header_len < sizeof(ip) || total < header_len || total > len)
		return INNER_MALFORMED;
	fragment = ntohs(ip.ip_off);
	p->src = addr_of(AF_INET, &ip.ip_src);
	p->dst = addr_of(AF_INET, &ip.ip_dst);
	p->protocol = ip.ip_p;
	p->ip.traffic_class = ip.ip_tos;
	p->ip.ttl = ip.ip_ttl;
	p->ip.dont_fragment = fragment & IP_DF;
	p->segment = bytes + header_len;
	p->len = total - header_len;
	if (fragment & (IP_MF | IP_OFFMASK)) {
		f->id = ntohs(ip.ip_id);
		f->offset = (uint16_t)((fragment & IP_OFFMASK) * 8u);
		f->more = fragment & IP_MF;
		return INNER_FRAGMENT;
	}
	return parse_offload(vnet, header_len, p) ? INNER_WHOLE :
						    INNER_MALFORMED;
}

/*
 * Steps over extension headers. Those of 8-byte units end at the first
 * transport header or fragment header; anything else is left to the engine as
 * a protocol that it does not carry.
 */
static enum inner_result parse_v6(const struct virtio_net_hdr *vnet,
				  const uint8_t *bytes, size_t len,
				  struct sal_inner *p, struct fragment *f)
{
	size_t at = sizeof(struct ip6_hdr), end;
	bool is_fragment = false;
	struct ip6_frag frag;
	struct ip6_hdr ip;
	uint8_t next;

	if (len < sizeof(ip))
		return INNER_MALFORMED;
	memcpy(&ip, bytes, sizeof(ip));
	end = sizeof(ip) + ntohs(ip.ip6_plen);
	if (end > len)
		return INNER_MALFORMED;
	p->src = addr_of(AF_INET6, &ip.ip6_src);
	p->dst = addr_of(AF_INET6, &ip.ip6_dst);
	p->ip.traffic_class = (uint8_t)(ntohl(ip.ip6_flow) >> 20);
	p->ip.ttl = ip.ip6_hlim;
	next = ip.ip6_nxt;
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_DSTOPTS) {
		if (end - at < 8)
			return INNER_MALFORMED;
		next = bytes[at];
		at += (bytes[at + 1] + 1u) * 8;
		if (at > end)
			return INNER_MALFORMED;
	}
	if (next == IPPROTO_FRAGMENT) {
		if (end - at < sizeof(frag))
			return INNER_MALFORMED;
		memcpy(&frag, bytes + at, sizeof(frag));
		at += sizeof(frag);
		f->id = ntohl(frag.ip6f_ident);
		f->offset = ntohs(frag.ip6f_offlg & IP6F_OFF_MASK);
		f->more = frag.ip6f_offlg & IP6F_MORE_FRAG;
		is_fragment = true;
		next = frag.ip6f_nxt;
	}
	p->protocol = next;
	p->segment = bytes + at;
	p->len = end - at;
	p->ip.dont_fragment = !is_fragment; /* routers never fragment IPv6 */
	if (is_fragment)
		return INNER_FRAGMENT;
	return parse_offload(vnet, at, p) ? INNER_WHOLE : INNER_MALFORMED;
}

enum inner_result inner_parse(const struct virtio_net_hdr *vnet,
			      const uint8_t *bytes, size_t len,
			      struct sal_inner *packet,
			      struct fragment *fragment)
{
	enum inner_result result = INNER_MALFORMED;

	*packet = (struct sal_inner){ 0 };
	*fragment = (struct fragment){ 0 };
	if (len && bytes[0] >> 4 == 4)
		result = parse_v4(vnet, bytes, len, packet, fragment);
	else if (len && bytes[0] >> 4 == 6)
		result = parse_v6(vnet, bytes, len, packet, fragment);
	if (result == INNER_FRAGMENT) {
		fragment->src = packet->src;
		fragment->dst = packet->dst;
		fragment->protocol = packet->protocol;
		fragment->bytes = packet->segment;
		fragment->len = packet->len;
	}
	return result;
}

static size_t header_v4(const struct sal_inner *p, uint16_t ip_id,
			uint8_t *header)
{
	struct ip ip = {
		.ip_v = 4,
		.ip_hl = sizeof(ip) / 4,
		.ip_tos = p->ip.traffic_class,
		.ip_len = htons((uint16_t)(sizeof(ip) + p->len)),
		.ip_id = htons(ip_id),
		.ip_off = htons(p->ip.dont_fragment ? IP_DF : 0),
		.ip_ttl = p->ip.ttl,
		.ip_p = p->protocol,
	};

	memcpy(&ip.ip_src, p->src.bytes, sizeof(ip.ip_src));
	memcpy(&ip.ip_dst, p->dst.bytes, sizeof(ip.ip_dst));
	ip.ip_sum = htons(checksum_finish(checksum_add(0, &ip, sizeof(ip))));
	memcpy(header, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t header_v6(const struct sal_inner *p, uint8_t *header)
{
	struct ip6_hdr ip = { 0 };

	ip.ip6_flow = htonl(6u << 28 | (uint32_t)p->ip.traffic_class << 20);
	ip.ip6_plen = htons((uint16_t)p->len);
	ip.ip6_nxt = p->protocol;
	ip.ip6_hlim = p->ip.ttl;
	memcpy(&ip.ip6_src, p->src.bytes, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, p->dst.bytes, sizeof(ip.ip6_dst));
	memcpy(header, &ip, sizeof(ip));
	return sizeof(ip);
}

size_t inner_header(const struct sal_inner *packet, uint16_t ip_id,
		    uint8_t header[INNER_HEADER_MAX],
		    struct virtio_net_hdr *vnet)
{
	const struct sal_offload *o = &packet->offload;
	size_t len;

	if (packet->src.family != packet->dst.family)
		return 0;
	if (packet->dst.family == AF_INET &&
	    packet->len <= 0xffff - sizeof(struct ip))
		len = header_v4(packet, ip_id, header);
	else if (packet->dst.family == AF_INET6 && packet->len <= 0xffff)
		len = header_v6(packet, header);
	else
		return 0;
	*vnet = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	if (o->needs_csum) {
		vnet->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet->csum_start = (uint16_t)len;
		vnet->csum_offset = o->csum_offset;
	}
	if (o->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		vnet->gso_type = o->gso_type;
		vnet->gso_size = o->gso_size;
		vnet->hdr_len = (uint16_t)(len + o->header_len);
	}
	return len;
}
