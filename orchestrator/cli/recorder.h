/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes what happens in a run into its record's event log (docs/record.md), in
 * the current folder. A write that fails is told when the recorder is closed.
 */
#ifndef CLI_RECORDER_H
#define CLI_RECORDER_H

#include "orchestrator/observe/probe.h"
#include "orchestrator/plan/plan.h"

#include <sys/types.h>

/* Names within a record. */
#define RECORD_SCENARIO "scenario.yaml"
#define RECORD_EVENTS "events.jsonl"
#define RECORD_TRACE "trace.pcapng"
#define RECORD_PROBES "probes"
#define RECORD_SUMMARY "summary.txt"
#define RECORD_HOST "host.json"

struct recorder;
struct json_t; /* jansson's */

int recorder_open(const struct plan *plan, const char *version,
		  struct recorder **out, struct err *err);
/* Writes run.end; 0, or the first error of any write. Frees it. */
int recorder_close(struct recorder *r, struct err *err);

/* Has each event (but clock pairs) shown before it is written; fields may be
 * NULL. */
typedef void recorder_saw_fn(void *arg, const char *event,
			     struct json_t *fields);
void recorder_watch(struct recorder *r, recorder_saw_fn *saw, void *arg);

void recorder_clock_pair(struct recorder *r);
void recorder_built(struct recorder *r, uint64_t operations, int64_t ns);
void recorder_ready(struct recorder *r, int64_t ns);
void recorder_interrupted(struct recorder *r, int signal);
void recorder_timed_out(struct recorder *r, int64_t timeout_ns,
			bool by_default);
/* Why the run ended before its end. */
void recorder_failed(struct recorder *r, const struct err *err);

/* The run's pauses so far: planned times are told by its clock, too. Borrowed.
 */
void recorder_set_pauses(struct recorder *r, const struct pauses *pauses);
/* The clock stopped at the pause's beginning (and somebody looks into the lab,
 * from settled_ns on), and goes on again at its end. */
void recorder_paused(struct recorder *r, const struct pause *pause);
void recorder_continued(struct recorder *r, const struct pause *pause);
/* A planned time, of CLOCK_MONOTONIC, from the timeline's zero and without the
 * pauses: as the scenario has it. */
int64_t recorder_planned_ns(const struct recorder *r, int64_t mono_ns);

struct probe_lateness;
void recorder_floor(struct recorder *r, const struct probe_lateness *l);
/* In ticks of all processors, since the machine was started. */
void recorder_cpu(struct recorder *r, uint64_t steal, uint64_t total);

/* Zero lies a little ahead: the event is written now, and is then. */
void recorder_timeline_started(struct recorder *r, int64_t zero_ns);
int64_t recorder_zero(const struct recorder *r);

void recorder_process_started(struct recorder *r, size_t process, pid_t pid);
void recorder_process_ready(struct recorder *r, size_t process);
void recorder_process_exited(struct recorder *r, size_t process,
			     int wait_status, bool expected);
/* It did not end when it was asked to. */
void recorder_process_abandoned(struct recorder *r, size_t process);
/* No more of its log is kept than so many bytes; code: errno, or 0. */
void recorder_log_cut(struct recorder *r, size_t process, uint64_t kept,
		      int code);
void recorder_probe_started(struct recorder *r, size_t probe,
			    const struct ip_addr *to);
/* crashed: with its node. */
void recorder_probe_ended(struct recorder *r, size_t probe,
			  const struct probe_usage *usage, bool crashed);
/* Its process ended, and told nothing of it. */
void recorder_probe_lost(struct recorder *r, size_t probe, int status,
			 bool crashed);
/* The process of a node's probes. */
void recorder_prober_ended(struct recorder *r, size_t node, size_t probes,
			   int status, const struct probe_process_usage *usage);
void recorder_probe_abandoned(struct recorder *r, size_t probe);

/* The end of the run waited for it; held: in time. */
void recorder_expect_polled(struct recorder *r, size_t expectation, bool held,
			    int64_t waited_ns);

/* The event is borrowed. */
void recorder_sald_event(struct recorder *r, size_t node, struct json_t *event);
void recorder_instance(struct recorder *r, size_t service, size_t node,
		       bool listens);
void recorder_names_exited(struct recorder *r, int wait_status, bool expected);
void recorder_sald_exited(struct recorder *r, size_t node, int wait_status,
			  bool expected, unsigned closed);

void recorder_link_changed(struct recorder *r, size_t link, size_t end,
			   const struct link_params *was,
			   const struct link_params *is, int64_t done_ns);
void recorder_emulator_started(struct recorder *r, pid_t pid, size_t links);
/* why: what it said, or "". */
void recorder_emulator_exited(struct recorder *r, int wait_status,
			      bool expected, const char *why);

void recorder_action_started(struct recorder *r, unsigned id,
			     const struct scn_entry *e,
			     const struct scn_action *a, int64_t planned_ns,
			     int64_t actual_ns);
/* field: a number of that name goes with it; NULL: none does. */
void recorder_action_step(struct recorder *r, unsigned id, const char *step,
			  int64_t now_ns, const char *field, int64_t value);
/* NULL: none of this id has begun. */
const struct scn_action *recorder_action(const struct recorder *r, unsigned id);
void recorder_action_rolled_back(struct recorder *r, unsigned id,
				 int64_t now_ns, const char *why);
void recorder_entry_applied(struct recorder *r, const struct scn_entry *e,
			    int64_t begin_ns, int64_t spread_ns);
void recorder_entry_delayed(struct recorder *r, const struct scn_entry *e);
void recorder_node_booted(struct recorder *r, size_t node);
void recorder_action_done(struct recorder *r, unsigned id, int64_t now_ns);
void recorder_action_failed(struct recorder *r, unsigned id,
			    const struct err *err);

/* The actions as comments for the trace, where the capture looks for them. 0
 * or a negative errno. */
int recorder_write_comments(struct recorder *r, struct err *err);

#endif
