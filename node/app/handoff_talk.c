/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What serval-handoff-echo says to its clients, and how that is taken along.
 *
 * The state of a conversation is small and lies in one place, so that it can be
 * written down between any two turns of the loop: how far the stream is, the
 * hash up to there, and what was still to be written. What the kernel has in
 * its queues goes with the connection (node/io/tcp_repair.h).
 */
#include "node/app/handoff_server.h"

#include "base/clock.h"
#include "stream/mark.h"
#include "stream/socket.h"
#include "stream/pump.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO_START "SRVLSTRM"
#define HELLO_START_LEN 8

struct connection *connection_add(struct server *s, int fd)
{
	struct connection *c;
	size_t i = 0;

	while (i < CONNECTIONS_MAX && s->connections[i])
		i++;
	c = i < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return NULL;
	c->fd = fd;
	c->wake_ns = INT64_MAX;
	crypto_hash_sha256_init(&c->hash);
	tcp_socket_setup(fd);
	s->connections[i] = c;
	return c;
}

static void print_hash(const struct connection *c)
{
	crypto_hash_sha256_state hash = c->hash;
	uint8_t digest[crypto_hash_sha256_BYTES];

	crypto_hash_sha256_final(&hash, digest);
	printf("echoed %" PRIu64 " bytes, sha256 ", c->echoed);
	for (size_t i = 0; i < sizeof(digest); i++)
		printf("%02x", digest[i]);
	putchar('\n');
}

void connection_end(struct server *s, size_t place, const char *why)
{
	struct connection *c = s->connections[place];

	if (c->fd >= 0 && c->talk == TALK_ECHO)
		print_hash(c);
	printf("connection over: %s\n", why);
	if (c->fd >= 0)
		close(c->fd);
	stream_sender_free(&c->pump.sender);
	free(c->queues);
	free(c);
	s->connections[place] = NULL;
}

short connection_wants(const struct connection *c)
{
	short events = 0;

	if (c->rest < c->rest_end)
		return POLLOUT;
	/* A download's client says nothing but "enough". */
	if (!c->closing && c->have < BUFFER)
		events |= POLLIN;
	if (c->talk == TALK_ECHO && c->have)
		events |= POLLOUT;
	if (c->talk == TALK_DOWNLOAD && c->wake_ns == INT64_MAX)
		events |= POLLOUT;
	return events;
}

/* ---- the three ways to talk ---------------------------------------------- */

static const char *echo(struct connection *c)
{
	ssize_t n = c->have ? send(c->fd, c->buffer, c->have,
				   MSG_DONTWAIT | MSG_NOSIGNAL) :
			      0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ?
			       NULL :
			       tcp_error_text(errno);
	crypto_hash_sha256_update(&c->hash, c->buffer, (size_t)n);
	c->echoed += (size_t)n;
	c->have -= (size_t)n;
	memmove(c->buffer, c->buffer + n, c->have);
	return c->closing && !c->have ? "complete" : NULL;
}

static const char *download(struct connection *c)
{
	int64_t r;

	c->pump.enough |= c->have > 0;
	c->have = 0;
	r = stream_pump_run(&c->pump, c->fd, clock_mono_ns());
	if (r < 0)
		return tcp_error_text((int)-r);
	c->wake_ns = r > 0 ? r : INT64_MAX;
	return r == INT64_MAX ? "complete" : NULL;
}

static const char *upload(struct connection *c)
{
	struct stream_header h = { .bytes = STREAM_HASH, .flags = STREAM_LAST };
	uint8_t last[STREAM_HEADER + STREAM_HASH];
	int r = stream_receiver_feed(&c->receiver, c->buffer, c->have);

	c->have = 0;
	if (r)
		return "no stream";
	if (!c->receiver.ended)
		return NULL;
	h.mark = (struct probe_mark){ c->receiver.hello.probe,
				      c->receiver.received };
	stream_header_put(last, &h);
	memcpy(last + STREAM_HEADER, c->receiver.digest, STREAM_HASH);
	return send(c->fd, last, sizeof(last), MSG_NOSIGNAL) < 0 ?
		       tcp_error_text(errno) :
		       "complete";
}

static const char *begin(struct connection *c)
{
	size_t n = c->have < HELLO_START_LEN ? c->have : HELLO_START_LEN;
	struct stream_hello h;

	if (memcmp(c->buffer, HELLO_START, n) != 0) {
		c->talk = TALK_ECHO;
		return NULL;
	}
	if (c->have < STREAM_HELLO)
		return NULL;
	if (!stream_hello_get(c->buffer, &h))
		return "no stream";
	c->have -= STREAM_HELLO;
	memmove(c->buffer, c->buffer + STREAM_HELLO, c->have);
	if (h.upload) {
		c->talk = TALK_UPLOAD;
		stream_receiver_init(&c->receiver, &h);
		return NULL;
	}
	c->talk = TALK_DOWNLOAD;
	return stream_sender_init(&c->pump.sender, &h) ? "ENOMEM" : NULL;
}

