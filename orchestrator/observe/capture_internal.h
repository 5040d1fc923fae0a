/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OBSERVE_CAPTURE_INTERNAL_H
#define OBSERVE_CAPTURE_INTERNAL_H

#include "base/err.h"
#include "base/vec.h"
#include "orchestrator/observe/capture.h"
#include "orchestrator/observe/capture_ring.h"

#include <stdio.h>

struct iface {
	uint32_t ifindex;
	uint32_t id; /* in the file */
	uint64_t packets;
	char *name; /* within the node */
};

struct node {
	char *name;
	int ns_fd; /* owned */
	size_t ring_bytes;
	unsigned retire_ms;
	struct capture_ring ring;
	VEC(struct iface) ifaces; /* sorted by ifindex */
	uint64_t packets, dropped;
};

struct capture {
	VEC(struct node) nodes;
	uint32_t interfaces; /* described in the file so far */
	FILE *part;
	char *part_buffer; /* glibc does not allocate one of a given size */
	size_t pending; /* bytes written since the last flush, about */
	int64_t flushed_ns;
	int error; /* of the last write */
};

/*
 * What comes behind the last packet: statistics at the end of the file at part,
 * which is closed, the sorted file at path, and the counts beside it.
 */
int capture_finish(struct capture *c, const char *part, const char *path,
		   struct err *err);

/* All of them, side by side: capture_parallel.c. */
void capture_close_rings(struct capture *c);

#endif
