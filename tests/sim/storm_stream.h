/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's stream in a storm, to whichever instance takes it. Each instance
 * that has had its SYN has a program's end of its own, as it has where a
 * service router chose another one for a SYN that came again: the client goes
 * on with the first that answers, and the others are left.
 */
#ifndef TESTS_SIM_STORM_STREAM_H
#define TESTS_SIM_STORM_STREAM_H

#include "tests/support/sal_world.h"

struct storm_stream;

struct storm_stream *storm_stream_new(void);
/* When the world does not run any more. NULL: nothing. */
void storm_stream_free(struct storm_stream *s);
/* All of these set the program of h; the caller has it back by setting it. */
void storm_stream_start(struct storm_stream *s, struct host *h, const char *to,
			uint16_t port);
void storm_stream_client_takes(struct storm_stream *s, struct host *h,
			       const struct sal_inner *p);
void storm_stream_server_takes(struct storm_stream *s, struct host *h,
			       const struct sal_inner *p);
bool storm_stream_is_over(const struct storm_stream *s);
/* All bytes and the end, both ways. The ACK of the last FIN may be lost for
 * good: a host that moves when all is over does not tell. */
bool storm_stream_is_whole(const struct storm_stream *s);
/* Where an end has lost its state (kept says no), or none could be opened at
 * all, the stream may fail; never may it be wrong. k: the client, by number. */
void storm_stream_check(const struct storm_stream *s, struct world *w,
			unsigned k, bool (*kept)(struct host *h));

#endif
