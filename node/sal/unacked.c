/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inner TCP, watched as it passes. The engine takes no part in it; it keeps
 * copies of what went out until the other end's TCP acknowledges them.
 *
 * Why: what was on its way when an end moved is lost, and a sender that knows
 * nothing of the move waits for its time-out, which has backed off meanwhile.
 * So when the move is complete we send the copies again, from the oldest on;
 * the receiver drops what it has, acknowledges, and the sender's clock runs
 * again. The oldest are the ones that count: they are what the receiver waits
 * for. So when there is no more room it is the newest that is not kept.
 *
 * Without "resend" nothing is kept, and the time-out has to do it: that is to
 * be seen beside the other.
 *
 * A segment's sequence numbers are believed as the programs send them: a
 * program can fool only its own conversation.
 */
#include "node/sal/engine.h"

#include <netinet/in.h>

void sal_unacked_out(struct sal *s, struct sal_flow *f,
		     const struct sal_kept *kept, const uint8_t *segment)
{
	struct sal_kept copy = *kept;
	struct sal_tcp tcp;
	bool fresh;

	if (kept->protocol != IPPROTO_TCP ||
	    !sal_tcp_parse(segment, kept->len, &tcp))
		return;
	if (tcp.flags & SAL_TCP_ACK) {
		f->tcp_ack_out = tcp.ack;
		f->tcp_has_ack_out = true;
	}
	if (tcp.flags & SAL_TCP_FIN) {
		f->tcp_fin_out = tcp.seq_end;
		f->tcp_has_fin_out = true;
	}
	if (tcp.flags & SAL_TCP_RST) {
		f->tcp_reset = true;
		return;
	}
	/* What TCP sends again we have, or had no room for. */
	fresh = !f->tcp_seen_out || sal_after(tcp.seq_end, f->tcp_end_out);
	if (!fresh || tcp.seq_end == tcp.seq) {
		if (!f->tcp_seen_out)
			f->tcp_end_out = tcp.seq_end;
		f->tcp_seen_out = true;
		return;
	}
	f->tcp_end_out = tcp.seq_end;
	f->tcp_seen_out = true;
	copy.seq = tcp.seq;
	copy.seq_end = tcp.seq_end;
	if (s->config.resend)
		sal_store_push(&s->unacked, &f->unacked, &copy, segment);
}

void sal_unacked_in(struct sal *s, struct sal_flow *f, const uint8_t *segment,
		    size_t len)
{
	struct sal_tcp tcp;

	if (!sal_tcp_parse(segment, len, &tcp))
		return;
	if (tcp.flags & SAL_TCP_RST) {
		/* The one that a kernel would take (RFC 5961, 3.2); of a
		 * connection that it has not answered yet, any. */
		f->tcp_reset |=
			!f->tcp_has_ack_out || tcp.seq == f->tcp_ack_out;
		return;
	}
	if (!f->tcp_seen_in || sal_after(tcp.seq_end, f->tcp_end_in))
		f->tcp_end_in = tcp.seq_end;
	f->tcp_seen_in = true;
	if (tcp.flags & SAL_TCP_FIN) {
		f->tcp_fin_in = tcp.seq_end;
		f->tcp_has_fin_in = true;
	}
	if (!(tcp.flags & SAL_TCP_ACK) || !f->tcp_seen_out ||
	    sal_after(tcp.ack, f->tcp_end_out))
		return;
	if (!f->tcp_has_ack_in || sal_after(tcp.ack, f->tcp_ack_in))
		f->tcp_ack_in = tcp.ack;
	f->tcp_has_ack_in = true;
	while (f->unacked.first &&
	       !sal_after(
		       sal_store_kept(&s->unacked, f->unacked.first)->seq_end,
		       f->tcp_ack_in))
		sal_store_pop(&s->unacked, &f->unacked);
}

void sal_unacked_resend(struct sal *s, struct sal_flow *f)
{
	uint32_t count = 0;

	if (sal_bound_on(f)) {
		f->bound.resend = true;
		return;
	}
	for (uint32_t h = f->unacked.first; h;
	     h = sal_store_next(&s->unacked, h)) {
		sal_send_data(s, f, sal_store_kept(&s->unacked, h),
			      sal_store_bytes(&s->unacked, h, s->scratch));
		count++;
	}
	if (!count)
		return;
	s->stats.resent += count;
	sal_flow_event(s, f, SAL_EVENT_RESENT, 0, count);
}

bool sal_tcp_over(const struct sal_flow *f)
{
	if (f->info.protocol != IPPROTO_TCP)
		return false;
	if (f->tcp_reset)
		return true;
	return f->tcp_has_fin_out && f->tcp_has_fin_in && f->tcp_has_ack_in &&
	       f->tcp_has_ack_out && f->tcp_ack_in == f->tcp_fin_out &&
	       f->tcp_ack_out == f->tcp_fin_in;
}
