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
 * A host moves with all of its flows. At most SAL_MOVES of them have an RSYN
 * out that is in its first time-out; the others send theirs as answers come, or
 * time-outs. A thousand at once would be more than what a neighbour's address
 * is being asked for may wait (some 270 packets, Linux), and than the peer's
 * socket has room for (some 550 where we may not enlarge it): those beyond
 * would be lost without a word, and come again all together, once and again.
 *
 * Both may also have moved before either RSYN arrived. Then the client has its
 * RSYN go by name as well (send_rsyn_by_name).
 *
 * Data stands still from the RSYN on until its exchange is complete, or until
 * the RSYN where the new address has been proven beforehand (prove.c). Else the
 * path is unproven up to then. What had been sent before is lost in part: it
 * comes again first (unacked.c), then what the queue has kept. With the first
 * time-out data stands still in any case.
 */
#include "node/sal/engine.h"

#include <string.h>

/* ---- paths -------------------------------------------------------------- */

void sal_path_remember(struct sal_flow *f, const struct sal_path *path)
{
	memmove(&f->former[1], &f->former[0],
		sizeof(f->former) - sizeof(f->former[0]));
	f->former[0] = *path;
	f->former_unproven <<= 1;
	f->former_unproven |=
		f->bound.on && ip_addr_equal(&f->bound.addr, &path->remote);
}

bool sal_path_known(const struct sal_flow *f, const struct sal_path *path)
{
	if (sal_path_equal(&f->tie.path, path) ||
	    (ip_addr_size(&f->home.remote) && sal_path_equal(&f->home, path)))
		return true;
	for (int i = 0; i < SAL_FORMER_PATHS; i++)
		if (ip_addr_size(&f->former[i].remote) &&
		    sal_path_equal(&f->former[i], path))
			return true;
	return false;
}

/*
 * An RSYN of ours that is under way goes on from where it began, though the
 * peer's has come to another address: the peer takes a version once, with the
 * address that it came from first. Whatever leaves from elsewhere is a move of
 * its own.
 */
static void peer_moved(struct sal *s, struct sal_flow *f,
		       const struct sal_path *path)
{
	struct ip_addr local = f->tie.path.local;
	const struct sal_local_address *ours = sal_local_address(s, &local);

	f->peer_moved = true;
	f->owner_ns = 0;
	/* Whoever is asked, it is about where the peer was before. */
	if (f->ask == SAL_ASK_PATH)
		f->ask = SAL_ASK_NOTHING;
	if (!sal_path_equal(&f->tie.path, path))
		f->mtu = 0;
	/* It has found that it gets no answer where we were. */
	if (ours && !f->rsyn_unanswered && ip_addr_size(&path->local) &&
	    !ip_addr_equal(&local, &path->local))
		sal_back_left(s, f, &local);
	sal_path_take(s, f, path);
	if (f->rsyn_unanswered && ours && local.family == path->local.family) {
		f->tie.path.local = local;
		f->tie.path.ifindex = ours->ifindex;
	}
}

/* ---- packets ------------------------------------------------------------ */

static void leave_window(struct sal *s, struct sal_flow *f)
{
	s->moves_out -= f->rsyn_out;
	s->moves_waiting -= f->rsyn_waits;
	f->rsyn_out = f->rsyn_waits = false;
}

void sal_move_forget(struct sal *s, struct sal_flow *f)
{
	leave_window(s, f);
}

static void rsyn_emit(struct sal *s, struct sal_flow *f)
{
	s->moves_waiting -= f->rsyn_waits;
	f->rsyn_waits = false;
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_RSYN,
				 .verno = f->rsyn,
				 .ackno = f->tie.peer_next,
			 });
}

static void rsynack_emit(struct sal *s, struct sal_flow *f)
{
	f->bound.unanswered = !sal_send_control(
		s, f, &f->tie,
		&(struct sal_control_out){
			.flags = SAL_FLAG_RSYN | SAL_FLAG_ACK,
			.verno = f->info.native ? f->tie.next : f->rsynack,
			.ackno = f->peer_rsyn + 1,
		});
}

void sal_rsynack_again(struct sal *s, struct sal_flow *f)
{
	rsynack_emit(s, f);
}

/* ---- we move ------------------------------------------------------------ */

/* For the first time. */
static void rsyn_goes(struct sal *s, struct sal_flow *f)
{
	f->rsyn_out = true;
	s->moves_out++;
	rsyn_emit(s, f);
	sal_flow_event(s, f, SAL_EVENT_RSYN_SENT, 0, 0);
	sal_flow_retry_start(s, f, SAL_RSYN_GAP_NS);
}

bool sal_moves_due(const struct sal *s)
{
	return s->moves_waiting && s->moves_out < SAL_MOVES;
}

void sal_moves_go_on(struct sal *s)
{
	unsigned rounds = 0;

	/* From where it was left; no more than once around. */
	while (rounds < 2 && sal_moves_due(s)) {
		struct sal_flow *f = sal_flow_each(s, &s->moves_at);

		if (!f) {
			s->moves_at = 0;
			rounds++;
			continue;
		}
		if (!f->rsyn_waits || sal_flow_still(f))
			continue;
		rsyn_goes(s, f);
		if (f->info.state == SAL_RSYN_SENT)
			sal_do_go_on_if_asked(
				&(struct sal_step){ .s = s, .f = f });
	}
}

