/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets of a host of the world (sal_world.h), for native flows: it takes
 * what it is given and remembers the last of it. Its TCP is a toy: a SYN is
 * answered by a SYN-ACK, a SYN-ACK by an ACK, and all else is the test's.
 *
 * The network is watched: a native packet has no extension of ours, ports of
 * zero, and a checksum that holds over the addresses it goes between.
 */
#ifndef TESTS_NATIVE_END_H
#define TESTS_NATIVE_END_H

#include "base/checksum.h"
#include "node/sal/native.h"
#include "node/wire/sal_text.h"
#include "tests/support/sal_world.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct native_end {
	struct host *h;
	uint32_t socket; /* that was made last */
	uint32_t flow; /* what was heard of last */
	unsigned got, ends, datagrams, answers;
	bool refuses; /* TCP answers nothing */
	char last[64]; /* what was received last, cut */
	struct sal_datagram datagram; /* without bytes */
	/* Of all packets that the host has sent, the last one's text. */
	char sent[512];
};

/* Of the hosts by their number; what the network's watcher fills. */
struct native_world {
	struct native_end *end[4];
	unsigned packets;
};

static inline void native_take(struct native_end *e, const uint8_t *bytes,
			       size_t len)
{
	size_t n = len < sizeof(e->last) - 1 ? len : sizeof(e->last) - 1;

	memset(e->last, 0, sizeof(e->last));
	if (n)
		memcpy(e->last, bytes, n);
}

static inline void native_on_receive(void *arg, const struct sal_flow_info *f,
				     const uint8_t *bytes, size_t len)
{
	struct native_end *e = arg;

	e->got++;
	e->flow = f->local_id;
	native_take(e, bytes, len);
}

static inline void native_on_end(void *arg, const struct sal_flow_info *f)
{
	struct native_end *e = arg;

	e->ends++;
	e->flow = f->local_id;
}

static inline void native_on_datagram(void *arg, const struct sal_datagram *d)
{
	struct native_end *e = arg;

	e->datagrams++;
	e->datagram = *d;
	native_take(e, d->bytes, d->len);
}

/* flags: TCP's. Ports and checksum are not its business. */
static inline size_t native_tcp(uint8_t *out, uint8_t flags)
{
	static const uint8_t header[20] = { 1, 2, 3,	  4, 0, 0, 0, 9, 0, 0,
					    0, 8, 5 << 4, 0, 0, 0, 7, 7, 0, 0 };

	memcpy(out, header, sizeof(header));
	out[13] = flags;
	return sizeof(header);
}

static inline size_t native_on_answer(void *arg, const struct sal_flow_info *f,
				      uint8_t flags, const uint8_t *segment,
				      size_t len, uint8_t *out)
{
	struct native_end *e = arg;

	(void)f;
	e->answers++;
	native_take(e, segment, len);
	if (e->refuses)
		return 0;
	return native_tcp(out, flags & SAL_FLAG_SYN ? 0x12 : 0x10);
}

static inline void native_watch(struct world *w, const struct wire_packet *p,
				void *arg)
{
	struct native_world *n = arg;
	struct native_end *e = p->from ? n->end[p->from - w->hosts] : NULL;
	struct sal_packet d;

	WORLD_OK(w, sal_decode(&d, p->bytes, p->len) == SAL_OK);
	n->packets++;
	if (e)
		sal_text_format(&d, SAL_TEXT_PAYLOAD_LENGTH, e->sent,
				sizeof(e->sent));
	for (unsigned i = 0; i < d.n; i++)
		WORLD_OK(w,
			 d.ext[i].type < 8 && d.ext[i].type != SAL_EXT_ADDRESS);
	if (!d.payload_len)
		return;
	WORLD_OK(w, d.payload_len >= 8 && !memcmp(d.payload, "\0\0\0\0", 4));
	WORLD_OK(w, transport_checksum_check(d.protocol, &p->path.local,
					     &p->path.remote, d.payload,
					     d.payload_len) !=
			    TRANSPORT_CHECKSUM_BAD);
}

static inline void native_open(struct native_end *e, struct host *h)
{
	struct sal_native_sink sink = { e, native_on_receive, native_on_end,
					native_on_datagram, native_on_answer };

	*e = (struct native_end){ .h = h };
	sal_native_open(h->sal, &sink);
}

