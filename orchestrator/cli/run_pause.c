/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * For --pause-on-failure. While the run is played, what it has recorded is
 * judged now and then (run_judge.c), and the first expectation that is lost
 * whatever may still come ends the play; else they are judged when it has been
 * played. Either way, where one does not hold, the clock stops before anything
 * of the lab is: no action begins any more; programs and probes that are under
 * way are frozen; the capture ends, so that what people try out now is not in
 * it. Then they have the lab to themselves.
 *
 * The timeline is not taken up again after that: what has failed stays failed,
 * and times behind a pause are those of no experiment.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"
#include "orchestrator/cli/cli.h"
#include "orchestrator/cli/console.h"
#include "orchestrator/report/report.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCH_US UINT64_C(250000)
#define WATCH_SHARE 10 /* of the time it may take: a tenth */
#define SETTLE_US UINT64_C(300000) /* until packets are in the file */
#define STOP_US UINT64_C(5000000)

/* ---- while it is played -------------------------------------------------- */

static bool any_lost(const struct run *run)
{
	for (size_t i = 0; i < run->scenario->expects.n; i++)
		if (run->judge.told[i] == JUDGED_LOST)
			return true;
	return false;
}

static int on_watch(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct run *run = arg;
	uint64_t next_us = now_us + WATCH_US;

	if (run->pause.over)
		return 0;
	if (run->judge.pid) {
		next_us = now_us + WATCH_US / 10;
	} else if (run->pause.judging_us) {
		uint64_t took_us = now_us - run->pause.judging_us;

		run->pause.judging_us = 0;
		run->pause_due = any_lost(run);
		if (took_us * WATCH_SHARE > WATCH_US)
			next_us = now_us + took_us * WATCH_SHARE;
	} else if (!run_judge_begin(run)) {
		run->pause.judging_us = now_us;
		next_us = now_us + WATCH_US / 10;
	}
	if (run->pause_due)
		return 0;
	sd_event_source_set_time(source, next_us);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

int run_pause_watch(struct run *run, struct err *err)
{
	int r = sd_event_add_time(run->event, NULL, CLOCK_MONOTONIC,
				  (uint64_t)(clock_mono_ns() / NSEC_PER_USEC) +
					  WATCH_US,
				  1000, on_watch, run);

	return r < 0 ? err_errno(err, -r, "event loop") : 0;
}

/* ---- the console --------------------------------------------------------- */

/* What still runs is judged when it has ended; the host, when the lab has. */
static bool is_open(const struct run *run, const struct scn_expect *e)
{
	return e->kind == SCN_EXPECT_HOST ||
	       ((e->kind == SCN_EXPECT_EXIT || e->kind == SCN_EXPECT_PRINTS) &&
		lab_process_runs(run->lab, e->subject));
}

static void tell_failures(FILE *out, void *arg)
{
	const struct run *run = arg;
	struct report *report = NULL;
	struct err err = ERR_INIT;

	fputs("\nThe clock has stopped, and the lab is as it was. "
	      "These do not hold:\n",
	      out);
	if (report_make(".", &report, &err)) {
		fprintf(out, "%s\n", err.msg);
	} else {
		for (size_t i = 0; i < run->scenario->expects.n; i++)
			if (!report_held(report, i) &&
			    !is_open(run, &run->scenario->expects.v[i]))
				report_print_expectation(
					report, i, out,
					wants_color(fileno(out)),
					terminal_width(fileno(out)));
		report_free(report);
	}
	fputs("\nnodes, exec NODE CMD..., shell NODE, continue, quit, help\n",
	      out);
}

static int console_child(void *arg, int status_fd)
{
	struct run *run = arg;

	close(status_fd);
	return (int)console_main(run->lab, run->plan, tell_failures, run);
}

static void console_ended(void *arg, int wait_status)
{
	struct run *run = arg;

	run->pause.console = 0;
	run->pause.status = wait_status;
}

static bool console_is_done(const struct run *run)
{
	return !run->pause.console || run_is_broken(run);
}

static void open_console(struct run *run)
{
	struct err err = ERR_INIT;
	bool over = false;

	if (lab_spawn(run->lab, SCN_NONE, console_child, run, console_ended,
		      run, &run->pause.console, &err)) {
		run_fail(run, &err);
		return;
	}
	run_turn_until(run, console_is_done, 0, &over);
	if (run->pause.console)
		kill(run->pause.console, SIGKILL); /* interrupted */
	else if (WIFEXITED(run->pause.status) &&
		 WEXITSTATUS(run->pause.status) == CONSOLE_QUIT)
		run_interrupt(run, SIGINT);
}

/* ---- stopping the clock -------------------------------------------------- */

static void signal_processes(struct run *run, int signal)
{
	for (size_t i = 0; i < run->scenario->processes.n; i++)
		if (run->process_pids[i])
			kill(-run->process_pids[i], signal);
}

static void pause_here(struct run *run)
{
	run_stop_capture(run);
	recorder_paused(run->recorder);
	open_console(run);
	recorder_continued(run->recorder);
}

static bool probes_have_ended(const struct run *run)
{
	return !run->probers_running || run_is_broken(run);
}

static bool any_fails(const struct run *run, const unsigned char *told)
{
	for (size_t i = 0; told && i < run->scenario->expects.n; i++)
		if (told[i] != JUDGED_HELD &&
		    !is_open(run, &run->scenario->expects.v[i]))
			return true;
	return false;
}

void run_pause(struct run *run)
{
	bool over = false;

	run->pause.over = true;
	timeline_stop(run->timeline);
	if (run->pause_due) {
		signal_processes(run, SIGSTOP);
		run_signal_probes(run, SIGSTOP);
		pause_here(run);
		/* What is due meanwhile shall not be sent now. */
		run_signal_probes(run, SIGTERM);
		run_signal_probes(run, SIGCONT);
		signal_processes(run, SIGCONT);
		return;
	}
	run_signal_probes(run, SIGTERM);
	run_turn_until(run, probes_have_ended, STOP_US, &over);
	over = false;
	run_turn_until(run, run_is_broken, SETTLE_US, &over);
	if (any_fails(run, run_judge(run)))
		pause_here(run);
}
