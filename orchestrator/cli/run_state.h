/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run under way, inside the sandbox: what supervise.c and the files run_*.c,
 * which it has do the parts of it, share. */
#ifndef CLI_RUN_STATE_H
#define CLI_RUN_STATE_H

#include "orchestrator/cli/recorder.h"
#include "orchestrator/cli/supervise.h"
#include "orchestrator/lab/lab.h"
#include "orchestrator/observe/capture.h"
#include "orchestrator/observe/probe.h"
#include "orchestrator/timeline/timeline.h"

struct run {
	const struct sandbox_ends *ends;
	const struct supervise_args *args;
	const struct plan *plan;
	const struct scenario *scenario;
	sd_event *event;
	struct recorder *recorder;
	struct lab *lab;
	struct timeline *timeline;
	struct capture *capture;
	pid_t capture_pid;
	int capture_go[2]; /* a pipe to it */
	int capture_orders[2]; /* sockets: what it is to do */
	int capture_told[2], capture_error[2]; /* and from it */
	enum { CAPTURE_OPENS, CAPTURE_RUNS, CAPTURE_COMPLETE } capture_stage;
	size_t capture_again; /* rings that it opens anew */
	int probes_dir; /* the record's, for the built-in servers */
	struct prober *probers; /* one for each node that has probes, and for
				   each boot of one */
	size_t n_probers, probers_running;
	struct {
		pid_t pid;
		unsigned char *told; /* enum judged; shared with it */
		int64_t began_ns;
		/* Hears of each judgement, known where there is one; may be
		 * NULL. */
		void (*seen)(struct run *run, bool known);
	} judge;
	struct { /* of expectations with an "after", by their index */
		int64_t *
			began_ns; /* that has; 0: not yet. NULL: none has one */
		bool *over; /* it held, or its time is over */
		uint64_t took_us; /* the last look */
		sd_event_source *timer;
	} within;
	struct {
		sd_event_source *watch;
		uint64_t judging_us; /* since when; 0: not */
		pid_t console;
		int status; /* the console's wait status */
		bool now; /* the clock stands still */
		bool over; /* the run has been played */
		bool *told; /* by the expectation's index: it was a reason */
	} pause;
	struct pauses *pauses; /* shared with all that plan by them */
	pid_t *process_pids; /* by the scenario's index; 0: does not run */
	bool pause_due; /* an expectation is lost, and that is a reason */
	bool time_over;
	int probe_told[2]; /* a pipe: entries that waited for a probe */
	struct floor *floor; /* shared with the process that measures it */
	pid_t floor_pid;
	bool refused; /* the scenario asks for what this machine cannot show */
	int interrupted; /* the signal, or RUN_TIMED_OUT; 0: not */
	bool emulator_died; /* ends the run, which is invalid then */
	struct err err;
};

/* run_loop.c */
/* To the owner. */
void run_send(const struct run *run, const struct message *m);
/* Ends the part under way; the first reason stays. */
void run_fail(struct run *run, const struct err *err);

/* A line for people, as printf(3); lost where nobody reads. */
void run_progress(const struct run *run, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Which network namespaces these nodes have, to whoever looks what is left. */
void run_tell_namespaces(const struct run *run, size_t first, size_t n);

/* As if that signal had come. */
void run_interrupt(struct run *run, int signal);
/* Does the part under way have to end? */
bool run_is_broken(const struct run *run);

uint64_t run_now_us(void); /* CLOCK_MONOTONIC */
/*
 * Turns the loop until done(run) or *over; within a timeout where it is not 0,
 * whose passing sets *over.
 */
void run_turn_until(struct run *run, bool (*done)(const struct run *run),
		    uint64_t timeout_us, bool *over);

/* run_told.c: what the layers below tell goes into the record and to people;
 * events also to the timeline, for entries that wait for them. */
struct lab_listener run_lab_listener(struct run *run);
struct timeline_listener run_timeline_listener(struct run *run);
void run_watch_events(struct run *run);

/* run_judge.c: judges the record as it is by now, in a process of its own. */
enum judged { JUDGED_OPEN, JUDGED_HELD, JUDGED_LOST /* for good */ };
/* It is done when judge.pid is 0 again. 0 or a negative errno. */
int run_judge_begin(struct run *run);
/* Waits for it. By the scenario's index of the expectation; NULL: unknown. */
const unsigned char *run_judge(struct run *run);
void run_judge_free(struct run *run);

/* run_within.c: expectations that have a "within". Puts the end of the run off
 * for them. */
void run_wait_within(struct run *run);
int run_within_init(struct run *run, struct err *err);
/* An action of this entry has begun. */
void run_within_entry(struct run *run, const struct scn_entry *e,
		      int64_t begin_ns);
void run_within_free(struct run *run);

/* run_pause.c: for --pause-on-failure. The list of pauses; before anything that
 * plans is started. */
int run_pause_init(struct run *run, struct err *err);
/* Watches out for expectations that are lost while the run is played, and sets
 * pause_due then. */
int run_pause_watch(struct run *run, struct err *err);
/* That has come: stops the clock and opens the console, and goes on behind it.
 */
void run_pause(struct run *run);
/* The run has been played: the same where an expectation does not hold, but for
 * those that were a reason before; nothing goes on behind it. */
void run_pause_at_end(struct run *run);
void run_pause_free(struct run *run);

/* run_floor.c: what this machine's timers are late by, measured while the lab
 * is built. -ERANGE: the scenario asks for less than that. */
int run_floor_begin(struct run *run, struct err *err);
int run_floor_end(struct run *run, struct err *err);
void run_floor_free(struct run *run);
/* How much of its time the machine was denied so far. */
void run_tell_cpu(struct run *run);

/* run_capture.c: gets ready in a process of its own, while the lab is built.
 */
int run_start_capture(struct run *run, struct err *err);
/* A node has another network namespace now. */
int run_capture_again(struct run *run, size_t node, struct err *err);
/* Completes the trace, unless that is done. */
void run_stop_capture(struct run *run);

/* run_probes.c: the probes of the scenario, a process for each node. */
size_t run_count_probers(const struct scenario *s);
int run_start_probes(struct run *run, struct err *err);
void run_signal_probes(struct run *run, int signal);
/* Has those that run write what they know by now; waits until they have (in
 * another process, for a second at most). */
void run_flush_probes(struct run *run);
void run_await_flushed(const struct run *run);
/* Frozen ones (of all nodes: SCN_NONE) are about to go on. */
void run_wake_probes(struct run *run, size_t node);
/* Those of a node that crashes are told to end. True: they have not yet. */
bool run_crash_probes(struct run *run, size_t node);
/* A node was booted: those that had not begun when it crashed do. */
int run_begin_probes(struct run *run, size_t node, struct err *err);
/* They did not end when they were asked to. */
void run_abandon_probes(struct run *run);
void run_free_probes(struct run *run);

/* run_builtin.c: a built-in server, in its node; arg: the run. */
int run_builtin(void *arg, size_t process, int ready_fd, int err_fd);

#endif
