/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYN, SYN-ACK, ACK (handshake.c): the server's part. */
#include "node/sal/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

void sal_send_synack(struct sal *s, struct sal_flow *f)
{
	sal_send_control(s, f, &f->tie,
			 &(struct sal_control_out){
				 .flags = SAL_FLAG_SYN | SAL_FLAG_ACK,
				 .verno = f->tie.first,
				 .ackno = f->tie.peer_first + 1,
			 });
}

void sal_do_send_synack(const struct sal_step *t)
{
	sal_send_synack(t->s, t->f);
	sal_flow_retry_start(t->s, t->f, SAL_SYN_GAP_NS);
}

void sal_do_confirm(const struct sal_step *t)
{
	t->f->confirmed = true;
	sal_send_synack(t->s, t->f);
}

void sal_do_send_synack_again(const struct sal_step *t)
{
	t->s->stats.retransmissions++;
	sal_send_synack(t->s, t->f);
	sal_flow_retry_again(t->s, t->f, INT64_MAX / 2);
}

void sal_do_move_later(const struct sal_step *t)
{
	t->f->native.moved = true;
}

bool sal_if_names_synack(const struct sal_step *t)
{
	const struct sal_control *c = sal_find_control(&t->a->packet);

	return c->ackno == t->f->tie.first + 1 &&
	       c->verno == t->f->tie.peer_first + 1;
}

/* The conversation's two inner ends, as the SYN tells them. */
static bool syn_tuple(const struct sal_arrival *a, const struct ip_addr *client,
		      const struct ip_addr *service, struct sal_tuple *t)
{
	struct sal_inner in = {
		.src = *client,
		.dst = *service,
		.protocol = a->packet.protocol,
		.segment = a->packet.payload,
		.len = a->packet.payload_len,
	};

	if (sal_inner_tuple(&in, t) != SAL_INNER_SEGMENT)
		return false;
	sal_tuple_swap(t);
	return true;
}

/* Makes room for t where it has a flow whose conversation is over. Else its
 * owner is asked, and the SYN has to come again. */
static bool tuple_is_free(struct sal *s, const struct sal_tuple *t)
{
	struct sal_flow *owner = sal_flow_by_tuple(s, t);

	if (!owner)
		return true;
	if (sal_flow_closing(owner) && !sal_flow_still(owner)) {
		sal_step(s, owner, SAL_ON_DISPLACED, NULL);
		return true;
	}
	return sal_take_tuple(s, owner);
}

static void client_is_at(struct sal *s, struct sal_flow *f,
			 const struct sal_arrival *a)
{
	if (sal_path_equal(&f->tie.path, a->path))
		return;
	f->synack_elsewhere |=
		!ip_addr_equal(&f->tie.path.remote, &a->path->remote);
	sal_path_take(s, f, a->path);
	sal_bound_begin(s, f, a);
}

void sal_syn_again(struct sal *s, struct sal_flow *f,
		   const struct sal_arrival *a)
{
	if (sal_flow_still(f)) {
		s->stats.still++;
		return;
	}
	/* The client may have moved before it had our answer. Later it says so
	 * by an RSYN, and a SYN from elsewhere is just late. */
	sal_bound_got(f, a);
	if (!f->confirmed) {
		client_is_at(s, f, a);
		sal_hops_take(&f->hops, a, &f->tie.path.local);
	}
	/* Its nonce: the client lives. */
	if (f->ask == SAL_ASK_ALIVE || f->ask == SAL_ASK_OWNER)
		f->ask = SAL_ASK_NOTHING;
	f->owner_ns = 0;
	sal_send_synack(s, f);
	sal_bound_go_on(s, f);
}

void sal_client_heard(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	bool first = !f->info.client && !f->confirmed;

	f->confirmed = true;
	/* We may have moved meanwhile; where the client has, its RSYN said
	 * where it is. That shows who has read the SYN-ACK, and not where it
	 * comes from. */
	if (!first || f->has_peer_rsyn ||
	    (c && (c->flags & (SAL_FLAG_RSYN | SAL_FLAG_ACK)) == SAL_FLAG_RSYN))
		return;
	client_is_at(s, f, a);
	/* Nobody else was told the flow ID. */
	if (!f->synack_elsewhere || f->info.native)
		sal_bound_lift(s, f, &a->path->remote);
	else
		sal_flow_arm(s, f);
}

/* Three questions are lost easily, and a claim may be the client's own SYN of a
 * moment ago, that was overtaken. */
void sal_syn_taken(struct sal *s, const struct sal_flow *f)
{
	if (!f->info.client)
		s->taken[s->taken_at++ % SAL_TAKEN_MAX] =
			(struct sal_taken_syn){ f->tie.peer_nonce,
						f->tie.remote_id };
}

static bool was_taken(const struct sal *s, const struct sal_flow *f)
{
	for (int i = 0; i < SAL_TAKEN_MAX; i++)
		if (s->taken[i].nonce == f->tie.peer_nonce &&
		    s->taken[i].remote_id == f->tie.remote_id)
			return true;
	return false;
}

