/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a command, one after the other. */
#include "node/app/salctl_words.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "salctl: %s%s%s\nTry: salctl --help\n", what,
		word ? ": " : "", word ? word : "");
	return EXIT_USAGE;
}

int words_error(const struct words *w)
{
	for (int i = 0; i < w->n; i++) {
		const char *at = w->v[i];
		size_t left = strlen(at), n;
		uint32_t c;

		for (; left; at += n, left -= n) {
			n = utf8_decode(at, left, &c);
			if (!n)
				return usage_error("this is no text (UTF-8)",
						   w->v[i]);
		}
	}
	return 0;
}

const char *next_word(struct words *w)
{
	if (!w->n)
		return NULL;
	w->n--;
	return *w->v++;
}

int build_nothing(struct words *w, json_t *request)
{
	(void)request;
	return w->n ? usage_error("unexpected word", w->v[0]) : 0;
}
