/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SAL packets, built and handed to the sink. The only file that does so. */
#include "node/sal/engine.h"

#include <netinet/in.h>
#include <string.h>

bool sal_to_many(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? a->bytes[0] == 0xff :
	       a->family == AF_INET  ? a->bytes[0] >= 224 :
				       false;
}

bool sal_path_equal(const struct sal_path *a, const struct sal_path *b)
{
	return ip_addr_equal(&a->remote, &b->remote) &&
	       a->remote_port == b->remote_port;
}

size_t sal_room(const struct sal *s, const struct sal_flow *f,
		size_t header_len)
{
	size_t mtu = f->mtu ? f->mtu : s->config.mtu;
	size_t outer = f->tie.path.remote.family == AF_INET6 ? 40 : 20;

	if (f->tie.path.remote_port)
		outer += 8;
	return mtu > outer + header_len ? mtu - outer - header_len : 0;
}

static bool encode(struct sal *s, const struct sal_packet *p,
		   uint8_t header[SAL_HEADER_MAX], struct sal_outer *out)
{
	int len;

	if (!ip_addr_size(&out->path.local))
		return false; /* nothing to send from: it is as good as lost */
	len = sal_encode(p, header, SAL_HEADER_MAX);
	if (len < 0) {
		s->stats.broken++;
		return false;
	}
	out->header = header;
	out->header_len = (size_t)len;
	out->protocol = p->protocol;
	return true;
}

static void hand_over(struct sal *s, const struct sal_outer *out)
{
	s->stats.outer_out++;
	s->sink.send(s->sink.arg, out);
}

void sal_emit(struct sal *s, const struct sal_packet *p, struct sal_outer *out)
{
	uint8_t header[SAL_HEADER_MAX];

	if (encode(s, p, header, out))
		hand_over(s, out);
}

bool sal_emit_bounded(struct sal *s, struct sal_flow *f,
		      const struct sal_packet *p, struct sal_outer *out)
{
	const struct sal_control *c = sal_find_control(p);
	uint8_t header[SAL_HEADER_MAX];

	if (!encode(s, p, header, out))
		return true;
	if (c && (c->flags & (SAL_FLAG_RSYN | SAL_FLAG_ACK)) == SAL_FLAG_RSYN &&
	    !sal_flow_unproven(f))
		sal_bound_rsyn(f, out);
	else if (!sal_bound_takes(s, f, out))
		return false;
	hand_over(s, out);
	return true;
}

static void with_segment(struct sal_outer *out, const struct sal_flow *f,
			 const struct sal_kept *kept, const uint8_t *segment)
{
	out->segment = segment;
	out->len = kept->len;
	out->inner_src = f->info.inner_local;
	out->inner_dst = f->info.inner_remote;
	out->ip = kept->ip;
	out->offload = kept->offload;
}

/* Our addresses; where there are none of a family it is left out. */
struct list_bytes {
	uint8_t v4[4 * SAL_STANDBY_MAX], v6[16 * SAL_STANDBY_MAX];
};

static void add_list(const struct sal *s, const struct sal_flow *f,
		     struct sal_packet *p, struct list_bytes *b)
{
	struct sal_list v4 = { b->v4, (uint8_t)sal_list_of(s, AF_INET, b->v4) };
	struct sal_list v6 = { b->v6,
			       (uint8_t)sal_list_of(s, AF_INET6, b->v6) };
	uint32_t ackno = f->has_peer_list ? f->peer_list + 1 : 0;

	if (v4.n)
		sal_add_address(p, SAL_EXT_ADDRESS, s->list_verno, ackno, v4);
	if (v6.n)
		sal_add_address(p, SAL_EXT_ADDRESS6, s->list_verno, ackno, v6);
}

static bool is_known(const struct sal_flow *f)
{
	return f->info.client || f->confirmed;
}

