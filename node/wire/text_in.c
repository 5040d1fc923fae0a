/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/wire/text_in.h"

#include <errno.h>
#include <string.h>

int text_fail(struct text_in *in, const char *where, const char *what)
{
	return err_set(in->err, EINVAL, "column %zu: %s",
		       (size_t)(where - in->start) + 1, what);
}

void text_skip_spaces(struct text_in *in)
{
	while (*in->p == ' ')
		in->p++;
}

struct text_word text_peek(struct text_in *in)
{
	text_skip_spaces(in);
	return (struct text_word){ in->p, strcspn(in->p, " |") };
}

struct text_word text_take(struct text_in *in)
{
	struct text_word w = text_peek(in);

	in->p += w.n;
	return w;
}

bool text_is(struct text_word w, const char *text)
{
	return w.n == strlen(text) && !memcmp(w.p, text, w.n);
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

int text_number(struct text_in *in, struct text_word w, unsigned base,
		uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (!w.n)
		return text_fail(in, w.p, "a number is missing");
	for (size_t i = 0; i < w.n; i++) {
		int digit = digit_of(w.p[i]);

		if (digit < 0 || (unsigned)digit >= base)
			return text_fail(in, w.p + i, "not a digit");
		if ((unsigned)digit > max ||
		    value > (max - (unsigned)digit) / base)
			return text_fail(in, w.p, "the number is too large");
		value = value * base + (unsigned)digit;
	}
	*out = value;
	return 0;
}

int text_take_u32(struct text_in *in, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;
	int r = text_number(in, text_take(in), 10, max, &value);

	*out = (uint32_t)value;
	return r;
}

/* What follows "key=" in the next word, which must have that form. */
static int take_keyed(struct text_in *in, const char *key,
		      struct text_word *out)
{
	size_t n = strlen(key);
	struct text_word w = text_take(in);

	if (w.n <= n || memcmp(w.p, key, n) || w.p[n] != '=')
		return err_set(in->err, EINVAL, "column %zu: \"%s=\" expected",
			       (size_t)(w.p - in->start) + 1, key);
	*out = (struct text_word){ w.p + n + 1, w.n - n - 1 };
	return 0;
}

int text_take_value(struct text_in *in, const char *key, unsigned base,
		    uint64_t max, uint64_t *out)
{
	struct text_word w;
	int r = take_keyed(in, key, &w);

	return r ? r : text_number(in, w, base, max, out);
}

int text_take_optional(struct text_in *in, const char *key, uint64_t max,
		       uint64_t *out)
{
	size_t n = strlen(key);
	struct text_word w = text_peek(in);

	*out = 0;
	if (w.n <= n || memcmp(w.p, key, n) || w.p[n] != '=')
		return 0;
	return text_take_value(in, key, 16, max, out);
}

int text_hex(struct text_in *in, struct text_word w, uint8_t *out, size_t size)
{
	if (w.n % 2)
		return text_fail(in, w.p,
				 "an odd number of hexadecimal digits");
	if (w.n / 2 > size)
		return text_fail(in, w.p, "more bytes than fit");
	for (size_t i = 0; i < w.n / 2; i++) {
		int high = digit_of(w.p[2 * i]);
		int low = digit_of(w.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return text_fail(in, w.p + 2 * i,
					 "not a hexadecimal digit");
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(w.n / 2);
}

int text_store_hex(struct text_in *in, struct text_word w, const uint8_t **out)
{
	uint8_t *to = in->store + in->stored;
	int n = text_hex(in, w, to, sizeof(in->store) - in->stored);

	if (n > 0)
		in->stored += (size_t)n;
	*out = to;
	return n;
}

int text_take_bytes(struct text_in *in, const char *key, int len,
		    const uint8_t **out)
{
	struct text_word w;
	int r = take_keyed(in, key, &w);

	if (r)
		return r;
	r = text_store_hex(in, w, out);
	if (r >= 0 && r != len)
		return text_fail(in, w.p, "not as many bytes as there must be");
	return r < 0 ? r : 0;
}
