/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of this layer only: how actions are done. There is a performer for each kind;
 * entry.c calls it when the action begins.
 */
#ifndef TIMELINE_PERFORM_H
#define TIMELINE_PERFORM_H

#include "base/vec.h"
#include "orchestrator/plan/live.h"
#include "orchestrator/timeline/timeline.h"

struct performance;

/* 0: the action is done. PERFORM_UNDER_WAY: it goes on, and will be told by
 * performance_done() or performance_failed(). Negative: it failed. */
#define PERFORM_UNDER_WAY 1
typedef int perform_fn(struct performance *p, struct err *err);

perform_fn perform_nat_rebind, perform_migrate, perform_guest, perform_serve,
	perform_weight, perform_flush, perform_readdress, perform_crash,
	perform_boot, perform_freeze, perform_thaw, perform_start, perform_stop,
	perform_kill, perform_pause, perform_restart, perform_exec,
	perform_mark, perform_wait;

#define PROGRAM_MAX 12

/* An action that has begun. It lives until the timeline is freed. */
struct performance {
	struct timeline *tl;
	struct entry_run *entry;
	const struct scn_action *action;
	unsigned id;
	sd_event_source *timer; /* where it waits; stopped with the timeline */
	unsigned next; /* where it goes on: the performer's own, as below */
	unsigned char program[PROGRAM_MAX];
	bool undone; /* it has changed nothing in the end */
	bool over; /* done, or failed */
	size_t process;
	pid_t pid;
	bool timed_out;
	plan_op_vec later; /* what was found out at the beginning, or salds are
			      being told */
	struct telling *telling; /* that they are; or NULL */
	struct handoff *handoff; /* of its flows; NULL: none has begun */
	bool hands_over; /* that is under way */
	perform_fn *begin; /* when it is its turn */
};

/* An entry of the timeline, and how far it is. */
struct entry_run {
	struct timeline *tl;
	const struct scn_entry *entry;
	enum entry_state {
		ENTRY_WAITING, /* for its time, or for what it waits for */
		ENTRY_DUE, /* that has come, and the delay goes by */
		ENTRY_RUNNING,
		ENTRY_DONE,
	} state;
	int64_t planned_ns;
	size_t next; /* action that begins next */
	size_t unfinished; /* actions that have begun */
	bool inside; /* its actions are being begun */
	bool held; /* a "wait" is, by what is ahead of it */
	bool applied; /* all have, and that was told */
	bool resume; /* it would have gone on in a pause */
	int64_t first_ns; /* beginning of the first action */
	uint64_t seen; /* WHEN: how often so far */
	sd_event_source *timer, *watch;
	int watch_fd; /* WHEN: a socket or a file; -1 */
	long watched; /* of the file, already searched */
};

/* Somebody listens on an active service's port at that node, or no more. */
struct heard {
	size_t service, node;
	bool listens;
};

struct timeline {
	struct lab *lab;
	const struct plan *plan;
	struct plan_live *live;
	sd_event *event;
	struct timeline_listener listener;
	int64_t zero_ns;
	unsigned ids;
	bool stopped, begun_playing;
	int64_t paused_ns; /* since when it is; 0: it is not */
	int64_t shift_ns; /* all that it was, so far */
	bool ignores; /* what happens */
	struct entry_run *entries; /* by the scenario's index */
	size_t next; /* entry with a time that is due next */
	sd_event_source *timer;
	VEC(struct performance *) begun; /* all ever, in this order */
	VEC(struct heard) heard; /* and not yet told to others */
	sd_event_source *heard_source;
};

/* ---- for the performers -------------------------------------------------- */

/* A step of it is done. field: as in timeline_listener. */
void performance_step(const struct performance *p, const char *step,
		      const char *field, int64_t value);
/* It could not be done, and all is as it was; it will be done() all the same.
 */
void performance_rolled_back(const struct performance *p,
			     const struct err *why);
void performance_done(struct performance *p);
void performance_failed(struct performance *p, struct err *err);
/* One of the three, by what a performer would return. */
void performance_result(struct performance *p, int r, struct err *err);

/* Has fn called with p in delay_ns. */
int performance_wait(struct performance *p, int64_t delay_ns,
		     sd_event_time_handler_t fn, struct err *err);

/*
 * Carries out what a function of the plan has made (made: its result), and
 * frees it. step: to be told as done; NULL: it is not.
 */
int perform_ops(const struct performance *p, const char *step, int made,
		plan_op_vec *ops, struct err *err);
/* Who translates for the service forgets its flows, but for those to its
 * instances, less from and with to (SCN_NONE: nobody). perform_serve.c. */
int perform_forget(const struct performance *p, size_t service, size_t from,
		   size_t to, bool hand_over, struct err *err);
/* The live lab is as the action makes it, from here on. */
int performance_take(const struct performance *p, struct err *err);

/*
 * turn.c: is it p's turn? An action on a service waits for those
 * that began before it, where both would do the same things to it. Else it is
 * begun by fn when it is: PERFORM_UNDER_WAY, or negative.
 */
int perform_in_turn(struct performance *p, perform_fn *fn, struct err *err);

/* active.c: a node has crashed, and those that listened there with it. */
void timeline_lost_listeners(struct timeline *tl, size_t node);

/* CLOCK_MONOTONIC, but while paused: that of the pause's beginning. */
int64_t timeline_now_ns(const struct timeline *tl);
/* A timer at due_ns, rounded up: nothing begins early. Where there is one
 * already, it is replaced. While paused it does not run. */
int timeline_arm(struct timeline *tl, sd_event_source **timer, int64_t due_ns,
		 sd_event_time_handler_t fn, void *arg, struct err *err);
/* The same for what an entry begins with: ahead of all else that the loop has
 * to do by then. */
int timeline_arm_entry(struct timeline *tl, sd_event_source **timer,
		       int64_t due_ns, sd_event_time_handler_t fn, void *arg,
		       struct err *err);

/* ---- entry.c, watch.c, pause.c
 * ------------------------------------------------------
 */

/* What it waited for has happened; planned_ns: when it is to begin. */
void entry_due(struct entry_run *e, int64_t planned_ns);
void entry_begin(struct entry_run *e);
/* From where it is, or behind the pause. */
void entry_go_on(struct entry_run *e);
/* An action of it is done. */
void entry_action_done(struct entry_run *e);
void timeline_fail(struct timeline *tl, unsigned id, const struct scn_action *a,
		   struct err *err);

/* Waits for what the entries wait for. */
int watch_all(struct timeline *tl, struct err *err);
/* The interfaces of a node are new ones. */
int watch_again(struct timeline *tl, size_t node, struct err *err);
void watch_stop(struct entry_run *e);
/* It has happened once more. */
void watch_count(struct entry_run *e);
/* Takes the packets that have come, and counts them or not. */
void watch_packets_drain(struct entry_run *e, bool count);

#endif
