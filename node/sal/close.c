/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a flow ends.
 *
 * FIN, when the conversation inside is over: TCP has closed both ways and has
 * it acknowledged, or was reset; UDP and ICMP have been idle. Each end sends
 * its own FIN and acknowledges the other's; both may start, and they may cross.
 * A FIN is no barrier for segments: TCP's last ACK may be lost, and its
 * repetition has to get through, so a closing flow goes on carrying what comes,
 * until TIME_WAIT is over or a new conversation wants its tuple.
 *
 *     ESTABLISHED
 *     FIN_WAIT     FIN ------------------>   ESTABLISHED
 *                  <------------------ ACK   CLOSE_WAIT
 *                  <------------------ FIN   FIN_WAIT: when its own TCP is
 *     TIME_WAIT    ACK ------------------>   TIME_WAIT   over, at once where
 *                                                        there is none
 *
 * RST, when there is nothing to exchange politely: it acts only with the peer's
 * nonce, or with our own one, which who has no state copies from our packet.
 * Anything else that says RST can at most make us ask (challenge.c).
 */
#include "node/sal/engine.h"

static void fin_emit(struct sal *s, struct sal_flow *f)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_FIN,
				 .verno = f->fin,
				 .ackno = f->tie.peer_next,
			 });
}

/*
 * To where the packet came from: an end may close from a new address. Its verno
 * must not be one above that of an RSYN of ours which is unanswered, be it the
 * latest or not: that would read as the ACK to an RSYN-ACK which we never had
 * (tests/spin finds it, with three moves and with four).
 */
void sal_do_send_ack(const struct sal_step *t)
{
	const struct sal_path *from = t->a->path;
	struct sal_tie to = t->f->tie;

	to.path.remote = from->remote;
	to.path.remote_port = from->remote_port;
	to.path.local_port = from->local_port;
	if (to.path.local.family != from->local.family)
		to.path = *from;
	sal_send_control(t->s, t->f, &to,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = t->f->rsyn_unanswered ?
						  t->f->answered_next :
						  to.next,
				 .ackno = to.peer_next,
			 });
}

/*
 * One of ours at a time: a FIN that arrives before the RSYN with the lower
 * verno would make that an old one, and our new address would never be taken.
 */
void sal_do_send_fin(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (f->rsyn_unanswered) {
		/* Given up, in CLOSE_WAIT; the FIN still has to get there. */
		if (f->retry_ns == SAL_NEVER) {
			sal_do_send_rsyn_again(t);
			sal_flow_retry_start(t->s, f, SAL_RSYN_GAP_NS);
		}
		return;
	}
	f->fin = f->tie.next++;
	f->fin_sent = true;
	fin_emit(t->s, f);
	sal_flow_retry_start(t->s, f, SAL_FIN_GAP_NS);
}

void sal_do_send_fin_again(const struct sal_step *t)
{
	t->s->stats.retransmissions++;
	if (t->f->rsyn_unanswered)
		sal_do_send_rsyn_again(t);
	else
		fin_emit(t->s, t->f);
	sal_flow_retry_again(t->s, t->f, INT64_MAX / 2);
}

/* An RSYN of ours, sent while closing, is answered for the first time. */
void sal_do_resume_closing(const struct sal_step *t)
{
	if (!t->f->rsyn_unanswered)
		return;
	sal_path_settle(t->f);
	sal_flow_retry_stop(t->s, t->f);
	sal_flow_event(t->s, t->f, SAL_EVENT_FLOW_MIGRATED, 0, 0);
	sal_unacked_resend(t->s, t->f);
	sal_queue_flush(t->s, t->f);
}

/*
 * Whether the peer had our FIN we cannot know, and its verno is below that of
 * the RSYN now: it has to be said again, with a greater one. The back-off was
 * stopped, unless this is a repeated answer.
 */
void sal_do_fin_after_move(const struct sal_step *t)
{
	if (t->f->info.state == SAL_FIN_WAIT && !t->f->fin_acked &&
	    t->f->retry_ns == SAL_NEVER)
		sal_do_send_fin(t);
}

void sal_do_fin_done(const struct sal_step *t)
{
	if (!t->f->rsyn_unanswered)
		sal_flow_retry_stop(t->s, t->f);
}

