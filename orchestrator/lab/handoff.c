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
 * No flow is given away before all of them could be, so that one that cannot be
 * moved is found before any has been. Up to the release each step is taken back
 * where a later one fails, of any flow: the new server drops its copy, the new
 * sald forgets its, the old server leaves repair mode, the old sald lets the
 * flow go on. (To leave behind just the flow that failed is no choice: the old
 * server ends after the handoff.) Whoever does not answer in that is dead, and
 * holds nothing any more.
 *
 * The last look before the release is at who must be alive after it. A new
 * server or sald that dies after that takes the flows with it, as the old ones
 * would have: they are its own by then. A hold may have ended by itself before
 * its flow's turn came (who directs was stopped for ten seconds): then those
 * that are released have moved, all others stay, and the action fails.
 *
 * Every step is asked of a process that has to be woken for it, which on a busy
 * machine takes milliseconds; and all flows stand still until the last of them
 * is there. So they go side by side: the way is three stretches (HOLD to
 * IMPORT, RELEASE to CLOSE, and back DROP to LET_GO), flows are let into one in
 * their order, HANDOFF_WINDOW of them at a time, and the next stretch begins
 * when all are at the end of this one. Within a stretch
 *
 * 1. a flow takes a step when it has the answer to its last one, and no sooner:
 *    its own order is kept whatever the others do;
 * 2. salds and servers answer in the order of what they are asked. What is sent
 *    later finds what was sent before done, whether its answer is known or not:
 *    so the way back may be ordered behind what nobody waits for any more;
 * 3. when a flow fails, no other is let in. Those that are in are waited for to
 *    the end of their step, which is soon, since who is asked has just
 *    answered: then it is known of each what there is to take back. (To take it
 *    back without knowing would undo the hold of who else hands such a flow
 *    over.) Behind the release they go on to the end of their way instead.
 *
 * The window bounds what one waking is shared by, and so what a flow waits for
 * the others within a stretch: a connection that was made anew sends, in repair
 * mode too, when its timer of a second runs out, and only from its import on is
 * there a flow to take that; without, the new sald would refuse it and so end
 * it. That is also why all flows are not restored before the first is imported.
 *
 * Nobody waits in place for any of this: on a busy machine it takes long enough
 * to make the rest of the timeline late, and for seconds where somebody is
 * stuck. A handoff is a machine: begin_flow() asks somebody, and what they
 * answer, or that they can't any more, comes back by the event loop and leads
 * to the flow's next stage. One timer bounds the way to the release, by less
 * than the salds' own patience, so that no flow is given away that goes on by
 * itself; then the release, and the way back.
 */
#include "orchestrator/lab/handoff.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>

/* All of the way to the release; a hold lasts 10 s (SAL_HOLD_NS). */
#define PREPARE_NS (8 * NSEC_PER_SEC)
#define COMMIT_NS (5 * NSEC_PER_SEC) /* from the last that is let in */
#define BACK_NS (2 * NSEC_PER_SEC) /* of those on their way, each time */

static void go_on(struct handoff *h);

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
	h->dies = false;
	handoff_abandon(h, r, &err);
	return 0;
}

static void set_deadline(struct handoff *h, int64_t in_ns)
{
	struct err ignored = ERR_INIT;

	/* Without one it can only last longer. */
	handoff_timer(h, &h->deadline, in_ns, on_deadline, h, &ignored);
}

/* ---- stretches -------------------------------------------------------------
 */

static bool is_of_flows(enum handoff_stage stage)
{
	return stage != FIND && stage != LOOK && stage != OVER;
}

/* Is it the stage that the new server is to die after? */
static bool fails_behind(const struct handoff *h, enum handoff_stage stage)
{
	static const enum scn_handoff_step steps[OVER] = {
		[HOLD] = SCN_HANDOFF_HOLD,
		[DUMP] = SCN_HANDOFF_DUMP,
		[RESTORE] = SCN_HANDOFF_RESTORE,
		[IMPORT] = SCN_HANDOFF_IMPORT,
	};

	return steps[stage] && h->what.fail == steps[stage];
}

/* Of the stretch that begins there. */
static enum handoff_stage last_of(const struct handoff *h,
				  enum handoff_stage first)
{
	if (first == RELEASE)
		return CLOSE;
	if (first == DROP)
		return LET_GO;
	if (first < HOLD || first > IMPORT)
		return first;
	while (first < IMPORT && !fails_behind(h, first))
		first++;
	return first;
}

static void set_stage(struct handoff *h, enum handoff_stage stage)
{
	h->stage = stage;
	h->last = last_of(h, stage);
	h->let_in = h->in = 0;
	h->busy = false;
	h->sald = SCN_NONE;
}

/* In the order that they are let in. */
static struct moving *flow_at(const struct handoff *h, size_t i)
{
	return &h->flows.v[h->stage == DROP ? h->flows.n - 1 - i : i];
}

