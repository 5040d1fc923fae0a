/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to come true within a time: so many answers, or bytes, from the
 * beginning of an action on. The run looks now and then whether it is so yet
 * (cli/run_within.c); but how soon it looks depends on the machine, so what
 * counts are the times of the deliveries themselves: the one that makes it true
 * came in time, or it did not.
 */
#include "orchestrator/report/expect_internal.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct delivery {
	int64_t at_ns;
	uint64_t amount; /* answers, or bytes */
};

static int compare(const void *a, const void *b)
{
	const struct delivery *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* Those from from_ns on, by their time. A bin's are there with its last. */
static size_t collect(const struct record_probe *p, enum scn_metric metric,
		      int64_t from_ns, struct delivery *out)
{
	size_t n = 0;

	for (size_t i = 0; metric == SCN_METRIC_RECEIVED && i < p->samples.n;
	     i++) {
		int64_t at_ns = p->samples.v[i].received_ns;

		if (at_ns != SAMPLE_NONE && at_ns >= from_ns)
			out[n++] = (struct delivery){ at_ns, 1 };
	}
	for (size_t i = 0; metric == SCN_METRIC_BYTES && i < p->bins.n; i++)
		if (p->bins.v[i].last_ns >= from_ns)
			out[n++] = (struct delivery){ p->bins.v[i].last_ns,
						      p->bins.v[i].bytes };
	if (n)
		qsort(out, n, sizeof(*out), compare);
	return n;
}

/* NULL: no action of this entry has begun. */
static const struct record_action *find_begun(const struct record *rec,
					      const char *entry)
{
	for (size_t i = 0; i < rec->actions.n; i++)
		if (rec->actions.v[i].entry &&
		    !strcmp(rec->actions.v[i].entry, entry))
			return &rec->actions.v[i];
	return NULL;
}

static void say_late(struct judgement *j, int64_t after_ns)
{
	CLEANUP_FREE char *value = j->actual;
	char text[48];

	j->actual = NULL;
	if (value)
		expect_say(&j->actual, "%s, in %s", value,
			   units_format_duration(after_ns, text, sizeof(text)));
}

int expect_judge_within(const struct record *rec, const struct scn_expect *e,
			struct judgement *j, struct err *err)
{
	const struct record_probe *p = &rec->probes[e->subject];
	CLEANUP_FREE struct delivery *deliveries =
		calloc(p->samples.n + p->bins.n + 1, sizeof(*deliveries));
	const char *name = rec->scenario->probes.v[e->subject].name;
	enum scn_unit unit = scn_metric_unit(e->metric);
	const struct record_action *action = NULL;
	int64_t from_ns = INT64_MIN, value = 0, reached_ns = 0;
	char within[48];
	size_t n;

	if (!deliveries)
		return err_set(err, ENOMEM, "out of memory");
	units_format_duration(e->within_ns, within, sizeof(within));
	if (e->after)
		expect_say(&j->subject, "%s: %s within %s after '%s':", name,
			   scn_metric_name(e->metric), within, e->after);
	else
		expect_say(&j->subject, "%s: %s", name,
			   scn_metric_name(e->metric));
	expect_range_text(&j->expected, &e->range, unit);
	if (e->after) {
		action = find_begun(rec, e->after);
		from_ns = action ? action->begin_ns : INT64_MAX;
	}
	n = collect(p, e->metric, from_ns, deliveries);
	for (size_t i = 0; i < n && !j->held; i++) {
		if (action &&
		    figures_span(deliveries[i].at_ns, from_ns) > e->within_ns)
			break;
		value += (int64_t)deliveries[i].amount;
		reached_ns = deliveries[i].at_ns;
		/* Without an entry, all of it counts (mind_polled()). */
		j->held = action && expect_in_range(&e->range, value);
	}
	if (!e->after)
		j->held = expect_in_range(&e->range, value);
	if (!p->started)
		expect_say(&j->actual, "unknown: the probe never began");
	else if (e->after && !action)
		expect_say(&j->actual, "unknown: it never began");
	else
		expect_actual_text(j, &e->range, value, unit);
	j->held &= p->started;
	if (j->held && action)
		say_late(j, figures_span(reached_ns, from_ns));
	return 0;
}
