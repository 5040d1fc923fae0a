/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets leave by the interface that has their source address: for each
 * address of the underlay a rule that leads to a table of its interface's
 * routes.
 */
#ifndef IO_SOURCE_ROUTES_H
#define IO_SOURCE_ROUTES_H

#include "node/io/monitor.h"

struct source_routes;

/* What a sald that died has left is taken away first. */
int source_routes_open(struct source_routes **out, struct err *err);
/* Takes all of it away; returns NULL. */
struct source_routes *source_routes_free(struct source_routes *s);
/* As the host is now. After an error it is to be called again. */
int source_routes_set(struct source_routes *s,
		      const struct monitor_state *state, struct err *err);

#endif
