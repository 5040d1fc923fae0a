/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expect: what a probe must have lived through. */
#include "orchestrator/scenario/expects.h"

#include <stdio.h>
#include <string.h>

/* Behind the probe's name and its figures. */
enum { PROBE_WITHIN = 1 + SCN_METRIC_COUNT_, PROBE_AFTER };

const struct type type_entry_name = {
	.expects = "the name of an entry of the timeline",
	.scalar = SCALAR_REF,
	.names = NAMES_ENTRY,
};

#define METRIC(id, key, kind, text)                                            \
	[1 + (id)] = { .name = (key), .type = (kind), .doc = (text) }

static const struct field probe_fields[] = {
	{ .name = "probe", .type = &type_probe, .doc = "the probe" },
	METRIC(SCN_METRIC_SENT, "sent", &type_probe_count, "packets sent"),
	METRIC(SCN_METRIC_RECEIVED, "received", &type_probe_count,
	       "packets answered"),
	METRIC(SCN_METRIC_LOST, "lost", &type_probe_count,
	       "packets never answered"),
	METRIC(SCN_METRIC_DUPLICATED, "duplicated", &type_probe_count,
	       "answers that came again"),
	METRIC(SCN_METRIC_REORDERED, "reordered", &type_probe_count,
	       "answers that came behind later ones"),
	METRIC(SCN_METRIC_OUTAGE, "outage", &type_probe_time,
	       "the longest time without an answer"),
	METRIC(SCN_METRIC_RTT_P50, "rtt_p50", &type_probe_time,
	       "the median of the round-trip times"),
	METRIC(SCN_METRIC_RTT_P99, "rtt_p99", &type_probe_time,
	       "what 99 % of the round-trip times stay below"),
	METRIC(SCN_METRIC_FAILED, "failed", &type_probe_count,
	       "requests that failed"),
	METRIC(SCN_METRIC_LATENCY_P50, "latency_p50", &type_probe_time,
	       "the median of the times that requests took"),
	METRIC(SCN_METRIC_LATENCY_P99, "latency_p99", &type_probe_time,
	       "what 99 % of the requests' times stay below"),
	METRIC(SCN_METRIC_CONNECTIONS, "connections", &type_probe_count,
	       "connections that requests were sent over"),
	METRIC(SCN_METRIC_BYTES, "bytes", &type_probe_bytes,
	       "what a stream delivered"),
	METRIC(SCN_METRIC_GOODPUT, "goodput", &type_probe_rate,
	       "the mean rate of what a stream delivered"),
	METRIC(SCN_METRIC_CONNECT, "connect", &type_probe_time,
	       "the time until a stream was connected"),
	METRIC(SCN_METRIC_RECOVERY, "recovery", &type_probe_time,
	       "the longest time from an action to 90 % of the earlier rate"),
	METRIC(SCN_METRIC_SURVIVES, "survives", &type_switch,
	       "whether a stream's connection lived to its end"),
	METRIC(SCN_METRIC_INTACT, "intact", &type_switch,
	       "whether every byte of a stream was right"),
	[PROBE_WITHIN] = { .name = "within",
			   .type = &type_within,
			   .doc = "how long it may take until it holds" },
	[PROBE_AFTER] = { .name = "after",
			  .type = &type_entry_name,
			  .doc = "the entry of the timeline from whose "
				 "beginning "
				 "'within' counts" },
};

_Static_assert(sizeof(probe_fields) / sizeof(*probe_fields) ==
		       1 + SCN_METRIC_COUNT_ + 2,
	       "every metric can be expected");

static bool check_fits(struct loader *l, const struct tree_node *where,
		       size_t probe, enum scn_metric metric)
{
	const struct scn_probe *p = &l->s->probes.v[probe];
	char list[256] = "";

	if (scn_metric_fits(metric, p->kind))
		return true;
	tree_error(l->diag, where, "%s %s probe has no figure '%s'",
		   p->kind == SCN_PROBE_HTTP ? "an" : "a",
		   scn_probe_kind_name(p->kind), scn_metric_name(metric));
	diag_note(l->diag, p->pos, 1, "the probe is defined here");
	for (int m = 0; m < SCN_METRIC_COUNT_; m++)
		if (scn_metric_fits((enum scn_metric)m, p->kind))
			snprintf(list + strlen(list),
				 sizeof(list) - strlen(list), "%s%s",
				 *list ? ", " : "",
				 scn_metric_name((enum scn_metric)m));
	diag_help(l->diag, "it has %s", list);
	return false;
}

