/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of making a report: the record's small files, the figures of each
 * probe, one walk over the trace for everything that needs it, then the
 * judgements, and from those the verdict.
 */
#include "orchestrator/report/internal.h"

#include "base/cleanup.h"
#include "orchestrator/report/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

/* Actions of one moment, such as those of a "do:", follow each other at once:
 * between them there is nothing to measure. */
static bool joins_previous(const struct record *rec, size_t i)
{
	return i > 0 &&
	       rec->actions.v[i].planned_ns == rec->actions.v[i - 1].planned_ns;
}

static int make_probe(const struct record *rec, size_t i,
		      const struct figures_action *actions, struct figures *out)
{
	const struct record_probe *p = &rec->probes[i];
	const struct figures_stream stream = {
		.bins = p->bins.v,
		.n = p->bins.n,
		.connected_ns =
			p->stream.known ? p->stream.connected_ns : FIGURE_NONE,
		.ended_ns = p->stream.known ? p->stream.ended_ns : FIGURE_NONE,
		.complete = strcmp(p->stream.end, "complete") == 0,
		.stopped = strcmp(p->stream.end, "stopped") == 0,
	};

	if (rec->scenario->probes.v[i].kind == SCN_PROBE_TCP_STREAM)
		return figures_make_stream(&stream, actions, rec->actions.n,
					   out);
	return figures_make(p->samples.v, p->samples.n, actions, rec->actions.n,
			    out);
}

static int make_figures(struct report *r, struct err *err)
{
	const struct record *rec = &r->record;
	CLEANUP_FREE struct figures_action *actions =
		calloc(rec->actions.n + 1, sizeof(*actions));

	if (!actions)
		return out_of_memory(err);
	for (size_t i = 0; i < rec->actions.n; i++) {
		const struct record_action *a = &rec->actions.v[i];

		actions[i].begin_ns = a->begin_ns;
		actions[i].end_ns =
			a->end_ns == RECORD_NONE ? FIGURE_FOREVER : a->end_ns;
		actions[i].joins = joins_previous(rec, i);
	}
	for (size_t i = 0; i < rec->scenario->probes.n; i++) {
		if (make_probe(rec, i, actions, &r->probes[i].figures))
			return out_of_memory(err);
	}
	return 0;
}

/* Of the connections that it had. */
static int add_ports(struct served *served, size_t probe,
		     const struct record_probe *p)
{
	int r = 0;

	if (p->stream.known && p->stream.local_port)
		r = served_add_port(served, probe, p->stream.local_port);
	for (size_t i = 0; !r && i < p->samples.n; i++)
		if (p->samples.v[i].local_port)
			r = served_add_port(served, probe,
					    p->samples.v[i].local_port);
	return r;
}

static int read_trace(struct report *r, struct trace_counter *counters,
		      struct err *err)
{
	const struct scenario *s = r->record.scenario;
	struct served *served = served_new(s);
	int ret = 0;

	if (!served)
		return out_of_memory(err);
	for (size_t i = 0; !ret && i < s->probes.n; i++)
		if (add_ports(served, i, &r->record.probes[i]))
			ret = out_of_memory(err);
	for (size_t i = 0; !ret && i < s->expects.n; i++) {
		if (s->expects.v[i].kind == SCN_EXPECT_CAPTURE &&
		    trace_counter_init(&counters[i], &s->expects.v[i]))
			ret = out_of_memory(err);
	}
	if (!ret)
		ret = trace_walk(&r->record, served, counters, s->expects.n,
				 err);
	for (size_t i = 0; !ret && i < s->probes.n; i++) {
		struct probe_result *p = &r->probes[i];

		p->path = served_take_path(served, i);
		if (served_fold(served, i, &p->served, &p->twice) ||
		    served_choices(served, i, &p->choices))
			ret = out_of_memory(err);
	}
	served_free(served);
	return ret;
}

static int judge(struct report *r, struct err *err)
{
	const struct scenario *s = r->record.scenario;
	struct trace_counter *counters =
		calloc(s->expects.n + 1, sizeof(*counters));
	int ret;

	if (!counters)
		return out_of_memory(err);
	ret = read_trace(r, counters, err);
	for (size_t i = 0; !ret && i < s->expects.n; i++)
		ret = expect_judge(&r->record, r->probes, &counters[i],
				   &s->expects.v[i], &r->judged[i], err);
	for (size_t i = 0; i < s->expects.n; i++)
		trace_counter_free(&counters[i]);
	free(counters);
	return ret;
}

static int compare_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int make_lateness(struct report *r, struct err *err)
{
	size_t all = r->record.actions.n, n = 0;
	CLEANUP_FREE int64_t *late = calloc(all + 1, sizeof(*late));

	if (!late)
		return out_of_memory(err);
	for (size_t i = 0; i < all; i++)
		if (!joins_previous(&r->record, i))
			late[n++] = report_late_ns(r, i);
	qsort(late, n, sizeof(*late), compare_time);
	r->lateness = (struct report_lateness){
		.p50_ns = figures_percentile(late, n, 50),
		.p99_ns = figures_percentile(late, n, 99),
		.max_ns = figures_percentile(late, n, 100),
	};
	return 0;
}

