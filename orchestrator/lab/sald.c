/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Every host of a lab with a sal service runs a sald. It is a child of init
 * like any other, and talked to over its control socket (docs/control.md): one
 * connection, on which requests are answered in order, and events told whenever
 * there are any.
 *
 * Events are read by the event loop. Requests are different: an operation is
 * done when the sald says so, and whatever comes next in a plan may build on
 * it. So lab_sald_settle() waits for the answers, outside of the loop, reading
 * whatever comes by the same function as the loop does. That takes as long as
 * a sald takes to wake up; one that does not answer in time has failed.
 *
 * A sald that ends takes its TUN device along: its host's inner address, and
 * the routes to services. What it does not take along are the sockets that are
 * bound to that address. Their programs would wait for answers that nobody can
 * send any more, TCP for many minutes; so these sockets are closed from
 * outside. Programs that try again find the routes that were left for this
 * (apply.c), and are told that the service cannot be reached.
 */
#include "orchestrator/lab/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONTROL_VERSION 1
#define START_TIMEOUT_MS 10000
#define ANSWER_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define READ_SIZE 16384
#define LINE_MAX_BYTES (1u << 20) /* no answer is longer: it is none */
#define NO_TAG SIZE_MAX

typedef VEC(char) bytes;

struct lab_sald {
	struct lab *lab;
	size_t node;
	pid_t pid; /* 0: does not run */
	int ready_fd; /* readable, or at its end, when it is ready; or -1 */
	int fd; /* the connection; -1: none */
	sd_event_source *io;
	bool ending; /* told to end, or its end was told already */
	bytes in, out; /* not yet whole lines; not yet sent */
	size_t unanswered; /* requests */
	size_t refused; /* the tag of the first that was, NO_TAG: err is not of
			   a request */
	struct err err; /* the first failure since it was settled */
};

static const char *node_name(const struct lab_sald *s)
{
	return s->lab->plan->scenario->nodes.v[s->node].name;
}

int lab_salds_init(struct lab *lab, struct err *err)
{
	size_t n = lab->plan->scenario->nodes.n;

	lab->salds = calloc(n + 1, sizeof(*lab->salds));
	if (!lab->salds)
		return err_errno(err, ENOMEM, "prepare the salds");
	for (size_t i = 0; i < n; i++) {
		lab->salds[i].lab = lab;
		lab->salds[i].node = i;
		lab->salds[i].fd = lab->salds[i].ready_fd = -1;
	}
	return 0;
}

static void disconnect(struct lab_sald *s)
{
	s->io = sd_event_source_disable_unref(s->io);
	if (s->fd >= 0)
		close(s->fd);
	if (s->ready_fd >= 0)
		close(s->ready_fd);
	s->fd = s->ready_fd = -1;
	VEC_FREE(&s->in);
	VEC_FREE(&s->out);
}

void lab_salds_deinit(struct lab *lab)
{
	for (size_t i = 0; lab->salds && i < lab->plan->scenario->nodes.n; i++)
		disconnect(&lab->salds[i]);
	free(lab->salds);
}

/* ---- in the child ---------------------------------------------------------- */

struct child_arg {
	const struct lab_sald *sald;
	int ready_fd;
};

