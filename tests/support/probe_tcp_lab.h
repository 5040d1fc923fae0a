/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP probes in a network of two nodes,
 *
 *     a  10.0.0.1  ---- eth0 ---- eth0 ----  10.0.0.2  c
 *        fd00::1                             fd00::2
 *
 * with the built-in server at c, or a peer that does what it should not.
 */
#ifndef TESTS_PROBE_TCP_LAB_H
#define TESTS_PROBE_TCP_LAB_H

#include "base/clock.h"
#include "orchestrator/observe/bins.h"
#include "orchestrator/observe/samples.h"
#include "orchestrator/observe/serve.h"
#include "stream/socket.h"
#include "stream/stream.h"
#include "tests/support/probe_child.h"
#include "tests/support/sandbox.h"
#include "tests/support/veth.h"

#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define MS NSEC_PER_MSEC
#define PORT 5001

static int ns_a, ns_c;
static char dir[64], csv[128];
static pid_t server;

static inline void set_up(void)
{
	strcpy(dir, "/tmp/test_probe_tcp.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(csv, sizeof(csv), "%s/p.csv", dir);
	ns_a = netns_new();
	ns_c = netns_new();
	veth_add(ns_a, "eth0", ns_c, "eth0");
	sh("ip addr add 10.0.0.1/24 dev eth0");
	sh("ip addr add fd00::1/64 dev eth0 nodad");
	netns_enter(ns_c);
	sh("ip addr add 10.0.0.2/24 dev eth0");
	sh("ip addr add fd00::2/64 dev eth0 nodad");
	netns_enter(ns_a);
	sh("until ping -6 -qc1 -W1 fd00::2 >/dev/null; do :; done");
	server = 0;
}

static inline void tear_down(void)
{
	if (server)
		kill(server, SIGKILL);
	sh("rm -r %s", dir);
}

/* ---- servers ------------------------------------------------------------- */

enum { SERVE_TCP, SERVE_MPTCP };

static inline void run_server(int ready_fd, int mode)
{
	static const char *const names[] = { NULL, NULL, NULL, "p" };
	const struct serve_config c = {
		.port = PORT,
		.mptcp = mode == SERVE_MPTCP,
		.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.names = names,
		.n_names = 4,
	};

	exit(serve_main(&c, ready_fd, STDERR_FILENO));
}

static inline void start_server(void)
{
	server = fork_ready(ns_c, run_server, SERVE_TCP);
}

enum peer {
	PEER_CLOSES, /* at once */
	PEER_RESETS,
	PEER_SAYS_NOTHING,
	PEER_SAYS_GARBAGE,
	PEER_BREAKS_OFF, /* in the middle of an answer */
	PEER_DAMAGES, /* one byte of the server's stream, of which it is none */
	PEERS,
	PEER_REFUSES = 1000, /* with a status of HTTP on top of it */
};

static inline void damaged_stream(int fd, const uint8_t *hello_bytes)
{
	struct stream_sender s;
	struct stream_hello hello;

	ck_assert(stream_hello_get(hello_bytes, &hello));
	ck_assert_int_eq(stream_sender_init(&s, &hello), 0);
	stream_sender_block(&s, 1000);
	s.block[STREAM_HEADER + 500] ^= 1;
	ck_assert_int_eq(write(fd, s.block, s.len), (ssize_t)s.len);
	s.done = s.len;
	stream_sender_last(&s);
	ck_assert_int_eq(write(fd, s.block, s.len), (ssize_t)s.len);
}

static inline void misbehave(int fd, int mode)
{
	const struct linger none = { .l_onoff = 1 };
	uint8_t in[4096];
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: "
				   "10\r\n\r\nhalf";

	if (mode >= PEER_REFUSES) {
		if (read(fd, in, sizeof(in)) > 0)
			dprintf(fd,
				"HTTP/1.1 %d So\r\nContent-Length: 2\r\n\r\n"
				"no",
				mode - PEER_REFUSES);
		return;
	}

	if (mode != PEER_CLOSES && read(fd, in, sizeof(in)) <= 0)
		return;
	switch (mode) {
	case PEER_RESETS:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		break;
	case PEER_SAYS_NOTHING:
		while (read(fd, in, sizeof(in)) > 0)
			;
		break;
	case PEER_SAYS_GARBAGE:
		memset(in, 'x', sizeof(in));
		(void)!write(fd, in, sizeof(in));
		while (read(fd, in, sizeof(in)) > 0)
			;
		break;
	case PEER_BREAKS_OFF:
		(void)!write(fd, half, strlen(half));
		break;
	case PEER_DAMAGES:
		damaged_stream(fd, in);
		while (read(fd, in, sizeof(in)) > 0)
			;
		break;
	}
}

static inline void run_peer(int ready_fd, int mode)
{
	const int on = 1;
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	ck_assert_int_eq(write(ready_fd, "", 1), 1);
	close(ready_fd);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			misbehave(client, mode);
			_exit(0);
		}
		close(client);
	}
}

/* ---- probes ---------------------------------------------------------------
 */

static inline struct probe_config config(enum probe_type type, const char *to,
					 int64_t for_ns)
{
	struct probe_config c = {
		.index = 3,
		.type = type,
		.port = PORT,
		.start_mono_ns = clock_mono_ns(),
		.for_ns = for_ns,
		.stream = { .verify = true, .seed = 5 },
		.request = { .keep = true,
			     .timeout_ns = 20000 * MS,
			     .request = 100,
			     .response = 3000,
			     .concurrency = 2,
			     .path = "/",
			     .host = "c" },
	};

	ck_assert_int_eq(ip_parse_addr(to, &c.to), 0);
	strcpy(c.path, csv);
	if (type == PROBE_TCP_REQUEST)
		c.interval_ns = 2 * MS;
	return c;
}

static inline void run(const struct probe_config *c)
{
	ck_assert_int_eq(wait_for(probe_fork(ns_a, c)), 0);
}

static inline json_t *read_json(const char *name)
{
	char path[160];
	json_t *o;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	o = json_load_file(path, 0, NULL);
	ck_assert_msg(o != NULL, "%s", path);
	return o;
}

static inline void expect_text(const json_t *o, const char *field,
			       const char *text)
{
	const char *is = json_string_value(json_object_get(o, field));

	ck_assert_msg(is && !strcmp(is, text), "%s: %s, not %s", field,
		      is ? is : "null", text);
}

static inline uint64_t bins_total(void)
{
	struct err err = ERR_INIT;
	bin_vec bins = { 0 };
	uint64_t sum = 0;

	ck_assert_msg(!bins_read(csv, &bins, &err), "%s", err.msg);
	for (size_t i = 0; i < bins.n; i++)
		sum += bins.v[i].bytes;
	VEC_FREE(&bins);
	return sum;
}

static inline void read_requests(sample_vec *v)
{
	struct err err = ERR_INIT;

	ck_assert_msg(!samples_read(csv, v, &err), "%s", err.msg);
	for (size_t i = 0; i < v->n; i++)
		ck_assert_uint_eq(v->v[i].seq, i);
}

#endif
