/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes of the scenario, and commands that are run once. */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

static int done(const struct performance *p, int r)
{
	if (r != LAB_HAD_ENDED)
		return r;
	performance_step(p, "ended", NULL, 0);
	return 0;
}

int perform_start(struct performance *p, struct err *err)
{
	return lab_start_process(p->tl->lab, p->action->process.process, err);
}

int perform_stop(struct performance *p, struct err *err)
{
	return done(p, lab_stop_process(p->tl->lab, p->action->process.process,
					err));
}

int perform_kill(struct performance *p, struct err *err)
{
	return done(p, lab_kill_process(p->tl->lab, p->action->process.process,
					p->action->process.signal, err));
}

int perform_pause(struct performance *p, struct err *err)
{
	return done(p, lab_pause_process(p->tl->lab, p->action->process.process,
					 p->action->kind == SCN_ACTION_PAUSE,
					 err));
}

/* ---- restart --------------------------------------------------------------
 */

static void on_change(void *arg);

/* Started when it has ended, done when it is ready. */
static int restart(struct performance *p, struct err *err)
{
	size_t process = p->action->process.process;
	int r;

	if (lab_process_runs(p->tl->lab, process) && !p->next) {
		r = lab_watch_process(p->tl->lab, process, on_change, p, err);
		return r ? r : PERFORM_UNDER_WAY;
	}
	if (!p->next++) {
		r = lab_start_process(p->tl->lab, process, err);
		if (r)
			return r;
		performance_step(p, "start", NULL, 0);
	}
	if (lab_process_ready(p->tl->lab, process) ||
	    !lab_process_runs(p->tl->lab, process))
		return 0;
	r = lab_watch_process(p->tl->lab, process, on_change, p, err);
	return r ? r : PERFORM_UNDER_WAY;
}

static int on_later(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	performance_result(p, restart(p, &err), &err);
	return 0;
}

/* Who tells of it is not done with the process: later. */
static void on_change(void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;

	if (!p->tl->stopped && performance_wait(p, 0, on_later, &err))
		performance_failed(p, &err);
}

int perform_restart(struct performance *p, struct err *err)
{
	int r = lab_stop_process(p->tl->lab, p->action->process.process, err);

	if (r < 0)
		return r;
	performance_step(p, r == LAB_HAD_ENDED ? "ended" : "stop", NULL, 0);
	return restart(p, err);
}

/* ---- exec ------------------------------------------------------------------
 */

static void command_ended(void *arg, int status)
{
	struct performance *p = arg;
	const struct scn_action *a = p->action;
	bool exited = WIFEXITED(status);
	int value = exited ? WEXITSTATUS(status) : WTERMSIG(status);
	struct err err = ERR_INIT;
	char name[16];

	p->timer = sd_event_source_disable_unref(p->timer);
	p->pid = 0;
	/* Also of one that the end of the run has cut short. */
	performance_step(p, "exit", exited ? "status" : "signal", value);
	if (p->tl->stopped)
		return;
	if (p->timed_out)
		err_set(&err, ETIMEDOUT, "it took longer than %.3g s",
			(double)a->exec.timeout_ns / NSEC_PER_SEC);
	else if (!exited)
		err_set(&err, ECHILD, "it ended by %s",
			units_format_signal(value, name, sizeof(name)));
	else if (a->exec.status >= 0 && value != a->exec.status)
		err_set(&err, ECHILD, "it ended with status %d instead of %d",
			value, a->exec.status);
	if (err.code)
		err_hint(&err,
			 "see what it printed in actions/%u.log of the "
			 "record",
			 p->id);
	performance_result(p, -err.code, &err);
}

/* Its process group; what it has left elsewhere is its own affair. */
static int on_timeout(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;

	(void)source;
	(void)now_us;
	p->timed_out = true;
	if (p->pid)
		kill(-p->pid, SIGKILL);
	return 0;
}

int perform_exec(struct performance *p, struct err *err)
{
	const struct scn_action *a = p->action;
	char log[64];
	const struct lab_command command = {
		.node = a->exec.node,
		.argv = a->exec.argv,
		.log = log,
	};
	int r;

	snprintf(log, sizeof(log), "actions/%u.log", p->id);
	r = lab_run_command(p->tl->lab, &command, command_ended, p, &p->pid,
			    err);
	if (!r)
		r = performance_wait(p, a->exec.timeout_ns, on_timeout, err);
	return r ? r : PERFORM_UNDER_WAY;
}
