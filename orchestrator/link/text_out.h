/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text that grows in a buffer, and is cut where that is full. */
#ifndef LINK_TEXT_OUT_H
#define LINK_TEXT_OUT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct out {
	char *buf;
	size_t size, len; /* len: size or more where the text was cut */
};

static inline void __attribute__((format(printf, 2, 3)))
put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o->len >= o->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, o->size - o->len, fmt, ap);
	va_end(ap);
	o->len += n < 0 ? 0 : (size_t)n;
}

#endif
