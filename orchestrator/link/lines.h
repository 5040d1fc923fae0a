/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that link properties are read from are lines of words. This reader
 * splits them without copying, whatever the bytes are, and reports errors by
 * line and column: all of them in one pass, up to a bound, after which one
 * more says that the rest was not looked at.
 */
#ifndef LINK_LINES_H
#define LINK_LINES_H

#include "base/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_ERRORS_MAX 8
#define LINES_WORDS_MAX 4

struct lines {
	const char *path, *text;
	size_t len, at; /* at: where the next line begins */
	unsigned line; /* the current one, from 1 */
	struct diag *diag;
	unsigned errors;
	bool source_known;
};

struct word {
	const char *s;
	size_t len;
	unsigned col;
};

void lines_init(struct lines *l, const char *path, const char *text, size_t len,
		struct diag *diag);
/*
 * The next line that is neither empty nor a comment (from '#' on): its first
 * words, n of them; more than LINES_WORDS_MAX count but are not given. False:
 * the text is over, or has too many errors.
 */
bool lines_next(struct lines *l, struct word words[LINES_WORDS_MAX], size_t *n);
/* At a word of the current line; NULL: at its beginning, or for an empty text
 * at the first line's. */
void lines_error(struct lines *l, const struct word *w, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Says, once, that there may be more errors. True: that is enough of them. */
bool lines_have_enough(struct lines *l);

/* From that word to the end of its line, spaces at the end left out. */
struct word lines_rest(const struct lines *l, const struct word *w);

bool word_is(const struct word *w, const char *text);
/* The word's decimal digits; false: it is no number up to max. */
bool word_number(const struct word *w, uint64_t max, uint64_t *out);
/* For "%.*s": bounded, so that a message stays readable. */
int word_shown(const struct word *w);

#endif
