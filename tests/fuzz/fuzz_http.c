/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A response in any pieces, from anybody. The first byte says how large the
 * pieces are: however it is cut, it ends at the same byte in the same state.
 */
#include "orchestrator/observe/http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t feed(struct http_response *r, const uint8_t *data, size_t n,
		   size_t piece)
{
	size_t at = 0;

	http_begin(r);
	while (at < n) {
		size_t part = n - at < piece ? n - at : piece;
		size_t used = http_feed(r, data + at, part);

		at += used;
		if (used < part)
			break;
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_response whole, cut;
	size_t a, b;

	if (!size)
		return 0;
	a = feed(&whole, data + 1, size - 1, size);
	b = feed(&cut, data + 1, size - 1, data[0] % 64 + 1u);
	if (a != b || whole.state != cut.state || whole.body != cut.body ||
	    whole.status != cut.status || whole.body > size)
		abort();
	if (whole.state == HTTP_DONE && whole.status < 200)
		abort();
	return http_end(&whole) != http_end(&cut) ? (abort(), 0) : 0;
}
