/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A handoff as others have it: it is begun, stopped when the run ends, and
 * stands still while the run does. How it goes is handoff.c's.
 */
#include "orchestrator/lab/handoff.h"
#include "orchestrator/lab/internal.h"

#include "base/clock.h"

#include <errno.h>

int lab_handoff_begin(struct lab *lab, const struct lab_handoff *what,
		      struct handoff **out, struct err *err)
{
	struct handoff **slot = VEC_PUSH(&lab->handoffs);
	struct handoff *h = slot ? calloc(1, sizeof(*h)) : NULL;
	int r;

	if (!h) {
		lab->handoffs.n -= slot != NULL;
		return err_errno(err, ENOMEM, "hand over");
	}
	*slot = h;
	h->lab = lab;
	h->what = *what;
	h->sald = SCN_NONE;
	h->wanted = true;
	r = sd_event_add_defer(lab->event, &h->wake, handoff_on_wake, h);
	if (r < 0) {
		lab_handoff_free(h);
		return err_errno(err, -r, "event loop");
	}
	*out = h;
	return 0;
}

void lab_handoff_stop(struct handoff *h, const char *why)
{
	bool still = h->still.now;
	struct err err = ERR_INIT;

	h->still.now = false;
	if (h->stage >= RELEASE) { /* it comes to its end by itself */
		if (still)
			handoff_catch_up(h);
		return;
	}
	h->still.kept = false;
	h->dies = false;
	err_set(&err, ECANCELED, "%s", why);
	handoff_abandon(h, -ECANCELED, &err);
}

struct handoff *lab_handoff_free(struct handoff *h)
{
	struct lab *lab;
	size_t n = 0;

	if (!h)
		return NULL;
	lab = h->lab;
	handoff_forget_all(h);
	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++)
		for (size_t k = 0; k < lab->processes[i].orders.n; k++)
			if (lab->processes[i].orders.v[k].who == h)
				lab->processes[i].orders.v[k].who = NULL;
	for (size_t i = 0; i < lab->handoffs.n; i++)
		if (lab->handoffs.v[i] != h)
			lab->handoffs.v[n++] = lab->handoffs.v[i];
	lab->handoffs.n = n;
	for (size_t i = 0; i < h->flows.n; i++)
		VEC_FREE(&h->flows.v[i].parts);
	VEC_FREE(&h->flows);
	sd_event_source_disable_unref(h->wake);
	sd_event_source_disable_unref(h->deadline);
	free(h);
	return NULL;
}

/* ---- pauses -----------------------------------------------------------------
 */

static void put_all_off(struct handoff *h, bool still, int64_t for_ns)
{
	lab_hold_timer(h->deadline, still, for_ns);
	for (size_t i = 0; i < h->flows.n; i++)
		lab_hold_timer(h->flows.v[i].retry, still, for_ns);
}

void handoff_hold_all(struct lab *lab)
{
	for (size_t i = 0; i < lab->handoffs.n; i++) {
		lab->handoffs.v[i]->still.now = true;
		put_all_off(lab->handoffs.v[i], true, 0);
	}
}

void handoff_release_all(struct lab *lab, int64_t for_ns)
{
	for (size_t i = 0; i < lab->handoffs.n; i++) {
		put_all_off(lab->handoffs.v[i], false, for_ns);
		handoff_catch_up(lab->handoffs.v[i]);
	}
}
