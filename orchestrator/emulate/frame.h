/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame as a TAP gives it: bytes, and a virtio header that says what is left
 * to do. Pure: what can be done to one without knowing where it goes.
 *
 * A train is one frame that stands for several segments of TCP or UDP (GSO),
 * which share all headers but a few fields. It is passed on as it is where all
 * of its segments share a fate, and cut here where they do not.
 */
#ifndef EMULATE_FRAME_H
#define EMULATE_FRAME_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 65600 /* IP's 64 KiB behind an Ethernet header with tags */

struct frame_shape {
	uint32_t segments; /* 1: not a train */
	uint32_t bytes; /* of the frame; of a train: of each segment but the
			   last, headers included */
	uint32_t last_bytes;
	/* Of a train: */
	uint16_t network, transport; /* where these headers begin */
	uint16_t header; /* bytes that every segment has of its own */
	uint16_t step; /* payload of each segment but the last */
	bool v6, udp;
};

/*
 * What the header says about the frame; -EINVAL where it contradicts it, or
 * says what we never allowed.
 */
int frame_inspect(const struct virtio_net_hdr *header, const uint8_t *frame,
		  size_t len, struct frame_shape *out);
/* Leaves only what the other end has to be told, of a frame so inspected. */
void frame_settle(struct virtio_net_hdr *header, const struct frame_shape *s);

/*
 * Segment i of a train, as a frame of its own whose checksum is left to be
 * filled in, like the train's (a wire does not look at it either). out takes
 * shape->bytes. Returns its length.
 */
size_t frame_segment(const struct frame_shape *shape,
		     const struct virtio_net_hdr *header, const uint8_t *train,
		     uint32_t i, uint8_t *out,
		     struct virtio_net_hdr *out_header);

/* Fills the checksum in, where that is left to be done. */
void frame_complete(struct virtio_net_hdr *header, uint8_t *frame, size_t len);

/* Sets "congestion experienced" in the packet of an Ethernet frame (a train's
 * count for all of its segments). False: it is none that may be marked. */
bool frame_mark(uint8_t *frame, size_t len);

/* Flips one bit, counted from behind the Ethernet header; modulo what there
 * is. */
void frame_flip(uint8_t *frame, size_t len, uint32_t bit);

#endif
