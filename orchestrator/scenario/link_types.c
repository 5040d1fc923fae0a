/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of a link's properties. */
#include "orchestrator/scenario/link_types.h"

#include "orchestrator/scenario/link_props.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)

const struct type type_link_delay = {
	.expects = "a duration, such as 10ms",
	.scalar = SCALAR_DURATION,
	.max = HOUR_NS,
};

const struct type type_link_share = {
	.expects = "a percentage, such as 0.1%",
	.scalar = SCALAR_PERCENT,
};

const struct type type_link_mtu = {
	.expects = "a number of bytes",
	.scalar = SCALAR_UINT,
	.min = 68, /* the least that IPv4 takes */
	.max = 65535,
};

/* Where files are named. */
static const struct type type_file = {
	.expects = "the name of a file",
	.scalar = SCALAR_TEXT,
};

/* ---- jitter ------------------------------------------------------------ */

static const struct word distribution_words[] = {
	{ "uniform", LINK_UNIFORM, NULL },
	{ "normal", LINK_NORMAL, NULL },
	{ "pareto", LINK_PARETO, NULL },
	{ "paretonormal", LINK_PARETONORMAL, NULL },
	{ 0 },
};

static const struct type type_distribution = {
	.expects = "uniform, normal, pareto or paretonormal",
	.scalar = SCALAR_WORD,
	.thing = "a distribution",
	.words = distribution_words,
};

static const struct field jitter_fields[] = {
	[JITTER_SPREAD] = { .name = "spread",
			    .type = &type_link_delay,
			    .doc = "uniform: the most, either way; else the "
				   "standard deviation" },
	[JITTER_DISTRIBUTION] = { .name = "distribution",
				  .type = &type_distribution,
				  .doc = "uniform unless given" },
	[JITTER_HISTOGRAM] = { .name = "histogram",
			       .type = &type_file,
			       .doc = "a file of offsets and their weights, "
				      "instead" },
	[JITTER_UNORDERED] = { .name = "unordered",
			       .type = &type_switch,
			       .doc = "whether frames may overtake each "
				      "other" },
};

const struct mapping mapping_jitter = {
	.what = "jitter",
	.doc = "By how much the delay varies.",
	MAPPING_FIELDS(jitter_fields),
};

const struct type type_link_jitter = {
	.expects = "a duration, or a mapping such as '{ spread: 1ms, "
		   "distribution: normal }'",
	.scalar = SCALAR_DURATION,
	.max = HOUR_NS,
	.mapping = &mapping_jitter,
};

/* ---- loss -------------------------------------------------------------- */

static const struct type type_length = {
	.expects = "a whole number of frames",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = 1000000,
};

static const struct field bursts_fields[] = {
	[LOSS_RATE] = { .name = "rate",
			.type = &type_link_share,
			.doc = "which share is lost, over all" },
	[LOSS_LENGTH] = { .name = "burst",
			  .type = &type_length,
			  .required = true,
			  .example = "4",
			  .doc = "how many in a row, on average" },
};

static const struct field states_fields[] = {
	[LOSS_TO_BAD] = { .name = "to_bad",
			  .type = &type_link_share,
			  .doc = "of the frames in the good state, behind how "
				 "many it turns bad" },
	[LOSS_TO_GOOD] = { .name = "to_good",
			   .type = &type_link_share,
			   .required = true,
			   .example = "25%",
			   .doc = "of those in the bad state, behind how many "
				  "it turns good" },
	[LOSS_IN_BAD] = { .name = "in_bad",
			  .type = &type_link_share,
			  .fallback = "100%",
			  .doc = "which share is lost in the bad state" },
	[LOSS_IN_GOOD] = { .name = "in_good",
			   .type = &type_link_share,
			   .fallback = "0%",
			   .doc = "which share is lost in the good state" },
};

static const struct type type_pattern = {
	.expects = "a pattern, such as '....x'",
	.scalar = SCALAR_TEXT,
};

static const struct field pattern_fields[] = {
	{ .name = "pattern",
	  .type = &type_pattern,
	  .doc = "'.' passes, 'x' is lost; from frame to frame, and over "
		 "again" },
};

