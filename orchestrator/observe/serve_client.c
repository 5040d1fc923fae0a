/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One connection of the built-in server. The first bytes say what it is: a
 * hello (a stream), or the header of a message (tcp_request).
 *
 * Messages are answered in their order. Where a client sends faster than it
 * reads, answers gather up to SERVE_OUT, and then nothing more is read from it.
 */
#include "orchestrator/observe/serve_internal.h"

#include "base/clock.h"
#include "stream/mark.h"
#include "stream/socket.h"
#include "stream/pump.h"
#include "orchestrator/observe/stream_end.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const char complete[] = "complete", closed[] = "closed",
		  no_stream[] = "no stream", memory[] = "ENOMEM";

int serve_client_init(struct client *c, int fd)
{
	*c = (struct client){ .fd = fd,
			      .watched = EPOLLIN,
			      .wake_ns = INT64_MAX };
	c->end.begun_ns = c->end.connected_ns = clock_mono_ns();
	c->end.first_wrong = STREAM_NONE;
	tcp_socket_setup(fd);
	c->in = malloc(SERVE_IN);
	return c->in ? 0 : -ENOMEM;
}

/* ---- messages ------------------------------------------------------------ */

static const char *answers_send(struct client *c)
{
	while (c->out_done < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_done,
				 c->out_len - c->out_done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ?
				       NULL :
				       tcp_error_text(errno);
		c->out_done += (size_t)n;
	}
	c->out_done = c->out_len = 0;
	return NULL;
}

static bool answer_fits(const struct client *c)
{
	return SERVE_OUT - c->out_len >= MESSAGE_MAX;
}

static void answer(struct client *c)
{
	const struct stream_header h = {
		.mark = c->message.mark,
		.bytes = c->message.flags,
	};
	uint8_t *out = c->out + c->out_len;

	stream_header_put(out, &h);
	memset(out + STREAM_HEADER, 0, h.bytes - STREAM_HEADER);
	c->out_len += h.bytes;
}

static bool message_take(struct client *c, const uint8_t *header)
{
	struct stream_header *h = &c->message;

	if (!stream_header_get(header, h) || h->bytes < STREAM_HEADER ||
	    h->bytes > MESSAGE_MAX || h->flags < STREAM_HEADER ||
	    h->flags > MESSAGE_MAX)
		return false;
	c->skip = h->bytes - STREAM_HEADER;
	return true;
}

static const char *messages_take(struct client *c)
{
	size_t at = 0;
	bool inside = c->skip > 0;

	while (answer_fits(c)) {
		size_t left = c->have - at;

		if (!inside) {
			if (left < STREAM_HEADER)
				break;
			if (!message_take(c, c->in + at))
				return no_stream;
			at += STREAM_HEADER;
			left -= STREAM_HEADER;
			inside = true;
		}
		if (left < c->skip) {
			c->skip -= (uint32_t)left;
			at += left;
			break;
		}
		at += c->skip;
		c->skip = 0;
		inside = false;
		answer(c);
	}
	c->have -= at;
	memmove(c->in, c->in + at, c->have);
	return answers_send(c);
}

/* ---- streams ------------------------------------------------------------- */

static FILE *create(const struct serve_config *config, uint32_t probe,
		    const char *suffix)
{
	char name[256];
	FILE *f;
	int fd;

	if (config->dir_fd < 0 || probe >= config->n_names ||
	    !config->names[probe])
		return NULL;
	snprintf(name, sizeof(name), "%s%s", config->names[probe], suffix);
	fd = openat(config->dir_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f && fd >= 0)
		close(fd);
	return f;
}

static const char *upload_begin(const struct serve_config *config,
				struct client *c, const struct stream_hello *h)
{
	c->state = CLIENT_UPLOAD;
	stream_receiver_init(&c->receiver, h);
	c->csv = create(config, h->probe, ".csv");
	if (c->csv) {
		/* Whoever kills us shall not take more than one bin away. */
		setvbuf(c->csv, NULL, _IOLBF, 0);
		fputs(BINS_CSV_HEADER, c->csv);
	}
	c->bins.f = c->csv;
	return NULL;
}

static const char *upload_take(struct client *c)
{
	struct stream_header h = { .bytes = STREAM_HASH, .flags = STREAM_LAST };
	uint64_t before = c->receiver.received;
	uint8_t last[STREAM_HEADER + STREAM_HASH];
	int r = stream_receiver_feed(&c->receiver, c->in, c->have);

	c->have = 0;
	bins_add(&c->bins, clock_mono_ns(), c->receiver.received - before);
	if (r)
		return no_stream;
	if (!c->receiver.ended)
		return NULL;
	h.mark = (struct probe_mark){ c->receiver.hello.probe,
				      c->receiver.received };
	stream_header_put(last, &h);
	memcpy(last + STREAM_HEADER, c->receiver.digest, STREAM_HASH);
	c->state = CLIENT_ANSWERED;
	/* Into an empty socket: it takes all of it. */
	return send(c->fd, last, sizeof(last), MSG_NOSIGNAL) < 0 ?
		       tcp_error_text(errno) :
		       NULL;
}

