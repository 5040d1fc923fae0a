/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native flows: how they open. The exchange itself is handshake.c's, as for all
 * flows; here is what starts it, what of it is TCP's, and the two things that
 * inner flows don't have.
 *
 * Late binding: a SYN may have come through service routers, each of which has
 * put its address into SOURCE. The server hands that back with its own at the
 * end, and answers straight; the client takes the last one as the peer's.
 *
 * Simultaneous open: two sockets, each with a service ID, connect to each other
 * at the same time. A SYN names where it goes but not where it comes from, so
 * the one that crosses ours is known by three things: it names our own service,
 * it comes from the address that ours goes to, and the transport is the same.
 * It takes the flow to SYN_RCVD, from which the SYN-ACK goes out; the peer's
 * SYN-ACK, which names our SYN, completes it. The crossing SYN itself proves
 * nothing, and may be forged: so ours is repeated along with the SYN-ACK, and
 * the SYN-ACK of whoever did have it counts more.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static bool connect_ok(const struct sal *s, const struct sal_connect *c)
{
	if (!s->native.open)
		return false;
	if (c->protocol == IPPROTO_TCP)
		return s->native.sink.answer && c->len >= 20 &&
		       c->len <= SAL_NATIVE_SEGMENT_MAX;
	return c->protocol == IPPROTO_UDP && !c->len;
}

static int bind_path(struct sal *s, struct sal_flow *f,
		     const struct sal_connect *c)
{
	int r = 0;

	if (ip_addr_size(&c->to)) {
		f->tie.path.remote = c->to;
		if (!sal_local_for(s, &c->to, &f->tie.path))
			r = -EHOSTUNREACH;
	} else {
		/* There is no packet yet that a DELAY rule could hold. */
		f->released = true;
		r = sal_resolve(s, f);
		if (r > 0)
			r = r == SAL_RESOLVED_REFUSE ? -ECONNREFUSED :
						       -EHOSTUNREACH;
	}
	if (c->encapsulated) {
		f->tie.path.local_port = SAL_UDP_PORT_CLIENT;
		f->tie.path.remote_port = SAL_UDP_PORT_SERVER;
	}
	return r;
}

int sal_native_connect(struct sal *s, const struct sal_connect *c,
		       uint32_t *flow, int64_t now_ns)
{
	struct sal_flow *f;
	int r;

	s->now_ns = now_ns;
	if (!connect_ok(s, c))
		return -EINVAL;
	f = sal_flow_new(s);
	if (!f)
		return -ENOSPC;
	f->info.client = f->info.native = true;
	f->info.service = c->service;
	f->info.protocol = c->protocol;
	r = bind_path(s, f, c);
	if (r) {
		sal_flow_forget(s, f);
		return r;
	}
	f->native.local = c->local;
	f->native.has_local = c->has_local;
	if (c->len)
		memcpy(f->native.syn.bytes, c->segment, c->len);
	f->native.syn.len = (uint8_t)c->len;
	*flow = f->info.local_id;
	sal_step(s, f, SAL_ON_OPEN, NULL);
	return 0;
}

static size_t ask_tcp(struct sal *s, struct sal_flow *f, uint8_t flags,
		      const struct sal_arrival *a)
{
	struct sal_flow_info info = sal_flow_seen(f);
	struct sal_native_segment *to = &f->native.answer;
	size_t n = s->native.sink.answer(s->native.sink.arg, &info, flags,
					 a->packet.payload,
					 a->packet.payload_len, to->bytes);

	to->len = n > SAL_NATIVE_SEGMENT_MAX ? 0 : (uint8_t)n;
	return to->len;
}

void sal_native_took_peer(struct sal *s, struct sal_flow *f,
			  const struct sal_arrival *a)
{
	if (!f->info.native)
		return;
	/* A SYN of this peer that is late is not a new one. */
	sal_flow_unindex(s, f, SAL_BY_SYN);
	sal_flow_index(s, f, SAL_BY_SYN);
	if (!(sal_find_control(&a->packet)->flags & SAL_FLAG_ACK))
		return; /* a crossing SYN: TCP was asked before it was taken */
	if (f->info.protocol == IPPROTO_TCP)
		ask_tcp(s, f, SAL_FLAG_ACK, a);
}

void sal_native_answer_to(struct sal_path *path, const struct sal_arrival *a)
{
	if (sal_find(&a->packet, SAL_EXT_SOURCE, 0) ||
	    sal_find(&a->packet, SAL_EXT_SOURCE6, 0) ||
	    a->path->remote.family != path->local.family)
		return;
	path->remote = a->path->remote;
	path->remote_port = a->path->remote_port;
	path->local_port = a->path->local_port;
}

