/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An end of a flow moves: Arye et al., ICNP 2012.
 *
 *     the end that moved                        the other end
 *     ESTABLISHED | NOADDRESS
 *     RSYN_SENT    RSYN v=n ----------------->  RSYN_RCVD, takes the address
 *                  RSYN-ACK a=n+1 <-----------
 *     ESTABLISHED  ACK v=n+1 ---------------->  ESTABLISHED
 *
 * The RSYN goes from the new address to the peer's last known one, and takes a
 * version number. Of two RSYNs the one with the greater number counts, in
 * whatever order they arrive, and gaps don't matter: the peer may never have
 * seen the ones between. An ACK completes just the exchange that it names: an
 * RSYN-ACK by the number it acknowledges, the ACK to an RSYN-ACK by its own,
 * which is one above that of the RSYN. An ACK without RSYN never completes our
 * own move, and data completes nothing.
 *
 * Both ends may be at it at once: RSYN_SENT_RCVD has two exchanges under way,
 * each is completed by its own packet, in either order. Each of a pair repeats
 * what has not been answered: the RSYN by the one that moved, the RSYN-ACK by
 * the other. A repeated RSYN is answered again in any state, a repeated
 * RSYN-ACK likewise; so no loss leaves one end waiting for good.
 *
 * Data stands still from the RSYN on until its exchange is complete. The path
 * is unproven up to then, and what had been sent before is lost in part: it
 * comes again first (unacked.c), then what the queue has kept.
 */
#include "node/sal/engine.h"

#include <string.h>

/* ---- paths -------------------------------------------------------------- */

void sal_path_remember(struct sal_flow *f, const struct sal_path *path)
{
	memmove(&f->former[1], &f->former[0],
		sizeof(f->former) - sizeof(f->former[0]));
	f->former[0] = *path;
}

bool sal_path_known(const struct sal_flow *f, const struct sal_path *path)
{
	if (sal_path_equal(&f->tie.path, path))
		return true;
	for (int i = 0; i < SAL_FORMER_PATHS; i++)
		if (ip_addr_size(&f->former[i].remote) &&
		    sal_path_equal(&f->former[i], path))
			return true;
	return false;
}

static void peer_moved(struct sal_flow *f, const struct sal_path *path)
{
	if (sal_path_equal(&f->tie.path, path))
		return;
	sal_path_remember(f, &f->tie.path);
	f->mtu = 0;
	if (path->local.family != f->tie.path.local.family) {
		f->tie.path = *path;
		return;
	}
	f->tie.path.remote = path->remote;
	f->tie.path.remote_port = path->remote_port;
	f->tie.path.local_port = path->local_port;
}

/* ---- packets ------------------------------------------------------------ */

static void rsyn_emit(struct sal *s, struct sal_flow *f)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_RSYN,
				 .verno = f->rsyn,
				 .ackno = f->tie.peer_next,
			 });
}

static void rsynack_emit(struct sal *s, struct sal_flow *f)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_RSYN | SAL_FLAG_ACK,
				 .verno = f->tie.next,
				 .ackno = f->peer_rsyn + 1,
			 });
}

static void rsyn_ack_emit(struct sal *s, struct sal_flow *f)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = f->rsyn + 1,
				 .ackno = f->tie.peer_next,
			 });
}

/* ---- we move ------------------------------------------------------------ */

static void rsyn_start(struct sal *s, struct sal_flow *f)
{
	enum sal_state state = f->info.state, next = SAL_RSYN_SENT;

	if (state == SAL_RSYN_RCVD || state == SAL_NOADDRESS_RSYN_RCVD ||
	    state == SAL_RSYN_SENT_RCVD)
		next = SAL_RSYN_SENT_RCVD;
	f->rsyn = f->tie.next++;
	f->has_rsyn = true;
	f->mtu = 0;
	if (next != state)
		sal_flow_set_state(s, f, next);
	rsyn_emit(s, f);
	sal_flow_event(s, f, SAL_EVENT_RSYN_SENT, 0, 0);
	sal_flow_retry_start(s, f, SAL_RSYN_GAP_NS);
}

static void no_address(struct sal *s, struct sal_flow *f)
{
	enum sal_state state = f->info.state, next = SAL_NOADDRESS;

	if (state == SAL_RSYN_RCVD || state == SAL_RSYN_SENT_RCVD)
		next = SAL_NOADDRESS_RSYN_RCVD;
	sal_flow_retry_stop(s, f);
	sal_flow_set_state(s, f, next);
}

static const struct sal_local_address *still_ours(const struct sal *s,
						  const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < s->address_count; i++)
		if (ip_addr_equal(&s->addresses[i].addr, addr))
			return &s->addresses[i];
	return NULL;
}

/* The flow's address is gone, or it had none; path has another if found. */
static void readdress(struct sal *s, struct sal_flow *f, bool found)
{
	switch (f->info.state) {
	case SAL_SYN_SENT:
		if (found)
			sal_syn_readdress(s, f);
		break;
	case SAL_SYN_RCVD:
	case SAL_ESTABLISHED:
	case SAL_RSYN_SENT:
	case SAL_RSYN_RCVD:
	case SAL_RSYN_SENT_RCVD:
		if (found)
			rsyn_start(s, f);
		else
			no_address(s, f);
		break;
	case SAL_NOADDRESS:
	case SAL_NOADDRESS_RSYN_RCVD:
		if (found)
			rsyn_start(s, f);
		break;
	default:
		/* Closing: what is left to be said can be said from anywhere,
		 * for control packets are known by their nonce. */
		if (!found)
			sal_flow_close(s, f, 0);
	}
}

