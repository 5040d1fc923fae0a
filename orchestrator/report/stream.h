/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stream's two ends told of it, taken together (docs/measures.md). Each
 * is FIGURE_NONE where it cannot be known. */
#ifndef REPORT_STREAM_H
#define REPORT_STREAM_H

#include "orchestrator/report/record.h"

int64_t stream_connect_ns(const struct record_probe *p);
/* 0 or 1. */
int64_t stream_survives(const struct record_probe *p);
int64_t stream_intact(const struct record_probe *p);
/* What the receiving side has of it; RECORD_NONE: nothing was wrong. */
int64_t stream_first_wrong(const struct record_probe *p);

#endif