/* Of another probe, which has this figure as well. */
static bool check_compared(struct loader *l, size_t probe, enum scn_metric m,
			   const struct range_source *range,
			   const struct value *within)
{
	if (range->of_probe == probe) {
		tree_error(l->diag, range->of,
			   "'%s' is compared with itself: its share is 100%%, "
			   "always",
			   range->of->text);
		diag_help(l->diag,
			  "name another probe; what one lived through before "
			  "and after a change, two probes tell that are there "
			  "one after the other ('at', 'for')");
		return false;
	}
	if (within->node) {
		tree_error(l->diag, within->node,
			   "what two probes have is compared when both have "
			   "ended: there is nothing to wait for");
		diag_help(l->diag, "make it two expectations");
		return false;
	}
	return check_fits(l, range->of, range->of_probe, m) &&
	       reach_check_least(l, range);
}

/* Of a figure that grows, a least comes true at some moment and stays so. */
static bool check_grows(struct loader *l, enum scn_metric m,
			const struct value *metric,
			const struct range_source *range)
{
	if (m != SCN_METRIC_RECEIVED && m != SCN_METRIC_BYTES) {
		tree_error(l->diag, metric->node,
			   "'%s' is known when the probe has ended: there is "
			   "nothing to wait for",
			   scn_metric_name(m));
		diag_help(l->diag, "'within' is for 'received' and 'bytes'; "
				   "make it two expectations");
		return false;
	}
	if (!range->range.has_max)
		return true;
	tree_error(l->diag, range->max,
		   "what is waited for has a least only: it may grow on");
	diag_help(l->diag, "write '%s: { min: %s }'", scn_metric_name(m),
		  range->min ? range->min->text : range->max->text);
	return false;
}

void expect_probe_read(struct loader *l, const struct tree_node *node,
		       const struct value *v)
{
	const struct value *within = &v[PROBE_WITHIN], *after = &v[PROBE_AFTER];
	size_t about = within->node && after->node ? 3 :
		       within->node || after->node ? 2 :
						     1;
	bool any = false;

	if (after->node && !within->node) {
		tree_error(l->diag, after->node,
			   "'after' is where 'within' counts from");
		diag_help(l->diag, "add 'within: 2s'");
	}
	for (int m = 0; m < SCN_METRIC_COUNT_; m++) {
		const struct value *metric = &v[1 + m];
		struct range_source range;
		struct scn_expect *expect;

		any |= metric->node != NULL;
		if (!metric->node ||
		    !range_read(l, probe_fields[1 + m].type, metric, &range) ||
		    !v[0].ok ||
		    !check_fits(l, metric->node, v[0].index,
				(enum scn_metric)m))
			continue;
		if (range.of) {
			if (!check_compared(l, v[0].index, (enum scn_metric)m,
					    &range, within))
				continue;
		} else if (within->node && !check_grows(l, (enum scn_metric)m,
							metric, &range)) {
			continue;
		} else {
			reach_check(l, v[0].index, (enum scn_metric)m, &range,
				    within->ok ? within->ns : 0);
		}
		expect = expect_add(l, SCN_EXPECT_PROBE, metric->node,
				    v[0].index);
		if (!expect)
			return;
		expect->metric = (enum scn_metric)m;
		expect->range = range.range;
		expect->compares = range.of != NULL;
		expect->of = range.of_probe;
		if (within->ok)
			expect->within_ns = within->ns;
		if (after->ok)
			expect->after = loader_dup(l, after->node->text);
	}
	if (any ||
	    node->n > about) /* or there is something, and that is wrong */
		return;
	tree_error(l->diag, node, "this says nothing about the probe");
	diag_help(l->diag, "add what must hold, as in 'lost: { max: 1 }' "
			   "(sent, received, lost, duplicated, reordered, "
			   "outage, rtt_p50, rtt_p99, ...)");
}

const struct mapping expect_probe = {
	.what = "expectation",
	MAPPING_FIELDS(probe_fields),
	.refused = "of",
	.refused_why = "'of' stands beside the bound that it is for, as in "
		       "'outage: { max: 50%, of: PROBE }'",
};
