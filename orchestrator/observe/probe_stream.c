/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_stream: one connection, from its beginning to its end, whatever that is.
 * Nothing is tried twice: a connection that was refused, reset or went silent
 * is what the probe is there to see.
 *
 * A stream that is bounded by time ends in good order: the sender stops, says
 * what it sent, and the receiver has it all. That this still works then is how
 * we know that the connection lived to its end, so it gets STREAM_LINGER_NS to
 * do it: what is under way at the end of a slow network takes a while.
 *
 * Deliveries are told when the probe has read them, not when the kernel has
 * stamped them: the bytes behind a lost segment come to the node before they
 * can be delivered.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/probe_loop.h"
#include "orchestrator/observe/probe_name.h"
#include "orchestrator/observe/bins.h"
#include "stream/socket.h"
#include "stream/pump.h"
#include "orchestrator/observe/stream_end.h"

#include <errno.h>
#include <linux/mptcp.h>
#include <string.h>
#include <sys/socket.h>

#define READ_MAX 65536

enum state { WAITING, CONNECTING, RUNNING, ENDING, ENDED };

struct stream_probe {
	enum state state;
	int fd;
	uint32_t watched; /* events */
	union tcp_address to;
	socklen_t to_len;
	struct stream_hello hello;
	struct stream_pump pump; /* upload */
	struct stream_receiver receiver; /* download: all of it; upload: the
					    server's last block */
	uint8_t hello_bytes[STREAM_HELLO];
	size_t hello_done;
	int64_t wait_ns; /* upload: nothing may go before */
	int64_t limit_ns; /* for the next state change; then it timed out */
	struct stream_end end;
	FILE *csv, *json;
	struct bins_writer bins;
	uint8_t *buffer; /* READ_MAX */
};

static bool is_open_end(const struct stream_probe *p)
{
	return !p->hello.bytes;
}

static void stream_over(struct probe_task *t, const char *how)
{
	struct stream_probe *p = t->state;

	if (p->state == ENDED)
		return;
	p->state = ENDED;
	p->end.end = how;
	p->end.ended_ns = clock_mono_ns();
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	t->done = true;
}

static void stream_watch(struct probe_task *t, uint32_t events)
{
	struct stream_probe *p = t->state;

	if (p->fd < 0 || p->watched == events)
		return;
	t->failed = probe_loop_watch(t, p->fd, 0, events, p->watched != 0);
	p->watched = events;
}

/* ---- beginning ----------------------------------------------------------- */

/* A server without MPTCP has plain TCP of it, which is not what was asked for.
 */
static bool fell_back(const struct probe_task *t, int fd)
{
	struct mptcp_info info;
	socklen_t len = sizeof(info);

	if (!t->config->stream.mptcp)
		return false;
	memset(&info, 0, sizeof(info));
	return getsockopt(fd, SOL_MPTCP, MPTCP_INFO, &info, &len) ||
	       info.mptcpi_flags & MPTCP_INFO_FLAG_FALLBACK;
}

static void connected(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	union tcp_address own;
	socklen_t len = sizeof(own);

	p->end.connected_ns = clock_mono_ns();
	if (!getsockname(p->fd, &own.any, &len))
		p->end.local_port =
			ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port :
							     own.v6.sin6_port);
	p->state = RUNNING;
}

static void begin(struct probe_task *t)
{
	struct probe_name name = { .name = t->config->name,
				   .address = t->config->to };
	struct stream_probe *p = t->state;
	int r;

	p->end.begun_ns = clock_mono_ns();
	if (!probe_loop_stood_still(t, t->config->start_mono_ns))
		lateness_add(&t->late,
			     probe_now_ns(t) - t->config->start_mono_ns);
	p->limit_ns = t->config->start_mono_ns + t->config->for_ns;
	if (probe_name_refresh(&name) < 0) {
		stream_over(t, "no address");
		return;
	}
	p->to_len = tcp_address_set(&p->to, &name.address, t->config->port);
	p->fd = socket(p->to.any.sa_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       t->config->stream.mptcp ? IPPROTO_MPTCP : 0);
	if (p->fd < 0) {
		t->failed = -errno;
		return;
	}
	tcp_socket_setup(p->fd);
	p->state = CONNECTING;
	r = connect(p->fd, &p->to.any, p->to_len);
	if (r && errno != EINPROGRESS)
		stream_over(t, tcp_error_text(errno));
	else
		stream_watch(t, EPOLLIN | EPOLLOUT);
}

