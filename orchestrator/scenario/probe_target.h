/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCENARIO_PROBE_TARGET_H
#define SCENARIO_PROBE_TARGET_H

#include "orchestrator/scenario/load.h"

/* Each says what is wrong and returns false, or fills in the probe. */
bool probe_target_read(struct loader *l, const struct tree_node *node,
		       struct scn_probe *probe);
/* The rest is for probes with a good target. */
bool probe_target_check_family(struct loader *l, const struct value *family,
			       const struct scn_probe *probe);
bool probe_target_check_ping(struct loader *l, const struct value *to,
			     const struct scn_probe *probe);
bool probe_target_read_port(struct loader *l, const struct tree_node *key,
			    const struct value *to, const struct value *port,
			    struct scn_probe *probe);

#endif
