/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flow in bytes, as it goes from host to host (docs/control.md has the form).
 * Written of a flow that is held: only its queue may grow meanwhile.
 *
 * What comes in may be anything: all of it is looked at before anything is
 * made. The checksum finds what was damaged or cut off, and is no protection
 * from a liar: who may use the control socket may do worse.
 */
#include "node/sal/engine.h"

#include "base/cursor.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

/* Since Linux 6.2; the headers may be older. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define MAGIC "SALFLOW" /* and its NUL */
#define VERSION 1
#define CHECK_LEN 8
#define SEGMENTS_MAX (1u << 20)
#define AGE_MAX (UINT64_C(1) << 60) /* ns: 36 years */

_Static_assert(CHECK_LEN == crypto_shorthash_BYTES, "SipHash");

/* The flags of a flow, each a bit. */
#define FLAGS(X)                                                               \
	X(confirmed)                                                           \
	X(has_rsyn)                                                            \
	X(has_peer_rsyn)                                                       \
	X(rsyn_unanswered)                                                     \
	X(tcp_seen_out)                                                        \
	X(tcp_seen_in)                                                         \
	X(tcp_has_ack_out)                                                     \
	X(tcp_has_ack_in)                                                      \
	X(tcp_has_fin_out)                                                     \
	X(tcp_has_fin_in)                                                      \
	X(has_peer_list)                                                       \
	X(list_sent)

/* Numbers of 32 bits, one after the other. */
#define NUMBERS(X)                                                             \
	X(info.local_id)                                                       \
	X(tie.remote_id)                                                       \
	X(tie.first)                                                           \
	X(tie.next)                                                            \
	X(tie.peer_first)                                                      \
	X(tie.peer_next)                                                       \
	X(rsyn)                                                                \
	X(peer_rsyn)                                                           \
	X(answered_next)                                                       \
	X(peer_list)                                                           \
	X(tcp_ack_out)                                                         \
	X(tcp_ack_in)                                                          \
	X(tcp_fin_out)                                                         \
	X(tcp_fin_in)                                                          \
	X(tcp_end_out)                                                         \
	X(tcp_end_in)

/* Of 64. */
#define LONG_NUMBERS(X)                                                        \
	X(tie.nonce)                                                           \
	X(tie.peer_nonce)                                                      \
	X(info.packets_in)                                                     \
	X(info.packets_out)                                                    \
	X(info.bytes_in)                                                       \
	X(info.bytes_out)

static void check_of(const uint8_t *bytes, size_t len, uint8_t out[CHECK_LEN])
{
	static const uint8_t key[crypto_shorthash_KEYBYTES] = "SAL flow bytes";

	crypto_shorthash(out, bytes, len, key);
}

/* ---- writing ------------------------------------------------------------ */

/* Only counts where to is NULL. */
struct writer {
	uint8_t *to;
	size_t n;
};

static void put_bytes(struct writer *w, const void *bytes, size_t n)
{
	if (w->to && n)
		memcpy(w->to + w->n, bytes, n);
	w->n += n;
}

static void put(struct writer *w, uint64_t v, size_t n)
{
	uint64_t be = htobe64(v);

	put_bytes(w, (const uint8_t *)&be + sizeof(be) - n, n);
}

static void put_addr(struct writer *w, const struct ip_addr *a)
{
	put(w, ip_addr_size(a), 1);
	put_bytes(w, a->bytes, sizeof(a->bytes));
}

static void put_segment(struct writer *w, bool waits, const struct sal_kept *k,
			const uint8_t *bytes)
{
	put(w, waits, 1);
	put(w, k->protocol, 1);
	put(w, k->len, 4);
	put(w, k->seq, 4);
	put(w, k->seq_end, 4);
	put(w, k->ip.traffic_class, 1);
	put(w, k->ip.ttl, 1);
	put(w, k->ip.dont_fragment, 1);
	put(w, k->offload.needs_csum, 1);
	put(w, k->offload.csum_offset, 2);
	put(w, k->offload.gso_type, 1);
	put(w, k->offload.gso_size, 2);
	put(w, k->offload.header_len, 2);
	put_bytes(w, bytes, k->len);
}

