/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A run has four parts. Building is done straight through. Starting, playing
 * and stopping are driven by one event loop each, which turns until a condition
 * holds; all of them watch the lifeline, so that init leaves when its owner is
 * gone (sandbox.c) and stops when the owner asks it to.
 *
 * Whatever goes wrong on the way is kept in run->err, ends the part that is
 * under way, and then the run is stopped like any other: the probes first,
 * which must not take the end of a server for a failure, then the processes,
 * then the capture, so that the record is whole up to the failure.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TIMEOUT_NS (10 * NSEC_PER_SEC)
#define STOP_TIMEOUT_US UINT64_C(5000000)
#define HANDOFF_TIMEOUT_US UINT64_C(12000000) /* it bounds itself by less */
#define CLOCK_PAIR_US UINT64_C(1000000)
#define LEAD_NS (2 * NSEC_PER_MSEC) /* from "now" to the timeline's zero */

static int on_lifeline(sd_event_source *source, int fd, uint32_t events,
		       void *arg)
{
	struct run *run = arg;
	unsigned char signal_byte;

	(void)source;
	(void)events;
	if (read(fd, &signal_byte, 1) != 1)
		_exit(1); /* the owner is gone: so is all of this */
	run_interrupt(run, signal_byte);
	return 0;
}

/* ---- turning the loop -------------------------------------------------- */

/* Takes what has come in meanwhile, without waiting for anything. */
static void turn_once(struct run *run)
{
	while (sd_event_run(run->event, 0) > 0)
		;
}

static bool processes_are_ready(const struct run *run)
{
	return run_is_broken(run) || !lab_processes_unready(run->lab);
}

/* After its duration, else when nothing that has an end is still under way. */
static bool run_is_over(const struct run *run)
{
	if (run_is_broken(run) || run->pause_due)
		return true;
	if (run->scenario->duration_ns || !timeline_is_idle(run->timeline) ||
	    run->probers_running)
		return false;
	for (size_t i = 0; i < run->scenario->processes.n; i++)
		if (lab_process_runs(run->lab, i) &&
		    !lab_process_serves(run->lab, i))
			return false;
	return true;
}

static bool all_is_quiet(const struct run *run)
{
	if (run->probers_running || timeline_commands_run(run->timeline))
		return false;
	for (size_t i = 0; i < run->scenario->processes.n; i++)
		if (lab_process_runs(run->lab, i))
			return false;
	return true;
}

static bool probes_have_ended(const struct run *run)
{
	return !run->probers_running;
}

static bool nothing_is_handed_over(const struct run *run)
{
	return !timeline_hands_over(run->timeline);
}

static bool logs_are_complete(const struct run *run)
{
	return !lab_logs_run(run->lab);
}

static bool salds_have_ended(const struct run *run)
{
	return !lab_salds_run(run->lab);
}

static bool capture_runs(const struct run *run)
{
	return run_is_broken(run) || run->capture_stage >= CAPTURE_RUNS ||
	       !run->capture_pid;
}

static bool emulator_has_ended(const struct run *run)
{
	return !lab_emulator_runs(run->lab);
}

/* ---- the four parts ---------------------------------------------------- */

static int build(struct run *run, struct err *err)
{
	int64_t start = clock_mono_ns(), built;
	char took[32];
	int r = run_floor_begin(run, err);

	if (!r)
		r = lab_build_nodes(run->lab, err);
	if (!r)
		r = run_start_capture(run, err);
	if (!r)
		r = lab_build(run->lab, err);
	if (r)
		return r;
	built = clock_mono_ns();
	recorder_built(run->recorder, lab_steps(run->lab), built - start);
	run_tell_namespaces(run, 0, run->scenario->nodes.n);
	r = lab_wait_ready(run->lab, run->ends->lifeline, READY_TIMEOUT_NS,
			   err);
	if (r == -EINTR) /* turn_once() will read why */
		return 0;
	if (r)
		return r;
	recorder_ready(run->recorder, clock_mono_ns() - start);
	run_progress(
		run, "built %zu node%s and %zu link%s in %s",
		run->scenario->nodes.n, run->scenario->nodes.n == 1 ? "" : "s",
		run->scenario->links.n, run->scenario->links.n == 1 ? "" : "s",
		units_format_duration(clock_mono_ns() - start, took,
				      sizeof(took)));
	return 0;
}

