/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expect: what must hold in the end. */
#include "orchestrator/scenario/expects.h"

#include <stdio.h>
#include <string.h>

/* ---- ranges ------------------------------------------------------------ */

enum { RANGE_MIN, RANGE_MAX };

static const struct field count_range_fields[] = {
	[RANGE_MIN] = { .name = "min",
			.type = &type_count,
			.doc = "the least" },
	[RANGE_MAX] = { .name = "max", .type = &type_count, .doc = "the most" },
};

static const struct field time_range_fields[] = {
	[RANGE_MIN] = { .name = "min",
			.type = &type_delay,
			.doc = "the least" },
	[RANGE_MAX] = { .name = "max", .type = &type_delay, .doc = "the most" },
};

static const struct type type_rate = {
	.expects = "a rate, such as 10mbit",
	.scalar = SCALAR_RATE,
	.max = UINT64_C(1000000000000),
};

static const struct field rate_range_fields[] = {
	[RANGE_MIN] = { .name = "min", .type = &type_rate, .doc = "the least" },
	[RANGE_MAX] = { .name = "max", .type = &type_rate, .doc = "the most" },
};

static const struct type type_bytes = {
	.expects = "a number of bytes, such as 10MB",
	.scalar = SCALAR_BYTES,
	.max = INT64_MAX,
};

static const struct field bytes_range_fields[] = {
	[RANGE_MIN] = { .name = "min",
			.type = &type_bytes,
			.doc = "the least" },
	[RANGE_MAX] = { .name = "max", .type = &type_bytes, .doc = "the most" },
};

static const struct mapping mapping_rate_range = {
	.what = "range",
	MAPPING_FIELDS(rate_range_fields),
};

static const struct mapping mapping_bytes_range = {
	.what = "range",
	MAPPING_FIELDS(bytes_range_fields),
};

static const struct type type_rate_range = {
	.expects = "a rate, or a range such as '{ min: 10mbit }'",
	.scalar = SCALAR_RATE,
	.max = UINT64_C(1000000000000),
	.mapping = &mapping_rate_range,
};

static const struct type type_bytes_range = {
	.expects = "a number of bytes, or a range such as '{ min: 10MB }'",
	.scalar = SCALAR_BYTES,
	.max = INT64_MAX,
	.mapping = &mapping_bytes_range,
};

static const struct mapping mapping_count_range = {
	.what = "range",
	MAPPING_FIELDS(count_range_fields),
};

static const struct mapping mapping_time_range = {
	.what = "range",
	MAPPING_FIELDS(time_range_fields),
};

static const struct type type_count_range = {
	.expects = "a number, or a range such as '{ max: 3 }'",
	.scalar = SCALAR_UINT,
	.max = INT64_MAX,
	.mapping = &mapping_count_range,
};

static const struct type type_time_range = {
	.expects = "a duration, or a range such as '{ max: 50ms }'",
	.scalar = SCALAR_DURATION,
	.max = INT64_MAX,
	.mapping = &mapping_time_range,
};

static int64_t range_bound(const struct type *type, const struct value *v)
{
	switch (type->scalar) {
	case SCALAR_DURATION:
		return v->ns;
	case SCALAR_RATE:
		return v->bps;
	case SCALAR_WORD: /* true or false */
		return v->word;
	default:
		return (int64_t)v->number;
	}
}

static bool read_range(struct loader *l, const struct type *type,
		       const struct value *given, struct range_source *out)
{
	struct value v[VALUES_MAX];
	const struct value *min = &v[RANGE_MIN], *max = &v[RANGE_MAX];

	memset(out, 0, sizeof(*out));
	out->node = given->node;
	if (!given->ok)
		return false;
	if (given->node->kind == TREE_SCALAR) {
		out->range.has_min = out->range.has_max = true;
		out->range.min = out->range.max = range_bound(type, given);
		out->min = out->max = given->node;
		return true;
	}
	if (!mapping_read(l, type->mapping, given->node, NULL, v, NULL))
		return false;
	if (!min->node && !max->node) {
		tree_error(l->diag, given->node,
			   "this range has neither 'min' nor 'max'");
		return false;
	}
	out->range.has_min = min->ok;
	out->range.has_max = max->ok;
	out->range.min = range_bound(type, min);
	out->range.max = range_bound(type, max);
	out->min = min->node;
	out->max = max->node;
	if (min->ok && max->ok && out->range.min > out->range.max) {
		tree_error(l->diag, max->node,
			   "the least (%s) is more than the most (%s)",
			   min->node->text, max->node->text);
		return false;
	}
	return true;
}