static void put_list(struct writer *w, const struct sal *s, bool waits,
		     const struct sal_store *store,
		     const struct sal_store_list *l)
{
	for (uint32_t h = l->first; h; h = sal_store_next(store, h))
		put_segment(w, waits, sal_store_kept(store, h),
			    w->to ? sal_store_bytes(store, h, s->scratch) :
				    NULL);
}

static uint32_t flags_of(const struct sal_flow *f)
{
	uint32_t flags = 0, bit = 1;

#define FLAG(name)                                                             \
	flags |= f->name ? bit : 0;                                            \
	bit <<= 1;
	FLAGS(FLAG)
#undef FLAG
	return flags;
}

static void put_flow(struct writer *w, const struct sal *s,
		     const struct sal_flow *f)
{
	put_bytes(w, MAGIC, sizeof(MAGIC));
	put(w, VERSION, 2);
	put(w, f->info.protocol, 1);
	put(w, flags_of(f), 4);
	put_bytes(w, f->info.service.bytes, SERVICE_ID_LEN);
	/* Of the list that this host tells: the next one's is to be greater. */
	put(w, s->list_verno, 4);
#define NUMBER(name) put(w, f->name, 4);
	NUMBERS(NUMBER)
#undef NUMBER
#define LONG_NUMBER(name) put(w, f->name, 8);
	LONG_NUMBERS(LONG_NUMBER)
#undef LONG_NUMBER
	put_addr(w, &f->info.inner_local);
	put_addr(w, &f->info.inner_remote);
	put(w, f->info.port_local, 2);
	put(w, f->info.port_remote, 2);
	put_addr(w, &f->tie.path.remote);
	put(w, f->tie.path.local_port, 2);
	put(w, f->tie.path.remote_port, 2);
	put(w, f->standby_count, 1);
	for (uint32_t i = 0; i < f->standby_count; i++)
		put_addr(w, &f->standby[i]);
	/* The hosts' clocks may differ: how long ago, when the hold began. */
	put(w, (uint64_t)(f->hand_until_ns - SAL_HOLD_NS - f->info.opened_ns),
	    8);
	put(w, f->unacked.segments + f->queue.segments, 4);
	put_list(w, s, false, &s->unacked, &f->unacked);
	put_list(w, s, true, &s->queue, &f->queue);
}

size_t sal_handoff_put(const struct sal *s, const struct sal_flow *f,
		       uint8_t *out)
{
	struct writer w = { .to = out };

	put_flow(&w, s, f);
	if (out)
		check_of(out, w.n, out + w.n);
	return w.n + CHECK_LEN;
}

/* ---- reading ------------------------------------------------------------ */

