/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests to rtnetlink, one at a time, over libmnl. Of this layer only. */
#ifndef IO_RTNL_H
#define IO_RTNL_H

#include "base/err.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#define RTNL_MESSAGE_BYTES 512 /* ours are shorter */
#define RTNL_BUFFER_BYTES 16384

/* A socket of the calling thread's network namespace; groups: RTMGRP_*. */
int rtnl_open(struct mnl_socket **out, unsigned groups, struct err *err);
void rtnl_closep(struct mnl_socket **nl);

/* Begins a request with a zeroed body of the given size, which it returns. */
void *rtnl_request(uint8_t buf[RTNL_MESSAGE_BYTES], uint16_t type,
		   uint16_t flags, size_t body, struct nlmsghdr **out);

/*
 * Sends the request and waits for its ack. tolerated: an errno that counts as
 * success (0: none). what: what failed then ("cannot raise sal0").
 */
int rtnl_talk(struct mnl_socket *nl, struct nlmsghdr *request, int tolerated,
	      struct err *err, const char *what, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * Asks for all objects of a kind (type: RTM_GET*) and calls object for each;
 * -EINTR: they changed meanwhile, ask again.
 */
int rtnl_dump(struct mnl_socket *nl, uint16_t type,
	      int (*object)(const struct nlmsghdr *nlh, void *arg), void *arg,
	      struct err *err);

#endif
