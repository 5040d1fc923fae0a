/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading bytes from front to back without ever passing the end. A read that
 * does not fit yields zeros, takes all that is left and is remembered, so that
 * a parser may read a whole header and ask once whether it was there.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *p;
	size_t left;
	bool overrun;
};

static inline struct cursor cursor_make(const uint8_t *p, size_t len)
{
	return (struct cursor){ .p = p, .left = len };
}

/* The next n bytes, or NULL. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (n > c->left) {
		c->left = 0;
		c->overrun = true;
		return NULL;
	}
	if (n)
		c->p += n;
	c->left -= n;
	return p;
}

static inline void cursor_copy(struct cursor *c, void *out, size_t n)
{
	const uint8_t *p = cursor_take(c, n);

	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	uint8_t v;

	cursor_copy(c, &v, sizeof(v));
	return v;
}

/* In the host's byte order. */
static inline uint16_t cursor_u16(struct cursor *c)
{
	uint16_t v;

	cursor_copy(c, &v, sizeof(v));
	return v;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	uint32_t v;

	cursor_copy(c, &v, sizeof(v));
	return v;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	uint64_t v;

	cursor_copy(c, &v, sizeof(v));
	return v;
}

/* In network byte order. */
static inline uint16_t cursor_be16(struct cursor *c)
{
	return be16toh(cursor_u16(c));
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	return be32toh(cursor_u32(c));
}

static inline uint64_t cursor_be64(struct cursor *c)
{
	return be64toh(cursor_u64(c));
}

#endif
