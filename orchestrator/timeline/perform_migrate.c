/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A service gets another instance.
 *
 * A migration is a program of short steps, of which some are waited for (a
 * process ends, another is ready, a gap goes by); the action then goes on from
 * there, and the entry's next action begins meanwhile. What it is made of:
 *
 *     replace   the old instance's processes end, the new one's start,
 *               and the name is bound to the new one
 *     overlap   the new instance's processes start, the name is bound to the
 *               new one, and when nobody is on the way to the old one any more,
 *               its processes end
 *     handoff   as overlap, but when all know of the new instance, the live TCP
 *               connections are handed over to its process; where that does not
 *               work out, all is as it was (what was begun is undone). Salds
 *               that do not answer hold it up for seconds: none of its steps is
 *               waited for in place
 *
 * Binding a nat service's name is a rule and a flush: connections that exist
 * follow the rule by which they began until they are forgotten. In an overlap,
 * answers that are on their way when that happens are still translated. Binding
 * a sal service's name is three steps (live.h), between the second and the
 * third of which an overlap lets the flows move over.
 */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#include <errno.h>

/* How long an overlap lasts once everybody knows of the new instance: what is
 * under way to the old one, and its answer, arrive. */
#define OVERLAP_NS (100 * NSEC_PER_MSEC)

enum step {
	STEP_END,
	STEP_OLD_ENDS,
	STEP_OLD_ENDED,
	STEP_NEW_STARTS,
	STEP_NEW_READY,
	STEP_RULE,
	STEP_FLUSH,
	STEP_GAP,
	STEP_SAL_START,
	STEP_SAL_FORWARD,
	STEP_SAL_STOP,
	STEP_OVERLAP,
	STEP_HAND_OVER,
	STEP_HANDED_OVER,
	STEP_FLOWS,
	STEP_UNDO_FORWARD,
	STEP_UNDO_START,
	STEP_NEW_ENDS,
	STEP_NEW_ENDED,
};

static void add(struct performance *p, size_t *n, enum step step)
{
	if (*n + 1 < PROGRAM_MAX)
		p->program[(*n)++] = (unsigned char)step;
}

static void add_nat(struct performance *p, size_t *n)
{
	const struct scn_action *a = p->action;
	bool before = a->migrate.flush == SCN_FLUSH_BEFORE;

	add(p, n, before ? STEP_FLUSH : STEP_RULE);
	if (a->migrate.flush == SCN_FLUSH_NONE)
		return;
	if (a->migrate.gap_ns)
		add(p, n, STEP_GAP);
	add(p, n, before ? STEP_RULE : STEP_FLUSH);
}

/* From here on: back to the old instance. forwarded: others may know of the new
 * one. */
static void write_undo(struct performance *p, bool forwarded)
{
	size_t n = p->next;

	if (forwarded)
		add(p, &n, STEP_UNDO_FORWARD);
	add(p, &n, STEP_UNDO_START);
	add(p, &n, STEP_NEW_ENDS);
	add(p, &n, STEP_NEW_ENDED);
	add(p, &n, STEP_END);
	p->undone = true;
}

static void write_program(struct performance *p)
{
	const struct scn_action *a = p->action;
	const struct scn_service *s =
		&p->tl->plan->scenario->services.v[a->migrate.service];
	bool handoff = a->migrate.mode == SCN_MIGRATE_HANDOFF;
	bool overlap = handoff || a->migrate.mode == SCN_MIGRATE_OVERLAP;
	size_t n = 0;

	if (s->run.n && !overlap) {
		add(p, &n, STEP_OLD_ENDS);
		add(p, &n, STEP_OLD_ENDED);
	}
	if (s->run.n) {
		add(p, &n, STEP_NEW_STARTS);
		add(p, &n, STEP_NEW_READY);
	}
	if (s->resolver == SCN_RESOLVER_NAT && overlap &&
	    a->migrate.flush == SCN_FLUSH_AFTER && !a->migrate.gap_ns) {
		add(p, &n, STEP_RULE);
		add(p, &n, STEP_HAND_OVER);
		add(p, &n, STEP_OVERLAP);
		add(p, &n, STEP_HANDED_OVER);
	} else if (s->resolver == SCN_RESOLVER_NAT) {
		add_nat(p, &n);
	} else if (s->resolver == SCN_RESOLVER_DNS) {
		add(p, &n, STEP_RULE);
		if (overlap)
			add(p, &n, STEP_OVERLAP);
	} else {
		add(p, &n, STEP_SAL_START);
		add(p, &n, STEP_SAL_FORWARD);
		if (overlap)
			add(p, &n, handoff ? STEP_FLOWS : STEP_OVERLAP);
		add(p, &n, STEP_SAL_STOP);
	}
	if (s->run.n && overlap) {
		add(p, &n, STEP_OLD_ENDS);
		add(p, &n, STEP_OLD_ENDED);
	}
	add(p, &n, STEP_END);
}

/* ---- processes ------------------------------------------------------------
 */

static void go_on_when_changed(void *arg);