static void check_address(struct sal *s, struct sal_flow *f)
{
	const struct sal_local_address *a = still_ours(s, &f->tie.path.local);
	static const struct ip_addr none;
	bool waits = f->info.state == SAL_NOADDRESS ||
		     f->info.state == SAL_NOADDRESS_RSYN_RCVD;
	bool found;

	if (a && !waits) {
		f->tie.path.ifindex = a->ifindex;
		return;
	}
	f->tie.path.local = none;
	found = sal_local_for(s, f->tie.path.remote.family, &f->tie.path);
	readdress(s, f, found);
}

void sal_set_addresses(struct sal *s, const struct sal_local_address *list,
		       size_t n, int64_t now_ns)
{
	struct sal_flow *f;
	uint32_t at = 0;

	s->now_ns = now_ns;
	if (n > SAL_ADDRESSES_MAX)
		n = SAL_ADDRESSES_MAX;
	if (n)
		memcpy(s->addresses, list, n * sizeof(*list));
	s->address_count = (uint32_t)n;
	sal_forward_reachable(s);
	while ((f = sal_flow_each(s, &at)))
		check_address(s, f);
}

/* ---- the peer moves ----------------------------------------------------- */

static void peer_rsyn_state(struct sal *s, struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_SYN_RCVD:
	case SAL_ESTABLISHED:
		sal_flow_set_state(s, f, SAL_RSYN_RCVD);
		break;
	case SAL_RSYN_SENT:
		sal_flow_set_state(s, f, SAL_RSYN_SENT_RCVD);
		break;
	case SAL_NOADDRESS:
		sal_flow_set_state(s, f, SAL_NOADDRESS_RSYN_RCVD);
		break;
	default:
		break; /* again, or closing: the new address is all we need */
	}
}

void sal_rsyn_arrived(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	if (f->has_peer_rsyn && c->verno == f->peer_rsyn) {
		rsynack_emit(s, f);
		return;
	}
	if (c->verno != f->tie.peer_next &&
	    !sal_after(c->verno, f->tie.peer_next)) {
		s->stats.stale_version++;
		sal_ack_plain(s, f, a);
		return;
	}
	f->peer_rsyn = c->verno;
	f->has_peer_rsyn = true;
	f->tie.peer_next = c->verno + 1;
	f->info.last_used_ns = s->now_ns;
	peer_moved(f, a->path);
	sal_flow_event(s, f, SAL_EVENT_RSYN_RECEIVED, 0, 0);
	peer_rsyn_state(s, f);
	rsynack_emit(s, f);
	/* Our own RSYN went to where the peer no longer is. */
	if (f->info.state == SAL_RSYN_SENT_RCVD)
		rsyn_emit(s, f);
	if (f->info.state == SAL_RSYN_RCVD ||
	    f->info.state == SAL_RSYN_SENT_RCVD)
		sal_flow_retry_start(s, f, SAL_RSYN_GAP_NS);
}

/* ---- completion --------------------------------------------------------- */

static void complete(struct sal *s, struct sal_flow *f)
{
	f->info.last_used_ns = s->now_ns;
	sal_flow_retry_stop(s, f);
	sal_flow_set_state(s, f, SAL_ESTABLISHED);
	sal_flow_event(s, f, SAL_EVENT_FLOW_MIGRATED, 0, 0);
	sal_unacked_resend(s, f);
	sal_queue_flush(s, f);
	if (f->close_wanted)
		sal_close(s, f);
	else
		sal_close_check(s, f);
}

static void own_exchange_done(struct sal *s, struct sal_flow *f)
{
	rsyn_ack_emit(s, f);
	if (f->info.state == SAL_RSYN_SENT)
		complete(s, f);
	else if (f->info.state == SAL_RSYN_SENT_RCVD)
		sal_flow_set_state(s, f, SAL_RSYN_RCVD);
	/* Else it is a repetition: our ACK was lost. */
}

static void peer_exchange_done(struct sal *s, struct sal_flow *f)
{
	if (f->info.state == SAL_RSYN_RCVD)
		complete(s, f);
	else if (f->info.state == SAL_RSYN_SENT_RCVD)
		sal_flow_set_state(s, f, SAL_RSYN_SENT);
	else if (f->info.state == SAL_NOADDRESS_RSYN_RCVD)
		sal_flow_set_state(s, f, SAL_NOADDRESS);
}

bool sal_rsyn_acked(struct sal *s, struct sal_flow *f,
		    const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);

	if (c->flags & SAL_FLAG_RSYN) {
		if (f->has_rsyn && c->ackno == f->rsyn + 1)
			own_exchange_done(s, f);
		else
			s->stats.stale_version++;
		return true;
	}
	if (!f->has_peer_rsyn || c->verno != f->peer_rsyn + 1)
		return false;
	if (f->info.state != SAL_RSYN_RCVD &&
	    f->info.state != SAL_RSYN_SENT_RCVD &&
	    f->info.state != SAL_NOADDRESS_RSYN_RCVD)
		return false;
	peer_exchange_done(s, f);
	return true;
}

/*
 * Without end: the peer may be out of reach for long, and idleness is what ends
 * the flow. But where any instance will do, silence is a reason to look for
 * another.
 */
void sal_rsyn_timeout(struct sal *s, struct sal_flow *f)
{
	if (f->info.state != SAL_RSYN_RCVD && f->info.client &&
	    sal_flow_stateless(f) && f->tries >= SAL_RSYN_TRIES_REBIND) {
		sal_rebind(s, f, true);
		return;
	}
	s->stats.retransmissions++;
	if (f->info.state != SAL_RSYN_RCVD)
		rsyn_emit(s, f);
	if (f->info.state != SAL_RSYN_SENT)
		rsynack_emit(s, f);
	sal_flow_retry_again(s, f, SAL_RSYN_GAP_MAX_NS);
}
