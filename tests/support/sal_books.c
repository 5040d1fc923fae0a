/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the world knows of all that was sent, and how it sees to it that nothing
 * is made up, doubled, or sent to where nobody has shown to read (sal_world.h).
 * An engine is not asked what it believes, but for which flow it is and in
 * which state: the books are kept by what went over the network.
 */
#include "tests/support/sal_world_parts.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables ---------------------------------------------------------------
 */

uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static uint64_t fingerprint(const struct sal_inner *p)
{
	uint64_t h = HASH_START;

	h = hash_bytes(h, p->src.bytes, 16);
	h = hash_bytes(h, p->dst.bytes, 16);
	h = hash_bytes(h, &p->protocol, 1);
	return hash_bytes(h, p->segment, p->len);
}

/* Where the hash is, or would be. */
static struct tally_entry *tally_place(const struct tally *t, uint64_t hash)
{
	size_t i = hash & (t->room - 1);

	while (t->v[i].hash && t->v[i].hash != hash)
		i = (i + 1) & (t->room - 1);
	return &t->v[i];
}

struct tally_entry *tally_find(const struct tally *t, uint64_t hash)
{
	struct tally_entry *e = t->room ? tally_place(t, hash) : NULL;

	return e && e->hash ? e : NULL;
}

static void tally_grow(struct tally *t)
{
	struct tally old = *t;

	t->room = old.room ? 2 * old.room : 256;
	t->v = must(calloc(t->room, sizeof(*t->v)));
	for (size_t i = 0; i < old.room; i++)
		if (old.v[i].hash)
			*tally_place(t, old.v[i].hash) = old.v[i];
	free(old.v);
}

struct tally_entry *tally_at(struct tally *t, uint64_t hash)
{
	struct tally_entry *e;

	if (2 * t->count >= t->room)
		tally_grow(t);
	e = tally_place(t, hash);
	t->count += !e->hash;
	e->hash = hash;
	return e;
}

void world_remember_sent(struct world *w, const struct sal_inner *p)
{
	tally_at(&w->sent, fingerprint(p))->given++;
}

void world_says(struct world *w, const struct ip_addr *from,
		const struct ip_addr *to, const struct sal_packet *p)
{
	world_remember_sent(w, &(struct sal_inner){ .src = *from,
						    .dst = *to,
						    .protocol = p->protocol,
						    .segment = p->payload,
						    .len = p->payload_len });
}

bool segment_is_ping(const struct sal_inner *p, uint8_t type4, uint8_t type6)
{
	return p->protocol == IPPROTO_ICMP ?
		       p->segment[0] == type4 :
		       p->protocol == IPPROTO_ICMPV6 && p->segment[0] == type6;
}

bool segment_is_refusal(const struct sal_inner *p)
{
	return segment_is_ping(p, 3, 1) || segment_is_ping(p, 3, 2) ||
	       (p->protocol == IPPROTO_TCP && p->segment[13] & 4);
}

/* Where a host's peer, by its flow ID, is or is said to be. */
static uint64_t place_of(const struct host *h, uint32_t remote_id,
			 const struct sal_path *path)
{
	uint64_t hash = hash_bytes(HASH_START, &h, sizeof(h));

	hash = hash_bytes(hash, &remote_id, sizeof(remote_id));
	hash = hash_bytes(hash, path->remote.bytes, sizeof(path->remote.bytes));
	return hash_bytes(hash, &path->remote_port, sizeof(path->remote_port));
}

static uint64_t completion_of(const struct host *h, uint32_t remote_id,
			      uint32_t verno)
{
	uint64_t hash = hash_bytes(HASH_START, &h, sizeof(h));

	hash = hash_bytes(hash, &remote_id, sizeof(remote_id));
	return hash_bytes(hash, &verno, sizeof(verno));
}

/* The same, whatever the port. */
static uint64_t address_of(const struct host *h, uint32_t remote_id,
			   const struct sal_path *path)
{
	struct sal_path any = *path;

	any.remote_port = 0;
	return place_of(h, remote_id, &any);
}

