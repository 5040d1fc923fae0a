/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fates that are written down instead of drawn: by hand, or by an earlier run
 * (link_fates_write()).
 *
 * By hand: '.' passes, 'x' is lost; spaces and line ends mean nothing. It holds
 * for every stream, from its first frame on, and begins again at its end.
 *
 * A recorded one begins with the line "servalab-fates 1", and names streams and
 * what happened to their frames in turn; streams that it does not name, and
 * frames behind the last one it tells of, pass.
 */
#ifndef LINK_PATTERN_H
#define LINK_PATTERN_H

#include "base/diag.h"

#include <stddef.h>

struct link_pattern;

/* As link_trace_parse(); either form. */
int link_pattern_parse(const char *path, const char *text, size_t len,
		       struct diag *diag, struct link_pattern **out);
struct link_pattern *link_pattern_free(struct link_pattern *p);
const char *link_pattern_path(const struct link_pattern *p);

#endif
