/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking back. Some things are told by those who cannot prove it: data comes
 * from an address that the peer is not known to have, a reset from one who has
 * lost all state, an ICMP error from anywhere, a SYN for a conversation that
 * somebody else leads. None of them acts. Each makes us send a CHALLENGE to
 * where the answer must come from, a few times, and no more often than once in
 * SAL_ASK_GAP_NS.
 *
 * A challenge carries 64 random bits. Who has the flow answers with SipHash of
 * them and the flow IDs, under the two nonces: that proves the nonces without
 * showing them. To send the nonce itself would give it to anybody who asks, or
 * who makes us ask, from an address of his own; and with it he could reset or
 * move the flow. Who does not have the flow answers with a reset that brings
 * the bits back as they were. That shows only that he reads what is sent to the
 * peer's address, which is the most that one without state can show, and more
 * than one off the path can.
 *
 * An answer counts from where the question went, for what it was about. One
 * that comes when nobody waits any more still tells that the peer lives, and
 * how far away it is. A client that is asked before it has had the SYN-ACK
 * knows no nonce but its own: it sends its SYN again, which has that one, and
 * so is as good an answer (handshake.c).
 */
#include "node/sal/engine.h"

#include <sodium/crypto_shorthash.h>
#include <string.h>

static uint64_t proof(uint64_t asker_nonce, uint64_t answerer_nonce,
		      uint32_t asker_id, uint32_t answerer_id, uint64_t value)
{
	uint8_t key[crypto_shorthash_KEYBYTES];
	uint8_t text[16], out[crypto_shorthash_BYTES];
	uint64_t result = 0;

	for (int i = 0; i < 8; i++) {
		key[i] = (uint8_t)(asker_nonce >> (56 - 8 * i));
		key[8 + i] = (uint8_t)(answerer_nonce >> (56 - 8 * i));
		text[i] = (uint8_t)(value >> (56 - 8 * i));
	}
	for (int i = 0; i < 4; i++) {
		text[8 + i] = (uint8_t)(asker_id >> (24 - 8 * i));
		text[12 + i] = (uint8_t)(answerer_id >> (24 - 8 * i));
	}
	crypto_shorthash(out, text, sizeof(text), key);
	for (int i = 0; i < 8; i++)
		result = result << 8 | out[i];
	return result;
}

/* Where nobody has shown anything yet, no more than what came from there. */
static bool has_room(struct sal *s, struct sal_flow *f)
{
	uint64_t n = SAL_HEADER_LEN + SAL_CHALLENGE_LEN +
		     (f->ask_path.remote.family == AF_INET6 ? 40 : 20) +
		     (f->ask_path.remote_port ? 8 : 0);

	if (f->ask != SAL_ASK_PATH)
		return true;
	if (f->ask_room < n) {
		s->stats.unproven_unsent++;
		return false;
	}
	f->ask_room -= n;
	return true;
}

static void ask_emit(struct sal *s, struct sal_flow *f)
{
	f->ask_ns = s->now_ns;
	f->ask_tries++;
	if (!has_room(s, f)) {
		sal_flow_arm(s, f);
		return;
	}
	s->stats.challenges_sent++;
	sal_send_challenge(s, f, &f->ask_path, SAL_CHALLENGE_ASK, f->ask_value);
	sal_flow_arm(s, f);
}

/*
 * One question at a time, and not too often. But where somebody speaks from
 * elsewhere, what goes on being asked at the peer's old address may have no
 * answer just for that reason: he is asked at once.
 */
static bool may_ask(const struct sal *s, const struct sal_flow *f,
		    enum sal_challenge_why why)
{
	/* The stack of 2012 knows no challenges. */
	if (f->info.native || !f->tie.remote_id || sal_flow_still(f))
		return false;
	if (why == SAL_ASK_PATH && f->ask != SAL_ASK_PATH &&
	    f->ask != SAL_ASK_NOTHING)
		return !f->ask_path_ns ||
		       s->now_ns - f->ask_path_ns >= SAL_ASK_GAP_NS;
	return f->ask == SAL_ASK_NOTHING &&
	       (!f->ask_ns || s->now_ns - f->ask_ns >= SAL_ASK_GAP_NS);
}

