/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an expectation says of a number, a time, a rate or bytes: a value, or a
 * least, a most, or both. Of a probe's, these may be shares of what another
 * probe has: then the range has an 'of', and is another mapping, since its
 * bounds have another unit. That nothing but percentages is a share keeps "max:
 * 2" from meaning two packets here and twice as many there.
 */
#include "orchestrator/scenario/expects.h"

#include <string.h>

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

static const struct mapping mapping_count_range = {
	.what = "range",
	MAPPING_FIELDS(count_range_fields),
};

static const struct mapping mapping_time_range = {
	.what = "range",
	MAPPING_FIELDS(time_range_fields),
};

const struct type type_count_range = {
	.expects = "a number, or a range such as '{ max: 3 }'",
	.scalar = SCALAR_UINT,
	.max = INT64_MAX,
	.mapping = &mapping_count_range,
};

const struct type type_time_range = {
	.expects = "a duration, or a range such as '{ max: 50ms }'",
	.scalar = SCALAR_DURATION,
	.max = INT64_MAX,
	.mapping = &mapping_time_range,
};

/* ---- shares of what another probe has ---------------------------------- */

enum { SHARE_OF, SHARE_MIN, SHARE_MAX };

#define SHARE_MAX_PPB (UINT64_C(10000) * 1000000000) /* and a million % */

static const struct type type_share = {
	.expects = "a percentage, such as 50%",
	.scalar = SCALAR_PERCENT,
	.max = SHARE_MAX_PPB,
};

static const struct field share_range_fields[] = {
	[SHARE_OF] = { .name = "of",
		       .type = &type_probe,
		       .required = true,
		       .example = "PROBE",
		       .doc = "the probe that this one is compared with" },
	[SHARE_MIN] = { .name = "min",
			.type = &type_share,
			.doc = "the least, of what that probe has" },
	[SHARE_MAX] = { .name = "max",
			.type = &type_share,
			.doc = "the most, of what that probe has" },
};

static const struct mapping mapping_share_range = {
	.what = "comparison",
	MAPPING_FIELDS(share_range_fields),
};

static const struct mapping mapping_probe_count = {
	.what = "range",
	MAPPING_FIELDS(count_range_fields),
	.instead = &mapping_share_range,
};

const struct type type_probe_count = {
	.expects = "a number, or a range such as '{ max: 3 }'",
	.scalar = SCALAR_UINT,
	.max = INT64_MAX,
	.mapping = &mapping_probe_count,
};

static const struct mapping mapping_probe_time = {
	.what = "range",
	MAPPING_FIELDS(time_range_fields),
	.instead = &mapping_share_range,
};

const struct type type_probe_time = {
	.expects = "a duration, or a range such as '{ max: 50ms }'",
	.scalar = SCALAR_DURATION,
	.max = INT64_MAX,
	.mapping = &mapping_probe_time,
};

static const struct mapping mapping_probe_rate = {
	.what = "range",
	MAPPING_FIELDS(rate_range_fields),
	.instead = &mapping_share_range,
};

const struct type type_probe_rate = {
	.expects = "a rate, or a range such as '{ min: 10mbit }'",
	.scalar = SCALAR_RATE,
	.max = UINT64_C(1000000000000),
	.mapping = &mapping_probe_rate,
};

static const struct mapping mapping_probe_bytes = {
	.what = "range",
	MAPPING_FIELDS(bytes_range_fields),
	.instead = &mapping_share_range,
};

const struct type type_probe_bytes = {
	.expects = "a number of bytes, or a range such as '{ min: 10MB }'",
	.scalar = SCALAR_BYTES,
	.max = INT64_MAX,
	.mapping = &mapping_probe_bytes,
};

/* ---- reading ------------------------------------------------------------- */

static int64_t range_bound(const struct type *type, const struct value *v)
{
	switch (type->scalar) {
	case SCALAR_DURATION:
		return v->ns;
	case SCALAR_RATE:
		return v->bps;
	case SCALAR_PERCENT:
		return v->ppb;
	case SCALAR_WORD: /* true or false */
		return v->word;
	default:
		return (int64_t)v->number;
	}
}

static bool is_share(const struct value *v)
{
	return v->node && v->node->kind == TREE_SCALAR &&
	       strchr(v->node->text, '%');
}

/* Below the error of a bound that is a percentage, and says not of what. */
static void suggest_of(struct loader *l, const struct value *min,
		       const struct value *max)
{
	if (is_share(min) || is_share(max))
		diag_help(l->diag,
			  "a share of what another probe has is written "
			  "'{ %s: %s, of: PROBE }'",
			  is_share(min) ? "min" : "max",
			  is_share(min) ? min->node->text : max->node->text);
}

bool range_read(struct loader *l, const struct type *type,
		const struct value *given, struct range_source *out)
{
	struct value v[VALUES_MAX];
	const struct value *min = &v[RANGE_MIN], *max = &v[RANGE_MAX];
	const struct mapping *read;

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
	if (!mapping_read(l, type->mapping, given->node, NULL, v, &read)) {
		if (!read && type->mapping->instead)
			suggest_of(l, min, max);
		return false;
	}
	if (read) { /* a comparison */
		out->of = v[SHARE_OF].node;
		out->of_probe = v[SHARE_OF].index;
		min = &v[SHARE_MIN];
		max = &v[SHARE_MAX];
		type = &type_share;
	}
	if (!min->node && !max->node) {
		tree_error(l->diag, given->node,
			   "this %s has neither 'min' nor 'max'",
			   read ? read->what : "range");
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
