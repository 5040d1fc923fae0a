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

/* To where the packet came from: an end may close from a new address. */
void sal_ack_plain(struct sal *s, struct sal_flow *f,
		   const struct sal_arrival *a)
{
	struct sal_tie to = f->tie;

	to.path.remote = a->path->remote;
	to.path.remote_port = a->path->remote_port;
	if (to.path.local.family != a->path->local.family)
		to.path = *a->path;
	sal_send_control(s, f, &to,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = to.next,
				 .ackno = to.peer_next,
			 });
}

void sal_close(struct sal *s, struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_SYN_RCVD:
	case SAL_ESTABLISHED:
	case SAL_CLOSE_WAIT:
		f->fin = f->tie.next++;
		sal_flow_set_state(s, f, SAL_FIN_WAIT);
		fin_emit(s, f);
		sal_flow_retry_start(s, f, SAL_FIN_GAP_NS);
		break;
	case SAL_RSYN_SENT:
	case SAL_RSYN_RCVD:
	case SAL_RSYN_SENT_RCVD:
		f->close_wanted = true;
		break;
	case SAL_NOADDRESS:
	case SAL_NOADDRESS_RSYN_RCVD:
	case SAL_SYN_SENT:
		sal_flow_close(s, f, 0);
		break;
	default:
		break;
	}
}

void sal_close_check(struct sal *s, struct sal_flow *f)
{
	if (sal_tcp_over(f) &&
	    (f->info.state == SAL_ESTABLISHED ||
	     f->info.state == SAL_SYN_RCVD || f->info.state == SAL_CLOSE_WAIT))
		sal_close(s, f);
}

/* The peer goes on without this tie; what it still has on its way is welcome.
 */
void sal_leave(struct sal *s, struct sal_flow *f)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_FIN,
				 .verno = f->tie.next++,
				 .ackno = f->tie.peer_next,
			 });
}

void sal_left_fin_arrived(struct sal *s, struct sal_flow *f,
			  const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	if (!(c->flags & SAL_FLAG_FIN))
		return;
	sal_send_control(s, f, &f->old,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = f->old.next,
				 .ackno = c->verno + 1,
			 });
}

static void fin_state(struct sal *s, struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_SYN_RCVD:
	case SAL_ESTABLISHED:
		sal_flow_retry_stop(s, f);
		sal_flow_set_state(s, f, SAL_CLOSE_WAIT);
		if (sal_flow_stateless(f) || sal_tcp_over(f))
			sal_close(s, f);
		break;
	case SAL_FIN_WAIT:
		if (f->fin_acked)
			sal_flow_set_state(s, f, SAL_TIME_WAIT);
		break;
	case SAL_TIME_WAIT:
		break;
	default:
		sal_close(s, f); /* in the middle of a move: after it */
	}
}

void sal_fin_arrived(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	bool fresh = !f->peer_fin && !sal_after(f->tie.peer_next, c->verno);

	if (fresh) {
		f->tie.peer_next = c->verno + 1;
		f->peer_fin = true;
	} else if (!f->peer_fin) {
		s->stats.stale_version++;
	}
	sal_ack_plain(s, f, a);
	if (fresh)
		fin_state(s, f);
}

void sal_fin_acked(struct sal *s, struct sal_flow *f,
		   const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	if (f->info.state != SAL_FIN_WAIT || f->fin_acked ||
	    c->ackno != f->fin + 1)
		return;
	f->fin_acked = true;
	sal_flow_retry_stop(s, f);
	if (f->peer_fin)
		sal_flow_set_state(s, f, SAL_TIME_WAIT);
}

void sal_fin_timeout(struct sal *s, struct sal_flow *f)
{
	if (f->tries >= SAL_FIN_TRIES) {
		sal_flow_close(s, f, 0);
		return;
	}
	s->stats.retransmissions++;
	fin_emit(s, f);
	sal_flow_retry_again(s, f, INT64_MAX / 2);
}

/* ---- resets ------------------------------------------------------------- */

static uint16_t reason_of(const struct sal_arrival *a)
{
	const struct sal_ext *e = sal_find(&a->packet, SAL_EXT_REASON, 0);

	return e ? e->reason : 0;
}

static bool rst_proves_itself(const struct sal_flow *f, uint64_t nonce)
{
	return nonce == f->tie.nonce ||
	       (f->tie.remote_id && nonce == f->tie.peer_nonce);
}

void sal_rst_arrived(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	uint16_t reason = reason_of(a);

	if (f->old.remote_id &&
	    (c->nonce == f->old.nonce || c->nonce == f->old.peer_nonce)) {
		f->old.remote_id = 0;
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
			sal_syn_refused(s, f, reason);
		return;
	}
	if (reason == SAL_REASON_NO_INSTANCE ||
	    reason == SAL_REASON_NO_SERVICE ||
	    reason == SAL_REASON_UNKNOWN_FLOW) {
		sal_instance_lost(s, f, reason);
		return;
	}
	sal_reset_program(s, f);
	sal_flow_close(s, f, reason);
}

void sal_abort(struct sal *s, struct sal_flow *f, uint16_t reason)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_RST,
				 .verno = f->tie.next,
				 .ackno = f->tie.peer_next,
				 .reason = reason,
			 });
	sal_flow_event(s, f, SAL_EVENT_REFUSED, reason, 0);
	if (!sal_flow_closing(f))
		sal_reset_program(s, f);
	sal_flow_close(s, f, reason);
}
