/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/cli/host_lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int host_line_add(line_vec *lines, const char *fmt, ...)
{
	char **slot = VEC_PUSH(lines);
	va_list ap;
	int n;

	if (!slot)
		return -ENOMEM;
	va_start(ap, fmt);
	n = vasprintf(slot, fmt, ap);
	va_end(ap);
	if (n >= 0)
		return 0;
	lines->n--;
	return -ENOMEM;
}

void host_lines_free(line_vec *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		free(lines->v[i]);
	VEC_FREE(lines);
}
