/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the server: what it waits for. */
#ifndef RESOLVER_INTERNAL_H
#define RESOLVER_INTERNAL_H

#include "base/clock.h"
#include "base/ip.h"
#include "orchestrator/names/zone.h"
#include "orchestrator/resolver/answer.h"

#include <sys/socket.h>

#define BURST 64 /* messages of one socket at a time */
#define IDLE_NS (10 * NSEC_PER_SEC)
/* A query has one name of at most 255 bytes, and few options. */
#define QUERY_MAX 4096
#define OTHERS_MAX 1024 /* questions that are passed on, over all nodes */

enum port_kind {
	PORT_CONTROL,
	PORT_UDP,
	PORT_LISTENER,
	PORT_CONNECTION,
	PORT_ASKER,
};

/* A question that was passed on, and who waits for the answer. */
struct asked {
	struct port *connection; /* NULL: a program, over UDP */
	int fd; /* UDP: by which it is answered */
	struct sockaddr_storage from;
	socklen_t from_len;
	size_t limit; /* of the answer; UDP */
	uint8_t id[2]; /* the program's own */
	int64_t again_ns, until_ns;
	size_t question_end, n;
	uint8_t query[QUERY_MAX]; /* as it was sent */
};

struct port {
	struct port *next, *previous;
	enum port_kind kind;
	uint64_t node;
	int fd;
	struct port *askers; /* the node's first, or behind an ASKER the next */
	struct asked *asked; /* ASKER: NULL: it is free */
	struct port *asker; /* CONNECTION: it waits for this one's answer */
	int64_t until_ns; /* CONNECTION: when it has been idle for too long */
	size_t have; /* of in */
	size_t out_len, out_done;
	uint8_t *out; /* 2 + RESOLVER_MESSAGE_MAX */
	uint8_t in[2 + QUERY_MAX];
};

struct server {
	int epoll;
	struct zone *zone;
	struct port ports; /* the ends of the list */
	size_t connections;
	struct ip_addr others; /* family 0: there is nobody to ask */
	struct port *busy[OTHERS_MAX]; /* ASKERs, in no order */
	size_t n_busy;
	uint8_t answer[RESOLVER_MESSAGE_MAX];
	void *message; /* NAMES_MESSAGE_MAX */
	bool over;
};

/* ---- passing.c ------------------------------------------------------------
 */

/*
 * What answers, at once, a query that came to p, for a name that is none of
 * ours: its length, or 0: it has been passed on. connection: p, or NULL: it
 * came over UDP, from there. refused: the length of the answer that is in out.
 */
size_t passing_settle(struct server *s, const struct port *p,
		      struct port *connection, const uint8_t *query, size_t n,
		      const struct sockaddr_storage *from, socklen_t from_len,
		      uint8_t *out, size_t refused);
/* What came to a port that asks. */
void passing_take(struct server *s, struct port *asker);
/* Returns when the next one is to be asked again, or given up. */
int64_t passing_again(struct server *s, int64_t now_ns);
/* Nobody waits for its answer any more. */
void passing_end(struct server *s, struct port *asker);

#endif
