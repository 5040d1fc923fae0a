/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captures every interface of a set of network namespaces into one file.
 *
 * One AF_PACKET ring a namespace, not a socket an interface: interfaces that
 * come later are caught as well, and the kernel's order within a namespace is
 * kept. Across namespaces the order in which rings are read says nothing, so
 * the packets go into PATH.part as they are read (valid pcapng, and all there
 * is should the lab be killed), and are sorted by the kernel's time stamp into
 * PATH when the capture ends.
 *
 * It runs in a process of its own, so that neither it nor the timeline waits
 * for the other: capture_add() in the parent, for each node; then, in a child,
 * capture_open(), which takes a while, capture_start(), and capture_main().
 */
#ifndef OBSERVE_CAPTURE_H
#define OBSERVE_CAPTURE_H

#include "base/err.h"

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

struct capture;

/* An interface known beforehand; others get the name the kernel tells. */
struct capture_iface {
	uint32_t ifindex;
	const char *name; /* within its node; copied */
};

struct capture *capture_new(void); /* NULL: out of memory */
struct capture *capture_free(struct capture *c); /* returns NULL */

/*
 * Adds a node, whose network namespace ns_fd is (borrowed). The loopback
 * interface is left out. Interfaces are named "NODE:IFNAME" in the file.
 * ring_bytes: room for packets not yet read (rounded up to whole blocks of
 * CAPTURE_BLOCK_SIZE, at least CAPTURE_BLOCKS_MIN of them).
 */
#define CAPTURE_BLOCK_SIZE ((size_t)128 << 10)
#define CAPTURE_BLOCKS_MIN 2
int capture_add(struct capture *c, const char *node, int ns_fd,
		const struct capture_iface *ifaces, size_t n, size_t ring_bytes,
		struct err *err);

/*
 * Keeps the packets of the nodes added so far not in rings but in the sockets'
 * own queues, each of capture_queue_room() bytes of the kernel's memory: faster
 * to open and to close, and good for few packets only (capture_queue.c).
 */
void capture_use_queues(struct capture *c);
size_t capture_queue_room(void);

/*
 * Somebody outside of the process that captures, who keeps a copy of each of
 * its sockets and so spares it the kernel's wait when the last one is closed:
 * for when it is killed (capture_open.c). Set before capture_open(), which
 * calls from several threads.
 */
struct capture_holder {
	/* Keeps a copy of fd (borrowed), the socket of the node that was added
	 * as the node-th (from 0), instead of the one that it has of it. */
	void (*hold)(void *arg, size_t node, int fd);
	/* Has none any more. */
	void (*release)(void *arg);
	void *arg;
};
void capture_set_holder(struct capture *c, const struct capture_holder *holder);

/* Opens the sockets of all nodes added. Nothing is captured yet. */
int capture_open(struct capture *c, struct err *err);
/* From when this returns on, packets are kept in the rings. */
int capture_start(struct capture *c, struct err *err);

/*
 * Tells the capture that reads orders_fd's other end that a node has another
 * network namespace, ns_fd (borrowed), and with it a new ring in the place of
 * the old one. It writes 'n' to done_fd when it captures there.
 */
int capture_again(int orders_fd, const char *node, int ns_fd, struct err *err);

/*
 * Reads and writes until a message of a byte, or the end, arrives at orders_fd
 * (a SOCK_SEQPACKET socket, or a pipe where nothing else is said), then
 * takes what is still in the rings, closes them, and sorts. All traffic should
 * have ended by then: what the kernel captures after that may be in or not.
 * Writes a byte to done_fd (-1: nowhere) when the files are complete, which is
 * before the rings are closed where there is no holder: that takes the kernel a
 * while. Meant as all that a process does. 0 or a negative errno.
 *
 * Leaves PATH and, beside it, PATH.json:
 *
 *     {"packets":N,"dropped":N,"nodes":{"NODE":{"packets":N,"dropped":N},...}}
 *
 * packets: how many are in the file; dropped: how many more there were for
 * which the rings had no room, as the kernel counted them.
 *
 * PATH.comments, where there is such a file once capturing is stopped, has
 * lines "REALTIME_NS TEXT", in any order. Each text becomes a comment of the
 * first packet at or after that time (several, one a line, in the order of
 * their times). Texts behind the last packet, and lines that are not of the
 * form, are passed over. The file is removed once PATH has them.
 */
int capture_main(struct capture *c, const char *path, int orders_fd,
		 int done_fd, struct err *err);

#endif
