/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done in each stage of a handoff, and what its answer means. The
 * stages and their order are handoff.c's.
 */
#include "orchestrator/lab/handoff.h"

#include "base/base64.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOLD_RETRY_NS (20 * NSEC_PER_MSEC)
#define HOLD_PATIENCE_NS (2 * NSEC_PER_SEC)
#define PARTS_MAX 1024
/* Of a dump; as much of it as may be need not wait to be read. */
#define DUMP_BUFFER (8 << 20)

static const char *name_of(const struct lab_process *p)
{
	return p->lab->plan->scenario->processes.v[p->index].name;
}

static unsigned number_of(const struct handoff *h, size_t flow)
{
	return h->first + (unsigned)flow;
}

int handoff_timer(struct handoff *h, sd_event_source **timer, int64_t in_ns,
		  sd_event_time_handler_t fn, struct err *err)
{
	int r;

	*timer = sd_event_source_disable_unref(*timer);
	r = sd_event_add_time(
		h->lab->event, timer, CLOCK_MONOTONIC,
		(uint64_t)((clock_mono_ns() + in_ns) / NSEC_PER_USEC), 1, fn,
		h);
	return r < 0 ? err_errno(err, -r, "set a timer") : 0;
}

/* One that does not answer is done with: what it still said would be taken for
 * another answer, and it takes everything back when nobody directs it. */
static int give_up(struct handoff *h, struct lab_process *p)
{
	h->server = NULL;
	h->old_gone |= p == h->old;
	h->new_gone |= p == h->new;
	lab_handoff_forget(p);
	return -ETIMEDOUT;
}

/* Is it the new server that keeps the old one from coming to an end? */
static bool does_not_read(const struct handoff *h)
{
	int unread = 0;

	return h->dump_fd >= 0 && !ioctl(h->dump_fd, FIONREAD, &unread) &&
	       unread > 0;
}

/* Who does not answer? */
int handoff_blame(struct handoff *h, struct err *err)
{
	struct lab_process *p =
		h->server ? &h->lab->processes[h->server->index] : NULL;

	if (h->sald != SCN_NONE)
		return err_set(err, ETIMEDOUT,
			       "the sald of '%s' does not answer",
			       lab_sald_node(&h->lab->salds[h->sald]));
	if (!p && h->dies) {
		err_set(err, ETIMEDOUT,
			"process '%s' was killed, and something that it began "
			"has its end of the orders' socket still",
			name_of(h->new));
		return give_up(h, h->new);
	}
	if (!p)
		return err_set(err, ETIMEDOUT, "the handoff took too long");
	if (h->stage == DUMP && does_not_read(h)) {
		p = h->new;
		h->word = "take";
	}
	err_set(err, ETIMEDOUT, "process '%s' does not answer to \"%s\"",
		name_of(p), h->word);
	err_hint(err, "it must speak what docs/control.md says of servers that "
		      "hand over, as serval-handoff-echo does");
	return give_up(h, p);
}

/* ---- talking to salds and servers -----------------------------------------
 */

static void answered(void *arg, int r, json_t *answer, struct err *err);

static int ask(struct handoff *h, size_t node, json_t *request, struct err *err)
{
	int r = lab_sald_ask(h->lab, node, request, answered, h, err);

	if (r)
		return r;
	h->sald = node;
	return UNDER_WAY;
}

static int ask_flow(struct handoff *h, size_t node, const char *cmd,
		    const struct moving *m, struct err *err)
{
	return ask(h, node,
		   json_pack("{s:s, s:I}", "cmd", cmd, "flow",
			     (json_int_t)m->flow),
		   err);
}

/* Not waited for by itself. */
static int send_order(struct handoff *h, struct lab_process *p,
		      const char *word, size_t flow, const char *rest, int fd,
		      struct err *err)
{
	if (p && !(p == h->old ? h->old_gone : h->new_gone))
		return lab_handoff_order(p, h, word, number_of(h, flow), rest,
					 fd, err);
	return err_set(err, ECONNRESET,
		       "process '%s' ended before it was told to %s",
		       p ? name_of(p) : "", word);
}

