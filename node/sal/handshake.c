/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYN, SYN-ACK, ACK.
 *
 *     client                                    server
 *     SYN_SENT     SYN v=c, service, identity |segment
 *                  ------------------------------>  delivers it: SYN_RCVD
 *                  SYN-ACK v=s a=c+1
 *     ESTABLISHED  <------------------------------
 *                  ACK v=c+1 a=s+1, service
 *                  ------------------------------>  ESTABLISHED
 *
 * The segment rides on the SYN where it fits, so that a conversation starts
 * without an extra round trip. Whether it does is settled when a SYN with this
 * nonce is first sent, and never changed in its repetitions: the server takes
 * the rider of the first that arrives, and only a SYN-ACK for this nonce tells
 * the client that it was taken.
 *
 * Both ends repeat: the client its SYN, the server its SYN-ACK until the ACK
 * comes. The stack of 2012 leaves it to the client alone, and a lost ACK is the
 * end of its UDP flows. Nor do we take data for the missing ACK. It is
 * delivered all the same when it has both flow IDs: the client learned ours
 * from the SYN-ACK, and only there.
 *
 * Here is the client's part; the server's is in accept.c.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

void sal_syn_emit(struct sal *s, struct sal_flow *f, const struct sal_tie *tie,
		  const struct sal_control_out *with)
{
	struct sal_control_out c = *with;

	c.service = c.identity = true;
	if (f->rider) {
		c.kept = sal_store_kept(&s->queue, f->queue.first);
		c.segment =
			sal_store_bytes(&s->queue, f->queue.first, s->scratch);
	}
	f->syn_ns = s->now_ns;
	sal_send_control(s, f, tie, &c);
}

/* By each of the interfaces, from the first address there. */
static void syn_emit_to_many(struct sal *s, struct sal_flow *f,
			     const struct sal_control_out *c)
{
	sa_family_t family = f->tie.path.remote.family;

	for (uint32_t i = 0; i < s->address_count; i++) {
		const struct sal_local_address *l = &s->addresses[i];
		struct sal_tie tie = f->tie;
		uint32_t k = 0;

		while (k < i && (s->addresses[k].addr.family != family ||
				 s->addresses[k].ifindex != l->ifindex))
			k++;
		if (l->addr.family != family || k < i)
			continue;
		tie.path.local = l->addr;
		tie.path.ifindex = l->ifindex;
		sal_syn_emit(s, f, &tie, c);
	}
}

static void syn_emit(struct sal *s, struct sal_flow *f)
{
	const struct sal_control_out c = { .flags = SAL_FLAG_SYN,
					   .verno = f->tie.first };

	if (sal_to_many(&f->tie.path.remote))
		syn_emit_to_many(s, f, &c);
	else
		sal_syn_emit(s, f, &f->tie, &c);
}

static int64_t syn_gap_ns(struct sal *s, const struct sal_flow *f)
{
	if (f->info.native)
		return s->config.native_syn_gap_ns;
	return sal_to_many(&f->tie.path.remote) ? SAL_MANY_GAP_NS :
						  sal_target_gap_ns(s, f);
}

void sal_syn_asked(struct sal *s, struct sal_flow *f)
{
	if (f->resolve_again || s->now_ns - f->syn_ns < SAL_ASK_GAP_NS)
		return;
	s->stats.retransmissions++;
	syn_emit(s, f);
}

/* What service routers may add: the rider is to fit all the way. */
static size_t source_max(const struct sal_flow *f)
{
	return SAL_SOURCE_MIN +
	       SAL_HOPS_ADDRESSES * ip_addr_size(&f->tie.path.remote);
}

static bool can_ride(const struct sal *s, const struct sal_flow *f)
{
	size_t header = SAL_HEADER_LEN + SAL_CONTROL_LEN + SAL_SERVICE_LEN;
	const struct sal_kept *k;

	/* Of many that might take it one will be chosen. */
	if (f->info.native || !f->queue.first ||
	    sal_to_many(&f->tie.path.remote))
		return false;
	header += source_max(f);
	header += f->info.inner_local.family == AF_INET6 ? SAL_IDENTITY6_LEN :
							   SAL_IDENTITY_LEN;
	k = sal_store_kept(&s->queue, f->queue.first);
	return k->protocol == f->info.protocol && !k->offload.gso_type &&
	       k->len <= sal_room(s, f, header);
}

void sal_do_send_syn(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	f->tie.remote_id = 0;
	sal_rand_bytes(&t->s->rand, &f->tie.nonce, sizeof(f->tie.nonce));
	f->tie.first = sal_rand_u32(&t->s->rand);
	f->tie.next = f->tie.first + 1;
	f->rider = can_ride(t->s, f);
	syn_emit(t->s, f);
	sal_flow_retry_start(t->s, f, syn_gap_ns(t->s, f));
}

