/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages on Unix sockets that bring a descriptor along (unix(7), SCM_RIGHTS).
 */
#ifndef BASE_FD_PASS_H
#define BASE_FD_PASS_H

#include <stddef.h>
#include <sys/types.h>

/* Sends data, and fd with it (which stays the caller's); -1: none goes along.
 * flags: as of sendmsg(); nobody at the other end is EPIPE and no signal.
 * Returns as sendmsg(). */
ssize_t fd_pass_send(int socket, const void *data, size_t len, int fd,
		     int flags);

/* Receives at most len bytes, and in *fd what came with them, close-on-exec and
 * the caller's from then on; -1: nothing did. Returns as recvmsg(). */
ssize_t fd_pass_receive(int socket, void *data, size_t len, int *fd, int flags);

#endif