static uint32_t with_headers(const struct sal_path *path, size_t len)
{
	return (uint32_t)len + (path->remote.family == AF_INET6 ? 40 : 20) +
	       (path->remote_port ? 8 : 0);
}

#define SHOWN UINT32_MAX
#define FIN_TRIES 7

void host_was_shown(struct host *h, const struct sal_packet *p,
		    const struct sal_path *path)
{
	const struct sal_control *c = sal_find_control(p);
	const struct sal_ext *source = sal_find(p, SAL_EXT_SOURCE, 0);
	uint64_t place = place_of(h, p->src_flow, path);
	struct world *w = h->world;

	if (c && c->flags == SAL_FLAG_RSYN) {
		tally_at(&w->rsyns, place)->given = c->verno;
		return;
	}
	tally_at(&w->shown, place);
	/* Who has had our SYN says where the peer is. */
	if (source && c && c->flags & SAL_FLAG_SYN && source->source.n) {
		struct sal_path at = *path;

		at.remote = sal_list_at(&source->source, source->type,
					source->source.n - 1u);
		tally_at(&w->shown, place_of(h, p->src_flow, &at));
		tally_at(&w->unproven, address_of(h, p->src_flow, &at))->given =
			SHOWN;
	}
	if (c && c->flags == SAL_FLAG_ACK)
		tally_at(&w->shown,
			 completion_of(h, p->src_flow, c->verno - 1));
}

static void came(struct host *h, uint32_t remote_id, bool shown,
		 const struct sal_path *path, size_t len)
{
	struct tally_entry *e =
		tally_at(&h->world->unproven, address_of(h, remote_id, path));

	if (shown)
		e->given = SHOWN;
	else if (e->given != SHOWN)
		e->given += with_headers(path, len);
}

void host_got(struct host *h, const struct sal_packet *p,
	      const struct sal_path *path, size_t len)
{
	const struct sal_control *c = sal_find_control(p);
	struct world *w = h->world;
	struct sal_flow_info f;
	bool ours = sal_flow_find(h->sal, p->dst_flow, &f) && f.remote_id;

	if (w->forged)
		tally_at(&w->lies, place_of(h, p->src_flow, path));
	/* Whoever else speaks to this flow has had something of it, or has
	 * guessed what the SYN-ACK would have told. */
	came(h, p->src_flow,
	     (!w->forged && !(c && (c->flags == SAL_FLAG_SYN ||
				    c->flags == SAL_FLAG_RSYN))) ||
		     (!c && ours && f.state != SAL_RSYN_RCVD &&
		      f.remote_id == p->src_flow),
	     path, len);
	/* What comes for a flow of ours counts for it, whoever it says it is.
	 */
	if (ours && f.remote_id != p->src_flow)
		came(h, f.remote_id, false, path, len);
}

/* A question to an address that the peer has told; there are few of these. */
static bool is_of_list(const struct host *h, const struct sal_packet *p,
		       const struct ip_addr *to)
{
	struct ip_addr list[SAL_STANDBY_MAX];
	unsigned n = sal_flow_standby(h->sal, p->src_flow, list);
	const struct sal_ext *e = sal_find(p, SAL_EXT_CHALLENGE, 0);

	for (unsigned i = 0; i < n; i++)
		if (e && e->challenge.kind == SAL_CHALLENGE_ASK &&
		    ip_addr_equal(&list[i], to))
			return true;
	return false;
}

/* What the stack of 2012 may be sent at an address from where it has said by an
 * RSYN that it is there. Nothing could show that: it knows no question, and its
 * peer the number of what its ACK would name. */
static bool is_without_proof(const struct host *h, const struct sal_packet *p,
			     const struct sal_control *c,
			     const struct sal_path *path)
{
	if (c->flags == (SAL_FLAG_RSYN | SAL_FLAG_ACK))
		return true;
	/* A flow says FIN 7 times, and a reset once: it is over with it. */
	return (c->flags == SAL_FLAG_FIN ||
		c->flags == (SAL_FLAG_RST | SAL_FLAG_ACK)) &&
	       tally_find(&h->world->rsyns, place_of(h, p->dst_flow, path));
}

