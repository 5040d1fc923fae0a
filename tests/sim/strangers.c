/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/strangers.h"

#include "tests/support/sal_world_parts.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* All that the flows of a host are, but for what only counts. */
struct snapshot {
	uint64_t hash;
	unsigned n, at;
	struct sal_flow_info info; /* of the at-th */
};

static void add_to_snapshot(void *arg, const struct sal_flow_info *f)
{
	struct snapshot *s = arg;
	uint64_t h = HASH_START;

	if (s->n++ == s->at)
		s->info = *f;
	h = hash_bytes(h, &f->local_id, sizeof(f->local_id));
	h = hash_bytes(h, &f->remote_id, sizeof(f->remote_id));
	h = hash_bytes(h, &f->state, sizeof(f->state));
	h = hash_bytes(h, f->path.local.bytes, 16);
	h = hash_bytes(h, f->path.remote.bytes, 16);
	h = hash_bytes(h, &f->path.remote_port, sizeof(f->path.remote_port));
	h = hash_bytes(h, f->inner_local.bytes, 16);
	h = hash_bytes(h, f->inner_remote.bytes, 16);
	h = hash_bytes(h, &f->port_local, sizeof(f->port_local));
	h = hash_bytes(h, &f->port_remote, sizeof(f->port_remote));
	/* Their order says nothing. */
	s->hash += h;
}

static struct snapshot look(const struct host *h, unsigned at)
{
	struct snapshot s = { .at = at };

	sal_flows(h->sal, add_to_snapshot, &s);
	return s;
}

static uint64_t random64(struct world *w)
{
	uint64_t high = world_random(w, UINT32_MAX);

	return high << 32 | world_random(w, UINT32_MAX);
}

static void forge_control(struct world *w, struct sal_packet *p)
{
	static const uint8_t kinds[] = {
		SAL_FLAG_RSYN,
		SAL_FLAG_RSYN | SAL_FLAG_ACK,
		SAL_FLAG_ACK,
		SAL_FLAG_FIN,
		SAL_FLAG_FIN | SAL_FLAG_ACK,
		SAL_FLAG_RST,
		SAL_FLAG_RST | SAL_FLAG_ACK,
		SAL_FLAG_SYN | SAL_FLAG_ACK,
		SAL_FLAG_NACK,
	};
	static const uint64_t nonces[] = { 0, UINT64_MAX };
	unsigned which = world_random(w, 4);
	uint32_t verno = world_random(w, UINT32_MAX);

	sal_add_control(p, kinds[world_random(w, sizeof(kinds))], verno,
			world_random(w, 2) ? verno + 1 :
					     world_random(w, UINT32_MAX),
			which < 2 ? nonces[which] : random64(w));
	if (world_random(w, 2))
		sal_add_reason(p, (uint16_t)(1 + world_random(w, 7)));
	if (world_random(w, 4) == 0)
		sal_add_challenge(p, SAL_CHALLENGE_ANSWER, random64(w));
}

/* Each of the flow IDs is the right one or not. */
static bool guess_ids(struct world *w, const struct sal_flow_info *f,
		      uint32_t *src, uint32_t *dst)
{
	unsigned which = world_random(w, 8);

	*src = which == 0 || !f->remote_id ? world_random(w, UINT32_MAX) :
					     f->remote_id;
	*dst = which == 1 ? world_random(w, UINT32_MAX) : f->local_id;
	return *src == f->remote_id && *dst == f->local_id;
}

static void told_of_icmp(struct world *w, struct host *h,
			 const struct sal_flow_info *f, const uint8_t *bytes,
			 size_t len)
{
	struct sal_path path = f->path;

	if (world_random(w, 4) == 0)
		path.remote = ip("10.200.0.1");
	sal_unreachable(h->sal, &path, bytes, len, w->now_ns);
	host_touched(h);
}

/*
 * A stranger: he may have guessed the flow IDs, and know the addresses and all
 * but the nonces. What he sends changes no flow of the host. He may make it
 * ask, and answer; a SYN of his own, that may open a flow, he is not to send
 * here.
 */
bool stranger_acts(struct host *h)
{
	struct world *w = h->world;
	struct snapshot before = look(h, world_random(w, 3)), after;
	const struct sal_flow_info *f = &before.info;
	unsigned kind = world_random(w, 8);
	char from[IP_TEXT_MAX] = "10.200.0.1";
	struct sal_packet p;
	uint8_t bytes[256];
	uint32_t src, dst;
	bool both;
	int len;

	if (before.n <= before.at || !h->address_count ||
	    !ip_addr_size(&f->path.remote))
		return false;
	both = guess_ids(w, f, &src, &dst);
	sal_packet_init(&p, src, dst, f->protocol);
	if (kind < 6)
		forge_control(w, &p);
	else if (kind == 6)
		sal_add_challenge(&p,
				  world_random(w, 2) ? SAL_CHALLENGE_ASK :
						       SAL_CHALLENGE_ANSWER,
				  random64(w));
	len = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_gt(len, 0);
	/* Data that has both IDs and the peer's address is for the program's
	 * own checks. */
	if (world_random(w, 2) && !(kind == 7 && both))
		ip_format_addr(&f->path.remote, from, sizeof(from));
	if (kind == 7) {
		memset(bytes + len, 0, 40);
		len += 40;
	}
	if (world_random(w, 8) == 0)
		told_of_icmp(w, h, f, bytes, (size_t)len);
	else
		world_inject(w, from, h, bytes, (size_t)len);
	after = look(h, before.at);
	WORLD_OK(w, after.n == before.n && after.hash == before.hash);
	host_touched(h);
	return true;
}
