/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/json_parts.h"

#include <inttypes.h>
#include <stdio.h>

void results_set(struct builder *b, json_t *object, const char *key,
		 json_t *value)
{
	if (json_object_set_new(object, key, value) != 0)
		b->ok = false;
}

void results_append(struct builder *b, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		b->ok = false;
}

json_t *results_time(int64_t ns)
{
	return ns == FIGURE_NONE ? json_null() : json_integer(ns);
}

/* Numbers beyond int64_t have no place in jansson's integers. */
json_t *results_uint(uint64_t n)
{
	char text[24];

	if (n <= INT64_MAX)
		return json_integer((json_int_t)n);
	snprintf(text, sizeof(text), "%" PRIu64, n);
	return json_string(text);
}

json_t *results_text(const char *text)
{
	return text ? json_string(text) : json_null();
}

json_t *results_line(unsigned line)
{
	return line ? json_integer(line) : json_null();
}

json_t *results_t(const struct builder *b, int64_t mono_ns)
{
	return results_time(record_t_ns(&b->report->record, mono_ns));
}
