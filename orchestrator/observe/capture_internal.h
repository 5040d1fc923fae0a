/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OBSERVE_CAPTURE_INTERNAL_H
#define OBSERVE_CAPTURE_INTERNAL_H

#include "base/err.h"
#include "base/vec.h"
#include "orchestrator/observe/capture.h"
#include "orchestrator/observe/capture_socket.h"

#include <stdbool.h>
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
	const struct capture_kind *kind;
	size_t ring_bytes;
	unsigned retire_ms;
	struct capture_socket socket;
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
	struct capture_holder holder;
};

/* Waits until the kernel stamps packets: at best, at once. */
int capture_await_stamps(struct err *err);

/* How many packets each ring had no room for. */
int capture_count_dropped(struct capture *c, struct err *err);
/*
 * What comes behind the last packet: statistics at the end of the file at part,
 * which is closed, the sorted file at path, and the counts beside it.
 */
int capture_finish(struct capture *c, const char *part, const char *path,
		   struct err *err);

/* capture_open.c. Gives the node's socket to the holder, in the place of the
 * one before, if there is a holder. */
void capture_hold(const struct capture *c, const struct node *n);
/* The holder's as well: without one, it takes its time. */
void capture_close_all(struct capture *c);
/* Everything that the node's ring has ready, into the file. */
int capture_read_node(struct capture *c, struct node *n);
/* node NULL: the descriptor that orders come from. */
int capture_watch(int epoll_fd, int fd, struct node *node, struct err *err);
/* capture_order.c. 1: it is to stop; 0: something else, which is done. */
int capture_take_order(struct capture *c, int epoll_fd, int orders_fd,
		       int done_fd);

#endif
