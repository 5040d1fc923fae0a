/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The servers of a handoff (docs/control.md): each has a socket for orders from
 * its start on, and answers them in their order. Answers are read by the event
 * loop, and told to who gave the order. Two services may share a server, and
 * their handoffs go on at the same time: so orders wait for their answers here,
 * by the server, and have numbers that no other handoff has.
 */
#include "orchestrator/lab/internal.h"

#include "base/fd_pass.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *name_of(const struct lab_process *p)
{
	return p->lab->plan->scenario->processes.v[p->index].name;
}

/* ---- answers --------------------------------------------------------------
 */

static bool take_order(struct lab_process *p, struct lab_order *o)
{
	if (!p->orders.n)
		return false;
	*o = p->orders.v[0];
	p->orders.n--;
	memmove(p->orders.v, p->orders.v + 1,
		p->orders.n * sizeof(*p->orders.v));
	return true;
}

static void tell(const struct lab_order *o, int r, const struct err *err)
{
	if (o->who)
		handoff_told(o->who, o, r, err);
}

/* Its end of the socket is closed, or ours. */
static void hang_up(struct lab_process *p)
{
	struct lab *lab = p->lab;
	struct lab_order o;

	p->handoff_io = sd_event_source_disable_unref(p->handoff_io);
	if (p->handoff_fd >= 0)
		close(p->handoff_fd);
	p->handoff_fd = -1;
	while (take_order(p, &o)) {
		struct err err = ERR_INIT;

		err_set(&err, ECONNRESET,
			"process '%s' ended when it was told to %s", name_of(p),
			o.word);
		tell(&o, -ECONNRESET, &err);
	}
	for (size_t i = 0; i < lab->handoffs.n; i++)
		handoff_lost(lab->handoffs.v[i], p);
}

static void take_answer(struct lab_process *p, const char *text)
{
	char verdict[16] = "";
	struct lab_order o;
	unsigned got = 0;
	int used = 0, r = 0;
	struct err err = ERR_INIT;

	if (!take_order(p, &o))
		return; /* nobody asked */
	if (sscanf(text, "%15s %u %n", verdict, &got, &used) < 2 ||
	    got != o.number)
		r = err_set(&err, EPROTO,
			    "process '%s' answers \"%s\" to \"%s\"", name_of(p),
			    text, o.word);
	else if (strcmp(verdict, "done") != 0)
		r = err_set(&err, EREMOTEIO, "process '%s': %s: %s", name_of(p),
			    o.word, text + used);
	tell(&o, r, &err);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events,
		       void *arg)
{
	struct lab_process *p = arg;
	char text[256];
	ssize_t n;

	(void)source;
	(void)fd;
	(void)events;
	/* What is told may have the socket closed. */
	while (p->handoff_fd >= 0) {
		n = recv(p->handoff_fd, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			hang_up(p);
			break;
		}
		text[n] = '\0';
		take_answer(p, text);
	}
	return 0;
}

/* ---- orders ---------------------------------------------------------------
 */

int lab_handoff_order(struct lab_process *p, struct handoff *who,
		      const char *word, unsigned number, const char *rest,
		      int fd, struct err *err)
{
	struct lab_order *o = VEC_PUSH(&p->orders);
	char text[256];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s %u %s", word,
				      number, rest);

	if (!o)
		return err_errno(err, ENOMEM, "tell process '%s'", name_of(p));
	*o = (struct lab_order){ who, word, number };
	if (fd_pass_send(p->handoff_fd, text, len, fd, MSG_DONTWAIT) < 0) {
		p->orders.n--;
		return err_errno(err, errno, "tell process '%s' to %s",
				 name_of(p), word);
	}
	return 0;
}

/* ---- beginning and end ----------------------------------------------------
 */

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
	int pair[2], r;

	*theirs = -1;
	lab_handoff_forget(p);
	if (!may_hand_over(p->lab->plan->scenario, p->index))
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return err_errno(err, errno, "socketpair");
	p->handoff_fd = pair[0];
	*theirs = pair[1];
	r = sd_event_add_io(p->lab->event, &p->handoff_io, pair[0], EPOLLIN,
			    on_readable, p);
	return r < 0 ? err_errno(err, -r, "event loop") : 0;
}

void lab_handoff_forget(struct lab_process *p)
{
	if (p->handoff_fd >= 0)
		hang_up(p);
}
