/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Every host of a lab with a sal service runs a sald. It is a child of init
 * like any other; sald_control.c talks to it.
 *
 * A sald that ends takes its TUN device along: its host's inner address, and
 * the routes to services. What it does not take along are the sockets that are
 * bound to that address. Their programs would wait for answers that nobody can
 * send any more, TCP for many minutes; so these sockets are closed from
 * outside. Programs that try again find the routes that were left for this
 * (apply.c), and are told that the service cannot be reached.
 */
#include "orchestrator/lab/sald.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

void lab_salds_deinit(struct lab *lab)
{
	for (size_t i = 0; lab->salds && i < lab->plan->scenario->nodes.n;
	     i++) {
		lab_sald_disconnect(&lab->salds[i]);
		lab_sald_forget_all(&lab->salds[i]);
	}
	sd_event_source_disable_unref(lab->answers);
	free(lab->salds);
}

/* ---- in the child ------------------------------------------------------ */

struct child_arg {
	const struct lab_sald *sald;
	int ready_fd;
};

static void log_path(const char *node, char *path, size_t size)
{
	snprintf(path, size, "sald/%s.log", node);
}

/*
 * It is bounded by the sald's own limit for files, of which it writes no other;
 * what it prints beyond is not written, and it goes on. (A program of a
 * scenario may write files, so that its log goes through a pipe: log.c.)
 */
static int open_log(const char *node, struct err *err)
{
	const struct rlimit bound = { LAB_LOG_BYTES_MAX, LAB_LOG_BYTES_MAX };
	char path[160];
	int log;

	log_path(node, path, sizeof(path));
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &bound))
		return err_errno(err, errno, "bound the log of sald");
	if (mkdir("sald", 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir sald");
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return err_errno(err, errno, "open %s", path);
	return 0;
}

#define ARGS_MAX (2 * (PLAN_SAL_PREFIXES_MAX + 15) + 1)
#define SALD_NAMES 64 /* unless it is told otherwise */

static size_t add_number(const char *argv[ARGS_MAX], size_t n,
			 char texts[ARGS_MAX][80], const char *option,
			 int64_t value)
{
	if (!value)
		return n;
	argv[n++] = option;
	snprintf(texts[n], sizeof(texts[n]), "%lld", (long long)value);
	argv[n] = texts[n];
	return n + 1;
}

static size_t add_options(const char *argv[ARGS_MAX], size_t n,
			  char texts[ARGS_MAX][80], const struct scn_sal *s)
{
	n = add_number(argv, n, texts, "--liveness-ms", s->liveness_ms);
	n = add_number(argv, n, texts, "--probe-gap-ms", s->probe_gap_ms);
	n = add_number(argv, n, texts, "--probes", s->probes);
	n = add_number(argv, n, texts, "--keepalive-ms", s->keepalive_ms);
	if (s->encapsulate == SCN_ENCAPSULATE_NEVER) {
		argv[n++] = "--encapsulate";
		argv[n++] = "never";
	}
	if (s->resend == SCN_NO)
		argv[n++] = "--no-resend";
	if (s->source_routes == SCN_YES)
		argv[n++] = "--source-routes";
	return n;
}

/* More than the sald has by itself, or 0: that is enough. */
static int64_t room_for_names(const struct lab *lab)
{
	const struct scenario *s = lab->plan->scenario;
	int64_t n = 0;

	for (size_t i = 0; i < s->services.n; i++)
		n += s->services.v[i].resolver == SCN_RESOLVER_SAL;
	return n > SALD_NAMES ? n : 0;
}

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
	n = add_number(argv, n, texts, "--names", room_for_names(lab));
	n = add_options(argv, n, texts,
			&lab->plan->scenario->nodes.v[a->sald->node].sal);
	if (lab->plan->scenario->nodes.v[a->sald->node].kind ==
	    SCN_NODE_SERVICE_ROUTER)
		argv[n++] = "--service-router";
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

	if (!open_log(lab_sald_node(a->sald), &err)) {
		fcntl(a->ready_fd, F_SETFD, 0); /* goes with it */
		fill_args(a, argv, texts);
		execv(a->sald->lab->options.sald, (char **)argv);
		err_errno(&err, errno, "run %s", a->sald->lab->options.sald);
	}
	lab_child_failed(status_fd, &err);
	return LAB_CHILD_FAILED;
}

/* ---- beginning and end ------------------------------------------------- */

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

/* As process logs have it, where it has come to its bound. */
static void mark_cut_log(const char *node)
{
	CLEANUP_CLOSE int log = -1;
	struct stat st;
	char path[160];

	log_path(node, path, sizeof(path));
	if (stat(path, &st) || (uint64_t)st.st_size != LAB_LOG_BYTES_MAX)
		return;
	log = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (log >= 0)
		dprintf(log, LAB_LOG_MARK, (unsigned)(LAB_LOG_BYTES_MAX >> 20));
}

static void sald_exited(void *arg, int status)
{
	struct lab_sald *s = arg;
	const struct lab_listener *l = &s->lab->listener;
	unsigned closed = 0;

	s->pid = 0;
	mark_cut_log(lab_sald_node(s));
	if (!s->ending)
		closed = close_sockets(s);
	lab_sald_take_last(s);
	if (s->fd >= 0 || !s->ending)
		lab_sald_disconnect(s);
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
	s->refused = SALD_NO_TAG;
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

void lab_sald_expect_end(struct lab *lab, size_t node)
{
	lab->salds[node].ending = true;
}

bool lab_salds_run(const struct lab *lab)
{
	for (size_t i = 0; i < lab->plan->scenario->nodes.n; i++)
		if (lab->salds[i].pid)
			return true;
	return false;
}
