/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Active sockets: while a program of this host listens on a service's port, the
 * host is an instance of the service.
 */
#ifndef APP_ACTIVE_H
#define APP_ACTIVE_H

#include "base/err.h"
#include "node/control/control.h"

struct active;
struct node;

struct active *active_new(struct node *n); /* borrowed. NULL: out of memory */
struct active *active_free(struct active *a); /* returns NULL */

/*
 * From here on it is watched who listens on a service's port, in place of what
 * was watched for the service before (port 0: nothing any more, and the host is
 * an instance no longer by that). Looks at once. 0 or a negative errno.
 */
int active_listen(struct active *a, const struct control_listen *l,
		  struct err *err);

/* Readable when it is to look, once active_listen() was called; -1: never. */
int active_fd(const struct active *a);
/* Sockets have gone: looks again, if they could be of one that is watched. */
void active_ready(struct active *a);
/* When it is to look without any reason; INT64_MAX: never. */
int64_t active_next_ns(const struct active *a);
void active_tick(struct active *a);
/* A SYN has come for a service that is not here. True: now it is. */
bool active_unserved(struct active *a, const struct service_id *id);

#endif