int report_make(const char *record_dir, struct report **out, struct err *err)
{
	struct report *r = calloc(1, sizeof(*r));
	const struct scenario *s;
	int ret;

	if (!r)
		return out_of_memory(err);
	ret = record_load(record_dir, &r->record, err);
	if (ret)
		goto fail;
	s = r->record.scenario;
	r->probes = calloc(s->probes.n + 1, sizeof(*r->probes));
	r->judged = calloc(s->expects.n + 1, sizeof(*r->judged));
	if (!r->probes || !r->judged) {
		ret = out_of_memory(err);
		goto fail;
	}
	ret = make_figures(r, err);
	if (!ret)
		ret = make_lateness(r, err);
	if (!ret)
		ret = judge(r, err);
	if (!ret && verdict_make(r))
		ret = out_of_memory(err);
	if (!ret) {
		*out = r;
		return 0;
	}
fail:
	report_free(r);
	return ret;
}

struct report *report_free(struct report *r)
{
	const struct scenario *s;

	if (!r)
		return NULL;
	s = r->record.scenario;
	for (size_t i = 0; r->probes && i < s->probes.n; i++) {
		figures_free(&r->probes[i].figures);
		VEC_FREE(&r->probes[i].served);
		VEC_FREE(&r->probes[i].choices);
		path_free(&r->probes[i].path);
	}
	for (size_t i = 0; r->judged && i < s->expects.n; i++)
		judgement_free(&r->judged[i]);
	for (size_t i = 0; i < r->reasons.n; i++)
		free(r->reasons.v[i]);
	VEC_FREE(&r->reasons);
	free(r->probes);
	free(r->judged);
	record_unload(&r->record);
	free(r);
	return NULL;
}

enum report_verdict report_verdict(const struct report *r)
{
	return r->verdict;
}

bool report_held(const struct report *r, size_t expectation)
{
	return r->judged[expectation].held;
}

/* Could it be started once more? Whoever ends it may be anybody. */
static bool starts_again(const struct scenario *s, size_t process)
{
	for (size_t i = 0; i < s->timeline.n; i++)
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++)
			if (s->timeline.v[i].actions.v[k].kind ==
				    SCN_ACTION_START &&
			    s->timeline.v[i].actions.v[k].process.process ==
				    process)
				return true;
	return false;
}

/* For good: a probe that was still to begin when its node crashed does so when
 * that boots. */
static bool has_ended(const struct report *r, size_t probe)
{
	const struct record_probe *p = &r->record.probes[probe];
	int64_t crashed_ns = p->crashed_ns == RECORD_NONE ?
				     RECORD_NONE :
				     record_t_ns(&r->record, p->crashed_ns);

	return p->ended &&
	       (crashed_ns == RECORD_NONE ||
		r->record.scenario->probes.v[probe].start_ns <= crashed_ns);
}

bool report_is_lost(const struct report *r, size_t expectation)
{
	const struct judgement *j = &r->judged[expectation];
	const struct scn_expect *e = j->expect;
	const struct scenario *s = r->record.scenario;

	if (j->held)
		return false;
	switch (e->kind) {
	case SCN_EXPECT_PROBE:
		if (e->compares && !has_ended(r, e->of))
			return false;
		return has_ended(r, e->subject) ||
		       (e->after && r->record.polled[expectation].known);
	case SCN_EXPECT_EXIT:
	case SCN_EXPECT_PRINTS:
		return r->record.processes[e->subject].exited &&
		       !starts_again(s, e->subject);
	case SCN_EXPECT_CAPTURE:
		return j->exceeds;
	case SCN_EXPECT_ANSWERED_BY:
	case SCN_EXPECT_SHARE:
	case SCN_EXPECT_LATENESS:
	case SCN_EXPECT_HOST:
	case SCN_EXPECT_LINK:
		break;
	}
	return false;
}

int64_t report_duration_ns(const struct report *r)
{
	const struct record *rec = &r->record;

	return figures_span(rec->last_ns, rec->zero_ns != RECORD_NONE ?
						  rec->zero_ns :
						  rec->start_ns);
}

int64_t report_late_ns(const struct report *r, size_t i)
{
	const struct record_action *a = &r->record.actions.v[i];
	int64_t t_ns = record_t_ns(&r->record, a->begin_ns);

	/* Without a zero there was no plan to be late for. */
	return t_ns == RECORD_NONE ? 0 : figures_span(t_ns, a->planned_ns);
}

int64_t report_took_ns(const struct report *r, size_t i)
{
	const struct record_action *a = &r->record.actions.v[i];

	return a->end_ns == RECORD_NONE ? FIGURE_NONE :
					  figures_span(a->end_ns, a->begin_ns);
}
