/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Servers and clients of TCP probes that do not know each other well: what the
 * built-in server makes of strangers, and what an HTTP probe makes of answers
 * that are none.
 */
#include "tests/support/probe_tcp_lab.h"
#include "tests/support/run_suite.h"

/* ---- the server against its clients ----------------------------------------
 */

static int connect_to_server(void)
{
	union tcp_address a;
	struct ip_addr to;
	socklen_t len;
	int fd;

	ck_assert_int_eq(ip_parse_addr("10.0.0.2", &to), 0);
	len = tcp_address_set(&a, &to, PORT);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, &a.any, len), 0);
	return fd;
}

/* Whatever they do to it, the next one is served. */
START_TEST(server_lives)
{
	struct probe_config c = config(PROBE_TCP_REQUEST, "10.0.0.2", 20 * MS);
	const struct linger none = { .l_onoff = 1 };
	sample_vec v = { 0 };
	uint8_t bytes[200];
	int fd;

	start_server();
	for (size_t n = 0; n < sizeof(bytes); n += 13) {
		for (int kind = 0; kind < 3; kind++) {
			struct stream_hello hello = { .probe = 3,
						      .upload = kind == 2 };

			memset(bytes, 'x', sizeof(bytes));
			if (kind)
				stream_hello_put(bytes, &hello);
			fd = connect_to_server();
			ck_assert_int_eq(send(fd, bytes, n, MSG_NOSIGNAL),
					 (ssize_t)n);
			if (n % 2)
				setsockopt(fd, SOL_SOCKET, SO_LINGER, &none,
					   sizeof(none));
			close(fd);
		}
	}
	/* More than it takes: those are closed, and the places come back. */
	for (unsigned i = 0; i < 3; i++) {
		int many[300];

		for (size_t k = 0; k < 300; k++)
			many[k] = connect_to_server();
		for (size_t k = 0; k < 300; k++)
			close(many[k]);
	}
	run(&c);
	read_requests(&v);
	ck_assert_uint_eq(v.n, 10);
	for (size_t i = 0; i < v.n; i++)
		ck_assert_str_eq(v.v[i].error, "");
	VEC_FREE(&v);
}
END_TEST

static char *read_csv(void)
{
	char *text = calloc(1, 1 << 16);
	FILE *f = fopen(csv, "r");

	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(f);
	(void)!fread(text, 1, (1 << 16) - 1, f);
	fclose(f);
	return text;
}

/* Who says that it is a probe that has delivered already spoils nothing. */
START_TEST(upload_twice)
{
	struct probe_config c =
		config(PROBE_TCP_STREAM, "10.0.0.2", 60000 * MS);
	struct stream_hello hello = { .probe = 3, .upload = true };
	uint8_t bytes[STREAM_HELLO];
	struct stream_sender s;
	char *before, *after;
	int fd;

	start_server();
	c.stream.upload = true;
	c.stream.bytes = 100000;
	run(&c);
	/* The server is done a little later than the probe. */
	for (unsigned i = 0; i < 3000 && bins_total() != 100000; i++)
		poll(NULL, 0, 10);
	ck_assert_uint_eq(bins_total(), 100000);
	before = read_csv();

	stream_hello_put(bytes, &hello);
	fd = connect_to_server();
	ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	ck_assert_int_eq(stream_sender_init(&s, &hello), 0);
	stream_sender_block(&s, 1000);
	ck_assert_int_eq(write(fd, s.block, s.len), (ssize_t)s.len);
	s.done = s.len;
	stream_sender_last(&s);
	ck_assert_int_eq(write(fd, s.block, s.len), (ssize_t)s.len);
	stream_sender_free(&s);
	shutdown(fd, SHUT_WR);
	while (read(fd, bytes, sizeof(bytes)) > 0)
		; /* until the server is done with it */
	close(fd);
	after = read_csv();
	ck_assert_str_eq(after, before);
	free(before);
	free(after);
}
END_TEST

/* A whole answer with a status of 400 or more is a failure, with less is none.
 */
START_TEST(http_status)
{
	static const int statuses[] = { 200, 399, 400, 404, 503, 599 };
	struct probe_config c = config(PROBE_HTTP, "10.0.0.2", 50 * MS);
	int status = statuses[_i];
	char error[24] = "";
	sample_vec v = { 0 };

	if (status >= 400)
		snprintf(error, sizeof(error), "status %d", status);
	server = fork_ready(ns_c, run_peer, PEER_REFUSES + status);
	c.interval_ns = 10 * MS;
	c.request.keep = false;
	run(&c);
	read_requests(&v);
	ck_assert_uint_eq(v.n, 5);
	for (size_t i = 0; i < v.n; i++) {
		ck_assert_str_eq(v.v[i].error, error);
		ck_assert_int_eq(v.v[i].received_ns == SAMPLE_NONE,
				 status >= 400);
	}
	VEC_FREE(&v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("servers of TCP probes");
	TCase *tc = tcase_create("server");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, server_lives);
	tcase_add_test(tc, upload_twice);
	tcase_add_loop_test(tc, http_status, 0, 6);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
