/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record's folder (docs/record.md) as the rest of the report sees it: the
 * scenario, what happened, and the samples of every probe. The trace is not
 * loaded, since it may be large; see trace.h.
 */
#ifndef REPORT_RECORD_H
#define REPORT_RECORD_H

#include "base/err.h"
#include "base/vec.h"
#include "orchestrator/observe/bins.h"
#include "orchestrator/observe/pauses.h"
#include "orchestrator/observe/probe.h"
#include "orchestrator/observe/samples.h"
#include "orchestrator/report/link_figures.h"
#include "orchestrator/scenario/model.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define RECORD_NONE INT64_MIN /* no time */

/*
 * Where a run was paused, all times but those of the clock pairs are by the
 * run's own clock (pauses.h): CLOCK_MONOTONIC without the time that was paused.
 */

/* CLOCK_MONOTONIC and CLOCK_REALTIME at one moment. */
struct record_clock {
	int64_t mono_ns, real_ns;
};

/* Of all processors, since the machine was started. */
struct record_cpu {
	int64_t steal_ticks, total_ticks;
};

struct record_action {
	int64_t id;
	char *text; /* "migrate echo: c -> d" */
	char *entry; /* the name of the entry that it is of, or NULL */
	unsigned line; /* of the scenario; 0: unknown */
	bool optional;
	int64_t planned_ns; /* from the timeline's zero */
	int64_t begin_ns; /* CLOCK_MONOTONIC */
	int64_t end_ns; /* RECORD_NONE: never done */
	char *error; /* NULL: did not fail */
	char *rolled_back; /* why it was; NULL: it was not */
	char *unchanged; /* why nothing was done; NULL: it was */
	bool exited; /* a command, with the status, or by the signal */
	int status, signal; /* signal 0: it ended by itself */
};

struct record_process { /* by the scenario's index */
	unsigned starts;
	bool exited; /* the fields below are the last exit's */
	int64_t exited_ns; /* CLOCK_MONOTONIC */
	int status; /* where signal is 0 */
	int signal;
	bool expected; /* an action or the end of the run ended it */
	bool abandoned; /* it did not end when the run did */
	bool log_cut; /* it printed more than was kept */
};

/* How a stream ended at one side. */
struct record_stream {
	bool known; /* the rest is */
	char end[24]; /* "complete", "reset", ... */
	int64_t begun_ns, connected_ns, ended_ns; /* RECORD_NONE: not */
	int64_t bytes; /* that this side sent or received */
	int64_t first_wrong; /* offset; RECORD_NONE: all was right */
	uint16_t local_port;
	char sha256[65], peer_sha256[65]; /* "": unknown */
};

struct record_probe { /* by the scenario's index */
	bool started, ended;
	bool abandoned; /* it did not end when it was asked to */
	int64_t crashed_ns; /* it ended with its node; RECORD_NONE: it did not
			     */
	uint64_t skipped; /* what was due while its node stood still */
	int64_t status; /* 0 where it went well */
	bool has_late; /* late is known */
	struct probe_lateness late; /* of sending, by the probe's own clock */
	char *to; /* the address it was sent to; NULL: unknown */
	sample_vec samples; /* but of streams */
	bin_vec bins; /* of streams, as are the others */
	struct record_stream stream, peer; /* at the probe, at the server */
};

/* The process that ran the probes of a node. */
struct record_prober {
	size_t node, probes;
	int64_t cpu_user_ns, cpu_system_ns, wall_ns; /* RECORD_NONE: unknown */
};

struct record_polled { /* by the scenario's index of the expectation */
	bool known; /* the end of the run waited for it */
	bool held; /* in time */
};

/* Flows that a node's sald has moved for one reason (control.md has them). */
struct record_moves {
	char *node, *why;
	uint64_t count;
	int64_t first_ns, last_ns; /* CLOCK_MONOTONIC; when they were over */
};

struct diag;

struct record {
	char *dir;
	struct diag *diag; /* quotes the scenario's lines */
	struct scenario *scenario; /* its path is the one given to the run */
	uint64_t seed; /* the run's, which may not be the scenario's */

	int64_t start_ns, last_ns; /* CLOCK_MONOTONIC of the events */
	int64_t zero_ns; /* the timeline's; RECORD_NONE: it never began */
	bool complete; /* the last event says that the run ended */
	bool interrupted;
	int64_t timeout_ns; /* in which it did not end; 0: it was not bounded so
			     */
	bool default_timeout; /* nobody asked for it */
	struct pauses pauses; /* for somebody to look at the lab */
	VEC(struct record_clock) clocks;
	int64_t floor_p50_ns, floor_p99_ns; /* RECORD_NONE: not measured */
	VEC(struct record_cpu) cpus;
	VEC(struct record_action) actions; /* by their beginning */
	VEC(unsigned)
	delayed; /* lines of entries that waited for their `plus`,
		    what was to happen before having happened */
	char *failure; /* of an action that could not even begin; or NULL */
	char *broken; /* why the run ended before its end; or NULL */
	struct record_process *processes;
	struct record_probe *probes;
	struct record_polled *polled;
	bool host_known; /* somebody looked whether anything is left of it */
	char *host_left; /* what; NULL: nothing */
	VEC(struct record_prober) probers;
	VEC(struct record_moves) moves; /* by the first of each */

	bool emulator_started;
	char *emulator_died; /* how; NULL: it did not, or was told to end */
	struct links_record links;

	char *trace; /* path; NULL: there is none */
	bool trace_partial; /* PATH.part, which may be cut off anywhere */
	bool counted; /* the two below are known */
	uint64_t packets, dropped;
};

/*
 * 0, -EBADMSG where a file is not what docs/record.md says (err names file and
 * line), or another negative errno. The record is to be unloaded either way.
 */
int record_load(const char *dir, struct record *out, struct err *err);
void record_unload(struct record *rec);

/* From the timeline's zero; RECORD_NONE where either is unknown. */
int64_t record_t_ns(const struct record *rec, int64_t mono_ns);
/* CLOCK_REALTIME to CLOCK_MONOTONIC, by the pairs nearest to it; this is not
 * by the run's clock, which record_run_of_real() is. */
int64_t record_mono_of_real(const struct record *rec, int64_t real_ns);
int64_t record_run_of_real(const struct record *rec, int64_t real_ns);

/*
 * events.c, for record.c alone. The scenario is read between the two, since
 * the events after run.start name what is in it.
 */
int record_read_start(json_t *events, const char *path, char **scenario,
		      uint64_t *seed, bool *has_seed, struct err *err);
int record_read_events(json_t *events, const char *path, struct record *rec,
		       struct err *err);

/* record_pauses.c, likewise: takes the pauses out of all times that were read.
 */
void record_take_out_pauses(struct record *rec);

/* record_stream.c, likewise. must_be: its files are there. */
int record_read_stream(const char *dir, const char *name, bool must_be,
		       bool upload, struct record_probe *out, struct err *err);

#endif
