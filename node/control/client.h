/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection: lines in, lines out, both bounded. Of this layer only.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "node/control/control.h"

/*
 * What may wait for a subscriber before it counts as too slow: some thousand
 * events. An answer may be longer: a client gets no second one before it has
 * read the first.
 */
#define CLIENT_BACKLOG_MAX (1u << 20)

struct client {
	int fd; /* owned; -1: this slot is free */
	bool subscribed;
	bool closing; /* once what waits is written */
	char *out; /* what waits, from out_start on */
	size_t out_start, out_len, out_size;
	size_t in_len;
	char in[CONTROL_LINE_MAX];
};

struct client *client_new(int fd); /* consumes fd in any case */
struct client *client_free(struct client *c); /* returns NULL */

/* Puts a line (without its newline) behind what waits. False: no memory. */
bool client_put(struct client *c, const char *line);
/* The same for an event: too much waiting ends the connection. */
void client_put_event(struct client *c, const char *line);

/* Writes what can be written. False: the connection is broken. */
bool client_write(struct client *c);
/*
 * Reads once, and executes the whole lines there are as long as each one's
 * answer can be written at once. False: the connection is at its end.
 */
bool client_read(struct client *c, const struct control_ops *ops);

static inline bool client_is_writing(const struct client *c)
{
	return c->out_len != 0;
}

#endif
