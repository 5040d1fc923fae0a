/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What requests and answers look like: our own (stream.h), and HTTP's. */
#include "orchestrator/observe/probe_request.h"

#include <errno.h>
#include <string.h>

/* ---- tcp_request ----------------------------------------------------------
 */

static size_t tcp_put(const struct probe_config *c, uint64_t seq, uint8_t *out,
		      size_t size)
{
	const struct stream_header h = {
		.mark = { c->index, seq },
		.bytes = c->request.request,
		.flags = c->request.response,
	};

	if (size < h.bytes)
		return 0;
	stream_header_put(out, &h);
	memset(out + STREAM_HEADER, 0, h.bytes - STREAM_HEADER);
	return h.bytes;
}

static void tcp_begin(struct request_answer *a)
{
	a->have = 0;
	a->left = 0;
}

static int tcp_take(const struct probe_config *c, struct request_answer *a,
		    const uint8_t *data, size_t n, size_t *used)
{
	size_t part;

	*used = 0;
	if (a->have < STREAM_HEADER) {
		struct stream_header h;

		part = STREAM_HEADER - a->have;
		part = part < n ? part : n;
		memcpy(a->header + a->have, data, part);
		a->have += part;
		*used = part;
		if (a->have < STREAM_HEADER)
			return 0;
		if (!stream_header_get(a->header, &h) ||
		    h.mark.probe != c->index || h.mark.seq != a->seq ||
		    h.bytes != c->request.response || h.flags)
			return -EBADMSG;
		a->left = h.bytes - STREAM_HEADER;
	}
	part = n - *used < a->left ? n - *used : a->left;
	a->left -= (uint32_t)part;
	*used += part;
	a->bytes = c->request.response - a->left;
	return !a->left;
}

static bool tcp_end(struct request_answer *a)
{
	(void)a;
	return false;
}

const struct request_protocol request_protocol_tcp = {
	.put = tcp_put,
	.begin = tcp_begin,
	.take = tcp_take,
	.end = tcp_end,
};

/* ---- http ------------------------------------------------------------------
 */

static size_t http_put(const struct probe_config *c, uint64_t seq, uint8_t *out,
		       size_t size)
{
	int n = snprintf((char *)out, size,
			 "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: "
			 "servalab\r\nAccept: */*\r\n%s\r\n",
			 c->request.path, c->request.host,
			 c->request.keep ? "" : "Connection: close\r\n");

	(void)seq;
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

static void http_answer_begin(struct request_answer *a)
{
	http_begin(a->http);
}

static void http_tell(struct request_answer *a)
{
	a->status = a->http->status;
	a->bytes = a->http->body;
	a->close = a->http->close;
}

static int http_take(const struct probe_config *c, struct request_answer *a,
		     const uint8_t *data, size_t n, size_t *used)
{
	(void)c;
	*used = http_feed(a->http, data, n);
	http_tell(a);
	if (a->http->state == HTTP_BAD)
		return -EBADMSG;
	return a->http->state == HTTP_DONE;
}

static bool http_answer_end(struct request_answer *a)
{
	bool whole = http_end(a->http);

	http_tell(a);
	return whole;
}

const struct request_protocol request_protocol_http = {
	.put = http_put,
	.begin = http_answer_begin,
	.take = http_take,
	.end = http_answer_end,
};
