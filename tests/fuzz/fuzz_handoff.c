// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a flow that another host exported, with a checksum that is right
 * (else nothing behind it would ever be looked at). What is taken is then led
 * like any flow: committed, and ticked along, while nobody answers it. What is
 * not taken is refused with a reason; and the engine never takes a step that no
 * state allows.
 */
#include "node/sal/sal.h"

#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>

#define MAX 65536
#define MSEC INT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_nothing(void *arg, const struct sal_outer *p)
{
	(void)arg;
	(void)p;
}

static void deliver_nothing(void *arg, const struct sal_inner *p)
{
	(void)arg;
	(void)p;
}

static void no_event(void *arg, const struct sal_event *e)
{
	(void)arg;
	(void)e;
}

static struct ip_addr ip(const char *text)
{
	struct ip_addr a;

	if (ip_parse_addr(text, &a))
		abort();
	return a;
}

/* Serves what the seeds' flows are of: service 1 of tests/support. */
static struct sal *host(void **memory)
{
	const struct sal_sink sink = { .send = send_nothing,
				       .deliver = deliver_nothing,
				       .event = no_event };
	struct sal_local_address here = { .addr = ip("10.0.2.1"),
					  .ifindex = 2 };
	struct ip_addr addr4 = ip("10.8.0.1"), addr6 = ip("fd08::1");
	struct sal_rule r = { .bits = 256, .kind = SAL_RULE_DEMUX };
	struct sal_config c = { .key = { 1 } };
	struct sal *s;

	r.id.bytes[0] = 1;
	r.weight = 1;
	sal_config_defaults(&c);
	c.max_flows = 8;
	c.unacked_bytes = c.queue_bytes = 32768;
	*memory = malloc(sal_memory(&c));
	if (!*memory || sal_init(*memory, sal_memory(&c), &c, &sink, 0, &s) ||
	    sal_name_set(s, &r.id, &addr4, &addr6) || sal_rule_add(s, &r, 0))
		abort();
	sal_set_addresses(s, &here, 1, 0);
	return s;
}

static void lead(struct sal *s, uint32_t id)
{
	struct sal_flow_info f;
	const char *why = NULL;

	if (!sal_flow_find(s, id, &f) || !f.hand ||
	    sal_flow_commit(s, id, MSEC, &why))
		abort();
	for (int i = 0; i < 20 && sal_next_ns(s) != INT64_MAX; i++)
		sal_tick(s, sal_next_ns(s));
	if (!sal_flow_commit(s, id, sal_next_ns(s), &why))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = "SAL flow bytes";
	static uint8_t bytes[MAX];
	const char *why = NULL;
	uint32_t id = 0;
	void *memory;
	struct sal *s;

	if (size < 8 || size > sizeof(bytes))
		return 0;
	memcpy(bytes, data, size);
	crypto_shorthash(bytes + size - 8, bytes, size - 8, key);
	s = host(&memory);
	if (!sal_flow_import(s, bytes, size, &id, 0, &why))
		lead(s, id);
	else if (!why)
		abort();
	if (sal_stats(s)->broken)
		abort();
	free(memory);
	return 0;
}
