/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One walk over the record's trace, for all who want to know something of it.
 */
#ifndef REPORT_TRACE_H
#define REPORT_TRACE_H

#include "base/err.h"
#include "orchestrator/report/filter.h"
#include "orchestrator/report/record.h"
#include "orchestrator/report/served.h"

#include <stddef.h>
#include <stdint.h>

/* Counts what an SCN_EXPECT_CAPTURE asks for. */
struct trace_counter {
	const struct scn_expect *expect; /* NULL: this one counts nothing */
	struct filter *filter; /* NULL: error says why there is none */
	struct err error;
	uint64_t count;
};

/* 0 or -ENOMEM; a filter that does not compile is noted in the counter. To be
 * freed either way. */
int trace_counter_init(struct trace_counter *c,
		       const struct scn_expect *expect);
void trace_counter_free(struct trace_counter *c);

/*
 * Every packet to served and to all the counters. A packet that several
 * interfaces saw counts once for each. A partial trace may end anywhere, a
 * finished one that is cut off or malformed is -EBADMSG. A record without any
 * trace holds no packets.
 */
int trace_walk(const struct record *rec, struct served *served,
	       struct trace_counter *counters, size_t n, struct err *err);

#endif
