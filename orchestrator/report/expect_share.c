/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are a service's answers shared among its instances as they should be? Chance
 * makes them differ from that, and Pearson's test says how much chance does. It
 * is to be wrong about a good balancer once in a million times: a test that
 * fails now and then for no reason is soon ignored.
 *
 * What is counted are packets and requests that were answered, and of what has
 * no marks (HTTP, streams) connections: the test takes each to be chosen by
 * itself. Of the answers to requests over one connection that is not so. What
 * two instances answered, one after the other, was chosen once, for the first:
 * counted twice, the answers would be more than what was sent. But that nobody
 * else may answer holds for the second as well.
 */
#include "orchestrator/report/expect_internal.h"

#include "base/cleanup.h"
#include "orchestrator/report/chi_square.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ALPHA 1e-6 /* how often it may be wrong */

struct tally {
	uint64_t *counts; /* by the expectation's shares */
	uint64_t total; /* of them and of all others */
	uint64_t others;
	size_t other; /* a node that should not have answered; or SCN_NONE */
	int64_t from_ns, to_ns; /* of the run's clock: what counts */
	bool asked;
};

static size_t find_share(const struct scn_expect *e, size_t node)
{
	size_t i = 0;

	while (i < e->shares.n && e->shares.v[i].node != node)
		i++;
	return i;
}

static void count_choice(const struct scn_expect *e,
			 const struct served_choice *choice, struct tally *t)
{
	size_t i = find_share(e, choice->node);

	t->total += !choice->again;
	if (i < e->shares.n) {
		t->counts[i] += !choice->again;
		return;
	}
	t->others++;
	t->other = choice->node;
}

/*
 * Which answers are asked about: to what was asked for when one entry of the
 * timeline was done (the last time), and that came before another one began
 * (the first). So nobody is in there who was chosen before the one, or after
 * the other, however late it was told. The name of one that did not; or NULL.
 */
static const char *find_window(const struct record *rec,
			       const struct scn_expect *e, struct tally *t)
{
	bool after = !e->since, until = !e->until;

	t->from_ns = INT64_MIN;
	t->to_ns = INT64_MAX;
	for (size_t i = 0; i < rec->actions.n; i++) {
		const struct record_action *a = &rec->actions.v[i];

		if (!a->entry)
			continue;
		if (e->since && !strcmp(a->entry, e->since)) {
			if (a->end_ns == RECORD_NONE)
				return e->since;
			if (a->end_ns > t->from_ns)
				t->from_ns = a->end_ns;
			after = true;
		}
		if (e->until && !strcmp(a->entry, e->until)) {
			if (a->begin_ns < t->to_ns)
				t->to_ns = a->begin_ns;
			until = true;
		}
	}
	return !after ? e->since : !until ? e->until : NULL;
}

/* When what was answered had been asked for; INT64_MIN: nobody knows. */
static int64_t asked_at(const struct record *rec, const struct record_probe *p,
			const struct served_choice *c)
{
	size_t i = (size_t)c->seq;

	if (!c->marked)
		return c->asked_ns == INT64_MIN ?
			       INT64_MIN :
			       record_run_of_real(rec, c->asked_ns);
	/* They are not in this order where answers were not. */
	if (i >= p->samples.n || p->samples.v[i].seq != c->seq)
		for (i = 0; i < p->samples.n; i++)
			if (p->samples.v[i].seq == c->seq)
				break;
	return i < p->samples.n ? p->samples.v[i].sent_ns : INT64_MIN;
}

static void count_probe(const struct record *rec, size_t probe,
			const struct probe_result *result,
			const struct scn_expect *e, struct tally *t)
{
	const struct record_probe *p = &rec->probes[probe];

	for (size_t k = 0; k < result->choices.n; k++) {
		const struct served_choice *c = &result->choices.v[k];

		if (record_run_of_real(rec, c->time_ns) < t->to_ns &&
		    (!e->since || asked_at(rec, p, c) >= t->from_ns))
			count_choice(e, c, t);
	}
}

