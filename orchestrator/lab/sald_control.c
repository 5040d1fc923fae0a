/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A sald is talked to over its control socket (docs/control.md): one
 * connection, on which requests are answered in order, and events told whenever
 * there are any.
 *
 * Events are read by the event loop. Requests are different: an operation is
 * done when the sald says so, and whatever comes next in a plan may build on
 * it. So lab_sald_settle() waits for the answers, outside of the loop, reading
 * whatever comes by the same function as the loop does. That takes as long as
 * a sald takes to wake up; one that does not answer in time has failed.
 *
 * Where that could take longer than a moment, nobody waits, and the answer is
 * told from the loop: sald_ask.c, whose requests are known by their IDs.
 */
#include "orchestrator/lab/sald.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONTROL_VERSION 1
#define START_TIMEOUT_MS 10000
#define READ_SIZE 16384
#define LINE_MAX_BYTES (1u << 20) /* no answer is longer: it is none */

void lab_sald_disconnect(struct lab_sald *s)
{
	s->io = sd_event_source_disable_unref(s->io);
	if (s->fd >= 0)
		close(s->fd);
	if (s->ready_fd >= 0)
		close(s->ready_fd);
	s->fd = s->ready_fd = -1;
	VEC_FREE(&s->in);
	VEC_FREE(&s->out);
	lab_sald_hung_up(s);
}

/* ---- lines --------------------------------------------------------------- */

static void keep_error(struct lab_sald *s, size_t tag, const struct err *err)
{
	if (s->err.code)
		return;
	s->err = *err;
	s->refused = tag;
}

static const char *code_of(json_t *error)
{
	const char *code = json_string_value(json_object_get(error, "code"));

	return code ? code : "";
}

int lab_sald_answer_error(json_t *answer, struct err *err)
{
	json_t *error = json_object_get(answer, "error");
	const char *text;

	if (!error)
		return 0;
	text = json_string_value(json_object_get(error, "message"));
	err_set(err, !strcmp(code_of(error), "EAGAIN") ? EAGAIN : EPROTO,
		"sald says: %s", text ? text : "(nothing)");
	text = json_string_value(json_object_get(error, "hint"));
	if (text)
		err_hint(err, "%s", text);
	return -err->code;
}

static void take_answer(struct lab_sald *s, json_t *answer)
{
	json_int_t id = json_integer_value(json_object_get(answer, "id"));
	struct err err = ERR_INIT;

	if (id >= SALD_ASK_FIRST) {
		lab_sald_answered(s, id, answer);
		return;
	}
	if (s->unanswered)
		s->unanswered--;
	if (lab_sald_answer_error(answer, &err))
		keep_error(s, id > 0 ? (size_t)id - 1 : SALD_NO_TAG, &err);
}

static void take_line(struct lab_sald *s, const char *line, size_t len)
{
	const struct lab_listener *l = &s->lab->listener;
	json_t *o = json_loadb(line, len, 0, NULL);

	if (!json_is_object(o)) {
		struct err err = ERR_INIT;

		err_set(&err, EPROTO, "sald wrote a line that is no object");
		keep_error(s, SALD_NO_TAG, &err);
	} else if (!json_object_get(o, "event")) {
		take_answer(s, o);
	} else if (l->sald_event) {
		l->sald_event(l->arg, s->node, o);
	}
	json_decref(o);
}

static void take_lines(struct lab_sald *s)
{
	size_t done = 0;

	while (done < s->in.n) {
		const char *line = s->in.v + done;
		const char *end = memchr(line, '\n', s->in.n - done);

		if (!end)
			break;
		take_line(s, line, (size_t)(end - line));
		done += (size_t)(end - line) + 1;
	}
	memmove(s->in.v, s->in.v + done, s->in.n - done);
	s->in.n -= done;
}