static const struct field file_fields[] = {
	{ .name = "file",
	  .type = &type_file,
	  .doc = "such a pattern, or the fates that another run recorded" },
};

#define LOSS(table)                                                            \
	{                                                                      \
		.what = "loss", MAPPING_FIELDS(table)                          \
	}
const struct mapping mapping_loss_bursts = LOSS(bursts_fields);
const struct mapping mapping_loss_states = LOSS(states_fields);
const struct mapping mapping_loss_pattern = LOSS(pattern_fields);
const struct mapping mapping_loss_file = LOSS(file_fields);

const struct mapping mapping_loss = {
	.what = "loss",
	.doc = "Which frames do not arrive.",
	.variants = (const struct mapping *const[]){ &mapping_loss_bursts,
						     &mapping_loss_states,
						     &mapping_loss_pattern,
						     &mapping_loss_file, NULL },
	.example = "rate: 5%, burst: 4",
};

const struct type type_link_loss = {
	.expects = "a percentage such as 0.1%, or a mapping such as "
		   "'{ rate: 5%, burst: 4 }'",
	.scalar = SCALAR_PERCENT,
	.mapping = &mapping_loss,
};

/* ---- rate and queue ----------------------------------------------------- */

static const struct field rate_fields[] = {
	[RATE_TRACE] = { .name = "trace",
			 .type = &type_file,
			 .required = true,
			 .example = "lte.down",
			 .doc = "a file of delivery opportunities" },
	[RATE_LOOP] = { .name = "loop",
			.type = &type_switch,
			.fallback = "true",
			.doc = "whether it begins again at its end" },
};

const struct mapping mapping_rate = {
	.what = "rate",
	.doc = "When packets leave.",
	MAPPING_FIELDS(rate_fields),
};

const struct type type_link_rate = {
	.expects = "a rate such as 100mbit, or '{ trace: FILE }'",
	.scalar = SCALAR_RATE,
	.min = 8000,
	.max = UINT64_C(10000000000), /* what tbf's tables can say */
	.mapping = &mapping_rate,
};

#define QUEUE_BYTES_MAX (UINT64_C(1) << 30)

static const struct type type_packets = {
	.expects = "a number of packets",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = UINT32_MAX,
};

static const struct type type_bytes = {
	.expects = "a number of bytes, such as 64kB",
	.scalar = SCALAR_BYTES,
	.min = 1,
	.max = QUEUE_BYTES_MAX,
};

static const struct type type_wait = {
	.expects = "a duration, such as 50ms",
	.scalar = SCALAR_DURATION,
	.min = 1000,
	.max = UINT64_C(3600000000000),
};

static const struct type type_ecn = {
	.expects = "a number of packets, or a time such as 1ms",
	.scalar = SCALAR_QUEUE,
	.min = 1,
	.max = QUEUE_BYTES_MAX,
};

static const struct field queue_fields[] = {
	[QUEUE_PACKETS] = { .name = "packets",
			    .type = &type_packets,
			    .doc = "how many wait at most" },
	[QUEUE_BYTES] = { .name = "bytes",
			  .type = &type_bytes,
			  .doc = "how many bytes wait at most" },
	[QUEUE_WAIT] = { .name = "wait",
			 .type = &type_wait,
			 .doc = "how long one waits at most" },
	[QUEUE_ECN] = { .name = "ecn",
			.type = &type_ecn,
			.doc = "from how many waiting packets on, or from "
			       "which "
			       "wait on, those that can be are marked (ECN)" },
};

const struct mapping mapping_queue = {
	.what = "queue",
	.doc = "What waits for the rate.",
	MAPPING_FIELDS(queue_fields),
};

const struct type type_link_queue = {
	.expects = "a number of packets, bytes such as 64kB, a time such as "
		   "50ms, or a mapping",
	.scalar = SCALAR_QUEUE,
	.min = 1,
	.max = QUEUE_BYTES_MAX,
	.mapping = &mapping_queue,
};