static bool is_at(const struct performance *p, size_t process, size_t node)
{
	return p->tl->plan->scenario->processes.v[process].node == node;
}

static int start_new(const struct performance *p, const struct scn_service *s,
		     struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->run.n && !r; i++)
		if (is_at(p, s->run.v[i], p->action->migrate.to) &&
		    !lab_process_runs(p->tl->lab, s->run.v[i]))
			r = lab_start_process(p->tl->lab, s->run.v[i], err);
	if (!r)
		performance_step(p, "process.start", NULL, 0);
	return r;
}

static int stop_at(const struct performance *p, const struct scn_service *s,
		   size_t node, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->run.n && r >= 0; i++)
		if (is_at(p, s->run.v[i], node) &&
		    lab_process_runs(p->tl->lab, s->run.v[i]))
			r = lab_stop_process(p->tl->lab, s->run.v[i], err);
	if (r >= 0)
		performance_step(p, "process.stop", NULL, 0);
	return r < 0 ? r : 0;
}

/* Waits for the first that is not yet as it is to be; is asked again then. */
static int wait_for_processes(struct performance *p,
			      const struct scn_service *s, size_t node,
			      bool started, struct err *err)
{
	int r;

	for (size_t i = 0; i < s->run.n; i++) {
		size_t process = s->run.v[i];

		if (!is_at(p, process, node) ||
		    (started ? lab_process_ready(p->tl->lab, process) ||
				       !lab_process_runs(p->tl->lab, process) :
			       !lab_process_runs(p->tl->lab, process)))
			continue;
		r = lab_watch_process(p->tl->lab, process, go_on_when_changed,
				      p, err);
		return r ? r : PERFORM_UNDER_WAY;
	}
	performance_step(p, started ? "process.ready" : "process.end", NULL, 0);
	return 0;
}

/* ---- the steps ------------------------------------------------------------
 */

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg);

static int flush(const struct performance *p, bool hand_over, struct err *err)
{
	const struct scn_action *a = p->action;

	return perform_forget(p, a->migrate.service, a->migrate.from,
			      a->migrate.to, hand_over, err);
}

/* ---- of a handoff, which waits for nothing in place -------------------------
 */

static bool is_handoff(const struct performance *p)
{
	return p->action->migrate.mode == SCN_MIGRATE_HANDOFF;
}

static void go_on_soon(struct performance *p);

static void roll_back(struct performance *p, const struct err *why,
		      bool forwarded)
{
	performance_rolled_back(p, why);
	write_undo(p, forwarded);
}

/* The step that was under way; p->next is behind it. */
static void told(void *arg, int r, struct err *err)
{
	struct performance *p = arg;
	enum step step = (enum step)p->program[p->next - 1];

	p->telling = lab_telling_free(p->telling);
	VEC_FREE(&p->later);
	if (r < 0 && step == STEP_SAL_STOP) {
		performance_failed(p, err);
		return;
	}
	if (r < 0 && !p->undone)
		roll_back(p, err, step == STEP_SAL_FORWARD);
	else if (r < 0)
		performance_step(p, "untold", NULL, 0);
	else
		performance_step(p,
				 step == STEP_SAL_START ? "start" :
				 step == STEP_SAL_FORWARD ||
						 step == STEP_UNDO_FORWARD ?
							  "forward" :
							  "stop",
				 NULL, 0);
	go_on_soon(p);
}

/* As bind_sal(): from one instance to another, or, in undoing, back. */
static int tell_sal(struct performance *p, size_t from, size_t to,
		    enum plan_sal_step step, const char *name, struct err *err)
{
	const struct scn_action *a = p->action;
	int r = plan_sal_bind_ops(p->tl->live, a->migrate.service, from, to,
				  step, a->pos, &p->later);

	r = r ? err_errno(err, -r, "plan the change") :
		lab_tell(p->tl->lab, p->later.v, p->later.n, told, p,
			 &p->telling, err);
	if (!r && p->telling)
		return PERFORM_UNDER_WAY;
	VEC_FREE(&p->later);
	if (!r)
		performance_step(p, name, NULL, 0);
	return r;
}

static void tell_step(void *arg, const char *step, const char *field,
		      int64_t value)
{
	performance_step(arg, step, field, value);
}

static void handed_over(void *arg, int r, struct err *err)
{
	struct performance *p = arg;

	p->hands_over = false;
	if (r == LAB_ROLLED_BACK)
		roll_back(p, err, true);
	if (p->tl->stopped)
		return;
	if (r < 0)
		performance_failed(p, err);
	else
		go_on_soon(p);
}

static int hand_flows_over(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	const struct lab_handoff what = {
		.service = a->migrate.service,
		.from = a->migrate.from,
		.to = a->migrate.to,
		.fail = a->migrate.fail,
		.step = tell_step,
		.over = handed_over,
		.arg = p,
	};
	int r = lab_handoff_begin(p->tl->lab, &what, &p->handoff, err);

	p->hands_over = !r;
	return r ? r : PERFORM_UNDER_WAY;
}

