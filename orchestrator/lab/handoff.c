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
 * Nobody waits in place for any of this: on a busy machine it takes long enough
 * to make the rest of the timeline late, and for seconds where somebody is
 * stuck. A handoff is a machine that takes one stage of one flow at a time:
 * begin() asks somebody, and what they answer, or that they can't any more,
 * comes back by the event loop and leads to the next one. One timer bounds the
 * way to the release, by less than the salds' own patience, so that no flow is
 * given away that goes on by itself; then the release, and the way back.
 */
#include "orchestrator/lab/handoff.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>

/* All of the way to the release; a hold lasts 10 s (SAL_HOLD_NS). */
#define PREPARE_NS (8 * NSEC_PER_SEC)
#define COMMIT_NS (5 * NSEC_PER_SEC)
#define BACK_NS (2 * NSEC_PER_SEC) /* of each flow */

/* ---- the deadline ---------------------------------------------------------
 */

static int on_deadline(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct handoff *h = arg;
	struct err err = ERR_INIT;
	int r;

	(void)source;
	(void)now_us;
	h->deadline = sd_event_source_disable_unref(h->deadline);
	if (h->stage == OVER)
		return 0;
	h->hopeless = h->stage >= DROP;
	r = handoff_blame(h, &err);
	lab_sald_forget(h->lab, h);
	h->dies = false;
	handoff_go_on(h, r, &err);
	return 0;
}

static void set_deadline(struct handoff *h, int64_t in_ns)
{
	struct err ignored = ERR_INIT;

	/* Without one it can only last longer. */
	handoff_timer(h, &h->deadline, in_ns, on_deadline, &ignored);
}

/* ---- from stage to stage ---------------------------------------------------
 */

/* As a new instance would die at the worst moment, and be found out. True: its
 * death is waited for. */
static bool fail_here(struct handoff *h)
{
	static const enum scn_handoff_step steps[OVER] = {
		[HOLD] = SCN_HANDOFF_HOLD,
		[DUMP] = SCN_HANDOFF_DUMP,
		[RESTORE] = SCN_HANDOFF_RESTORE,
		[IMPORT] = SCN_HANDOFF_IMPORT,
	};
	struct err ignored = ERR_INIT;

	if (!steps[h->stage] || h->what.fail != steps[h->stage])
		return false;
	h->what.fail = SCN_HANDOFF_NONE;
	h->what.step(h->what.arg, "handoff.fail", NULL, 0);
	lab_kill_process(h->lab, h->new->index, SIGKILL, &ignored);
	/* Its descriptors are closed a moment later. */
	h->dies = h->new->handoff_fd >= 0;
	return h->dies;
}

static void set_stage(struct handoff *h, enum handoff_stage stage, size_t at)
{
	handoff_end_dump(h);
	h->stage = stage;
	h->at = at;
	h->server = NULL;
	h->sald = SCN_NONE;
}

/* Which flow is taken back next: the last that was not given away, of those
 * before this one. */
static void take_back_before(struct handoff *h, size_t before)
{
	while (before && h->flows.v[before - 1].released)
		before--;
	if (before)
		set_stage(h, DROP, before - 1);
	else
		set_stage(h, OVER, 0);
}

static void begin_taking_back(struct handoff *h)
{
	/* Or the old server would not be there for the order to go back. */
	handoff_stop_dump(h);
	handoff_end_turns(h);
	h->wanted = false;
	take_back_before(h, h->flows.n);
}

/* Behind a stage that all flows take together. */
static void pass_together(struct handoff *h, enum handoff_stage first)
{
	if (h->at + 1 < h->flows.n) {
		set_stage(h, first, h->at + 1);
		return;
	}
	if (!fail_here(h))
		set_stage(h, h->stage + 1, 0);
}

static void tell(const struct handoff *h, const char *step,
		 const struct moving *m)
{
	h->what.step(h->what.arg, step, "flow", m->flow);
}

