/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are a service's answers shared among its instances as they should be? Chance
 * makes them differ from that, and Pearson's test says how much chance does. It
 * is to be wrong about a good balancer once in a million times: a test that
 * fails now and then for no reason is soon ignored.
 *
 * What is counted are answers. The test takes each to be chosen by itself; that
 * of a connection follow each other to the same instance.
 */
#include "orchestrator/report/expect_internal.h"

#include "base/cleanup.h"
#include "orchestrator/report/chi_square.h"

#include <inttypes.h>
#include <stdlib.h>

#define ALPHA 1e-6 /* how often it may be wrong */

struct tally {
	uint64_t *counts; /* by the expectation's shares */
	uint64_t total; /* of them and of all others */
	uint64_t others;
	size_t other; /* a node that should not have answered; or SCN_NONE */
	bool asked;
};

static size_t find_share(const struct scn_expect *e, size_t node)
{
	size_t i = 0;

	while (i < e->shares.n && e->shares.v[i].node != node)
		i++;
	return i;
}

static void count_run(const struct scn_expect *e, const struct served_run *run,
		      struct tally *t)
{
	size_t i = find_share(e, run->node);

	t->total += run->count;
	if (i < e->shares.n) {
		t->counts[i] += run->count;
		return;
	}
	t->others += run->count;
	t->other = run->node;
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
		for (size_t k = 0; k < probes[i].served.n; k++)
			count_run(e, &probes[i].served.v[k], t);
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

	expect_say(&j->subject, "%s: shared", s->services.v[e->subject].name);
	say_expected(s, e, &j->expected);
	if (!counts || !weights)
		return;
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
