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
 * begin. Times are CLOCK_MONOTONIC.
 */
struct timeline_listener {
	void *arg;
	void (*started)(void *arg, unsigned id, const struct scn_action *a,
			int64_t planned_ns, int64_t actual_ns);
	/* A step is done. Of migrate, with nat: "rule", new packets are bound
	 * anew; "flush", conntrack entries are gone, deleted says how many (-1:
	 * not a flush). With sal: "start", the new instance serves; "forward",
	 * all others send there; "stop", the old one does not serve any more.
	 * Of readdress: "address", "forward". */
	void (*step)(void *arg, unsigned id, const char *step, int64_t now_ns,
		     int64_t deleted);
	void (*done)(void *arg, unsigned id, int64_t now_ns);
	/* The timeline stops with it. */
	void (*failed)(void *arg, unsigned id, const struct err *err);
	/* Every action is done. */
	void (*finished)(void *arg);
};

/* lab, event and listener's arg are borrowed. 0 or a negative errno. */
int timeline_new(struct lab *lab, const struct plan *plan, sd_event *event,
		 const struct timeline_listener *listener,
		 struct timeline **out, struct err *err);
/* Sets the clock's zero, and starts. */
int timeline_start(struct timeline *tl, int64_t zero_mono_ns, struct err *err);
/* No action begins or goes on after this. */
void timeline_stop(struct timeline *tl);
struct timeline *timeline_free(struct timeline *tl); /* returns NULL */

#endif
