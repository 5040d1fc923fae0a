/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection is read only while nothing waits to be written to it: so a
 * client that sends commands and never reads the answers fills its own socket,
 * not our memory.
 */
#include "node/control/client.h"
#include "node/control/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWERS_MAX (64u << 10) /* bytes that are written together */

struct client *client_new(int fd)
{
	struct client *c = malloc(sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	/* The buffer is left alone: its pages are to cost nothing yet. */
	c->fd = fd;
	c->subscribed = c->closing = false;
	c->out = NULL;
	c->out_start = c->out_len = c->out_size = 0;
	c->in_len = 0;
	return c;
}

struct client *client_free(struct client *c)
{
	if (c) {
		close(c->fd);
		free(c->out);
		free(c);
	}
	return NULL;
}

bool client_put(struct client *c, const char *line)
{
	size_t len = strlen(line) + 1;

	if (c->out_start && c->out_start + c->out_len + len > c->out_size) {
		memmove(c->out, c->out + c->out_start, c->out_len);
		c->out_start = 0;
	}
	if (c->out_start + c->out_len + len > c->out_size) {
		size_t size = c->out_size ? c->out_size * 2 : 4096;
		char *out;

		while (size < c->out_len + len)
			size *= 2;
		out = realloc(c->out, size);
		if (!out)
			return false;
		c->out = out;
		c->out_size = size;
	}
	memcpy(c->out + c->out_start + c->out_len, line, len - 1);
	c->out[c->out_start + c->out_len + len - 1] = '\n';
	c->out_len += len;
	return true;
}

void client_put_event(struct client *c, const char *line)
{
	if (c->closing)
		return;
	if (c->out_len + strlen(line) < CLIENT_BACKLOG_MAX &&
	    client_put(c, line))
		return;
	c->subscribed = false;
	c->closing = true;
	client_put(c, "{\"event\":\"control.dropped\",\"reason\":"
		      "\"events were not read fast enough\"}");
}

bool client_write(struct client *c)
{
	while (c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_start, c->out_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		c->out_start += (size_t)n;
		c->out_len -= (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_start = c->out_size = 0;
	return !c->closing;
}

static bool answer(struct client *c, char *line)
{
	bool done = line && client_put(c, line);

	free(line);
	return done && client_write(c);
}

/* The length of the first whole line from there on, with its newline; 0: there
 * is none. */
static size_t line_len(const struct client *c, size_t from)
{
	const char *end = memchr(c->in + from, '\n', c->in_len - from);

	return end ? (size_t)(end - (c->in + from)) + 1 : 0;
}

/* Those that are there; false: no memory. Their answers are written together:
 * whoever sends a thousand at once has no use for a thousand wake-ups. */
static bool execute_some(struct client *c, const struct control_ops *ops)
{
	size_t at = 0, len;
	bool done = true;

	while (done && c->out_len < ANSWERS_MAX &&
	       (len = line_len(c, at)) != 0) {
		bool subscribe;
		char *line =
			control_execute(ops, c->in + at, len - 1, &subscribe);

		c->subscribed = c->subscribed || subscribe;
		at += len;
		done = line && client_put(c, line);
		free(line);
	}
	c->in_len -= at;
	memmove(c->in, c->in + at, c->in_len);
	return done;
}

_Static_assert(CONTROL_LINE_MAX == 65536, "as the message below says");

static bool execute_lines(struct client *c, const struct control_ops *ops)
{
	while (!client_is_writing(c) && line_len(c, 0))
		if (!execute_some(c, ops) || !client_write(c))
			return false;
	if (c->in_len == sizeof(c->in) && !line_len(c, 0)) {
		c->closing = true;
		return answer(c, control_refuse(EMSGSIZE,
						"a command is at most 65535 "
						"bytes long; closing"));
	}
	return true;
}

bool client_read(struct client *c, const struct control_ops *ops)
{
	size_t room = sizeof(c->in) - c->in_len;
	ssize_t n;

	if (c->closing)
		return client_is_writing(c);
	if (room) {
		n = recv(c->fd, c->in + c->in_len, room, MSG_DONTWAIT);
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n > 0)
			c->in_len += (size_t)n;
	}
	return execute_lines(c, ops);
}