static int bad(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

static void get_addr(struct cursor *c, struct ip_addr *a)
{
	static const struct ip_addr none;
	uint8_t size = cursor_u8(c);

	*a = none;
	a->family = size == 16 ? AF_INET6 : size == 4 ? AF_INET : AF_UNSPEC;
	cursor_copy(c, a->bytes, sizeof(a->bytes));
	for (size_t i = size; i < sizeof(a->bytes); i++)
		if (a->bytes[i])
			*a = none;
}

static bool get_flags(struct sal_flow *f, uint32_t flags)
{
	uint32_t bit = 1;

#define FLAG(name)                                                             \
	f->name = flags & bit;                                                 \
	bit <<= 1;
	FLAGS(FLAG)
#undef FLAG
	return flags < bit;
}

static bool offload_fits(const struct sal_kept *k)
{
	const struct sal_offload *o = &k->offload;
	uint8_t type = o->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	if (o->needs_csum && o->csum_offset + 2u > k->len)
		return false;
	if (!o->gso_type)
		return true;
	return (type == VIRTIO_NET_HDR_GSO_TCPV4 ||
		type == VIRTIO_NET_HDR_GSO_TCPV6 ||
		type == VIRTIO_NET_HDR_GSO_UDP_L4) &&
	       o->gso_size && o->header_len && o->header_len <= k->len;
}

/* Leaves the cursor at the segment's bytes. */
static bool get_kept(struct cursor *c, struct sal_kept *k, bool *waits)
{
	uint8_t fragment, csum, waiting = cursor_u8(c);

	memset(k, 0, sizeof(*k));
	k->protocol = cursor_u8(c);
	k->len = cursor_be32(c);
	k->seq = cursor_be32(c);
	k->seq_end = cursor_be32(c);
	k->ip.traffic_class = cursor_u8(c);
	k->ip.ttl = cursor_u8(c);
	fragment = cursor_u8(c);
	csum = cursor_u8(c);
	k->ip.dont_fragment = fragment;
	k->offload.needs_csum = csum;
	k->offload.csum_offset = cursor_be16(c);
	k->offload.gso_type = cursor_u8(c);
	k->offload.gso_size = cursor_be16(c);
	k->offload.header_len = cursor_be16(c);
	*waits = waiting;
	return !c->overrun && waiting <= 1 && fragment <= 1 && csum <= 1 &&
	       k->len && k->len <= SAL_SEGMENT_MAX && offload_fits(k);
}

/* Of the flow's own conversation: nothing may be sent in another one's name. */
static bool belongs(const struct sal_flow *f, const struct sal_kept *k,
		    const uint8_t *bytes)
{
	const struct sal_inner p = {
		.src = f->info.inner_local,
		.dst = f->info.inner_remote,
		.protocol = k->protocol,
		.segment = bytes,
		.len = k->len,
	};
	struct sal_tuple t;

	return k->protocol == f->info.protocol &&
	       sal_inner_tuple(&p, &t) == SAL_INNER_SEGMENT &&
	       t.port_local == f->info.port_local &&
	       t.port_remote == f->info.port_remote;
}

static int get_segments(struct cursor *c, const struct sal_flow *f,
			struct sal_handoff_segments *out, const char **why)
{
	uint32_t n = cursor_be32(c);

	if (c->overrun)
		return bad(why, "it ends too early");
	if (n > SEGMENTS_MAX)
		return bad(why, "it has more segments than a flow can have");
	out->bytes = c->p;
	out->len = c->left;
	out->n = n;
	for (uint32_t i = 0; i < n; i++) {
		struct sal_kept k;
		const uint8_t *bytes;
		bool waits;

		if (!get_kept(c, &k, &waits))
			return bad(why, "one of its segments is malformed");
		bytes = cursor_take(c, k.len);
		if (!bytes)
			return bad(why, "it ends within a segment");
		if (!belongs(f, &k, bytes))
			return bad(why, "one of its segments is of another "
					"conversation");
	}
	return c->left ? bad(why, "there are bytes behind its end") : 0;
}

static bool is_inner(const struct sal_flow *f)
{
	uint8_t icmp = f->info.inner_remote.family == AF_INET6 ?
			       IPPROTO_ICMPV6 :
			       IPPROTO_ICMP;

	return f->info.protocol == IPPROTO_TCP ||
	       f->info.protocol == IPPROTO_UDP || f->info.protocol == icmp;
}

static int check_flow(const struct sal_flow *f, const char **why)
{
	const struct sal_flow_info *i = &f->info;

	if (!i->local_id || !f->tie.remote_id)
		return bad(why, "a flow ID of it is 0");
	if (!ip_addr_size(&i->inner_local) ||
	    i->inner_local.family != i->inner_remote.family ||
	    !ip_addr_size(&f->tie.path.remote))
		return bad(why, "one of its addresses is malformed");
	for (uint32_t k = 0; k < f->standby_count; k++)
		if (!ip_addr_size(&f->standby[k]))
			return bad(why, "one of its addresses is malformed");
	if (!is_inner(f))
		return bad(why, "its protocol is none that a flow carries");
	if (sal_after(f->tie.first + 1, f->tie.next) ||
	    sal_after(f->tie.peer_first + 1, f->tie.peer_next) ||
	    (f->has_rsyn && !sal_after(f->tie.next, f->rsyn)) ||
	    (f->has_peer_rsyn && !sal_after(f->tie.peer_next, f->peer_rsyn)))
		return bad(why, "its versions contradict each other");
	return 0;
}

static int check_frame(const uint8_t *bytes, size_t len, const char **why)
{
	uint8_t check[CHECK_LEN];

	if (len < sizeof(MAGIC) + 2 + CHECK_LEN ||
	    memcmp(bytes, MAGIC, sizeof(MAGIC)) != 0)
		return bad(why, "this is no flow");
	if (bytes[sizeof(MAGIC)] != 0 || bytes[sizeof(MAGIC) + 1] != VERSION) {
		*why = "it is written in a version that is not known here";
		return -EPROTONOSUPPORT;
	}
	check_of(bytes, len - CHECK_LEN, check);
	if (memcmp(check, bytes + len - CHECK_LEN, CHECK_LEN) != 0)
		return bad(why, "its checksum is wrong: it was damaged, or "
				"cut off");
	return 0;
}

int sal_handoff_get(const struct sal *s, const uint8_t *bytes, size_t len,
		    struct sal_flow *f, struct sal_handoff_segments *segments,
		    const char **why)
{
	struct cursor c;
	bool flags_known;
	uint8_t standby;
	uint64_t age;
	int r = check_frame(bytes, len, why);

	if (r)
		return r;
	memset(f, 0, sizeof(*f));
	c = cursor_make(bytes + sizeof(MAGIC) + 2,
			len - sizeof(MAGIC) - 2 - CHECK_LEN);
	f->info.protocol = cursor_u8(&c);
	flags_known = get_flags(f, cursor_be32(&c));
	cursor_copy(&c, f->info.service.bytes, SERVICE_ID_LEN);
	f->list_told = cursor_be32(&c);
#define NUMBER(name) f->name = cursor_be32(&c);
	NUMBERS(NUMBER)
#undef NUMBER
#define LONG_NUMBER(name) f->name = cursor_be64(&c);
	LONG_NUMBERS(LONG_NUMBER)
#undef LONG_NUMBER
	get_addr(&c, &f->info.inner_local);
	get_addr(&c, &f->info.inner_remote);
	f->info.port_local = cursor_be16(&c);
	f->info.port_remote = cursor_be16(&c);
	get_addr(&c, &f->tie.path.remote);
	f->tie.path.local_port = cursor_be16(&c);
	f->tie.path.remote_port = cursor_be16(&c);
	standby = cursor_u8(&c);
	if (standby > SAL_STANDBY_MAX)
		return bad(why, "the peer has more addresses than are kept");
	for (f->standby_count = 0; f->standby_count < standby;
	     f->standby_count++)
		get_addr(&c, &f->standby[f->standby_count]);
	age = cursor_be64(&c);
	f->info.opened_ns =
		s->now_ns - (int64_t)(age < AGE_MAX ? age : AGE_MAX);
	f->info.last_used_ns = s->now_ns;
	if (c.overrun)
		return bad(why, "it ends too early");
	if (!flags_known)
		return bad(why, "it has flags that are not known here");
	r = check_flow(f, why);
	return r ? r : get_segments(&c, f, segments, why);
}

void sal_handoff_take(struct sal *s, struct sal_flow *f,
		      const struct sal_handoff_segments *segments)
{
	struct cursor c = cursor_make(segments->bytes, segments->len);

	for (uint32_t i = 0; i < segments->n; i++) {
		const uint8_t *bytes;
		struct sal_kept k;
		bool waits;

		/* It was looked through before. */
		if (!get_kept(&c, &k, &waits))
			return;
		bytes = cursor_take(&c, k.len);
		if (!bytes)
			return;
		/* What has no room is repeated by its TCP, later. */
		if (waits)
			sal_store_push(&s->queue, &f->queue, &k, bytes);
		else
			sal_store_push(&s->unacked, &f->unacked, &k, bytes);
	}
}
