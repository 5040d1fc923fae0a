/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPORT_EXPECT_INTERNAL_H
#define REPORT_EXPECT_INTERNAL_H

#include "orchestrator/report/expect.h"

/* Replaces *out, which is NULL where memory ran out. */
void expect_say(char **out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* expect_share.c and expect_host.c. A text of the judgement that is NULL: out
 * of memory. */
void expect_judge_share(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, struct judgement *j);
void expect_judge_host(const struct record *rec, struct judgement *j);

#endif
