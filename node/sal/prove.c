/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standby addresses, proven beforehand: so that a move to one costs one round
 * trip, and not two.
 *
 * Who takes an RSYN knows that the peer has sent it, but not that it can be
 * reached where it came from: a source address is easily written. So data waits
 * until the ACK has come from there, a round trip later. But the peer's other
 * addresses are known before (ADDRESS lists, paths.c), and there is time to ask
 * at each, by CHALLENGE, while nothing is the matter. One that has answered is
 * proven: when an RSYN comes from it, data goes there at once, in RSYN_RCVD.
 * And who was asked at an address of its own knows that this way leads to the
 * peer: its data goes right behind its RSYN.
 *
 * Nobody gains by it who could do nothing before:
 *
 * 1. A proof is the flow's own. The answer needs both nonces and the 64 bits
 *    that were sent there. So a peer that lists a stranger's address does not
 *    get it proven, and an answer on another flow of that host counts nothing.
 * 2. An RSYN still needs the nonce and a greater version. A copy of an older
 *    one, from wherever, brings an ACK at most (rule 5), and no data.
 * 3. A proof serves for one move, and is gone with it; it is gone as well when
 *    the peer's newest list lacks the address, and after a minute. So who has
 *    read the nonces on the path and writes an address that the peer has lost
 *    gets data sent there once, and only until the first time-out of the
 *    RSYN-ACK, 200 ms. Then all is as if nothing had been proven.
 * 4. Questions go to addresses that the peer has merely told, so they are few:
 *    one at a time for a flow, with a gap that doubles while none is answered,
 *    to 30 s; three for an address, and then none for 30 s; and of all flows
 *    500 a second, each at a moment of its own. A list that changes does not
 *    change the gap.
 *
 * The obvious alternative, to send to any address at once but only so much, has
 * to say how much: what a stream needs is more than a stranger should get.
 *
 * A flow that is not used is not asked about again, and its proofs end: whom
 * nobody waits for may as well take two round trips. Those who encapsulate are
 * left alone. They may be behind a NAT, where nobody else can speak to the
 * addresses that they have, and each question would be a binding of its own.
 */
#include "node/sal/engine.h"

#include <string.h>

#define PROVE_DELAY_NS (10 * MS) /* let the list and its answer be over */
#define PROVE_GAP_NS (200 * MS)
#define PROVE_GAP_MAX_NS (30 * SECOND)
#define PROVE_TRIES 3 /* of an address, in a row */
#define PROVE_SLOT_NS (SECOND / 500)

/* ---- who asks ----------------------------------------------------------- */

static bool may_prove(const struct sal *s, const struct sal_flow *f)
{
	return s->config.proof_ns && f->info.state == SAL_ESTABLISHED &&
	       !f->info.native && f->standby_count && !f->tie.path.remote_port;
}

/* From where we speak now, if that is of the family. */
static bool way_to(const struct sal *s, const struct sal_flow *f,
		   const struct ip_addr *to, struct sal_path *out)
{
	const struct sal_local_address *from =
		sal_local_address(s, &f->tie.path.local);

	*out = (struct sal_path){ .remote = *to };
	if (!from || !sal_reaches(s, from, to))
		return sal_local_for(s, to, out);
	out->local = f->tie.path.local;
	out->ifindex = f->tie.path.ifindex;
	return true;
}

/* The next one to be asked; NULL: none is due. */
static struct sal_proof *next_due(const struct sal *s, struct sal_flow *f,
				  struct sal_path *path)
{
	for (uint32_t k = 0; k < f->standby_count; k++) {
		uint32_t i = (f->prove_at + k) % f->standby_count;

		if (f->proof[i].again_ns > s->now_ns ||
		    ip_addr_equal(&f->standby[i], &f->tie.path.remote) ||
		    !way_to(s, f, &f->standby[i], path))
			continue;
		return &f->proof[i];
	}
	return NULL;
}

/* Nobody has used the flow since any of its addresses were asked. */
static bool is_idle(const struct sal *s, const struct sal_flow *f)
{
	return f->prove_sent_ns &&
	       s->now_ns - f->info.last_used_ns > s->config.proof_ns / 2;
}

