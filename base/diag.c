/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnostics are kept as finished texts with a position, and sorted only when
 * they are shown: a check may find its errors in whatever order suits it.
 *
 * What goes in comes from a file that anybody may have written. So messages
 * are cut at a fixed length, only so many are kept (the rest is counted), and
 * no control character reaches the terminal, neither from a message nor from a
 * quoted line. Columns count characters, as editors do; a line is quoted with
 * its tabs, and the line of the caret repeats them, so that the caret stands
 * right whatever the width of a tab is.
 */
#include "base/diag.h"

#include "base/cleanup.h"
#include "base/utf8.h"
#include "base/vec.h"

#include <stdint.h>
#include <string.h>

#define DIAG_TEXT_MAX 1024 /* bytes of one message */
#define DIAG_KEPT_MAX 1000 /* errors kept */
#define DIAG_NOTES_MAX 16 /* notes and helps kept for one error */
#define DIAG_SHOWN_MAX 50 /* errors shown */
#define DIAG_LINE_MAX 120 /* characters of a line that are quoted */

struct source {
	char *name;
	char *text; /* NULL: known by name only */
	size_t len;
};

enum part_kind { PART_ERROR, PART_NOTE, PART_HELP };

struct part {
	enum part_kind kind;
	struct src_pos pos;
	size_t file; /* which one: 0 is none, 1 the first source */
	unsigned width;
	char *text;
};

/* An error with its notes and helps: parts [first, first + n). */
struct entry {
	size_t first, n;
	size_t order;
};

struct diag {
	VEC(struct source) sources;
	VEC(struct part) parts;
	VEC(struct entry) entries;
	size_t count;
	bool closed; /* the last error was not kept: neither are its notes */
};

struct diag *diag_new(void)
{
	return calloc(1, sizeof(struct diag));
}

struct diag *diag_free(struct diag *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->sources.n; i++) {
		free(d->sources.v[i].name);
		free(d->sources.v[i].text);
	}
	for (size_t i = 0; i < d->parts.n; i++)
		free(d->parts.v[i].text);
	VEC_FREE(&d->sources);
	VEC_FREE(&d->parts);
	VEC_FREE(&d->entries);
	free(d);
	return NULL;
}

static struct source *find_source(const struct diag *d, const char *name)
{
	for (size_t i = 0; i < d->sources.n; i++)
		if (!strcmp(d->sources.v[i].name, name))
			return &d->sources.v[i];
	return NULL;
}

static struct source *add_name(struct diag *d, const char *name)
{
	struct source *source = find_source(d, name);
	char *copy;

	if (source)
		return source;
	copy = strdup(name);
	if (!copy)
		return NULL;
	source = VEC_PUSH(&d->sources);
	if (!source) {
		free(copy);
		return NULL;
	}
	source->name = copy;
	return source;
}

const char *diag_add_source(struct diag *d, const char *name, const char *text,
			    size_t len)
{
	struct source *source = add_name(d, name);
	char *copy;

	if (!source)
		return NULL;
	copy = malloc(len + 1);
	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	free(source->text);
	source->text = copy;
	source->len = len;
	return source->name;
}

/* ---- collecting -------------------------------------------------------- */

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* Cut to size at a whole character, without control characters. */
__attribute__((format(printf, 1, 0))) static char *clean_text(const char *fmt,
							      va_list ap)
{
	char raw[DIAG_TEXT_MAX + 1];
	int n = vsnprintf(raw, sizeof(raw), fmt, ap);
	size_t len = n < 0 ? 0 : strlen(raw);
	bool cut = n > (int)len;
	char *text = malloc(len * 3 + 4), *out = text;
	uint32_t c;

	if (!text)
		return NULL;
	for (const char *s = raw; len;) {
		size_t size = utf8_decode(s, len, &c);

		if (!size && cut && len < 4)
			break; /* a character that the cut went through */
		if (!size || is_control(c)) {
			memcpy(out, "\uFFFD", 3);
			out += 3;
			size = 1 + (size == 2);
		} else {
			memcpy(out, s, size);
			out += size;
		}
		s += size;
		len -= size;
	}
	strcpy(out, cut ? "..." : "");
	return text;
}

