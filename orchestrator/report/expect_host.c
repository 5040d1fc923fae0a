/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is anything of the run left on the host? The owner of the run has looked, and
 * wrote down what it found (docs/record.md, host.json). */
#include "orchestrator/report/expect_internal.h"

void expect_judge_host(const struct record *rec, struct judgement *j)
{
	expect_say(&j->subject, "the host is");
	expect_say(&j->expected, "unchanged");
	if (!rec->host_known) {
		expect_say(&j->actual, "unknown: nobody looked");
		return;
	}
	j->held = !rec->host_left;
	if (j->held)
		expect_say(&j->actual, "unchanged");
	else
		expect_say(&j->actual, "changed: %s", rec->host_left);
}