static void connecting(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	socklen_t len = sizeof(int);
	int code = 0;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &code, &len) || code)
		stream_over(t, tcp_error_text(code));
	else if (fell_back(t, p->fd))
		stream_over(t, "no mptcp");
	else
		connected(t);
}

/* True: all of it has gone. */
static bool send_hello(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	ssize_t n;

	if (p->hello_done == STREAM_HELLO)
		return true;
	n = send(p->fd, p->hello_bytes + p->hello_done,
		 STREAM_HELLO - p->hello_done, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		p->hello_done += (size_t)n;
	else if (n < 0 && errno != EAGAIN)
		stream_over(t, tcp_error_text(errno));
	return p->state != ENDED && p->hello_done == STREAM_HELLO;
}

/* ---- while it runs ------------------------------------------------------- */

static void take_bytes(struct probe_task *t, const uint8_t *data, size_t n)
{
	struct stream_probe *p = t->state;
	uint64_t before = p->receiver.received;
	int r = stream_receiver_feed(&p->receiver, data, n);

	bins_add(&p->bins, clock_mono_ns(), p->receiver.received - before);
	if (r)
		stream_over(t, "no stream");
	else if (p->receiver.ended)
		stream_over(t, p->hello.bytes && p->receiver.received !=
							 p->hello.bytes ?
				       "closed" :
				       "complete");
}

/* The server's word on what it got: a last block, behind no content. */
static void take_answer(struct probe_task *t, const uint8_t *data, size_t n)
{
	struct stream_probe *p = t->state;

	if (stream_receiver_feed(&p->receiver, data, n))
		stream_over(t, "no stream");
	else if (p->receiver.ended)
		stream_over(t, p->pump.sender.last ? "complete" : "closed");
}

static void receive(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	ssize_t n = recv(p->fd, p->buffer, READ_MAX, MSG_DONTWAIT);

	if (n > 0 && p->hello.upload)
		take_answer(t, p->buffer, (size_t)n);
	else if (n > 0)
		take_bytes(t, p->buffer, (size_t)n);
	else if (n == 0)
		stream_over(t, "closed");
	else if (errno != EAGAIN && errno != EINTR)
		stream_over(t, tcp_error_text(errno));
}

static void pump(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	int64_t now_ns = probe_now_ns(t), r;

	if (p->wait_ns > now_ns)
		return;
	r = stream_pump_run(&p->pump, p->fd, now_ns);
	p->wait_ns = r > 0 ? r : 0;
	if (r == INT64_MAX) {
		/* All has gone; what the server got is to come. */
		p->receiver.received = p->pump.sender.offset;
		if (p->state == RUNNING)
			p->limit_ns = now_ns + STREAM_LINGER_NS;
		p->state = ENDING;
	}
	if (r < 0)
		stream_over(t, tcp_error_text((int)-r));
}

static void stream_ready(struct probe_task *t, uint32_t tag, uint32_t events)
{
	struct stream_probe *p = t->state;

	(void)tag;
	if (p->state == CONNECTING)
		connecting(t);
	/* What had come before an error is read before it is told. */
	if ((p->state == RUNNING || p->state == ENDING) &&
	    events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		receive(t);
	if (p->state == RUNNING || p->state == ENDING) {
		if (send_hello(t) && p->hello.upload)
			pump(t);
	}
}

/* The time is over. */
static void time_up(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	const char stop = STREAM_STOP;

	if (p->state != RUNNING || !is_open_end(p)) {
		stream_over(t, "timed out");
		return;
	}
	p->state = ENDING;
	p->limit_ns += STREAM_LINGER_NS;
	p->pump.enough = true;
	p->wait_ns = 0;
	if (!p->hello.upload)
		(void)!send(p->fd, &stop, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int64_t stream_due(struct probe_task *t)
{
	struct stream_probe *p = t->state;
	int64_t now_ns = probe_now_ns(t), next_ns;
	bool wants_out;

	if (p->state == WAITING) {
		if (now_ns < t->config->start_mono_ns)
			return t->config->start_mono_ns;
		begin(t);
	}
	if (t->done || t->failed)
		return INT64_MAX;
	if (now_ns >= p->limit_ns)
		time_up(t);
	if (t->done)
		return INT64_MAX;
	next_ns = p->limit_ns;
	wants_out = p->state == CONNECTING || p->hello_done < STREAM_HELLO;
	if (p->hello.upload && p->state != CONNECTING &&
	    p->hello_done == STREAM_HELLO) {
		if (p->wait_ns && now_ns >= p->wait_ns)
			pump(t);
		wants_out = !p->wait_ns;
		if (p->wait_ns && p->wait_ns < next_ns)
			next_ns = p->wait_ns;
	}
	stream_watch(t, EPOLLIN | (wants_out ? EPOLLOUT : 0));
	return next_ns;
}

static void stream_flush(struct probe_task *t)
{
	const struct stream_probe *p = t->state;

	if (p->csv)
		fflush(p->csv);
}

static void stream_stop(struct probe_task *t, const char *why)
{
	struct stream_probe *p = t->state;

	if (p->state == WAITING)
		p->end.end = why;
	else
		stream_over(t, why);
}

/* ---- files --------------------------------------------------------------- */

static int open_file(FILE **f, const char *path, const char *suffix,
		     struct err *err)
{
	char full[sizeof(((struct probe_config *)0)->path) + 8];

	snprintf(full, sizeof(full), "%.*s%s",
		 (int)(strlen(path) - strlen(".csv")), path, suffix);
	*f = fopen(full, "we");
	return *f ? 0 : err_errno(err, errno, "%s", full);
}

static int stream_open(struct probe_task *t, struct err *err)
{
	const struct probe_config *c = t->config;
	struct stream_probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_errno(err, ENOMEM, "probe");
	t->state = p;
	p->fd = -1;
	p->end.begun_ns = p->end.connected_ns = p->end.ended_ns = INT64_MIN;
	p->end.first_wrong = STREAM_NONE;
	p->to_len = tcp_address_set(&p->to, &c->to, c->port);
	if (!p->to_len)
		return err_set(err, EINVAL, "probe: no address to connect to");
	if (c->for_ns <= 0 || strlen(c->path) < strlen(".csv"))
		return err_set(err, EINVAL, "probe: no time, or no file");
	p->hello = (struct stream_hello){
		.upload = c->stream.upload,
		.verify = c->stream.verify,
		.probe = c->index,
		.bytes = c->stream.bytes,
		.rate_bps = c->stream.rate_bps,
	};
	stream_key(c->stream.seed, c->index, p->hello.key);
	stream_hello_put(p->hello_bytes, &p->hello);
	stream_receiver_init(&p->receiver, &p->hello);
	p->buffer = malloc(READ_MAX);
	r = p->buffer ? stream_sender_init(&p->pump.sender, &p->hello) :
			-ENOMEM;
	if (r)
		return err_errno(err, -r, "probe");
	r = open_file(&p->json, c->path, ".json", err);
	if (!r && !c->stream.upload)
		r = open_file(&p->csv, c->path, ".csv", err);
	if (p->csv)
		fputs(BINS_CSV_HEADER, p->csv);
	p->bins.f = p->csv;
	return r;
}

static int close_file(FILE **f, struct err *err, const char *path)
{
	bool failed = ferror(*f);

	if (fclose(TAKE_PTR(*f)) || failed)
		return err_errno(err, errno ? errno : EIO, "%s", path);
	return 0;
}

static int stream_finish(struct probe_task *t, struct err *err)
{
	struct stream_probe *p = t->state;
	bool complete;
	int r = 0;

	bins_flush(&p->bins);
	if (!p->end.end)
		p->end.end = "stopped";
	complete = strcmp(p->end.end, "complete") == 0;
	if (p->hello.upload) {
		p->end.bytes = p->pump.sender.offset;
		if (p->pump.sender.last)
			p->end.digest = p->pump.sender.digest;
		if (complete)
			p->end.peer_digest = p->receiver.claimed;
	} else {
		stream_receiver_digest(&p->receiver);
		p->end.bytes = p->receiver.received;
		p->end.digest = p->receiver.digest;
		p->end.first_wrong = p->receiver.first_wrong;
		if (p->receiver.ended)
			p->end.peer_digest = p->receiver.claimed;
	}
	if (!p->hello.verify)
		p->end.digest = p->end.peer_digest = NULL;
	stream_end_write(p->json, &p->end);
	r = close_file(&p->json, err, t->config->path);
	if (p->csv) {
		int closed =
			close_file(&p->csv, r ? NULL : err, t->config->path);

		r = r ? r : closed;
	}
	return r;
}

static void stream_free(struct probe_task *t)
{
	struct stream_probe *p = t->state;

	if (p->fd >= 0)
		close(p->fd);
	if (p->csv)
		fclose(p->csv);
	if (p->json)
		fclose(p->json);
	stream_sender_free(&p->pump.sender);
	free(p->buffer);
	free(p);
}

const struct probe_task_kind probe_task_stream = {
	.open = stream_open,
	.due = stream_due,
	.ready = stream_ready,
	.flush = stream_flush,
	.stop = stream_stop,
	.finish = stream_finish,
	.free = stream_free,
};