static inline int native_listen(struct native_end *e, unsigned n,
				uint8_t protocol, bool datagrams)
{
	struct sal_listener l = { .id = service(n),
				  .bits = SERVICE_ID_BITS,
				  .protocol = protocol,
				  .datagrams = datagrams };

	return sal_native_listen(e->h->sal, &l, &e->socket,
				 e->h->world->now_ns);
}

/* local: its own service, 0: none. to: NULL: where the rules have it. */
static inline int native_connect(struct native_end *e, unsigned n,
				 uint8_t protocol, unsigned local,
				 const char *to)
{
	uint8_t syn[SAL_NATIVE_SEGMENT_MAX];
	struct sal_connect c = { .service = service(n),
				 .protocol = protocol,
				 .has_local = local != 0,
				 .local = service(local) };

	if (to)
		c.to = ip(to);
	if (protocol == IPPROTO_TCP) {
		c.segment = syn;
		c.len = native_tcp(syn, 0x02);
	}
	return sal_native_connect(e->h->sal, &c, &e->flow, e->h->world->now_ns);
}

static inline int native_say(struct native_end *e, uint32_t flow,
			     const char *text)
{
	return sal_native_send(e->h->sal, flow, (const uint8_t *)text,
			       strlen(text), e->h->world->now_ns);
}

static inline enum sal_state native_state(const struct native_end *e)
{
	return host_flow(e->h).state;
}

/* The last thing that h's engine said of a flow that it closed. */
static inline const struct sal_event *native_closed(struct world *w,
						    const struct native_end *e)
{
	for (size_t i = w->event_count; i--;)
		if (w->events[i].host == e->h &&
		    w->events[i].e.kind == SAL_EVENT_FLOW_CLOSED)
			return &w->events[i].e;
	return NULL;
}

/* ---- a scene: C's socket and A's ---------------------------------------- */

#define NATIVE_SERVICE 5
#define NATIVE_SERVICE_TEXT                                                    \
	"0x0500000000000000000000000000000000000000000000000000000000000000"

struct native_scene {
	struct world *w;
	struct native_world n;
	struct native_end c, a;
	uint32_t server; /* the flow at a */
};

static inline void native_begin(struct native_scene *s)
{
	*s = (struct native_scene){ .w = world_usual(1) };
	native_open(&s->c, world_c(s->w));
	native_open(&s->a, world_a(s->w));
	s->n.end[0] = &s->c;
	s->n.end[1] = &s->a;
	s->w->tap = native_watch;
	s->w->tap_arg = &s->n;
	host_forward(s->c.h, NATIVE_SERVICE, "10.0.1.1");
}

static inline void native_run(struct native_scene *s, int64_t ns)
{
	world_run_for(s->w, ns);
}

static inline bool native_both(struct native_scene *s, enum sal_state state)
{
	return native_state(&s->c) == state && native_state(&s->a) == state;
}

/* A conversation over the protocol, open at both ends. */
static inline void native_opened(struct native_scene *s, uint8_t protocol)
{
	native_begin(s);
	ck_assert_int_eq(native_listen(&s->a, NATIVE_SERVICE, protocol, false),
			 0);
	ck_assert_int_eq(
		native_connect(&s->c, NATIVE_SERVICE, protocol, 0, NULL), 0);
	native_run(s, 10 * MSEC);
	WORLD_OK(s->w, native_both(s, SAL_ESTABLISHED));
	s->server = host_flow(s->a.h).local_id;
}

static inline void native_finish(struct native_scene *s)
{
	world_free(s->w);
}

static inline void native_forge(struct native_scene *s, const char *from,
				struct host *to, const char *text)
{
	struct err err = ERR_INIT;
	uint8_t bytes[512];
	int n = sal_text_parse(text, bytes, sizeof(bytes), &err);

	ck_assert_msg(n > 0, "%s: %s", text, err.msg);
	world_inject(s->w, from, to, bytes, (size_t)n);
}

static inline int native_close(struct native_end *e, uint32_t flow)
{
	return sal_native_close(e->h->sal, flow, e->h->world->now_ns);
}

#endif
