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
	int capture_stop[2], capture_done[2], capture_error[2]; /* pipes */
	bool capture_complete;
	struct probe_run *probes; /* by the scenario's index */
	size_t probes_running;
	bool timeline_done, time_over;
	int interrupted; /* the signal; 0: not */
	struct err err;
};

struct probe_run {
	struct run *run;
	size_t index;
	pid_t pid;
	struct probe_config config;
};

/* Ends the part under way; the first reason stays. */
void run_fail(struct run *run, const struct err *err);

/* run_capture.c: capturing when this returns, in a process of its own. */
int run_start_capture(struct run *run, struct err *err);
/* run_probes.c: a probe of the scenario, in its node. */
int run_start_probe(struct run *run, size_t index, int64_t zero_ns,
		    struct err *err);

#endif