/* The stage is done for the flow whose turn it was. */
static void pass(struct handoff *h)
{
	static const char *const told[OVER] = {
		[HOLD] = "handoff.hold",
		[DUMP] = "handoff.dumped",
		[RESTORE] = "handoff.restored",
		[IMPORT] = "handoff.imported",
		[CLOSE] = "handoff.committed",
		[LET_GO] = "handoff.rolled_back",
	};
	size_t at = h->at;

	if (told[h->stage] && at < h->flows.n && !(h->stage == CLOSE && h->r))
		tell(h, told[h->stage], &h->flows.v[at]);
	switch (h->stage) {
	case FIND:
	case LOOK:
		set_stage(h, h->stage + 1, 0);
		break;
	case HOLD:
	case DUMP:
	case RESTORE:
		pass_together(h, h->stage);
		break;
	case IMPORT:
		pass_together(h, EXPORT);
		break;
	case EXPORT:
	case RELEASE:
	case COMMIT:
	case GO:
	case DROP:
	case FORGET:
	case BACK:
		set_stage(h, h->stage + 1, at);
		break;
	case CLOSE:
		if (h->r)
			begin_taking_back(h);
		else
			set_stage(h, RELEASE, at + 1);
		break;
	case LET_GO:
		take_back_before(h, at);
		break;
	case OVER:
		break;
	}
	/* There is no flow to take it. */
	if (h->stage == RELEASE && h->at >= h->flows.n)
		set_stage(h, OVER, 0);
}

static void fail(struct handoff *h, int r, const struct err *err)
{
	/* On the way back everything is tried; and the old server, which holds
	 * nothing that could act, is no reason to fail. */
	if (h->stage >= CLOSE) {
		pass(h);
		return;
	}
	if (!h->r) {
		h->r = r;
		h->err = *err;
	}
	if (h->stage == COMMIT || h->stage == GO)
		set_stage(h, CLOSE, h->at); /* it has been given away */
	else
		begin_taking_back(h);
}

static void end(struct handoff *h)
{
	bool released = false;

	h->deadline = sd_event_source_disable_unref(h->deadline);
	h->retry = sd_event_source_disable_unref(h->retry);
	for (size_t i = 0; i < h->flows.n; i++)
		released |= h->flows.v[i].released;
	h->what.over(h->what.arg,
		     !h->r    ? 0 :
		     released ? h->r :
				LAB_ROLLED_BACK,
		     &h->err);
}

static int begin(struct handoff *h, struct err *err)
{
	int r;

	if (h->dies)
		return UNDER_WAY;
	/* Without flows nothing is asked of anybody but to look. */
	if (!h->flows.n && h->stage >= HOLD && h->stage <= IMPORT)
		return 0;
	if (h->stage == RELEASE)
		set_deadline(h, COMMIT_NS);
	/* What was before it has used up that of its flow. */
	if (h->stage == CLOSE && !h->deadline)
		set_deadline(h, BACK_NS);
	if (h->stage == DROP && !h->hopeless)
		set_deadline(h, BACK_NS);
	r = handoff_begin_stage(h, err);
	if (r != UNDER_WAY || !h->hopeless)
		return r;
	h->server = NULL;
	lab_sald_forget(h->lab, h);
	return 0;
}

void handoff_go_on(struct handoff *h, int r, struct err *err)
{
	if (r == UNDER_WAY || h->stage == OVER)
		return;
	if (h->still.now) {
		h->still.kept = true;
		h->still.r = r;
		h->still.err = *err;
		return;
	}
	do {
		if (r < 0)
			fail(h, r, err);
		else
			pass(h);
		*err = ERR_INIT;
		if (h->stage == OVER) {
			end(h);
			return;
		}
		r = begin(h, err);
	} while (r != UNDER_WAY);
}

/* Its stage is begun from the loop: the first one, or where it had to wait. */
static int on_wake(sd_event_source *source, void *arg)
{
	struct handoff *h = arg;
	struct err err = ERR_INIT;

	(void)source;
	if (!h->wanted || h->still.now || h->stage == OVER)
		return 0;
	h->wanted = false;
	if (h->stage == FIND)
		set_deadline(h, PREPARE_NS);
	handoff_go_on(h, begin(h, &err), &err);
	return 0;
}

void handoff_wake(struct handoff *h)
{
	h->wanted = true;
	sd_event_source_set_enabled(h->wake, SD_EVENT_ONESHOT);
}

