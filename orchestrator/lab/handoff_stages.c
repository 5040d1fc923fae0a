/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done in each stage of a handoff, and what its answer means. The
 * stages and their order, and which flows take them side by side, are
 * handoff.c's.
 */
#include "orchestrator/lab/handoff.h"

#include "base/base64.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOLD_RETRY_NS (20 * NSEC_PER_MSEC)
#define HOLD_PATIENCE_NS (2 * NSEC_PER_SEC)
#define PARTS_MAX 1024
/* A sald has room for so many that are read part by part (docs/control.md). */
#define EXPORTS_MAX 16
/* Of a dump; as much of it as may be need not wait to be read. */
#define DUMP_BUFFER (8 << 20)

static unsigned number_of(const struct moving *m)
{
	return m->h->first + (unsigned)(m - m->h->flows.v);
}

int handoff_timer(struct handoff *h, sd_event_source **timer, int64_t in_ns,
		  sd_event_time_handler_t fn, void *arg, struct err *err)
{
	int r;

	*timer = sd_event_source_disable_unref(*timer);
	r = sd_event_add_time(
		h->lab->event, timer, CLOCK_MONOTONIC,
		(uint64_t)((clock_mono_ns() + in_ns) / NSEC_PER_USEC), 1, fn,
		arg);
	return r < 0 ? err_errno(err, -r, "set a timer") : 0;
}

/* ---- who does not answer --------------------------------------------------
 */

static void end_export(struct moving *m);

void handoff_end_dump(struct moving *m)
{
	if (m->dump_fd >= 0)
		close(m->dump_fd);
	m->dump_fd = -1;
}

void handoff_stop_dump(struct moving *m)
{
	if (m->dump_fd >= 0)
		shutdown(m->dump_fd, SHUT_RDWR);
	handoff_end_dump(m);
}

static void drop_parts(struct moving *m)
{
	for (size_t i = 0; i < m->parts.n; i++)
		json_decref(m->parts.v[i]);
	m->parts.n = 0;
	m->total = 1; /* more than there is */
	m->offset = 0;
}

void handoff_forget_flow(struct moving *m)
{
	lab_sald_forget(m->h->lab, m);
	m->retry = sd_event_source_disable_unref(m->retry);
	/* Or the old server would not be there for the order to go back. */
	handoff_stop_dump(m);
	m->sald = SCN_NONE;
	m->server = NULL;
	m->waits = false;
	drop_parts(m);
	end_export(m);
}

void handoff_forget_all(struct handoff *h)
{
	lab_sald_forget(h->lab, h);
	for (size_t i = 0; i < h->flows.n; i++)
		handoff_forget_flow(&h->flows.v[i]);
}

/* One that does not answer is done with: what it still said would be taken for
 * another answer, and it takes everything back when nobody directs it. */
static int give_up(struct handoff *h, struct lab_process *p)
{
	handoff_forget_all(h);
	h->old_gone |= p == h->old;
	h->new_gone |= p == h->new;
	lab_handoff_forget(p);
	return -ETIMEDOUT;
}

/* Is it the new server that keeps the old one from coming to an end? */
static bool does_not_read(const struct moving *m)
{
	int unread = 0;

	return m->stage == DUMP && m->dump_fd >= 0 &&
	       !ioctl(m->dump_fd, FIONREAD, &unread) && unread > 0;
}

/* Who does not answer? Everybody does so in the order that he is asked in: who
 * is asked first is where it hangs. */
int handoff_blame(struct handoff *h, struct err *err)
{
	const struct moving *m = handoff_oldest(h);
	struct lab_process *p = m ? m->server : NULL;
	const char *word = m ? m->word : NULL;
	size_t sald = m ? m->sald : h->sald;

	if (sald != SCN_NONE) {
		handoff_forget_all(h);
		return err_set(err, ETIMEDOUT,
			       "the sald of '%s' does not answer",
			       lab_sald_node(&h->lab->salds[sald]));
	}
	if (!p && h->dies) {
		err_set(err, ETIMEDOUT,
			"process '%s' was killed, and something that it began "
			"has its end of the orders' socket still",
			handoff_process(h->new));
		return give_up(h, h->new);
	}
	if (!p) {
		handoff_forget_all(h);
		return err_set(err, ETIMEDOUT, "the handoff took too long");
	}
	if (does_not_read(m)) {
		p = h->new;
		word = "take";
	}
	err_set(err, ETIMEDOUT, "process '%s' does not answer to \"%s\"",
		handoff_process(p), word);
	err_hint(err, "it must speak what docs/control.md says of servers that "
		      "hand over, as serval-handoff-echo does");
	return give_up(h, p);
}

