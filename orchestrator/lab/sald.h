/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the files about salds only. */
#ifndef LAB_SALD_H
#define LAB_SALD_H

#include "orchestrator/lab/internal.h"

#include <jansson.h>

#define SALD_NO_TAG SIZE_MAX
/* IDs of requests from here on are those of lab_sald_ask(). */
#define SALD_ASK_FIRST ((json_int_t)1 << 40)
/* One that takes longer has failed. */
#define SALD_ANSWER_NS (5 * NSEC_PER_SEC)

typedef VEC(char) bytes;

/* A question of lab_sald_ask(), from then until it is told or forgotten. */
struct sald_question {
	json_int_t id;
	lab_answered_fn *answered;
	void *arg;
	bool over;
	json_t *answer; /* NULL: why says why there is none */
	struct err why;
};

struct lab_sald {
	struct lab *lab;
	size_t node;
	pid_t pid; /* 0: does not run */
	int ready_fd; /* readable, or at its end, when it is ready; or -1 */
	int fd; /* the connection; -1: none */
	sd_event_source *io;
	bool ending; /* told to end, or its end was told already */
	bytes in, out; /* not yet whole lines; not yet sent */
	size_t unanswered; /* requests */
	size_t refused; /* the tag of the first that was, SALD_NO_TAG: err is
			   not of a request */
	struct err err; /* the first failure since it was settled */
	VEC(struct sald_question *) questions; /* in the order of their IDs */
	unsigned exports; /* flows that are read from it, part by part */
};

static inline const char *lab_sald_node(const struct lab_sald *s)
{
	return s->lab->plan->scenario->nodes.v[s->node].name;
}

/* sald_control.c. Takes what it had said when it ended. */
void lab_sald_take_last(struct lab_sald *s);
/* Closes whatever is open to it. */
void lab_sald_disconnect(struct lab_sald *s);
/* 0, where it is connected; else why not. One that has just been started is
 * waited for. */
int lab_sald_can_be_asked(struct lab_sald *s, struct err *err);
/* Sends a request, which is stolen. */
int lab_sald_put(struct lab_sald *s, json_int_t id, json_t *request,
		 struct err *err);
/* 0, or what the sald refused it for, as lab_answered_fn has it. */
int lab_sald_answer_error(json_t *answer, struct err *err);

/* sald_ask.c. An answer has come, or never will any more. */
void lab_sald_answered(struct lab_sald *s, json_int_t id, json_t *answer);
void lab_sald_hung_up(struct lab_sald *s);
void lab_sald_forget_all(struct lab_sald *s);

#endif
