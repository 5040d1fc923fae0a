/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packets of one network namespace, out of the kernel. */
#ifndef OBSERVE_CAPTURE_SOCKET_H
#define OBSERVE_CAPTURE_SOCKET_H

#include "base/err.h"

#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How long a block that is not full waits before the kernel hands it out: that
 * is how long the end of a run waits for the last packets. But whatever is in
 * it, a block handed out is a block less until it has been read: of 64 blocks
 * (8 MiB), one every 4 ms, a reader that the machine kept from running for a
 * quarter of a second would find none left, and packets lost, in a ring that is
 * almost empty. And the kernel's timer runs this often for each ring, packets
 * or not: with a thousand nodes 4 ms were 250,000 timer interrupts a second. So
 * it grows with their number.
 */
#define CAPTURE_RETIRE_MIN_MS 16
#define CAPTURE_RETIRE_MAX_MS 32

struct capture_kind;

struct capture_socket {
	const struct capture_kind *kind;
	int fd; /* -1: not open */
	uint8_t *map; /* the ring, or room for one frame; NULL: not mapped */
	size_t blocks; /* of a ring */
	size_t next; /* the block the kernel will hand out next */
};

/* A frame. The bytes may be changed in place, and there is room for
 * CAPTURE_HEADROOM more ahead of them: capture_frame.c. */
#define CAPTURE_HEADROOM 16
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

/* Where packets are kept until they are read. */
struct capture_kind {
	/* Makes the room: blocks and retire_ms are for a ring. */
	int (*make)(int fd, size_t blocks, unsigned retire_ms, struct err *err);
	int (*map)(struct capture_socket *s, struct err *err);
	void (*unmap)(struct capture_socket *s);
	int (*read)(struct capture_socket *s, capture_frame_fn fn,
		    void *context);
	bool (*has_more)(const struct capture_socket *s);
};

extern const struct capture_kind capture_ring; /* capture_ring.c */
extern const struct capture_kind capture_queue; /* capture_queue.c */

#define CAPTURE_SOCKET_NULL ((struct capture_socket){ .fd = -1 })

/* Opens it in the calling thread's network namespace. */
int capture_socket_open(struct capture_socket *s,
			const struct capture_kind *kind, size_t ring_bytes,
			unsigned retire_ms, struct err *err);
/* It captures from now on. */
int capture_socket_start(struct capture_socket *s, struct err *err);
/* Makes it readable in this process. */
int capture_socket_map(struct capture_socket *s, struct err *err);
void capture_socket_close(struct capture_socket *s);

/* Hands every frame that is ready to fn, in the kernel's order; not more than a
 * few at a time, for others wait as well. 0, a negative errno, or what fn
 * returned when it was not 0: the rest is lost then. */
int capture_socket_read(struct capture_socket *s, capture_frame_fn fn,
			void *context);
/* Is there anything that was not read yet? Exact once no traffic comes any
 * more. */
bool capture_socket_has_more(const struct capture_socket *s);

/* How many packets the kernel dropped since the last call. */
int capture_socket_dropped(const struct capture_socket *s, uint64_t *dropped,
			   struct err *err);
/* The name of an interface of the namespace. -ENODEV: it has gone. */
int capture_socket_ifname(const struct capture_socket *s, uint32_t ifindex,
			  char *name);

/* Brings a frame into the form in which it would be on a wire. */
void capture_frame_finish(struct capture_frame *f);

/* For the implementations: setsockopt(), with what it was about. */
int capture_socket_option(int fd, int level, int option, const void *value,
			  size_t size, const char *what, struct err *err);

#endif
