/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYNs answered without state.
 *
 * Anybody can send SYNs from addresses that are not his, and each would hold a
 * slot for a minute. So there is a bound on flows that wait for the end of
 * their handshake (max_half_open), and at the bound a SYN gets an answer that
 * costs nothing to have given: our flow ID, nonce and verno are keyed hashes of
 * all that the SYN said, of where it came from, and of the time in slots of
 * some seconds. Its NACK flag says that the segment was not taken.
 *
 *     client                                    server, under pressure
 *     SYN_SENT     SYN v=c, service, identity |segment
 *                  ------------------------------>  keeps nothing
 *                  SYN-ACK+NACK v=s a=c+1
 *                  <------------------------------
 *     SYN_SENT     ACK v=c+1 a=s+1, service, identity |segment
 *                  ------------------------------>  ESTABLISHED; delivers it
 *                  SYN-ACK v=s a=c+1
 *     ESTABLISHED  <------------------------------
 *
 * The ACK repeats the SYN, so that the hashes can be made again: who brings
 * them has read what was sent to his address. The client takes only the second
 * answer for one, and goes on with its SYN until then. The obvious shorter way,
 * to be ESTABLISHED with the first, fails when the one ACK is lost: the server
 * knows nothing, and what the client sends next would be answered by a reset.
 *
 * A SYN that was repeated may get an answer of either kind, in either order:
 * the flow is known by the client's inner address, flow ID and nonce in any
 * case, and made once.
 */
#include "node/sal/engine.h"

#include <sodium/crypto_shorthash.h>
#include <string.h>

_Static_assert(SAL_HASH_KEY == crypto_shorthash_KEYBYTES, "SipHash's key");

/* An answer is good for one to two of them. */
#define SLOT_NS (8 * SECOND)

struct text {
	uint8_t bytes[128];
	size_t n;
};

static void put(struct text *t, const void *bytes, size_t n)
{
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
}

static void put_addr(struct text *t, const struct ip_addr *a)
{
	uint8_t family = (uint8_t)a->family;

	put(t, &family, 1);
	put(t, a->bytes, sizeof(a->bytes));
}

/* verno: of the SYN. */
static void syn_text(struct text *t, const struct sal_arrival *a,
		     uint32_t verno, int64_t slot)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	t->n = 0;
	/* Not its port: a NAT has one for us, and may have had another for the
	 * service router that the SYN went to. */
	put_addr(t, &a->path->remote);
	put_addr(t, &sal_find(&a->packet, SAL_EXT_IDENTITY, 0)->identity.addr);
	put(t, sal_find_service(&a->packet, 0)->bytes, SERVICE_ID_LEN);
	put(t, &a->packet.src_flow, sizeof(a->packet.src_flow));
	put(t, &a->packet.protocol, 1);
	put(t, &c->nonce, sizeof(c->nonce));
	put(t, &verno, sizeof(verno));
	put(t, &slot, sizeof(slot));
}

_Static_assert(2 * 17 + SERVICE_ID_LEN + 4 + 1 + 8 + 4 + 8 + 1 <=
		       sizeof(((struct text *)0)->bytes),
	       "all of it fits");

static uint64_t hashed(const struct sal *s, struct text *t, uint8_t tag)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t h;

	put(t, &tag, 1);
	crypto_shorthash(out, t->bytes, t->n, s->syn_key);
	t->n--;
	memcpy(&h, out, sizeof(h));
	return h;
}

struct offer {
	uint32_t id, verno;
	uint64_t nonce;
};

static struct offer offer_of(const struct sal *s, const struct sal_arrival *a,
			     uint32_t verno, int64_t slot)
{
	struct offer o;
	struct text t;
	uint64_t h;

	syn_text(&t, a, verno, slot);
	h = hashed(s, &t, 1);
	o.nonce = hashed(s, &t, 2);
	o.id = (uint32_t)(h >> 32);
	o.verno = (uint32_t)h;
	return o;
}

void sal_syn_offer(struct sal *s, const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	struct offer o = offer_of(s, a, c->verno, s->now_ns / SLOT_NS);
	struct sal_flow as_if = {
		.info = { .local_id = o.id, .protocol = a->packet.protocol },
		.tie = { .remote_id = a->packet.src_flow,
			 .path = *a->path,
			 .nonce = o.nonce },
	};

	if (!sal_hops_take(&as_if.hops, a, &a->path->local)) {
		s->stats.forward_far++;
		return;
	}
	/* One time in four thousand millions; the SYN comes again. */
	if (!o.id || sal_flow_by_id(s, o.id))
		return;
	s->stats.syn_stateless++;
	sal_send_control(
		s, &as_if, &as_if.tie,
		&(struct sal_control_out){
			.flags = SAL_FLAG_SYN | SAL_FLAG_ACK | SAL_FLAG_NACK,
			.verno = o.verno,
			.ackno = c->verno + 1,
		});
}

/* True: we have answered this SYN so, not long ago. */
static bool was_offered(const struct sal *s, const struct sal_arrival *a,
			struct offer *o)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	for (int64_t back = 0; back < 2; back++) {
		*o = offer_of(s, a, c->verno - 1, s->now_ns / SLOT_NS - back);
		if (o->id && o->id == a->packet.dst_flow &&
		    o->verno + 1 == c->ackno)
			return true;
	}
	return false;
}

static bool is_proof(const struct sal_arrival *a)
{
	return sal_find_control(&a->packet)->flags == SAL_FLAG_ACK &&
	       sal_find_service(&a->packet, 0) &&
	       sal_find(&a->packet, SAL_EXT_IDENTITY, 0);
}

bool sal_proof_arrived(struct sal *s, const struct sal_arrival *a)
{
	struct sal_syn syn;
	struct offer o;

	if (!is_proof(a))
		return false;
	if (!was_offered(s, a, &o)) {
		s->stats.proof_bad++;
		return true; /* its SYN will come again */
	}
	if (!sal_syn_examine(s, a, &syn))
		return true;
	s->stats.syn_proved++;
	syn.verno--;
	syn.proved = true;
	syn.local_id = o.id;
	syn.local_nonce = o.nonce;
	syn.local_first = o.verno;
	sal_syn_accept(s, a, &syn);
	return true;
}

/* The answer to the proof was lost, or is late. */
void sal_proof_again(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	if (is_proof(a) && !f->info.client)
		sal_send_synack(s, f);
}

/* ---- the client --------------------------------------------------------- */

bool sal_if_wants_proof(const struct sal_step *t)
{
	return sal_synack_names_syn(t) && !t->f->info.native &&
	       sal_find_control(&t->a->packet)->flags & SAL_FLAG_NACK;
}

/*
 * On a tie that is not ours yet. The back-off of the SYN goes on: by the time
 * it is repeated, the proof may have come to nothing.
 */
void sal_do_send_proof(const struct sal_step *t)
{
	const struct sal_control *c = sal_find_control(&t->a->packet);
	struct sal_flow *f = t->f;
	struct sal_tie to = f->tie;

	to.remote_id = t->a->packet.src_flow;
	to.path.remote = t->a->path->remote;
	to.path.remote_port = t->a->path->remote_port;
	to.path.local_port = t->a->path->local_port;
	if (sal_to_many(&f->tie.path.remote)) {
		to.path.local = t->a->path->local;
		to.path.ifindex = t->a->path->ifindex;
	}
	sal_peer_of_source(&to.path.remote, t->a);
	sal_syn_emit(t->s, f, &to,
		     &(struct sal_control_out){ .flags = SAL_FLAG_ACK,
						.verno = f->tie.first + 1,
						.ackno = c->verno + 1 });
}
