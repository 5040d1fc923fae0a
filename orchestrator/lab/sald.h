/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the two files about salds only. */
#ifndef LAB_SALD_H
#define LAB_SALD_H

#include "orchestrator/lab/internal.h"

#define SALD_NO_TAG SIZE_MAX

typedef VEC(char) bytes;

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
	struct json_t **wanted; /* where the answer goes; NULL: nowhere */
	struct err err; /* the first failure since it was settled */
};

static inline const char *lab_sald_node(const struct lab_sald *s)
{
	return s->lab->plan->scenario->nodes.v[s->node].name;
}

/* Closes whatever is open to it. */
void lab_sald_disconnect(struct lab_sald *s);

#endif
