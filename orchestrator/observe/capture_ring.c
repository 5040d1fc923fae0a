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
 * - PACKET_VNET_HDR puts a virtio_net_hdr right before the frame; it must be
 *   set before the ring is made.
 * - The frame's bytes are a copy, and the mapping is writable: what is to be
 *   changed in a frame is changed in place.
 * - A socket made with protocol 0 receives nothing until it is bound, so that
 *   no packet lands in its ordinary queue before the ring is there.
 *
 * SO_TIMESTAMPNS makes the kernel stamp packets as early as it can, on arrival
 * at an interface or departure from one, and not when our ring is reached; all
 * rings and the probes' sockets then tell the same time for the same packet.
 */
#include "orchestrator/observe/capture_ring.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/capture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static int set_option(int fd, int level, int option, const void *value,
		      size_t size, const char *what, struct err *err)
{
	if (setsockopt(fd, level, option, value, (socklen_t)size))
		return err_errno(err, errno, "capture: %s", what);
	return 0;
}

/* The loopback interface is left out before it takes room in the ring. */
static int attach_filter(int fd, struct err *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(SKF_AD_OFF + SKF_AD_HATYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARPHRD_LOOPBACK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {
		.len = sizeof(code) / sizeof(*code),
		.filter = code,
	};

	return set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program), "SO_ATTACH_FILTER", err);
}

static int make_ring(int fd, size_t blocks, unsigned retire_ms, struct err *err)
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

	r = set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on),
		       "SO_TIMESTAMPNS", err);
	if (!r)
		r = set_option(fd, SOL_PACKET, PACKET_VERSION, &version,
			       sizeof(version), "PACKET_VERSION", err);
	if (!r)
		r = set_option(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on),
			       "PACKET_VNET_HDR", err);
	if (!r)
		r = set_option(fd, SOL_PACKET, PACKET_RX_RING, &req,
			       sizeof(req), "PACKET_RX_RING", err);
	return r;
}

int capture_ring_open(struct capture_ring *r, size_t ring_bytes,
		      unsigned retire_ms, struct err *err)
{
	const struct sockaddr_ll all = {
		.sll_family = AF_PACKET,
		.sll_protocol = htobe16(ETH_P_ALL),
	};
	size_t blocks = ring_bytes / CAPTURE_BLOCK_SIZE +
			(ring_bytes % CAPTURE_BLOCK_SIZE != 0);
	CLEANUP_CLOSE int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int ret;

	if (blocks < CAPTURE_BLOCKS_MIN)
		blocks = CAPTURE_BLOCKS_MIN;
	if (blocks > INT32_MAX / CAPTURE_BLOCK_SIZE)
		return err_set(err, EINVAL, "capture: a ring of %zu bytes",
			       ring_bytes);
	if (fd < 0)
		return err_errno(err, errno, "capture: socket");
	ret = attach_filter(fd, err);
	if (!ret)
		ret = make_ring(fd, blocks, retire_ms, err);
	if (ret)
		return ret;
	if (bind(fd, (const struct sockaddr *)&all, sizeof(all)))
		return err_errno(err, errno, "capture: bind");
	*r = (struct capture_ring){ .fd = TAKE_FD(fd), .blocks = blocks };
	return 0;
}

int capture_ring_map(struct capture_ring *r, struct err *err)
{
	void *map = mmap(NULL, r->blocks * CAPTURE_BLOCK_SIZE,
			 PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (map == MAP_FAILED)
		return err_errno(err, errno, "capture: mapping the ring");
	r->map = map;
	return 0;
}

void capture_ring_close(struct capture_ring *r)
{
	if (r->map)
		munmap(r->map, r->blocks * CAPTURE_BLOCK_SIZE);
	if (r->fd >= 0)
		close(r->fd);
	*r = CAPTURE_RING_NULL;
}

static struct tpacket_hdr_v1 *next_block(const struct capture_ring *r)
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

int capture_ring_read(struct capture_ring *r, capture_frame_fn fn,
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

bool capture_ring_has_more(const struct capture_ring *r)
{
	struct tpacket_hdr_v1 *block = next_block(r);

	return is_ready(block) ||
	       atomic_load_explicit((_Atomic uint32_t *)&block->num_pkts,
				    memory_order_relaxed);
}

int capture_ring_dropped(const struct capture_ring *r, uint64_t *dropped,
			 struct err *err)
{
	struct tpacket_stats_v3 stats = { 0 };
	socklen_t size = sizeof(stats);

	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size))
		return err_errno(err, errno, "capture: PACKET_STATISTICS");
	*dropped = stats.tp_drops;
	return 0;
}

int capture_ring_ifname(const struct capture_ring *r, uint32_t ifindex,
			char *name)
{
	struct ifreq req = { .ifr_ifindex = (int)ifindex };

	if (ioctl(r->fd, SIOCGIFNAME, &req))
		return -errno;
	memcpy(name, req.ifr_name, IFNAMSIZ);
	name[IFNAMSIZ - 1] = '\0';
	return 0;
}
