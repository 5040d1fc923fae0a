/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server: one process for all nodes of a lab. It is given each node's
 * sockets, bound in that node's namespace (names.h), and answers what comes in
 * at them, over UDP and TCP.
 */
#ifndef RESOLVER_SERVER_H
#define RESOLVER_SERVER_H

#include "base/err.h"

#include <stdint.h>

/* Runs until control, a SOCK_SEQPACKET socket, is closed at its other end: 0.
 * Negative errno: it could not go on. */
int resolver_serve(int control, uint64_t seed, struct err *err);

#endif
