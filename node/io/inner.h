/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inner IP packets to and from their parts. Of this layer only; pure.
 */
#ifndef IO_INNER_H
#define IO_INNER_H

#include "node/io/reassembly.h"
#include "node/sal/sal.h"

#include <linux/virtio_net.h>

enum inner_result {
	INNER_WHOLE, /* packet is filled in */
	INNER_FRAGMENT, /* and so is fragment; the segment is only part of one
			 */
	INNER_MALFORMED,
};

/* bytes: an IP packet; borrowed by what comes out. */
enum inner_result inner_parse(const struct virtio_net_hdr *vnet,
			      const uint8_t *bytes, size_t len,
			      struct sal_inner *packet,
			      struct fragment *fragment);

#define INNER_HEADER_MAX 40

/*
 * The IP and virtio headers for a packet. Returns the IP header's length, or 0
 * where the packet cannot be expressed (too long, addresses of two families).
 */
size_t inner_header(const struct sal_inner *packet, uint16_t ip_id,
		    uint8_t header[INNER_HEADER_MAX],
		    struct virtio_net_hdr *vnet);

#endif
