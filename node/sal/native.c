/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native flows: the sockets' calls. A native flow is a flow like all others: it
 * has a tie, takes its steps from the same table, moves, closes and times out
 * by the same code. What it lacks is an inner conversation that could be
 * watched, so whatever the engine reads off inner TCP (when it is over, what to
 * send again) the driver says or does. What else is special is in
 * native_packet.c: how the packets look.
 *
 * A socket's flow ends when the socket says so. Only where the peer does not
 * answer a packet that must be answered do time and tries run out.
 */
#include "node/sal/engine.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define UDP_HEADER 8u

void sal_native_open(struct sal *s, const struct sal_native_sink *sink)
{
	s->native.sink = *sink;
	s->native.open = true;
}

/* ---- sockets ------------------------------------------------------------ */

static bool covers(const struct sal_listener *l, const struct service_id *id)
{
	struct service_prefix p = { .id = l->id, .bits = l->bits };

	return service_prefix_contains(&p, id);
}

const struct sal_native_socket *
sal_native_socket_for(const struct sal *s, const struct service_id *id,
		      uint8_t protocol, bool datagrams)
{
	const struct sal_native_socket *best = NULL;

	for (uint32_t i = 0; i < s->native.socket_count; i++) {
		const struct sal_native_socket *k = &s->native.sockets[i];

		if (k->l.protocol == protocol && k->l.datagrams == datagrams &&
		    covers(&k->l, id) && (!best || k->l.bits > best->l.bits))
			best = k;
	}
	return best;
}

static struct sal_native_socket *socket_of(struct sal *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->native.socket_count; i++)
		if (s->native.sockets[i].id == id)
			return &s->native.sockets[i];
	return NULL;
}

static bool valid(const struct sal *s, const struct sal_listener *l)
{
	bool udp = l->protocol == IPPROTO_UDP;

	return s->native.open && l->bits <= SERVICE_ID_BITS &&
	       (udp || (l->protocol == IPPROTO_TCP && !l->datagrams &&
			s->native.sink.answer));
}

static bool same(const struct sal_listener *a, const struct sal_listener *b)
{
	return a->bits == b->bits && a->protocol == b->protocol &&
	       a->datagrams == b->datagrams && service_id_equal(&a->id, &b->id);
}

int sal_native_listen(struct sal *s, const struct sal_listener *l,
		      uint32_t *socket, int64_t now_ns)
{
	struct sal_native_socket *k;
	uint32_t id;

	s->now_ns = now_ns;
	if (!valid(s, l))
		return -EINVAL;
	for (uint32_t i = 0; i < s->native.socket_count; i++)
		if (same(&s->native.sockets[i].l, l))
			return -EEXIST;
	if (s->native.socket_count == s->config.max_listeners)
		return -ENOSPC;
	do
		id = sal_rand_nonzero(&s->rand);
	while (sal_flow_by_id(s, id) || socket_of(s, id));
	k = &s->native.sockets[s->native.socket_count++];
	*k = (struct sal_native_socket){ .l = *l, .id = id };
	*socket = id;
	return 0;
}

int sal_native_unlisten(struct sal *s, uint32_t socket, int64_t now_ns)
{
	struct sal_native_socket *k = socket_of(s, socket);
	struct sal_flow *f;
	uint32_t at = 0;

	s->now_ns = now_ns;
	if (!k)
		return -ENOENT;
	*k = s->native.sockets[--s->native.socket_count];
	while ((f = sal_flow_each(s, &at)))
		if (f->info.native && !f->info.client &&
		    f->info.state == SAL_SYN_RCVD &&
		    !sal_native_socket_for(s, &f->info.service,
					   f->info.protocol, false))
			sal_step_because(s, f, SAL_ON_WITHDRAWN, 0);
	return 0;
}

bool sal_native_own_end(const struct sal *s, struct sal_path *path)
{
	return sal_local_address(s, &path->local) ||
	       sal_local_for(s, &path->remote, path);
}

/* ---- an open flow ------------------------------------------------------- */

static struct sal_flow *native_flow(struct sal *s, uint32_t id, int64_t now_ns)
{
	struct sal_flow *f = sal_flow_by_id(s, id);

	s->now_ns = now_ns;
	return f && f->info.native ? f : NULL;
}

void sal_native_moves(struct sal_flow *f)
{
	if (!f->info.native || f->native.has_before)
		return;
	f->native.before = f->tie.path;
	f->native.has_before = true;
}

