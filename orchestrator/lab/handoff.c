/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A service's live TCP connections go from one host to another: their flows
 * from sald to sald (node/sal/handoff.c), the connections themselves from
 * server to server, over a socket pair that both are given here. This file
 * directs it, and is the only one who knows both sides.
 *
 *     hold      old sald: the flow stands still
 *     dump      old server: the connection, into the pair
 *     restore   new server: the same connection, not yet let go
 *     import    old sald's flow, in bytes, to the new sald
 *     commit    old sald releases: from here on there is no way back
 *               new sald commits, new server goes on, old server closes
 *
 * All flows take each step together, so that one that cannot be moved is found
 * before any has been. Up to the release each step is taken back where a later
 * one fails: the new server drops its copy, the new sald forgets its, the old
 * server leaves repair mode, the old sald lets the flow go on. Whoever does not
 * answer in that is dead, and holds nothing any more.
 *
 * The last look before the release is at who must be alive after it. A new
 * server or sald that dies after that takes the flows with it, as the old ones
 * would have: they are its own by then. Flows are released one by one, and a
 * hold may have ended by itself before its turn came (who directs was stopped
 * for ten seconds): then those before it have moved, and the action fails.
 *
 * All of this is waited for, outside of the event loop (as sald_control.c does,
 * and why): some milliseconds, bounded for the case that somebody is stuck.
 */
#include "orchestrator/lab/sald.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include "base/fd_pass.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_TIMEOUT_MS 10000 /* of a server; its own patience is 5 s */
#define HOLD_RETRY_NS (20 * NSEC_PER_MSEC)
#define HOLD_PATIENCE_NS (2 * NSEC_PER_SEC)
#define PARTS_MAX 1024

struct moving {
	uint32_t flow;
	char ends[160]; /* "LOCAL PORT REMOTE PORT", of the old end */
	bool held, dumped, restored, imported, released;
};

struct handoff {
	struct lab *lab;
	const struct lab_handoff *what;
	struct lab_process *old, *new;
	VEC(struct moving) flows;
};

/* ---- processes that can ------------------------------------------------- */

static bool runs_in(const struct scenario *s, size_t service, size_t process)
{
	const struct scn_service *svc = &s->services.v[service];

	for (size_t i = 0; i < svc->run.n; i++)
		if (svc->run.v[i] == process)
			return true;
	return false;
}

/* Is it of a service that is handed over some time? */
static bool may_hand_over(const struct scenario *s, size_t process)
{
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		for (size_t k = 0; k < e->actions.n; k++) {
			const struct scn_action *a = &e->actions.v[k];

			if (a->kind == SCN_ACTION_MIGRATE &&
			    a->migrate.mode == SCN_MIGRATE_HANDOFF &&
			    runs_in(s, a->migrate.service, process))
				return true;
		}
	}
	return false;
}

int lab_handoff_prepare(struct lab_process *p, int *theirs, struct err *err)
{
	int pair[2];

	*theirs = -1;
	lab_handoff_forget(p);
	if (!may_hand_over(p->lab->plan->scenario, p->index))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_errno(err, errno, "socketpair");
	p->handoff_fd = pair[0];
	*theirs = pair[1];
	return 0;
}

void lab_handoff_forget(struct lab_process *p)
{
	if (p->handoff_fd >= 0)
		close(p->handoff_fd);
	p->handoff_fd = -1;
}

static const char *name_of(const struct lab_process *p)
{
	return p->lab->plan->scenario->processes.v[p->index].name;
}

/* ---- talking to a server ------------------------------------------------- */

/* fd: goes along; -1: none. */
static int order(struct lab_process *p, const char *word, size_t number,
		 const char *rest, int fd, struct err *err)
{
	char text[256];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s %zu %s", word,
				      number, rest);

	if (fd_pass_send(p->handoff_fd, text, len, fd, MSG_DONTWAIT) < 0)
		return err_errno(err, errno, "tell process '%s' to %s",
				 name_of(p), word);
	return 0;
}

