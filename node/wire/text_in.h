/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words of the text form: what every construct of it is made of.
 *
 * A packet borrows its lists and keys, and a text has none to lend, so they
 * are gathered in a store as large as any header.
 */
#ifndef WIRE_TEXT_IN_H
#define WIRE_TEXT_IN_H

#include "base/err.h"
#include "include/serval/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_in {
	const char *start;
	const char *p;
	struct err *err;
	uint8_t store[SAL_HEADER_MAX];
	size_t stored;
};

/* Ends at a space or "|"; empty at the end of a section and of the text. */
struct text_word {
	const char *p;
	size_t n;
};

/* Sets the error, with the column of where; returns -EINVAL. */
int text_fail(struct text_in *in, const char *where, const char *what);

void text_skip_spaces(struct text_in *in);
struct text_word text_peek(struct text_in *in);
struct text_word text_take(struct text_in *in);
bool text_is(struct text_word w, const char *text);

/* All that follow return 0 or what text_fail() does, unless they say more. */
int text_number(struct text_in *in, struct text_word w, unsigned base,
		uint64_t max, uint64_t *out);
int text_take_u32(struct text_in *in, uint32_t max, uint32_t *out);
/* "key=NUMBER". */
int text_take_value(struct text_in *in, const char *key, unsigned base,
		    uint64_t max, uint64_t *out);
/* "key=NUMBER" in base 16; 0 into out where the next word is another one. */
int text_take_optional(struct text_in *in, const char *key, uint64_t max,
		       uint64_t *out);

/* Into out, at most size bytes. The number of bytes, or -EINVAL. */
int text_hex(struct text_in *in, struct text_word w, uint8_t *out, size_t size);
/* Into the store. The number of bytes, or -EINVAL. */
int text_store_hex(struct text_in *in, struct text_word w, const uint8_t **out);
/* "key=HEX" of exactly len bytes, into the store. */
int text_take_bytes(struct text_in *in, const char *key, int len,
		    const uint8_t **out);

#endif
