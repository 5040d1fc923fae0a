/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes into the engine of sal.h and comes out of it: packets of programs,
 * and packets of the underlay. */
#ifndef SAL_PACKET_H
#define SAL_PACKET_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a packet stands for several, or lacks its checksum: the virtio net
 * header's fields (virtio 1.1, 5.1.6), as a TUN device gives and takes them,
 * with offsets counted from the transport header. The engine hands them
 * through; whoever puts the packet on a wire that cannot carry them cuts it up.
 */
struct sal_offload {
	bool needs_csum; /* fill in at csum_offset: over all from here on */
	uint16_t csum_offset; /* from the transport header */
	uint8_t gso_type; /* VIRTIO_NET_HDR_GSO_*; 0: one packet */
	uint16_t gso_size; /* payload bytes a segment */
	uint16_t header_len; /* transport header, in bytes */
};

/* IP header fields that are carried across (RFC 6040 for ECN). */
struct sal_ip_fields {
	uint8_t traffic_class; /* DSCP and ECN */
	uint8_t ttl;
	bool dont_fragment;
};

/* Where a packet came from or goes to, on the underlay. */
struct sal_path {
	struct ip_addr local, remote;
	uint32_t ifindex; /* 0: as the routes have it */
	uint16_t local_port,
		remote_port; /* UDP encapsulation; 0: protocol 144 */
};

/* An IP packet between a program and the engine. */
struct sal_inner {
	struct ip_addr src, dst;
	uint8_t protocol; /* IPPROTO_ICMP, _ICMPV6, _UDP, _TCP */
	const uint8_t *segment; /* transport header and payload; borrowed */
	size_t len;
	struct sal_ip_fields ip;
	struct sal_offload offload;
};

/* A SAL packet for the underlay: header, then segment. Both are valid only
 * during the call. */
struct sal_outer {
	struct sal_path path;
	const uint8_t *header; /* SAL header with extensions, checksum done */
	size_t header_len;
	const uint8_t *segment; /* may be NULL */
	size_t len;
	/* The inner addresses that the segment's checksum is over, where the
	 * offload leaves it to be done. */
	struct ip_addr inner_src, inner_dst;
	uint8_t protocol;
	struct sal_ip_fields ip;
	struct sal_offload offload;
	/* To one whom we have chosen, or who has shown that he is there. All
	 * else is answers to anybody, and must not take from these the room in
	 * the way out. */
	bool to_known;
	/* path.local is not ours: another's packet that is handed on, or an
	 * answer that has to come from where the question went. */
	bool foreign;
};

#endif
