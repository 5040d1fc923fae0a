/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finishes what the TUN device leaves undone: cuts a segment that stands for
 * several (TSO, USO) into those, and fills in checksums. Pure.
 *
 * A piece is a small head that had to be changed (a copy) and the rest of the
 * bytes where they lie (borrowed from the packet):
 *
 *     struct segmenter s;
 *     struct segment piece;
 *
 *     if (segment_start(&s, packet))
 *         return;   // the offload contradicts the packet
 *     while (segment_next(&s, &piece))
 *         send(packet->header, piece.head, piece.rest);
 */
#ifndef IO_SEGMENT_H
#define IO_SEGMENT_H

#include "node/sal/sal.h"

#define SEGMENT_HEAD_MAX 60 /* the longest TCP header */

struct segment {
	uint8_t head[SEGMENT_HEAD_MAX];
	size_t head_len; /* 0: nothing had to be changed */
	const uint8_t *rest;
	size_t rest_len;
};

struct segmenter {
	const struct sal_outer *packet; /* borrowed; outlives the segmenter */
	size_t head_len; /* bytes that each piece has a copy of */
	size_t step; /* payload bytes of a piece */
	size_t done; /* payload bytes given out */
	bool cut, end;
};

/* 0, or -EINVAL. */
int segment_start(struct segmenter *s, const struct sal_outer *packet);
/* False when there are no more. */
bool segment_next(struct segmenter *s, struct segment *out);

#endif
