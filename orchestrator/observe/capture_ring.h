/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets of one network namespace, out of the kernel's ring. */
#ifndef OBSERVE_CAPTURE_RING_H
#define OBSERVE_CAPTURE_RING_H

#include "base/err.h"

#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How long a block that is not full waits before the kernel hands it out: that
 * is how long the end of a run waits for the last packets. But the kernel's
 * timer runs this often for each ring, packets or not: with a thousand nodes
 * 4 ms were 250,000 timer interrupts a second. So it grows with their number.
 */
#define CAPTURE_RETIRE_MIN_MS 4
#define CAPTURE_RETIRE_MAX_MS 32

struct capture_ring {
	int fd; /* -1: not open */
	uint8_t *map; /* NULL: not mapped */
	size_t blocks;
	size_t next; /* the block the kernel will hand out next */
};

/* A frame in the ring. The bytes may be changed in place: capture_frame.c. */
struct capture_frame {
	int64_t time_ns;
	uint32_t ifindex;
	uint16_t hatype; /* ARPHRD_* */
	uint16_t protocol; /* host order */
	bool outgoing;
	bool has_vlan;
	uint16_t vlan_tpid, vlan_tci;
	struct virtio_net_hdr vnet;
	uint8_t *data;
	uint32_t captured, length;
};

typedef int (*capture_frame_fn)(void *context, struct capture_frame *frame);

#define CAPTURE_RING_NULL ((struct capture_ring){ .fd = -1 })

/* Opens the ring of the calling thread's network namespace; it captures. */
int capture_ring_open(struct capture_ring *r, size_t ring_bytes,
		      unsigned retire_ms, struct err *err);
/* Makes the ring readable in this process. */
int capture_ring_map(struct capture_ring *r, struct err *err);
void capture_ring_close(struct capture_ring *r);

/* Hands every frame of the blocks that are ready to fn, in the kernel's order.
 * 0, or what fn returned when it was not 0: the rest is lost then. */
int capture_ring_read(struct capture_ring *r, capture_frame_fn fn,
		      void *context);
/* Is there anything in the ring, in a block handed out or still being filled?
 * Exact once no traffic comes any more. */
bool capture_ring_has_more(const struct capture_ring *r);

/* How many packets the kernel dropped since the last call. */
int capture_ring_dropped(const struct capture_ring *r, uint64_t *dropped,
			 struct err *err);
/* The name of an interface of the ring's namespace. -ENODEV: it has gone. */
int capture_ring_ifname(const struct capture_ring *r, uint32_t ifindex,
			char *name);

/* Brings a frame into the form in which it would be on a wire. */
void capture_frame_finish(struct capture_frame *f);

#endif
