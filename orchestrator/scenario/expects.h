/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the readers of expectations share. */
#ifndef SCENARIO_EXPECTS_H
#define SCENARIO_EXPECTS_H

#include "orchestrator/scenario/reach.h"

/* NULL (noted in l): out of memory. */
struct scn_expect *expect_add(struct loader *l, enum scn_expect_kind kind,
			      const struct tree_node *node, size_t subject);

extern const struct type type_within;
extern const struct type type_entry_name; /* expects_probe.c */

/* expects_range.c */
extern const struct type type_count_range, type_time_range;
/* Likewise, or shares of what another probe has. */
extern const struct type type_probe_count, type_probe_time, type_probe_rate,
	type_probe_bytes;
/* given: a value of the type, which is one of these. out->of says whether its
 * bounds are shares. */
bool range_read(struct loader *l, const struct type *type,
		const struct value *given, struct range_source *out);

/* expects_probe.c */
extern const struct mapping expect_probe;
void expect_probe_read(struct loader *l, const struct tree_node *node,
		       const struct value *v);

/* expects_link.c */
extern const struct mapping expect_link;
void expect_link_read(struct loader *l, const struct tree_node *node,
		      const struct value *v);

/* expects_service.c */
extern const struct mapping expect_service;
void expect_service_read(struct loader *l, const struct tree_node *node,
			 const struct value *v);

#endif
