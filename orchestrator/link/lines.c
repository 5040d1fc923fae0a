/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/link/lines.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define WORD_SHOWN_MAX 40

void lines_init(struct lines *l, const char *path, const char *text, size_t len,
		struct diag *diag)
{
	*l = (struct lines){
		.path = path, .text = text, .len = len, .diag = diag
	};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Splits one line; columns count bytes, as nothing else is valid in there. */
static size_t split(const char *s, size_t len,
		    struct word words[LINES_WORDS_MAX])
{
	size_t n = 0, i = 0;

	while (i < len) {
		size_t start;

		if (is_space(s[i])) {
			i++;
			continue;
		}
		if (s[i] == '#')
			break;
		start = i;
		while (i < len && !is_space(s[i]) && s[i] != '#')
			i++;
		if (n < LINES_WORDS_MAX)
			words[n] = (struct word){ .s = s + start,
						  .len = i - start,
						  .col = (unsigned)start + 1 };
		n++;
	}
	return n;
}

bool lines_have_enough(struct lines *l)
{
	if (l->errors == LINES_ERRORS_MAX) {
		l->errors++;
		diag_help(l->diag, "the rest of %s was not looked at", l->path);
	}
	return l->errors > LINES_ERRORS_MAX;
}

bool lines_next(struct lines *l, struct word words[LINES_WORDS_MAX], size_t *n)
{
	while (l->at < l->len && l->line < UINT_MAX) {
		const char *s = l->text + l->at;
		const char *eol = memchr(s, '\n', l->len - l->at);
		size_t len = eol ? (size_t)(eol - s) : l->len - l->at;

		if (lines_have_enough(l))
			return false;
		l->at += len + (eol != NULL);
		l->line++;
		*n = split(s, len, words);
		if (*n)
			return true;
	}
	return false;
}

void lines_error(struct lines *l, const struct word *w, const char *fmt, ...)
{
	struct src_pos pos = { .file = l->path,
			       .line = l->line ? l->line : 1,
			       .col = w ? w->col : 1 };
	char text[256];
	va_list ap;

	if (!l->source_known) /* copied only where a line will be quoted */
		diag_add_source(l->diag, l->path, l->text, l->len);
	l->source_known = true;
	l->errors++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(l->diag, pos, w ? (unsigned)w->len : 1, "%s", text);
}

struct word lines_rest(const struct lines *l, const struct word *w)
{
	struct word rest = *w;
	const char *end = l->text + l->at, *c = w->s;

	while (c < end && *c != '\n' && *c != '#')
		c++;
	while (c > w->s && is_space(c[-1]))
		c--;
	rest.len = (size_t)(c - w->s);
	return rest;
}

bool word_is(const struct word *w, const char *text)
{
	return strlen(text) == w->len && !memcmp(w->s, text, w->len);
}

bool word_number(const struct word *w, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < w->len; i++) {
		if (w->s[i] < '0' || w->s[i] > '9' ||
		    __builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(w->s[i] - '0'), &v) ||
		    v > max)
			return false;
	}
	*out = v;
	return w->len > 0;
}

int word_shown(const struct word *w)
{
	return w->len > WORD_SHOWN_MAX ? WORD_SHOWN_MAX : (int)w->len;
}
