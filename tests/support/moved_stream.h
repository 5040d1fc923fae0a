/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stream between C and A of the usual world, one end of which moves, and what
 * is kept of its packets. */
#ifndef TESTS_MOVED_STREAM_H
#define TESTS_MOVED_STREAM_H

#include "tests/support/sal_world.h"
#include "tests/support/toy_tcp.h"

#include <string.h>

#define BYTES 200000u
#define RSYN SAL_FLAG_RSYN
#define RSYNACK (SAL_FLAG_RSYN | SAL_FLAG_ACK)
#define ACK SAL_FLAG_ACK

struct stream {
	struct world *w;
	struct host *c, *a;
	struct toy_tcp client, server;
};

static inline void stream_start(struct stream *st, uint64_t seed, bool up,
				bool down)
{
	*st = (struct stream){ .w = world_usual(seed) };
	st->c = world_c(st->w);
	st->a = world_a(st->w);
	toy_listen(&st->server, st->a, "10.8.0.1", 80, down ? BYTES : 0);
	toy_connect(&st->client, st->c, "10.8.0.1", 4000, 80, up ? BYTES : 0);
}

static inline enum sal_state state(struct host *h)
{
	return host_flow(h).state;
}

static inline bool peer_is(struct host *h, const struct ip_addr *addr)
{
	struct sal_flow_info f = host_flow(h);

	return ip_addr_equal(&f.path.remote, addr);
}

struct caught {
	const struct host *from;
	uint8_t bytes[256];
	size_t len;
};

/* Keeps the last RSYN (CONTROL alone, its flags at 14) of one host. */
static inline void catch_rsyn(struct world *w, const struct wire_packet *p,
			      void *arg)
{
	struct caught *c = arg;

	(void)w;
	if (p->from != c->from || p->len != 32 || p->bytes[14] != 0x40)
		return;
	memcpy(c->bytes, p->bytes, p->len);
	c->len = p->len;
}

#endif