void sal_do_close_later(const struct sal_step *t)
{
	/* The peer's FIN closes its own direction; what of ours, a socket says.
	 */
	if (!t->a || !t->f->info.native)
		t->f->close_wanted = true;
}

static bool is_over(const struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_CLOSE_WAIT:
		return sal_flow_stateless(f) || sal_tcp_over(f);
	case SAL_SYN_RCVD:
		/* Else a SYN, from wherever it is, would bring it out of the
		 * bound of those that are half open. */
		return f->confirmed && sal_tcp_over(f);
	case SAL_ESTABLISHED:
		return sal_tcp_over(f);
	default:
		return false;
	}
}

void sal_close_check(struct sal *s, struct sal_flow *f)
{
	if (is_over(f))
		sal_step(s, f, SAL_ON_CLOSE, NULL);
}

void sal_do_close_if_over(const struct sal_step *t)
{
	sal_close_check(t->s, t->f);
}

/* The peer goes on without this tie; what it still has on its way is welcome.
 */
void sal_do_leave_tie(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (f->tie.remote_id)
		sal_send_control(t->s, f, &f->tie,
				 &(struct sal_control_out){
					 .flags = SAL_FLAG_FIN,
					 .verno = f->tie.next++,
					 .ackno = f->tie.peer_next,
				 });
	sal_do_drop_tie(t);
}

/*
 * On a tie that this flow has left, or never had. Where our one FIN was lost,
 * the old instance believes that it is still bound to us, and would send us its
 * RSYNs for as long as the flow may be idle.
 */
void sal_left_tie_arrived(struct sal *s, const struct sal_arrival *a)
{
	uint8_t flags = sal_find_control(&a->packet)->flags;

	if (flags & SAL_FLAG_RSYN && !(flags & SAL_FLAG_ACK))
		sal_send_stray_rst(s, a, SAL_REASON_UNKNOWN_FLOW);
}

void sal_left_fin_arrived(struct sal *s, struct sal_flow *f,
			  const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	if (!(c->flags & SAL_FLAG_FIN)) {
		sal_left_tie_arrived(s, a);
		return;
	}
	sal_send_control(s, f, &f->old,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = f->old.next,
				 .ackno = c->verno + 1,
			 });
}

static bool is_rsyn_too(const struct sal_step *t)
{
	uint8_t flags = sal_find_control(&t->a->packet)->flags;

	return (flags & (SAL_FLAG_RSYN | SAL_FLAG_ACK)) == SAL_FLAG_RSYN &&
	       t->f->has_peer_rsyn;
}

static bool fin_is_fresh(const struct sal_step *t)
{
	uint32_t verno = sal_find_control(&t->a->packet)->verno;

	/* The old stack sends it on an RSYN that is under way. */
	if (t->f->info.native && is_rsyn_too(t))
		return !t->f->peer_fin && verno == t->f->peer_rsyn;
	return !t->f->peer_fin && !sal_after(t->f->tie.peer_next, verno);
}

bool sal_if_fin_fresh(const struct sal_step *t)
{
	return fin_is_fresh(t) && !t->f->fin_acked;
}

bool sal_if_fin_last(const struct sal_step *t)
{
	return fin_is_fresh(t) && t->f->fin_acked;
}

bool sal_if_fin_again(const struct sal_step *t)
{
	return t->f->peer_fin;
}

bool sal_if_fin_old(const struct sal_step *t)
{
	return !t->f->peer_fin && !fin_is_fresh(t);
}

void sal_do_take_fin(const struct sal_step *t)
{
	t->f->tie.peer_next = sal_find_control(&t->a->packet)->verno + 1;
	t->f->peer_fin = true;
	sal_native_end(t->s, t->f);
}

void sal_do_note_fin(const struct sal_step *t)
{
	uint32_t verno = sal_find_control(&t->a->packet)->verno;

	if (!sal_after(t->f->tie.peer_next, verno))
		t->f->tie.peer_next = verno + 1;
}

static bool names_fin(const struct sal_step *t)
{
	return t->f->fin_sent && !t->f->fin_acked &&
	       sal_find_control(&t->a->packet)->ackno == t->f->fin + 1;
}

