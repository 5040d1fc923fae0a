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

/* What a sald that died has left is taken away first. warn: see below. */
int source_routes_open(struct source_routes **out,
		       void (*warn)(const struct err *warning),
		       struct err *err);
/* Takes all of it away; returns NULL. */
struct source_routes *source_routes_free(struct source_routes *s);
/*
 * As the host is now, as far as it can be: after an error (out of memory, an
 * interface that goes meanwhile) it is to be called again. A route that the
 * kernel does not let be copied is no error: it is left out, with a warning
 * that names it, once for as long as it is so.
 */
int source_routes_set(struct source_routes *s,
		      const struct monitor_state *state, struct err *err);

#endif
