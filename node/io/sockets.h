/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of the underlay's sockets. Of this layer only. */
#ifndef IO_SOCKETS_H
#define IO_SOCKETS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct socket_kind {
	int family;
	uint16_t port; /* of UDP; 0: protocol 144 */
	bool strangers; /* takes nothing in, and sends to them */
	/* Takes nothing in either, and sends from any address; UDP's header is
	 * the caller's. */
	bool foreign;
};

/* Non-blocking, with the options that underlay.c relies on. The descriptor; a
 * negative errno, with -EAFNOSUPPORT where the kernel lacks the family. */
int socket_open(const struct socket_kind *kind, struct err *err);

#endif
