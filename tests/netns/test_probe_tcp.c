/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP probes in a network of two nodes,
 *
 *     a  10.0.0.1  ---- eth0 ---- eth0 ----  10.0.0.2  c
 *        fd00::1                             fd00::2
 *
 * against the built-in server, and against peers that do what they should not.
 * Whatever a peer does is a result. Nothing is judged by how long it took.
 */
#include "tests/support/probe_tcp_lab.h"
#include "tests/support/run_suite.h"

/* ---- streams ---------------------------------------------------------------
 */

/* By size, either way and family: all of it comes, both ends say the same, and
 * the bins hold every byte. */
START_TEST(stream_by_size)
{
	const char *to = _i & 1 ? "fd00::2" : "10.0.0.2";
	struct probe_config c = config(PROBE_TCP_STREAM, to, 60000 * MS);
	json_t *own, *peer;

	start_server();
	c.stream.upload = _i & 2;
	c.stream.verify = !(_i & 4);
	c.stream.bytes = 5000001;
	run(&c);
	kill(server, SIGTERM);
	ck_assert_int_eq(wait_for(server), 0);
	server = 0;
	own = read_json("p.json");
	peer = read_json("p.peer.json");
	expect_text(own, "end", "complete");
	expect_text(peer, "end", "complete");
	ck_assert_int_eq(json_integer_value(json_object_get(own, "bytes")),
			 5000001);
	ck_assert_int_eq(json_integer_value(json_object_get(peer, "bytes")),
			 5000001);
	ck_assert(json_is_null(json_object_get(own, "first_wrong")));
	if (c.stream.verify) {
		expect_text(
			own, "sha256",
			json_string_value(json_object_get(own, "peer_sha256")));
		expect_text(peer, "sha256",
			    json_string_value(json_object_get(own, "sha256")));
	} else {
		ck_assert(json_is_null(json_object_get(own, "sha256")));
	}
	ck_assert_uint_eq(bins_total(), 5000001);
	json_decref(own);
	json_decref(peer);
}
END_TEST

/* By time and at a rate: no more than it is asked for. */
START_TEST(stream_by_time)
{
	struct probe_config c = config(PROBE_TCP_STREAM, "10.0.0.2", 1500 * MS);
	json_t *own;

	start_server();
	c.start_mono_ns = clock_mono_ns();
	c.stream.upload = _i;
	c.stream.rate_bps = 8000000;
	run(&c);
	own = read_json("p.json");
	expect_text(own, "end", "complete");
	/* 1 MB a second, and what a hold-up may let gather. */
	ck_assert_int_gt(json_integer_value(json_object_get(own, "bytes")), 0);
	ck_assert_int_le(json_integer_value(json_object_get(own, "bytes")),
			 1500000 + 150000);
	json_decref(own);
}
END_TEST

START_TEST(stream_refused)
{
	struct probe_config c = config(PROBE_TCP_STREAM, "10.0.0.2", 500 * MS);
	json_t *own;

	run(&c);
	own = read_json("p.json");
	expect_text(own, "end", "refused");
	ck_assert(json_is_null(json_object_get(own, "connected_ns")));
	ck_assert_uint_eq(bins_total(), 0);
	json_decref(own);
}
END_TEST

/* It ends with its node, and says so. */
START_TEST(stream_crashes)
{
	struct probe_config c =
		config(PROBE_TCP_STREAM, "10.0.0.2", 60000 * MS);
	json_t *own;
	pid_t pid;

	start_server();
	c.stream.rate_bps = 8000000;
	pid = probe_fork(ns_a, &c);
	for (int i = 0; i < 20000 && access(csv, F_OK); i++)
		usleep(1000);
	usleep(50000);
	kill(pid, PROBES_CRASH);
	ck_assert_int_eq(wait_for(pid), 0);
	own = read_json("p.json");
	expect_text(own, "end", "crashed");
	json_decref(own);
}
END_TEST

