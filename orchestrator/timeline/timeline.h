/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays a scenario's timeline against a living lab, from the lab's event loop.
 */
#ifndef TIMELINE_TIMELINE_H
#define TIMELINE_TIMELINE_H

#include "orchestrator/lab/lab.h"

struct timeline;

/*
 * What a timeline tells of. id counts the actions in the order in which they
 * begin. Times are CLOCK_MONOTONIC. Events may be told a little after they
 * were: of actions that are applied together, only when all of them have been.
 */
struct timeline_listener {
	void *arg;
	void (*started)(void *arg, unsigned id, const struct scn_entry *e,
			const struct scn_action *a, int64_t planned_ns,
			int64_t actual_ns);
	/* A step is done (docs/record.md lists them). field: a number that
	 * goes with it, by its name; NULL: none. */
	void (*step)(void *arg, unsigned id, const char *step, int64_t now_ns,
		     const char *field, int64_t value);
	/* It could not be done, and what it had begun is taken back. */
	void (*rolled_back)(void *arg, unsigned id, int64_t now_ns,
			    const struct err *why);
	void (*done)(void *arg, unsigned id, int64_t now_ns);
	/* All actions of a list have been applied: how far apart, from the
	 * beginning of the first to the end of the last. */
	void (*applied)(void *arg, const struct scn_entry *e, int64_t begin_ns,
			int64_t spread_ns);
	/* What an entry waited for has happened, and its delay begins. */
	void (*delayed)(void *arg, const struct scn_entry *e);
	/* The timeline stops with it. */
	void (*failed)(void *arg, unsigned id, const struct err *err);
	/* A node is there again, but has no carrier yet. 0, or a negative
	 * errno: the action fails. */
	int (*booted)(void *arg, size_t node, struct err *err);
	/* May it have its carrier? Asked until it may. NULL: at once. */
	bool (*watched)(void *arg, size_t node);
	/* A node's processes are about to go on. */
	void (*thawing)(void *arg, size_t node);
	/* A node is cut off, and about to be killed: does anybody in there
	 * still write down what it knows? Asked until nobody does, or too much
	 * time has gone by. NULL: nobody. */
	bool (*dying)(void *arg, size_t node);
	/* A node that was booted carries packets. 0, or a negative errno: the
	 * action fails. */
	int (*revived)(void *arg, size_t node, struct err *err);
	/* A host has become an instance of an active service, or is none any
	 * more, and all others know. */
	void (*instance)(void *arg, size_t service, size_t node, bool listens);
	/* They could not be told. */
	void (*untold)(void *arg, const struct err *err);
};

/* lab, event and listener's arg are borrowed. 0 or a negative errno. */
int timeline_new(struct lab *lab, const struct plan *plan, sd_event *event,
		 const struct timeline_listener *listener,
		 struct timeline **out, struct err *err);
/* Sets the clock's zero, and starts. */
int timeline_start(struct timeline *tl, int64_t zero_mono_ns, struct err *err);
/* No action begins or goes on after this, but that what a handoff has begun is
 * taken back, from the loop, while timeline_hands_over(). */
void timeline_stop(struct timeline *tl);
bool timeline_hands_over(const struct timeline *tl);
/*
 * Its clock stands still. No action begins or goes on; commands are stopped.
 * What happened before and is told only now still counts, until
 * timeline_ignore(): from then on nothing that happens is what an entry waited
 * for.
 */
void timeline_pause(struct timeline *tl);
void timeline_ignore(struct timeline *tl);
/* It goes on, with the rest; for_ns: so long its clock stood still. */
void timeline_continue(struct timeline *tl, int64_t for_ns);
/* Commands that run. They are killed, and told when they have ended. */
void timeline_kill_commands(struct timeline *tl);
bool timeline_commands_run(const struct timeline *tl);
struct timeline *timeline_free(struct timeline *tl); /* returns NULL */

/* Nothing is under way or due any more; what waits for something else to
 * happen does not count. */
bool timeline_is_idle(const struct timeline *tl);

/*
 * An event of the lab, for those who wait for it. field gives the text of one
 * of its fields (into buf where it is none yet), or NULL.
 */
typedef const char *timeline_field_fn(void *arg, const char *field, char *buf,
				      size_t size);
void timeline_saw_event(struct timeline *tl, const char *name,
			timeline_field_fn *field, void *arg);
/* A sald tells that somebody listens on the port of the service of that ID, or
 * nobody any more. Others are told from the event loop. */
void timeline_saw_listener(struct timeline *tl, size_t node,
			   const char *service, bool listens);
/* All salds look, now, and others are told: before what depends on it begins.
 */
int timeline_look_for_listeners(struct timeline *tl, struct err *err);
/* What a probe measures has crossed the threshold that this entry waits for. */
void timeline_saw_probe(struct timeline *tl, size_t entry);

#endif