static void ask(struct sal *s, struct sal_flow *f, struct sal_proof *p,
		const struct sal_path *path)
{
	/* The same question again: the answer to the first may be late. */
	if (!f->prove_out ||
	    !ip_addr_equal(&path->remote, &f->prove_path.remote))
		sal_rand_bytes(&s->rand, &f->prove_value,
			       sizeof(f->prove_value));
	f->prove_path = *path;
	f->prove_out = true;
	f->prove_sent_ns = s->now_ns;
	f->prove_gap_ns = f->prove_gap_ns ? 2 * f->prove_gap_ns : PROVE_GAP_NS;
	if (f->prove_gap_ns > PROVE_GAP_MAX_NS)
		f->prove_gap_ns = PROVE_GAP_MAX_NS;
	p->tries = p->tries < PROVE_TRIES ? p->tries + 1 : 1;
	p->again_ns = p->tries < PROVE_TRIES ?
			      s->now_ns :
			      s->now_ns + s->config.proof_ns / 2;
	/* An address is asked until it answers or has been asked enough. */
	f->prove_at = (uint32_t)(p - f->proof) + (p->tries == PROVE_TRIES);
	s->stats.proofs_asked++;
	sal_send_challenge(s, f, path, SAL_CHALLENGE_ASK, f->prove_value);
}

static void wait_until(struct sal_flow *f, int64_t ns)
{
	f->prove_ns = ns;
	f->prove_slot = false;
}

static int64_t earliest_again_ns(const struct sal *s, const struct sal_flow *f)
{
	int64_t earliest = s->now_ns + s->config.proof_ns / 2;

	for (uint32_t i = 0; i < f->standby_count; i++)
		if (f->proof[i].again_ns > s->now_ns &&
		    f->proof[i].again_ns < earliest)
			earliest = f->proof[i].again_ns;
	return earliest;
}

/* A thousand flows that have moved together would else ask together. */
int64_t sal_prove_moment(struct sal *s)
{
	int64_t moment;

	if (s->prove_slot_ns < s->now_ns)
		s->prove_slot_ns = s->now_ns;
	moment = s->prove_slot_ns;
	s->prove_slot_ns += PROVE_SLOT_NS;
	return moment;
}

/* When it is time there is a moment to be had first. */
void sal_prove(struct sal *s, struct sal_flow *f)
{
	struct sal_proof *p;
	struct sal_path path;

	if (is_idle(s, f)) {
		wait_until(f, s->now_ns + s->config.proof_ns / 2);
		return;
	}
	p = next_due(s, f, &path);
	if (!p) {
		wait_until(f, earliest_again_ns(s, f));
		return;
	}
	if (!f->prove_slot) {
		f->prove_ns = sal_prove_moment(s);
		f->prove_slot = true;
		if (f->prove_ns > s->now_ns)
			return;
	}
	ask(s, f, p, &path);
	wait_until(f, s->now_ns + f->prove_gap_ns);
}

int64_t sal_prove_due_ns(const struct sal *s, const struct sal_flow *f)
{
	return f->prove_ns && may_prove(s, f) ? f->prove_ns : SAL_NEVER;
}

void sal_prove_later(struct sal *s, struct sal_flow *f)
{
	int64_t earliest = s->now_ns + PROVE_DELAY_NS;

	if (!may_prove(s, f) || f->prove_slot)
		return;
	if (f->prove_gap_ns && f->prove_sent_ns + f->prove_gap_ns > earliest)
		earliest = f->prove_sent_ns + f->prove_gap_ns;
	wait_until(f, earliest);
	if (earliest < f->armed_ns)
		sal_flow_arm(s, f);
}

/* ---- what is proven ----------------------------------------------------- */

static struct sal_proof *proof_of(const struct sal *s, struct sal_flow *f,
				  const struct sal_path *path)
{
	if (path->remote_port)
		return NULL;
	for (uint32_t i = 0; i < f->standby_count; i++) {
		struct sal_proof *p = &f->proof[i];

		if (ip_addr_equal(&f->standby[i], &path->remote))
			return p->proven_ns && s->now_ns - p->proven_ns <
						       s->config.proof_ns ?
				       p :
				       NULL;
	}
	return NULL;
}