static const char *receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->buffer + c->have, BUFFER - c->have,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ?
			       NULL :
			       tcp_error_text(errno);
	if (!n && c->talk != TALK_ECHO)
		return "closed";
	c->closing |= !n;
	c->have += (size_t)n;
	return NULL;
}

/* What the old host's kernel had not sent. */
static const char *send_rest(struct connection *c)
{
	ssize_t n = send(c->fd, c->queues + c->rest, c->rest_end - c->rest,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ?
			       NULL :
			       tcp_error_text(errno);
	c->rest += (size_t)n;
	if (c->rest == c->rest_end) {
		free(c->queues);
		c->queues = NULL;
	}
	return NULL;
}

static const char *talk(struct connection *c, short events)
{
	const char *end = NULL;

	if (c->rest < c->rest_end) {
		end = send_rest(c);
		if (end || c->rest < c->rest_end)
			return end;
	}

	if (events & (POLLIN | POLLHUP | POLLERR) && c->have < BUFFER &&
	    !c->closing)
		end = receive(c);
	if (!end && c->talk == TALK_NEW && c->have)
		end = begin(c);
	if (end)
		return end;
	switch (c->talk) {
	case TALK_NEW:
		return NULL;
	case TALK_ECHO:
		return echo(c);
	case TALK_UPLOAD:
		return upload(c);
	case TALK_DOWNLOAD:
		break;
	}
	if (events & POLLOUT || c->wake_ns <= clock_mono_ns() || c->have)
		return download(c);
	return NULL;
}

void connection_turn(struct server *s, size_t place, short events)
{
	struct connection *c = s->connections[place];
	const char *end;

	if (!events && c->wake_ns > clock_mono_ns())
		return;
	end = talk(c, events);
	if (end)
		connection_end(s, place, end);
}

/* ---- taken along --------------------------------------------------------- */

#define SAVED_MAGIC 0x48455331u /* "HES1" */

/* As it lies in memory: its reader is the same program. What is still to be
 * written, or has come and was not looked at, is behind it. */
struct saved {
	uint32_t magic, size;
	enum talk talk;
	bool closing, enough, last;
	uint32_t rest;
	uint64_t echoed, offset, credit;
	struct stream_hello hello;
	uint8_t digest[STREAM_HASH];
	crypto_hash_sha256_state hash, sent;
	struct stream_receiver receiver;
};

uint8_t *connection_save(const struct connection *c, uint32_t *len)
{
	const struct stream_sender *sender = &c->pump.sender;
	bool sends = c->talk == TALK_DOWNLOAD;
	size_t rest = sends ? sender->len - sender->done : c->have;
	struct saved *s = calloc(1, sizeof(*s) + rest);

	if (!s)
		return NULL;
	s->magic = SAVED_MAGIC;
	s->size = sizeof(*s);
	s->talk = c->talk;
	s->closing = c->closing;
	s->rest = (uint32_t)rest;
	s->echoed = c->echoed;
	s->hash = c->hash;
	s->receiver = c->receiver;
	if (sends) {
		s->hello = sender->hello;
		s->offset = sender->offset;
		s->sent = sender->hash;
		s->last = sender->last;
		s->enough = c->pump.enough || c->have;
		s->credit = c->pump.credit;
		memcpy(s->digest, sender->digest, STREAM_HASH);
	}
	if (rest)
		memcpy(s + 1, sends ? sender->block + sender->done : c->buffer,
		       rest);
	*len = (uint32_t)(sizeof(*s) + rest);
	return (uint8_t *)s;
}

static bool load_sender(struct connection *c, const struct saved *s,
			const uint8_t *rest)
{
	struct stream_sender *sender = &c->pump.sender;

	if (s->rest > STREAM_HEADER + STREAM_CONTENT_MAX ||
	    stream_sender_init(sender, &s->hello))
		return false;
	sender->offset = s->offset;
	sender->hash = s->sent;
	sender->last = s->last;
	sender->len = s->rest;
	memcpy(sender->digest, s->digest, STREAM_HASH);
	memcpy(sender->block, rest, s->rest);
	c->pump.enough = s->enough;
	c->pump.credit = s->credit;
	return true;
}

bool connection_load(struct connection *c, const uint8_t *bytes, uint32_t len)
{
	struct saved s;

	if (len < sizeof(s))
		return false;
	memcpy(&s, bytes, sizeof(s));
	if (s.magic != SAVED_MAGIC || s.size != sizeof(s) ||
	    s.rest != len - sizeof(s) || s.talk > TALK_UPLOAD)
		return false;
	c->talk = s.talk;
	c->closing = s.closing;
	c->echoed = s.echoed;
	c->hash = s.hash;
	c->receiver = s.receiver;
	if (s.talk == TALK_DOWNLOAD)
		return load_sender(c, &s, bytes + sizeof(s));
	if (s.rest > BUFFER)
		return false;
	c->have = s.rest;
	memcpy(c->buffer, bytes + sizeof(s), s.rest);
	return true;
}