/* Since its tuple was claimed. */
static bool said_nothing_yet(const struct sal_flow *f)
{
	return f->owner_ns && f->owner_silent_ns >= f->owner_ns;
}

void sal_ask(struct sal *s, struct sal_flow *f, enum sal_challenge_why why,
	     const struct sal_path *path, uint16_t reason)
{
	if (!may_ask(s, f, why))
		return;
	if (why == SAL_ASK_PATH)
		f->ask_path_ns = s->now_ns;
	f->ask = why;
	f->ask_path = *path;
	f->ask_reason = reason;
	f->ask_tries = 0;
	/* The same question again: the answer to the first may be late. */
	if (why != SAL_ASK_OWNER || !said_nothing_yet(f)) {
		sal_rand_bytes(&s->rand, &f->ask_value, sizeof(f->ask_value));
		f->ask_first_ns = s->now_ns;
	}
	f->ask_over = false;
	ask_emit(s, f);
}

/* spent: that an answer takes as well. */
static void ask_there(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a, size_t spent)
{
	uint64_t room = 3 * sal_arrival_bytes(a) - spent;

	if (f->ask == SAL_ASK_PATH && sal_path_equal(&f->ask_path, a->path)) {
		f->ask_room += room;
		return;
	}
	if (!may_ask(s, f, SAL_ASK_PATH))
		return;
	f->ask_room = room;
	sal_ask(s, f, SAL_ASK_PATH, a->path, 0);
}

void sal_ask_path(struct sal *s, struct sal_flow *f,
		  const struct sal_arrival *a)
{
	ask_there(s, f, a, 0);
}

/* Who waits for the ACK to its RSYN-ACK, and may say little, says that; and so
 * it does when the move is complete and the ACK did not have the number. */
static bool says_rsynack(const struct sal_flow *f, const struct sal_arrival *a)
{
	switch (f->info.state) {
	case SAL_RSYN_RCVD:
	case SAL_RSYN_SENT_RCVD:
	case SAL_ESTABLISHED:
		return f->has_peer_rsyn && sal_bound_on(f) &&
		       sal_path_equal(&f->tie.path, a->path);
	default:
		return false;
	}
}

void sal_asked(struct sal *s, struct sal_flow *f, const struct sal_arrival *a)
{
	uint64_t value =
		sal_find(&a->packet, SAL_EXT_CHALLENGE, 0)->challenge.value;

	bool left = f->old.remote_id && f->old.remote_id == a->packet.src_flow;

	if (f->info.state == SAL_SYN_SENT && !left) {
		/* By one whose SYN-ACK is under way, it may be. */
		sal_syn_asked(s, f);
		return;
	}
	if (!f->tie.remote_id || f->tie.remote_id != a->packet.src_flow) {
		/* About a tie that this flow has left: as good as unknown. */
		sal_send_stray_rst(s, a, SAL_REASON_UNKNOWN_FLOW);
		return;
	}
	/* A peer that waits for us, perhaps behind a NAT that has forgotten it;
	 * or one that wants to know whether we can be reached here. */
	if (!sal_path_known(f, a->path) && !sal_proof_wanted(f, a->path))
		ask_there(s, f, a, sal_arrival_bytes(a));
	sal_prove_asked(s, f, a->path);
	/* Where we think it is we may say no more; it has shown that it is here
	 * as well, and asks from here. */
	if (sal_bound_on(f) && !sal_path_equal(&f->tie.path, a->path) &&
	    sal_proof_has(s, f, a->path))
		sal_path_take(s, f, a->path);
	if (says_rsynack(f, a)) {
		sal_rsynack_again(s, f);
		return;
	}
	sal_send_challenge(s, f, a->path, SAL_CHALLENGE_ANSWER,
			   proof(f->tie.peer_nonce, f->tie.nonce,
				 f->tie.remote_id, f->info.local_id, value));
}

/* The right answer to that question. */
static bool answers(const struct sal_flow *f, const struct sal_arrival *a,
		    uint64_t question)
{
	return a->packet.src_flow == f->tie.remote_id &&
	       sal_find(&a->packet, SAL_EXT_CHALLENGE, 0)->challenge.value ==
		       proof(f->tie.nonce, f->tie.peer_nonce, f->info.local_id,
			     f->tie.remote_id, question);
}

