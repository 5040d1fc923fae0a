/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the two files about one handoff: handoff.c, which goes from stage to
 * stage, and handoff_stages.c, which knows what is done in each. */
#ifndef LAB_HANDOFF_H
#define LAB_HANDOFF_H

#include "orchestrator/lab/sald.h"

#define UNDER_WAY 1 /* it is waited for: an answer, a timer, its turn */

enum handoff_stage {
	/* all flows, one after the other, before the next stage */
	FIND,
	HOLD,
	DUMP,
	RESTORE,
	EXPORT, /* and IMPORT, flow by flow */
	IMPORT,
	LOOK,
	/* all stages of a flow before the next flow */
	RELEASE,
	COMMIT,
	GO,
	CLOSE,
	/* likewise, from the last flow to the first */
	DROP,
	FORGET,
	BACK,
	LET_GO,
	OVER,
};

struct moving {
	uint32_t flow;
	char ends[160]; /* "LOCAL PORT REMOTE PORT", of the old end */
	int64_t hold_until_ns; /* no more attempts after it; 0: none so far */
	bool held, dumped, restored, imported, released;
	enum { NOT_TOLD, WELL, BADLY } taken; /* by the new server */
	char why_not[256]; /* BADLY: what it said */
};

struct handoff {
	struct lab *lab;
	struct lab_handoff what;
	struct lab_process *old, *new; /* NULL: not found yet */
	bool old_gone, new_gone; /* what runs by now, if anything, is another */
	VEC(struct moving) flows;
	unsigned first; /* number of the first flow's orders */
	enum handoff_stage stage;
	size_t at; /* the flow whose turn it is */
	/* Whom it waits for; none of these: a timer, or its turn. */
	size_t sald; /* a node; SCN_NONE */
	const struct lab_process *server;
	const char *word; /* that the server was told */
	int dump_fd; /* the new server's end of what the old one dumps into, in
			DUMP; or -1 */
	bool dies; /* the new server, as was asked for */
	bool waits; /* for its turn at a sald */
	VEC(json_t *) parts; /* of the flow that is exported */
	json_int_t total, offset;
	size_t imported_parts;
	sd_event_source *wake; /* has it begin its stage, from the loop, */
	bool wanted; /* where that is still wanted */
	sd_event_source *retry, *deadline;
	int r; /* the first failure */
	struct err err;
	struct { /* what came while it stood still */
		bool now, kept;
		int r;
		struct err err;
	} still;
	bool hopeless; /* the way back has taken too long: not waited for */
};

/* handoff.c. r: what has become of the stage under way. */
void handoff_go_on(struct handoff *h, int r, struct err *err);

/* handoff_stages.c. Begins the stage whose turn it is. 0: it is done;
 * UNDER_WAY; negative. */
int handoff_begin_stage(struct handoff *h, struct err *err);
/* It has the bytes of a flow no more, and waits for nobody's. */
void handoff_end_turns(struct handoff *h);
void handoff_drop_parts(struct handoff *h);
/* The dump is the two servers' own affair from here on. */
void handoff_end_dump(struct handoff *h);
/* It comes to nothing: the old server is not kept waiting by who should read.
 */
void handoff_stop_dump(struct handoff *h);
/* Who does not answer? Negative, for the reason in err. */
int handoff_blame(struct handoff *h, struct err *err);
int handoff_timer(struct handoff *h, sd_event_source **timer, int64_t in_ns,
		  sd_event_time_handler_t fn, struct err *err);
void handoff_wake(struct handoff *h);

#endif
