/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found on the host, a line for each thing. */
#ifndef CLI_HOST_LINES_H
#define CLI_HOST_LINES_H

#include "base/vec.h"

typedef VEC(char *) line_vec;

/* As printf(3). 0 or -ENOMEM. */
int host_line_add(line_vec *lines, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void host_lines_free(line_vec *lines);

#endif
