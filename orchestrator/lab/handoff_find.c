/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stages of a handoff that are of no single flow: whom it is between and
 * which flows there are, and the last look before there is no way back.
 */
#include "orchestrator/lab/handoff.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* ---- which flows ----------------------------------------------------------
 */

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

	if (service_id_parse(handoff_text(f, "service"), &id) ||
	    !service_prefix_contains(service, &id) ||
	    strcmp(handoff_text(f, "role"), "server") ||
	    strcmp(handoff_text(f, "protocol"), "tcp") ||
	    !is_open(handoff_text(f, "state")))
		return 0;
	m = VEC_PUSH(&h->flows);
	if (!m)
		return -ENOMEM;
	m->h = h;
	m->sald = SCN_NONE;
	m->dump_fd = -1;
	m->flow = (uint32_t)json_integer_value(json_object_get(f, "flow"));
	snprintf(m->ends, sizeof(m->ends), "%.60s %d %.60s %d",
		 handoff_text(f, "inner_local"),
		 (int)json_integer_value(json_object_get(f, "port_local")),
		 handoff_text(f, "inner_remote"),
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

static void answered(void *arg, int r, json_t *answer, struct err *err);

static int ask(struct handoff *h, size_t node, json_t *request, struct err *err)
{
	int r = lab_sald_ask(h->lab, node, request, answered, h, err);

	if (r)
		return r;
	h->sald = node;
	return UNDER_WAY;
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

/* ---- the last look ----------------------------------------------------------
 */

static bool new_is_alive(const struct handoff *h)
{
	/* Its end of the socket is open; what it has said waits. */
	struct pollfd pfd = { .fd = h->new->handoff_fd };

	return !h->new_gone && poll(&pfd, 1, 0) == 0;
}

static int look_answered(struct handoff *h, struct err *err)
{
	if (new_is_alive(h))
		return 0;
	return err_set(err, ECONNRESET,
		       "process '%s' ended before the handoff was complete",
		       handoff_process(h->new));
}

/* ---- the stages ------------------------------------------------------------
 */

int handoff_begin_whole(struct handoff *h, struct err *err)
{
	if (h->stage == FIND)
		return begin_find(h, err);
	return ask(h, h->what.to, json_pack("{s:s}", "cmd", "hello"), err);
}

static void answered(void *arg, int r, json_t *answer, struct err *err)
{
	struct handoff *h = arg;

	if (!r)
		r = h->stage == FIND ? take_flows(h, answer, err) :
				       look_answered(h, err);
	handoff_whole_done(h, r, err);
}
