/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnostics about a text that somebody wrote: all of them are collected, and
 * shown together, in the order of the text, as
 *
 *     file:line:col: error: what is wrong
 *        12 |   delay: 10
 *           |          ^~
 *     file:line:col: note: where the other half is
 *     help: what to write instead
 *
 * Notes and helps belong to the last error added.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/err.h"

#include <stddef.h>
#include <stdio.h>

struct diag;

struct diag *diag_new(void); /* NULL: out of memory */
struct diag *diag_free(struct diag *d); /* returns NULL */

/*
 * Makes a file's text known, so that its lines can be quoted. The text is
 * copied. Returns the file's name as the positions must carry it (owned by d,
 * or NULL where memory ran out).
 */
const char *diag_add_source(struct diag *d, const char *name, const char *text,
			    size_t len);

/* width: how many columns the caret underlines (at least 1 is drawn). */
void diag_error(struct diag *d, struct src_pos pos, unsigned width,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void diag_note(struct diag *d, struct src_pos pos, unsigned width,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void diag_help(struct diag *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

size_t diag_count(const struct diag *d); /* errors, notes not counted */

/* Quotes one position: the source line and the caret under it. */
void diag_quote(const struct diag *d, struct src_pos pos, unsigned width,
		FILE *out);
void diag_render(const struct diag *d, FILE *out);

/*
 * The candidate nearest to word by edit distance, or NULL where none is near
 * enough to be meant. n candidates; NULL entries are passed over.
 */
const char *diag_nearest(const char *word, const char *const *candidates,
			 size_t n);

#endif
