/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the two halves of the world: its network and its hosts. */
#ifndef TESTS_SAL_WORLD_PARTS_H
#define TESTS_SAL_WORLD_PARTS_H

#include "tests/support/sal_world.h"

struct happening {
	int64_t at_ns;
	uint64_t order; /* of those at the same time, the first made */
	struct wire_packet packet; /* to the network's other end, or: */
	struct sal_inner inner; /* from a program of host, or: */
	struct host *host;
	void (*fn)(void *arg);
	void *arg;
	struct host *tick; /* or: wake its engine */
};

/* One more; copied. */
void happen(struct world *w, int64_t at_ns, struct happening h);
/* The engine of h was called: it may want to be woken at another time now. */
void host_touched(struct host *h);
/* The engines' way onto the network; arg: struct host *. */
void world_takes(void *arg, const struct sal_outer *out);

/* The entry of hash, made where there was none; valid until the next call. */
struct tally_entry *tally_at(struct tally *t, uint64_t hash);
/* NULL: none. */
struct tally_entry *tally_find(const struct tally *t, uint64_t hash);
/* What came to a host says from where, for may_go_there(). */
void host_was_shown(struct host *h, const struct sal_packet *p,
		    const struct sal_path *path);
/* ... and how much it is. */
void host_got(struct host *h, const struct sal_packet *p,
	      const struct sal_path *path, size_t len);
/* Before a packet goes onto the network: may it? */
void host_emits(struct host *h, const struct sal_outer *out);
/* A program has sent it. */
void world_remember_sent(struct world *w, const struct sal_inner *p);
/* Of ICMP, or of ICMPv6. */
bool segment_is_ping(const struct sal_inner *p, uint8_t type4, uint8_t type6);
/* What an engine may make up: unreachable, a reset. */
bool segment_is_refusal(const struct sal_inner *p);
/* Not made up, not somebody else's, and not once more than it arrived. */
void world_check_arrival(struct world *w, const struct sal_inner *p);
uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n);
#define HASH_START 14695981039346656037u

void *must(void *p);
/* v with room for one more element behind n. */
void *grown(void *v, size_t n, size_t *room, size_t size);

#endif