/* The server is killed, or stopped, in its middle. */
START_TEST(stream_server_dies)
{
	struct probe_config c =
		config(PROBE_TCP_STREAM, "10.0.0.2", 60000 * MS);
	char *const path = csv;
	json_t *own;
	pid_t pid;

	start_server();
	c.stream.upload = _i;
	c.stream.rate_bps = 8000000;
	pid = probe_fork(ns_a, &c);
	/* The upload's file is the server's, and grows line by line. */
	for (int i = 0; _i && i < 20000; i++) {
		if (!access(path, F_OK) && bins_total() > 0)
			break;
		usleep(1000);
	}
	if (!_i)
		usleep(50000);
	kill(server, SIGKILL);
	server = 0;
	ck_assert_int_eq(wait_for(pid), 0);
	own = read_json("p.json");
	ck_assert_str_ne(json_string_value(json_object_get(own, "end")),
			 "complete");
	ck_assert(json_is_null(json_object_get(own, "first_wrong")));
	if (_i)
		ck_assert_uint_gt(bins_total(), 0);
	json_decref(own);
}
END_TEST

START_TEST(stream_peers)
{
	static const char *const ends[PEERS] = {
		[PEER_CLOSES] = "closed",
		[PEER_RESETS] = "reset",
		[PEER_SAYS_NOTHING] = "timed out",
		[PEER_SAYS_GARBAGE] = "no stream",
		[PEER_BREAKS_OFF] = "no stream",
		[PEER_DAMAGES] = "complete",
	};
	struct probe_config c = config(PROBE_TCP_STREAM, "10.0.0.2", 300 * MS);
	const char *end;
	json_t *own;

	server = fork_ready(ns_c, run_peer, _i);
	if (_i == PEER_SAYS_NOTHING)
		c.stream.bytes = 100000; /* no time for an orderly end */
	run(&c);
	own = read_json("p.json");
	end = json_string_value(json_object_get(own, "end"));
	/* What we sent may be unread: that makes a close a reset. */
	if (_i == PEER_CLOSES || _i == PEER_BREAKS_OFF)
		ck_assert(!strcmp(end, ends[_i]) || !strcmp(end, "reset"));
	else
		ck_assert_str_eq(end, ends[_i]);
	if (_i == PEER_DAMAGES)
		ck_assert_int_eq(
			json_integer_value(json_object_get(own, "first_wrong")),
			500);
	json_decref(own);
}
END_TEST

/* ---- requests --------------------------------------------------------------
 */

START_TEST(requests_answered)
{
	const char *to = _i & 1 ? "fd00::2" : "10.0.0.2";
	struct probe_config c = config(PROBE_TCP_REQUEST, to, 200 * MS);
	sample_vec v = { 0 };

	start_server();
	c.request.keep = _i & 2;
	if (_i & 4) {
		c.request.request = MESSAGE_MAX;
		c.request.response = MESSAGE_MAX;
	}
	run(&c);
	read_requests(&v);
	ck_assert_uint_eq(v.n, 100);
	for (size_t i = 0; i < v.n; i++) {
		ck_assert_str_eq(v.v[i].error, "");
		ck_assert_int_ge(v.v[i].received_ns, v.v[i].sent_ns);
		ck_assert_int_ge(v.v[i].sent_ns,
				 c.start_mono_ns + (int64_t)i * 2 * MS);
		ck_assert_uint_eq(v.v[i].connection,
				  c.request.keep ? 1 : i + 1);
	}
	VEC_FREE(&v);
}
END_TEST

/* What was due while the node stood still is not asked. */
START_TEST(requests_slept_through)
{
	struct probe_config c =
		config(PROBE_TCP_REQUEST, "10.0.0.2", 1200 * MS);
	int64_t awake_ns = c.start_mono_ns;
	sample_vec v = { 0 };

	start_server();
	c.start_mono_ns -= 1000 * MS;
	c.awake_ns = &awake_ns;
	run(&c);
	read_requests(&v);
	ck_assert_uint_eq(v.n, 100);
	ck_assert_int_ge(v.v[0].sent_ns, awake_ns);
	VEC_FREE(&v);
}
END_TEST