/* What goes because of our own rules or a list goes to where nobody has spoken
 * from. Native flows have the bound of the handshake, but for two that cross.
 */
static void check_bound(struct host *h, const struct sal_outer *out)
{
	struct world *w = h->world;
	const struct sal_control *c;
	struct sal_flow_info f;
	struct tally_entry *e;
	struct sal_packet p;

	ck_assert_int_eq(sal_decode(&p, out->header, out->header_len), SAL_OK);
	c = sal_find_control(&p);
	if (c && c->flags == SAL_FLAG_FIN)
		WORLD_OK(w, tally_at(&w->fins,
				     completion_of(h, p.src_flow, c->verno))
					    ->given++ < FIN_TRIES);
	if (!p.dst_flow || (c && c->flags == SAL_FLAG_RSYN) ||
	    is_of_list(h, &p, &out->path.remote) ||
	    (c && sal_flow_find(h->sal, p.src_flow, &f) && f.native &&
	     (f.client || is_without_proof(h, &p, c, &out->path))))
		return;
	e = tally_find(&w->unproven, address_of(h, p.dst_flow, &out->path));
	if (!e || e->given == SHOWN)
		return;
	e->on_wire += with_headers(&out->path, out->header_len + out->len);
	WORLD_OK(w, e->on_wire <= 3 * e->given);
}

/* A flow that closes says its last words to wherever an RSYN has come from. */
static bool may_go_there(const struct host *h, const struct sal_outer *out)
{
	const struct tally_entry *rsyn;
	struct sal_flow_info f;
	struct sal_packet p;
	uint64_t place;

	ck_assert_int_eq(sal_decode(&p, out->header, out->header_len), SAL_OK);
	place = place_of(h, p.dst_flow, &out->path);
	if (tally_find(&h->world->shown, place) ||
	    tally_find(&h->world->lies, place))
		return true;
	rsyn = tally_find(&h->world->rsyns, place);
	if (rsyn && tally_find(&h->world->shown,
			       completion_of(h, p.dst_flow, rsyn->given)))
		return true;
	ck_assert(sal_flow_find(h->sal, p.src_flow, &f));
	return f.state == SAL_FIN_WAIT || f.state == SAL_CLOSE_WAIT ||
	       f.state == SAL_TIME_WAIT;
}

void host_emits(struct host *h, const struct sal_outer *out)
{
	struct sal_inner p = {
		.src = out->inner_src,
		.dst = out->inner_dst,
		.protocol = out->protocol,
		.segment = out->segment,
		.len = out->len,
	};
	struct world *w = h->world;
	struct tally_entry *e;

	check_bound(h, out);
	/* A SYN's is counted where it arrives; an ICMP error may come from a
	 * router; a native flow's segment is none of a program. */
	if (!out->len || !ip_addr_size(&out->inner_src) ||
	    out->header_len != SAL_HEADER_LEN || segment_is_refusal(&p))
		return;
	e = tally_find(&w->sent, fingerprint(&p));
	WORLD_OK(w, e != NULL);
	e->on_wire++;
	if (p.protocol != IPPROTO_TCP)
		WORLD_OK(w, e->on_wire <= e->given);
	else
		WORLD_OK(w, e->on_wire <= e->given + h->migrated + h->early +
						  sal_stats(h->sal)->early);
	WORLD_OK(w, may_go_there(h, out));
}

/* ---- what arrives ----------------------------------------------------------
 */

static bool is_what_arrives(const struct world *w, const struct sal_inner *p)
{
	return w->payload && p->len == w->payload_len &&
	       !memcmp(p->segment, w->payload, p->len);
}

/* Not made up, not somebody else's, and not once more than it arrived. */
void world_check_arrival(struct world *w, const struct sal_inner *p)
{
	WORLD_OK(w, tally_find(&w->sent, fingerprint(p)) != NULL);
	WORLD_OK(w, is_what_arrives(w, p));
	WORLD_OK(w, !w->delivered++);
	if (w->rider)
		WORLD_OK(w, !tally_at(&w->riders, w->rider)->given++);
}