static bool same_pos(const struct src_pos *a, const struct src_pos *b)
{
	return a->line == b->line && a->col == b->col && a->file == b->file;
}

__attribute__((format(printf, 5, 0))) static void
add_part(struct diag *d, enum part_kind kind, struct src_pos pos,
	 unsigned width, const char *fmt, va_list ap)
{
	struct entry *entry =
		d->entries.n ? &d->entries.v[d->entries.n - 1] : NULL;
	struct part *part;

	if (kind != PART_ERROR &&
	    (d->closed || !entry || entry->n > DIAG_NOTES_MAX))
		return;
	part = VEC_PUSH(&d->parts);
	if (!part)
		return;
	part->kind = kind;
	part->pos = pos;
	part->width = width;
	part->text = clean_text(fmt, ap);
	if (pos.file) {
		/* The caller's name may go before we do. */
		struct source *source = add_name(d, pos.file);

		part->pos.file = source ? source->name : NULL;
		part->file = source ? (size_t)(source - d->sources.v) + 1 : 0;
	}
	if (kind != PART_ERROR)
		entry->n++;
}

/* An error in a text that is used twice, by an alias, is still one error. */
static bool is_repeated(const struct diag *d, const struct part *last)
{
	for (size_t i = 0; i < d->entries.n; i++) {
		const struct part *part = &d->parts.v[d->entries.v[i].first];

		if (same_pos(&part->pos, &last->pos) && part->text &&
		    last->text && !strcmp(part->text, last->text))
			return true;
	}
	return false;
}

void diag_error(struct diag *d, struct src_pos pos, unsigned width,
		const char *fmt, ...)
{
	size_t first = d->parts.n;
	struct entry *entry;
	va_list ap;

	if (d->entries.n == DIAG_KEPT_MAX) {
		d->count++;
		d->closed = true;
		return;
	}
	va_start(ap, fmt);
	add_part(d, PART_ERROR, pos, width, fmt, ap);
	va_end(ap);
	d->closed = true;
	if (d->parts.n > first && is_repeated(d, &d->parts.v[first])) {
		free(d->parts.v[first].text);
		d->parts.n = first;
		return;
	}
	d->count++;
	if (d->parts.n == first)
		return;
	entry = VEC_PUSH(&d->entries);
	if (!entry) {
		free(d->parts.v[first].text);
		d->parts.n = first;
		return;
	}
	entry->first = first;
	entry->n = 1;
	entry->order = d->entries.n;
	d->closed = false;
}

void diag_note(struct diag *d, struct src_pos pos, unsigned width,
	       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_part(d, PART_NOTE, pos, width, fmt, ap);
	va_end(ap);
}

void diag_help(struct diag *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_part(d, PART_HELP, (struct src_pos){ 0 }, 0, fmt, ap);
	va_end(ap);
}

size_t diag_count(const struct diag *d)
{
	return d->count;
}

/* ---- showing ----------------------------------------------------------- */

/* The text of a line without its end; false where there is no such line. */
static bool find_line(const struct source *source, unsigned line,
		      const char **start, size_t *len)
{
	const char *s = source->text, *end = s + source->len, *eol;

	for (; line > 1; line--) {
		s = memchr(s, '\n', (size_t)(end - s));
		if (!s)
			return false;
		s++;
	}
	if (s == end)
		return false;
	eol = memchr(s, '\n', (size_t)(end - s));
	*start = s;
	*len = (size_t)((eol ? eol : end) - s);
	if (*len && s[*len - 1] == '\r')
		--*len;
	return true;
}

/* One character of a quoted line, made harmless. Returns its bytes. */
static size_t quote_char(const char *s, size_t len, FILE *out)
{
	uint32_t c;
	size_t n = utf8_decode(s, len, &c);

	if (n && (c == '\t' || !is_control(c)) && c != 0xfeff) {
		if (out)
			fwrite(s, 1, n, out);
	} else {
		if (out)
			fputs(c == 0xfeff && n ? "" : "\uFFFD", out);
		n = n ? n : 1;
	}
	return n;
}

