/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a record on disk to the verdict. Reads nothing but the record's folder
 * (see docs/record.md), so that an old run can be judged and drawn again.
 */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

enum report_verdict {
	REPORT_PASSED, /* every expectation held */
	REPORT_FAILED,
	REPORT_INVALID, /* the run cannot be judged; the report says why */
	REPORT_INTERRUPTED,
	REPORT_TIMED_OUT, /* it had no more time */
};

struct report;

/* 0 or a negative errno: the record is incomplete or malformed. */
int report_make(const char *record_dir, struct report **out, struct err *err);
struct report *report_free(struct report *r); /* returns NULL */

enum report_verdict report_verdict(const struct report *r);

/* Does the expectation of that index of the scenario hold? */
bool report_held(const struct report *r, size_t expectation);
/* Of a run that is not over yet: does it not, whatever is still to come? Where
 * that cannot be told, false. */
bool report_is_lost(const struct report *r, size_t expectation);
/* Its line of the summary, with the scenario's where it does not hold. */
void report_print_expectation(const struct report *r, size_t expectation,
			      FILE *out, bool color, unsigned width);

/* The terminal summary. width: columns there are. */
void report_print(const struct report *r, FILE *out, bool color,
		  unsigned width);

/* results.json, written beside and moved into place. */
int report_write_json(const struct report *r, const char *record_dir,
		      struct err *err);

/* Is this a pcap filter? 0, or -EINVAL with libpcap's words. */
int report_check_filter(const char *filter, struct err *err);

#endif
