/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the files about one handoff: handoff_begin.c, as others have it;
 * handoff.c, which goes from stage to stage; handoff_find.c and
 * handoff_stages.c, which know what is done in each. */
#ifndef LAB_HANDOFF_H
#define LAB_HANDOFF_H

#include "orchestrator/lab/sald.h"

#define UNDER_WAY 1 /* it is waited for: an answer, a timer, its turn */
/* So many flows are on their way through one stretch of it at a time. */
#define HANDOFF_WINDOW 8

enum handoff_stage {
	FIND,
	HOLD, /* the first stretch; several, where the new server is to die */
	DUMP,
	RESTORE,
	EXPORT,
	IMPORT,
	LOOK,
	RELEASE, /* the second */
	COMMIT,
	GO,
	CLOSE,
	DROP, /* the third; from the last flow to the first */
	FORGET,
	BACK,
	LET_GO,
	OVER,
};

/* A flow. in: it is on this stretch of its way; busy: its stage was begun, and
 * has no end yet. */
struct moving {
	struct handoff *h;
	uint32_t flow;
	char ends[160]; /* "LOCAL PORT REMOTE PORT", of the old end */
	enum handoff_stage stage;
	bool in, busy;
	/* Whom it waits for; none of these: a timer, or its turn. */
	size_t sald; /* a node; SCN_NONE */
	struct lab_process *server;
	const char *word; /* that the server was told */
	sd_event_source *retry;
	bool waits; /* for its turn at a sald */
	int64_t hold_until_ns; /* no more attempts after it; 0: none so far */
	bool held, dumped, restored, imported, released;
	bool astray; /* given away, and not known to go on */
	enum { NOT_TOLD, WELL, BADLY } taken; /* by the new server */
	char why_not[256]; /* BADLY: what it said */
	int dump_fd; /* the new server's end of what the old one dumps into, in
			DUMP; or -1 */
	bool exporting; /* it has a place at the sald for that */
	VEC(json_t *) parts; /* exported */
	json_int_t total, offset;
	size_t due; /* parts that are imported, and were not answered */
	struct { /* what came while the handoff stood still */
		bool now;
		int r;
		struct err err;
	} kept;
};

struct handoff {
	struct lab *lab;
	struct lab_handoff what;
	struct lab_process *old, *new; /* NULL: not found yet */
	bool old_gone, new_gone; /* what runs by now, if anything, is another */
	VEC(struct moving) flows; /* as they are from FIND on */
	unsigned first; /* number of the first flow's orders */
	enum handoff_stage stage, last; /* of the stretch */
	size_t let_in, in; /* flows: so far; of these not yet at its end */
	bool busy; /* in FIND and LOOK, as of a flow */
	size_t sald; /* likewise */
	bool dies; /* the new server, as was asked for */
	sd_event_source *wake; /* has it go on, from the loop, */
	bool wanted; /* where that is still wanted */
	sd_event_source *deadline;
	int r; /* the first failure */
	struct err err;
	struct { /* what came while it stood still, and is about all of it */
		bool now, kept;
		int r;
		struct err err;
	} still;
	bool hopeless; /* the way back has taken too long: not waited for */
};

/* handoff.c. r: what has become of the stage under way, of a flow, or of the
 * handoff as a whole (FIND, LOOK). */
void handoff_flow_done(struct moving *m, int r, struct err *err);
void handoff_whole_done(struct handoff *h, int r, struct err *err);
/* Nobody is waited for any more on this stretch: r, a failure, is the answer of
 * all that are in it. */
void handoff_abandon(struct handoff *h, int r, const struct err *err);
/* It does not stand still any more. */
void handoff_catch_up(struct handoff *h);
int handoff_on_wake(sd_event_source *source, void *arg);
/* Of those on this stretch who has waited for the longest; NULL: nobody. */
const struct moving *handoff_oldest(const struct handoff *h);
/* Has it go on, from the loop. */
void handoff_wake(struct handoff *h);

/* Both begin the stage whose turn it is. 0: it is done; UNDER_WAY; negative.
 * handoff_find.c: */
int handoff_begin_whole(struct handoff *h, struct err *err);
/* handoff_stages.c: */
int handoff_begin_flow(struct moving *m, struct err *err);
/* Whatever it waits for is not waited for any more, and told to nobody. */
void handoff_forget_flow(struct moving *m);
void handoff_forget_all(struct handoff *h);
/* The dump is the two servers' own affair from here on. */
void handoff_end_dump(struct moving *m);
/* It comes to nothing: the old server is not kept waiting by who should read.
 */
void handoff_stop_dump(struct moving *m);
/* Who does not answer? Negative, for the reason in err; nobody is waited for
 * then. */
int handoff_blame(struct handoff *h, struct err *err);
int handoff_timer(struct handoff *h, sd_event_source **timer, int64_t in_ns,
		  sd_event_time_handler_t fn, void *arg, struct err *err);

static inline const char *handoff_process(const struct lab_process *p)
{
	return p->lab->plan->scenario->processes.v[p->index].name;
}

/* Of what a sald says; "": it does not. */
static inline const char *handoff_text(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

#endif
