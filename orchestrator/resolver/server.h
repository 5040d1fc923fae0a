/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server: one process for all nodes of a lab. It is given each node's
 * sockets, bound in that node's namespace (names.h), and answers what comes in
 * at them, over UDP and TCP.
 */
#ifndef RESOLVER_SERVER_H
#define RESOLVER_SERVER_H

#include "base/err.h"
#include "base/ip.h"

#include <stdint.h>

#define RESOLVER_RANGES_MAX 8

struct resolver_setup {
	uint64_t seed;
	struct ip_addr others; /* whom to ask for other names; family 0: they
				  are refused */
	struct ip_prefix
		ranges[RESOLVER_RANGES_MAX]; /* of services' addresses */
	size_t n_ranges;
};

/* Runs until control, a SOCK_SEQPACKET socket, is closed at its other end: 0.
 * Negative errno: it could not go on. */
int resolver_serve(int control, const struct resolver_setup *setup,
		   struct err *err);

#endif