void sal_do_forget_peer(const struct sal_step *t)
{
	struct sal_flow *f = t->f;

	sal_flow_unindex(t->s, f, SAL_BY_SYN);
	f->tie.remote_id = 0;
	if (!f->tie.path.remote_port)
		return;
	f->tie.path.local_port = SAL_UDP_PORT_CLIENT;
	f->tie.path.remote_port = SAL_UDP_PORT_SERVER;
}

/* The one whose SYN is on its way to where this one comes from. */
static struct sal_flow *crossing(struct sal *s, const struct sal_arrival *a,
				 const struct service_id *service)
{
	struct sal_flow *f;
	uint32_t at = 0;

	if (!s->native.may_cross)
		return NULL;
	while ((f = sal_flow_each(s, &at)))
		if (f->info.native && f->info.state == SAL_SYN_SENT &&
		    f->native.has_local &&
		    f->info.protocol == a->packet.protocol &&
		    service_id_equal(&f->native.local, service) &&
		    ip_addr_equal(&f->tie.path.remote, &a->path->remote) &&
		    !f->tie.path.remote_port == !a->path->remote_port)
			return f;
	return NULL;
}

static void accept_syn(struct sal *s, const struct sal_arrival *a,
		       const struct service_id *service)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	struct sal_flow *f;

	if (sal_make_room(s, false) != SAL_ROOM) {
		s->stats.table_full++;
		return;
	}
	f = sal_flow_new(s);
	f->info.native = true;
	f->info.service = *service;
	f->info.protocol = a->packet.protocol;
	f->tie.path = *a->path;
	f->tie.remote_id = a->packet.src_flow;
	f->tie.peer_nonce = c->nonce;
	f->tie.peer_first = c->verno;
	f->tie.peer_next = c->verno + 1;
	sal_bound_begin(s, f, a);
	if (!sal_native_own_end(s, &f->tie.path) ||
	    !sal_hops_take(&f->hops, a, &f->tie.path.local) ||
	    (f->info.protocol == IPPROTO_TCP &&
	     !ask_tcp(s, f, SAL_FLAG_SYN | SAL_FLAG_ACK, a))) {
		s->stats.native++;
		sal_flow_forget(s, f);
		return;
	}
	sal_rand_bytes(&s->rand, &f->tie.nonce, sizeof(f->tie.nonce));
	f->tie.first = sal_rand_u32(&s->rand);
	f->tie.next = f->tie.first + 1;
	sal_flow_index(s, f, SAL_BY_SYN);
	sal_step(s, f, SAL_ON_SYN, a);
}

/*
 * Its flow is there. One that is established answers by an ACK, and its peer,
 * whose SYN was late or doubled, learns from it what the SYN-ACK would tell.
 */
static void known_syn(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a)
{
	struct sal_step t = { s, f, a };

	if (f->info.client && f->info.state != SAL_SYN_RCVD)
		sal_do_send_syn_ack_ack(&t);
	else
		sal_syn_again(s, f, a);
}

/* A connection that both ends open is more than a listener (RFC
 * 9293, 3.10.7.3). */
static void fresh_syn(struct sal *s, const struct sal_arrival *a,
		      const struct service_id *service)
{
	struct sal_flow *f = crossing(s, a, service);
	bool listens =
		sal_native_socket_for(s, service, a->packet.protocol, false);

	/* The old stack is silent where nobody listens. */
	if (!f && !listens)
		s->stats.native++;
	else if (!sal_native_segment_ok(a))
		s->stats.malformed++;
	else if (f && (a->packet.protocol != IPPROTO_TCP ||
		       ask_tcp(s, f, SAL_FLAG_SYN | SAL_FLAG_ACK, a)))
		sal_step(s, f, SAL_ON_CROSSING, a);
	else if (!listens)
		s->stats.native++;
	else if (s->half_open >= s->config.max_half_open)
		s->stats.table_full++;
	else
		accept_syn(s, a, service);
}

void sal_native_syn(struct sal *s, const struct sal_arrival *a)
{
	static const struct ip_addr none;
	uint8_t protocol = a->packet.protocol;
	struct sal_flow *f;

	if (!a->packet.src_flow ||
	    (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP)) {
		s->stats.malformed++;
		return;
	}
	f = sal_flow_by_syn(s, &none, a->packet.src_flow,
			    sal_find_control(&a->packet)->nonce);
	if (f)
		known_syn(s, f, a);
	else
		fresh_syn(s, a, sal_find_service(&a->packet, 0));
}
