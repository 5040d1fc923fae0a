/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams on sockets: what a probe and the built-in server share. */
#ifndef OBSERVE_STREAM_IO_H
#define OBSERVE_STREAM_IO_H

#include "base/err.h"
#include "orchestrator/observe/bins.h"
#include "orchestrator/observe/stream.h"

#include <netinet/in.h>

/* ---- addresses and errors ----------------------------------------------- */

union tcp_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

socklen_t tcp_address_set(union tcp_address *a, const struct ip_addr *to,
			  uint16_t port); /* 0: the family is unknown */
/* How a connection ended, or did not begin: "reset", "refused", ... A constant
 * of at most 23 bytes without commas. */
const char *tcp_error_text(int code);
/* Small messages go at once, and little waits where nobody sees it. */
void tcp_socket_setup(int fd);

/* ---- sending ------------------------------------------------------------ */

/* Sends at most at the rate: what an outage kept back is not made up for. */
struct stream_pump {
	struct stream_sender sender;
	bool enough; /* to end as soon as the block on its way has gone */
	int64_t paced_ns; /* since when credit gathers; 0: not begun */
	uint64_t credit; /* bytes that may go */
};

/*
 * Writes what may go, not much at a time. Returns a negative errno; 0: there
 * is more once the socket takes it; or when there will be more to write
 * (CLOCK_MONOTONIC; INT64_MAX: all of it is written).
 */
int64_t stream_pump_run(struct stream_pump *p, int fd, int64_t now_ns);

/* ---- how one side's stream ended ---------------------------------------- */

struct stream_end {
	const char *end; /* "complete", "reset", ... */
	int64_t begun_ns, connected_ns, ended_ns; /* INT64_MIN: not */
	uint16_t local_port;
	uint64_t bytes; /* sent or received by this side */
	const uint8_t *digest; /* of these; NULL: unknown */
	const uint8_t *peer_digest; /* what the other side said; NULL: not */
	uint64_t first_wrong; /* STREAM_NONE */
};

/* The content of a stream's JSON file. 0, or -errno. */
int stream_end_write(FILE *f, const struct stream_end *e);

#endif