static bool put_bytes(bytes *v, const char *more_bytes, size_t n)
{
	if (v->cap - v->n < n) {
		size_t cap = v->n + n + READ_SIZE;
		char *more = realloc(v->v, cap);

		if (!more)
			return false;
		v->v = more;
		v->cap = cap;
	}
	memcpy(v->v + v->n, more_bytes, n);
	v->n += n;
	return true;
}

static void hang_up(struct lab_sald *s, int code)
{
	struct err err = ERR_INIT;

	if (code)
		err_errno(&err, code, "talk to sald");
	else
		err_set(&err, ECONNRESET, "sald has hung up");
	lab_sald_disconnect(s);
	if (s->unanswered)
		keep_error(s, SALD_NO_TAG, &err);
	s->unanswered = 0;
}

/* One buffer at a time: where events come faster than we can take them, there
 * would be no end, and what else is to be done would wait. True: there may be
 * more. */
static bool receive(struct lab_sald *s)
{
	char buf[READ_SIZE];
	ssize_t n;

	if (s->fd < 0)
		return false;
	do
		n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0 || s->in.n > LINE_MAX_BYTES ||
	    !put_bytes(&s->in, buf, (size_t)n)) {
		hang_up(s, n < 0 ? errno : n ? EMSGSIZE : 0);
		return false;
	}
	take_lines(s);
	return true;
}

void lab_sald_take_last(struct lab_sald *s)
{
	while (receive(s))
		;
}

/* What does not go out now goes when there is room: by the loop, or by who
 * waits for the answers. */
static void send_out(struct lab_sald *s)
{
	while (s->fd >= 0 && s->out.n) {
		ssize_t n = send(s->fd, s->out.v, s->out.n,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			sd_event_source_set_io_events(s->io,
						      EPOLLIN | EPOLLOUT);
			return;
		}
		if (n < 0) {
			hang_up(s, errno);
			return;
		}
		memmove(s->out.v, s->out.v + n, s->out.n - (size_t)n);
		s->out.n -= (size_t)n;
	}
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct lab_sald *s = arg;

	(void)fd;
	if (events & EPOLLOUT) {
		sd_event_source_set_io_events(source, EPOLLIN);
		send_out(s);
	}
	receive(s);
	return 0;
}

/* ---- requests ------------------------------------------------------------ */

int lab_sald_put(struct lab_sald *s, json_int_t id, json_t *request,
		 struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	bool good = request &&
		    !json_object_set_new(request, "v",
					 json_integer(CONTROL_VERSION)) &&
		    !json_object_set_new(request, "id", json_integer(id));

	if (good)
		text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text || !put_bytes(&s->out, text, strlen(text)) ||
	    !put_bytes(&s->out, "\n", 1))
		return err_errno(err, ENOMEM, "ask sald");
	send_out(s);
	return 0;
}

/* The same, and its answer will be waited for. */
static int put_request(struct lab_sald *s, size_t tag, json_t *request,
		       struct err *err)
{
	int r;

	s->unanswered++;
	r = lab_sald_put(s, (json_int_t)(tag + 1), request, err);
	if (r && s->unanswered)
		s->unanswered--;
	return r;
}

static int connect_control(struct lab_sald *s, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sald.sock",
		 s->lab->nodes[s->node].dir);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 ||
	    connect(s->fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return err_errno(err, errno, "connect to %s", addr.sun_path);
	r = sd_event_add_io(s->lab->event, &s->io, s->fd, EPOLLIN, on_ready, s);
	if (r < 0)
		return err_errno(err, -r, "listen to sald");
	return put_request(s, SALD_NO_TAG,
			   json_pack("{s:s}", "cmd", "subscribe"), err);
}

/* What it said before it ended, in its words: "sald: ...", "help: ...". */
static int told_why(struct lab_sald *s, struct err *err)
{
	char path[160], line[512] = "", help[512] = "";
	CLEANUP_FCLOSE FILE *f = NULL;

	snprintf(path, sizeof(path), "sald/%s.log", lab_sald_node(s));
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		(void)!fgets(help, sizeof(help), f);
	line[strcspn(line, "\n")] = help[strcspn(help, "\n")] = '\0';
	err_set(err, ECHILD, "%s",
		line[0] ? line : "sald ended before it was ready");
	if (!strncmp(help, "help: ", 6))
		err_hint(err, "%s", help + 6);
	return -ECHILD;
}

