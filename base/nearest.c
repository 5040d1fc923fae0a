/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the words that exist was meant by one that does not. */
#include "base/diag.h"

#include <string.h>

#define WORD_MAX 64 /* bytes; longer words get no suggestions */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/*
 * How many insertions, deletions, replacements and swaps of neighbours turn a
 * into b (optimal string alignment). Case does not count.
 */
static unsigned distance(const char *a, size_t a_len, const char *b,
			 size_t b_len)
{
	unsigned rows[3][WORD_MAX + 1];
	unsigned *two_up = rows[0], *up = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		up[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *oldest = two_up;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = min3(up[j] + 1, row[j - 1] + 1,
				      up[j - 1] + !same);
			if (i > 1 && j > 1 && two_up[j - 2] + 1 < row[j] &&
			    lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = two_up[j - 2] + 1;
		}
		two_up = up;
		up = row;
		row = oldest;
	}
	return up[b_len];
}

const char *diag_nearest(const char *word, const char *const *candidates,
			 size_t n)
{
	size_t len = strnlen(word, WORD_MAX + 1);
	const char *best = NULL;
	unsigned best_distance = 0;

	if (!len || len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other, longer;
		unsigned far;

		if (!candidates[i])
			continue;
		other = strnlen(candidates[i], WORD_MAX + 1);
		if (!other || other > WORD_MAX)
			continue;
		longer = len > other ? len : other;
		far = distance(word, len, candidates[i], other);
		/* A third of the letters may be wrong, but not all of them. */
		if (far > (longer + 2) / 3 || far >= longer)
			continue;
		if (!best || far < best_distance) {
			best = candidates[i];
			best_distance = far;
		}
	}
	return best;
}