/* One byte says that it is enough. */
static void download_take(struct client *c)
{
	c->pump.enough |= c->have > 0;
	c->have = 0;
}

static const char *download_send(struct client *c)
{
	int64_t r = stream_pump_run(&c->pump, c->fd, clock_mono_ns());

	if (r < 0)
		return tcp_error_text((int)-r);
	c->wake_ns = r > 0 ? r : INT64_MAX;
	return r == INT64_MAX ? complete : NULL;
}

static const char *stream_begin(const struct serve_config *config,
				struct client *c)
{
	struct stream_hello h;

	if (!stream_hello_get(c->in, &h))
		return no_stream;
	c->have -= STREAM_HELLO;
	memmove(c->in, c->in + STREAM_HELLO, c->have);
	c->json = create(config, h.probe, ".peer.json");
	if (h.upload)
		return upload_begin(config, c, &h);
	c->state = CLIENT_DOWNLOAD;
	return stream_sender_init(&c->pump.sender, &h) ? memory : NULL;
}

/* ---- all of them --------------------------------------------------------- */

/* A stream's hello is longer than a message's header. */
static const char *find_out(const struct serve_config *config, struct client *c)
{
	struct probe_mark mark;

	if (c->have < PROBE_MARK_SIZE)
		return NULL;
	if (probe_mark_get(c->in, c->have, &mark)) {
		c->out = malloc(SERVE_OUT);
		c->state = CLIENT_MESSAGES;
		return c->out ? NULL : memory;
	}
	return c->have < STREAM_HELLO ? NULL : stream_begin(config, c);
}

static const char *take(const struct serve_config *config, struct client *c)
{
	const char *end = NULL;

	if (c->state == CLIENT_NEW)
		end = find_out(config, c);
	if (end)
		return end;
	switch (c->state) {
	case CLIENT_NEW:
		return NULL;
	case CLIENT_MESSAGES:
		return messages_take(c);
	case CLIENT_DOWNLOAD:
		download_take(c);
		return NULL;
	case CLIENT_UPLOAD:
		return c->have ? upload_take(c) : NULL;
	case CLIENT_ANSWERED:
		return no_stream;
	}
	return NULL;
}

const char *serve_client_ready(const struct serve_config *config,
			       struct client *c, uint32_t events)
{
	const char *end = NULL;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && c->have < SERVE_IN) {
		ssize_t n = recv(c->fd, c->in + c->have, SERVE_IN - c->have,
				 MSG_DONTWAIT);

		if (n == 0)
			return c->state == CLIENT_ANSWERED ? complete : closed;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return tcp_error_text(errno);
		if (n > 0) {
			c->have += (size_t)n;
			end = take(config, c);
		}
	}
	if (!end && c->state == CLIENT_MESSAGES) {
		end = answers_send(c);
		/* There is room again for what was read already. */
		if (!end && !c->out_len && c->have)
			end = messages_take(c);
	}
	if (!end && c->state == CLIENT_DOWNLOAD &&
	    (c->wake_ns == INT64_MAX || c->wake_ns <= clock_mono_ns() ||
	     c->pump.enough))
		end = download_send(c);
	return end;
}

uint32_t serve_client_wants(struct client *c)
{
	uint32_t events = 0;

	if (c->state != CLIENT_MESSAGES ||
	    (answer_fits(c) && c->have < SERVE_IN))
		events |= EPOLLIN;
	if (c->out_done < c->out_len)
		events |= EPOLLOUT;
	if (c->state == CLIENT_DOWNLOAD && c->wake_ns == INT64_MAX)
		events |= EPOLLOUT;
	return events;
}

static void write_end(struct client *c, const char *end)
{
	c->end.end = end;
	c->end.ended_ns = clock_mono_ns();
	if (c->state == CLIENT_DOWNLOAD) {
		c->end.bytes = c->pump.sender.offset;
		if (c->pump.sender.last && c->pump.sender.hello.verify)
			c->end.digest = c->pump.sender.digest;
	} else {
		stream_receiver_digest(&c->receiver);
		c->end.bytes = c->receiver.received;
		c->end.first_wrong = c->receiver.first_wrong;
		if (c->receiver.hello.verify) {
			c->end.digest = c->receiver.digest;
			if (c->receiver.ended)
				c->end.peer_digest = c->receiver.claimed;
		}
	}
	stream_end_write(c->json, &c->end);
}

void serve_client_free(struct client *c, const char *end)
{
	bins_flush(&c->bins);
	if (c->json) {
		write_end(c, end);
		fclose(c->json);
	}
	if (c->csv)
		fclose(c->csv);
	stream_sender_free(&c->pump.sender);
	free(c->in);
	free(c->out);
	close(c->fd);
	c->fd = -1;
}