static int order(struct handoff *h, struct lab_process *p, const char *word,
		 struct err *err)
{
	int r = send_order(h, p, word, h->at, "", -1, err);

	if (r)
		return r;
	h->server = p;
	h->word = word;
	return UNDER_WAY;
}

static bool new_is_alive(const struct handoff *h)
{
	/* Its end of the socket is open; what it has said waits. */
	struct pollfd pfd = { .fd = h->new->handoff_fd };

	return !h->new_gone && poll(&pfd, 1, 0) == 0;
}

/* ---- which flows ----------------------------------------------------------
 */

static const char *text_of(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

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

static int take_flows(struct handoff *h, json_t *list, struct err *err)
{
	const struct plan_service *service =
		&h->lab->plan->services.v[h->what.service];
	json_t *f;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(list, "flows"), i, f)
	{
		if (!r && add_flow(h, f, &service->prefix))
			r = err_errno(err, ENOMEM, "hand over");
	}
	h->first = h->lab->handed + 1;
	h->lab->handed += (unsigned)h->flows.n;
	return r;
}

/* The service's process at a node. */
static struct lab_process *find_process(const struct handoff *h, size_t node,
					struct err *err)
{
	const struct scenario *s = h->lab->plan->scenario;
	const struct scn_service *svc = &s->services.v[h->what.service];

	for (size_t i = 0; i < svc->run.n; i++) {
		struct lab_process *p = &h->lab->processes[svc->run.v[i]];

		if (s->processes.v[p->index].node != node)
			continue;
		if (p->pid && p->handoff_fd >= 0)
			return p;
		err_set(err, ESRCH,
			p->pid ? "process '%s' hands nothing over any more: it "
				 "did not answer before, or has closed its "
				 "socket" :
				 "process '%s' does not run",
			s->processes.v[p->index].name);
		return NULL;
	}
	err_set(err, ESRCH, "service '%s' runs no process at '%s'", svc->name,
		s->nodes.v[node].name);
	return NULL;
}

static int begin_find(struct handoff *h, struct err *err)
{
	h->old = find_process(h, h->what.from, err);
	h->new = h->old ? find_process(h, h->what.to, err) : NULL;
	if (!h->new)
		return -ESRCH;
	return ask(h, h->what.from, json_pack("{s:s}", "cmd", "flow list"),
		   err);
}

/* ---- hold, dump, restore --------------------------------------------------
 */

static int begin_hold(struct handoff *h, struct moving *m, struct err *err)
{
	if (!m->hold_until_ns)
		m->hold_until_ns = clock_mono_ns() + HOLD_PATIENCE_NS;
	m->held = true; /* or not: who takes it back will see */
	return ask_flow(h, h->what.from, "flow hold", m, err);
}

static int on_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct handoff *h = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	h->retry = sd_event_source_disable_unref(h->retry);
	if (h->stage == HOLD)
		handoff_go_on(h, begin_hold(h, &h->flows.v[h->at], &err), &err);
	return 0;
}

/* It moves just now, or opens: that is over in a moment. */
static int hold_answered(struct handoff *h, struct moving *m, int r,
			 struct err *err)
{
	m->held = !r;
	if (r != -EAGAIN || clock_mono_ns() > m->hold_until_ns)
		return r;
	r = handoff_timer(h, &h->retry, HOLD_RETRY_NS, on_retry, err);
	return r ? r : UNDER_WAY;
}

void handoff_end_dump(struct handoff *h)
{
	if (h->dump_fd >= 0)
		close(h->dump_fd);
	h->dump_fd = -1;
}

void handoff_stop_dump(struct handoff *h)
{
	if (h->dump_fd >= 0)
		shutdown(h->dump_fd, SHUT_RDWR);
	handoff_end_dump(h);
}