/* Without the one there is nothing to hand over, without the other nobody to
 * take it: whoever is waited for, that is over. */
void handoff_lost(struct handoff *h, const struct lab_process *p)
{
	bool *gone = p == h->old ? &h->old_gone : &h->new_gone;
	struct err err = ERR_INIT;

	if ((p != h->old && p != h->new) || *gone)
		return;
	*gone = true;
	if (h->dies && p == h->new) {
		h->dies = false;
		set_stage(h, h->stage + 1, 0);
		handoff_wake(h);
		return;
	}
	if (h->stage <= FIND || h->stage >= RELEASE)
		return;
	lab_sald_forget(h->lab, h);
	err_set(&err, ECONNRESET,
		"process '%s' ended before the handoff was complete",
		h->lab->plan->scenario->processes.v[p->index].name);
	handoff_go_on(h, -ECONNRESET, &err);
}

/* ---- for those who want it --------------------------------------------------
 */

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
	h->dump_fd = -1;
	handoff_drop_parts(h);
	h->wanted = true;
	r = sd_event_add_defer(lab->event, &h->wake, on_wake, h);
	if (r < 0) {
		lab_handoff_free(h);
		return err_errno(err, -r, "event loop");
	}
	*out = h;
	return 0;
}

void lab_handoff_stop(struct handoff *h, const char *why)
{
	struct err err = ERR_INIT;

	h->still.now = h->still.kept = false;
	if (h->stage >= RELEASE)
		return; /* it comes to its end by itself */
	lab_sald_forget(h->lab, h);
	h->retry = sd_event_source_disable_unref(h->retry);
	h->dies = false;
	err_set(&err, ECANCELED, "%s", why);
	handoff_go_on(h, -ECANCELED, &err);
}

struct handoff *lab_handoff_free(struct handoff *h)
{
	struct lab *lab;
	size_t n = 0;

	if (!h)
		return NULL;
	lab = h->lab;
	handoff_end_turns(h);
	handoff_end_dump(h);
	lab_sald_forget(lab, h);
	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++)
		for (size_t k = 0; k < lab->processes[i].orders.n; k++)
			if (lab->processes[i].orders.v[k].who == h)
				lab->processes[i].orders.v[k].who = NULL;
	for (size_t i = 0; i < lab->handoffs.n; i++)
		if (lab->handoffs.v[i] != h)
			lab->handoffs.v[n++] = lab->handoffs.v[i];
	lab->handoffs.n = n;
	handoff_drop_parts(h);
	VEC_FREE(&h->parts);
	VEC_FREE(&h->flows);
	sd_event_source_disable_unref(h->wake);
	sd_event_source_disable_unref(h->retry);
	sd_event_source_disable_unref(h->deadline);
	free(h);
	return NULL;
}

/* ---- pauses -----------------------------------------------------------------
 */

static void put_off(sd_event_source *timer, bool still, int64_t for_ns)
{
	uint64_t at_us;

	if (!timer)
		return;
	if (!still && sd_event_source_get_time(timer, &at_us) >= 0)
		sd_event_source_set_time(
			timer, at_us + (uint64_t)(for_ns / NSEC_PER_USEC));
	sd_event_source_set_enabled(timer,
				    still ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void handoff_hold_all(struct lab *lab)
{
	for (size_t i = 0; i < lab->handoffs.n; i++) {
		struct handoff *h = lab->handoffs.v[i];

		h->still.now = true;
		put_off(h->deadline, true, 0);
		put_off(h->retry, true, 0);
	}
}

void handoff_release_all(struct lab *lab, int64_t for_ns)
{
	for (size_t i = 0; i < lab->handoffs.n; i++) {
		struct handoff *h = lab->handoffs.v[i];
		struct err err = h->still.err;
		bool kept = h->still.kept;

		h->still.now = h->still.kept = false;
		put_off(h->deadline, false, for_ns);
		put_off(h->retry, false, for_ns);
		if (kept)
			handoff_go_on(h, h->still.r, &err);
		else if (h->wanted)
			handoff_wake(h);
	}
}
