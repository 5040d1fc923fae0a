/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run under way, inside the sandbox: what supervise.c, run_capture.c and
 * run_probes.c share. */
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
	int capture_go[2], capture_stop[2]; /* pipes to it */
	int capture_told[2], capture_error[2]; /* and from it */
	enum { CAPTURE_OPENS, CAPTURE_RUNS, CAPTURE_COMPLETE } capture_stage;
	struct prober *probers; /* one for each node that has probes */
	size_t n_probers, probers_running;
	bool timeline_done, time_over;
	int interrupted; /* the signal; 0: not */
	struct err err;
};

/* Ends the part under way; the first reason stays. */
void run_fail(struct run *run, const struct err *err);

/* run_capture.c: gets ready in a process of its own, while the lab is built.
 */
int run_start_capture(struct run *run, struct err *err);
/* run_probes.c: the probes of the scenario, a process for each node. */
size_t run_count_probers(const struct scenario *s);
int run_start_probes(struct run *run, int64_t zero_ns, struct err *err);
void run_stop_probes(struct run *run);
/* They did not end when they were asked to. */
void run_abandon_probes(struct run *run);
void run_free_probes(struct run *run);

#endif
