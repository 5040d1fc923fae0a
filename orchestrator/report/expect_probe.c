/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A figure of a probe, within a range, or as a share of what another probe has.
 *
 * A share is never divided for the verdict: "at most 50% of 3" is asked as
 * figure * 100 <= 50 * 3, exactly, so that one that is just at its bound holds
 * on every machine, and a figure of 0 on the other side divides nothing. What
 * that means is said where it cannot be multiplied either: of two figures of 0
 * each is 100 % of the other (equal is equal), and something is more than any
 * share of nothing, so that its least holds and its most does not. Where one
 * of the two is not known, nothing is proven, as for any other expectation.
 */
#include "orchestrator/report/expect_internal.h"
#include "orchestrator/report/stream.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

static int64_t metric_value(const struct figures *f, enum scn_metric metric)
{
	switch (metric) {
	case SCN_METRIC_SENT:
		return (int64_t)f->counts.sent;
	case SCN_METRIC_RECEIVED:
		return (int64_t)f->counts.received;
	case SCN_METRIC_LOST:
		return (int64_t)f->counts.lost;
	case SCN_METRIC_DUPLICATED:
		return (int64_t)f->counts.duplicated;
	case SCN_METRIC_REORDERED:
		return (int64_t)f->counts.reordered;
	case SCN_METRIC_OUTAGE:
		return f->outage.length_ns;
	case SCN_METRIC_RTT_P50:
		return f->rtt.p50_ns;
	case SCN_METRIC_RTT_P99:
		return f->rtt.p99_ns;
	case SCN_METRIC_FAILED:
		return (int64_t)f->counts.lost;
	case SCN_METRIC_LATENCY_P50:
		return f->rtt.p50_ns;
	case SCN_METRIC_LATENCY_P99:
		return f->rtt.p99_ns;
	case SCN_METRIC_CONNECTIONS:
		return f->connections;
	case SCN_METRIC_BYTES:
		return f->bytes;
	case SCN_METRIC_GOODPUT:
		return f->goodput_bps;
	case SCN_METRIC_RECOVERY:
		return f->recovery_ns;
	case SCN_METRIC_CONNECT: /* of the stream itself */
	case SCN_METRIC_SURVIVES:
	case SCN_METRIC_INTACT:
	case SCN_METRIC_COUNT_:
		break;
	}
	return FIGURE_NONE;
}

static int64_t stream_metric(const struct record_probe *p,
			     const struct figures *f, enum scn_metric metric)
{
	switch (metric) {
	case SCN_METRIC_CONNECT:
		return stream_connect_ns(p);
	case SCN_METRIC_SURVIVES:
		return stream_survives(p);
	case SCN_METRIC_INTACT:
		return stream_intact(p);
	case SCN_METRIC_OUTAGE:
		/* What never began was not interrupted: that proves nothing. */
		if (!p->stream.known || p->stream.connected_ns == RECORD_NONE)
			return FIGURE_NONE;
		return metric_value(f, metric);
	default:
		return metric_value(f, metric);
	}
}

/* Why there is no such figure. */
static const char *stream_unknown(const struct record_probe *p,
				  const struct figures *f,
				  enum scn_metric metric)
{
	if (!p->stream.known)
		return "the probe told nothing";
	if (p->stream.connected_ns == RECORD_NONE &&
	    metric != SCN_METRIC_SURVIVES)
		return "there was no connection";
	if (metric == SCN_METRIC_SURVIVES)
		return "the run ended before the stream";
	if (metric == SCN_METRIC_RECOVERY) {
		for (size_t i = 0; i < f->recoveries.n; i++)
			if (f->recoveries.v[i].kind == RECOVERY_NEVER)
				return "it never came back to 90 %";
		return "there is no action, or no earlier rate";
	}
	if (metric == SCN_METRIC_INTACT && f->bytes > 0)
		return "nobody looked at the content";
	return "nothing was delivered";
}

/* FIGURE_NONE: it is not known, for the reason in *why. */
static int64_t figure_of(const struct record *rec,
			 const struct probe_result *probes, size_t probe,
			 enum scn_metric metric, const char **why)
{
	const struct figures *f = &probes[probe].figures;
	const struct record_probe *p = &rec->probes[probe];
	bool is_stream =
		rec->scenario->probes.v[probe].kind == SCN_PROBE_TCP_STREAM;
	int64_t value = is_stream ? stream_metric(p, f, metric) :
				    metric_value(f, metric);

	if (!p->started)
		*why = "the probe never began";
	else if (is_stream && value == FIGURE_NONE)
		*why = stream_unknown(p, f, metric);
	else if (!is_stream && f->counts.sent == 0 && metric != SCN_METRIC_SENT)
		*why = "nothing was sent";
	else if (value == FIGURE_NONE)
		*why = "there was no reply";
	else
		return value;
	return FIGURE_NONE;
}

/* ---- shares of another probe's ------------------------------------------ */

/* Is value at least (sign 1), or at most (-1), share_ppb of whole? */
static bool is_beyond(int64_t value, int64_t whole, int64_t share_ppb, int sign)
{
	__int128 is = (__int128)value * UNITS_PPB_ALL;
	__int128 bound = (__int128)share_ppb * whole;

	if (!whole) { /* 100 %, or more than any share */
		is = value ? (__int128)INT64_MAX + 1 : UNITS_PPB_ALL;
		bound = share_ppb;
	}
	return sign > 0 ? is >= bound : is <= bound;
}