bool sal_proof_wanted(const struct sal_flow *f, const struct sal_path *path)
{
	for (uint32_t i = 0; i < f->standby_count; i++)
		if (ip_addr_equal(&f->standby[i], &path->remote))
			return !path->remote_port;
	return false;
}

bool sal_proof_has(const struct sal *s, struct sal_flow *f,
		   const struct sal_path *path)
{
	return proof_of(s, f, path);
}

bool sal_proof_use(const struct sal *s, struct sal_flow *f,
		   const struct sal_path *path)
{
	struct sal_proof *p = proof_of(s, f, path);

	if (p)
		*p = (struct sal_proof){ 0 };
	return p;
}

bool sal_proof_answered(struct sal *s, struct sal_flow *f,
			const struct sal_path *path)
{
	if (!f->prove_out || !sal_path_equal(&f->prove_path, path))
		return false;
	f->prove_out = false;
	f->prove_gap_ns = 0;
	for (uint32_t i = 0; i < f->standby_count; i++) {
		if (!ip_addr_equal(&f->standby[i], &path->remote))
			continue;
		f->proof[i] = (struct sal_proof){
			.proven_ns = s->now_ns,
			.again_ns = s->now_ns + s->config.proof_ns / 2,
		};
		s->stats.proofs_had++;
	}
	if (!f->prove_slot)
		wait_until(f, s->now_ns + PROVE_DELAY_NS);
	sal_flow_arm(s, f);
	return true;
}

/* Of those that are on the new list as well, what is known is kept. */
void sal_proofs_carry(struct sal_flow *f, const struct ip_addr *before,
		      const struct sal_proof *proof, uint32_t n)
{
	for (uint32_t i = 0; i < f->standby_count; i++) {
		f->proof[i] = (struct sal_proof){ 0 };
		for (uint32_t k = 0; k < n; k++)
			if (ip_addr_equal(&f->standby[i], &before[k]))
				f->proof[i] = proof[k];
	}
}

/* ---- who was asked ------------------------------------------------------ */

static bool same_ends(const struct sal_path *a, const struct sal_path *b)
{
	return ip_addr_equal(&a->local, &b->local) && sal_path_equal(a, b);
}

void sal_prove_asked(struct sal *s, struct sal_flow *f,
		     const struct sal_path *path)
{
	struct sal_asked_way *oldest = &f->asked[0];

	if (path->remote_port ||
	    ip_addr_equal(&path->local, &f->tie.path.local))
		return;
	for (int i = 0; i < SAL_ASKED_WAYS; i++) {
		struct sal_asked_way *w = &f->asked[i];

		if (w->ns && same_ends(&w->path, path)) {
			w->ns = s->now_ns;
			return;
		}
		if (w->ns < oldest->ns)
			oldest = w;
	}
	*oldest = (struct sal_asked_way){ .path = *path, .ns = s->now_ns };
}

static bool use_asked_way(const struct sal *s, struct sal_flow *f)
{
	for (int i = 0; i < SAL_ASKED_WAYS; i++) {
		struct sal_asked_way *w = &f->asked[i];

		if (!w->ns || !same_ends(&w->path, &f->tie.path))
			continue;
		if (s->now_ns - w->ns >= s->config.proof_ns)
			return false;
		w->ns = 0;
		return true;
	}
	return false;
}

/* ---- moves -------------------------------------------------------------- */

/* What was under way between the old addresses is lost. Should the first RSYN
 * or RSYN-ACK have been lost too, all of it comes again when the move is
 * complete; else it does not (resume). */
static void go_on(struct sal *s, struct sal_flow *f)
{
	f->early = true;
	s->stats.early++;
	sal_unacked_resend(s, f);
	sal_queue_flush(s, f);
}

void sal_do_go_on_if_proven(const struct sal_step *t)
{
	if (t->f->rsyn_proven)
		go_on(t->s, t->f);
}

void sal_do_go_on_if_asked(const struct sal_step *t)
{
	/* It may have to wait itself. */
	if (!t->f->rsyn_waits && use_asked_way(t->s, t->f))
		go_on(t->s, t->f);
}