bool sal_send_control(struct sal *s, struct sal_flow *f,
		      const struct sal_tie *tie,
		      const struct sal_control_out *c)
{
	struct list_bytes list;
	struct sal_packet p;
	struct sal_outer out = {
		.path = tie->path,
		.ip = { .ttl = SAL_TTL },
		.to_known = is_known(f),
	};

	f->sent_ns = s->now_ns;
	if (f->info.native)
		return sal_native_send_control(s, f, tie, c);
	sal_packet_init(&p, f->info.local_id, tie->remote_id, f->info.protocol);
	sal_add_control(&p, c->flags, c->verno, c->ackno, tie->nonce);
	if (c->service)
		sal_add_service(&p, &f->info.service);
	if (c->identity)
		sal_add_identity(&p, &f->info.inner_local);
	if ((c->flags & (SAL_FLAG_SYN | SAL_FLAG_ACK)) ==
	    (SAL_FLAG_SYN | SAL_FLAG_ACK)) {
		sal_hops_add(&p, &f->hops);
		sal_answer_from(s, &out, &f->hops);
	}
	if (c->list)
		add_list(s, f, &p, &list);
	if (c->reason)
		sal_add_reason(&p, c->reason);
	if (c->segment)
		with_segment(&out, f, c->kept, c->segment);
	return sal_emit_bounded(s, f, &p, &out);
}

/*
 * So many a second and no more: else anybody could have us shoot at a third
 * party by writing its address on what he sends. The bucket is kept as the time
 * up to which it is spent.
 */
bool sal_may_answer_stranger(struct sal *s)
{
	int64_t cost = SECOND / SAL_RST_RATE;
	int64_t earliest = s->now_ns - cost * SAL_RST_BURST;

	if (s->rst_credit_ns < earliest)
		s->rst_credit_ns = earliest;
	if (s->rst_credit_ns + cost > s->now_ns)
		return false;
	s->rst_credit_ns += cost;
	return true;
}

void sal_send_stray_rst(struct sal *s, const struct sal_arrival *a,
			uint16_t reason)
{
	const struct sal_control *c = sal_find_control(&a->packet);
	const struct sal_ext *asked =
		sal_find(&a->packet, SAL_EXT_CHALLENGE, 0);
	struct sal_packet p;
	struct sal_outer out = { .path = *a->path, .ip = { .ttl = SAL_TTL } };
	struct sal_event e = { .kind = SAL_EVENT_REFUSED,
			       .now_ns = s->now_ns,
			       .reason = reason };

	if ((c && c->flags & SAL_FLAG_RST) || a->to_many)
		return;
	if (!sal_may_answer_stranger(s))
		return;
	sal_packet_init(&p, a->packet.dst_flow, a->packet.src_flow,
			a->packet.protocol);
	if (c && c->flags & SAL_FLAG_ACK)
		sal_add_control(&p, SAL_FLAG_RST, c->ackno, 0, c->nonce);
	else
		sal_add_control(&p, SAL_FLAG_RST | SAL_FLAG_ACK, 0,
				c ? c->verno + 1 : 0, c ? c->nonce : 0);
	sal_add_reason(&p, reason);
	if (asked && asked->challenge.kind == SAL_CHALLENGE_ASK)
		sal_add_challenge(&p, SAL_CHALLENGE_ANSWER,
				  asked->challenge.value);
	sal_answer_arrival_from(s, &out, a);
	sal_emit(s, &p, &out);
	s->sink.event(s->sink.arg, &e);
}

bool sal_send_challenge(struct sal *s, struct sal_flow *f,
			const struct sal_path *path, uint8_t kind,
			uint64_t value)
{
	struct sal_packet p;
	struct sal_outer out = {
		.path = *path,
		.ip = { .ttl = SAL_TTL },
		.to_known = is_known(f) && sal_path_known(f, path),
	};

	sal_packet_init(&p, f->info.local_id, f->tie.remote_id, 0);
	sal_add_challenge(&p, kind, value);
	return sal_emit_bounded(s, f, &p, &out);
}

void sal_send_data(struct sal *s, struct sal_flow *f,
		   const struct sal_kept *kept, const uint8_t *segment)
{
	struct sal_outer out = { .path = f->tie.path, .to_known = is_known(f) };
	struct sal_packet p;

	sal_packet_init(&p, f->info.local_id, f->tie.remote_id, kept->protocol);
	with_segment(&out, f, kept, segment);
	f->info.packets_out++;
	f->info.bytes_out += kept->len;
	f->sent_ns = s->now_ns;
	sal_alive_sent(s, f, kept, segment);
	sal_emit_bounded(s, f, &p, &out);
}
