// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as what a TUN device gives: what is found lies within them, and
 * what can be sent is sent in pieces that add up.
 */
#include "node/io/inner.h"
#include "node/io/segment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pieces(const struct sal_inner *p)
{
	struct sal_outer outer = {
		.segment = p->segment,
		.len = p->len,
		.inner_src = p->src,
		.inner_dst = p->dst,
		.protocol = p->protocol,
		.offload = p->offload,
	};
	struct segmenter segmenter;
	struct segment piece;
	size_t payload = 0, head = 0;

	if (segment_start(&segmenter, &outer))
		return;
	while (segment_next(&segmenter, &piece)) {
		head = piece.head_len;
		payload += piece.rest_len;
	}
	if (head + payload != p->len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr vnet;
	struct fragment fragment;
	struct sal_inner packet;
	struct reassembly *r;
	uint64_t dropped = 0;
	size_t len;

	if (size < sizeof(vnet))
		return 0;
	memcpy(&vnet, data, sizeof(vnet));
	data += sizeof(vnet);
	size -= sizeof(vnet);
	switch (inner_parse(&vnet, data, size, &packet, &fragment)) {
	case INNER_MALFORMED:
		return 0;
	case INNER_WHOLE:
		if (packet.segment < data ||
		    packet.len > (size_t)(data + size - packet.segment))
			abort();
		check_pieces(&packet);
		return 0;
	case INNER_FRAGMENT:
		break;
	}
	r = reassembly_new();
	if (!r)
		return 0;
	reassembly_add(r, &fragment, 0, &len, &dropped);
	reassembly_free(r);
	return 0;
}