static int open_log(const char *node, struct err *err)
{
	char path[160];
	int log;

	snprintf(path, sizeof(path), "sald/%s.log", node);
	if (mkdir("sald", 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir sald");
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return err_errno(err, errno, "open %s", path);
	return 0;
}

#define ARGS_MAX (2 * (PLAN_SAL_PREFIXES_MAX + 6) + 1)

/* The command line; texts is where its words are kept. */
static void fill_args(const struct child_arg *a, const char *argv[ARGS_MAX],
		      char texts[ARGS_MAX][80])
{
	const struct lab *lab = a->sald->lab;
	const struct plan_node *node = &lab->plan->nodes.v[a->sald->node];
	struct ip_prefix prefixes[PLAN_SAL_PREFIXES_MAX];
	size_t count = plan_sal_prefixes(lab->plan, prefixes), n = 0;
	uint8_t key[PLAN_KEY_LEN];

	argv[n++] = "sald";
	for (size_t f = 0; f < 2; f++) {
		argv[n++] = "--inner";
		ip_format_prefix(&node->inner[f], texts[n], sizeof(texts[n]));
		argv[n] = texts[n];
		n++;
	}
	for (size_t i = 0; i < count; i++) {
		argv[n++] = "--services";
		ip_format_prefix(&prefixes[i], texts[n], sizeof(texts[n]));
		argv[n] = texts[n];
		n++;
	}
	argv[n++] = "--control";
	snprintf(texts[n], sizeof(texts[n]), "%s/sald.sock",
		 lab->nodes[a->sald->node].dir);
	argv[n] = texts[n];
	n++;
	argv[n++] = "--key";
	plan_sald_key(lab->plan, a->sald->node, key);
	for (size_t i = 0; i < PLAN_KEY_LEN; i++)
		snprintf(texts[n] + 2 * i, 3, "%02x", key[i]);
	argv[n] = texts[n];
	n++;
	argv[n++] = "--ready-fd";
	snprintf(texts[n], sizeof(texts[n]), "%d", a->ready_fd);
	argv[n] = texts[n];
	n++;
	argv[n] = NULL;
}

static int child_main(void *arg, int status_fd)
{
	struct child_arg *a = arg;
	const char *argv[ARGS_MAX];
	char texts[ARGS_MAX][80] = { { 0 } };
	struct err err = ERR_INIT;

	if (!open_log(node_name(a->sald), &err)) {
		fcntl(a->ready_fd, F_SETFD, 0); /* goes with it */
		fill_args(a, argv, texts);
		execv(a->sald->lab->options.sald, (char **)argv);
		err_errno(&err, errno, "run %s", a->sald->lab->options.sald);
	}
	lab_child_failed(status_fd, &err);
	return LAB_CHILD_FAILED;
}

/* ---- beginning and end ----------------------------------------------------- */

/* Sockets at the addresses that went with the TUN device. */
static unsigned close_sockets(struct lab_sald *s)
{
	const struct plan *plan = s->lab->plan;
	struct ip_prefix own[PLAN_SAL_PREFIXES_MAX + 2];
	size_t n = plan_sal_prefixes(plan, own);
	unsigned closed = 0;
	struct err ignored;

	own[n++] = plan->nodes.v[s->node].inner[0];
	own[n++] = plan->nodes.v[s->node].inner[1];
	/* A kernel that cannot leaves them to their own time-outs. */
	kns_destroy_sockets(s->lab->nodes[s->node].ns, own, n, &closed,
			    &ignored);
	return closed;
}

static void sald_exited(void *arg, int status)
{
	struct lab_sald *s = arg;
	const struct lab_listener *l = &s->lab->listener;
	unsigned closed = 0;

	s->pid = 0;
	if (!s->ending)
		closed = close_sockets(s);
	if (s->fd >= 0 || !s->ending)
		disconnect(s);
	if (l->sald_exited)
		l->sald_exited(l->arg, s->node, status, s->ending, closed);
}

int lab_sald_start(struct lab *lab, size_t node, struct err *err)
{
	struct lab_sald *s = &lab->salds[node];
	struct child_arg arg = { .sald = s };
	int ready[2], r;

	if (!lab->options.sald) {
		err_set(err, ENOENT, "the program 'sald' is missing");
		err_hint(err, "it belongs beside 'servalab'; or name it in the "
			      "variable SERVALAB_SALD");
		return -ENOENT;
	}
	if (pipe2(ready, O_CLOEXEC))
		return err_errno(err, errno, "pipe");
	arg.ready_fd = ready[1];
	s->ending = false;
	s->refused = NO_TAG;
	r = lab_spawn(lab, node, child_main, &arg, sald_exited, s, &s->pid,
		      err);
	close(ready[1]);
	if (r) {
		s->pid = 0;
		close(ready[0]);
		return r;
	}
	s->ready_fd = ready[0];
	return 0;
}

void lab_stop_salds(struct lab *lab)
{
	for (size_t i = 0; i < lab->plan->scenario->nodes.n; i++) {
		struct lab_sald *s = &lab->salds[i];

		if (!s->pid)
			continue;
		s->ending = true;
		kill(s->pid, SIGTERM);
	}
}

bool lab_salds_run(const struct lab *lab)
{
	for (size_t i = 0; i < lab->plan->scenario->nodes.n; i++)
		if (lab->salds[i].pid)
			return true;
	return false;
}

/* What it said before it ended, in its words: "sald: ...", "help: ...". */
static int told_why(struct lab_sald *s, struct err *err)
{
	char path[160], line[512] = "", help[512] = "";
	CLEANUP_FCLOSE FILE *f = NULL;

	snprintf(path, sizeof(path), "sald/%s.log", node_name(s));
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

/* ---- lines ------------------------------------------------------------------- */

static void keep_error(struct lab_sald *s, size_t tag, const struct err *err)
{
	if (s->err.code)
		return;
	s->err = *err;
	s->refused = tag;
}

static void take_answer(struct lab_sald *s, json_t *answer)
{
	json_t *error = json_object_get(answer, "error");
	json_int_t id = json_integer_value(json_object_get(answer, "id"));
	const char *text;
	struct err err = ERR_INIT;

	if (s->unanswered)
		s->unanswered--;
	if (!error)
		return;
	text = json_string_value(json_object_get(error, "message"));
	err_set(&err, EPROTO, "sald says: %s", text ? text : "(nothing)");
	text = json_string_value(json_object_get(error, "hint"));
	if (text)
		err_hint(&err, "%s", text);
	keep_error(s, id > 0 ? (size_t)id - 1 : NO_TAG, &err);
}

static void take_line(struct lab_sald *s, const char *line, size_t len)
{
	const struct lab_listener *l = &s->lab->listener;
	json_t *o = json_loadb(line, len, 0, NULL);

	if (!json_is_object(o)) {
		struct err err = ERR_INIT;

		err_set(&err, EPROTO, "sald wrote a line that is no object");
		keep_error(s, NO_TAG, &err);
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
	disconnect(s);
	if (s->unanswered)
		keep_error(s, NO_TAG, &err);
	s->unanswered = 0;
}

/* All there is to read now. */
static void receive(struct lab_sald *s)
{
	char buf[READ_SIZE];
	ssize_t n;

	while (s->fd >= 0) {
		n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || s->in.n > LINE_MAX_BYTES ||
		    !put_bytes(&s->in, buf, (size_t)n)) {
			hang_up(s, n < 0 ? errno : n ? EMSGSIZE : 0);
			return;
		}
		take_lines(s);
	}
}

static void send_out(struct lab_sald *s)
{
	while (s->fd >= 0 && s->out.n) {
		ssize_t n = send(s->fd, s->out.v, s->out.n,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			hang_up(s, errno);
			return;
		}
		memmove(s->out.v, s->out.v + n, s->out.n - (size_t)n);
		s->out.n -= (size_t)n;
	}
}

static int on_readable(sd_event_source *source, int fd, uint32_t events,
		       void *arg)
{
	(void)source;
	(void)fd;
	(void)events;
	receive(arg);
	return 0;
}

/* ---- requests ----------------------------------------------------------------- */

static int put_request(struct lab_sald *s, size_t tag, json_t *request,
		       struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	bool good = request &&
		    !json_object_set_new(request, "v",
					 json_integer(CONTROL_VERSION)) &&
		    !json_object_set_new(request, "id",
					 json_integer((json_int_t)(tag + 1)));

	if (good)
		text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text || !put_bytes(&s->out, text, strlen(text)) ||
	    !put_bytes(&s->out, "\n", 1))
		return err_errno(err, ENOMEM, "ask sald");
	s->unanswered++;
	send_out(s);
	return 0;
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
	r = sd_event_add_io(s->lab->event, &s->io, s->fd, EPOLLIN, on_readable,
			    s);
	if (r < 0)
		return err_errno(err, -r, "listen to sald");
	return put_request(s, NO_TAG, json_pack("{s:s}", "cmd", "subscribe"),
			   err);
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
		return err_set(err, ETIMEDOUT,
			       "sald was not ready within %d s",
			       START_TIMEOUT_MS / 1000);
	r = read(s->ready_fd, &byte, 1) == 1;
	close(TAKE_FD(s->ready_fd));
	if (r)
		return connect_control(s, err);
	s->ending = true; /* told here and now */
	return told_why(s, err);
}

int lab_sald_request(struct lab *lab, size_t node, size_t tag,
		     json_t *request, struct err *err)
{
	struct lab_sald *s = &lab->salds[node];
	int r = kernel_step(&lab->kernel, err, "ask sald");

	if (!r && s->ready_fd >= 0)
		r = wait_ready(s, err);
	if (!r && s->fd < 0)
		r = err_set(err, ECHILD, "its sald does not run any more");
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
			       node_name(&lab->salds[waiting]));
	return 1;
}

int lab_sald_settle(struct lab *lab, size_t *failed_tag, struct err *err)
{
	size_t nodes = lab->plan->scenario->nodes.n;
	CLEANUP_FREE struct pollfd *fds = calloc(nodes + 1, sizeof(*fds));
	int64_t deadline = clock_mono_ns() + ANSWER_TIMEOUT_NS;
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
		err_wrap(err, "%s", node_name(s));
		*failed_tag = s->refused;
		s->err = ERR_INIT;
		s->refused = NO_TAG;
		r = -err->code;
	}
	return r;
}
