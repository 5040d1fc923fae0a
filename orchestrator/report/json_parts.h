/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What results.json is made of: json.c says how. */
#ifndef REPORT_JSON_PARTS_H
#define REPORT_JSON_PARTS_H

#include "orchestrator/report/internal.h"

#include <jansson.h>

struct builder {
	const struct report *report;
	bool ok;
};

/* Both steal the value; NULL, which is a lack of memory, is noted in ok. */
void results_set(struct builder *b, json_t *object, const char *key,
		 json_t *value);
void results_append(struct builder *b, json_t *array, json_t *value);
/* Values; null for what is not known. */
json_t *results_time(int64_t ns);
json_t *results_uint(uint64_t n);
json_t *results_text(const char *text);
json_t *results_line(unsigned line);
/* From the timeline's zero. */
json_t *results_t(const struct builder *b, int64_t mono_ns);

/* moves.c: "moves". */
json_t *results_moves(struct builder *b);

/* json_probe.c: one of "probes". */
json_t *results_probe(struct builder *b, size_t i);

#endif
