/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The resolver of a lab, seen from init: one process, which answers for the
 * names of the lab's services in every node (orchestrator/resolver).
 *
 * Init opens its sockets in each node, for it can enter every namespace, and
 * hands them over: the resolver itself enters none. They are bound by then, so
 * that nothing has to wait for the resolver, which may still be loading: what
 * is asked meanwhile lies in its sockets.
 *
 * What a name means is kept here, and all of a name is told at once: a name
 * that gets one address for another is never seen with none, or both. The
 * changes of several operations are told, and waited for, when they have all
 * been made (lab_names_settle()).
 */
#include "orchestrator/lab/internal.h"

#include "orchestrator/names/names.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_NS (10 * NSEC_PER_SEC)

struct name {
	struct names_entry *entry;
	bool changed; /* and the resolver does not know yet */
};

struct lab_names {
	struct lab *lab;
	pid_t pid; /* 0: does not run */
	int control; /* -1: none */
	bool ending;
	size_t unanswered;
	struct names_node opened[NAMES_OPEN_MAX]; /* not handed over yet */
	size_t n_opened;
	struct name *names; /* by service */
};

int lab_names_init(struct lab *lab, struct err *err)
{
	const struct scenario *s = lab->plan->scenario;
	struct lab_names *n = calloc(1, sizeof(*n));

	lab->names = n;
	if (n) {
		n->lab = lab;
		n->control = -1;
		n->names = calloc(s->services.n + 1, sizeof(*n->names));
	}
	if (!n || !n->names)
		return err_errno(err, ENOMEM, "prepare the names");
	return 0;
}

static void close_opened(struct lab_names *n)
{
	for (size_t i = 0; i < n->n_opened; i++)
		for (size_t k = 0; k < n->opened[i].n; k++)
			close(n->opened[i].sockets[k]);
	n->n_opened = 0;
}

static void hang_up(struct lab_names *n)
{
	close_opened(n);
	if (n->control >= 0)
		close(n->control);
	n->control = -1;
	n->unanswered = 0;
}

void lab_names_deinit(struct lab *lab)
{
	struct lab_names *n = lab->names;

	if (!n)
		return;
	hang_up(n);
	for (size_t i = 0; n->names && i < lab->plan->scenario->services.n; i++)
		free(n->names[i].entry);
	free(n->names);
	free(n);
	lab->names = NULL;
}

/* ---- the process --------------------------------------------------------- */

struct child_arg {
	const struct lab_names *names;
	int control; /* its own end */
};

static int child_main(void *arg, int status_fd)
{
	const struct child_arg *a = arg;
	const struct lab *lab = a->names->lab;
	struct err err = ERR_INIT;
	char fd[16], seed[32], others[IP_TEXT_MAX] = "refuse";

	snprintf(fd, sizeof(fd), "%d", a->control);
	snprintf(seed, sizeof(seed), "%llu",
		 (unsigned long long)lab->plan->scenario->seed);
	fcntl(a->control, F_SETFD, 0); /* goes with it */
	if (lab->plan->scenario->others.family)
		ip_format_addr(&lab->plan->scenario->others, others,
			       sizeof(others));
	execl(lab->options.resolver, "serval-resolver", fd, seed, others,
	      PLAN_AUTO_SERVICE4, PLAN_AUTO_SERVICE6, PLAN_MIXED_OTHER6, NULL);
	err_errno(&err, errno, "run %s", lab->options.resolver);
	lab_child_failed(status_fd, &err);
	return LAB_CHILD_FAILED;
}

static void names_exited(void *arg, int status)
{
	struct lab_names *n = arg;
	const struct lab_listener *l = &n->lab->listener;

	n->pid = 0;
	hang_up(n);
	if (l->names_exited)
		l->names_exited(l->arg, status, n->ending);
}

int lab_names_start(struct lab *lab, struct err *err)
{
	struct lab_names *n = lab->names;
	struct child_arg arg = { .names = n };
	int control[2], r;

	if (!lab->options.resolver) {
		err_set(err, ENOENT,
			"the program 'serval-resolver' is missing");
		err_hint(err, "it belongs beside 'servalab'; or name it in the "
			      "variable SERVALAB_RESOLVER");
		return -ENOENT;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control))
		return err_errno(err, errno, "open a pair of sockets");
	arg.control = control[1];
	r = lab_spawn(lab, SCN_NONE, child_main, &arg, names_exited, n, &n->pid,
		      err);
	close(control[1]);
	if (r) {
		n->pid = 0;
		close(control[0]);
		return r;
	}
	n->control = control[0];
	return 0;
}

void lab_stop_names(struct lab *lab)
{
	lab->names->ending = true;
	hang_up(lab->names);
}

/* ---- orders -------------------------------------------------------------- */

static int gone(struct lab_names *n, struct err *err)
{
	hang_up(n);
	return err_set(err, EPIPE, "the resolver of names is gone");
}

/* Has it sent, or why not. */
static int sent(struct lab_names *n, int r, const char *what, struct err *err)
{
	if (r == -EPIPE || r == -ECONNRESET || n->control < 0)
		return gone(n, err);
	return r ? err_errno(err, -r, "%s", what) : 0;
}

static int hand_over(struct lab_names *n, struct err *err)
{
	int r;

	if (!n->n_opened)
		return 0;
	r = n->control < 0 ?
		    -EPIPE :
		    names_send_open(n->control, n->opened, n->n_opened);
	close_opened(n);
	return sent(n, r, "hand over a server's sockets", err);
}