const struct moving *handoff_oldest(const struct handoff *h)
{
	for (size_t i = 0; i < h->let_in; i++)
		if (flow_at(h, i)->in && flow_at(h, i)->busy)
			return flow_at(h, i);
	return NULL;
}

/* Is there nothing to be done but to take back? */
static bool has_failed(const struct handoff *h)
{
	return h->r && h->stage < DROP;
}

static void enter(struct handoff *h)
{
	struct moving *m = flow_at(h, h->let_in++);

	/* There is no way back for it. */
	if (h->stage == DROP && m->released)
		return;
	m->stage = h->stage;
	m->in = true;
	m->busy = false;
	h->in++;
	if (h->stage == RELEASE)
		set_deadline(h, COMMIT_NS);
	if (h->stage == DROP && !h->hopeless)
		set_deadline(h, BACK_NS);
}

static void leave(struct moving *m)
{
	m->in = m->busy = false;
	m->h->in--;
	if (m->h->stage == DROP && !m->h->hopeless)
		set_deadline(m->h, BACK_NS);
}

/* ---- a flow, from stage to stage -------------------------------------------
 */

static void tell(const struct moving *m)
{
	static const char *const told[OVER] = {
		[HOLD] = "handoff.hold",
		[DUMP] = "handoff.dumped",
		[RESTORE] = "handoff.restored",
		[IMPORT] = "handoff.imported",
		[CLOSE] = "handoff.committed",
		[LET_GO] = "handoff.rolled_back",
	};

	if (told[m->stage] && !m->astray)
		m->h->what.step(m->h->what.arg, told[m->stage], "flow",
				m->flow);
}

static void pass(struct moving *m)
{
	tell(m);
	if (m->stage == m->h->last)
		leave(m);
	else
		m->stage++;
}

/* Before the release, the others stay where they are: what they only wait for,
 * or what the two servers have still to do, is not waited for. */
static void stop_all(struct handoff *h)
{
	for (size_t i = 0; i < h->let_in; i++) {
		struct moving *m = flow_at(h, i);

		if (!m->in)
			continue;
		handoff_stop_dump(m);
		if (!m->waits && !m->retry)
			continue;
		handoff_forget_flow(m);
		leave(m);
	}
}

static void keep_first(struct handoff *h, int r, const struct err *err)
{
	if (h->r)
		return;
	h->r = r;
	h->err = *err;
	if (is_of_flows(h->stage) && h->stage < RELEASE)
		stop_all(h);
}

static void fail(struct moving *m, int r, const struct err *err)
{
	/* On the way back everything is tried; and the old server, which holds
	 * nothing that could act, is no reason to fail. */
	if (m->stage >= CLOSE) {
		pass(m);
		return;
	}
	if (m->stage == COMMIT || m->stage == GO) {
		m->stage = CLOSE; /* it has been given away */
		m->astray = true;
	} else {
		leave(m);
	}
	keep_first(m->h, r, err);
}

/* Its stage is at an end. */
static void settle(struct moving *m, int r, const struct err *err)
{
	m->busy = false;
	m->server = NULL;
	m->sald = SCN_NONE;
	if (r < 0)
		fail(m, r, err);
	else
		pass(m);
}

static void begin_flow(struct moving *m)
{
	struct handoff *h = m->h;
	struct err err = ERR_INIT;
	int r;

	if (has_failed(h) && m->stage <= RELEASE) {
		leave(m);
		return;
	}
	/* What was before it has used up that of its flow. */
	if (m->stage == CLOSE && !h->deadline)
		set_deadline(h, BACK_NS);
	m->busy = true;
	r = handoff_begin_flow(m, &err);
	if (r == UNDER_WAY && h->hopeless) {
		handoff_forget_flow(m);
		r = 0;
	}
	if (r != UNDER_WAY)
		settle(m, r, &err);
}

/* ---- all of it --------------------------------------------------------------
 */

/* As a new instance would die at the worst moment, and be found out. True: its
 * death is waited for. */
static bool fail_here(struct handoff *h)
{
	struct err ignored = ERR_INIT;

	if (!fails_behind(h, h->last))
		return false;
	h->what.fail = SCN_HANDOFF_NONE;
	h->what.step(h->what.arg, "handoff.fail", NULL, 0);
	lab_kill_process(h->lab, h->new->index, SIGKILL, &ignored);
	/* Its descriptors are closed a moment later. */
	h->dies = h->new->handoff_fd >= 0;
	return h->dies;
}

static void next_stage(struct handoff *h)
{
	if (has_failed(h))
		set_stage(h, DROP);
	else if (h->stage == RELEASE || h->stage == DROP)
		set_stage(h, OVER);
	else
		set_stage(h, h->last + 1);
}

