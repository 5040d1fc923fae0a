/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections of tcp_request and http (probe_request.c): what goes over
 * one, what comes back, and the lines of the requests that end on it.
 */
#include "orchestrator/observe/probe_request.h"

#include "base/clock.h"
#include "stream/socket.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_NS                                                                \
	(10 * NSEC_PER_MSEC) /* after a failure, so as not to hammer           \
			      */

/* ---- what is known of a request ------------------------------------------ */

void request_write_row(struct requests *q, uint64_t seq, int64_t received_ns,
		       const char *error, const struct conn *c,
		       const struct request_answer *a)
{
	fprintf(q->csv, "%" PRIu64 ",%" PRId64 ",", seq,
		pauses_mono_ns(q->pauses, *request_begin_of(q, seq)));
	if (received_ns != INT64_MIN)
		fprintf(q->csv, "%" PRId64, received_ns);
	fprintf(q->csv, ",%s,%" PRIu64 ",%u,", error, c ? c->number : 0,
		c ? c->local_port : 0);
	if (a && a->status)
		fprintf(q->csv, "%u", a->status);
	fprintf(q->csv, ",%" PRIu64 "\n", a ? a->bytes : 0);
}

static void answered(struct requests *q, struct conn *c, int64_t received_ns)
{
	char error[24] = "";

	if (c->answer.status >= 400)
		snprintf(error, sizeof(error), "status %u",
			 c->answer.status % 1000);
	request_write_row(q, c->head, received_ns, error, c, &c->answer);
	c->head++;
}

/* ---- connections ----------------------------------------------------------
 */

static size_t index_of(const struct requests *q, const struct conn *c)
{
	return (size_t)(c - q->conns);
}

void conn_watch(struct probe_task *t, struct conn *c)
{
	struct requests *q = t->state;
	uint32_t events = EPOLLIN;

	if (c->state == CONN_CLOSED)
		return;
	if (c->state == CONN_CONNECTING || c->out_done < c->out_len)
		events |= EPOLLOUT;
	if (events == c->watched)
		return;
	t->failed = probe_loop_watch(t, c->fd, (uint32_t)index_of(q, c), events,
				     c->watched != 0);
	c->watched = events;
}

void conn_close(struct requests *q, struct conn *c, const char *why)
{
	if (c->head < c->tail)
		q->rest_ns =
			pauses_run_ns(q->pauses, clock_mono_ns()) + REST_NS;
	for (; c->head < c->tail; c->head++)
		request_write_row(q, c->head, INT64_MIN, why, c, NULL);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CONN_CLOSED;
	c->watched = 0;
	c->out_done = c->out_len = 0;
}

void conn_answer_begin(struct requests *q, struct conn *c)
{
	c->answer.seq = c->head;
	c->answer.begun = c->answer.close = false;
	c->answer.status = 0;
	c->answer.bytes = 0;
	q->protocol->begin(&c->answer);
}

void conn_open(struct requests *q, struct conn *c)
{
	const int on = 1;

	c->number = ++q->connections;
	c->local_port = 0;
	c->out_of_order = 0;
	if (probe_name_refresh(&q->name) < 0) {
		conn_close(q, c, "no address");
		return;
	}
	if (q->name.name)
		q->to_len = tcp_address_set(&q->to, &q->name.address, q->port);
	c->fd = socket(q->to.any.sa_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		conn_close(q, c, tcp_error_text(errno));
		return;
	}
	tcp_socket_setup(c->fd);
	setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	c->state = CONN_CONNECTING;
	if (connect(c->fd, &q->to.any, q->to_len) && errno != EINPROGRESS)
		conn_close(q, c, tcp_error_text(errno));
}

void conn_send(struct requests *q, struct conn *c)
{
	while (c->state == CONN_OPEN && c->out_done < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_done,
				 c->out_len - c->out_done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				conn_close(q, c, tcp_error_text(errno));
			return;
		}
		c->out_done += (size_t)n;
	}
	if (c->out_done == c->out_len)
		c->out_done = c->out_len = 0;
}

/* ---- what comes in ---------------------------------------------------------
 */

static int64_t stamp_of(const struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		struct timespec ts;

		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec -
		       clock_real_minus_mono_ns();
	}
	return INT64_MIN;
}

/* Has anything come out of order since the last time? */
static bool came_in_order(struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	uint32_t before = c->out_of_order;

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    len < offsetof(struct tcp_info, tcpi_rcv_ooopack) +
			    sizeof(info.tcpi_rcv_ooopack))
		return false;
	c->out_of_order = info.tcpi_rcv_ooopack;
	return c->out_of_order == before;
}

/* When the answer that ends in what was just read came. */
static int64_t arrival(struct requests *q, struct conn *c, int64_t stamp_ns,
		       int64_t now_ns)
{
	if (!came_in_order(c) ||
	    pauses_run_ns(q->pauses, stamp_ns) <
		    *request_begin_of(q, c->head) ||
	    stamp_ns > now_ns)
		return now_ns;
	return stamp_ns;
}

static void take(struct probe_task *t, struct conn *c, const uint8_t *data,
		 size_t n, int64_t stamp_ns)
{
	struct requests *q = t->state;
	int64_t now_ns = clock_mono_ns();

	while (n && c->state == CONN_OPEN) {
		size_t used;
		int r;

		if (c->head == c->tail) {
			conn_close(q, c, "unasked"); /* for nothing */
			return;
		}
		r = q->protocol->take(t->config, &c->answer, data, n, &used);
		if (r < 0) {
			conn_close(q, c, "garbage");
			return;
		}
		data += used;
		n -= used;
		if (!r)
			continue;
		answered(q, c, arrival(q, c, stamp_ns, now_ns));
		if (c->answer.close || !t->config->request.keep)
			conn_close(q, c, "closed");
		else
			conn_answer_begin(q, c);
	}
}

static void conn_receive(struct probe_task *t, struct conn *c)
{
	_Alignas(struct cmsghdr) char control[256];
	struct requests *q = t->state;
	struct iovec iov = { q->buffer, REQUEST_READ_MAX };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT);

	if (n > 0) {
		take(t, c, q->buffer, (size_t)n, stamp_of(&msg));
	} else if (n == 0) {
		if (c->head < c->tail && q->protocol->end(&c->answer))
			answered(q, c, clock_mono_ns());
		conn_close(q, c, "closed");
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_close(q, c, tcp_error_text(errno));
	}
}

static void conn_opened(struct conn *c)
{
	union tcp_address own;
	socklen_t len = sizeof(own);

	c->state = CONN_OPEN;
	if (!getsockname(c->fd, &own.any, &len))
		c->local_port =
			ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port :
							     own.v6.sin6_port);
}

void conn_ready(struct probe_task *t, struct conn *c, uint32_t events)
{
	struct requests *q = t->state;

	if (c->state == CONN_CLOSED)
		return;
	if (c->state == CONN_CONNECTING) {
		socklen_t len = sizeof(int);
		int code = 0;

		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len) ||
		    code)
			conn_close(q, c, tcp_error_text(code));
		else if (events & EPOLLOUT)
			conn_opened(c);
	}
	if (c->state == CONN_OPEN && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_receive(t, c);
	conn_send(q, c);
	conn_watch(t, c);
}
