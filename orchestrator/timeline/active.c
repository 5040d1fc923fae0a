/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instances that make themselves: hosts whose programs listen on the port of an
 * active service. The host's own sald sees that, serves, and tells; here, all
 * others are told to send there, as a service controller would.
 *
 * What a sald tells may come in while the lab waits for answers of other salds,
 * in the middle of an action. So it is kept, and done from the event loop.
 */
#include "orchestrator/timeline/perform.h"

#include <errno.h>
#include <string.h>

static int tell_others(struct timeline *tl, const struct heard *h,
		       struct err *err)
{
	plan_op_vec ops = { 0 };
	int r = plan_active_ops(tl->live, h->service, h->node, h->listens,
				&ops);

	r = r ? err_errno(err, -r, "plan the change") :
		lab_apply(tl->lab, ops.v, ops.n, err);
	VEC_FREE(&ops);
	if (r)
		return r;
	plan_live_listen(tl->live, h->service, h->node, h->listens);
	if (tl->listener.instance)
		tl->listener.instance(tl->listener.arg, h->service, h->node,
				      h->listens);
	return 0;
}

static int do_all(struct timeline *tl, struct err *err)
{
	int r = 0;

	/* More may come meanwhile. */
	for (size_t i = 0; i < tl->heard.n && !r; i++) {
		const struct heard h = tl->heard.v[i];

		if (plan_live_serves(tl->live, h.service, h.node) == h.listens)
			continue;
		if (h.listens && tl->live->nodes[h.node] == PLAN_NODE_OFF)
			continue;
		r = tell_others(tl, &h, err);
	}
	tl->heard.n = 0;
	return r;
}

static int on_heard(sd_event_source *source, void *arg)
{
	struct timeline *tl = arg;
	struct err err = ERR_INIT;

	(void)source;
	if (do_all(tl, &err) && tl->listener.untold)
		tl->listener.untold(tl->listener.arg, &err);
	return 0;
}

static void hear(struct timeline *tl, size_t service, size_t node, bool listens)
{
	/* Where it has stopped, what is kept stays as it is. */
	struct heard *h = tl->stopped ? NULL : VEC_PUSH(&tl->heard);

	if (!h)
		return; /* the run goes on, or ends, without that instance */
	*h = (struct heard){ service, node, listens };
	if (!tl->heard_source)
		(void)sd_event_add_defer(tl->event, &tl->heard_source, on_heard,
					 tl);
	else
		(void)sd_event_source_set_enabled(tl->heard_source,
						  SD_EVENT_ONESHOT);
}

void timeline_saw_listener(struct timeline *tl, size_t node,
			   const char *service, bool listens)
{
	const struct scenario *s = tl->plan->scenario;
	char text[SERVICE_ID_TEXT_MAX];

	for (size_t i = 0; i < s->services.n; i++) {
		if (!s->services.v[i].candidates.n)
			continue;
		service_id_format(&tl->plan->services.v[i].id, text,
				  sizeof(text));
		if (!strcmp(text, service))
			hear(tl, i, node, listens);
	}
}

void timeline_lost_listeners(struct timeline *tl, size_t node)
{
	for (size_t i = 0; i < tl->plan->scenario->services.n; i++)
		if (tl->plan->scenario->services.v[i].candidates.n &&
		    plan_live_serves(tl->live, i, node))
			hear(tl, i, node, false);
}

int timeline_look_for_listeners(struct timeline *tl, struct err *err)
{
	plan_op_vec ops = { 0 };
	int r = 0;

	for (size_t i = 0; i < tl->plan->nodes.n && !r; i++)
		r = plan_listen_ops(tl->live, i, &ops);
	r = r ? err_errno(err, -r, "look for instances") :
		lab_apply(tl->lab, ops.v, ops.n, err);
	VEC_FREE(&ops);
	return r ? r : do_all(tl, err);
}
