/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Base64 (RFC 4648, 4), of which libsodium does the coding. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stddef.h>
#include <string.h>

/* How many bytes so much text stands for. */
static inline size_t base64_bytes(const char *text)
{
	size_t len = strlen(text), n = len / 4 * 3;

	while (len && n && text[len - 1] == '=') {
		len--;
		n--;
	}
	return n;
}

#endif
