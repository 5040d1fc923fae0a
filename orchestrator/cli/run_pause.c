/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * For --pause-on-failure. While the run is played, what it has recorded is
 * judged now and then (run_judge.c), and where an expectation is lost, whatever
 * may still come, the clock stops: no action begins or goes on, programs and
 * probes are stopped. Then people have the lab to themselves. When they are
 * done, all goes on where it was, with every time that was planned so much
 * later. An expectation is a reason once.
 *
 * What has been played is judged once more, before anything of the lab is taken
 * down. A pause there has nothing to go on with: its capture has ended, so that
 * what people try out is not in it.
 *
 * The run's own clock (observe/pauses.h) does without the time of pauses; the
 * timeline, the probes and the report go by it. The obvious way, to wait until
 * the probes have got answers to all that they have sent, would have the pause
 * wait for what may never come: so they are stopped at once, and what comes
 * for them within the time that is let for the lab to settle is told with the
 * kernel's stamp. Not all of the world can be stopped: the kernels of the nodes
 * (and TCP's timers in them), the salds, and the clocks that programs look at,
 * go on.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"
#include "orchestrator/cli/cli.h"
#include "orchestrator/cli/console.h"
#include "orchestrator/report/report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
		if (run->judge.told[i] == JUDGED_LOST && !run->pause.told[i])
			return true;
	return false;
}

