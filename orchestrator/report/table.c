/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/table.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <string.h>

#define GAP 2 /* columns between columns */

struct table_row *table_add(struct table *t)
{
	return VEC_PUSH(&t->rows);
}

void table_put(char cell[TABLE_CELL], const char *text)
{
	static const char cut[] = "...";
	size_t len = strlen(text), kept = len;

	if (len >= TABLE_CELL)
		kept = utf8_truncate(text, len, TABLE_CELL - sizeof(cut));
	memcpy(cell, text, kept);
	strcpy(cell + kept, kept < len ? cut : "");
}

void table_add_text(struct table *t, const char *fmt, ...)
{
	struct table_row *row = VEC_PUSH(&t->rows);
	va_list ap;

	if (!row)
		return;
	va_start(ap, fmt);
	if (vasprintf(&row->text, fmt, ap) < 0) {
		row->text = NULL;
		t->rows.n--;
	}
	va_end(ap);
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->rows.n; i++)
		free(t->rows.v[i].text);
	VEC_FREE(&t->rows);
}

size_t text_print(FILE *out, const char *text, bool utf8)
{
	size_t len = strlen(text), columns = 0;

	for (size_t n; len; text += n, len -= n, columns++) {
		uint32_t c;

		n = utf8_decode(text, len, &c);
		if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) ||
		    (n > 1 && !utf8)) {
			fputc('?', out);
			n = n ? n : 1;
		} else {
			fwrite(text, 1, n, out);
		}
	}
	return columns;
}

static void pad(FILE *out, size_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

static void row_print(const struct table_row *row, const size_t *widths,
		      FILE *out, bool utf8)
{
	size_t owed = 0; /* blanks, held back so that none ends a line */

	for (size_t i = 0; i < TABLE_COLUMNS; i++) {
		const char *cell = row->cells[i];
		size_t len = utf8_count(cell, strlen(cell));

		if (!widths[i])
			continue;
		if (i > 0)
			owed += GAP + widths[i] - len;
		if (len) {
			pad(out, owed);
			text_print(out, cell, utf8);
			owed = 0;
		}
		if (i == 0)
			owed += widths[i] - len;
	}
}

void table_print(const struct table *t, FILE *out, bool utf8)
{
	size_t widths[TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->rows.n; i++) {
		for (size_t j = 0; j < TABLE_COLUMNS; j++) {
			const char *cell = t->rows.v[i].cells[j];
			size_t len = utf8_count(cell, strlen(cell));

			if (len > widths[j])
				widths[j] = len;
		}
	}
	for (size_t i = 0; i < t->rows.n; i++) {
		const struct table_row *row = &t->rows.v[i];

		pad(out, t->indent);
		if (row->text)
			text_print(out, row->text, utf8);
		else
			row_print(row, widths, out, utf8);
		fputc('\n', out);
	}
}