/* ---- talking to salds and servers -----------------------------------------
 */

static void answered(void *arg, int r, json_t *answer, struct err *err);

static int ask(struct moving *m, size_t node, json_t *request, struct err *err)
{
	int r = lab_sald_ask(m->h->lab, node, request, answered, m, err);

	if (r)
		return r;
	m->sald = node;
	return UNDER_WAY;
}

static int ask_flow(struct moving *m, size_t node, const char *cmd,
		    struct err *err)
{
	return ask(m, node,
		   json_pack("{s:s, s:I}", "cmd", cmd, "flow",
			     (json_int_t)m->flow),
		   err);
}

/* Not waited for by itself. */
static int send_order(struct moving *m, struct lab_process *p, const char *word,
		      const char *rest, int fd, struct err *err)
{
	struct handoff *h = m->h;

	if (p && !(p == h->old ? h->old_gone : h->new_gone))
		return lab_handoff_order(p, h, word, number_of(m), rest, fd,
					 err);
	return err_set(err, ECONNRESET,
		       "process '%s' ended before it was told to %s",
		       p ? handoff_process(p) : "", word);
}

static int wait_for(struct moving *m, struct lab_process *p, const char *word)
{
	m->server = p;
	m->word = word;
	return UNDER_WAY;
}

static int order(struct moving *m, struct lab_process *p, const char *word,
		 struct err *err)
{
	int r = send_order(m, p, word, "", -1, err);

	return r ? r : wait_for(m, p, word);
}

/* ---- hold, dump, restore --------------------------------------------------
 */

static int begin_hold(struct moving *m, struct err *err)
{
	if (!m->hold_until_ns)
		m->hold_until_ns = clock_mono_ns() + HOLD_PATIENCE_NS;
	m->held = true; /* or not: who takes it back will see */
	return ask_flow(m, m->h->what.from, "flow hold", err);
}

static int on_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct moving *m = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	m->retry = sd_event_source_disable_unref(m->retry);
	handoff_flow_done(m, begin_hold(m, &err), &err);
	return 0;
}