/* ---- bindings ---------------------------------------------------------------
 */

static int bind_sal(struct performance *p, enum plan_sal_step step,
		    const char *name, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	int r;

	if (is_handoff(p))
		return tell_sal(p, a->migrate.from, a->migrate.to, step, name,
				err);
	r = plan_sal_bind_ops(p->tl->live, a->migrate.service, a->migrate.from,
			      a->migrate.to, step, a->pos, &ops);
	return perform_ops(p, name, r, &ops, err);
}

static int bind_nat(const struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	int r = plan_bind_ops(p->tl->live, a->migrate.service, a->migrate.from,
			      a->migrate.to, a->pos, &ops);

	return perform_ops(p, "rule", r, &ops, err);
}

/* 0: the next one; PERFORM_UNDER_WAY: later. *again: this one, then. */
static int do_step(struct performance *p, enum step step, bool *again,
		   struct err *err)
{
	const struct scn_action *a = p->action;
	const struct scn_service *s =
		&p->tl->plan->scenario->services.v[a->migrate.service];
	int r;

	switch (step) {
	case STEP_OLD_ENDS:
		return stop_at(p, s, a->migrate.from, err);
	case STEP_NEW_ENDS:
		return stop_at(p, s, a->migrate.to, err);
	case STEP_NEW_STARTS:
		return start_new(p, s, err);
	case STEP_OLD_ENDED:
		*again = true;
		return wait_for_processes(p, s, a->migrate.from, false, err);
	case STEP_NEW_READY:
	case STEP_NEW_ENDED:
		*again = true;
		return wait_for_processes(p, s, a->migrate.to,
					  step == STEP_NEW_READY, err);
	case STEP_FLOWS:
		return hand_flows_over(p, err);
	case STEP_UNDO_FORWARD:
		return tell_sal(p, a->migrate.to, a->migrate.from,
				PLAN_SAL_FORWARD, "forward", err);
	case STEP_UNDO_START:
		return tell_sal(p, a->migrate.to, SCN_NONE, PLAN_SAL_STOP,
				"stop", err);
	case STEP_RULE:
		return bind_nat(p, err);
	case STEP_FLUSH:
	case STEP_HAND_OVER:
		return flush(p, step == STEP_HAND_OVER, err);
	case STEP_HANDED_OVER:
		return lab_hand_over_end(p->tl->lab, a->migrate.service, err);
	case STEP_SAL_START:
		return bind_sal(p, PLAN_SAL_START, "start", err);
	case STEP_SAL_FORWARD:
		return bind_sal(p, PLAN_SAL_FORWARD, "forward", err);
	case STEP_SAL_STOP:
		return bind_sal(p, PLAN_SAL_STOP, "stop", err);
	case STEP_GAP:
	case STEP_OVERLAP:
		r = performance_wait(
			p, step == STEP_GAP ? a->migrate.gap_ns : OVERLAP_NS,
			on_timer, err);
		return r ? r : PERFORM_UNDER_WAY;
	case STEP_END:
		break;
	}
	return 0;
}

static int advance(struct performance *p, struct err *err)
{
	while (p->program[p->next] != STEP_END) {
		bool again = false;
		int r = do_step(p, (enum step)p->program[p->next], &again, err);

		p->next += !(again && r == PERFORM_UNDER_WAY);
		if (r)
			return r;
	}
	return p->undone ? 0 : performance_take(p, err);
}

static void resume(struct performance *p)
{
	struct err err = ERR_INIT;

	if (!p->tl->stopped)
		performance_result(p, advance(p, &err), &err);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	resume(p);
	return 0;
}

static int on_change(sd_event_source *source, uint64_t now_us, void *arg)
{
	return on_timer(source, now_us, arg);
}

/* Who tells of a change is not done with it, or the clock stands still: later.
 */
static void go_on_soon(struct performance *p)
{
	struct err err = ERR_INIT;

	if (!p->tl->stopped && performance_wait(p, 0, on_change, &err))
		performance_failed(p, &err);
}

static void go_on_when_changed(void *arg)
{
	go_on_soon(arg);
}

/* It should be, by the timeline; but a handoff may have been rolled back. */
static int check_from(const struct performance *p, struct err *err)
{
	const struct scenario *s = p->tl->plan->scenario;
	const struct scn_action *a = p->action;

	if (s->services.v[a->migrate.service].resolver != SCN_RESOLVER_SAL ||
	    plan_live_serves(p->tl->live, a->migrate.service, a->migrate.from))
		return 0;
	return err_set(err, ENOENT,
		       "service '%s' is not at '%s': an earlier handoff was "
		       "rolled back",
		       s->services.v[a->migrate.service].name,
		       s->nodes.v[a->migrate.from].name);
}

static int migrate(struct performance *p, struct err *err)
{
	int r = check_from(p, err);

	if (r)
		return r;
	plan_live_begin(p->tl->live, p->action);
	write_program(p);
	return advance(p, err);
}

int perform_migrate(struct performance *p, struct err *err)
{
	return perform_in_turn(p, migrate, err);
}