void sal_do_send_syn_again(const struct sal_step *t)
{
	t->s->stats.retransmissions++;
	if (!t->f->info.native && !sal_to_many(&t->f->tie.path.remote))
		sal_encap_other(t->s, &t->f->tie.path);
	syn_emit(t->s, t->f);
	sal_flow_retry_again(t->s, t->f,
			     t->f->info.native ?
				     t->s->config.native_syn_gap_max_ns :
				     INT64_MAX / 2);
}

void sal_do_send_syn_from_here(const struct sal_step *t)
{
	if (t->f->resolve_again)
		return;
	t->s->stats.retransmissions++;
	syn_emit(t->s, t->f);
}

void sal_do_send_syn_too(const struct sal_step *t)
{
	if (t->f->info.client)
		syn_emit(t->s, t->f);
}

/* Of a SYN, a SYN-ACK, a FIN, an RSYN while closing. */
static bool may_try(const struct sal *s, const struct sal_flow *f)
{
	if (f->info.native && f->info.state == SAL_SYN_SENT)
		return f->tries < s->config.native_syn_tries;
	if (f->info.state == SAL_SYN_SENT && sal_to_many(&f->tie.path.remote))
		return f->tries < SAL_MANY_TRIES;
	return f->tries < (sal_flow_closing(f) ? SAL_FIN_TRIES : SAL_SYN_TRIES);
}

bool sal_if_tries_left(const struct sal_step *t)
{
	return may_try(t->s, t->f);
}

bool sal_if_no_tries_left(const struct sal_step *t)
{
	return !may_try(t->s, t->f);
}

void sal_do_tell_unreachable(const struct sal_step *t)
{
	t->s->stats.delay_expired += sal_if_held_too_long(t);
	sal_refuse_queue(t->s, t->f, false);
}

void sal_do_tell_refused(const struct sal_step *t)
{
	sal_refuse_queue(t->s, t->f, true);
}

void sal_open(struct sal *s, const struct sal_name *name,
	      const struct sal_tuple *t, const struct sal_inner *p)
{
	struct sal_kept kept = sal_kept_of(p);
	struct sal_flow *f;
	int r;

	f = sal_flow_new(s);
	if (!f) {
		sal_refuse_inner(s, p, false);
		return;
	}
	f->info.client = true;
	f->info.service = name->id;
	r = sal_resolve(s, f);
	if (r == SAL_RESOLVED_DELAY && sal_may_hold(s)) {
		sal_flow_set_tuple(s, f, t);
		sal_queue_add(s, f, &kept, p->segment);
		sal_step(s, f, SAL_ON_DELAYED, NULL);
		return;
	}
	if (r > 0) {
		sal_flow_forget(s, f);
		if (r != SAL_RESOLVED_DROP)
			sal_refuse_inner(s, p, r == SAL_RESOLVED_REFUSE);
		return;
	}
	if (r) {
		sal_flow_forget(s, f);
		/* A service of this host has its address here: what is sent to
		 * it has no business in a tunnel. */
		if (sal_served(s, &name->id) == SAL_SERVED_HERE) {
			s->stats.not_inner++;
			return;
		}
		s->stats.no_service++;
		sal_refuse_inner(s, p, r == -ENOENT);
		return;
	}
	sal_flow_set_tuple(s, f, t);
	sal_queue_add(s, f, &kept, p->segment);
	sal_step(s, f, SAL_ON_OPEN, NULL);
}

void sal_do_send_syn_ack_ack(const struct sal_step *t)
{
	struct sal_tie to = t->f->tie;

	sal_target_answered(t->s, t->f);
	if (t->f->info.native)
		sal_native_answer_to(&to.path, t->a);
	sal_send_control(t->s, t->f, &to,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_ACK,
				 .verno = to.first + 1,
				 .ackno = to.peer_first + 1,
				 .service = true,
			 });
	sal_alive_unsure(t->s, t->f);
}

static void rider_arrived(struct sal *s, struct sal_flow *f)
{
	const struct sal_kept *k = sal_store_kept(&s->queue, f->queue.first);

	f->rider = false;
	f->info.packets_out++;
	f->info.bytes_out += k->len;
	sal_rule_count(s, f, k->len);
	sal_unacked_out(s, f, k,
			sal_store_bytes(&s->queue, f->queue.first, s->scratch));
	sal_store_pop(&s->queue, &f->queue);
}

bool sal_synack_names_syn(const struct sal_step *t)
{
	const struct sal_control *c = sal_find_control(&t->a->packet);

	/* Our verno and flow ID are random: whoever names both saw our SYN. */
	return c->ackno == t->f->tie.first + 1 && !t->f->resolve_again &&
	       t->a->packet.src_flow;
}

