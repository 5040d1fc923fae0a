/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TPACKET_V3: the kernel packs frames of any length one behind the other into
 * blocks, and hands a block out when it is full or a timer has passed. Facts of
 * the kernel (net/packet/af_packet.c) that this relies on:
 *
 * - A frame must fit into one block; 128 KiB hold the largest that segmentation
 *   offload makes. Shorter blocks would silently cut frames off.
 * - An empty block is never handed out. A block being filled has its number of
 *   packets up to date (num_pkts), which we clear when we give a block back: so
 *   "the next block belongs to the kernel and counts no packets" says exactly
 *   that nothing is left, and no one has to wait for a time that might not do.
 * - The frame's bytes are a copy, and the mapping is writable: what is to be
 *   changed in a frame is changed in place.
 */
#include "base/clock.h"
#include "orchestrator/observe/capture.h"
#include "orchestrator/observe/capture_socket.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int make(int fd, size_t blocks, unsigned retire_ms, struct err *err)
{
	const unsigned frame = 2048; /* no limit: V3 only checks the product */
	struct tpacket_req3 req = {
		.tp_block_size = CAPTURE_BLOCK_SIZE,
		.tp_block_nr = (unsigned)blocks,
		.tp_frame_size = frame,
		.tp_frame_nr = (unsigned)(CAPTURE_BLOCK_SIZE / frame * blocks),
		.tp_retire_blk_tov = retire_ms,
	};
	static const int version = TPACKET_V3, on = 1;
	int r;

	r = capture_socket_option(fd, SOL_PACKET, PACKET_VERSION, &version,
				  sizeof(version), "PACKET_VERSION", err);
	if (!r)
		r = capture_socket_option(fd, SOL_PACKET, PACKET_VNET_HDR, &on,
					  sizeof(on), "PACKET_VNET_HDR", err);
	if (!r)
		r = capture_socket_option(fd, SOL_PACKET, PACKET_RX_RING, &req,
					  sizeof(req), "PACKET_RX_RING", err);
	return r;
}

static int map_ring(struct capture_socket *r, struct err *err)
{
	void *map = mmap(NULL, r->blocks * CAPTURE_BLOCK_SIZE,
			 PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (map == MAP_FAILED)
		return err_errno(err, errno, "capture: mapping the ring");
	r->map = map;
	return 0;
}

static void unmap(struct capture_socket *r)
{
	munmap(r->map, r->blocks * CAPTURE_BLOCK_SIZE);
}

static struct tpacket_hdr_v1 *next_block(const struct capture_socket *r)
{
	void *block = r->map + r->next * CAPTURE_BLOCK_SIZE;

	return &((struct tpacket_block_desc *)block)->hdr.bh1;
}

static bool is_ready(struct tpacket_hdr_v1 *block)
{
	return atomic_load_explicit((_Atomic uint32_t *)&block->block_status,
				    memory_order_acquire) &
	       TP_STATUS_USER;
}

static void give_back(struct tpacket_hdr_v1 *block)
{
	block->num_pkts = 0;
	atomic_store_explicit((_Atomic uint32_t *)&block->block_status,
			      TP_STATUS_KERNEL, memory_order_release);
}

static void read_frame(uint8_t *p, struct capture_frame *f)
{
	const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)p;
	const struct sockaddr_ll *from =
		(const struct sockaddr_ll *)(p + TPACKET_ALIGN(sizeof(*h)));

	*f = (struct capture_frame){
		.time_ns = (int64_t)h->tp_sec * NSEC_PER_SEC + h->tp_nsec,
		.ifindex = (uint32_t)from->sll_ifindex,
		.hatype = from->sll_hatype,
		.protocol = be16toh(from->sll_protocol),
		.outgoing = from->sll_pkttype == PACKET_OUTGOING,
		.data = p + h->tp_mac,
		.captured = h->tp_snaplen,
		.length = h->tp_len,
	};
	if (h->tp_status & TP_STATUS_VLAN_VALID) {
		f->has_vlan = true;
		f->vlan_tci = (uint16_t)h->hv1.tp_vlan_tci;
		f->vlan_tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ?
				       h->hv1.tp_vlan_tpid :
				       ETH_P_8021Q;
	}
	memcpy(&f->vnet, f->data - sizeof(f->vnet), sizeof(f->vnet));
}

static int read_ring(struct capture_socket *r, capture_frame_fn fn,
		     void *context)
{
	/* Not more than all blocks at a time: other rings wait as well. */
	for (size_t n = 0; n < r->blocks; n++) {
		struct tpacket_hdr_v1 *block = next_block(r);
		uint8_t *p = r->map + r->next * CAPTURE_BLOCK_SIZE;

		if (!is_ready(block))
			return 0;
		p += block->offset_to_first_pkt;
		for (uint32_t i = 0; i < block->num_pkts; i++) {
			struct capture_frame frame;
			uint32_t step =
				((struct tpacket3_hdr *)p)->tp_next_offset;
			int ret;

			read_frame(p, &frame);
			ret = fn(context, &frame);
			if (ret)
				return ret;
			p += step;
		}
		give_back(block);
		r->next = (r->next + 1) % r->blocks;
	}
	return 0;
}

static bool has_more(const struct capture_socket *r)
{
	struct tpacket_hdr_v1 *block = next_block(r);

	return is_ready(block) ||
	       atomic_load_explicit((_Atomic uint32_t *)&block->num_pkts,
				    memory_order_relaxed);
}

const struct capture_kind capture_ring = {
	.make = make,
	.map = map_ring,
	.unmap = unmap,
	.read = read_ring,
	.has_more = has_more,
};
