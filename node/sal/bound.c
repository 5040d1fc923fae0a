/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bound on what goes to an address that is not proven.
 *
 * A source address is easily written. One SYN that has a third party's makes a
 * server repeat its SYN-ACK for half a minute and send there what its program
 * answers; one RSYN that a lying peer writes so makes us repeat the RSYN-ACK
 * for as long as the flow may be idle. So, as in QUIC (RFC 9000, 8.1 and 9.3):
 * to an address that the peer has not shown to read, no more than three times
 * the bytes go that have come from there, with the headers of IP and UDP. What
 * is over the bound waits, if it is a program's, or is not sent, if it is ours:
 * the back-off goes on, and what comes from there makes room.
 *
 * Shown is it by what only a reader can know: of a SYN-ACK its flow ID and
 * verno, of an RSYN-ACK its verno, which is a random number each time, and of a
 * CHALLENGE the bits. That the right ACK comes from there completes a move as
 * ever (transitions.h), but a peer knows its own numbers, and may send one
 * blindly. An ACK which does not name the RSYN-ACK's number shows nothing, and
 * a CHALLENGE goes there until there is an answer, or no room for it. The
 * address in use is asked about apart from all other questions (challenge.c):
 * they may be out at the same time.
 *
 * What only a reader of *another* address can know shows nothing about this
 * one. The SYN-ACKs of a flow are the same wherever its SYNs came from; so with
 * SYNs from two addresses only the CHALLENGE counts. And the number of the
 * RSYN-ACK is another one for each address, though there be no new RSYN: that
 * to our own may come from elsewhere, and would be acknowledged by a peer that
 * knows the last number and is not there.
 *
 * The obvious danger is to stand still for good, for want of room, where the
 * peer has nothing to say: it moved, is sure of it, and its ACKs were lost; or
 * it has opened the flow, and they were. So whose move is complete, and hears
 * nothing but RSYN-ACKs for a second after it, asks (liveness.c), and so does
 * who has opened: what they send makes room, and the question is answered by
 * the RSYN-ACK until the ACK has come. And our own RSYN is under no bound, or
 * two ends that have moved at once could both be silent for ever.
 *
 * Not under it either: what we send because our own rules say so, and questions
 * to addresses that a list tells (prove.c has bounds of its own). Native flows
 * have the bound of the handshake alone: the stack of 2012 knows no question,
 * and the ACK to its RSYN-ACK has no number that would be worth the name.
 */
#include "node/sal/engine.h"

#define FACTOR 3
#define ASK_GAP_NS (200 * MS)
#define ASK_GAP_MAX_NS (10 * SECOND)
/* Of the room that a SYN gives so many SYN-ACKs are spared: else a program's
 * first answer would take it all, and with one ACK lost nobody would say
 * anything any more. */
#define SPARED_SYNACKS 3

static size_t outer_len(const struct sal_path *path)
{
	return (path->remote.family == AF_INET6 ? 40u : 20u) +
	       (path->remote_port ? 8u : 0u);
}

size_t sal_arrival_bytes(const struct sal_arrival *a)
{
	return a->len + outer_len(a->path);
}

/* A segment that is cut up on its way has its headers once a piece. */
static size_t bytes_of(const struct sal_path *path, size_t header, size_t len,
		       const struct sal_offload *o)
{
	size_t pieces = 1;

	if (o->gso_type && o->gso_size && len > o->header_len)
		pieces = (len - o->header_len + o->gso_size - 1) / o->gso_size;
	return len + (pieces - 1) * o->header_len +
	       pieces * (header + outer_len(path));
}

static bool is_under_it(const struct sal_flow *f, const struct ip_addr *to)
{
	return f->bound.on && ip_addr_equal(&f->bound.addr, to);
}

static uint64_t room(const struct sal_flow *f)
{
	uint64_t all = FACTOR * f->bound.got;

	return all > f->bound.sent ? all - f->bound.sent : 0;
}

bool sal_bound_on(const struct sal_flow *f)
{
	return is_under_it(f, &f->tie.path.remote);
}

/* ---- what goes out ------------------------------------------------------ */

bool sal_bound_takes(struct sal *s, struct sal_flow *f,
		     const struct sal_outer *out)
{
	size_t n;

	if (!is_under_it(f, &out->path.remote))
		return true;
	n = bytes_of(&out->path, out->header_len, out->len, &out->offload);
	if (n > room(f)) {
		s->stats.unproven_unsent++;
		return false;
	}
	f->bound.sent += n;
	return true;
}

void sal_bound_rsyn(struct sal_flow *f, const struct sal_outer *out)
{
	if (is_under_it(f, &out->path.remote))
		f->bound.sent += out->header_len + outer_len(&out->path);
}

static size_t spared(const struct sal_flow *f)
{
	size_t synack =
		SAL_HEADER_LEN + SAL_CONTROL_LEN + outer_len(&f->tie.path);

	if (f->info.state != SAL_SYN_RCVD)
		return 0;
	if (f->hops.n)
		synack += SAL_SOURCE_MIN +
			  f->hops.n * ip_addr_size(&f->tie.path.remote);
	return SPARED_SYNACKS * synack;
}

