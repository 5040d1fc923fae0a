/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of serval-handoff-echo(1). */
#ifndef APP_HANDOFF_SERVER_H
#define APP_HANDOFF_SERVER_H

#include "node/io/tcp_repair.h"
#include "stream/pump.h"

#define CONNECTIONS_MAX 64
#define BUFFER 65536u

enum talk {
	TALK_NEW, /* not yet known */
	TALK_ECHO,
	TALK_DOWNLOAD, /* of a tcp_stream probe */
	TALK_UPLOAD,
};

struct connection {
	int fd;
	enum talk talk;
	int64_t wake_ns; /* of a download that is paced; INT64_MAX */
	struct stream_pump pump;
	struct stream_receiver receiver;
	/* Echo: what came, and is still to go; else what has come. */
	uint8_t buffer[BUFFER];
	size_t have;
	uint64_t echoed;
	crypto_hash_sha256_state hash; /* of what was echoed */
	bool closing; /* the client has sent all */

	/* A handoff is under way: its number, and what was dumped. */
	bool still;
	bool fresh; /* it came here, and has not begun */
	unsigned number;
	struct tcp_state state;
	uint8_t *queues;
	/* After one: what is to be written before all else, within queues. */
	size_t rest, rest_end;
};

struct server {
	struct connection *connections[CONNECTIONS_MAX];
	int orders; /* from who directs handoffs; -1 */
};

/* ---- handoff_talk.c ------------------------------------------------------ */

/* Takes fd over. NULL: there is no room; fd is left. */
struct connection *connection_add(struct server *s, int fd);
/* Closes it, or leaves the descriptor (consumed elsewhere) where fd is -1. */
void connection_end(struct server *s, size_t place, const char *why);
short connection_wants(const struct connection *c);
void connection_turn(struct server *s, size_t place, short events);

/* What the program knows of a connection, in bytes that the same program
 * understands. To be freed; NULL: no memory. */
uint8_t *connection_save(const struct connection *c, uint32_t *len);
bool connection_load(struct connection *c, const uint8_t *bytes, uint32_t len);

/* ---- handoff_orders.c ---------------------------------------------------- */

/* The descriptor that SERVALAB_HANDOFF_FD names; -1: none. */
int handoff_orders_fd(void);
/* Takes one, and answers it. */
void handoff_order(struct server *s);

#endif
