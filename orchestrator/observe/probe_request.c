/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_request and http: numbered requests over TCP connections.
 *
 * Requests are planned from the start, as packets are (probe.h), or, without an
 * interval, one follows another on each connection. They are given to
 * connections in their order, so that those of a connection, those that wait
 * for one, and those to come are ranges of numbers:
 *
 *     [head, tail) of each connection ... [given, begun) wait ... to come
 *
 * tcp_request over a kept connection has many under way on it: a program that
 * waited for the answer before it asked again would be blind while a link is
 * down. Else a connection has one at a time.
 *
 * A request's time begins when it is handed to the kernel, or when it was due
 * if it had to wait for a connection: a server that is slow would hide its
 * slowness otherwise. It ends when the answer's last packet came to the node,
 * by the kernel's stamp; where packets have come out of order meanwhile, which
 * that packet may have had to wait for, when the answer was read.
 *
 * Whatever breaks a connection fails the requests under way on it, and the next
 * request makes a new one. Nothing is asked twice.
 */
#include "orchestrator/observe/probe_request.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define CSV_BUFFER ((size_t)1 << 20)
#define WINDOW 65536u /* requests under way or waiting, at most */
#define EACH_MAX 64u /* connections at a time, with one for each request */
#define OUT_MAX (128u * 1024) /* requests written, and not yet sent */
#define READ_MAX 65536
#define PAUSE_NS                                                               \
	(10 * NSEC_PER_MSEC) /* after a failure, so as not to hammer           \
			      */
#define BURST_MAX 128u /* requests begun at a time */

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN };

struct conn {
	enum conn_state state;
	int fd;
	uint32_t watched;
	uint64_t number; /* from 1, of all that were tried */
	uint16_t local_port; /* 0: not yet known */
	uint64_t head, tail; /* requests under way */
	uint8_t *out; /* OUT_MAX: [out_done, out_len) is to go */
	size_t out_done, out_len;
	struct request_answer answer;
	uint32_t out_of_order; /* packets that came so, by TCP_INFO */
};

struct requests {
	const struct request_protocol *protocol;
	union tcp_address to;
	socklen_t to_len;
	struct conn *conns;
	size_t n_conns;
	bool pipelined;
	uint64_t count; /* in all; UINT64_MAX: as many as come in the time */
	uint64_t begun, given; /* see above */
	int64_t *begin_ns; /* WINDOW, by number */
	uint64_t connections;
	bool over; /* no more are begun */
	int64_t pause_ns; /* without an interval: none is begun before */
	FILE *csv;
	char *csv_buffer;
	uint8_t *buffer; /* READ_MAX */
};

static int64_t *begin_of(struct requests *q, uint64_t seq)
{
	return &q->begin_ns[seq % WINDOW];
}

static uint64_t oldest(const struct requests *q)
{
	uint64_t first = q->given;

	for (size_t i = 0; i < q->n_conns; i++)
		if (q->conns[i].head < q->conns[i].tail &&
		    q->conns[i].head < first)
			first = q->conns[i].head;
	return first;
}

/* ---- what is known of a request ------------------------------------------ */

/* received_ns INT64_MIN: there is no whole answer. */
static void write_row(struct requests *q, uint64_t seq, int64_t received_ns,
		      const char *error, const struct conn *c,
		      const struct request_answer *a)
{
	fprintf(q->csv, "%" PRIu64 ",%" PRId64 ",", seq, *begin_of(q, seq));
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
	write_row(q, c->head, received_ns, error, c, &c->answer);
	c->head++;
}

/* ---- connections ----------------------------------------------------------
 */

static size_t index_of(const struct requests *q, const struct conn *c)
{
	return (size_t)(c - q->conns);
}

static void conn_watch(struct probe_task *t, struct conn *c)
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

/* Fails what is under way on it. */
static void conn_close(struct requests *q, struct conn *c, const char *why)
{
	if (c->head < c->tail)
		q->pause_ns = clock_mono_ns() + PAUSE_NS;
	for (; c->head < c->tail; c->head++)
		write_row(q, c->head, INT64_MIN, why, c, NULL);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CONN_CLOSED;
	c->watched = 0;
	c->out_done = c->out_len = 0;
}

static void answer_begin(struct requests *q, struct conn *c)
{
	c->answer.seq = c->head;
	c->answer.begun = c->answer.close = false;
	c->answer.status = 0;
	c->answer.bytes = 0;
	q->protocol->begin(&c->answer);
}

