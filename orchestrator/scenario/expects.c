/* SPDX-License-Identifier: GPL-2.0-or-later */
/* expect: what must hold in the end. */
#include "orchestrator/scenario/expects.h"

#include <stdio.h>
#include <string.h>

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
	if (strchr(iface->text, ':'))
		diag_help(l->diag,
			  "write its name alone: 'node' says whose it is");
	else
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
	good &= range_read(l, &type_count_range, &v[CAPTURE_COUNT], &range);
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
	    !range_read(l, &type_time_range, &v[0], &range) ||
	    !reach_check_least(l, &range))
		return;
	expect = expect_add(l, SCN_EXPECT_LATENESS, timing->node, SCN_NONE);
	if (expect)
		expect->range = range.range;
}

/* ---- all of them ------------------------------------------------------- */

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
			&expect_capture, &expect_host, &expect_timing,
			&expect_link, NULL },
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
			expect_probe_read(l, item, v);
		else if (variant == &expect_link)
			expect_link_read(l, item, v);
		else if (variant == &expect_process)
			read_process(l, item, v);
	}
}
