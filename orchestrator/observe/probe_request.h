/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests over connections (probe_request.c), and what they are made of. */
#ifndef OBSERVE_PROBE_REQUEST_H
#define OBSERVE_PROBE_REQUEST_H

#include "orchestrator/observe/http.h"
#include "orchestrator/observe/probe_loop.h"
#include "orchestrator/observe/stream_io.h"

struct request_answer { /* the one that is coming in on a connection */
	uint64_t seq; /* of the request that it should be for */
	bool begun; /* some of it is there */
	unsigned status; /* HTTP; 0 */
	uint64_t bytes; /* of its content */
	bool close; /* the other side closes the connection behind it */
	/* of tcp_request */
	uint8_t header[STREAM_HEADER];
	size_t have;
	uint32_t left;
	/* of http */
	struct http_response *http;
};

struct request_protocol {
	/* Writes a request, at most size bytes; returns how many. */
	size_t (*put)(const struct probe_config *c, uint64_t seq, uint8_t *out,
		      size_t size);
	void (*begin)(struct request_answer *a);
	/* Takes bytes of the answer. 1: it is whole; 0: more is to come;
	 * -EBADMSG. *used: how many belong to it. */
	int (*take)(const struct probe_config *c, struct request_answer *a,
		    const uint8_t *data, size_t n, size_t *used);
	/* The connection has ended: is the answer whole? */
	bool (*end)(struct request_answer *a);
};

extern const struct request_protocol request_protocol_tcp,
	request_protocol_http;

#endif