bool sal_if_names_syn(const struct sal_step *t)
{
	return sal_synack_names_syn(t) &&
	       !(sal_find_control(&t->a->packet)->flags & SAL_FLAG_NACK);
}

/* Of the two ends of a simultaneous open each is the client. */
bool sal_if_crossed(const struct sal_step *t)
{
	return t->f->info.client;
}

bool sal_if_not_crossed(const struct sal_step *t)
{
	return !t->f->info.client;
}

static bool is_of_peer(const struct sal_step *t)
{
	return t->a->packet.src_flow == t->f->tie.remote_id &&
	       sal_find_control(&t->a->packet)->nonce == t->f->tie.peer_nonce;
}

bool sal_if_names_crossing(const struct sal_step *t)
{
	return t->f->info.client && sal_if_names_syn(t) && is_of_peer(t);
}

bool sal_if_names_syn_alone(const struct sal_step *t)
{
	return t->f->info.client && sal_if_names_syn(t) && !is_of_peer(t);
}

bool sal_if_synack_again(const struct sal_step *t)
{
	return t->f->info.client && is_of_peer(t);
}

/* A SYN that was repeated went by both ways, and so may what the peer sends
 * until it has heard by which one its answer came. */
static void know_other_way(struct sal *s, struct sal_flow *f)
{
	struct sal_path other = f->tie.path;

	sal_encap_other(s, &other);
	sal_path_remember(f, &other);
}

void sal_do_take_peer(const struct sal_step *t)
{
	const struct sal_control *c = sal_find_control(&t->a->packet);
	const struct sal_path *from = t->a->path;
	struct sal_tie *tie = &t->f->tie;

	tie->remote_id = t->a->packet.src_flow;
	tie->peer_nonce = c->nonce;
	tie->peer_first = c->verno;
	tie->peer_next = c->verno + 1;
	if (sal_to_many(&tie->path.remote)) {
		tie->path.local = from->local;
		tie->path.ifindex = from->ifindex;
	}
	tie->path.remote = from->remote;
	tie->path.remote_port = from->remote_port;
	tie->path.local_port = from->local_port;
	if (c->flags & SAL_FLAG_ACK)
		sal_peer_of_source(&tie->path.remote, t->a);
	sal_native_took_peer(t->s, t->f, t->a);
	sal_path_settle(t->f);
	sal_bound_trust(t->f, &tie->path.remote);
	if (!t->f->info.native) {
		sal_encap_worked(t->s, &tie->path);
		/* The router that was asked is reached in the same way. */
		if (!ip_addr_equal(&tie->path.remote, &from->remote))
			sal_encap_worked(t->s, from);
		if (t->f->tries > 1)
			know_other_way(t->s, t->f);
	}
	t->f->refusals = 0;
	service_table_set_aside(&t->s->forward, t->f->rule, INT64_MIN);
	t->f->info.last_used_ns = t->s->now_ns;
	sal_flow_retry_stop(t->s, t->f);
}

void sal_do_start(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	if (f->rebinding)
		sal_flow_event(t->s, f, SAL_EVENT_FLOW_REBOUND, 0, 0);
	f->rebinding = false;
	if (f->rider)
		rider_arrived(t->s, f);
	if (f->native.moved) {
		f->native.moved = false;
		sal_step(t->s, f, SAL_ON_ADDRESS, NULL);
		return;
	}
	sal_queue_flush(t->s, f);
	if (f->close_wanted)
		sal_step(t->s, f, SAL_ON_CLOSE, NULL);
	else
		sal_close_check(t->s, f);
}

/*
 * Of several that have had our SYN (it went to all, or a service router has
 * chosen again) the first to answer is the one. What the others keep of it they
 * keep for us, and can be rid of at once: that they name our verno and flow ID
 * shows that they had the SYN.
 */
static void lost_race(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	const struct sal_step t = { s, f, a };
	struct sal_tie to = f->tie;

	if (f->info.native || !f->info.client || !a->packet.src_flow ||
	    c->flags & SAL_FLAG_NACK || c->ackno != f->tie.first + 1 ||
	    is_of_peer(&t) || !sal_may_answer_stranger(s))
		return;
	s->stats.lost_races++;
	to.remote_id = a->packet.src_flow;
	to.path = *a->path;
	sal_peer_of_source(&to.path.remote, a);
	sal_send_control(s, f, &to,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_RST,
				 .verno = f->tie.first + 1,
				 .ackno = c->verno + 1,
				 .reason = SAL_REASON_UNKNOWN_FLOW,
			 });
}

void sal_synack_arrived(struct sal *s, struct sal_flow *f,
			const struct sal_arrival *a)
{
	if (f->info.native && !sal_native_segment_ok(a)) {
		s->stats.malformed++;
		return;
	}
	if (!sal_step(s, f, SAL_ON_SYNACK, a)) {
		s->stats.bad_nonce++;
		lost_race(s, f, a);
	}
}
