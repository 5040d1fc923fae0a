/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole nodes.
 *
 * Crash: as when the power goes. Its links are cut before its processes are
 * killed, or the FIN and RST of their sockets would tell the others; its
 * probes, whom nobody hears any more, may write down what they know; and its
 * network namespace is given up, with all that its kernel remembered (its
 * sockets' retransmissions too, which go on when the processes are gone).
 *
 * Boot: a new network namespace, made as the first one was. Carriers come last,
 * when it can answer.
 *
 * Freeze: its interfaces are silenced and its processes stopped. Its carriers
 * stay, and so do its kernel's timers, which run on: what they send is
 * dropped.
 *
 * Where one of these may wait for something to happen, nobody knows beforehand
 * what the node is like by then: one that is off loses no power, and only one
 * that is on stands still. Then nothing is done, and told.
 */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#include <errno.h>

#define POLL_NS NSEC_PER_MSEC
#define READY_TIMEOUT_NS (10 * NSEC_PER_SEC)
#define DYING_TIMEOUT_NS (2 * NSEC_PER_SEC)

static bool is_not(const struct performance *p, enum plan_live_state state)
{
	if (p->tl->live->nodes[p->action->node.node] == state)
		return false;
	performance_step(p, "unchanged", NULL, 0);
	return true;
}

/* ---- crash -----------------------------------------------------------------
 */

static int remove_node(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	int r = plan_remove_ops(p->tl->live, a->node.node, a->pos, &ops);

	return perform_ops(p, "removed", r, &ops, err);
}

static void emptied(void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	if (p->tl->stopped)
		return;
	performance_step(p, "killed", NULL, 0);
	performance_result(p, remove_node(p, &err), &err);
}

static int on_dying(sd_event_source *source, uint64_t now_us, void *arg);

static int kill_node(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	const struct timeline_listener *l = &p->tl->listener;
	int r;

	if (l->dying && l->dying(l->arg, a->node.node) &&
	    p->next++ < DYING_TIMEOUT_NS / POLL_NS) {
		r = performance_wait(p, POLL_NS, on_dying, err);
		return r ? r : PERFORM_UNDER_WAY;
	}
	r = lab_node_kill(p->tl->lab, a->node.node, emptied, p, err);
	if (r)
		return r < 0 ? r : PERFORM_UNDER_WAY;
	return remove_node(p, err);
}

static int on_dying(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_result(p, kill_node(p, &err), &err);
	return 0;
}

int perform_crash(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	int r;

	if (p->tl->live->nodes[a->node.node] == PLAN_NODE_OFF) {
		performance_step(p, "unchanged", NULL, 0);
		return 0;
	}
	r = plan_cut_off_ops(p->tl->live, a->node.node, a->pos, &ops);
	r = perform_ops(p, "cut", r, &ops, err);
	/* From here on nobody can ask it for anything. */
	if (!r)
		r = performance_take(p, err);
	if (!r)
		timeline_lost_listeners(p->tl, a->node.node);
	return r ? r : kill_node(p, err);
}

/* ---- boot ------------------------------------------------------------------
 */

static int on_poll(sd_event_source *source, uint64_t now_us, void *arg);

/* Does it run where its node is? One that comes and goes with a service does
 * while the service has an instance there. */
static bool is_wanted(const struct performance *p, size_t process)
{
	const struct scenario *s = p->tl->plan->scenario;
	size_t node = s->processes.v[process].node;

	for (size_t i = 0; i < s->services.n; i++)
		for (size_t k = 0; k < s->services.v[i].run.n; k++)
			if (s->services.v[i].run.v[k] == process)
				return plan_live_serves(p->tl->live, i, node);
	return s->processes.v[process].autostart;
}

static int start_processes(const struct performance *p, struct err *err)
{
	const struct scenario *s = p->tl->plan->scenario;
	int r = 0;

	for (size_t i = 0; i < s->processes.n && !r; i++)
		if (s->processes.v[i].node == p->action->node.node &&
		    is_wanted(p, i) && !lab_process_runs(p->tl->lab, i))
			r = lab_start_process(p->tl->lab, i, err);
	return r;
}

/* Is the link up that the interface belongs to, as far as anybody knows? */
static bool has_carrier(void *arg, uint32_t ifindex)
{
	const struct plan_live *l = arg;

	for (size_t i = 0; i < l->plan->ifaces.n; i++)
		if (l->plan->ifaces.v[i].ifindex == ifindex)
			return l->plan->ifaces.v[i].link == SCN_NONE ||
			       plan_live_link_up(l, l->plan->ifaces.v[i].link);
	return true;
}

/* Asks until its interfaces carry packets, and then starts what runs in it. */
static int wait_ready(struct performance *p, struct err *err)
{
	const struct timeline_listener *l = &p->tl->listener;
	size_t node = p->action->node.node;
	int r = lab_node_is_ready(p->tl->lab, node, has_carrier, p->tl->live,
				  err);

	if (r < 0)
		return r;
	if (!r) {
		if (p->next++ > READY_TIMEOUT_NS / POLL_NS)
			return err_set(err, ETIMEDOUT,
				       "its interfaces carry no packets yet");
		r = performance_wait(p, POLL_NS, on_poll, err);
		return r ? r : PERFORM_UNDER_WAY;
	}
	performance_step(p, "ready", NULL, 0);
	r = start_processes(p, err);
	return r || !l->revived ? r : l->revived(l->arg, node, err);
}

static int on_poll(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_result(p, wait_ready(p, &err), &err);
	return 0;
}

static int on_watched(sd_event_source *source, uint64_t now_us, void *arg);

/* Carriers come when its packets are captured. */
static int connect_node(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	const struct timeline_listener *l = &p->tl->listener;
	plan_op_vec ops = { 0 };
	int r;

	if (l->watched && !l->watched(l->arg, a->node.node)) {
		r = performance_wait(p, POLL_NS, on_watched, err);
		return r ? r : PERFORM_UNDER_WAY;
	}
	r = plan_connect_ops(p->tl->live, a->node.node, a->pos, &ops);
	r = perform_ops(p, "connected", r, &ops, err);
	return r ? r : wait_ready(p, err);
}

static int on_watched(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_result(p, connect_node(p, &err), &err);
	return 0;
}

static int on_off(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_result(p, perform_boot(p, &err), &err);
	return 0;
}

int perform_boot(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	const struct timeline_listener *l = &p->tl->listener;
	plan_op_vec ops = { 0 };
	int r;

	if (is_not(p, PLAN_NODE_OFF))
		return 0;
	/* Its crash, of the same list, is still under way. */
	if (lab_netns(p->tl->lab, a->node.node) >= 0) {
		r = performance_wait(p, POLL_NS, on_off, err);
		return r ? r : PERFORM_UNDER_WAY;
	}
	r = plan_boot_ops(p->tl->live, a->node.node, a->pos, &ops);
	r = perform_ops(p, "built", r, &ops, err);
	if (!r)
		r = performance_take(p, err);
	if (!r && l->booted)
		r = l->booted(l->arg, a->node.node, err);
	if (!r)
		r = watch_again(p->tl, a->node.node, err);
	if (r)
		return r;
	return connect_node(p, err);
}

/* ---- freeze and thaw
 * --------------------------------------------------------- */

int perform_freeze(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	plan_op_vec ops = { 0 };
	int r;

	if (is_not(p, PLAN_NODE_ON))
		return 0;
	r = plan_silence_ops(p->tl->live, a->node.node, true, a->pos, &ops);
	r = perform_ops(p, "silent", r, &ops, err);
	if (!r)
		r = lab_node_stop(p->tl->lab, a->node.node, err);
	if (r)
		return r;
	performance_step(p, "stopped", NULL, 0);
	return performance_take(p, err);
}

int perform_thaw(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	const struct timeline_listener *l = &p->tl->listener;
	plan_op_vec ops = { 0 }, missed = { 0 };
	int r;

	if (is_not(p, PLAN_NODE_FROZEN))
		return 0;
	if (l->thawing)
		l->thawing(l->arg, a->node.node);
	r = lab_node_continue(p->tl->lab, a->node.node, err);
	if (r)
		return r;
	performance_step(p, "continued", NULL, 0);
	/* Before anything is sent where it was right to send it once. */
	r = plan_missed_ops(p->tl->live, a->node.node, a->pos, &missed);
	if (r || missed.n)
		r = perform_ops(p, "forward", r, &missed, err);
	if (r)
		return r;
	r = plan_silence_ops(p->tl->live, a->node.node, false, a->pos, &ops);
	r = perform_ops(p, "heard", r, &ops, err);
	return r ? r : performance_take(p, err);
}