int lab_names_open(struct lab *lab, size_t node, struct err *err)
{
	struct lab_names *n = lab->names;
	struct names_node *opened = &n->opened[n->n_opened];
	const struct ip_addr *others = &lab->plan->scenario->others;
	struct ip_addr address;
	int r;

	ip_parse_addr(NAMES_ADDRESS, &address); /* our own constant */
	r = kns_open_server(lab->nodes[node].ns, &address, NAMES_PORT,
			    opened->sockets, err);
	if (r)
		return r;
	opened->n = NAMES_SERVERS;
	if (others->family) {
		r = kns_open_clients(lab->nodes[node].ns, others->family,
				     opened->sockets + NAMES_SERVERS,
				     NAMES_ASKERS, err);
		if (r) {
			for (size_t i = 0; i < NAMES_SERVERS; i++)
				close(opened->sockets[i]);
			return r;
		}
		opened->n = NAMES_SOCKETS_MAX;
	}
	opened->node = node;
	n->n_opened++;
	/* Is there no room for one more? */
	return n->n_opened == NAMES_OPEN_MAX || (n->n_opened + 1) * opened->n >
							NAMES_SOCKETS_AT_ONCE ?
		       hand_over(n, err) :
		       0;
}

/* One answer; 0, or it is gone, or says no. */
static int take_answer(struct lab_names *n, int64_t deadline_ns,
		       struct err *err)
{
	int64_t left_ms = (deadline_ns - clock_mono_ns()) / NSEC_PER_MSEC;
	struct pollfd pfd = { .fd = n->control, .events = POLLIN };
	struct names_reply reply;
	ssize_t got;
	int r;

	do
		r = poll(&pfd, 1, left_ms > 0 ? (int)left_ms : 0);
	while (r < 0 && errno == EINTR);
	if (!r)
		return err_set(err, ETIMEDOUT,
			       "the resolver of names does not answer");
	got = recv(n->control, &reply, sizeof(reply), MSG_DONTWAIT);
	if (got != (ssize_t)sizeof(reply))
		return gone(n, err);
	n->unanswered--;
	return reply.code ? err_errno(err, reply.code, "tell the resolver") : 0;
}

static int await_answers(struct lab_names *n, struct err *err)
{
	int64_t deadline_ns = clock_mono_ns() + ANSWER_TIMEOUT_NS;
	int r = 0;

	while (n->unanswered && !r)
		r = take_answer(n, deadline_ns, err);
	return r;
}

int lab_names_close(struct lab *lab, size_t node, struct err *err)
{
	struct lab_names *n = lab->names;
	struct err mine = ERR_INIT;
	int r;

	if (n->control < 0)
		return 0; /* it has none, or they went with it */
	r = sent(n, names_send_close(n->control, node), "close a server",
		 &mine);
	if (!r) {
		n->unanswered++;
		r = await_answers(n, &mine);
	}
	if (!r || n->control < 0) /* it has just died */
		return 0;
	if (err)
		*err = mine;
	return r;
}

/* ---- names --------------------------------------------------------------- */

static struct names_entry *entry_new(const struct lab *lab, size_t service)
{
	const struct scn_service *s = &lab->plan->scenario->services.v[service];
	struct names_entry *e = calloc(1, names_entry_size(0));

	if (!e)
		return NULL;
	snprintf(e->name, sizeof(e->name), "%s", s->name);
	/* An instance has a name already: its node's. */
	e->reverse = s->resolver != SCN_RESOLVER_DNS;
	e->all = e->reverse || s->all_addresses;
	e->ttl_s = e->reverse ? 0 : s->ttl_s;
	return e;
}

/* Makes room for one more. */
static int entry_grow(struct names_entry **entry)
{
	struct names_entry *more;

	if ((*entry)->n == NAMES_TARGETS_MAX)
		return -ENOSPC;
	more = realloc(*entry, names_entry_size((*entry)->n + 1));
	if (!more)
		return -ENOMEM;
	*entry = more;
	return 0;
}

int lab_name_change(struct lab *lab, size_t service,
		    const struct ip_addr *address, uint32_t weight, bool add,
		    struct err *err)
{
	struct name *name = &lab->names->names[service];
	struct names_entry *e;
	size_t at = 0;
	int r = kernel_step(&lab->kernel, err, "change a name");

	if (r)
		return r;
	if (!name->entry)
		name->entry = entry_new(lab, service);
	if (!name->entry)
		return err_errno(err, ENOMEM, "change a name");
	e = name->entry;
	if (!add && !address->family)
		e->n = 0;
	while (at < e->n && !ip_addr_equal(&e->targets[at].address, address))
		at++;
	name->changed = true;
	if (!add) {
		if (at < e->n)
			memmove(&e->targets[at], &e->targets[at + 1],
				(--e->n - at) * sizeof(*e->targets));
		return 0;
	}
	if (at == e->n) {
		r = entry_grow(&name->entry);
		if (r)
			return err_errno(err, -r, "change a name");
		e = name->entry;
		e->n++;
	}
	e->targets[at].address = *address;
	e->targets[at].weight = weight;
	return 0;
}

int lab_names_settle(struct lab *lab, struct err *err)
{
	struct lab_names *n = lab->names;
	int r = hand_over(n, err);

	for (size_t i = 0; i < lab->plan->scenario->services.n && !r; i++) {
		if (!n->names[i].changed)
			continue;
		r = n->control < 0 ?
			    -EPIPE :
			    names_send_set(n->control, n->names[i].entry);
		r = sent(n, r, "tell the resolver", err);
		n->names[i].changed = false;
		n->unanswered += !r;
		/* Neither side may wait for the other to read. */
		if (!r && n->unanswered >= 64)
			r = await_answers(n, err);
	}
	return r ? r : await_answers(n, err);
}
