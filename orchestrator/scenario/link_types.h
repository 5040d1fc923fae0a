/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings that stand for some properties of links (link_types.c), for
 * link_props.c. */
#ifndef SCENARIO_LINK_TYPES_H
#define SCENARIO_LINK_TYPES_H

#include "orchestrator/scenario/load.h"

enum { JITTER_SPREAD, JITTER_DISTRIBUTION, JITTER_HISTOGRAM, JITTER_UNORDERED };
extern const struct mapping mapping_jitter;

/* Of the four kinds of loss; the last two have one field. */
enum { LOSS_RATE, LOSS_LENGTH };
enum { LOSS_TO_BAD, LOSS_TO_GOOD, LOSS_IN_BAD, LOSS_IN_GOOD };
extern const struct mapping mapping_loss, mapping_loss_bursts,
	mapping_loss_states, mapping_loss_pattern, mapping_loss_file;

enum { RATE_TRACE, RATE_LOOP };
extern const struct mapping mapping_rate;

enum { QUEUE_PACKETS, QUEUE_BYTES, QUEUE_WAIT, QUEUE_ECN };
extern const struct mapping mapping_queue;

#endif
