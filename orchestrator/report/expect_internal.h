/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPORT_EXPECT_INTERNAL_H
#define REPORT_EXPECT_INTERNAL_H

#include "orchestrator/report/expect.h"

/* Replaces *out, which is NULL where memory ran out. */
void expect_say(char **out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

const char *expect_value_text(int64_t value, enum scn_unit unit, char *buf,
			      size_t size);
void expect_range_text(char **out, const struct scn_range *range,
		       enum scn_unit unit);
bool expect_in_range(const struct scn_range *range, int64_t value);
/* Says the value; j->held is known by now. */
void expect_actual_text(struct judgement *j, const struct scn_range *range,
			int64_t value, enum scn_unit unit);

/* expect_within.c: of a probe's figure that grows. 0 or -ENOMEM. */
int expect_judge_within(const struct record *rec, const struct scn_expect *e,
			struct judgement *j, struct err *err);
/* expect_probe.c; likewise. */
void expect_judge_probe(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, struct judgement *j);
/* expect_share.c and expect_host.c. A text of the judgement that is NULL: out
 * of memory. */
void expect_judge_share(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, struct judgement *j);
void expect_judge_host(const struct record *rec, struct judgement *j);
/* expect_link.c; likewise. */
void expect_judge_link(const struct record *rec, const struct scn_expect *e,
		       struct judgement *j);

#endif
