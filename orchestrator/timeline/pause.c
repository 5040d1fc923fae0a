/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pause: all timers are switched off, and behind it each fires so much later
 * as it lasted. What was due at its beginning already, and had not begun, is
 * due when it ends. What comes to its end meanwhile (a command may be done, and
 * its end be read only now) is told, and what would follow from it waits.
 *
 * Events, output and packets that entries wait for are read late, too; so there
 * are two steps, between which the caller lets what is on its way come.
 */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#include <signal.h>

static void each_timer(struct timeline *tl,
		       void (*fn)(struct timeline *tl, sd_event_source *timer,
				  int64_t for_ns),
		       int64_t for_ns)
{
	fn(tl, tl->timer, for_ns);
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++)
		fn(tl, tl->entries[i].timer, for_ns);
	for (size_t i = 0; i < tl->begun.n; i++)
		fn(tl, tl->begun.v[i]->timer, for_ns);
}

static void switch_off(struct timeline *tl, sd_event_source *timer,
		       int64_t for_ns)
{
	(void)tl;
	(void)for_ns;
	if (timer)
		sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

static void switch_on(struct timeline *tl, sd_event_source *timer,
		      int64_t for_ns)
{
	uint64_t at_us, paused_us = (uint64_t)(tl->paused_ns / NSEC_PER_USEC);

	if (!timer || sd_event_source_get_time(timer, &at_us) < 0)
		return;
	if (at_us > paused_us)
		sd_event_source_set_time(
			timer, at_us + (uint64_t)(for_ns / NSEC_PER_USEC));
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static bool is_command(const struct performance *p)
{
	return p->action->kind == SCN_ACTION_EXEC && p->pid;
}

/* Those that run; in a node that is frozen they are stopped anyhow. */
static void signal_commands(const struct timeline *tl, int signal)
{
	for (size_t i = 0; i < tl->begun.n; i++) {
		const struct performance *p = tl->begun.v[i];

		if (is_command(p) &&
		    !lab_node_is_stopped(tl->lab, p->action->exec.node))
			kill(-p->pid, signal);
	}
}

void timeline_kill_commands(struct timeline *tl)
{
	for (size_t i = 0; i < tl->begun.n; i++)
		if (is_command(tl->begun.v[i]))
			kill(-tl->begun.v[i]->pid, SIGKILL);
}

bool timeline_commands_run(const struct timeline *tl)
{
	for (size_t i = 0; i < tl->begun.n; i++)
		if (is_command(tl->begun.v[i]))
			return true;
	return false;
}

void timeline_pause(struct timeline *tl)
{
	if (tl->stopped || tl->paused_ns)
		return;
	tl->paused_ns = clock_mono_ns();
	each_timer(tl, switch_off, 0);
	signal_commands(tl, SIGSTOP);
}

static void drain(struct timeline *tl, bool count)
{
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++) {
		const struct scn_entry *e = tl->entries[i].entry;

		if (e->trigger == SCN_TRIGGER_WHEN &&
		    e->when.kind == SCN_WHEN_PACKET)
			watch_packets_drain(&tl->entries[i], count);
	}
}

void timeline_ignore(struct timeline *tl)
{
	drain(tl, true);
	tl->ignores = true;
}

void timeline_continue(struct timeline *tl, int64_t for_ns)
{
	if (tl->stopped || !tl->paused_ns)
		return;
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++) {
		struct entry_run *e = &tl->entries[i];

		if (e->planned_ns > tl->paused_ns)
			e->planned_ns += for_ns;
	}
	drain(tl, false);
	each_timer(tl, switch_on, for_ns);
	tl->shift_ns += for_ns;
	tl->ignores = false;
	tl->paused_ns = 0;
	signal_commands(tl, SIGCONT);
	for (size_t i = 0; i < tl->plan->scenario->timeline.n; i++)
		if (tl->entries[i].resume)
			entry_go_on(&tl->entries[i]);
}