static void enlarge(int fd)
{
	int size = DUMP_BUFFER;

	/* The former is not for everybody; and a dump may be larger anyway. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* The old server writes while the new one reads: both are told at once. What is
 * larger than the buffer waits for the new one, and its end is kept here to
 * know whose fault it is. */
static int begin_dump(struct handoff *h, struct moving *m, struct err *err)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_errno(err, errno, "socketpair");
	enlarge(pair[0]);
	r = send_order(h, h->old, "dump", h->at, m->ends, pair[0], err);
	if (!r)
		m->dumped = true; /* likewise */
	if (!r)
		r = send_order(h, h->new, "take", h->at, "", pair[1], err);
	if (!r)
		m->restored = true; /* likewise */
	close(pair[0]);
	handoff_end_dump(h);
	h->dump_fd = pair[1];
	if (r)
		return r;
	h->server = h->old;
	h->word = "dump";
	return UNDER_WAY;
}

static int begin_restore(struct handoff *h, struct moving *m, struct err *err)
{
	if (m->taken == NOT_TOLD) {
		h->server = h->new;
		h->word = "take";
		return UNDER_WAY;
	}
	m->restored = m->taken == WELL;
	if (m->restored)
		return 0;
	return err_set(err, EREMOTEIO, "%s", m->why_not);
}

/* ---- the flow, from sald to sald -------------------------------------------
 */

/* A sald keeps the bytes of one flow at a time. */
static bool is_its_turn(struct handoff *h, struct handoff **turn)
{
	h->waits = *turn && *turn != h;
	if (!h->waits)
		*turn = h;
	return !h->waits;
}

static void end_turn(struct handoff *h, struct handoff **turn)
{
	struct lab *lab = h->lab;

	if (*turn != h)
		return;
	*turn = NULL;
	for (size_t i = 0; i < lab->handoffs.n; i++)
		if (lab->handoffs.v[i]->waits)
			handoff_wake(lab->handoffs.v[i]);
}

void handoff_end_turns(struct handoff *h)
{
	h->waits = false;
	end_turn(h, &h->lab->salds[h->what.from].exports);
	end_turn(h, &h->lab->salds[h->what.to].imports);
}

void handoff_drop_parts(struct handoff *h)
{
	for (size_t i = 0; i < h->parts.n; i++)
		json_decref(h->parts.v[i]);
	h->parts.n = 0;
	h->total = 1; /* more than there is */
	h->offset = 0;
	h->imported_parts = 0;
}

static int begin_export(struct handoff *h, const struct moving *m,
			struct err *err)
{
	if (!is_its_turn(h, &h->lab->salds[h->what.from].exports))
		return UNDER_WAY;
	if (!h->offset)
		handoff_drop_parts(h);
	return ask(h, h->what.from,
		   json_pack("{s:s, s:I, s:I}", "cmd", "flow export", "flow",
			     (json_int_t)m->flow, "offset", h->offset),
		   err);
}

static int export_answered(struct handoff *h, const struct moving *m,
			   json_t *answer, struct err *err)
{
	json_t **part = VEC_PUSH(&h->parts);

	if (!part)
		return err_errno(err, ENOMEM, "hand over");
	*part = json_incref(json_object_get(answer, "bytes"));
	h->total = json_integer_value(json_object_get(answer, "total"));
	h->offset += (json_int_t)base64_bytes(text_of(answer, "bytes"));
	if (h->offset < h->total && h->parts.n < PARTS_MAX)
		return begin_export(h, m, err);
	end_turn(h, &h->lab->salds[h->what.from].exports);
	h->offset = 0;
	return 0;
}

/* The text goes from one sald to the other as it is. */
static int begin_import(struct handoff *h, struct moving *m, struct err *err)
{
	json_t *text;

	if (!is_its_turn(h, &h->lab->salds[h->what.to].imports))
		return UNDER_WAY;
	m->imported = true; /* or part of it */
	text = h->parts.v[h->imported_parts];
	return ask(h, h->what.to,
		   json_pack("{s:s, s:I, s:I, s:O?}", "cmd", "flow import",
			     "offset", h->offset, "total", h->total, "bytes",
			     text),
		   err);
}