/* It moves just now, or opens: that is over in a moment. */
static int hold_answered(struct moving *m, int r, struct err *err)
{
	m->held = !r;
	if (r != -EAGAIN || m->h->r || clock_mono_ns() > m->hold_until_ns)
		return r;
	m->sald = SCN_NONE;
	r = handoff_timer(m->h, &m->retry, HOLD_RETRY_NS, on_retry, m, err);
	return r ? r : UNDER_WAY;
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
static int begin_dump(struct moving *m, struct err *err)
{
	struct handoff *h = m->h;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_errno(err, errno, "socketpair");
	enlarge(pair[0]);
	r = send_order(m, h->old, "dump", m->ends, pair[0], err);
	if (!r)
		m->dumped = true; /* likewise */
	if (!r)
		r = send_order(m, h->new, "take", "", pair[1], err);
	if (!r)
		m->restored = true; /* likewise */
	close(pair[0]);
	handoff_end_dump(m);
	m->dump_fd = pair[1];
	if (r)
		handoff_stop_dump(m);
	return r ? r : wait_for(m, h->old, "dump");
}

static int begin_restore(struct moving *m, struct err *err)
{
	if (m->taken == NOT_TOLD)
		return wait_for(m, m->h->new, "take");
	m->restored = m->taken == WELL;
	if (m->restored)
		return 0;
	return err_set(err, EREMOTEIO, "%s", m->why_not);
}

/* ---- the flow, from sald to sald -------------------------------------------
 */

static void end_export(struct moving *m)
{
	struct lab *lab = m->h->lab;

	if (!m->exporting)
		return;
	m->exporting = false;
	lab->salds[m->h->what.from].exports--;
	for (size_t i = 0; i < lab->handoffs.n; i++)
		for (size_t k = 0; k < lab->handoffs.v[i]->flows.n; k++)
			if (lab->handoffs.v[i]->flows.v[k].waits)
				handoff_wake(lab->handoffs.v[i]);
}

static int export_part(struct moving *m, struct err *err)
{
	return ask(m, m->h->what.from,
		   json_pack("{s:s, s:I, s:I}", "cmd", "flow export", "flow",
			     (json_int_t)m->flow, "offset", m->offset),
		   err);
}

static int begin_export(struct moving *m, struct err *err)
{
	struct lab_sald *old = &m->h->lab->salds[m->h->what.from];
	int r;

	m->waits = old->exports >= EXPORTS_MAX;
	if (m->waits)
		return UNDER_WAY;
	old->exports++;
	m->exporting = true;
	drop_parts(m);
	r = export_part(m, err);
	if (r < 0)
		end_export(m);
	return r;
}

static int export_answered(struct moving *m, json_t *answer, struct err *err)
{
	json_t **part = VEC_PUSH(&m->parts);

	if (!part)
		return err_errno(err, ENOMEM, "hand over");
	*part = json_incref(json_object_get(answer, "bytes"));
	m->total = json_integer_value(json_object_get(answer, "total"));
	m->offset += (json_int_t)base64_bytes(handoff_text(answer, "bytes"));
	if (m->offset < m->total && m->parts.n < PARTS_MAX)
		return export_part(m, err);
	return 0;
}

/* The text goes from one sald to the other as it is: all parts at once, so that
 * nothing comes between those of one flow. */
static int begin_import(struct moving *m, struct err *err)
{
	json_int_t offset = 0;
	int r = UNDER_WAY;

	m->imported = true; /* or part of it */
	m->due = 0;
	for (size_t i = 0; i < m->parts.n && r == UNDER_WAY; i++) {
		const char *text = json_string_value(m->parts.v[i]);

		r = ask(m, m->h->what.to,
			json_pack("{s:s, s:I, s:I, s:O?}", "cmd", "flow import",
				  "offset", offset, "total", m->total, "bytes",
				  m->parts.v[i]),
			err);
		offset += (json_int_t)base64_bytes(text ? text : "");
		m->due++;
	}
	if (r != UNDER_WAY)
		lab_sald_forget(m->h->lab, m);
	drop_parts(m);
	return r;
}

/* ---- the stages ------------------------------------------------------------
 */

int handoff_begin_flow(struct moving *m, struct err *err)
{
	struct handoff *h = m->h;

	switch (m->stage) {
	case HOLD:
		return begin_hold(m, err);
	case DUMP:
		return begin_dump(m, err);
	case RESTORE:
		return begin_restore(m, err);
	case EXPORT:
		return begin_export(m, err);
	case IMPORT:
		return begin_import(m, err);
	case RELEASE:
		return ask_flow(m, h->what.from, "flow release", err);
	case COMMIT:
		return ask_flow(m, h->what.to, "flow commit", err);
	case GO:
		return order(m, h->new, "go", err);
	case CLOSE:
		return order(m, h->old, "close", err);
	/* What was not done need not be taken back. */
	case DROP:
		return m->restored ? order(m, h->new, "drop", err) : 0;
	case FORGET:
		return m->imported ?
			       ask_flow(m, h->what.to, "flow abort", err) :
			       0;
	case BACK:
		return m->dumped ? order(m, h->old, "back", err) : 0;
	case LET_GO:
		return m->held ? ask_flow(m, h->what.from, "flow abort", err) :
				 0;
	case FIND:
	case LOOK:
	case OVER:
		break;
	}
	return UNDER_WAY;
}

/* An answer that is of use, and what follows from it. */
static int take_answer(struct moving *m, int r, json_t *answer, struct err *err)
{
	if (m->stage == HOLD)
		return hold_answered(m, r, err);
	if (m->stage == EXPORT) {
		if (!r)
			r = export_answered(m, answer, err);
		if (r != UNDER_WAY)
			end_export(m);
		return r;
	}
	if (m->stage == IMPORT) {
		/* The rest of it would not be taken. */
		if (r)
			lab_sald_forget(m->h->lab, m);
		return !r && --m->due ? UNDER_WAY : r;
	}
	if (m->stage == RELEASE && !r)
		m->released = true;
	return r;
}

static void answered(void *arg, int r, json_t *answer, struct err *err)
{
	struct moving *m = arg;

	handoff_flow_done(m, take_answer(m, r, answer, err), err);
}

void handoff_told(struct handoff *h, const struct lab_order *o, int r,
		  const struct err *why)
{
	size_t flow = o->number - h->first;
	struct err err = *why;
	struct moving *m;

	if (flow >= h->flows.n)
		return;
	m = &h->flows.v[flow];
	if (!strcmp(o->word, "take")) {
		m->taken = r ? BADLY : WELL;
		snprintf(m->why_not, sizeof(m->why_not), "%.255s", err.msg);
		/* It does not read the rest. */
		if (r)
			handoff_stop_dump(m);
	}
	if (!m->server || strcmp(m->word, o->word) != 0)
		return; /* before its turn, or after */
	m->server = NULL;
	if (m->stage == RESTORE)
		r = begin_restore(m, &err);
	if (m->stage == DUMP) {
		handoff_end_dump(m);
		m->dumped = !r;
	}
	handoff_flow_done(m, r, &err);
}
