/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a run takes, as far as the file says it. What it may wait for has a
 * bound as well, and is no part of its length: most runs wait for next to none
 * of it, and a bound for all of them must allow for all of it.
 */
#include "orchestrator/scenario/model.h"

static int64_t sum(int64_t a, int64_t b)
{
	int64_t ns;

	return __builtin_add_overflow(a, b, &ns) ? INT64_MAX : ns;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t scn_length_ns(const struct scenario *s)
{
	int64_t end = s->duration_ns;

	if (end)
		return end;
	for (size_t i = 0; i < s->probes.n; i++)
		end = later(end, sum(s->probes.v[i].start_ns,
				     s->probes.v[i].for_ns));
	for (size_t i = 0; i < s->timeline.n; i++)
		if (s->timeline.v[i].at_ns != SCN_UNTIMED)
			end = later(end, s->timeline.v[i].at_ns);
	return end;
}

int64_t scn_patience_ns(const struct scenario *s)
{
	int64_t ready = 0, lab = 0, host = 0;

	for (size_t i = 0; i < s->processes.n; i++)
		ready = later(ready, s->processes.v[i].ready_timeout_ns);
	for (size_t i = 0; i < s->expects.n; i++) {
		const struct scn_expect *e = &s->expects.v[i];
		/* The host's turn comes when the lab is gone. */
		int64_t *most = e->kind == SCN_EXPECT_HOST ? &host : &lab;

		*most = later(*most, e->within_ns);
	}
	return sum(ready, sum(lab, host));
}
