/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes at all as a SAL packet. Whatever decodes is the same bytes when it
 * is encoded again, and when it has been a text in between.
 *
 * The fuzzer would never guess a checksum, and so never get past it: bytes are
 * tried as they are, and once more with the checksum set right.
 */
#include "node/wire/sal_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* abort() is how a fuzzer hears of a broken promise. */
static void check(bool held)
{
	if (!held)
		abort();
}

/* ffff, the other zero, is written as 0000. */
static void write_zero_one_way(uint8_t *header)
{
	if (header[10] == 0xff && header[11] == 0xff)
		header[10] = header[11] = 0;
}

static void round_trips(const struct sal_packet *p, const uint8_t *bytes,
			size_t size)
{
	size_t header_len = size - p->payload_len;
	size_t room = SAL_TEXT_HEADER_MAX + 2 * p->payload_len, n;
	uint8_t *again = malloc(size);
	char *text = malloc(room);
	struct err err = ERR_INIT;

	check(again && text);
	check(sal_header_len(p) == (int)header_len);
	check(sal_encode(p, again, header_len) == (int)header_len);
	check(!memcmp(again, bytes, header_len));
	memset(again, 0, size);
	check(sal_prepend(p, again, size) == (int)header_len);
	check(!memcmp(again + p->payload_len, bytes, header_len));
	n = sal_text_format(p, SAL_TEXT_PAYLOAD_BYTES, text, room);
	check(n < room && strlen(text) == n);
	check(sal_text_parse(text, again, size, &err) == (int)size);
	check(!memcmp(again, bytes, size));
	free(text);
	free(again);
}

static void try_packet(uint8_t *bytes, size_t size)
{
	struct sal_packet p;
	enum sal_result result = sal_decode(&p, bytes, size);

	check(result < SAL_RESULTS && sal_result_name(result)[0] != '?');
	if (!sal_result_is_packet(result))
		return;
	check(p.n <= SAL_EXTENSIONS_MAX && p.payload_len <= size);
	write_zero_one_way(bytes);
	round_trips(&p, bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);

	check(bytes != NULL);
	if (size)
		memcpy(bytes, data, size);
	try_packet(bytes, size);
	if (size >= SAL_HEADER_LEN && bytes[8] * 4u <= size && bytes[8] >= 3) {
		sal_checksum_set(bytes);
		try_packet(bytes, size);
	}
	free(bytes);
	return 0;
}
