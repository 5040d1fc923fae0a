/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How what was expected and what was found are said. */
#include "orchestrator/report/expect_internal.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void expect_say(char **out, const char *fmt, ...)
{
	va_list ap;
	int n;

	free(*out);
	*out = NULL;
	va_start(ap, fmt);
	n = vasprintf(out, fmt, ap);
	va_end(ap);
	if (n < 0)
		*out = NULL;
}

/* ---- numbers and times within a range ---------------------------------- */

const char *expect_value_text(int64_t value, enum scn_unit unit, char *buf,
			      size_t size)
{
	switch (unit) {
	case SCN_UNIT_TIME:
		return units_format_duration(value, buf, size);
	case SCN_UNIT_RATE:
		return units_format_rate(value, buf, size);
	case SCN_UNIT_BYTES:
		return units_format_bytes(value, buf, size);
	case SCN_UNIT_SWITCH:
		return value ? "true" : "false";
	case SCN_UNIT_COUNT:
		break;
	}
	snprintf(buf, size, "%" PRId64, value);
	return buf;
}

void expect_range_text(char **out, const struct scn_range *range,
		       enum scn_unit unit)
{
	char min_buf[48], max_buf[48];
	const char *min =
		expect_value_text(range->min, unit, min_buf, sizeof(min_buf));
	const char *max =
		expect_value_text(range->max, unit, max_buf, sizeof(max_buf));

	if (range->has_min && range->has_max && range->min == range->max)
		expect_say(out, "%s", min);
	else if (range->has_min && range->has_max)
		expect_say(out, "%s to %s", min, max);
	else if (range->has_min)
		expect_say(out, "at least %s", min);
	else if (range->has_max)
		expect_say(out, "at most %s", max);
	else
		expect_say(out, "any");
}

bool expect_in_range(const struct scn_range *range, int64_t value)
{
	return (!range->has_min || value >= range->min) &&
	       (!range->has_max || value <= range->max);
}

/*
 * A time just outside of a bound may look like the bound once it is rounded;
 * "50 ms, expected at most 50 ms" would puzzle, so then it is given in full.
 */
void expect_actual_text(struct judgement *j, const struct scn_range *range,
			int64_t value, enum scn_unit unit)
{
	static const char *const smallest[] = { [SCN_UNIT_TIME] = "ns",
						[SCN_UNIT_RATE] = "bit/s",
						[SCN_UNIT_BYTES] = "B" };
	bool rounds = unit == SCN_UNIT_TIME || unit == SCN_UNIT_RATE ||
		      unit == SCN_UNIT_BYTES;
	char buf[48], bound[48];
	const char *text = expect_value_text(value, unit, buf, sizeof(buf));
	bool puzzles = false;

	if (rounds && !j->held) {
		expect_value_text(range->min, unit, bound, sizeof(bound));
		puzzles = range->has_min && strcmp(text, bound) == 0;
		expect_value_text(range->max, unit, bound, sizeof(bound));
		puzzles |= range->has_max && strcmp(text, bound) == 0;
	}
	if (puzzles)
		expect_say(&j->actual, "%" PRId64 " %s", value, smallest[unit]);
	else
		expect_say(&j->actual, "%s", text);
}