void sal_syn_accept(struct sal *s, const struct sal_arrival *a,
		    const struct sal_syn *syn)
{
	struct sal_flow *f;

	if (!syn->proved && sal_make_room(s, false) == SAL_ROOM_IF_PROVED) {
		sal_syn_offer(s, a);
		return;
	}
	f = sal_flow_new(s);
	if (!f) {
		sal_send_stray_rst(s, a, SAL_REASON_TABLE_FULL);
		return;
	}
	if (!sal_hops_take(&f->hops, a, &a->path->local)) {
		sal_flow_forget(s, f);
		s->stats.forward_far++;
		sal_send_stray_rst(s, a, SAL_REASON_HOP_LIMIT);
		return;
	}
	f->rule = sal_demux_hit(s, syn->service);
	f->info.service = *syn->service;
	f->info.protocol = a->packet.protocol;
	f->info.inner_local = *syn->addr;
	f->info.inner_remote = *syn->client;
	f->tie.path = *a->path;
	f->tie.remote_id = a->packet.src_flow;
	f->tie.peer_nonce = sal_find_control(&a->packet)->nonce;
	f->tie.peer_first = syn->verno;
	f->tie.peer_next = syn->verno + 1;
	if (syn->proved) {
		sal_flow_rename(s, f, syn->local_id);
		f->tie.nonce = syn->local_nonce;
		f->tie.first = syn->local_first;
		sal_bound_trust(f, &a->path->remote);
	} else {
		sal_bound_begin(s, f, a);
		sal_rand_bytes(&s->rand, &f->tie.nonce, sizeof(f->tie.nonce));
		f->tie.first = sal_rand_u32(&s->rand);
	}
	f->tie.next = f->tie.first + 1;
	sal_flow_index(s, f, SAL_BY_SYN);
	if (syn->rides)
		sal_flow_set_tuple(s, f, &syn->tuple);
	sal_step(s, f, syn->proved ? SAL_ON_PROVED : SAL_ON_SYN, a);
	if (syn->rides && !was_taken(s, f) && sal_data_deliver(s, f, a))
		sal_close_check(s, f);
}

static bool inner_protocol(const struct ip_addr *client, uint8_t protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_TCP ||
	       protocol == (client->family == AF_INET6 ? IPPROTO_ICMPV6 :
							 IPPROTO_ICMP);
}

static void refuse_unserved(struct sal *s, const struct sal_arrival *a,
			    enum sal_served served)
{
	if (served == SAL_SERVED_DROP)
		return;
	if (served == SAL_SERVED_REFUSE) {
		sal_send_stray_rst(s, a, SAL_REASON_REFUSED);
		return;
	}
	s->stats.no_service++;
	sal_send_stray_rst(s, a,
			   served == SAL_SERVED_GONE ? SAL_REASON_NO_INSTANCE :
						       SAL_REASON_NO_SERVICE);
}

bool sal_syn_examine(struct sal *s, const struct sal_arrival *a,
		     struct sal_syn *syn)
{
	const struct sal_ext *identity =
		sal_find(&a->packet, SAL_EXT_IDENTITY, 0);
	const struct sal_control *c = sal_find_control(&a->packet);
	const struct sal_name *name;
	enum sal_served served;
	struct sal_flow *f;

	*syn = (struct sal_syn){ .service = sal_find_service(&a->packet, 0),
				 .verno = c->verno,
				 .rides = a->packet.payload_len > 0 };
	if (!syn->service || !a->packet.src_flow ||
	    !inner_protocol(&identity->identity.addr, a->packet.protocol)) {
		s->stats.malformed++;
		return false;
	}
	syn->client = &identity->identity.addr;
	f = sal_flow_by_syn(s, syn->client, a->packet.src_flow, c->nonce);
	if (f) {
		sal_syn_again(s, f, a);
		return false;
	}
	served = sal_served(s, syn->service);
	if (served != SAL_SERVED_HERE && s->unserved &&
	    s->unserved(s->sink.arg, syn->service))
		served = sal_served(s, syn->service);
	name = sal_name_by_id(s, syn->service);
	if (served != SAL_SERVED_HERE || !name) {
		refuse_unserved(s, a, served);
		return false;
	}
	syn->addr =
		syn->client->family == AF_INET6 ? &name->addr6 : &name->addr4;
	if (!ip_addr_size(syn->addr)) {
		refuse_unserved(s, a, SAL_SERVED_NOT);
		return false;
	}
	if (sal_name_by_addr(s, syn->client) ||
	    (syn->rides &&
	     !syn_tuple(a, syn->client, syn->addr, &syn->tuple))) {
		s->stats.malformed++;
		return false;
	}
	return !syn->rides || tuple_is_free(s, &syn->tuple);
}

void sal_syn_arrived(struct sal *s, const struct sal_arrival *a)
{
	struct sal_syn syn;

	if (sal_find_service(&a->packet, 0) &&
	    !sal_find(&a->packet, SAL_EXT_IDENTITY, 0)) {
		sal_native_syn(s, a);
		return;
	}
	if (!sal_syn_examine(s, a, &syn))
		return;
	if (s->half_open >= s->config.max_half_open) {
		sal_syn_offer(s, a);
		return;
	}
	sal_syn_accept(s, a, &syn);
}
