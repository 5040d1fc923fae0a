/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts in aligned columns for a terminal. What is printed comes from records
 * that anyone may have written, so control characters never get through.
 */
#ifndef REPORT_TABLE_H
#define REPORT_TABLE_H

#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS 8
#define TABLE_CELL 40

struct table_row {
	char cells[TABLE_COLUMNS][TABLE_CELL]; /* the first one to the left */
	char *text; /* instead of cells: a line across all columns */
};

struct table {
	unsigned indent;
	VEC(struct table_row) rows;
};

/* An empty row, to be filled in; NULL: out of memory. */
struct table_row *table_add(struct table *t);
/* Into a cell, with "..." for what has no room there. */
void table_put(char cell[TABLE_CELL], const char *text);
/* A line across; out of memory leaves it out. */
void table_add_text(struct table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Columns that are empty in all rows take no room. */
void table_print(const struct table *t, FILE *out, bool utf8);
void table_free(struct table *t);

/* Prints text, unprintable characters as "?"; returns how many columns. */
size_t text_print(FILE *out, const char *text, bool utf8);

#endif
