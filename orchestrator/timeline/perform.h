/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of this layer only: how actions are done. There is a performer for each kind;
 * timeline.c calls it when the action begins.
 */
#ifndef TIMELINE_PERFORM_H
#define TIMELINE_PERFORM_H

#include "base/vec.h"
#include "orchestrator/timeline/timeline.h"

struct performance;

/* 0: the action is done. PERFORM_UNDER_WAY: it goes on, and will be told by
 * performance_done() or performance_failed(). Negative: it failed. */
#define PERFORM_UNDER_WAY 1
typedef int perform_fn(struct performance *p, struct err *err);

perform_fn perform_migrate, perform_link_state, perform_link_change,
	perform_readdress, perform_start, perform_stop, perform_kill;

/* An action that has begun. It lives until the timeline is freed. */
struct performance {
	struct timeline *tl;
	const struct scn_action *action;
	unsigned id;
	sd_event_source *timer; /* where it waits; stopped with the timeline */
	unsigned next; /* where it goes on: the performer's own */
};

struct timeline {
	struct lab *lab;
	const struct plan *plan;
	sd_event *event;
	struct timeline_listener listener;
	int64_t zero_ns;
	size_t next; /* entry */
	unsigned ids;
	size_t unfinished; /* actions */
	bool stopped;
	sd_event_source *timer;
	VEC(struct performance *) begun; /* all ever, in this order */
};

/* A step of it is done. deleted: as in timeline_listener. */
void performance_step(const struct performance *p, const char *step,
		      int64_t deleted);
void performance_done(struct performance *p);
void performance_failed(struct performance *p, struct err *err);

/* Has fn called with p in delay_ns. */
int performance_wait(struct performance *p, int64_t delay_ns,
		     sd_event_time_handler_t fn, struct err *err);

/*
 * Carries out what a function of the plan has made (made: its result), and
 * frees it. step: to be told as done; NULL: it is not.
 */
int perform_ops(const struct performance *p, const char *step, int made,
		plan_op_vec *ops, struct err *err);

#endif