bool sal_if_names_fin(const struct sal_step *t)
{
	return names_fin(t) && !t->f->peer_fin;
}

bool sal_if_names_last_fin(const struct sal_step *t)
{
	return names_fin(t) && t->f->peer_fin;
}

void sal_do_take_fin_ack(const struct sal_step *t)
{
	t->f->fin_acked = true;
}

/* ---- resets ------------------------------------------------------------- */

static uint16_t reason_of(const struct sal_flow *f, const struct sal_arrival *a)
{
	const struct sal_ext *e = sal_find(&a->packet, SAL_EXT_REASON, 0);

	if (f->info.native)
		return f->info.state == SAL_SYN_SENT ? SAL_REASON_REFUSED : 0;
	return e ? e->reason : 0;
}

static bool rst_proves_itself(const struct sal_flow *f, uint64_t nonce)
{
	return nonce == f->tie.nonce ||
	       (f->tie.remote_id && nonce == f->tie.peer_nonce);
}

static bool says_gone(uint16_t reason)
{
	return reason == SAL_REASON_NO_INSTANCE ||
	       reason == SAL_REASON_NO_SERVICE ||
	       reason == SAL_REASON_UNKNOWN_FLOW;
}

/*
 * From where an RSYN of ours has been tried, or the name has led it, and the
 * peer is not: a host that has this address now copies our nonce, and knows
 * nothing of the flow. Its answer may come when we have found the peer by then.
 */
static bool from_elsewhere(const struct sal_flow *f,
			   const struct sal_arrival *a)
{
	if (sal_find_control(&a->packet)->nonce != f->tie.nonce)
		return false;
	if (f->rsyn_unanswered && !f->info.native)
		return !ip_addr_equal(&f->home.remote, &a->path->remote);
	return f->info.client && !sal_path_known(f, a->path);
}

/* To look for another is of use to what can go on with another, and has lost
 * its own. */
static bool is_news(const struct sal_flow *f, const struct sal_arrival *a)
{
	return !from_elsewhere(f, a) ||
	       (f->info.client && sal_flow_stateless(f) && f->rsyn_unanswered);
}

void sal_rst_arrived(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	uint16_t reason = reason_of(f, a);

	if (f->old.remote_id &&
	    (c->nonce == f->old.nonce || c->nonce == f->old.peer_nonce)) {
		f->old.remote_id = 0;
		return;
	}
	/* Our nonce, from one whom a forged SYN made us answer. */
	if (f->info.native && f->tie.remote_id &&
	    a->packet.src_flow != f->tie.remote_id) {
		s->stats.bad_nonce++;
		return;
	}
	if (!rst_proves_itself(f, c->nonce)) {
		if (sal_answered_gone(s, f, a))
			return;
		s->stats.bad_nonce++;
		if (f->tie.remote_id && a->packet.src_flow == f->tie.remote_id)
			sal_ask(s, f, SAL_ASK_ALIVE, &f->tie.path, reason);
		return;
	}
	sal_flow_event(s, f, SAL_EVENT_REFUSED, reason, 0);
	if (f->info.state == SAL_SYN_SENT) {
		if (!f->resolve_again)
			sal_syn_refused(s, f, reason, &a->path->remote);
		return;
	}
	if (says_gone(reason)) {
		if (is_news(f, a))
			sal_step_because(s, f, SAL_ON_LOST, reason);
		else
			s->stats.unknown_flow++;
		return;
	}
	sal_step_because(s, f, SAL_ON_RESET, reason);
}

void sal_do_reset_program(const struct sal_step *t)
{
	sal_reset_program(t->s, t->f);
}

void sal_do_abort(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	sal_send_control(t->s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = f->info.native ?
						  SAL_FLAG_RST | SAL_FLAG_ACK :
						  SAL_FLAG_RST,
				 .verno = f->tie.next,
				 .ackno = f->tie.peer_next,
				 .reason = f->reason,
			 });
	sal_flow_event(t->s, f, SAL_EVENT_REFUSED, f->reason, 0);
	if (!sal_flow_closing(f))
		sal_reset_program(t->s, f);
}