/* To the latest order. */
static int answer(struct lab_process *p, const char *word, size_t number,
		  struct err *err)
{
	struct pollfd pfd = { .fd = p->handoff_fd, .events = POLLIN };
	char text[256], verdict[16] = "";
	unsigned got = 0;
	int used = 0, r;
	ssize_t n;

	do
		r = poll(&pfd, 1, ANSWER_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (!r) {
		err_set(err, ETIMEDOUT,
			"process '%s' does not answer to \"%s\"", name_of(p),
			word);
		err_hint(err, "it must speak what docs/control.md says of "
			      "servers that hand over, as "
			      "serval-handoff-echo does");
		/* What it still says would be taken for another answer, and
		 * it takes everything back when nobody directs it. */
		lab_handoff_forget(p);
		return -ETIMEDOUT;
	}
	n = recv(p->handoff_fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n <= 0)
		return err_set(err, ECONNRESET,
			       "process '%s' ended when it was told to %s",
			       name_of(p), word);
	text[n] = '\0';
	if (sscanf(text, "%15s %u %n", verdict, &got, &used) < 2 ||
	    got != number)
		return err_set(err, EPROTO,
			       "process '%s' answers \"%s\" to \"%s\"",
			       name_of(p), text, word);
	if (!strcmp(verdict, "done"))
		return 0;
	return err_set(err, EREMOTEIO, "process '%s': %s: %s", name_of(p), word,
		       text + used);
}

static int ask(struct lab_process *p, const char *word, size_t number,
	       struct err *err)
{
	int r = order(p, word, number, "", -1, err);

	return r ? r : answer(p, word, number, err);
}

static bool is_alive(const struct lab_process *p)
{
	/* Its end of the socket is open; what it has said waits. */
	struct pollfd pfd = { .fd = p->handoff_fd };

	return p->handoff_fd >= 0 && poll(&pfd, 1, 0) == 0;
}

/* ---- the steps ----------------------------------------------------------- */

static int ask_sald(const struct handoff *h, size_t node, const char *cmd,
		    const struct moving *m, struct err *err)
{
	return lab_sald_call(h->lab, node,
			     json_pack("{s:s, s:I}", "cmd", cmd, "flow",
				       (json_int_t)m->flow),
			     NULL, err);
}

static int hold(const struct handoff *h, struct moving *m, size_t i,
		struct err *err)
{
	int64_t deadline_ns = clock_mono_ns() + HOLD_PATIENCE_NS;
	const struct timespec gap = { .tv_nsec = HOLD_RETRY_NS };

	(void)i;
	for (;;) {
		struct err refused = ERR_INIT;
		int r = ask_sald(h, h->what->from, "flow hold", m, &refused);

		m->held = !r;
		/* It moves just now, or opens: that is over in a moment. */
		if (r != -EAGAIN || clock_mono_ns() > deadline_ns) {
			if (r)
				*err = refused;
			return r;
		}
		nanosleep(&gap, NULL);
	}
}

/* The old server writes while the new one reads: both are told at once. */
static int dump(const struct handoff *h, struct moving *m, size_t i,
		struct err *err)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_errno(err, errno, "socketpair");
	r = order(h->old, "dump", i, m->ends, pair[0], err);
	if (!r)
		m->dumped = true; /* or not: "back" will tell */
	if (!r)
		r = order(h->new, "take", i, "", pair[1], err);
	if (!r)
		m->restored = true; /* likewise */
	close(pair[0]);
	close(pair[1]);
	if (m->dumped) {
		struct err other = ERR_INIT;
		int failed = answer(h->old, "dump", i, &other);

		m->dumped = !failed;
		if (failed)
			*err = other;
		r = failed ? failed : r;
	}
	return r;
}

static int restore(const struct handoff *h, struct moving *m, size_t i,
		   struct err *err)
{
	int r = answer(h->new, "take", i, err);

	m->restored = !r;
	return r;
}

