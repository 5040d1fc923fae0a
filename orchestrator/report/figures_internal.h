/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the figures of packets and those of streams share (figures.c). */
#ifndef REPORT_FIGURES_INTERNAL_H
#define REPORT_FIGURES_INTERNAL_H

#include "orchestrator/report/figures.h"

/* When delivery was restored after an action, at the latest when the next one
 * begins. Called in the order of time: the phases before it are there. */
typedef int64_t (*figures_restored)(void *arg,
				    const struct figures_action *whole,
				    int64_t next_ns);

/* Each 0 or -ENOMEM. */
int figures_begin(struct figures *out, size_t n_actions);
int figures_cut(struct figures *f, const struct figures_action *actions,
		size_t n_actions, figures_restored restored, void *arg);

/* The last phase that begins at or before t: an empty one holds no time. */
size_t figures_phase_at(const struct figures *f, int64_t t);
/* A gap between two deliveries, at the door of the phases it belongs to. */
void figures_gap(struct figures *f, int64_t from, int64_t to);
/* Actions that join another one have the same outage. */
void figures_join_outages(struct figures *f,
			  const struct figures_action *actions);

#endif
