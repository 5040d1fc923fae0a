/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that closes what a lab's connections have left in its nodes'
 * network namespaces, when all processes of the lab are gone. See undertaker.c.
 */
#ifndef LAB_UNDERTAKER_H
#define LAB_UNDERTAKER_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Forks it: a child of the calling process, in a session of its own and without
 * any descriptor but those that it gets. fd: one end of a SOCK_SEQPACKET pair,
 * of which the lab's init has the other (borrowed). 0: it could not be started,
 * and the kernel will take its time.
 */
pid_t undertaker_start(int fd);

/* In init, once: who it is. fd -1: there is no undertaker. */
void undertaker_introduce(int fd);

/* In init: a node has processes by now, in the namespace ns_fd (borrowed); or
 * (-1) it has that namespace no longer. */
void undertaker_tell(int fd, size_t node, int ns_fd);

#endif