static int wait_ready(struct lab_sald *s, struct err *err)
{
	struct pollfd pfd = { .fd = s->ready_fd, .events = POLLIN };
	char byte;
	int r;

	do
		r = poll(&pfd, 1, START_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_set(err, ETIMEDOUT, "sald was not ready within %d s",
			       START_TIMEOUT_MS / 1000);
	r = read(s->ready_fd, &byte, 1) == 1;
	close(TAKE_FD(s->ready_fd));
	if (r)
		return connect_control(s, err);
	s->ending = true; /* told here and now */
	return told_why(s, err);
}

int lab_sald_can_be_asked(struct lab_sald *s, struct err *err)
{
	int r = kernel_step(&s->lab->kernel, err, "ask sald");

	if (!r && s->ready_fd >= 0)
		r = wait_ready(s, err);
	if (!r && s->fd < 0)
		r = err_set(err, ECHILD, "its sald %s",
			    s->pid ? "has hung up" : "does not run any more");
	return r;
}

int lab_sald_request(struct lab *lab, size_t node, size_t tag, json_t *request,
		     struct err *err)
{
	struct lab_sald *s = &lab->salds[node];
	int r = lab_sald_can_be_asked(s, err);

	if (r) {
		json_decref(request);
		return r;
	}
	return put_request(s, tag, request, err);
}

/* Waits until something can be read or sent anywhere. 1; 0: all is answered. */
static int wait_for_answers(struct lab *lab, int64_t deadline_ns,
			    struct pollfd *fds, struct err *err)
{
	size_t nodes = lab->plan->scenario->nodes.n, waiting = SCN_NONE;
	int64_t left_ms = (deadline_ns - clock_mono_ns()) / NSEC_PER_MSEC;
	int r;

	for (size_t i = 0; i < nodes; i++) {
		const struct lab_sald *s = &lab->salds[i];

		fds[i].fd = s->unanswered ? s->fd : -1;
		fds[i].events = (short)(POLLIN | (s->out.n ? POLLOUT : 0));
		fds[i].revents = 0;
		if (s->unanswered)
			waiting = i;
	}
	if (waiting == SCN_NONE)
		return 0;
	do
		r = poll(fds, nodes, left_ms > 0 ? (int)left_ms : 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_errno(err, errno, "poll");
	if (!r)
		return err_set(err, ETIMEDOUT,
			       "the sald of '%s' does not answer",
			       lab_sald_node(&lab->salds[waiting]));
	return 1;
}

int lab_sald_settle(struct lab *lab, size_t *failed_tag, struct err *err)
{
	size_t nodes = lab->plan->scenario->nodes.n;
	CLEANUP_FREE struct pollfd *fds = calloc(nodes + 1, sizeof(*fds));
	int64_t deadline = clock_mono_ns() + SALD_ANSWER_NS;
	int r;

	*failed_tag = SIZE_MAX;
	if (!fds)
		return err_errno(err, ENOMEM, "wait for the salds");
	while ((r = wait_for_answers(lab, deadline, fds, err)) > 0) {
		for (size_t i = 0; i < nodes; i++) {
			if (fds[i].revents & POLLOUT)
				send_out(&lab->salds[i]);
			if (fds[i].revents & ~POLLOUT)
				receive(&lab->salds[i]);
		}
	}
	for (size_t i = 0; i < nodes && !r; i++) {
		struct lab_sald *s = &lab->salds[i];

		if (!s->err.code)
			continue;
		*err = s->err;
		err_wrap(err, "%s", lab_sald_node(s));
		*failed_tag = s->refused;
		s->err = ERR_INIT;
		s->refused = SALD_NO_TAG;
		r = -err->code;
	}
	return r;
}
