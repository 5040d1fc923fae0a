/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Responses, whole and in any two pieces: where they end, and what they are. */
#include "orchestrator/observe/http.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <string.h>

#define OK "HTTP/1.1 200 OK\r\n"

struct expected {
	const char *text;
	enum http_state state; /* once all is fed */
	unsigned status;
	uint64_t body;
	bool close;
	size_t behind; /* bytes of text that are none of its */
};

static const struct expected cases[] = {
	{ OK "Content-Length: 5\r\n\r\nhello", HTTP_DONE, 200, 5, false, 0 },
	{ OK "content-length:5 \r\n\r\nhelloHTTP/1.1", HTTP_DONE, 200, 5, false,
	  8 },
	{ OK "Content-Length: 0\r\n\r\n", HTTP_DONE, 200, 0, false, 0 },
	{ OK "Content-Length: 5\r\n\r\nhell", HTTP_BODY, 200, 4, false, 0 },
	{ OK "\r\nto the end", HTTP_BODY_TO_END, 200, 10, true, 0 },
	{ "HTTP/1.0 200\n\nto the end", HTTP_BODY_TO_END, 200, 10, true, 0 },
	{ "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: "
	  "1\r\n\r\nx",
	  HTTP_DONE, 200, 1, false, 0 },
	{ OK "Connection: foo, close\r\nContent-Length: 1\r\n\r\nx", HTTP_DONE,
	  200, 1, true, 0 },
	{ OK "Connection: closed\r\nContent-Length: 1\r\n\r\nx", HTTP_DONE, 200,
	  1, false, 0 },
	{ OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n"
	     "0123456789\r\n0\r\nTrailer: x\r\n\r\n",
	  HTTP_DONE, 200, 15, false, 0 },
	{ OK "Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n"
	     "0\r\n\r\n",
	  HTTP_DONE, 200, 0, false, 0 },
	{ OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX", HTTP_CHUNK_END,
	  200, 5, false, 0 },
	{ "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", HTTP_DONE,
	  404, 2, false, 0 },
	{ "HTTP/1.1 304 \r\nContent-Length: 20\r\n\r\n", HTTP_DONE, 304, 0,
	  false, 0 },
	{ "HTTP/1.1 204 No\r\n\r\nrest", HTTP_DONE, 204, 0, false, 4 },
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx",
	  HTTP_DONE, 200, 1, false, 0 },
	{ "", HTTP_STATUS_LINE, 0, 0, false, 0 },
	/* what is none */
	{ "HTTP/2 200 OK\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ "HTTP/1.1 20 OK\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ "HTTP/1.1 2000\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ "HTTP/1.1 099 x\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ "220 mail.example ESMTP\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ "\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ OK "no colon\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ OK ": x\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ OK "Content-Length: -1\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ OK "Content-Length: 5x\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ OK "Content-Length:\r\n", HTTP_BAD, 0, 0, false, 0 },
	{ OK "Content-Length: 5\r\nContent-Length: 6\r\n", HTTP_BAD, 0, 0,
	  false, 0 },
	{ OK "Content-Length: 99999999999999999999999\r\n", HTTP_BAD, 0, 0,
	  false, 0 },
	{ OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", HTTP_BAD, 0, 0, false,
	  0 },
	{ OK "Transfer-Encoding: chunked\r\n\r\n\r\n", HTTP_BAD, 0, 0, false,
	  0 },
	{ OK "Transfer-Encoding: chunked\r\n\r\n1\r\naX\r\n", HTTP_BAD, 0, 0,
	  false, 0 },
	{ OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
	  HTTP_BAD, 0, 0, false, 0 },
};

static struct http_response r;

static void judge(const struct expected *e, size_t used, size_t cut)
{
	ck_assert_msg(r.state == e->state, "\"%s\" cut at %zu: state %d",
		      e->text, cut, r.state);
	if (e->state == HTTP_BAD)
		return;
	ck_assert_uint_eq(r.body, e->body);
	ck_assert_uint_eq(used, strlen(e->text) - e->behind);
	if (e->state == HTTP_STATUS_LINE)
		return;
	ck_assert_uint_eq(r.status, e->status);
	ck_assert_int_eq(r.close, e->close);
}

START_TEST(responses)
{
	const struct expected *e = &cases[_i];
	const uint8_t *text = (const uint8_t *)e->text;
	size_t n = strlen(e->text);

	for (size_t cut = 0; cut <= n; cut++) {
		size_t used;

		http_begin(&r);
		used = http_feed(&r, text, cut);
		if (used == cut)
			used += http_feed(&r, text + cut, n - cut);
		judge(e, used, cut);
	}
}
END_TEST

/* The end of the connection ends only a body without a length. */
START_TEST(ends)
{
	const struct expected *e = &cases[_i];

	http_begin(&r);
	http_feed(&r, (const uint8_t *)e->text, strlen(e->text));
	ck_assert_int_eq(http_end(&r),
			 e->state == HTTP_DONE || e->state == HTTP_BODY_TO_END);
}
END_TEST

/* Lines without an end, and heads without one, are refused in time. */
START_TEST(bounds)
{
	size_t fed = 0;

	http_begin(&r);
	http_feed(&r, (const uint8_t *)OK, strlen(OK));
	while (r.state != HTTP_BAD && fed < 2 * HTTP_HEAD_MAX)
		fed += http_feed(&r, (const uint8_t *)(_i ? "a" : "a: b\r\n"),
				 _i ? 1 : 6);
	ck_assert_int_eq(r.state, HTTP_BAD);
	ck_assert_uint_le(fed, _i ? HTTP_LINE_MAX : HTTP_HEAD_MAX);
}
END_TEST

/* Nor can interim responses go on for ever. */
START_TEST(interim_for_ever)
{
	static const char more[] = "HTTP/1.1 100 x\r\n\r\n";
	size_t fed = 0;

	http_begin(&r);
	while (r.state != HTTP_BAD && fed < 2 * HTTP_HEAD_MAX)
		fed += http_feed(&r, (const uint8_t *)more, strlen(more));
	ck_assert_int_eq(r.state, HTTP_BAD);
}
END_TEST

int main(void)
{
	const int n = sizeof(cases) / sizeof(*cases);
	Suite *s = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_add_loop_test(tc, responses, 0, n);
	tcase_add_loop_test(tc, ends, 0, n);
	tcase_add_loop_test(tc, bounds, 0, 2);
	tcase_add_test(tc, interim_for_ever);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