/* Nobody waits for ever, and nobody is asked twice. */
START_TEST(requests_peers)
{
	static const char *const errors[PEERS] = {
		[PEER_CLOSES] = "closed",
		[PEER_RESETS] = "reset",
		[PEER_SAYS_NOTHING] = "timed out",
		[PEER_SAYS_GARBAGE] = "garbage",
		[PEER_BREAKS_OFF] = "closed",
	};
	bool http = _i >= PEER_DAMAGES;
	int peer = _i % PEER_DAMAGES;
	struct probe_config c = config(http ? PROBE_HTTP : PROBE_TCP_REQUEST,
				       "10.0.0.2", 100 * MS);
	sample_vec v = { 0 };

	server = fork_ready(ns_c, run_peer, peer);
	c.interval_ns = 10 * MS;
	if (peer == PEER_SAYS_NOTHING)
		c.request.timeout_ns = 50 * MS;
	c.request.keep = http;
	run(&c);
	read_requests(&v);
	ck_assert_uint_eq(v.n, 10);
	for (size_t i = 0; i < v.n; i++) {
		const char *error = v.v[i].error;

		ck_assert_int_eq(v.v[i].received_ns, SAMPLE_NONE);
		if (peer == PEER_BREAKS_OFF && !http)
			ck_assert_str_eq(error, "garbage");
		else if (peer == PEER_CLOSES || peer == PEER_BREAKS_OFF)
			ck_assert_msg(!strcmp(error, errors[peer]) ||
					      !strcmp(error, "reset"),
				      "%s", error);
		else
			ck_assert_str_eq(error, errors[peer]);
	}
	VEC_FREE(&v);
}
END_TEST

START_TEST(requests_refused)
{
	struct probe_config c = config(_i ? PROBE_HTTP : PROBE_TCP_REQUEST,
				       "10.0.0.2", 100 * MS);
	sample_vec v = { 0 };

	c.interval_ns = 10 * MS;
	run(&c);
	read_requests(&v);
	ck_assert_uint_eq(v.n, 10);
	for (size_t i = 0; i < v.n; i++)
		ck_assert_str_eq(v.v[i].error, "refused");
	VEC_FREE(&v);
}
END_TEST

/* A server that has MPTCP has it for those who ask; one without it does not
 * pass for one that has. */
START_TEST(stream_by_mptcp)
{
	bool server_has = _i & 1, probe_asks = _i & 2;
	struct probe_config c =
		config(PROBE_TCP_STREAM, "10.0.0.2", 60000 * MS);
	json_t *own;

	server = fork_ready(ns_c, run_server,
			    server_has ? SERVE_MPTCP : SERVE_TCP);
	c.stream.mptcp = probe_asks;
	c.stream.bytes = 300000;
	run(&c);
	own = read_json("p.json");
	expect_text(own, "end",
		    probe_asks && !server_has ? "no mptcp" : "complete");
	json_decref(own);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("TCP probes");
	TCase *tc = tcase_create("tcp");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, stream_by_size, 0, 8);
	tcase_add_loop_test(tc, stream_by_time, 0, 2);
	tcase_add_loop_test(tc, stream_by_mptcp, 0, 4);
	tcase_add_test(tc, stream_refused);
	tcase_add_test(tc, stream_crashes);
	tcase_add_loop_test(tc, stream_server_dies, 0, 2);
	tcase_add_loop_test(tc, stream_peers, 0, PEERS);
	tcase_add_test(tc, requests_slept_through);
	tcase_add_loop_test(tc, requests_answered, 0, 8);
	tcase_add_loop_test(tc, requests_peers, 0, 2 * PEER_DAMAGES);
	tcase_add_loop_test(tc, requests_refused, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