void diag_quote(const struct diag *d, struct src_pos pos, unsigned width,
		FILE *out)
{
	const struct source *source;
	size_t len, n, first = 1, last, col = pos.col ? pos.col : 1;
	const char *line;

	source = pos.file ? find_source(d, pos.file) : NULL;
	if (!source || !source->text || !pos.line ||
	    !find_line(source, pos.line, &line, &len))
		return;
	if (pos.line == 1 && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3; /* a byte order mark is no character of the line */
		len -= 3;
	}
	n = utf8_count(line, len);
	if (col > n + 1)
		col = n + 1;
	last = n;
	if (n > DIAG_LINE_MAX) { /* a window with the caret in its first half */
		if (col > DIAG_LINE_MAX / 2)
			first = col - DIAG_LINE_MAX / 2;
		last = first + DIAG_LINE_MAX - 1;
		if (last > n)
			last = n;
	}
	if (!width || col > n)
		width = 1;
	else if (width > last + 1 - col)
		width = (unsigned)(last + 1 - col);

	fprintf(out, "%5u | %s", pos.line, first > 1 ? "..." : "");
	for (size_t i = 1, at = 0; i <= last; i++)
		at += quote_char(line + at, len - at, i < first ? NULL : out);
	fprintf(out, "%s\n      | %s", last < n ? "..." : "",
		first > 1 ? "   " : "");
	for (size_t i = 1, at = 0; i < col && at < len; i++) {
		char c = line[at];

		at += quote_char(line + at, len - at, NULL);
		if (i >= first)
			fputc(c == '\t' ? '\t' : ' ', out);
	}
	fputc('^', out);
	for (unsigned i = 1; i < width; i++)
		fputc('~', out);
	fputc('\n', out);
}

static void render_part(const struct diag *d, const struct part *part,
			FILE *out)
{
	static const char *const words[] = {
		[PART_ERROR] = "error",
		[PART_NOTE] = "note",
		[PART_HELP] = "help",
	};
	const char *text = part->text ? part->text : "out of memory";

	if (part->pos.file)
		fprintf(out, "%s:", part->pos.file);
	if (part->pos.line)
		fprintf(out, "%u:%u:", part->pos.line, part->pos.col);
	fprintf(out, "%s%s: %s\n", part->pos.file ? " " : "", words[part->kind],
		text);
	if (part->pos.line)
		diag_quote(d, part->pos, part->width, out);
}

static int compare_entries(const void *a, const void *b, void *arg)
{
	const struct diag *d = arg;
	const struct entry *x = a, *y = b;
	const struct part *px = &d->parts.v[x->first];
	const struct part *py = &d->parts.v[y->first];
	const struct src_pos *p = &px->pos, *q = &py->pos;

	if (px->file != py->file)
		return px->file < py->file ? -1 : 1;
	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->col != q->col)
		return p->col < q->col ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void diag_render(const struct diag *d, FILE *out)
{
	CLEANUP_FREE struct entry *sorted = NULL;
	const struct entry *entries = d->entries.v;
	size_t shown = d->entries.n;

	if (!d->count)
		return;
	sorted = calloc(d->entries.n + 1, sizeof(*sorted));
	if (sorted && d->entries.n) { /* else in the order they were found */
		memcpy(sorted, entries, d->entries.n * sizeof(*sorted));
		qsort_r(sorted, d->entries.n, sizeof(*sorted), compare_entries,
			(void *)d);
		entries = sorted;
	}
	if (shown > DIAG_SHOWN_MAX)
		shown = DIAG_SHOWN_MAX;
	for (size_t i = 0; i < shown; i++)
		for (size_t k = 0; k < entries[i].n; k++)
			render_part(d, &d->parts.v[entries[i].first + k], out);
	if (d->count > shown)
		fprintf(out, "... and %zu more\n", d->count - shown);
	fprintf(out, "%zu error%s\n", d->count, d->count == 1 ? "" : "s");
}
