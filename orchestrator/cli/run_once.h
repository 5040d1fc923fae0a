/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of one scenario, from the record's folder to the exit code. */
#ifndef CLI_RUN_ONCE_H
#define CLI_RUN_ONCE_H

#include "orchestrator/cli/cli.h"

#include <limits.h>

struct run_options {
	const char *results; /* the folder of records */
	bool quiet; /* no progress */
	bool calibrate; /* the emulated links, before the timeline begins */
	bool pause_on_failure; /* standard input is a terminal then */
	bool has_seed;
	uint64_t seed; /* instead of the scenario's */
	uint64_t fail_at; /* see kernel_step() */
	int fail_errno;
	int64_t timeout_ns; /* of a run, from its start to its end; 0: none */
	bool default_timeout; /* nobody asked for it */
};

/* What a run tells whoever watches it from another process, in memory that
 * both share. */
struct run_watch {
	char record[PATH_MAX]; /* its folder; "" before there is one */
};

/* Plays and judges what was loaded; prints all there is to say. watch may be
 * NULL. Returns the exit code. */
int run_once(const struct run_options *o, struct loaded *l,
	     struct run_watch *watch);

#endif