const struct sal_path *sal_native_way(const struct sal *s,
				      const struct sal_flow *f)
{
	switch (f->info.state) {
	case SAL_ESTABLISHED:
	case SAL_FIN_WAIT:
	case SAL_CLOSE_WAIT:
	case SAL_TIME_WAIT:
		return &f->tie.path;
	case SAL_RSYN_SENT:
	case SAL_RSYN_RCVD:
	case SAL_RSYN_SENT_RCVD:
		/* TCP would send again what is lost on the old way, but late.
		 */
		if (f->info.protocol == IPPROTO_UDP && f->native.has_before &&
		    sal_local_address(s, &f->native.before.local))
			return &f->native.before;
		return NULL;
	default:
		return NULL;
	}
}

/* Puts the segment together in s->scratch; its length. */
static size_t segment_of(struct sal *s, const struct sal_flow *f,
			 const uint8_t *bytes, size_t len)
{
	size_t header = f->info.protocol == IPPROTO_UDP ? UDP_HEADER : 0;
	size_t all = header + len;

	if (header) {
		memset(s->scratch, 0, header);
		s->scratch[4] = (uint8_t)(all >> 8);
		s->scratch[5] = (uint8_t)all;
	}
	if (len)
		memcpy(s->scratch + header, bytes, len);
	return all;
}

int sal_native_send(struct sal *s, uint32_t flow, const uint8_t *bytes,
		    size_t len, int64_t now_ns)
{
	struct sal_flow *f = native_flow(s, flow, now_ns);
	struct sal_kept kept = { .ip.ttl = SAL_TTL };
	const struct sal_path *way;
	struct sal_tcp tcp;

	if (!f)
		return -ENOENT;
	if (f->info.state == SAL_SYN_SENT)
		return -ENOTCONN;
	if (f->native.closed && f->info.protocol == IPPROTO_UDP)
		return -EPIPE;
	if (len > SAL_NATIVE_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (f->info.protocol == IPPROTO_TCP && !sal_tcp_parse(bytes, len, &tcp))
		return -EINVAL;
	kept.protocol = f->info.protocol;
	kept.len = (uint32_t)segment_of(s, f, bytes, len);
	f->info.last_used_ns = now_ns;
	way = sal_native_way(s, f);
	if (way) {
		sal_native_send_segment(s, f, way, s->scratch, kept.len);
	} else if (!sal_store_push(&s->queue, &f->queue, &kept, s->scratch)) {
		s->stats.queue_full++;
		return -ENOBUFS;
	}
	return 0;
}

int sal_native_close(struct sal *s, uint32_t flow, int64_t now_ns)
{
	struct sal_flow *f = native_flow(s, flow, now_ns);

	if (!f)
		return -ENOENT;
	if (f->native.closed)
		return 0;
	f->native.closed = true;
	if (f->info.state == SAL_SYN_RCVD)
		f->close_wanted = true;
	else
		sal_step(s, f, SAL_ON_CLOSE, NULL);
	return 0;
}

int sal_native_abort(struct sal *s, uint32_t flow, int64_t now_ns)
{
	struct sal_flow *f = native_flow(s, flow, now_ns);

	if (!f)
		return -ENOENT;
	sal_step(s, f,
		 f->info.state == SAL_SYN_SENT ? SAL_ON_CLOSE :
						 SAL_ON_WITHDRAWN,
		 NULL);
	return 0;
}

int sal_native_migrate(struct sal *s, uint32_t flow, const struct ip_addr *to,
		       int64_t now_ns)
{
	struct sal_flow *f = native_flow(s, flow, now_ns);
	const struct sal_local_address *a = sal_local_address(s, to);

	if (!f)
		return -ENOENT;
	if (!a || to->family != f->tie.path.remote.family)
		return -EADDRNOTAVAIL;
	sal_native_moves(f);
	f->tie.path.local = a->addr;
	f->tie.path.ifindex = a->ifindex;
	sal_step(s, f, SAL_ON_ADDRESS, NULL);
	return 0;
}

/* ---- datagrams ---------------------------------------------------------- */

int sal_native_send_datagram(struct sal *s, const struct sal_datagram *d,
			     int64_t now_ns)
{
	const struct sal_native_socket *k = socket_of(s, d->socket);
	struct sal_outer out = { .path = d->path, .ip = { .ttl = SAL_TTL } };
	struct sal_packet p;

	s->now_ns = now_ns;
	if (!k || !k->l.datagrams)
		return -ENOENT;
	if (d->len > SAL_NATIVE_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (!ip_addr_size(&d->path.remote) &&
	    !sal_resolve_path(s, &d->to, &out.path))
		return -ENOENT;
	if (!sal_native_own_end(s, &out.path))
		return -EHOSTUNREACH;
	sal_packet_init(&p, k->id, 0, IPPROTO_UDP);
	sal_add_service(&p, &d->to);
	sal_add_service(&p, &d->from);
	sal_native_emit_udp(s, &p, &out, d->bytes, d->len);
	return 0;
}
