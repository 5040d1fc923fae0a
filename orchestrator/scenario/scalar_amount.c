/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Percentages, bytes, and the length of a queue, which is a bare number of
 * packets, or bytes or a time, which have a unit. A percentage needs its
 * sign: "loss: 5" may have meant five in a hundred or five packets.
 */
#include "orchestrator/scenario/load.h"

#include "base/units.h"

#include <errno.h>
#include <string.h>

#define QUEUE_NS_MIN INT64_C(1000)
#define QUEUE_NS_MAX INT64_C(3600000000000)

static bool read_percent(struct loader *l, const struct type *type,
			 const struct tree_node *node, struct value *out)
{
	int64_t max_ppb = type->max ? (int64_t)type->max : UNITS_PPB_ALL;
	const char *text = node->text;

	switch (units_parse_percent_ppb(text, max_ppb, &out->ppb)) {
	case 0:
		return true;
	case -ENOKEY:
		if (text[strspn(text, "0123456789.")])
			tree_error(l->diag, node, "'%s' is not a percentage",
				   text);
		else if (type->max) /* 0.5 is half of it to some: 50% */
			tree_error(l->diag, node, "%s has no unit", text);
		else
			tree_error(l->diag, node, "%s has no unit; write %s%%",
				   text, text);
		break;
	case -ERANGE:
		tree_error(l->diag, node,
			   "%s is out of range: 0%% to %lld%%, in steps of "
			   "0.0000001%%",
			   text, (long long)(max_ppb / (UNITS_PPB_ALL / 100)));
		return false;
	default:
		tree_error(l->diag, node, "'%s' is not a percentage", text);
	}
	diag_help(l->diag, "write a number and a percent sign, as in %s",
		  type->max ? "50%" : "0.5%");
	return false;
}

static bool read_bytes(struct loader *l, const struct type *type,
		       const struct tree_node *node, uint64_t *out)
{
	const char *text = node->text;
	const char *unit = text + strspn(text, "0123456789.");
	int64_t bytes = 0;
	int r = units_parse_bytes(text, &bytes);

	if (!r && (uint64_t)bytes >= type->min &&
	    (uint64_t)bytes <= type->max) {
		*out = (uint64_t)bytes;
		return true;
	}
	switch (r) {
	case 0:
	case -ERANGE:
		tree_error(l->diag, node, "%s is out of range: %lluB to %lluB",
			   text, (unsigned long long)type->min,
			   (unsigned long long)type->max);
		return false;
	case -ENOKEY:
		if (!*unit) {
			tree_error(l->diag, node,
				   "%s has no unit; write %sB, %skB, ...", text,
				   text, text);
			return false;
		}
		tree_error_part(l->diag, node, unit, strlen(unit),
				"unknown unit '%s' in '%s'", unit, text);
		break;
	default:
		tree_error(l->diag, node, "expected %s; found '%s'",
			   type->expects, text);
	}
	diag_help(l->diag, "the units are B, kB, KiB, MB, MiB and GB");
	return false;
}

static bool read_queue(struct loader *l, const struct type *type,
		       const struct tree_node *node, struct value *out)
{
	const char *text = node->text;

	int64_t ns;

	out->queue.unit = QUEUE_IN_TIME;
	if (text[strspn(text, "0123456789")] &&
	    !units_parse_duration_ns(text, &ns)) {
		out->queue.number = (uint64_t)ns;
		if (ns >= QUEUE_NS_MIN && ns <= QUEUE_NS_MAX)
			return true;
		tree_error(l->diag, node, "%s is out of range: 1us to 1h",
			   text);
		return false;
	}
	out->queue.unit = QUEUE_IN_BYTES;
	if (!*text || text[strspn(text, "0123456789")])
		return read_bytes(l, type, node, &out->queue.number);
	out->queue.unit = QUEUE_IN_PACKETS;
	if (!units_parse_uint(text, UINT32_MAX, &out->queue.number) &&
	    out->queue.number)
		return true;
	tree_error(l->diag, node, "%s packets are out of range: 1 to %u", text,
		   UINT32_MAX);
	return false;
}

bool scalar_read_amount(struct loader *l, const struct type *type,
			const struct tree_node *node, struct value *out)
{
	switch (type->scalar) {
	case SCALAR_PERCENT:
		return read_percent(l, type, node, out);
	case SCALAR_BYTES:
		return read_bytes(l, type, node, &out->number);
	default:
		return read_queue(l, type, node, out);
	}
}
