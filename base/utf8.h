/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UTF-8, one character (code point) at a time. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the character at s: returns how many bytes it takes (1 to 4), or 0
 * where the bytes are none (overlong forms, surrogates and values beyond
 * U+10FFFF included). len is at least 1.
 */
size_t utf8_decode(const char *s, size_t len, uint32_t *out);

/* How many characters there are; a byte that belongs to none counts as one. */
size_t utf8_count(const char *s, size_t len);

/* The longest prefix of at most max bytes that cuts no character in two. */
size_t utf8_truncate(const char *s, size_t len, size_t max);

/* Of a text that snprintf() has cut off: takes away what is left of the
 * character it was cut in. Any other text stays. */
void utf8_mend(char *s);

#endif