static bool from_where_asked(const struct sal_flow *f,
			     const struct sal_arrival *a)
{
	return sal_path_equal(&f->ask_path, a->path);
}

/* What was sent to where the peer was before is lost, as after an RSYN. */
static void path_proved(struct sal *s, struct sal_flow *f,
			const struct sal_path *path)
{
	f->mtu = 0;
	sal_way_because(f, SAL_WAY_PEER_SEEN);
	sal_path_take(s, f, path);
	sal_bound_trust(f, &path->remote);
	sal_flow_event(s, f, SAL_EVENT_FLOW_MIGRATED, 0, 0);
	sal_way_note(s, f);
	if (f->info.state == SAL_ESTABLISHED)
		sal_unacked_resend(s, f);
	/* Our own move was looking for it. */
	else if (f->info.state == SAL_RSYN_SENT)
		sal_step(s, f, SAL_ON_ADDRESS, NULL);
}

void sal_answered(struct sal *s, struct sal_flow *f,
		  const struct sal_arrival *a)
{
	/* That it is at another address says nothing of the one in use. */
	if (f->prove_out && answers(f, a, f->prove_value) &&
	    sal_proof_answered(s, f, a->path))
		return;
	if (f->back_out && answers(f, a, f->back_value) &&
	    sal_back_answered(s, f, a->path))
		return;
	if (f->bound.asked && sal_bound_on(f) &&
	    ip_addr_equal(&a->path->remote, &f->bound.addr) &&
	    answers(f, a, f->bound.value)) {
		sal_bound_lift(s, f, &a->path->remote);
		return;
	}
	if (f->ask == SAL_ASK_NOTHING && !f->ask_over)
		return;
	if (!from_where_asked(f, a) || !answers(f, a, f->ask_value)) {
		s->stats.challenges_failed++;
		return;
	}
	if (f->ask == SAL_ASK_NOTHING) {
		/* From far away. What silence has begun goes on; but it was
		 * none, and the tuple is still its owner's. */
		f->ask_over = false;
		f->owner_ns = 0;
		f->far_ns = s->now_ns - f->ask_first_ns;
		if (f->far_ns > SAL_FAR_MAX_NS)
			f->far_ns = SAL_FAR_MAX_NS;
		return;
	}
	/* It is no longer where it was, or we are not. */
	if (2 * (s->now_ns - f->ask_first_ns) < f->far_ns)
		f->far_ns = 0;
	sal_alive_heard(f);
	f->unsure = false;
	if (f->ask == SAL_ASK_PATH)
		path_proved(s, f, a->path);
	f->ask = SAL_ASK_NOTHING;
	sal_flow_arm(s, f);
}

bool sal_answered_gone(struct sal *s, struct sal_flow *f,
		       const struct sal_arrival *a)
{
	const struct sal_ext *e = sal_find(&a->packet, SAL_EXT_CHALLENGE, 0);
	uint16_t reason = f->ask_reason;

	if (!e || e->challenge.kind != SAL_CHALLENGE_ANSWER ||
	    f->ask == SAL_ASK_NOTHING || f->ask == SAL_ASK_PATH ||
	    !from_where_asked(f, a))
		return false;
	if (e->challenge.value != f->ask_value) {
		s->stats.challenges_failed++;
		return false;
	}
	f->ask = SAL_ASK_NOTHING;
	sal_step_because(s, f, SAL_ON_LOST,
			 reason ? reason : SAL_REASON_UNKNOWN_FLOW);
	return true;
}

/* ---- whose the tuple is -------------------------------------------------- */

/* Without an address, or where the peer may not know it yet. Not for ever: the
 * peer may be dead, and RSYNs go on for as long as the flow may be idle. */
static bool cannot_be_answered(const struct sal *s, const struct sal_flow *f)
{
	return (f->rsyn_unanswered || !ip_addr_size(&f->tie.path.local)) &&
	       s->now_ns - f->since_ns < SAL_OWNER_DEAF_NS;
}

