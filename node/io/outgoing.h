/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A batch of messages for sendmmsg(): the pieces of one packet, which share
 * destination, control messages and SAL header. Of this layer only.
 */
#ifndef IO_OUTGOING_H
#define IO_OUTGOING_H

#include "node/io/segment.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define OUTGOING_MAX 32u

struct outgoing {
	unsigned n;
	const struct sal_outer *packet; /* borrowed */
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} name;
	socklen_t name_len;
	_Alignas(struct cmsghdr) uint8_t control[128];
	size_t control_len;
	struct segment pieces[OUTGOING_MAX];
	struct iovec iov[OUTGOING_MAX][3];
	struct mmsghdr msgs[OUTGOING_MAX];
};

/* Empty, for pieces of this packet. What no piece has used is not touched. */
void outgoing_init(struct outgoing *o, const struct sal_outer *packet);
/* Where the next piece is to be put. Not when it is full. */
struct segment *outgoing_slot(struct outgoing *o);
/* Makes a message of the piece in the slot. */
void outgoing_push(struct outgoing *o);

#endif
