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
#include "stream/socket.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define CSV_BUFFER ((size_t)1 << 20)
#define EACH_MAX 64u /* connections at a time, with one for each request */
#define BURST_MAX 128u /* requests begun at a time */

static uint64_t oldest(const struct requests *q)
{
	uint64_t first = q->given;

	for (size_t i = 0; i < q->n_conns; i++)
		if (q->conns[i].head < q->conns[i].tail &&
		    q->conns[i].head < first)
			first = q->conns[i].head;
	return first;
}

/* ---- giving requests to connections -------------------------------------- */

static bool conn_is_free(const struct requests *q, const struct conn *c)
{
	if (q->pipelined)
		return REQUEST_OUT_MAX - c->out_len >= MESSAGE_MAX;
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
		conn_answer_begin(q, c);
	}
	c->tail = seq + 1;
	c->out_len += q->protocol->put(t->config, seq, c->out + c->out_len,
				       REQUEST_OUT_MAX - c->out_len);
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
	int64_t now_ns = probe_now_ns(t);

	lateness_add(&t->late, now_ns - due_ns);
	if (q->begun - oldest(q) >= REQUEST_WINDOW) {
		/* There is no room to wait in. */
		uint64_t seq = oldest(q);

		for (size_t i = 0; i < q->n_conns; i++)
			if (q->conns[i].head == seq && q->conns[i].tail > seq) {
				conn_close(q, &q->conns[i], "too many");
				break;
			}
		if (oldest(q) == seq && q->given < q->begun)
			request_write_row(q, q->given++, INT64_MIN, "too many",
					  NULL, NULL);
	}
	*request_begin_of(q, q->begun) = waits ? due_ns : now_ns;
	q->begun++;
	give_waiting(t);
}

static void requests_ready(struct probe_task *t, uint32_t tag, uint32_t events)
{
	struct requests *q = t->state;

	if (tag < q->n_conns)
		conn_ready(t, &q->conns[tag], events);
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
		limit_ns = *request_begin_of(q, c->head) + timeout_ns;
		if (limit_ns <= now_ns) {
			/* Those behind it would wait in vain. */
			request_write_row(q, c->head++, INT64_MIN, "timed out",
					  c, NULL);
			conn_close(q, c, "given up");
		} else if (limit_ns < next_ns) {
			next_ns = limit_ns;
		}
	}
	while (q->given < q->begun) {
		limit_ns = *request_begin_of(q, q->given) + timeout_ns;
		if (limit_ns > now_ns) {
			next_ns = limit_ns < next_ns ? limit_ns : next_ns;
			break;
		}
		request_write_row(q, q->given++, INT64_MIN, "timed out", NULL,
				  NULL);
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
		int64_t now_ns = probe_now_ns(t), due_ns;

		if (c->interval_ns) {
			due_ns = c->start_mono_ns +
				 (int64_t)(q->begun + t->skipped) *
					 c->interval_ns;
			q->count -= probe_loop_skip(t, &due_ns, c->interval_ns,
						    q->count - q->begun);
			if (q->begun == q->count)
				break;
		} else {
			due_ns = now_ns > c->start_mono_ns ? now_ns :
							     c->start_mono_ns;
		}
		if (now_ns < due_ns)
			return due_ns;
		if (!c->interval_ns && now_ns >= end_ns)
			break;
		if (!c->interval_ns && !free_conn(q))
			return end_ns;
		if (!c->interval_ns && now_ns < q->rest_ns)
			return q->rest_ns < end_ns ? q->rest_ns : end_ns;
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

	late_ns = give_up_late(t, probe_now_ns(t));
	give_waiting(t);
	next_ns = q->over ? INT64_MAX : begin_due(t);
	if (q->over && oldest(q) == q->begun)
		t->done = true;
	return next_ns < late_ns ? next_ns : late_ns;
}

static void requests_flush(struct probe_task *t)
{
	const struct requests *q = t->state;

	fflush(q->csv);
}

static void requests_stop(struct probe_task *t, const char *why)
{
	struct requests *q = t->state;

	for (size_t i = 0; i < q->n_conns; i++)
		conn_close(q, &q->conns[i], why);
	while (q->given < q->begun)
		request_write_row(q, q->given++, INT64_MIN, why, NULL, NULL);
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

		conn->out = malloc(REQUEST_OUT_MAX);
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
	q->pauses = c->pauses;
	q->protocol = c->type == PROBE_HTTP ? &request_protocol_http :
					      &request_protocol_tcp;
	r = check_config(c, err);
	if (r)
		return r;
	q->name = (struct probe_name){ .name = c->name, .address = c->to };
	q->port = c->port;
	q->to_len = tcp_address_set(&q->to, &c->to, c->port);
	if (!q->to_len)
		return err_set(err, EINVAL, "probe: no address to connect to");
	q->count = UINT64_MAX;
	if (c->interval_ns)
		q->count = (uint64_t)((c->for_ns - 1) / c->interval_ns + 1);
	q->begin_ns = calloc(REQUEST_WINDOW, sizeof(*q->begin_ns));
	q->buffer = malloc(REQUEST_READ_MAX);
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

	requests_stop(t, "stopped");
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
	.flush = requests_flush,
	.stop = requests_stop,
	.finish = requests_finish,
	.free = requests_free,
};