bool sal_bound_admits(const struct sal_flow *f, const struct sal_kept *kept)
{
	return !sal_bound_on(f) || bytes_of(&f->tie.path, SAL_HEADER_LEN,
					    kept->len, &kept->offload) +
						   spared(f) <=
					   room(f);
}

/* ---- what comes in ------------------------------------------------------ */

void sal_bound_got(struct sal_flow *f, const struct sal_arrival *a)
{
	if (!is_under_it(f, &a->path->remote))
		return;
	f->bound.got += sal_arrival_bytes(a);
	f->bound.starved_ns = 0;
}

/* What is asked where the peer may never have been is not asked any more. */
static void leave(struct sal_flow *f)
{
	if (f->ask != SAL_ASK_NOTHING && is_under_it(f, &f->ask_path.remote))
		f->ask = SAL_ASK_NOTHING;
}

void sal_bound_begin(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	const struct ip_addr *addr = &a->path->remote;

	if (is_under_it(f, addr))
		return; /* what came was counted */
	leave(f);
	if (ip_addr_equal(addr, &f->bound.proven)) {
		f->bound.on = false;
		return;
	}
	f->bound = (struct sal_bound){
		.on = true,
		.addr = *addr,
		.proven = f->bound.proven,
		.got = sal_arrival_bytes(a),
		.resend = f->bound.resend,
	};
	/* The one so far was told elsewhere. */
	if (f->has_peer_rsyn && !f->info.native)
		f->rsynack = sal_rand_u32(&s->rand);
}

void sal_bound_lift(struct sal *s, struct sal_flow *f,
		    const struct ip_addr *addr)
{
	bool resend = f->bound.resend;

	if (!is_under_it(f, addr))
		return;
	f->bound = (struct sal_bound){ .proven = *addr };
	s->stats.unproven_shown++;
	/* It may have waited for room, too. */
	sal_list_changed(s, f);
	if (!sal_can_send(f)) {
		f->bound.resend = resend;
		return;
	}
	if (resend)
		sal_unacked_resend(s, f);
	sal_queue_flush(s, f);
}

void sal_bound_trust(struct sal_flow *f, const struct ip_addr *addr)
{
	if (!is_under_it(f, addr))
		leave(f);
	f->bound = (struct sal_bound){ .proven = *addr };
}

void sal_bound_acked(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	if (is_under_it(f, &a->path->remote) && !f->info.native &&
	    f->has_peer_rsyn && c->verno == f->peer_rsyn + 1 &&
	    c->ackno == f->rsynack + 1)
		sal_bound_lift(s, f, &a->path->remote);
}

void sal_bound_go_on(struct sal *s, struct sal_flow *f)
{
	if (!sal_bound_on(f))
		return;
	if (f->bound.unanswered && (f->info.state == SAL_RSYN_RCVD ||
				    f->info.state == SAL_RSYN_SENT_RCVD)) {
		f->bound.unanswered = false;
		sal_rsynack_again(s, f);
	} else if (sal_can_send(f)) {
		sal_queue_flush(s, f);
	}
	sal_flow_arm(s, f);
}

/* ---- asking there ------------------------------------------------------- */

/* Else it has just been sent something that shows as much when it is answered.
 */
static bool may_ask(const struct sal_flow *f)
{
	if (!sal_bound_on(f) || f->info.native || !f->tie.remote_id)
		return false;
	switch (f->info.state) {
	case SAL_SYN_RCVD:
		return f->confirmed;
	case SAL_ESTABLISHED:
	case SAL_FIN_WAIT:
	case SAL_CLOSE_WAIT:
	case SAL_TIME_WAIT:
		return true;
	default:
		return false;
	}
}

int64_t sal_bound_due_ns(const struct sal_flow *f)
{
	size_t question =
		SAL_HEADER_LEN + SAL_CHALLENGE_LEN + outer_len(&f->tie.path);

	return may_ask(f) && question <= room(f) ?
		       f->bound.asked_ns + f->bound.gap_ns :
		       SAL_NEVER;
}

void sal_bound_ask(struct sal *s, struct sal_flow *f)
{
	struct sal_bound *b = &f->bound;

	/* The same question again: the answer to the first may be late. */
	if (!b->asked)
		sal_rand_bytes(&s->rand, &b->value, sizeof(b->value));
	b->asked = true;
	b->asked_ns = s->now_ns;
	b->gap_ns = b->gap_ns ? 2 * b->gap_ns : ASK_GAP_NS;
	if (b->gap_ns > ASK_GAP_MAX_NS)
		b->gap_ns = ASK_GAP_MAX_NS;
	s->stats.unproven_asked++;
	sal_send_challenge(s, f, &f->tie.path, SAL_CHALLENGE_ASK, b->value);
}
