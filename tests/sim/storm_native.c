/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/storm_native.h"

#include "node/sal/native.h"
#include "tests/support/sal_world_parts.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE 2

struct socket {
	struct storm_native *all;
	struct host *h;
	uint32_t flow; /* a client's; 0: none */
	uint32_t said; /* by the host, on any flow */
};

struct storm_native {
	struct socket *sockets; /* a host each */
	unsigned n;
	uint64_t received;
};

/* What is said: both flow IDs, as the speaker has them, who he is, and a
 * number. */
struct words {
	uint32_t from, to, host, number;
};

struct storm_native *storm_native_new(unsigned hosts)
{
	struct storm_native *n = must(calloc(1, sizeof(*n)));

	n->sockets = must(calloc(hosts, sizeof(*n->sockets)));
	n->n = hosts;
	return n;
}

void storm_native_free(struct storm_native *n)
{
	free(n->sockets);
	free(n);
}

uint64_t storm_native_received(const struct storm_native *n)
{
	return n->received;
}

/* ---- what the engine says -------------------------------------------------
 */

static void on_receive(void *arg, const struct sal_flow_info *f,
		       const uint8_t *bytes, size_t len)
{
	struct socket *s = arg;
	struct world *w = s->h->world;
	struct words words;

	WORLD_OK(w, f->native && len == sizeof(words));
	memcpy(&words, bytes, sizeof(words));
	WORLD_OK(w, words.from == f->remote_id && words.to == f->local_id);
	WORLD_OK(w, words.host < s->all->n &&
			    words.number <= s->all->sockets[words.host].said);
	s->all->received++;
}

static void on_end(void *arg, const struct sal_flow_info *f)
{
	struct socket *s = arg;

	WORLD_OK(s->h->world, f->native);
}

static void on_datagram(void *arg, const struct sal_datagram *d)
{
	struct socket *s = arg;

	(void)d;
	WORLD_OK(s->h->world, false); /* nobody sends any */
}

void storm_native_start(struct storm_native *n, unsigned k, struct host *h,
			bool serves)
{
	struct socket *s = &n->sockets[k];
	struct sal_native_sink sink = { s, on_receive, on_end, on_datagram,
					NULL };
	struct sal_listener l = { .id = service(SERVICE),
				  .bits = SERVICE_ID_BITS,
				  .protocol = IPPROTO_UDP };
	uint32_t socket;

	s->all = n;
	s->h = h;
	s->flow = 0;
	sal_native_open(h->sal, &sink);
	if (serves)
		ck_assert_int_eq(sal_native_listen(h->sal, &l, &socket,
						   h->world->now_ns),
				 0);
}

/* ---- what its programs do --------------------------------------------------
 */

static void say(struct socket *s, const struct sal_flow_info *f)
{
	struct words words = { .from = f->local_id,
			       .to = f->remote_id,
			       .host = (uint32_t)(s - s->all->sockets),
			       .number = ++s->said };

	sal_native_send(s->h->sal, f->local_id, (const uint8_t *)&words,
			sizeof(words), s->h->world->now_ns);
}

struct pick {
	struct sal_flow_info info;
	unsigned n, at;
};

static void take(void *arg, const struct sal_flow_info *f)
{
	struct pick *p = arg;

	if (f->native && p->n++ == p->at)
		p->info = *f;
}

/* The at-th of the host's native flows; how many there are, in n. */
static struct pick pick(const struct socket *s, unsigned at)
{
	struct pick p = { .at = at };

	sal_flows(s->h->sal, take, &p);
	return p;
}

static void connects(struct socket *s, const char *to)
{
	struct sal_connect c = { .service = service(SERVICE),
				 .protocol = IPPROTO_UDP,
				 .to = ip(to) };

	if (sal_native_connect(s->h->sal, &c, &s->flow, s->h->world->now_ns))
		s->flow = 0;
}

void storm_native_happens(struct storm_native *n, unsigned client,
			  unsigned instance, const char *instance_at)
{
	struct socket *c = &n->sockets[client], *i = &n->sockets[instance];
	struct world *w = c->h->world;
	struct sal_flow_info f;
	struct pick p;

	if (!c->flow || !sal_flow_find(c->h->sal, c->flow, &f)) {
		connects(c, instance_at);
	} else if (world_random(w, 8) == 0) {
		sal_native_close(c->h->sal, c->flow, w->now_ns);
	} else {
		say(c, &f);
		say(c, &f);
	}
	p = pick(i, world_random(w, 4));
	if (p.n > p.at && p.info.state == SAL_CLOSE_WAIT)
		sal_native_close(i->h->sal, p.info.local_id, w->now_ns);
	else if (p.n > p.at)
		say(i, &p.info);
	host_touched(c->h);
	host_touched(i->h);
}

void storm_native_end(struct storm_native *n, unsigned k)
{
	struct socket *s = &n->sockets[k];
	struct pick p;

	while ((p = pick(s, 0)).n)
		sal_native_abort(s->h->sal, p.info.local_id,
				 s->h->world->now_ns);
	host_touched(s->h);
}
