/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an HTTP/1.1 response to a GET ends, and what its status is (RFC 9112).
 * Pure, and fed piece by piece: a response may come in any pieces, and from
 * anybody. Bodies are counted and passed over.
 */
#ifndef OBSERVE_HTTP_H
#define OBSERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_LINE_MAX 8192u /* longer ones are no HTTP */
#define HTTP_HEAD_MAX 65536u /* likewise */

enum http_state {
	HTTP_STATUS_LINE,
	HTTP_FIELDS,
	HTTP_BODY, /* left bytes are to come */
	HTTP_BODY_TO_END, /* of the connection */
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK, /* left bytes */
	HTTP_CHUNK_END, /* the empty line behind it */
	HTTP_TRAILERS,
	HTTP_DONE,
	HTTP_BAD, /* this is no response */
};

struct http_response {
	enum http_state state;
	unsigned status; /* 100 to 999, once the fields are read */
	uint64_t body; /* bytes of it so far */
	bool close; /* the server closes the connection behind it */
	/* inside */
	bool chunked, has_length, interim;
	uint64_t left;
	size_t head; /* bytes of lines so far */
	size_t n; /* of line */
	char line[HTTP_LINE_MAX];
};

void http_begin(struct http_response *r);
/* How many bytes belong to this response: fewer than n only where it is done
 * or bad. */
size_t http_feed(struct http_response *r, const uint8_t *data, size_t n);
/* The connection has ended: is the response whole? */
bool http_end(struct http_response *r);

#endif