static const char *text_of(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* The text goes from one sald to the other as it is. */
static int import(const struct handoff *h, struct moving *m, size_t i,
		  struct err *err)
{
	json_int_t total = 1, offset = 0;
	int r = 0;

	(void)i;
	for (int part = 0; part < PARTS_MAX && offset < total && !r; part++) {
		json_t *got = NULL, *text;

		r = lab_sald_call(h->lab, h->what->from,
				  json_pack("{s:s, s:I, s:I}", "cmd",
					    "flow export", "flow",
					    (json_int_t)m->flow, "offset",
					    offset),
				  &got, err);
		if (r)
			break;
		total = json_integer_value(json_object_get(got, "total"));
		text = json_object_get(got, "bytes");
		r = lab_sald_call(h->lab, h->what->to,
				  json_pack("{s:s, s:I, s:I, s:O}", "cmd",
					    "flow import", "offset", offset,
					    "total", total, "bytes", text),
				  NULL, err);
		offset += (json_int_t)base64_bytes(text_of(got, "bytes"));
		json_decref(got);
	}
	m->imported = !r;
	return r;
}

static void tell(const struct handoff *h, const char *step,
		 const struct moving *m)
{
	h->what->step(h->what->arg, step, "flow", m->flow);
}

/* As a new instance would die at the worst moment, and be found out. */
static void fail_here(const struct handoff *h, enum scn_handoff_step step)
{
	struct pollfd pfd = { .fd = h->new->handoff_fd }; /* its end, closed */
	struct err ignored = ERR_INIT;

	if (h->what->fail != step)
		return;
	h->what->step(h->what->arg, "handoff.fail", NULL, 0);
	lab_kill_process(h->lab, h->new->index, SIGKILL, &ignored);
	/* Its descriptors are closed a moment later. */
	poll(&pfd, 1, ANSWER_TIMEOUT_MS);
}

static int all(struct handoff *h, const char *name, enum scn_handoff_step step,
	       int (*fn)(const struct handoff *h, struct moving *m, size_t i,
			 struct err *err),
	       struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < h->flows.n && !r; i++) {
		r = fn(h, &h->flows.v[i], i + 1, err);
		if (!r)
			tell(h, name, &h->flows.v[i]);
	}
	if (!r)
		fail_here(h, step);
	return r;
}

static int prepare(struct handoff *h, struct err *err)
{
	int r = all(h, "handoff.hold", SCN_HANDOFF_HOLD, hold, err);

	if (!r)
		r = all(h, "handoff.dumped", SCN_HANDOFF_DUMP, dump, err);
	if (!r)
		r = all(h, "handoff.restored", SCN_HANDOFF_RESTORE, restore,
			err);
	if (!r)
		r = all(h, "handoff.imported", SCN_HANDOFF_IMPORT, import, err);
	if (!r)
		r = lab_sald_call(h->lab, h->what->to,
				  json_pack("{s:s}", "cmd", "hello"), NULL,
				  err);
	if (!r && !is_alive(h->new))
		r = err_set(err, ECONNRESET,
			    "process '%s' ended before the handoff was "
			    "complete",
			    name_of(h->new));
	return r;
}

static void take_back(struct handoff *h, struct moving *m, size_t i)
{
	struct err ignored = ERR_INIT;

	/* First what was to come, then what was. */
	if (m->restored && is_alive(h->new))
		ask(h->new, "drop", i, &ignored);
	if (m->imported)
		ask_sald(h, h->what->to, "flow abort", m, &ignored);
	if (m->dumped)
		ask(h->old, "back", i, &ignored);
	if (m->held)
		ask_sald(h, h->what->from, "flow abort", m, &ignored);
	tell(h, "handoff.rolled_back", m);
}

/* The release is what makes it so; what is behind it can't be refused. */
static int commit(struct handoff *h, struct moving *m, size_t i,
		  struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = ask_sald(h, h->what->from, "flow release", m, err);

	if (r)
		return r;
	m->released = true;
	r = ask_sald(h, h->what->to, "flow commit", m, err);
	if (!r)
		r = ask(h->new, "go", i, err);
	/* It holds nothing that could act: no reason to fail. */
	ask(h->old, "close", i, &ignored);
	if (!r)
		tell(h, "handoff.committed", m);
	return r;
}

