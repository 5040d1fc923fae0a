/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests over connections (probe_request.c), and what they are made of. */
#ifndef OBSERVE_PROBE_REQUEST_H
#define OBSERVE_PROBE_REQUEST_H

#include "orchestrator/observe/http.h"
#include "orchestrator/observe/probe_loop.h"
#include "orchestrator/observe/probe_name.h"
#include "stream/socket.h"
#include "stream/stream.h"

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

#define REQUEST_WINDOW 65536u /* requests under way or waiting, at most */
#define REQUEST_OUT_MAX (128u * 1024) /* written, and not yet sent */
#define REQUEST_READ_MAX 65536

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN };

struct conn {
	enum conn_state state;
	int fd;
	uint32_t watched;
	uint64_t number; /* from 1, of all that were tried */
	uint16_t local_port; /* 0: not yet known */
	uint64_t head, tail; /* requests under way */
	uint8_t *out; /* REQUEST_OUT_MAX: [out_done, out_len) is to go */
	size_t out_done, out_len;
	struct request_answer answer;
	uint32_t out_of_order; /* packets that came so, by TCP_INFO */
};

struct requests {
	const struct pauses *pauses;
	const struct request_protocol *protocol;
	struct probe_name name;
	uint16_t port;
	union tcp_address to;
	socklen_t to_len;
	struct conn *conns;
	size_t n_conns;
	bool pipelined;
	uint64_t count; /* in all; UINT64_MAX: as many as come in the time */
	uint64_t begun, given; /* see above */
	int64_t *begin_ns; /* REQUEST_WINDOW, by number; by the
			      run's clock, as all plans are */
	uint64_t connections;
	bool over; /* no more are begun */
	int64_t rest_ns; /* without an interval: none is begun before */
	FILE *csv;
	char *csv_buffer;
	uint8_t *buffer; /* REQUEST_READ_MAX */
};

/* ---- probe_connection.c -------------------------------------------------- */

static inline int64_t *request_begin_of(struct requests *q, uint64_t seq)
{
	return &q->begin_ns[seq % REQUEST_WINDOW];
}

/* The line of one whose end is known. received_ns INT64_MIN: there is no whole
 * answer. c, a: NULL, it had none. */
void request_write_row(struct requests *q, uint64_t seq, int64_t received_ns,
		       const char *error, const struct conn *c,
		       const struct request_answer *a);

void conn_open(struct requests *q, struct conn *c);
/* Fails what is under way on it. */
void conn_close(struct requests *q, struct conn *c, const char *why);
/* Sends what the socket takes. */
void conn_send(struct requests *q, struct conn *c);
/* Has the loop wait for what it waits for. */
void conn_watch(struct probe_task *t, struct conn *c);
/* Something happened to it. */
void conn_ready(struct probe_task *t, struct conn *c, uint32_t events);
/* The answer to its first request comes next. */
void conn_answer_begin(struct requests *q, struct conn *c);

#endif
