/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: a flow's end moves to another host.
 *
 * An instance's end of a flow can go on at another instance, if the program's
 * own state goes there too (of TCP: node/io/tcp_repair.h). The peer sees an end
 * that has moved, and nothing else: an RSYN with a greater version, the right
 * nonce and flow IDs, from another address.
 *
 *     old host                               new host
 *     hold      the flow stands still
 *     export    what it is, in bytes ----->  import    a copy that does nothing
 *     release   only a tombstone is left
 *                                            commit    RSYN: the flow goes on
 *
 * Exactly one host owns the flow at any moment, and only the owner acts: up to
 * "release" the old one, from then on the new one. This holds whatever is lost
 * or dies, because
 *
 * 1. a copy that was imported acts by "commit" alone, and who directs the
 *    handoff says "commit" only when it has the old host's word that it has
 *    released. The old host gives that word once, and after it the flow can
 * only go on elsewhere: a tombstone has no way back.
 * 2. Up to then all can be taken back: "abort" lets the flow go on where it
 * was, and drops the copy. So does time: a hold ends by itself, whereupon
 *    "release" is refused; an import is forgotten. The import has longer, but
 *    nothing depends on it: either end gives up only its own claim.
 *
 * The obvious order, to let the new host begin and then to stop the old one,
 * has two owners in between; and to stop the old one first without a hold
 * leaves none to go back to.
 *
 * A flow that is held takes no packet and sends none. Were it to answer an RSYN
 * or to take an ACK, the bytes that were exported would be of the past. What it
 * misses is what any end misses that is out of reach for some milliseconds:
 * control packets are repeated, and segments come again when an RSYN completes.
 * So the flow goes on by an RSYN also where it stays: the peer sends again what
 * fell into the hold. What the program sends meanwhile waits in the flow's
 * queue and goes along: its TCP takes it for sent, and a TCP that was rebuilt
 * knows no round trip, so that it would wait a whole second before it sent it
 * again.
 *
 * The tombstone is there for what is still on its way: to a stranger's packet
 * this host would say "unknown flow", with the nonce that came along, and the
 * peer would believe it and end the flow that lives elsewhere. The tombstone
 * says nothing, to the network nor to the programs of this host. It lasts as
 * long as TIME_WAIT, which is its state, and goes before its time only where
 * the table is full of flows that live, or the flow comes back.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define IMPORT_NS (30 * SECOND)

bool sal_flow_still(const struct sal_flow *f)
{
	return f->hand != SAL_HAND_NONE;
}

static int refuse(const char **why, const char *text, int error)
{
	*why = text;
	return -error;
}

static struct sal_flow *find(struct sal *s, uint32_t local_id,
			     enum sal_hand hand, int64_t now_ns)
{
	struct sal_flow *f = sal_flow_by_id(s, local_id);

	s->now_ns = now_ns;
	return f && f->hand == hand ? f : NULL;
}

/* ---- the old host ------------------------------------------------------- */

int sal_flow_hold(struct sal *s, uint32_t local_id, int64_t now_ns,
		  const char **why)
{
	struct sal_flow *f = sal_flow_by_id(s, local_id);

	s->now_ns = now_ns;
	if (!f || f->hand == SAL_HAND_GIVEN)
		return refuse(why, "there is no such flow", ENOENT);
	if (sal_flow_still(f))
		return refuse(why, "a handoff of this flow is under way",
			      EBUSY);
	if (f->info.native)
		return refuse(why, "its program is libserval's, and stays here",
			      EOPNOTSUPP);
	if (f->info.client)
		return refuse(why,
			      "this is a client's end: its inner address is of "
			      "this host",
			      EOPNOTSUPP);
	if (f->info.state != SAL_ESTABLISHED || !f->has_ports)
		return refuse(why, "the flow is opening, moving or closing",
			      EAGAIN);
	if (sal_bound_on(f))
		return refuse(why, "the peer has not shown yet where it is",
			      EAGAIN);
	f->hand = SAL_HAND_HELD;
	f->hand_until_ns = now_ns + SAL_HOLD_NS;
	f->ask = SAL_ASK_NOTHING;
	f->waits_ns = 0;
	sal_flow_retry_stop(s, f);
	return 0;
}

int sal_flow_export(struct sal *s, uint32_t local_id, uint8_t *out, size_t size,
		    size_t *len, int64_t now_ns, const char **why)
{
	const struct sal_flow *f = find(s, local_id, SAL_HAND_HELD, now_ns);

	if (!f)
		return refuse(why, "the flow is not held", EINVAL);
	*len = sal_handoff_put(s, f, NULL);
	if (out && size < *len)
		return refuse(why, "the flow does not fit", ENOSPC);
	if (out)
		sal_handoff_put(s, f, out);
	return 0;
}

int sal_flow_release(struct sal *s, uint32_t local_id, int64_t now_ns,
		     const char **why)
{
	struct sal_flow *f = find(s, local_id, SAL_HAND_HELD, now_ns);

	if (!f)
		return refuse(why, "the flow is not held", EINVAL);
	f->hand = SAL_HAND_GIVEN;
	sal_store_clear(&s->queue, &f->queue);
	sal_store_clear(&s->unacked, &f->unacked);
	sal_step(s, f, SAL_ON_GIVEN, NULL);
	return 0;
}

/* ---- the new host ------------------------------------------------------- */

/* Where the flow's own tombstone or one that is over has what it needs. */
static void make_way(struct sal *s, struct sal_flow *f)
{
	if (f && sal_flow_closing(f))
		sal_step(s, f, SAL_ON_DISPLACED, NULL);
}