/* ---- probes ------------------------------------------------------------ */

#define METRIC(id, key, kind, text)                                            \
	[1 + (id)] = { .name = (key), .type = (kind), .doc = (text) }

static const struct field probe_fields[] = {
	{ .name = "probe", .type = &type_probe, .doc = "the probe" },
	METRIC(SCN_METRIC_SENT, "sent", &type_count_range, "packets sent"),
	METRIC(SCN_METRIC_RECEIVED, "received", &type_count_range,
	       "packets answered"),
	METRIC(SCN_METRIC_LOST, "lost", &type_count_range,
	       "packets never answered"),
	METRIC(SCN_METRIC_DUPLICATED, "duplicated", &type_count_range,
	       "answers that came again"),
	METRIC(SCN_METRIC_REORDERED, "reordered", &type_count_range,
	       "answers that came behind later ones"),
	METRIC(SCN_METRIC_OUTAGE, "outage", &type_time_range,
	       "the longest time without an answer"),
	METRIC(SCN_METRIC_RTT_P50, "rtt_p50", &type_time_range,
	       "the median of the round-trip times"),
	METRIC(SCN_METRIC_RTT_P99, "rtt_p99", &type_time_range,
	       "what 99 % of the round-trip times stay below"),
	METRIC(SCN_METRIC_FAILED, "failed", &type_count_range,
	       "requests that failed"),
	METRIC(SCN_METRIC_LATENCY_P50, "latency_p50", &type_time_range,
	       "the median of the times that requests took"),
	METRIC(SCN_METRIC_LATENCY_P99, "latency_p99", &type_time_range,
	       "what 99 % of the requests' times stay below"),
	METRIC(SCN_METRIC_CONNECTIONS, "connections", &type_count_range,
	       "connections that requests were sent over"),
	METRIC(SCN_METRIC_BYTES, "bytes", &type_bytes_range,
	       "what a stream delivered"),
	METRIC(SCN_METRIC_GOODPUT, "goodput", &type_rate_range,
	       "the mean rate of what a stream delivered"),
	METRIC(SCN_METRIC_CONNECT, "connect", &type_time_range,
	       "the time until a stream was connected"),
	METRIC(SCN_METRIC_RECOVERY, "recovery", &type_time_range,
	       "the longest time from an action to 90 % of the earlier rate"),
	METRIC(SCN_METRIC_SURVIVES, "survives", &type_switch,
	       "whether a stream's connection lived to its end"),
	METRIC(SCN_METRIC_INTACT, "intact", &type_switch,
	       "whether every byte of a stream was right"),
};

_Static_assert(sizeof(probe_fields) / sizeof(*probe_fields) ==
		       1 + SCN_METRIC_COUNT_,
	       "every metric can be expected");

struct scn_expect *expect_add(struct loader *l, enum scn_expect_kind kind,
			      const struct tree_node *node, size_t subject)
{
	struct scn_expect *expect = LOADER_PUSH(l, &l->s->expects);

	if (!expect)
		return NULL;
	expect->kind = kind;
	expect->subject = subject;
	expect->pos = node->pos;
	return expect;
}

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

