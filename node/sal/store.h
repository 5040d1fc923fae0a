/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments that are kept: those that wait for their flow, and copies of those
 * that the peer's TCP has not acknowledged.
 *
 * They lie in chains of small chunks of one bounded pool, because a segment may
 * have 64 bytes or 64 KiB and a flow may keep one or hundreds; an allocation of
 * exact sizes would fragment, and a ring would let one stuck flow hold the room
 * of all. Who may have how much is settled by the free room: a list may never
 * hold more than what is still free to others. One flow alone gets half, n
 * greedy ones get 1/(n+1) each, and a newcomer always finds something.
 */
#ifndef SAL_STORE_H
#define SAL_STORE_H

#include "node/sal/sal.h"

#define SAL_SEGMENT_MAX 65535u

/* A segment as it is kept, without its bytes. */
struct sal_kept {
	uint32_t len;
	uint32_t seq, seq_end; /* of TCP */
	uint8_t protocol;
	struct sal_ip_fields ip;
	struct sal_offload offload;
};

struct sal_store {
	struct sal_chunk *chunks;
	uint32_t n; /* chunks in all */
	uint32_t fresh; /* from here on never used: their memory is untouched */
	uint32_t free_first; /* chunk number + 1; 0: none */
	uint32_t used;
};

/* First in, first out. All zero: empty. */
struct sal_store_list {
	uint32_t first, last; /* first chunk of a segment, + 1; 0: none */
	uint32_t segments, chunks;
};

size_t sal_store_memory(uint32_t bytes);
void sal_store_init(struct sal_store *s, void *mem, uint32_t bytes);

/* Appends a copy. False: no room, or more than this list's share. */
bool sal_store_push(struct sal_store *s, struct sal_store_list *l,
		    const struct sal_kept *kept, const uint8_t *bytes);
/* Handles for walking a list: 0 is its end. */
uint32_t sal_store_next(const struct sal_store *s, uint32_t handle);
const struct sal_kept *sal_store_kept(const struct sal_store *s,
				      uint32_t handle);
/* The bytes in one piece: in the pool where one chunk holds them, else gathered
 * in scratch, of SAL_SEGMENT_MAX bytes. */
const uint8_t *sal_store_bytes(const struct sal_store *s, uint32_t handle,
			       uint8_t *scratch);
/* Drops the oldest. */
void sal_store_pop(struct sal_store *s, struct sal_store_list *l);
void sal_store_clear(struct sal_store *s, struct sal_store_list *l);

#endif
