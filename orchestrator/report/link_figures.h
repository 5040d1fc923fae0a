/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the emulator says of the links it carried (links.json, docs/record.md):
 * what was asked of each direction beside what it got.
 */
#ifndef REPORT_LINK_FIGURES_H
#define REPORT_LINK_FIGURES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_FIGURE_NONE INT64_MIN /* no such figure */

struct link_side { /* one direction, by its sending end */
	char *properties; /* at the end of the run, as the scenario has them */
	int64_t changes;
	int64_t offered, delivered; /* frames, like all of these */
	int64_t lost, duplicated, corrupted, reordered, marked; /* by fate */
	int64_t queue_dropped, mtu_dropped, down_dropped;
	double lost_expected, lost_bound; /* and how far off is possible */
	bool lost_within;
	int64_t late_p50_ns, late_p99_ns, late_max_ns;
	int64_t delay_asked_ns, delay_mean_ns, delay_p50_ns, delay_p99_ns;
	int64_t busy_ns; /* in which the rate was the limit */
	int64_t rate_asked_bps, rate_realised_bps; /* LINK_FIGURE_NONE */
	int64_t inside_most, queued_most, queued_bytes_most;
	int64_t machine_dropped; /* what the model did not drop */
	bool device_gone;
};

struct link_figures {
	char *name;
	int64_t tolerance_ns;
	struct link_side side[2]; /* by the scenario's end */
};

struct links_record {
	struct link_figures *v;
	size_t n;
	bool read; /* there was a file */
	int64_t reading_late_p99_ns; /* of the emulator; 0 where it is older */
};

/* 0; -EBADMSG with what is wrong with it. A file that is not there is none:
 * out->read. To be freed either way. */
int link_figures_read(const char *path, struct links_record *out,
		      struct err *err);
void link_figures_free(struct links_record *l);
/* NULL: it is not one of them. */
const struct link_figures *link_figures_find(const struct links_record *l,
					     const char *name);

#endif
