/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A distribution of jitter, read from a file: a line a value, "OFFSET WEIGHT",
 * the offset a duration with its unit and perhaps a sign ("-1.5ms 20"), the
 * weight a whole number. Between two neighbouring values nothing is made up:
 * offsets come out as they stand there. '#' begins a comment.
 */
#ifndef LINK_HISTOGRAM_H
#define LINK_HISTOGRAM_H

#include "base/diag.h"

#include <stddef.h>
#include <stdint.h>

struct link_histogram;

/* As link_trace_parse(). */
int link_histogram_parse(const char *path, const char *text, size_t len,
			 struct diag *diag, struct link_histogram **out);
struct link_histogram *link_histogram_free(struct link_histogram *h);
const char *link_histogram_path(const struct link_histogram *h);
/* The offset at which that share (of 2^32) of all weight is reached. */
int64_t link_histogram_at(const struct link_histogram *h, uint32_t share);

#endif
