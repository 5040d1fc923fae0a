/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs side by side: a table of what their probes lived through, a column a
 * run, read from their results.json (docs/results.md).
 */
#ifndef REPORT_COMPARE_H
#define REPORT_COMPARE_H

#include "base/err.h"

#include <stddef.h>
#include <stdio.h>

#define COMPARE_RUNS_MAX 7

/*
 * paths: records' folders, or files of results; n: 1 to COMPARE_RUNS_MAX. 0, or
 * a negative errno (-EBADMSG: one is no such file; -ENODATA: one is the record
 * of a run that has no results), with nothing printed.
 */
int compare_print(const char *const *paths, size_t n, FILE *out,
		  struct err *err);

#endif