static bool is_share_within(const struct scn_range *range, int64_t value,
			    int64_t whole)
{
	return (!range->has_min || is_beyond(value, whole, range->min, 1)) &&
	       (!range->has_max || is_beyond(value, whole, range->max, -1));
}

/* As it can be written in a scenario: "50%", "0.0000001%". */
static const char *ppb_text(int64_t ppb, char *buf, size_t size)
{
	const int64_t one = UNITS_PPB_ALL / 100;
	int n = snprintf(buf, size, "%lld.%07lld", (long long)(ppb / one),
			 (long long)(ppb % one));

	while (n > 1 && buf[n - 1] == '0')
		n--;
	if (buf[n - 1] == '.')
		n--;
	snprintf(buf + n, size - (size_t)n, "%%");
	return buf;
}

/* The actual text says of what. */
static void say_share_expected(struct judgement *j,
			       const struct scn_range *range, const char *of)
{
	char min[40], max[40], bound[96];

	ppb_text(range->min, min, sizeof(min));
	ppb_text(range->max, max, sizeof(max));
	if (range->has_min && range->has_max && range->min == range->max)
		snprintf(bound, sizeof(bound), "%s", min);
	else if (range->has_min && range->has_max)
		snprintf(bound, sizeof(bound), "%s to %s", min, max);
	else
		snprintf(bound, sizeof(bound), "at %s %s",
			 range->has_min ? "least" : "most",
			 range->has_min ? min : max);
	expect_say(&j->expected, "%s of %s's", bound, of);
	j->brief = strlen(bound);
}

/* Three digits, unless the share then looks like the bound that it missed. */
static void say_share(struct judgement *j, const struct scn_range *range,
		      const char *value_text, const char *whole_text,
		      const char *of)
{
	double percent = (double)j->share.value * 100 / (double)j->share.whole;
	char text[40], bound[40];
	const char *off = "";

	snprintf(text, sizeof(text), percent < 1000 ? "%.3g%%" : "%.0f%%",
		 percent);
	for (int end = 0; end < 2 && !j->held; end++) {
		if (!(end ? range->has_max : range->has_min))
			continue;
		ppb_text(end ? range->max : range->min, bound, sizeof(bound));
		if (!strcmp(text, bound))
			off = is_beyond(j->share.value, j->share.whole,
					end ? range->max : range->min, 1) ?
				      "just over " :
				      "just under ";
	}
	expect_say(&j->actual, "%s, %s%s of %s's %s", value_text, off, text, of,
		   whole_text);
}

/* The other's: a stream that nothing came of has 0 bytes, which is known. */
static int64_t whole_of(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, const char **why)
{
	int64_t whole = figure_of(rec, probes, e->of, e->metric, why);

	if (whole == FIGURE_NONE && rec->probes[e->of].started &&
	    rec->probes[e->of].stream.known &&
	    (e->metric == SCN_METRIC_BYTES ||
	     e->metric == SCN_METRIC_GOODPUT)) {
		*why = NULL;
		whole = 0;
	}
	return whole;
}

static void judge_share(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, struct judgement *j)
{
	const char *name = rec->scenario->probes.v[e->subject].name;
	const char *of = rec->scenario->probes.v[e->of].name;
	enum scn_unit unit = scn_metric_unit(e->metric);
	const char *why = NULL, *of_why = NULL, *text, *whole_text;
	char buf[48], whole_buf[48];
	int64_t value = figure_of(rec, probes, e->subject, e->metric, &why);
	int64_t whole = whole_of(rec, probes, e, &of_why);

	say_share_expected(j, &e->range, of);
	j->share.value = value;
	j->share.whole = whole;
	text = expect_value_text(value, unit, buf, sizeof(buf));
	whole_text =
		expect_value_text(whole, unit, whole_buf, sizeof(whole_buf));
	if (why && of_why) {
		expect_say(&j->actual, "unknown: of %s, %s; of %s, %s", name,
			   why, of, of_why);
	} else if (why) {
		expect_say(&j->actual, "unknown: %s; %s's is %s", why, of,
			   whole_text);
	} else if (of_why) {
		expect_say(&j->actual, "%s, and %s's is unknown: %s", text, of,
			   of_why);
	} else if (value < 0 || whole < 0) { /* a record may say anything */
		expect_say(&j->actual, "unknown: %s is no share of %s's %s",
			   text, of, whole_text);
	} else {
		j->held = is_share_within(&e->range, value, whole);
		if (whole)
			say_share(j, &e->range, text, whole_text, of);
		else if (value)
			expect_say(&j->actual,
				   "%s, more than any share of %s's %s", text,
				   of, whole_text);
		else
			expect_say(&j->actual, "%s, 100%% of %s's %s", text, of,
				   whole_text);
	}
}

/* ---- either -------------------------------------------------------------- */

void expect_judge_probe(const struct record *rec,
			const struct probe_result *probes,
			const struct scn_expect *e, struct judgement *j)
{
	enum scn_unit unit = scn_metric_unit(e->metric);
	const char *why;
	int64_t value;

	expect_say(&j->subject, "%s: %s",
		   rec->scenario->probes.v[e->subject].name,
		   scn_metric_name(e->metric));
	if (e->compares) {
		judge_share(rec, probes, e, j);
		return;
	}
	expect_range_text(&j->expected, &e->range, unit);
	value = figure_of(rec, probes, e->subject, e->metric, &why);
	if (value == FIGURE_NONE) {
		expect_say(&j->actual, "unknown: %s", why);
	} else {
		j->held = expect_in_range(&e->range, value);
		expect_actual_text(j, &e->range, value, unit);
	}
}