static void count(const struct record *rec, const struct probe_result *probes,
		  const struct scn_expect *e, struct tally *t)
{
	const struct scenario *s = rec->scenario;

	for (size_t i = 0; i < s->probes.n; i++) {
		if (s->probes.v[i].target != SCN_TARGET_SERVICE ||
		    s->probes.v[i].to != e->subject)
			continue;
		t->asked = true;
		count_probe(rec, i, &probes[i], e, t);
	}
}

static char *counts_text(const struct scenario *s, const struct scn_expect *e,
			 const struct tally *t)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < e->shares.n; i++)
		fprintf(f, "%s%s %.3g%%", i ? ", " : "",
			s->nodes.v[e->shares.v[i].node].name,
			t->total ? 100.0 * (double)t->counts[i] /
					   (double)t->total :
				   0.0);
	if (t->others)
		fprintf(f, ", %s and others %.3g%%", s->nodes.v[t->other].name,
			100.0 * (double)t->others / (double)t->total);
	fprintf(f, " of %" PRIu64 " answers", t->total);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void say_expected(const struct scenario *s, const struct scn_expect *e,
			 char **out)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	for (size_t i = 0; i < e->shares.n; i++)
		fprintf(f, "%s%s %.6g%%", i ? ", " : "",
			s->nodes.v[e->shares.v[i].node].name,
			(double)e->shares.v[i].ppb / 1e7);
	fprintf(f, " of at least %" PRId64 " answers", e->over);
	if (e->since)
		fprintf(f, " after '%s'", e->since);
	if (e->until)
		fprintf(f, " until '%s'", e->until);
	if (fclose(f) != 0)
		free(text);
	else
		*out = text;
}

static void test(const struct scn_expect *e, const struct tally *t,
		 const char *counted, int64_t *weights, struct judgement *j)
{
	unsigned degrees = (unsigned)e->shares.n - 1;
	double statistic, most;

	if (!degrees) {
		j->held = true;
		expect_say(&j->actual, "%s", counted);
		return;
	}
	for (size_t i = 0; i < e->shares.n; i++)
		weights[i] = e->shares.v[i].ppb;
	statistic = chi_square_statistic(t->counts, weights, e->shares.n);
	most = chi_square_quantile(ALPHA, degrees);
	j->held = statistic <= most;
	expect_say(&j->actual,
		   "%s, which is %s (chi-square %.3g, of %u degree%s; "
		   "chance alone exceeds %.3g once in a million times)",
		   counted,
		   j->held ? "within what chance does" :
			     "further off than chance goes",
		   statistic, degrees, degrees == 1 ? "" : "s", most);
}

void expect_judge_share(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, struct judgement *j)
{
	const struct scenario *s = rec->scenario;
	CLEANUP_FREE uint64_t *counts = calloc(e->shares.n, sizeof(*counts));
	CLEANUP_FREE int64_t *weights = calloc(e->shares.n, sizeof(*weights));
	CLEANUP_FREE char *counted = NULL;
	struct tally t = { .counts = counts, .other = SCN_NONE };
	const char *missing;

	expect_say(&j->subject, "%s: shared", s->services.v[e->subject].name);
	say_expected(s, e, &j->expected);
	if (!counts || !weights)
		return;
	missing = find_window(rec, e, &t);
	if (missing) {
		expect_say(&j->actual, "unknown: '%s' was not done", missing);
		return;
	}
	count(rec, probes, e, &t);
	counted = counts_text(s, e, &t);
	if (!counted)
		return;
	if (!t.asked)
		expect_say(&j->actual, "unknown: no probe asks it");
	else if (t.total < (uint64_t)e->over)
		expect_say(&j->actual, "unknown: %s, too few to tell", counted);
	else if (t.others)
		expect_say(&j->actual, "%s", counted);
	else
		test(e, &t, counted, weights, j);
}
