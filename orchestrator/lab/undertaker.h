/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that outlives the lab, and then closes what the kernel would keep
 * of it for long, or would close slowly. See undertaker.c.
 */
#ifndef LAB_UNDERTAKER_H
#define LAB_UNDERTAKER_H

#include <stddef.h>
#include <stdint.h>
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

enum undertaker_what {
	UNDERTAKER_NODE, /* network namespace in which processes were started */
	UNDERTAKER_CAPTURE, /* packet socket */
	UNDERTAKER_TAP,
};
#define UNDERTAKER_ALL SIZE_MAX /* of that kind */

/* In any process of the lab: a copy of held (borrowed) is to be kept, in the
 * place of the one of that key; or (held -1) there is none any more, of the key
 * or of all. It keeps alive what it is a copy of until it is let go, a moment
 * after that was told. */
void undertaker_tell(int fd, enum undertaker_what what, size_t key, int held);

#endif