static int import_answered(struct handoff *h, struct moving *m, struct err *err)
{
	const char *text = json_string_value(h->parts.v[h->imported_parts]);

	h->offset += (json_int_t)base64_bytes(text ? text : "");
	if (++h->imported_parts < h->parts.n)
		return begin_import(h, m, err);
	end_turn(h, &h->lab->salds[h->what.to].imports);
	handoff_drop_parts(h);
	return 0;
}

static int look_answered(struct handoff *h, struct err *err)
{
	if (new_is_alive(h))
		return 0;
	return err_set(err, ECONNRESET,
		       "process '%s' ended before the handoff was complete",
		       name_of(h->new));
}

/* ---- the stages ------------------------------------------------------------
 */

/* Begins the stage whose turn it is. 0: it is done; UNDER_WAY; negative. */
int handoff_begin_stage(struct handoff *h, struct err *err)
{
	struct moving *m = h->at < h->flows.n ? &h->flows.v[h->at] : NULL;

	switch (h->stage) {
	case FIND:
		return begin_find(h, err);
	case HOLD:
		return begin_hold(h, m, err);
	case DUMP:
		return begin_dump(h, m, err);
	case RESTORE:
		return begin_restore(h, m, err);
	case EXPORT:
		return begin_export(h, m, err);
	case IMPORT:
		return begin_import(h, m, err);
	case LOOK:
		return ask(h, h->what.to, json_pack("{s:s}", "cmd", "hello"),
			   err);
	case RELEASE:
		return ask_flow(h, h->what.from, "flow release", m, err);
	case COMMIT:
		return ask_flow(h, h->what.to, "flow commit", m, err);
	case GO:
		return order(h, h->new, "go", err);
	case CLOSE:
		return order(h, h->old, "close", err);
	/* What was not done need not be taken back. */
	case DROP:
		return m->restored ? order(h, h->new, "drop", err) : 0;
	case FORGET:
		return m->imported ?
			       ask_flow(h, h->what.to, "flow abort", m, err) :
			       0;
	case BACK:
		return m->dumped ? order(h, h->old, "back", err) : 0;
	case LET_GO:
		return m->held ?
			       ask_flow(h, h->what.from, "flow abort", m, err) :
			       0;
	case OVER:
		break;
	}
	return UNDER_WAY;
}

/* An answer that is of use, and what follows from it. */
static int take_answer(struct handoff *h, int r, json_t *answer,
		       struct err *err)
{
	struct moving *m = h->at < h->flows.n ? &h->flows.v[h->at] : NULL;

	if (h->stage == HOLD)
		return hold_answered(h, m, r, err);
	if (r)
		return r;
	switch (h->stage) {
	case FIND:
		return take_flows(h, answer, err);
	case EXPORT:
		return export_answered(h, m, answer, err);
	case IMPORT:
		return import_answered(h, m, err);
	case LOOK:
		return look_answered(h, err);
	case RELEASE:
		m->released = true;
		return 0;
	default:
		return 0;
	}
}

static void answered(void *arg, int r, json_t *answer, struct err *err)
{
	struct handoff *h = arg;

	h->sald = SCN_NONE;
	handoff_go_on(h, take_answer(h, r, answer, err), err);
}

void handoff_told(struct handoff *h, const struct lab_order *o, int r,
		  const struct err *why)
{
	size_t flow = o->number - h->first;
	struct err err = *why;

	if (!strcmp(o->word, "take") && flow < h->flows.n) {
		struct moving *m = &h->flows.v[flow];

		m->taken = r ? BADLY : WELL;
		snprintf(m->why_not, sizeof(m->why_not), "%.255s", err.msg);
		/* It does not read the rest. */
		if (r && h->stage == DUMP && flow == h->at)
			handoff_stop_dump(h);
	}
	if (!h->server || strcmp(h->word, o->word) != 0 || flow != h->at)
		return; /* before its turn, or after */
	h->server = NULL;
	if (h->stage == RESTORE)
		r = begin_restore(h, &h->flows.v[flow], &err);
	if (h->stage == DUMP && r)
		h->flows.v[flow].dumped = false;
	handoff_go_on(h, r, &err);
}