static int check_place(struct sal *s, const struct sal_flow *like,
		       const struct sal_tuple *t, const char **why)
{
	const struct sal_name *name = sal_name_by_id(s, &like->info.service);
	const struct ip_addr *inner = &like->info.inner_local;
	struct sal_path path;

	if (sal_served(s, &like->info.service) != SAL_SERVED_HERE || !name)
		return refuse(why, "its service is not served here", ENOENT);
	if (!ip_addr_equal(inner, inner->family == AF_INET6 ? &name->addr6 :
							      &name->addr4))
		return refuse(why,
			      "its inner address is not the service's here",
			      EADDRNOTAVAIL);
	if (!sal_local_for(s, &like->tie.path.remote, &path))
		return refuse(why,
			      "no address here is of the peer's address family",
			      EHOSTUNREACH);
	make_way(s, sal_flow_by_id(s, like->info.local_id));
	make_way(s, sal_flow_by_tuple(s, t));
	if (sal_flow_by_id(s, like->info.local_id))
		return refuse(why, "its flow ID is that of another flow here",
			      EEXIST);
	if (sal_flow_by_tuple(s, t))
		return refuse(why, "its conversation is led by another flow",
			      EEXIST);
	return 0;
}

/* The slot is a new one's, with what a copy cannot have of its own. */
static void settle_in(struct sal *s, struct sal_flow *f,
		      const struct sal_flow *like, const struct sal_tuple *t)
{
	struct sal_flow own;

	/* like has what was read, and zero. */
	sal_flow_unindex(s, f, SAL_BY_ID);
	own = *f;
	*f = *like;
	f->in_use = own.in_use;
	f->info.state = own.info.state;
	f->since_ns = own.since_ns;
	f->retry_ns = own.retry_ns;
	f->armed_ns = own.armed_ns;
	memcpy(f->hash, own.hash, sizeof(f->hash));
	memcpy(f->indexed, own.indexed, sizeof(f->indexed));
	f->queue = own.queue;
	f->unacked = own.unacked;
	f->list_told = 0;
	f->rule = sal_demux_hit(s, &f->info.service);
	sal_bound_trust(f, &f->tie.path.remote);
	/* The peer may know the old host's addresses, and the newest list
	 * counts: ours has to be newer. */
	if (!sal_after(s->list_verno, like->list_told))
		s->list_verno = like->list_told + 1;
	f->opened = true; /* elsewhere, and told there */
	f->hand = SAL_HAND_IMPORTED;
	f->hand_until_ns = s->now_ns + IMPORT_NS;
	sal_flow_index(s, f, SAL_BY_ID);
	sal_flow_index(s, f, SAL_BY_SYN);
	sal_flow_set_tuple(s, f, t);
}

int sal_flow_import(struct sal *s, const uint8_t *bytes, size_t len,
		    uint32_t *local_id, int64_t now_ns, const char **why)
{
	struct sal_flow like, *f;
	struct sal_handoff_segments segments;
	struct sal_tuple t;
	int r;

	s->now_ns = now_ns;
	r = sal_handoff_get(s, bytes, len, &like, &segments, why);
	if (r)
		return r;
	t = (struct sal_tuple){
		.local = like.info.inner_local,
		.remote = like.info.inner_remote,
		.port_local = like.info.port_local,
		.port_remote = like.info.port_remote,
		.protocol = like.info.protocol,
	};
	r = check_place(s, &like, &t, why);
	if (r)
		return r;
	f = sal_flow_new(s);
	if (!f)
		return refuse(why, "the table of flows is full", ENOSPC);
	settle_in(s, f, &like, &t);
	sal_handoff_take(s, f, &segments);
	sal_step(s, f, SAL_ON_IMPORT, NULL);
	*local_id = like.info.local_id;
	return 0;
}

int sal_flow_commit(struct sal *s, uint32_t local_id, int64_t now_ns,
		    const char **why)
{
	struct sal_flow *f = find(s, local_id, SAL_HAND_IMPORTED, now_ns);

	if (!f)
		return refuse(why, "no such flow was imported", EINVAL);
	f->hand = SAL_HAND_NONE;
	f->info.last_used_ns = now_ns;
	sal_flow_go_on(s, f, SAL_WAY_HANDED_OVER);
	return 0;
}

/* ---- back --------------------------------------------------------------- */

static void forget(struct sal *s, struct sal_flow *f)
{
	/* It was never a flow of this host. */
	sal_step(s, f, SAL_ON_DROPPED, NULL);
}

/* Where it was, from where it was; the RSYN brings what fell into the hold. */
static void go_back(struct sal *s, struct sal_flow *f)
{
	f->hand = SAL_HAND_NONE;
	f->info.last_used_ns = s->now_ns;
	if (sal_served(s, &f->info.service) != SAL_SERVED_HERE)
		sal_step_because(s, f, SAL_ON_WITHDRAWN,
				 SAL_REASON_NO_INSTANCE);
	else
		sal_flow_go_on(s, f, SAL_WAY_HANDOFF_UNDONE);
}

int sal_flow_abort(struct sal *s, uint32_t local_id, int64_t now_ns,
		   const char **why)
{
	struct sal_flow *f = sal_flow_by_id(s, local_id);

	s->now_ns = now_ns;
	if (f && f->hand == SAL_HAND_HELD)
		go_back(s, f);
	else if (f && f->hand == SAL_HAND_IMPORTED)
		forget(s, f);
	else
		return refuse(why, "no handoff of such a flow is under way",
			      EINVAL);
	return 0;
}

void sal_handoff_timeout(struct sal *s, struct sal_flow *f)
{
	if (s->now_ns < f->hand_until_ns)
		return;
	if (f->hand == SAL_HAND_HELD)
		go_back(s, f);
	else
		forget(s, f);
}