static int start(struct run *run, struct err *err)
{
	const struct scenario *s = run->scenario;
	bool over = false;
	int64_t zero;
	int r = 0;

	if (run->capture_pid) {
		(void)!write(run->capture_go[1], "", 1);
		run_turn_until(run, capture_runs, 0, &over);
		if (run_is_broken(run))
			return 0;
	}
	for (size_t i = 0; i < s->processes.n && !r; i++)
		if (s->processes.v[i].autostart)
			r = lab_start_process(run->lab, i, err);
	if (r)
		return r;
	run_turn_until(run, processes_are_ready, 0, &over);
	if (run_is_broken(run))
		return 0;
	r = timeline_look_for_listeners(run->timeline, err);
	if (r)
		return r;
	if (run->args->calibrate)
		r = lab_calibrate_links(run->lab, err);
	if (!r)
		r = lab_begin_links(run->lab, err);
	if (r && lab_emulator_gone(run->lab)) {
		run->emulator_died = true;
		return 0;
	}
	if (r)
		return r;

	r = run_floor_end(run, err);
	run->refused = r == -ERANGE;
	if (r)
		return r;
	run_tell_cpu(run);
	/* Starting a process takes about a millisecond, and a probe in it less:
	 * none shall be late. */
	zero = clock_mono_ns() + LEAD_NS +
	       (int64_t)(run_count_probers(s) + s->probes.n) * NSEC_PER_MSEC;
	recorder_timeline_started(run->recorder, zero);
	r = run_start_probes(run, err);
	if (!r)
		r = timeline_start(run->timeline, zero, err);
	if (!r && run->args->pause_on_failure)
		r = run_pause_watch(run, err);
	return r;
}

static void play(struct run *run)
{
	int64_t end = recorder_zero(run->recorder) + run->scenario->duration_ns;

	for (;;) {
		int64_t left =
			end + pauses_total_ns(run->pauses) - clock_mono_ns();
		uint64_t timeout_us = 0;

		if (run->scenario->duration_ns)
			timeout_us =
				left > 0 ?
					(uint64_t)(left / NSEC_PER_USEC) + 1 :
					1;
		run_turn_until(run, run_is_over, timeout_us, &run->time_over);
		if (!run->pause_due || run_is_broken(run))
			return;
		run->time_over = false;
		run_pause(run);
	}
}

/* They had their time. What they would have told is missing from the record,
 * which says so; they end with the lab. */
static void abandon(struct run *run)
{
	for (size_t i = 0; i < run->scenario->processes.n; i++)
		if (lab_process_runs(run->lab, i))
			recorder_process_abandoned(run->recorder, i);
	run_abandon_probes(run);
}

static void stop(struct run *run)
{
	bool over = false;

	timeline_stop(run->timeline);
	run_wake_probes(run, SCN_NONE);
	lab_continue_all(run->lab);
	run_signal_probes(run, SIGTERM);
	run_turn_until(run, probes_have_ended, STOP_TIMEOUT_US, &over);
	over = false;
	run_turn_until(run, nothing_is_handed_over, HANDOFF_TIMEOUT_US, &over);
	timeline_kill_commands(run->timeline);
	for (size_t i = 0; i < run->scenario->processes.n; i++)
		if (lab_process_runs(run->lab, i))
			lab_stop_process(run->lab, i, NULL);
	over = false;
	run_turn_until(run, all_is_quiet, STOP_TIMEOUT_US, &over);
	if (over)
		abandon(run);
	lab_stop_logs(run->lab);
	over = false;
	run_turn_until(run, logs_are_complete, STOP_TIMEOUT_US, &over);
	lab_stop_salds(run->lab);
	over = false;
	run_turn_until(run, salds_have_ended, STOP_TIMEOUT_US, &over);
	lab_stop_names(run->lab);
	/* What it has under way is still captured. */
	lab_stop_emulator(run->lab);
	over = false;
	run_turn_until(run, emulator_has_ended, STOP_TIMEOUT_US, &over);
	run_stop_capture(run);
}