static int on_watch(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct run *run = arg;
	uint64_t next_us = now_us + WATCH_US;

	if (run->pause.over || run->pauses->n == PAUSES_MAX)
		return 0;
	if (run->judge.pid || run->pause.now) {
		next_us = now_us + WATCH_US / 10;
	} else if (run->pause.judging_us) {
		uint64_t took_us = now_us - run->pause.judging_us;

		run->pause.judging_us = 0;
		run->pause_due |= any_lost(run);
		if (took_us * WATCH_SHARE > WATCH_US)
			next_us = now_us + took_us * WATCH_SHARE;
	} else if (!run_judge_begin(run)) {
		run->pause.judging_us = now_us;
		next_us = now_us + WATCH_US / 10;
	}
	sd_event_source_set_time(source, next_us);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

int run_pause_watch(struct run *run, struct err *err)
{
	int r = sd_event_add_time(run->event, &run->pause.watch,
				  CLOCK_MONOTONIC, run_now_us() + WATCH_US,
				  1000, on_watch, run);

	return r < 0 ? err_errno(err, -r, "event loop") : 0;
}

int run_pause_init(struct run *run, struct err *err)
{
	run->pauses = mmap(NULL, sizeof(*run->pauses), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->pauses == MAP_FAILED)
		run->pauses = NULL;
	run->pause.told =
		calloc(run->scenario->expects.n + 1, sizeof(*run->pause.told));
	if (!run->pauses || !run->pause.told)
		return err_errno(err, ENOMEM, "prepare for pauses");
	recorder_set_pauses(run->recorder, run->pauses);
	return 0;
}

void run_pause_free(struct run *run)
{
	sd_event_source_disable_unref(run->pause.watch);
	if (run->pauses)
		munmap(run->pauses, sizeof(*run->pauses));
	free(run->pause.told);
}

/* ---- the console --------------------------------------------------------- */

/* What still runs is judged when it has ended; the host and the links, when the
 * lab has. */
static bool is_open(const struct run *run, const struct scn_expect *e)
{
	return e->kind == SCN_EXPECT_HOST || e->kind == SCN_EXPECT_LINK ||
	       ((e->kind == SCN_EXPECT_EXIT || e->kind == SCN_EXPECT_PRINTS) &&
		lab_process_runs(run->lab, e->subject));
}

/* In mid-run, what is lost; in the end, all that does not hold. */
static bool is_reason(const struct run *run, const struct report *report,
		      size_t i)
{
	if (report_held(report, i))
		return false;
	return run->pause.over ? !is_open(run, &run->scenario->expects.v[i]) :
				 report_is_lost(report, i);
}

static void tell_failures(FILE *out, void *arg)
{
	const struct run *run = arg;
	struct report *report = NULL;
	struct err err = ERR_INIT;

	fprintf(out, "\n%s These do not hold:\n",
		run->pause.over ? "The run is over, and the lab is as it was." :
				  "The clock has stopped, and goes on with "
				  "'continue'.");
	if (report_make(".", &report, &err)) {
		fprintf(out, "%s\n", err.msg);
	} else {
		for (size_t i = 0; i < run->scenario->expects.n; i++)
			if (is_reason(run, report, i))
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

static void stop_clock(struct run *run)
{
	struct pauses *p = run->pauses;
	struct pause *v = &p->v[p->n];
	bool over = false;

	timeline_pause(run->timeline);
	run_signal_probes(run, SIGSTOP);
	lab_hold(run->lab);
	*v = (struct pause){ .at_ns = clock_mono_ns(),
			     .for_ns = PAUSE_OPEN,
			     .settled_ns = PAUSE_OPEN };
	p->n++;
	run->pause.now = true;
	/* What was on its way comes to its end: packets into the file, and what
	 * programs had printed into their logs. */
	run_turn_until(run, run_is_broken, SETTLE_US, &over);
	timeline_ignore(run->timeline);
	v->settled_ns = clock_mono_ns();
	recorder_paused(run->recorder, v);
}

/*
 * At a moment that makes the pause as long as it has to be (pauses.h). Whoever
 * plans by the list is stopped while it changes.
 */
static void start_clock(struct run *run)
{
	struct pauses *p = run->pauses;
	struct pause *v = &p->v[p->n - 1];
	int64_t so_far_ns = clock_mono_ns() - v->at_ns;
	int64_t for_ns = (so_far_ns / PAUSE_GRID_NS + 1) * PAUSE_GRID_NS;
	int64_t left_ns = for_ns - so_far_ns;
	bool over = false;

	run_turn_until(run, run_is_broken,
		       (uint64_t)(left_ns / NSEC_PER_USEC) + 1, &over);
	v->for_ns = for_ns;
	run->pause.now = false;
	recorder_continued(run->recorder, v);
	if (run_is_broken(run)) {
		/* What is due shall not be sent now. */
		run_signal_probes(run, SIGTERM);
	} else {
		timeline_continue(run->timeline, v->for_ns);
		run_progress(run, "went on after %.3f s",
			     (double)v->for_ns / NSEC_PER_SEC);
	}
	lab_release(run->lab, v->for_ns);
	run_signal_probes(run, SIGCONT);
}

static void mark_reasons(struct run *run, const unsigned char *told)
{
	for (size_t i = 0; told && i < run->scenario->expects.n; i++)
		run->pause.told[i] |= told[i] == JUDGED_LOST;
}

void run_pause(struct run *run)
{
	run->pause_due = false;
	stop_clock(run);
	mark_reasons(run, run_judge(run));
	if (!run_is_broken(run))
		open_console(run);
	start_clock(run);
}

static bool probes_have_ended(const struct run *run)
{
	return !run->probers_running || run_is_broken(run);
}

static bool any_fails(const struct run *run, const unsigned char *told)
{
	for (size_t i = 0; told && i < run->scenario->expects.n; i++)
		if (told[i] != JUDGED_HELD && !run->pause.told[i] &&
		    !is_open(run, &run->scenario->expects.v[i]))
			return true;
	return false;
}

void run_pause_at_end(struct run *run)
{
	struct pauses *p = run->pauses;
	bool over = false;

	run->pause.over = true;
	timeline_stop(run->timeline);
	run_signal_probes(run, SIGTERM);
	run_turn_until(run, probes_have_ended, STOP_US, &over);
	over = false;
	run_turn_until(run, run_is_broken, SETTLE_US, &over);
	if (p->n == PAUSES_MAX || !any_fails(run, run_judge(run)))
		return;
	run_stop_capture(run);
	p->v[p->n].at_ns = p->v[p->n].settled_ns = clock_mono_ns();
	recorder_paused(run->recorder, &p->v[p->n]);
	open_console(run);
	p->v[p->n].for_ns = clock_mono_ns() - p->v[p->n].at_ns;
	recorder_continued(run->recorder, &p->v[p->n]);
	p->n++;
}
