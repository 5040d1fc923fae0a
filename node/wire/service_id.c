/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/serval/service_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Digits from the left; false: too many, or not all of them digits. */
static bool parse_hex(const char *text, size_t n, struct service_id *out)
{
	if (n > 2 * SERVICE_ID_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return false;
		out->bytes[i / 2] |= (uint8_t)(digit << (i % 2 ? 0 : 4));
	}
	return true;
}

static int parse_decimal(const char *text, size_t n, uint64_t max,
			 uint64_t *out)
{
	uint64_t value = 0;

	if (!n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value > max)
			value = max + 1; /* cannot wrap however long it is */
	}
	if (value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

static bool is_zero_beyond(const struct service_id *id, unsigned bits)
{
	for (unsigned i = bits; i < SERVICE_ID_BITS; i++)
		if (id->bytes[i / 8] & 0x80 >> i % 8)
			return false;
	return true;
}

int service_prefix_parse(const char *text, struct service_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct service_prefix p = { .bits = SERVICE_ID_BITS };
	bool has_0x = n > 2 && text[0] == '0' && (text[1] | 0x20) == 'x';
	uint64_t value;
	int r;

	if (slash) {
		r = parse_decimal(slash + 1, strlen(slash + 1), SERVICE_ID_BITS,
				  &value);
		if (r)
			return r;
		p.bits = (uint16_t)value;
	}
	if (has_0x || n == 2 * SERVICE_ID_LEN) {
		const char *digits = text + (has_0x ? 2 : 0);

		n -= has_0x ? 2 : 0;
		if (n * 4 < p.bits || !parse_hex(digits, n, &p.id))
			return -EINVAL;
	} else {
		r = parse_decimal(text, n, UINT32_MAX, &value);
		if (r)
			return r;
		for (unsigned i = 0; i < 4; i++)
			p.id.bytes[i] = (uint8_t)(value >> (24 - 8 * i));
	}
	if (!is_zero_beyond(&p.id, p.bits))
		return -EINVAL;
	*out = p;
	return 0;
}

int service_id_parse(const char *text, struct service_id *out)
{
	struct service_prefix p;
	int r = strchr(text, '/') ? -EINVAL : service_prefix_parse(text, &p);

	if (!r)
		*out = p.id;
	return r;
}

/* "0x" and the first n digits, at most 64. */
static void format_hex(const struct service_id *id, size_t n, char *buf,
		       size_t size)
{
	char text[SERVICE_ID_TEXT_MAX] = "0x";

	for (size_t i = 0; i < n; i++)
		text[2 + i] =
			"0123456789abcdef"[id->bytes[i / 2] >> (i % 2 ? 0 : 4) &
					   0xf];
	snprintf(buf, size, "%s", text);
}

const char *service_id_format(const struct service_id *id, char *buf,
			      size_t size)
{
	uint32_t word = (uint32_t)id->bytes[0] << 24 | id->bytes[1] << 16 |
			id->bytes[2] << 8 | id->bytes[3];

	if (word && is_zero_beyond(id, 32))
		snprintf(buf, size, "%u", word);
	else
		format_hex(id, 2 * SERVICE_ID_LEN, buf, size);
	return buf;
}

const char *service_prefix_format(const struct service_prefix *p, char *buf,
				  size_t size)
{
	char digits[SERVICE_ID_TEXT_MAX];

	if (p->bits >= SERVICE_ID_BITS)
		return service_id_format(&p->id, buf, size);
	/* One digit at least: "0x/0" would be no number. */
	format_hex(&p->id, p->bits ? (p->bits + 3u) / 4 : 1, digits,
		   sizeof(digits));
	snprintf(buf, size, "%.66s/%u", digits, p->bits);
	return buf;
}

bool service_id_equal(const struct service_id *a, const struct service_id *b)
{
	return !memcmp(a, b, sizeof(*a));
}

bool service_prefix_contains(const struct service_prefix *p,
			     const struct service_id *id)
{
	size_t whole = p->bits / 8;
	unsigned rest = p->bits % 8;

	if (memcmp(p->id.bytes, id->bytes, whole))
		return false;
	return !rest ||
	       (p->id.bytes[whole] ^ id->bytes[whole]) >> (8 - rest) == 0;
}

struct service_id service_id_under(const struct service_prefix *p,
				   const uint8_t digest[SERVICE_ID_LEN])
{
	size_t whole = p->bits / 8;
	unsigned rest = p->bits % 8;
	struct service_id id = p->id;

	/* Bit n of the digest becomes bit p->bits + n. */
	for (size_t i = whole; i < SERVICE_ID_LEN; i++) {
		size_t from = i - whole;
		unsigned v = (unsigned)digest[from] >> rest;

		if (rest && from)
			v |= (unsigned)digest[from - 1] << (8 - rest);
		id.bytes[i] |= (uint8_t)v;
	}
	return id;
}