static int on_clock(sd_event_source *source, uint64_t now, void *arg)
{
	struct run *run = arg;

	recorder_clock_pair(run->recorder);
	sd_event_source_set_time(source, now + CLOCK_PAIR_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int prepare(struct run *run, struct err *err)
{
	const struct lab_options options = {
		.fail_at = run->args->fail_at,
		.fail_errno = run->args->fail_errno,
		.file_limit = run->args->file_limit,
		.timer_slack_ns = (unsigned long)prctl(PR_GET_TIMERSLACK),
		.builtin_main = run_builtin,
		.builtin_arg = run,
		.sald = run->args->sald,
		.resolver = run->args->resolver,
		.undertaker = run->ends->undertaker,
	};
	const struct lab_listener lab_listener = run_lab_listener(run);
	const struct timeline_listener timeline_listener =
		run_timeline_listener(run);
	int r;

	if (mkdir(RECORD_PROBES, 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", RECORD_PROBES);
	run->probes_dir =
		open(RECORD_PROBES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run->probes_dir < 0)
		return err_errno(err, errno, "open %s", RECORD_PROBES);
	/* Late by 50 us in the median instead of 100, see docs/measures.md. */
	prctl(PR_SET_TIMERSLACK, 1);
	r = sd_event_new(&run->event);
	if (r >= 0)
		r = sd_event_add_io(run->event, NULL, run->ends->lifeline,
				    EPOLLIN, on_lifeline, run);
	if (r >= 0)
		r = sd_event_add_time(run->event, NULL, CLOCK_MONOTONIC,
				      run_now_us() + CLOCK_PAIR_US, 1000,
				      on_clock, run);
	if (r < 0)
		return err_errno(err, -r, "event loop");
	run->process_pids = calloc(run->scenario->processes.n + 1,
				   sizeof(*run->process_pids));
	if (!run->process_pids)
		return err_errno(err, ENOMEM, "prepare the processes");
	r = recorder_open(run->plan, run->args->version, &run->recorder, err);
	if (!r && run->args->pause_on_failure)
		r = run_pause_init(run, err);
	if (!r)
		r = run_within_init(run, err);
	if (!r)
		r = lab_new(run->plan, run->event, &options, &lab_listener,
			    &run->lab, err);
	if (!r)
		r = timeline_new(run->lab, run->plan, run->event,
				 &timeline_listener, &run->timeline, err);
	if (!r)
		run_watch_events(run);
	return r;
}

int supervise(const struct sandbox_ends *ends, void *arg)
{
	const struct supervise_args *args = arg;
	struct run run = { .ends = ends,
			   .args = args,
			   .plan = args->plan,
			   .scenario = args->plan->scenario,
			   .probes_dir = -1 };
	struct err err = ERR_INIT;
	int r = prepare(&run, &err);

	if (!r)
		r = build(&run, &err);
	if (!r)
		turn_once(&run);
	if (!r && !run_is_broken(&run))
		r = start(&run, &err);
	if (r)
		run_fail(&run, &err);
	if (!run_is_broken(&run))
		play(&run);
	if (!run_is_broken(&run))
		run_wait_within(&run);
	if (!run_is_broken(&run) && args->pause_on_failure)
		run_pause_at_end(&run);
	if (run.timeline)
		stop(&run);
	if (run.recorder) {
		struct err e = ERR_INIT;

		run_tell_cpu(&run);
		if (run.err.code)
			recorder_failed(run.recorder, &run.err);
		if (recorder_close(run.recorder, &e))
			run_fail(&run, &e);
	}

	/* The owner judges while the kernel takes down what is left. */
	run_send(&run,
		 &(struct message){ .kind = run.refused	 ? MESSAGE_REFUSED :
					    run.err.code ? MESSAGE_ERROR :
							   MESSAGE_RECORDED,
				    .err = run.err });
	timeline_free(run.timeline);
	lab_free(run.lab);
	sd_event_unref(run.event);
	run_free_probes(&run);
	run_floor_free(&run);
	if (run.probes_dir >= 0)
		close(run.probes_dir);
	run_judge_free(&run);
	run_pause_free(&run);
	run_within_free(&run);
	free(run.process_pids);
	return run.err.code != 0;
}
