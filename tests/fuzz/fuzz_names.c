/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A query from anybody. An answer has the query's number, says that it is one,
 * and is no longer than whoever asked can take. The first byte says whether it
 * comes by TCP.
 */
#include "orchestrator/resolver/answer.h"
#include "orchestrator/resolver/others.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct zone *make_zone(void)
{
	struct names_entry *e = calloc(1, names_entry_size(100));
	struct zone *z = zone_new(1);

	if (!e || !z)
		abort();
	e->n = 100;
	e->all = e->reverse = true;
	strcpy(e->name, "web");
	for (uint8_t i = 0; i < 100; i++) {
		e->targets[i].address.family = i % 2 ? AF_INET6 : AF_INET;
		e->targets[i].address.bytes[0] = 10;
		e->targets[i].address.bytes[3] = i;
		e->targets[i].weight = i;
	}
	if (zone_set(z, e))
		abort();
	free(e);
	return z;
}

/* What says only that it failed is an answer to it; nothing shorter is. */
static void pass_on(const uint8_t *query, size_t n)
{
	static uint8_t answer[RESOLVER_MESSAGE_MAX];
	size_t end = others_question_end(query, n);

	if (end > n || resolver_limit(query, n) > RESOLVER_UDP_MOST)
		abort();
	if (!end)
		return;
	others_put_short(query, end, 2, false, answer);
	if (!others_is_answer(query, end, answer, end) ||
	    others_is_answer(query, end, answer, end - 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[RESOLVER_MESSAGE_MAX];
	static struct zone *zone;
	enum resolver_outcome outcome;
	size_t n;

	if (!zone)
		zone = make_zone();
	if (!size)
		return 0;
	outcome = resolver_answer(zone, data + 1, size - 1, data[0] & 1, answer,
				  &n);
	if ((outcome == RESOLVER_DROP) != !n)
		abort();
	if (n && (n < 12 || memcmp(answer, data + 1, 2) || !(answer[2] & 0x80)))
		abort();
	if (n > RESOLVER_UDP_MOST && !(data[0] & 1))
		abort();
	if (outcome == RESOLVER_REFUSE)
		pass_on(data + 1, size - 1);
	return 0;
}