static void read_probe(struct loader *l, const struct tree_node *node,
		       const struct value *v)
{
	bool any = false;

	for (int m = 0; m < SCN_METRIC_COUNT_; m++) {
		const struct value *metric = &v[1 + m];
		struct range_source range;
		struct scn_expect *expect;

		any |= metric->node != NULL;
		if (!metric->node ||
		    !read_range(l, probe_fields[1 + m].type, metric, &range) ||
		    !v[0].ok ||
		    !check_fits(l, metric->node, v[0].index,
				(enum scn_metric)m))
			continue;
		reach_check(l, v[0].index, (enum scn_metric)m, &range);
		expect = expect_add(l, SCN_EXPECT_PROBE, metric->node,
				    v[0].index);
		if (!expect)
			return;
		expect->metric = (enum scn_metric)m;
		expect->range = range.range;
	}
	if (any || node->n > 1) /* or there is something, and that is wrong */
		return;
	tree_error(l->diag, node, "this says nothing about the probe");
	diag_help(l->diag, "add what must hold, as in 'lost: { max: 1 }' "
			   "(sent, received, lost, duplicated, reordered, "
			   "outage, rtt_p50, rtt_p99, ...)");
}

/* ---- within: ----------------------------------------------------------- */

/* How long the end of a run may be put off. */
#define WITHIN_MAX_NS INT64_C(3600000000000)

const struct type type_within = {
	.expects = "a duration, such as 2s",
	.scalar = SCALAR_DURATION,
	.min = 1,
	.max = WITHIN_MAX_NS,
};

/* ---- processes --------------------------------------------------------- */

static const struct type type_status = {
	.expects = "an exit status",
	.scalar = SCALAR_UINT,
	.max = 255,
};

static const struct field not_fields[] = {
	{ .name = "not",
	  .type = &type_status,
	  .doc = "any exit status but it" },
};

static const struct field signal_fields[] = {
	{ .name = "signal", .type = &type_signal, .doc = "ended by a signal" },
};

static const struct mapping mapping_not = {
	.what = "exit",
	MAPPING_FIELDS(not_fields),
};

static const struct mapping mapping_signal = {
	.what = "exit",
	MAPPING_FIELDS(signal_fields),
};

static const struct mapping mapping_exit = {
	.what = "exit",
	.doc = "How a process ended.",
	.variants = (const struct mapping *const[]){ &mapping_not,
						     &mapping_signal, NULL },
	.example = "signal: KILL",
};

static const struct type type_exit = {
	.expects = "an exit status, '{ not: 0 }' or '{ signal: KILL }'",
	.scalar = SCALAR_UINT,
	.max = 255,
	.status = true,
	.mapping = &mapping_exit,
};

enum { PROCESS_NAME, PROCESS_EXIT, PROCESS_PRINTS, PROCESS_WITHIN };

static const struct field process_fields[] = {
	[PROCESS_NAME] = { .name = "process",
			   .type = &type_process,
			   .doc = "the process" },
	[PROCESS_EXIT] = { .name = "exit",
			   .type = &type_exit,
			   .doc = "how it ended" },
	[PROCESS_PRINTS] = { .name = "prints",
			     .type = &type_text,
			     .doc = "a text that its output holds" },
	[PROCESS_WITHIN] = { .name = "within",
			     .type = &type_within,
			     .doc = "how long the end of the run waits for "
				    "it" },
};

static void read_exit(struct loader *l, const struct value *given,
		      size_t subject, int64_t within_ns)
{
	const struct mapping *variant = NULL;
	struct value v[VALUES_MAX];
	const struct value *status = given;
	struct scn_expect *expect;

	if (given->node->kind == TREE_MAP) {
		if (!mapping_read(l, &mapping_exit, given->node, NULL, v,
				  &variant))
			return;
		status = &v[0];
	}
	expect = expect_add(l, SCN_EXPECT_EXIT, given->node, subject);
	if (!expect)
		return;
	expect->within_ns = within_ns;
	if (variant == &mapping_signal) {
		expect->exit_signal = status->signal;
		return;
	}
	expect->exit_not = variant == &mapping_not;
	expect->range.has_min = expect->range.has_max = true;
	expect->range.min = expect->range.max = (int64_t)status->number;
}