static int64_t patience_ns(const struct sal_flow *f)
{
	return sal_flow_unproven(f) ? SAL_UNPROVEN_PATIENCE_NS :
				      SAL_OWNER_PATIENCE_NS;
}

/*
 * Who claims a tuple has shown nothing, and its owner may be on its way to
 * another address, or we are. So its silence has to last, and we ask again by
 * ourselves when it has: where several instances have such a flow, a new client
 * comes to each of them a few times only. And silence alone ends nothing, for
 * one packet of a stranger would be enough then: the tuple goes to whoever
 * claims it next.
 */
static bool owner_is_silent(const struct sal *s, const struct sal_flow *f)
{
	return f->owner_ns && !cannot_be_answered(s, f) &&
	       f->owner_silent_ns >= f->owner_ns + patience_ns(f) &&
	       s->now_ns - f->owner_silent_ns < SAL_OWNER_SILENCE_NS;
}

bool sal_take_tuple(struct sal *s, struct sal_flow *owner)
{
	if (owner_is_silent(s, owner) && !sal_flow_still(owner)) {
		/* Nobody leads this conversation any more. */
		if (sal_flow_unproven(owner))
			sal_syn_taken(s, owner);
		sal_step_because(s, owner, SAL_ON_RESET, 0);
		return true;
	}
	if (!owner->owner_ns ||
	    s->now_ns - owner->owner_ns >= SAL_OWNER_SILENCE_NS)
		owner->owner_ns = s->now_ns;
	sal_ask(s, owner, SAL_ASK_OWNER, &owner->tie.path, 0);
	sal_flow_arm(s, owner);
	return false;
}

static void owner_said_nothing(struct sal *s, struct sal_flow *f)
{
	f->owner_silent_ns = s->now_ns;
	/* It never was seen. But we may have moved meanwhile. */
	if (!sal_flow_unproven(f) || !owner_is_silent(s, f)) {
		sal_flow_arm(s, f);
		return;
	}
	sal_syn_taken(s, f);
	sal_step_because(s, f, SAL_ON_RESET, 0);
}

/* When it is asked by ourselves. */
static int64_t owner_due_ns(const struct sal_flow *f)
{
	int64_t due = f->owner_ns + patience_ns(f);

	if (!f->owner_ns || !f->tie.remote_id || f->owner_silent_ns >= due)
		return SAL_NEVER;
	return due > f->ask_ns + SAL_ASK_GAP_NS ? due :
						  f->ask_ns + SAL_ASK_GAP_NS;
}

/* ---- time ---------------------------------------------------------------- */

/* When a peer that does not answer is silent. Else one that is far away would
 * be so after each move, and its RSYNs would never end. */
static int64_t silent_at_ns(const struct sal *s, const struct sal_flow *f)
{
	int64_t due = f->ask_ns + s->config.probe_gap_ns;
	int64_t far = f->ask_first_ns + f->far_ns + f->far_ns / 2;

	return f->far_ns && f->ask_tries >= s->config.probe_tries && far > due ?
		       far :
		       due;
}

int64_t sal_ask_due_ns(const struct sal *s, const struct sal_flow *f)
{
	if (f->ask == SAL_ASK_NOTHING)
		return owner_due_ns(f);
	return f->ask == SAL_ASK_SILENT ? silent_at_ns(s, f) :
					  f->ask_ns + SAL_ASK_GAP_NS;
}

void sal_ask_timeout(struct sal *s, struct sal_flow *f)
{
	enum sal_challenge_why why = f->ask;

	if (why == SAL_ASK_NOTHING) {
		sal_ask(s, f, SAL_ASK_OWNER, &f->tie.path, 0);
		return;
	}
	if (f->ask_tries <
	    (why == SAL_ASK_SILENT ? s->config.probe_tries : SAL_ASK_TRIES)) {
		ask_emit(s, f);
		return;
	}
	f->ask = SAL_ASK_NOTHING;
	f->ask_over = true;
	if (why == SAL_ASK_OWNER) {
		owner_said_nothing(s, f);
		return;
	}
	if (why == SAL_ASK_SILENT)
		sal_alive_silent(s, f);
	if (f->in_use)
		sal_flow_arm(s, f);
}
