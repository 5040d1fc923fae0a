/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OBSERVE_CAPTURE_SORT_H
#define OBSERVE_CAPTURE_SORT_H

#include "base/err.h"
#include "base/vec.h"

#include <stdint.h>

struct capture_comment {
	int64_t time_ns;
	size_t order; /* in the file */
	char *text;
};

typedef VEC(struct capture_comment) capture_comment_vec;

/* Reads "REALTIME_NS TEXT" lines, sorted by time (equal ones in the order of
 * the file). A file that is not there has none. */
int capture_comments_read(const char *path, capture_comment_vec *out,
			  struct err *err);
void capture_comments_free(capture_comment_vec *v);

/* PATH and its ending, in new memory; NULL: out of memory. */
char *capture_path(const char *path, const char *ending);

/*
 * Writes the packets of one capture file, which must be of our own making, into
 * another in the order of their times, those of equal times in the order in
 * which they stood, with the comments. The file appears whole or not at all.
 */
int capture_sort(const char *from, const char *to,
		 const capture_comment_vec *comments, struct err *err);

#endif