void sal_do_send_rsyn(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (!f->rsyn_unanswered)
		f->answered_next = f->tie.next;
	f->rsyn = f->tie.next++;
	f->has_rsyn = f->rsyn_unanswered = true;
	f->early = false;
	f->peer_moved = false;
	f->mtu = 0;
	sal_path_begin(f);
	leave_window(t->s, f);
	if (t->s->moves_out < SAL_MOVES && !t->s->moves_waiting) {
		rsyn_goes(t->s, f);
		return;
	}
	f->rsyn_waits = true;
	t->s->moves_waiting++;
	sal_flow_retry_stop(t->s, f);
}

void sal_do_send_rsyn_again(const struct sal_step *t)
{
	rsyn_emit(t->s, t->f);
}

/*
 * Where both ends have moved before either RSYN arrived, each speaks to where
 * the other no longer is. Only a name can lead out of this, and only the client
 * has one. The instance that the rules name may be another one than ours, which
 * does not know the flow (sal_rst_arrived); among several, the draw finds ours
 * in the end.
 */
void sal_do_send_rsyn_by_name(const struct sal_step *t)
{
	struct sal_flow *f = t->f;
	struct sal_tie by_name = f->tie;

	if (!f->info.client || f->info.native ||
	    f->tries < SAL_RSYN_TRIES_BY_NAME ||
	    !sal_resolve_path(t->s, &f->info.service, &by_name.path))
		return;
	/* From where the other one went: the peer takes a version once, and
	 * would answer to where it came from first. */
	if (by_name.path.local.family == f->tie.path.local.family) {
		by_name.path.local = f->tie.path.local;
		by_name.path.ifindex = f->tie.path.ifindex;
	}
	sal_encap_set(&by_name.path, f->tie.path.remote_port != 0);
	if (sal_path_equal(&by_name.path, &f->tie.path))
		return;
	sal_send_control(t->s, f, &by_name,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_RSYN,
				 .verno = f->rsyn,
				 .ackno = f->tie.peer_next,
				 .service = true,
			 });
}

void sal_do_stop_retry(const struct sal_step *t)
{
	leave_window(t->s, t->f);
	sal_flow_retry_stop(t->s, t->f);
}

const struct sal_local_address *sal_local_address(const struct sal *s,
						  const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < s->address_count; i++)
		if (ip_addr_equal(&s->addresses[i].addr, addr))
			return &s->addresses[i];
	return NULL;
}

/* The route to where the peer is may be gone while the address stays. */
static bool still_reaches(const struct sal *s, const struct sal_flow *f,
			  const struct sal_local_address *a)
{
	const struct ip_addr *to = &f->tie.path.remote;

	return a->addr.family != to->family || sal_reaches(s, a, to);
}

/* a: the flow's own address, which it has to leave; NULL: it is gone. */
static enum sal_way_why why_it_leaves(const struct sal *s,
				      const struct sal_flow *f,
				      const struct sal_local_address *a)
{
	const struct sal_path *path = &f->tie.path;

	if (a)
		return SAL_WAY_NO_ROUTE;
	if (!s->sink.gone || !ip_addr_size(&path->local))
		return SAL_WAY_ADDRESS_GONE;
	return s->sink.gone(s->sink.arg, &path->local, path->ifindex);
}

static void check_address(struct sal *s, struct sal_flow *f)
{
	const struct sal_local_address *a =
		sal_local_address(s, &f->tie.path.local);
	static const struct ip_addr none;
	struct sal_path best;
	bool waits = f->info.state == SAL_NOADDRESS ||
		     f->info.state == SAL_NOADDRESS_RSYN_RCVD;
	bool found;

	if (sal_flow_still(f))
		return; /* later, if it goes on here */
	if (a && !waits && still_reaches(s, f, a)) {
		f->tie.path.ifindex = a->ifindex;
		return;
	}
	sal_way_because(f, why_it_leaves(s, f, a));
	/* Its peer does not know yet where to answer. */
	f->owner_ns = 0;
	f->tie.path.local = none;
	found = sal_path_best(s, f, &best);
	if (found)
		f->tie.path = best;
	sal_step(s, f, found ? SAL_ON_ADDRESS : SAL_ON_NO_ADDRESS, NULL);
}

void sal_flow_go_on(struct sal *s, struct sal_flow *f, enum sal_way_why why)
{
	const struct sal_local_address *a =
		sal_local_address(s, &f->tie.path.local);
	static const struct ip_addr none;
	struct sal_path best;
	bool found = a;

	f->owner_ns = 0;
	if (a) {
		f->tie.path.ifindex = a->ifindex;
	} else {
		f->tie.path.local = none;
		found = sal_path_best(s, f, &best);
		if (found)
			f->tie.path = best;
	}
	sal_way_because(f, why);
	sal_step(s, f, found ? SAL_ON_ADDRESS : SAL_ON_NO_ADDRESS, NULL);
}