/* ---- which flows --------------------------------------------------------- */

static bool is_open(const char *state)
{
	static const char *const over[] = { "CLOSED",	 "SYN_SENT",
					    "FIN_WAIT",	 "CLOSE_WAIT",
					    "TIME_WAIT", NULL };

	for (size_t i = 0; over[i]; i++)
		if (!strcmp(state, over[i]))
			return false;
	return true;
}

static int add_flow(struct handoff *h, json_t *f,
		    const struct service_prefix *service)
{
	struct service_id id;
	struct moving *m;

	if (service_id_parse(text_of(f, "service"), &id) ||
	    !service_prefix_contains(service, &id) ||
	    strcmp(text_of(f, "role"), "server") ||
	    strcmp(text_of(f, "protocol"), "tcp") ||
	    !is_open(text_of(f, "state")))
		return 0;
	m = VEC_PUSH(&h->flows);
	if (!m)
		return -ENOMEM;
	m->flow = (uint32_t)json_integer_value(json_object_get(f, "flow"));
	snprintf(m->ends, sizeof(m->ends), "%.60s %d %.60s %d",
		 text_of(f, "inner_local"),
		 (int)json_integer_value(json_object_get(f, "port_local")),
		 text_of(f, "inner_remote"),
		 (int)json_integer_value(json_object_get(f, "port_remote")));
	return 0;
}

static int find_flows(struct handoff *h, struct err *err)
{
	const struct plan *plan = h->lab->plan;
	json_t *list = NULL, *f;
	size_t i;
	int r = lab_sald_call(h->lab, h->what->from,
			      json_pack("{s:s}", "cmd", "flow list"), &list,
			      err);

	if (r)
		return r;
	json_array_foreach(json_object_get(list, "flows"), i, f)
	{
		if (!r &&
		    add_flow(h, f, &plan->services.v[h->what->service].prefix))
			r = err_errno(err, ENOMEM, "hand over");
	}
	json_decref(list);
	return r;
}

/* The service's process at a node. */
static struct lab_process *find_process(const struct handoff *h, size_t node,
					struct err *err)
{
	const struct scenario *s = h->lab->plan->scenario;
	const struct scn_service *svc = &s->services.v[h->what->service];

	for (size_t i = 0; i < svc->run.n; i++) {
		struct lab_process *p = &h->lab->processes[svc->run.v[i]];

		if (s->processes.v[p->index].node != node)
			continue;
		if (p->pid && p->handoff_fd >= 0)
			return p;
		err_set(err, ESRCH, "process '%s' does not run",
			s->processes.v[p->index].name);
		return NULL;
	}
	err_set(err, ESRCH, "service '%s' runs no process at '%s'", svc->name,
		s->nodes.v[node].name);
	return NULL;
}

/* ---- all of it ----------------------------------------------------------- */

static int run(struct handoff *h, struct err *err)
{
	bool released = false;
	int r;

	h->old = find_process(h, h->what->from, err);
	h->new = h->old ? find_process(h, h->what->to, err) : NULL;
	if (!h->new)
		return LAB_ROLLED_BACK;
	r = find_flows(h, err);
	if (!r)
		r = prepare(h, err);
	for (size_t i = 0; i < h->flows.n && !r; i++)
		r = commit(h, &h->flows.v[i], i + 1, err);
	if (!r)
		return 0;
	/* What has been given is the new host's; the rest is still ours. */
	for (size_t i = h->flows.n; i--;) {
		released |= h->flows.v[i].released;
		if (!h->flows.v[i].released)
			take_back(h, &h->flows.v[i], i + 1);
	}
	return released ? r : LAB_ROLLED_BACK;
}

int lab_hand_flows_over(struct lab *lab, const struct lab_handoff *what,
			struct err *err)
{
	struct handoff h = { .lab = lab, .what = what };
	int r = run(&h, err);

	VEC_FREE(&h.flows);
	return r;
}