static void read_process(struct loader *l, const struct tree_node *node,
			 const struct value *v)
{
	const struct value *within = &v[PROCESS_WITHIN];
	int64_t within_ns = within->ok ? within->ns : 0;
	size_t subject = v[PROCESS_NAME].index;
	struct scn_expect *expect;

	if (v[PROCESS_NAME].ok && node->n > 1)
		reach_check_started(l, subject, v[PROCESS_NAME].node);
	if (v[PROCESS_EXIT].ok)
		read_exit(l, &v[PROCESS_EXIT], subject, within_ns);
	if (v[PROCESS_PRINTS].ok) {
		expect = expect_add(l, SCN_EXPECT_PRINTS,
				    v[PROCESS_PRINTS].node, subject);
		if (expect) {
			expect->text = loader_dup(l, v[PROCESS_PRINTS].text);
			expect->within_ns = within_ns;
		}
	}
	if (node->n > 1 + (within->node != NULL))
		return;
	tree_error(l->diag, node, "this says nothing about the process");
	diag_help(l->diag, "add 'exit: 0' or 'prints: TEXT'");
}

/* ---- captures ---------------------------------------------------------- */

enum {
	CAPTURE_FILTER,
	CAPTURE_COUNT,
	CAPTURE_NODE,
	CAPTURE_INTERFACE,
	CAPTURE_WITHIN
};

static const struct field capture_fields[] = {
	[CAPTURE_FILTER] = { .name = "capture",
			     .type = &type_text,
			     .doc = "a pcap filter, such as 'icmp'" },
	[CAPTURE_COUNT] = { .name = "count",
			    .type = &type_count_range,
			    .required = true,
			    .example = "{ min: 1 }",
			    .doc = "how many packets match" },
	[CAPTURE_NODE] = { .name = "node",
			   .type = &type_machine,
			   .doc = "seen at this node; without it, at any" },
	[CAPTURE_INTERFACE] = { .name = "interface",
				.type = &type_text,
				.doc = "and at this interface of it" },
	[CAPTURE_WITHIN] = { .name = "within",
			     .type = &type_within,
			     .doc = "how long the end of the run waits for "
				    "it" },
};

static bool check_interface(struct loader *l, const struct value *node,
			    const struct value *iface)
{
	const struct names *names = &l->names[NAMES_IFACE];
	struct names_found found;
	const char *text;

	if (!node->node) {
		tree_error(l->diag, iface->node,
			   "an interface is one of a node: add 'node'");
		return false;
	}
	if (!node->ok)
		return false;
	text = loader_format(l, "%s:%s", node->node->text, iface->text);
	if (!text)
		return false;
	if (names_find(names, text, &found))
		return true;
	if (names->incomplete)
		return false;
	tree_error(l->diag, iface->node, "the node '%s' has no interface '%s'",
		   node->node->text, iface->text);
	names_suggest(names, NAMES_IFACE, text, l->diag);
	return false;
}

static void read_capture(struct loader *l, const struct value *v)
{
	const struct value *iface = &v[CAPTURE_INTERFACE];
	struct range_source range;
	struct scn_expect *expect;
	bool good = v[CAPTURE_FILTER].ok;

	good &= !v[CAPTURE_NODE].node || v[CAPTURE_NODE].ok;
	if (iface->ok)
		good &= check_interface(l, &v[CAPTURE_NODE], iface);
	good &= read_range(l, &type_count_range, &v[CAPTURE_COUNT], &range);
	good = good && reach_check_least(l, &range);
	if (!good)
		return;
	expect = expect_add(l, SCN_EXPECT_CAPTURE, v[CAPTURE_FILTER].node,
			    v[CAPTURE_NODE].node ? v[CAPTURE_NODE].index :
						   SCN_NONE);
	if (!expect)
		return;
	expect->text = loader_dup(l, v[CAPTURE_FILTER].text);
	expect->range = range.range;
	if (v[CAPTURE_WITHIN].ok)
		expect->within_ns = v[CAPTURE_WITHIN].ns;
	if (iface->ok) /* fits: there is an interface of that name */
		strncpy(expect->ifname, iface->text,
			sizeof(expect->ifname) - 1);
}

/* ---- the host ---------------------------------------------------------- */

static const struct word host_words[] = {
	{ .text = "unchanged" },
	{ .text = NULL },
};

static const struct type type_host_state = {
	.expects = "'unchanged'",
	.scalar = SCALAR_WORD,
	.thing = "a state of the host",
	.words = host_words,
};

