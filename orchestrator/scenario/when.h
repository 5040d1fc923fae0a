/* SPDX-License-Identifier: GPL-2.0-or-later */
/* when: what an entry of the timeline waits for. */
#ifndef SCENARIO_WHEN_H
#define SCENARIO_WHEN_H

#include "orchestrator/scenario/load.h"

extern const struct type type_when;

/* False: it had an error, which was told. What is in out is to be freed. */
bool when_read(struct loader *l, const struct tree_node *node,
	       struct scn_when *out);
void when_deinit(struct scn_when *w);
/* Another one of the same; false: out of memory, which is noted. */
bool when_copy(struct loader *l, const struct scn_when *from,
	       struct scn_when *to);

#endif
