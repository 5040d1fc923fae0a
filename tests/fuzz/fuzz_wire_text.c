/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any line at all as the text of a packet: it is refused with a word about
 * why, or it is a packet whose own text describes the same bytes.
 */
#include "node/wire/sal_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* abort() is how a fuzzer hears of a broken promise. */
static void check(bool held)
{
	if (!held)
		abort();
}

static void same_bytes_again(const uint8_t *bytes, size_t len)
{
	uint8_t again[4096];
	char text[SAL_TEXT_HEADER_MAX + 2 * sizeof(again)];
	struct err err = ERR_INIT;
	struct sal_packet p;
	enum sal_result result = sal_decode(&p, bytes, len);

	/* Texts may describe these, so that tests can have them. */
	if (result == SAL_SHORT_SOURCE_LIST || result == SAL_BAD_CHALLENGE ||
	    result == SAL_REPEATED_EXTENSION)
		return;
	check(sal_result_is_packet(result));
	check(sal_text_format(&p, SAL_TEXT_PAYLOAD_BYTES, text, sizeof(text)) <
	      sizeof(text));
	check(sal_text_parse(text, again, sizeof(again), &err) == (int)len);
	check(!memcmp(again, bytes, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct err err = ERR_INIT;
	uint8_t bytes[4096];
	int n;

	check(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	n = sal_text_parse(text, bytes, sizeof(bytes), &err);
	if (n < 0)
		check((n == -EINVAL || n == -ENOSPC) && err.code == -n &&
		      err.msg[0]);
	else
		same_bytes_again(bytes, (size_t)n);
	free(text);
	return 0;
}