void sal_set_addresses(struct sal *s, const struct sal_local_address *list,
		       size_t n, int64_t now_ns)
{
	struct sal_flow *f;
	uint32_t at = 0;

	s->now_ns = now_ns;
	sal_paths_set_local(s, list, n);
	sal_forward_reachable(s);
	while ((f = sal_flow_each(s, &at)))
		check_address(s, f);
	sal_paths_changed(s);
}

/* ---- the peer moves ----------------------------------------------------- */

static bool is_again(const struct sal_step *t)
{
	return t->f->has_peer_rsyn &&
	       sal_find_control(&t->a->packet)->verno == t->f->peer_rsyn;
}

static bool is_newer(const struct sal_step *t)
{
	uint32_t verno = sal_find_control(&t->a->packet)->verno;

	return !sal_after(t->f->tie.peer_next, verno);
}

bool sal_if_again(const struct sal_step *t)
{
	return is_again(t);
}

bool sal_if_newer(const struct sal_step *t)
{
	return is_newer(t);
}

bool sal_if_old(const struct sal_step *t)
{
	return !is_again(t) && !is_newer(t);
}

void sal_do_count_old(const struct sal_step *t)
{
	t->s->stats.stale_version++;
}

void sal_do_take_rsyn(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	f->peer_rsyn = sal_find_control(&t->a->packet)->verno;
	f->has_peer_rsyn = true;
	f->tie.peer_next = f->peer_rsyn + 1;
	f->info.last_used_ns = t->s->now_ns;
	f->early = false;
	f->rsyn_proven = sal_proof_use(t->s, f, t->a->path);
	sal_native_moves(f);
	sal_way_because(f, SAL_WAY_PEER_MOVED);
	peer_moved(t->s, f, t->a->path);
	if (f->rsyn_proven || f->info.native)
		sal_bound_trust(f, &t->a->path->remote);
	else
		sal_bound_begin(t->s, f, t->a);
	if (!f->info.native)
		f->rsynack = sal_rand_u32(&t->s->rand);
	sal_flow_event(t->s, f, SAL_EVENT_RSYN_RECEIVED, 0, 0);
}

void sal_do_send_rsynack(const struct sal_step *t)
{
	rsynack_emit(t->s, t->f);
}

void sal_do_wait_for_ack(const struct sal_step *t)
{
	sal_flow_retry_start(t->s, t->f, SAL_RSYN_GAP_NS);
}

/* ---- completion --------------------------------------------------------- */

bool sal_if_names_rsyn(const struct sal_step *t)
{
	return t->f->has_rsyn &&
	       sal_find_control(&t->a->packet)->ackno == t->f->rsyn + 1;
}

bool sal_if_names_other(const struct sal_step *t)
{
	return !sal_if_names_rsyn(t);
}

bool sal_if_names_peer_rsyn(const struct sal_step *t)
{
	return t->f->has_peer_rsyn &&
	       sal_find_control(&t->a->packet)->verno == t->f->peer_rsyn + 1;
}

void sal_do_send_rsynack_ack(const struct sal_step *t)
{
	struct sal_flow *f = t->f;
	uint32_t number = sal_find_control(&t->a->packet)->verno;

	f->rsyn_unanswered = false;
	leave_window(t->s, f);
	sal_send_control(
		t->s, f, &f->tie,
		&(struct sal_control_out){
			.flags = SAL_FLAG_ACK,
			.verno = f->rsyn + 1,
			.ackno = f->info.native ? f->tie.peer_next : number + 1,
		});
	sal_alive_unsure(t->s, f);
}

void sal_do_resume(const struct sal_step *t)
{
	struct sal *s = t->s;
	struct sal_flow *f = t->f;

	f->info.last_used_ns = s->now_ns;
	f->native.has_before = false;
	sal_flow_retry_stop(s, f);
	sal_flow_event(s, f, SAL_EVENT_FLOW_MIGRATED, 0, 0);
	if (!f->early)
		sal_unacked_resend(s, f);
	f->early = false;
	sal_queue_flush(s, f);
	if (f->close_wanted)
		sal_step(s, f, SAL_ON_CLOSE, NULL);
	else
		sal_close_check(s, f);
}

/*
 * RSYNs go on without end: the peer may be out of reach for long, and idleness
 * is what ends the flow. But where any instance will do, silence is a reason to
 * look for another.
 */
bool sal_if_instance_silent(const struct sal_step *t)
{
	return sal_if_rebinds(t) && t->f->tries >= SAL_RSYN_TRIES_REBIND;
}

bool sal_if_instance_answers(const struct sal_step *t)
{
	return !sal_if_instance_silent(t);
}

void sal_do_back_off(const struct sal_step *t)
{
	t->s->stats.retransmissions++;
	t->f->early = false;
	leave_window(t->s, t->f);
	sal_flow_retry_again(t->s, t->f, SAL_RSYN_GAP_MAX_NS);
}
