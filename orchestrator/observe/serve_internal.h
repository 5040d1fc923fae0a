/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OBSERVE_SERVE_INTERNAL_H
#define OBSERVE_SERVE_INTERNAL_H

#include "orchestrator/observe/serve.h"
#include "orchestrator/observe/bins.h"
#include "stream/pump.h"
#include "orchestrator/observe/stream_end.h"

#define SERVE_IN (STREAM_HELLO + MESSAGE_MAX)
#define SERVE_OUT (4 * MESSAGE_MAX) /* answers that wait */

enum client_state {
	CLIENT_NEW, /* nothing is known of it */
	CLIENT_MESSAGES, /* tcp_request */
	CLIENT_DOWNLOAD,
	CLIENT_UPLOAD,
	CLIENT_ANSWERED, /* an upload is over, and it was told */
};

struct client {
	int fd;
	enum client_state state;
	uint32_t watched;
	int64_t wake_ns; /* INT64_MAX: for events only */
	uint8_t *in; /* SERVE_IN; have bytes are there */
	size_t have;
	/* messages */
	uint8_t *out; /* SERVE_OUT: [out_done, out_len) is to go */
	size_t out_done, out_len;
	uint32_t skip; /* filling of a message that is still to come */
	struct stream_header message; /* the one that skip is of */
	/* streams */
	struct stream_pump pump;
	struct stream_receiver receiver;
	struct stream_end end;
	struct bins_writer bins;
	FILE *csv, *json;
};

/* serve_client.c. New: 0 or -ENOMEM; to be freed either way. */
int serve_client_init(struct client *c, int fd);
/* How it ended, or NULL: it goes on. */
const char *serve_client_ready(const struct serve_config *config,
			       struct client *c, uint32_t events);
/* What it waits for: epoll events. Sets wake_ns. */
uint32_t serve_client_wants(struct client *c);
void serve_client_free(struct client *c, const char *end);

#endif