static void end(struct handoff *h)
{
	bool released = false;

	h->deadline = sd_event_source_disable_unref(h->deadline);
	for (size_t i = 0; i < h->flows.n; i++)
		released |= h->flows.v[i].released;
	h->what.over(h->what.arg,
		     !h->r    ? 0 :
		     released ? h->r :
				LAB_ROLLED_BACK,
		     &h->err);
}

/* Of FIND and LOOK. */
static void settle_whole(struct handoff *h, int r, const struct err *err)
{
	h->busy = false;
	h->sald = SCN_NONE;
	if (r < 0)
		keep_first(h, r, err);
	next_stage(h);
}

/* Lets flows in, and has those that can begin their stage; again, where that
 * was its end. */
static void go_through(struct handoff *h)
{
	bool more = true;

	while (more) {
		more = false;
		while (h->in < HANDOFF_WINDOW && h->let_in < h->flows.n &&
		       !has_failed(h))
			enter(h);
		for (size_t i = 0; i < h->let_in; i++) {
			struct moving *m = flow_at(h, i);

			if (!m->in || m->busy)
				continue;
			begin_flow(m);
			more = true;
		}
	}
}

static void go_on(struct handoff *h)
{
	if (h->stage == OVER)
		return;
	while (h->stage != OVER && !h->still.now && !h->dies) {
		struct err err = ERR_INIT;
		int r;

		if (is_of_flows(h->stage)) {
			go_through(h);
			if (h->in)
				return;
			if (has_failed(h) || !fail_here(h))
				next_stage(h);
			continue;
		}
		if (h->busy)
			return;
		h->busy = true;
		r = handoff_begin_whole(h, &err);
		if (r == UNDER_WAY)
			return;
		settle_whole(h, r, &err);
	}
	if (h->stage == OVER)
		end(h);
}

void handoff_flow_done(struct moving *m, int r, struct err *err)
{
	struct handoff *h = m->h;

	if (r == UNDER_WAY || !m->in || !m->busy)
		return;
	if (h->still.now) {
		m->kept.now = true;
		m->kept.r = r;
		m->kept.err = *err;
		return;
	}
	settle(m, r, err);
	go_on(h);
}

static void keep_for_all(struct handoff *h, int r, const struct err *err)
{
	h->still.kept = true;
	h->still.r = r;
	h->still.err = *err;
}

void handoff_whole_done(struct handoff *h, int r, struct err *err)
{
	if (r == UNDER_WAY || !h->busy)
		return;
	if (h->still.now) {
		keep_for_all(h, r, err);
		return;
	}
	settle_whole(h, r, err);
	go_on(h);
}

/* Nobody is waited for any more on this stretch. */
void handoff_abandon(struct handoff *h, int r, const struct err *err)
{
	handoff_forget_all(h);
	for (size_t i = 0; i < h->let_in; i++) {
		struct moving *m = flow_at(h, i);

		m->kept.now = false;
		if (m->in && m->busy)
			settle(m, r, err);
	}
	if (h->stage < RELEASE) {
		keep_first(h, r, err);
		h->wanted = false;
	}
	if (!is_of_flows(h->stage))
		settle_whole(h, r, err);
	go_on(h);
}

/* Begun from the loop: the first stage, or where it had to wait. */
int handoff_on_wake(sd_event_source *source, void *arg)
{
	struct handoff *h = arg;

	(void)source;
	if (!h->wanted || h->still.now || h->stage == OVER)
		return 0;
	h->wanted = false;
	if (h->stage == FIND)
		set_deadline(h, PREPARE_NS);
	for (size_t i = 0; i < h->let_in; i++) {
		struct moving *m = flow_at(h, i);

		m->busy &= !m->waits;
		m->waits = false;
	}
	go_on(h);
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
		next_stage(h);
		handoff_wake(h);
		return;
	}
	if (h->stage <= FIND || h->stage >= RELEASE)
		return;
	err_set(&err, ECONNRESET,
		"process '%s' ended before the handoff was complete",
		h->lab->plan->scenario->processes.v[p->index].name);
	if (h->still.now)
		keep_for_all(h, -ECONNRESET, &err);
	else
		handoff_abandon(h, -ECONNRESET, &err);
}

/* What came while it stood still. */
void handoff_catch_up(struct handoff *h)
{
	struct err err = h->still.err;
	bool kept = h->still.kept;

	h->still.now = h->still.kept = false;
	if (kept && h->still.r < 0) {
		handoff_abandon(h, h->still.r, &err);
		return;
	}
	if (kept)
		settle_whole(h, 0, &err);
	for (size_t i = 0; i < h->let_in; i++) {
		struct moving *m = flow_at(h, i);

		if (m->kept.now && m->in && m->busy)
			settle(m, m->kept.r, &m->kept.err);
		m->kept.now = false;
	}
	if (h->wanted)
		handoff_wake(h);
	else
		go_on(h);
}