static void conn_open(struct requests *q, struct conn *c)
{
	const int on = 1;

	c->number = ++q->connections;
	c->local_port = 0;
	c->out_of_order = 0;
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

static void conn_send(struct requests *q, struct conn *c)
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

/* ---- giving requests to connections -------------------------------------- */

static bool conn_is_free(const struct requests *q, const struct conn *c)
{
	if (q->pipelined)
		return OUT_MAX - c->out_len >= MESSAGE_MAX;
	return c->head == c->tail;
}

/* An open one, if there is one. */
static struct conn *free_conn(struct requests *q)
{
	struct conn *best = NULL;

	for (size_t i = 0; i < q->n_conns; i++) {
		struct conn *c = &q->conns[i];

		if (!conn_is_free(q, c))
			continue;
		if (c->state == CONN_OPEN)
			return c;
		if (!best)
			best = c;
	}
	return best;
}

static void give(struct probe_task *t, struct conn *c)
{
	struct requests *q = t->state;
	uint64_t seq = q->given++;

	if (c->head == c->tail) {
		c->head = c->tail = seq;
		answer_begin(q, c);
	}
	c->tail = seq + 1;
	c->out_len += q->protocol->put(t->config, seq, c->out + c->out_len,
				       OUT_MAX - c->out_len);
	if (c->state == CONN_CLOSED)
		conn_open(q, c);
	else
		conn_send(q, c);
	conn_watch(t, c);
}

/* Those that wait, as far as there are connections. */
static void give_waiting(struct probe_task *t)
{
	struct requests *q = t->state;

	while (q->given < q->begun) {
		struct conn *c = free_conn(q);

		if (!c)
			return;
		give(t, c);
	}
}

static void begin_one(struct probe_task *t, int64_t due_ns)
{
	struct requests *q = t->state;
	bool waits = q->given < q->begun || !free_conn(q);
	int64_t now_ns = clock_mono_ns();

	lateness_add(&t->late, now_ns - due_ns);
	if (q->begun - oldest(q) >= WINDOW) {
		/* There is no room to wait in. */
		uint64_t seq = oldest(q);

		for (size_t i = 0; i < q->n_conns; i++)
			if (q->conns[i].head == seq && q->conns[i].tail > seq) {
				conn_close(q, &q->conns[i], "too many");
				break;
			}
		if (oldest(q) == seq && q->given < q->begun)
			write_row(q, q->given++, INT64_MIN, "too many", NULL,
				  NULL);
	}
	*begin_of(q, q->begun) = waits ? due_ns : now_ns;
	q->begun++;
	give_waiting(t);
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
	if (!came_in_order(c) || stamp_ns < *begin_of(q, c->head) ||
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
			answer_begin(q, c);
	}
}

static void conn_receive(struct probe_task *t, struct conn *c)
{
	_Alignas(struct cmsghdr) char control[256];
	struct requests *q = t->state;
	struct iovec iov = { q->buffer, READ_MAX };
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

static void requests_ready(struct probe_task *t, uint32_t tag, uint32_t events)
{
	struct requests *q = t->state;
	struct conn *c = &q->conns[tag];

	if (tag >= q->n_conns || c->state == CONN_CLOSED)
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

/* ---- what is due -----------------------------------------------------------
 */

/* Those that took too long; returns when the next one will have. */
static int64_t give_up_late(struct probe_task *t, int64_t now_ns)
{
	struct requests *q = t->state;
	int64_t timeout_ns = t->config->request.timeout_ns;
	int64_t next_ns = INT64_MAX, limit_ns;

	for (size_t i = 0; i < q->n_conns; i++) {
		struct conn *c = &q->conns[i];

		if (c->head == c->tail)
			continue;
		limit_ns = *begin_of(q, c->head) + timeout_ns;
		if (limit_ns <= now_ns) {
			/* Those behind it would wait in vain. */
			write_row(q, c->head++, INT64_MIN, "timed out", c,
				  NULL);
			conn_close(q, c, "given up");
		} else if (limit_ns < next_ns) {
			next_ns = limit_ns;
		}
	}
	while (q->given < q->begun) {
		limit_ns = *begin_of(q, q->given) + timeout_ns;
		if (limit_ns > now_ns) {
			next_ns = limit_ns < next_ns ? limit_ns : next_ns;
			break;
		}
		write_row(q, q->given++, INT64_MIN, "timed out", NULL, NULL);
	}
	return next_ns;
}

/* Returns when more will be due: 0, now; INT64_MAX: when an answer has come, or
 * never. */
static int64_t begin_due(struct probe_task *t)
{
	struct requests *q = t->state;
	const struct probe_config *c = t->config;
	int64_t end_ns = c->start_mono_ns + c->for_ns;

	for (unsigned n = 0; q->begun < q->count; n++) {
		int64_t now_ns = clock_mono_ns(), due_ns;

		if (c->interval_ns)
			due_ns = c->start_mono_ns +
				 (int64_t)q->begun * c->interval_ns;
		else
			due_ns = now_ns > c->start_mono_ns ? now_ns :
							     c->start_mono_ns;
		if (now_ns < due_ns)
			return due_ns;
		if (!c->interval_ns && now_ns >= end_ns)
			break;
		if (!c->interval_ns && !free_conn(q))
			return end_ns;
		if (!c->interval_ns && now_ns < q->pause_ns)
			return q->pause_ns < end_ns ? q->pause_ns : end_ns;
		if (n == BURST_MAX)
			return 0;
		begin_one(t, due_ns);
		if (t->failed)
			return INT64_MAX;
	}
	q->over = true;
	return INT64_MAX;
}

static int64_t requests_due(struct probe_task *t)
{
	struct requests *q = t->state;
	int64_t next_ns, late_ns;

	late_ns = give_up_late(t, clock_mono_ns());
	give_waiting(t);
	next_ns = q->over ? INT64_MAX : begin_due(t);
	if (q->over && oldest(q) == q->begun)
		t->done = true;
	return next_ns < late_ns ? next_ns : late_ns;
}

static void requests_stop(struct probe_task *t)
{
	struct requests *q = t->state;

	for (size_t i = 0; i < q->n_conns; i++)
		conn_close(q, &q->conns[i], "stopped");
	while (q->given < q->begun)
		write_row(q, q->given++, INT64_MIN, "stopped", NULL, NULL);
}

/* ---- set-up -----------------------------------------------------------------
 */

static int conns_open(struct requests *q, const struct probe_config *c)
{
	bool http = c->type == PROBE_HTTP;

	q->pipelined = !http && c->request.keep;
	q->n_conns = http	  ? c->request.concurrency :
		     q->pipelined ? 1 :
				    EACH_MAX;
	q->conns = calloc(q->n_conns, sizeof(*q->conns));
	if (!q->conns)
		return -ENOMEM;
	for (size_t i = 0; i < q->n_conns; i++)
		q->conns[i].fd = -1;
	for (size_t i = 0; i < q->n_conns; i++) {
		struct conn *conn = &q->conns[i];

		conn->out = malloc(OUT_MAX);
		if (http)
			conn->answer.http = malloc(sizeof(*conn->answer.http));
		if (!conn->out || (http && !conn->answer.http))
			return -ENOMEM;
	}
	return 0;
}

static int check_config(const struct probe_config *c, struct err *err)
{
	const uint32_t least = STREAM_HEADER, most = MESSAGE_MAX;

	if (c->for_ns <= 0 || c->interval_ns < 0 || c->request.timeout_ns <= 0)
		return err_set(err, EINVAL, "probe: an impossible time");
	if (c->type == PROBE_TCP_REQUEST &&
	    (c->request.request < least || c->request.request > most ||
	     c->request.response < least || c->request.response > most ||
	     !c->interval_ns))
		return err_set(err, EINVAL, "probe: an impossible request");
	if (c->type == PROBE_HTTP && !c->request.concurrency)
		return err_set(err, EINVAL, "probe: no connections");
	return 0;
}

static int requests_open(struct probe_task *t, struct err *err)
{
	const struct probe_config *c = t->config;
	struct requests *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return err_errno(err, ENOMEM, "probe");
	t->state = q;
	q->protocol = c->type == PROBE_HTTP ? &request_protocol_http :
					      &request_protocol_tcp;
	r = check_config(c, err);
	if (r)
		return r;
	q->to_len = tcp_address_set(&q->to, &c->to, c->port);
	if (!q->to_len)
		return err_set(err, EINVAL, "probe: no address to connect to");
	q->count = UINT64_MAX;
	if (c->interval_ns)
		q->count = (uint64_t)((c->for_ns - 1) / c->interval_ns + 1);
	q->begin_ns = calloc(WINDOW, sizeof(*q->begin_ns));
	q->buffer = malloc(READ_MAX);
	q->csv_buffer = malloc(CSV_BUFFER);
	if (!q->begin_ns || !q->buffer || !q->csv_buffer || conns_open(q, c))
		return err_errno(err, ENOMEM, "probe");
	q->csv = fopen(c->path, "we");
	if (!q->csv)
		return err_errno(err, errno, "%s", c->path);
	setvbuf(q->csv, q->csv_buffer, _IOFBF, CSV_BUFFER);
	fputs(REQUEST_CSV_HEADER, q->csv);
	return 0;
}

static int requests_finish(struct probe_task *t, struct err *err)
{
	struct requests *q = t->state;
	bool failed;

	requests_stop(t);
	failed = ferror(q->csv);
	if (fclose(TAKE_PTR(q->csv)) || failed)
		return err_errno(err, errno ? errno : EIO, "%s",
				 t->config->path);
	return 0;
}

static void requests_free(struct probe_task *t)
{
	struct requests *q = t->state;

	for (size_t i = 0; q->conns && i < q->n_conns; i++) {
		if (q->conns[i].fd >= 0)
			close(q->conns[i].fd);
		free(q->conns[i].out);
		free(q->conns[i].answer.http);
	}
	free(q->conns);
	if (q->csv)
		fclose(q->csv);
	free(q->csv_buffer);
	free(q->buffer);
	free(q->begin_ns);
	free(q);
}

const struct probe_task_kind probe_task_requests = {
	.open = requests_open,
	.due = requests_due,
	.ready = requests_ready,
	.stop = requests_stop,
	.finish = requests_finish,
	.free = requests_free,
};