enum { HOST_STATE, HOST_WITHIN };

static const struct field host_fields[] = {
	[HOST_STATE] = { .name = "host",
			 .type = &type_host_state,
			 .doc = "what is left of the run" },
	[HOST_WITHIN] = { .name = "within",
			  .type = &type_within,
			  .fallback = "5s",
			  .doc = "how long the kernel may take over it" },
};

static void read_host(struct loader *l, const struct value *v)
{
	struct scn_expect *expect;

	if (!v[HOST_STATE].ok || !v[HOST_WITHIN].ok)
		return;
	expect = expect_add(l, SCN_EXPECT_HOST, v[HOST_STATE].node, SCN_NONE);
	if (expect)
		expect->within_ns = v[HOST_WITHIN].ns;
}

/* ---- timing ------------------------------------------------------------ */

static const struct field lateness_fields[] = {
	{ .name = "lateness",
	  .type = &type_time_range,
	  .required = true,
	  .example = "{ max: 5ms }",
	  .doc = "how much later than planned any action began" },
};

static const struct mapping mapping_timing = {
	.what = "timing",
	.doc = "How well the run kept its times.",
	MAPPING_FIELDS(lateness_fields),
};

static const struct type type_timing = {
	.expects = "a timing, such as '{ lateness: { max: 5ms } }'",
	.mapping = &mapping_timing,
};

static const struct field timing_fields[] = {
	{ .name = "timing",
	  .type = &type_timing,
	  .doc = "how well the run kept its times" },
};

static const struct mapping expect_timing = {
	.what = "expectation",
	MAPPING_FIELDS(timing_fields),
};

static void read_timing(struct loader *l, const struct value *timing)
{
	struct range_source range;
	struct scn_expect *expect;
	struct value v[VALUES_MAX];

	if (!timing->ok ||
	    !mapping_read(l, &mapping_timing, timing->node, NULL, v, NULL) ||
	    !read_range(l, &type_time_range, &v[0], &range) ||
	    !reach_check_least(l, &range))
		return;
	expect = expect_add(l, SCN_EXPECT_LATENESS, timing->node, SCN_NONE);
	if (expect)
		expect->range = range.range;
}

/* ---- all of them ------------------------------------------------------- */

static const struct mapping expect_probe = {
	.what = "expectation",
	MAPPING_FIELDS(probe_fields),
};
static const struct mapping expect_process = {
	.what = "expectation",
	MAPPING_FIELDS(process_fields),
};
static const struct mapping expect_capture = {
	.what = "expectation",
	MAPPING_FIELDS(capture_fields),
};

static const struct mapping expect_host = {
	.what = "expectation",
	MAPPING_FIELDS(host_fields),
};

static const struct mapping mapping_expect = {
	.what = "expectation",
	.doc = "Something that must hold.",
	.variants =
		(const struct mapping *const[]){
			&expect_probe, &expect_service, &expect_process,
			&expect_capture, &expect_host, &expect_timing, NULL },
	.several = "make it several expectations",
	.example = "probe: rtt, lost: 0",
};

static const struct type type_expect = {
	.expects = "an expectation, such as '{ probe: rtt, lost: 0 }'",
	.mapping = &mapping_expect,
};

const struct type type_expects = {
	.expects = "a list of expectations",
	.item = &type_expect,
	.may_be_empty = true,
};

void expects_read(struct loader *l, const struct tree_node *node)
{
	if (!node || node->kind != TREE_LIST)
		return;
	for (size_t i = 0; i < node->n && !l->no_memory; i++) {
		const struct tree_node *item = node->items[i];
		const struct mapping *variant;
		struct value v[VALUES_MAX];

		mapping_read(l, &mapping_expect, item, NULL, v, &variant);
		if (variant == &expect_service)
			expect_service_read(l, item, v);
		else if (variant == &expect_capture)
			read_capture(l, v);
		else if (variant == &expect_host)
			read_host(l, v);
		else if (variant == &expect_timing)
			read_timing(l, &v[0]);
		else if (variant == &expect_probe)
			read_probe(l, item, v);
		else if (variant == &expect_process)
			read_process(l, item, v);
	}
}
