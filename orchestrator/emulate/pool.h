/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where frames wait. Each has a handle (a small number, which the model can
 * keep) and a buffer of a size that fits: a train of 64 KiB and a ping must not
 * cost the same, and a link's worth of either is inside at once.
 *
 * Buffers are cut out of large blocks and never go back to the system, so that
 * no frame costs an allocation; all together they are bounded. Their memory is
 * of huge pages where many are needed (region.h).
 */
#ifndef EMULATE_POOL_H
#define EMULATE_POOL_H

#include "orchestrator/emulate/frame.h"

#define POOL_BUFFER_MAX (sizeof(struct virtio_net_hdr) + FRAME_MAX)
#define POOL_NONE UINT32_MAX

struct pool;

struct slot {
	uint8_t *buffer; /* the virtio header, and behind it the frame */
	uint32_t len; /* of both */
	uint8_t size_class;
	bool used;
	uint32_t next_free;
};

/* bytes_max: of all buffers; slots_max: of frames. NULL: out of memory. */
struct pool *pool_new(size_t bytes_max, uint32_t slots_max);
struct pool *pool_free(struct pool *p); /* returns NULL */

/* A slot with a buffer for len bytes; POOL_NONE: there is no more room. */
uint32_t pool_take(struct pool *p, size_t len);
struct slot *pool_slot(struct pool *p, uint32_t handle);
/* Moves what is in the slot into a buffer that fits its len, if there is one
 * smaller than what it has. False: no room for that; it stays as it is. */
bool pool_fit(struct pool *p, uint32_t handle);
void pool_give(struct pool *p, uint32_t handle);

size_t pool_used(const struct pool *p); /* slots */
size_t pool_bytes(const struct pool *p); /* of all buffers, used or not */

#endif
