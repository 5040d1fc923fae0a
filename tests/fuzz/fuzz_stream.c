/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a receiver of a stream may be sent. The first byte says how large the
 * pieces are: however it is cut, the same content is taken. Where the others
 * begin with a zero, headers are put right on their way, so that more than the
 * first block is reached.
 */
#include "stream/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct stream_receiver *r, const uint8_t *data, size_t n,
		size_t piece)
{
	struct stream_hello hello = { .probe = 1, .verify = true };
	int result = 0;

	stream_receiver_init(r, &hello);
	for (size_t at = 0; at < n && !result; at += piece)
		result = stream_receiver_feed(r, data + at,
					      n - at < piece ? n - at : piece);
	return result;
}

/* Blocks of the sizes that the bytes say, with their content. */
static size_t make_blocks(const uint8_t *data, size_t n, uint8_t *out,
			  size_t size)
{
	uint64_t offset = 0;
	size_t len = 0;

	for (size_t i = 0; i + 1 < n && len + STREAM_HEADER + 300 < size;
	     i += 2) {
		const struct stream_header h = {
			.mark = { 1, offset },
			.bytes = data[i],
			.flags = data[i + 1] & 1,
		};
		const uint8_t key[STREAM_KEY] = { 0 };

		stream_header_put(out + len, &h);
		len += STREAM_HEADER;
		stream_content(key, offset, out + len, h.bytes);
		len += h.bytes;
		offset += h.bytes;
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t blocks[1 << 16];
	struct stream_receiver whole, cut;
	const uint8_t *in = data + 2;
	size_t n = size - 2;
	int a, b;

	if (size < 2)
		return 0;
	if (!data[1]) {
		n = make_blocks(in, n, blocks, sizeof(blocks));
		in = blocks;
	}
	a = feed(&whole, in, n, n ? n : 1);
	b = feed(&cut, in, n, data[0] + 1u);
	if ((a != 0) != (b != 0) || whole.received != cut.received ||
	    whole.first_wrong != cut.first_wrong || whole.ended != cut.ended ||
	    whole.received > n)
		abort();
	if (!data[1] && whole.first_wrong != STREAM_NONE)
		abort();
	return 0;
}
