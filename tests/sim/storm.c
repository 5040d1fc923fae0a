/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A storm, from its seed: some instances of one service, some clients of it,
 * each with a stream (toy_tcp), pings and datagrams. Hosts move, lose their
 * address, crash and start again without state; the weather changes; instances
 * cease and come back; strangers forge packets. Then it clears up.
 *
 * With storm_routers no client knows of an instance. The first of two service
 * routers does; the second knows the first. Clients know the one, the other, or
 * both. Routers restart, and then know their rules and nothing else.
 *
 * Seen to at every step: what is delivered was sent just so by the other end of
 * the conversation (sal_world), no engine takes a step that its table does not
 * have, each end's versions only grow, nothing that a stranger sends changes
 * any flow. And after the storm: every flow whose ends can find each other by
 * name is ESTABLISHED within the longest back-off and answers, a stream whose
 * ends kept their state is whole, and when all has been idle nothing is left.
 */
#include "tests/sim/storm.h"

#include "tests/fuzz/sal_ops.h"
#include "tests/sim/storm_native.h"
#include "tests/sim/storm_stream.h"
#include "tests/sim/storm_versions.h"
#include "tests/sim/storm_weather.h"
#include "tests/sim/strangers.h"

#include "tests/support/sal_world_parts.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE_ADDR "10.8.0.1"
#define PLACES 4
#define ROUTERS 2

bool storm_prints_ladder, storm_routers;
FILE *storm_ops;

struct actor {
	struct host *h;
	char addr[IP_TEXT_MAX]; /* that its rules have */
	unsigned place; /* which of its addresses it has */
	bool serves; /* an instance, and not withdrawn */
	bool crashed; /* at any time */
	struct storm_stream *stream; /* a client's */
	uint16_t pings;
};

#define NO_PLACE PLACES
enum { BUT_NOTHING, BUT_UDP, BUT_PLAIN };

struct storm {
	struct world *w;
	struct actor *actors;
	unsigned n, instances;
	struct host *routers[ROUTERS]; /* NULL: there are none */
	struct storm_versions *versions;
	struct storm_totals *totals;
	struct storm_native *native;
	struct storm_weather *weather;
	unsigned dark, dark_but; /* a place that is cut off, but for these */
};

static struct storm *now_playing;

static void *zeroed(size_t size)
{
	void *p = calloc(1, size);

	ck_assert_ptr_nonnull(p);
	return p;
}

static void note(enum sal_op op, unsigned a, unsigned b, unsigned c)
{
	uint8_t bytes[SAL_OP_BYTES] = { (uint8_t)op, (uint8_t)a, (uint8_t)b,
					(uint8_t)c };

	if (storm_ops)
		fwrite(bytes, sizeof(bytes), 1, storm_ops);
}

/* Here the instance comes first, there the client. */
static unsigned end_of(unsigned k)
{
	return k ? 0 : 1;
}

/* RULE's last argument: the i-th of the instance's addresses. */
static unsigned whereto(unsigned i)
{
	return 4 + i % 3;
}

/* ---- addresses ----------------------------------------------------------- */

/* Host k has 10.1.x.y at place 0, 10.2.x.y at place 1 and so on. */
static void place_text(unsigned k, unsigned place, char out[IP_TEXT_MAX])
{
	snprintf(out, IP_TEXT_MAX, "10.%u.%u.%u", (place + 1) & 255,
		 (k >> 8) & 255, k & 255);
}

static struct host *owner_of(struct world *w, const struct ip_addr *a)
{
	unsigned k = (unsigned)a->bytes[2] << 8 | a->bytes[3];

	return a->family == AF_INET && k < w->host_count ? &w->hosts[k] : NULL;
}

/* ---- programs ------------------------------------------------------------ */

static struct actor *actor_of(struct host *h)
{
	return &now_playing->actors[h - h->world->hosts];
}

static uint16_t port_at(const struct sal_inner *p, unsigned at)
{
	return (uint16_t)(p->segment[at] << 8 | p->segment[at + 1]);
}

/* The client of a stream is the k-th host, and its port is 4000 + k modulo
 * 60000: so an instance finds whose segment it is. */
static void server_takes(struct host *h, const struct sal_inner *p)
{
	unsigned k = (unsigned)p->src.bytes[2] << 8 | p->src.bytes[3];
	struct storm_stream *s = now_playing->actors[k].stream;

	if (s)
		storm_stream_server_takes(s, h, p);
}

static void program(struct host *h, const struct sal_inner *p, void *arg)
{
	struct actor *a = actor_of(h);

	(void)arg;
	if (a->stream) {
		storm_stream_client_takes(a->stream, h, p);
	} else if (p->protocol == IPPROTO_TCP && port_at(p, 2) == 80) {
		server_takes(h, p);
		h->program = program;
	}
}

static void stream_starts(struct storm *st, struct actor *a)
{
	unsigned k = (unsigned)(a - st->actors);

	storm_stream_start(a->stream, a->h, SERVICE_ADDR,
			   (uint16_t)(4000 + k % 60000));
	a->h->program = program;
	st->totals->streams++;
	/* SYN, SYN-ACK, ACK, some data. */
	note(SAL_OP_TCP, 0, 0, 0);
	note(SAL_OP_RUN, 3, 0, 0);
	note(SAL_OP_TCP, 1, 1 << 1, 0);
	note(SAL_OP_RUN, 3, 0, 0);
	note(SAL_OP_TCP, 0, 2 << 1, 0);
	note(SAL_OP_TCP, 0, 3 << 1, 100);
}

/* ---- building it --------------------------------------------------------- */

static void small(struct sal_config *c)
{
	c->max_flows = 32;
	c->max_services = 8;
	c->queue_bytes = 16 << 10;
	c->unacked_bytes = 32 << 10;
}

static void large(struct sal_config *c)
{
	small(c);
	c->max_flows = 2048;
	c->max_half_open = 2048;
	c->queue_bytes = 256 << 10;
	c->unacked_bytes = 1 << 20;
}

static void add_actor(struct storm *st, unsigned k)
{
	struct actor *a = &st->actors[k];
	char inner[IP_TEXT_MAX];

	place_text(k, 0, a->addr);
	snprintf(inner, sizeof(inner), "10.9.%u.%u", (k >> 8) & 255, k & 255);
	world_adjust = k < st->instances && st->n > 16 ? large : small;
	a->h = world_host(st->w, k < st->instances ? "instance" : "client",
			  a->addr, inner, NULL);
	world_adjust = NULL;
	host_name_usual(a->h);
	a->h->udp_port = 53;
	a->h->program = program;
	a->serves = k < st->instances;
	if (a->serves)
		host_serve(a->h, 1);
	storm_native_start(st->native, k, a->h, a->serves);
}

static void as_router(struct sal_config *c)
{
	small(c);
	c->max_forwarded = 16;
}

static void add_routers(struct storm *st)
{
	char at[ROUTERS][IP_TEXT_MAX];

	for (unsigned r = 0; r < ROUTERS; r++) {
		place_text(st->n + r, 0, at[r]);
		world_adjust = as_router;
		st->routers[r] = world_host(st->w, "router", at[r], NULL, NULL);
		world_adjust = NULL;
		host_name_usual(st->routers[r]);
	}
	host_forward(st->routers[1], 1, at[0]);
	for (unsigned k = st->instances; k < st->n; k++)
		for (unsigned r = 0; r < ROUTERS; r++)
			if (k % 3 == 2 || k % 3 == r)
				host_forward(st->actors[k].h, 1, at[r]);
}

/* Few instances a client, as a controller would give it. */
static bool knows(const struct storm *st, unsigned client, unsigned instance)
{
	return st->instances <= 3 || client % st->instances == instance;
}

/* Who has the rules of an instance; k from 0 on; NULL: no more. *k: the next.
 */
static struct host *next_who_knows(const struct storm *st, unsigned instance,
				   unsigned *k)
{
	if (st->routers[0])
		return (*k)++ ? NULL : st->routers[0];
	for (; *k + st->instances < st->n; ++*k)
		if (knows(st, *k + st->instances, instance))
			return st->actors[st->instances + (*k)++].h;
	return NULL;
}

static void build(struct storm *st)
{
	st->actors = zeroed(st->n * sizeof(*st->actors));
	for (unsigned k = 0; k < st->n; k++)
		add_actor(st, k);
	if (storm_routers)
		add_routers(st);
	for (unsigned k = st->instances; k < st->n; k++) {
		for (unsigned i = 0; i < st->instances; i++)
			if (!storm_routers && knows(st, k, i))
				host_forward(st->actors[k].h, 1,
					     st->actors[i].addr);
		st->actors[k].stream = storm_stream_new();
	}
	for (unsigned i = 0; storm_routers && i < st->instances; i++)
		host_forward(st->routers[0], 1, st->actors[i].addr);
}

/* ---- what happens -------------------------------------------------------- */

static void weather(struct storm *st)
{
	const struct weather *now = &st->w->weather;

	storm_weather_change(st->weather);
	note(SAL_OP_WEATHER, (unsigned)(now->delay_ns / MSEC), now->loss / 4,
	     now->duplicate / 4);
}

/* Of what goes from or to one of the places nothing passes any more, or no
 * protocol 144, or no UDP. */
static bool passes(struct world *w, struct sal_path *path, void *arg)
{
	const struct storm *st = arg;
	bool udp = path->remote_port != 0;

	(void)w;
	if (st->dark == NO_PLACE || (st->dark_but == BUT_UDP && udp) ||
	    (st->dark_but == BUT_PLAIN && !udp))
		return true;
	return path->local.bytes[1] != st->dark + 1 &&
	       path->remote.bytes[1] != st->dark + 1;
}

static void darkens(struct storm *st)
{
	st->dark = world_random(st->w, PLACES);
	st->dark_but = world_random(st->w, 3);
}

/* All clients learn where an instance is now, as from a controller. */
static void tell(struct storm *st, unsigned instance, const char *to)
{
	struct actor *a = &st->actors[instance];
	struct host *h;
	unsigned k = 0;

	if (!strcmp(a->addr, to))
		return;
	while (a->serves && (h = next_who_knows(st, instance, &k))) {
		host_forward(h, 1, to);
		host_unforward(h, 1, a->addr);
	}
	snprintf(a->addr, sizeof(a->addr), "%s", to);
}

static void move(struct storm *st, unsigned k)
{
	struct actor *a = &st->actors[k];
	char to[IP_TEXT_MAX], also[IP_TEXT_MAX];

	st->totals->moves++;
	if (world_random(st->w, 4) == 0) {
		host_addresses(a->h, NULL, NULL);
		note(SAL_OP_ADDRESS, end_of(k), 0, 0);
		return;
	}
	if (!k)
		note(SAL_OP_RULE, 0, 1, whereto(a->place));
	a->place = world_random(st->w, PLACES);
	note(SAL_OP_ADDRESS, end_of(k), 1u << a->place % 3, 0);
	if (!k)
		note(SAL_OP_RULE, 0, 0, whereto(a->place));
	place_text(k, a->place, to);
	/* Every third has a second address, and may tell of it. */
	place_text(k, (a->place + 1) % PLACES, also);
	host_addresses(a->h, to, world_random(st->w, 3) ? NULL : also);
	if (k < st->instances)
		tell(st, k, to);
}

static void crash(struct storm *st, unsigned k)
{
	note(SAL_OP_REBOOT, end_of(k), 0, 0);
	st->totals->crashes++;
	st->actors[k].crashed = true;
	host_reboot(st->actors[k].h);
	storm_native_start(st->native, k, st->actors[k].h, k < st->instances);
}

static void withdraw(struct storm *st, unsigned k, bool back)
{
	struct actor *a = &st->actors[k];
	unsigned c = 0;
	struct host *h;

	if (a->serves == back)
		return;
	if (back)
		host_serve(a->h, 1);
	else
		host_unserve(a->h, 1);
	note(SAL_OP_RULE, 1, back ? 2 : 3, 0);
	note(SAL_OP_RULE, 0, back ? 0 : 1, whereto(a->place));
	/* What was there is as gone as after a crash. */
	a->crashed = true;
	while ((h = next_who_knows(st, k, &c))) {
		if (back)
			host_forward(h, 1, a->addr);
		else
			host_unforward(h, 1, a->addr);
	}
	a->serves = back;
}

static void count_forwarded(struct storm *st, unsigned r)
{
	st->totals->forwarded += sal_stats(st->routers[r]->sal)->forwarded;
}

static void restart_router(struct storm *st, unsigned r)
{
	st->totals->restarts++;
	count_forwarded(st, r);
	host_reboot(st->routers[r]);
}

static void ping(struct storm *st, struct actor *a)
{
	host_ping(a->h, SERVICE_ADDR, 7, ++a->pings, 40);
	note(SAL_OP_PING, end_of((unsigned)(a - st->actors)), 0, 40);
}

static void happens(struct storm *st)
{
	struct world *w = st->w;
	unsigned any = world_random(w, st->n);
	unsigned instance = world_random(w, st->instances), ms;
	struct actor *client =
		&st->actors[st->instances +
			    world_random(w, st->n - st->instances)];

	switch (world_random(w, 16)) {
	case 0:
	case 1:
		move(st, any);
		break;
	case 2:
		/* At the same moment. */
		move(st, (unsigned)(client - st->actors));
		move(st, instance);
		break;
	case 3:
		if (world_random(w, 2))
			weather(st);
		else
			darkens(st);
		break;
	case 4:
		if (world_random(w, 4) == 0)
			crash(st, any);
		break;
	case 5:
		if (world_random(w, 4) == 0)
			withdraw(st, instance, world_random(w, 2));
		break;
	case 6:
	case 7:
		st->totals->forged +=
			stranger_acts(st->actors[world_random(w, st->n)].h);
		note(SAL_OP_STRANGER, any, (unsigned)w->random & 255,
		     (unsigned)(w->random >> 8) & 0xf7);
		break;
	case 8:
		note(SAL_OP_UDP, 0, 0, 5);
		host_udp(client->h, NULL, SERVICE_ADDR, 5000, 53, "hello");
		break;
	case 9:
	case 10:
		storm_native_happens(st->native,
				     (unsigned)(client - st->actors), instance,
				     st->actors[instance].addr);
		break;
	default:
		ping(st, client);
	}
	if (storm_routers && world_random(w, 8) == 0)
		restart_router(st, world_random(w, ROUTERS));
	ms = world_random(w, 150);
	note(SAL_OP_RUN, ms, 0, 0);
	world_run_for(w, ms * MSEC);
}

/* ---- what must hold ------------------------------------------------------ */

static void watch(struct world *w, const struct wire_packet *p, void *arg)
{
	struct storm *st = arg;

	(void)w;
	st->totals->packets++;
	/* What a router hands on may have been overtaken. */
	if (p->from != st->routers[0] && p->from != st->routers[1])
		storm_versions_see(st->versions, p);
}

static void clears_up(struct storm *st)
{
	struct world *w = st->w;

	storm_weather_clear(st->weather);
	st->dark = NO_PLACE;
	for (unsigned i = 0; i < st->instances; i++)
		withdraw(st, i, true);
	for (unsigned k = 0; k < st->n; k++) {
		struct actor *a = &st->actors[k];
		char to[IP_TEXT_MAX];

		/* Who has no address gets one. */
		if (a->h->address_count)
			continue;
		place_text(k, a->place, to);
		host_addresses(a->h, to, NULL);
		if (k < st->instances)
			tell(st, k, to);
	}
	/* The longest back-off of a handshake, and of a move by name. */
	world_run_for(w, 45 * SEC);
	/* The first may find that its instance has lost the flow, the next that
	 * another flow is in the way there, whose owner has to be silent for
	 * 3 s: the SYN of 3 s later finds it so, that of 7 s is taken. */
	for (int i = 0; i < 5; i++) {
		for (unsigned k = st->instances; k < st->n; k++)
			ping(st, &st->actors[k]);
		world_run_for(w, 2 * SEC);
	}
}

static void all_answer(struct storm *st)
{
	for (unsigned k = st->instances; k < st->n; k++)
		ping(st, &st->actors[k]);
	world_run_for(st->w, 100 * MSEC);
	for (unsigned k = st->instances; k < st->n; k++) {
		struct actor *a = &st->actors[k];

		WORLD_OK(st->w, a->h->last_reply_seq == a->pings);
	}
}

static bool kept(struct host *h)
{
	return !actor_of(h)->crashed;
}

static void streams_end(struct storm *st)
{
	for (int i = 0; i < 300; i++) {
		bool all = true;

		for (unsigned k = st->instances; k < st->n; k++)
			all &= storm_stream_is_over(st->actors[k].stream);
		if (all)
			break;
		world_run_for(st->w, SEC);
	}
	for (unsigned k = st->instances; k < st->n; k++) {
		struct storm_stream *s = st->actors[k].stream;

		storm_stream_check(s, st->w, k, kept);
		st->totals->streams_done += storm_stream_is_whole(s);
	}
}

static void ends(struct storm *st)
{
	for (unsigned k = 0; k < st->n; k++)
		storm_native_end(st->native, k);
	world_run_for(st->w, 3 * 3600 * SEC);
	for (unsigned k = 0; k < st->n; k++) {
		WORLD_OK(st->w, !host_flows(st->actors[k].h));
		st->totals->resent += sal_stats(st->actors[k].h->sal)->resent;
		st->totals->early += st->actors[k].h->early +
				     sal_stats(st->actors[k].h->sal)->early;
	}
	for (unsigned r = 0; storm_routers && r < ROUTERS; r++)
		count_forwarded(st, r);
	if (storm_prints_ladder)
		world_print_ladder(st->w);
	for (unsigned k = 0; k < st->n; k++)
		storm_stream_free(st->actors[k].stream);
	st->totals->native += storm_native_received(st->native);
	storm_native_free(st->native);
	storm_weather_free(st->weather);
	storm_versions_free(st->versions);
	free(st->actors);
	world_free(st->w);
}

void storm_play(uint64_t seed, unsigned hosts, bool calm,
		struct storm_totals *totals)
{
	struct storm st = { .totals = totals };

	st.n = hosts ? hosts : 2 + (unsigned)(seed * 7 % 5);
	st.instances = hosts ? 1 + hosts / 100 : 1 + (unsigned)(seed % 2);
	if (st.instances >= st.n)
		st.instances = 1;
	if (st.n > totals->hosts)
		totals->hosts = st.n;
	st.w = world_new_of(seed, st.n + (storm_routers ? ROUTERS : 0));
	st.native = storm_native_new(st.n);
	st.weather = storm_weather_new(st.w, seed, totals);
	st.versions = storm_versions_new(totals);
	st.w->owner = owner_of;
	st.dark = NO_PLACE;
	st.w->tap = watch;
	st.w->middle = passes;
	st.w->tap_arg = st.w->middle_arg = &st;
	now_playing = &st;
	build(&st);
	for (unsigned k = st.instances; k < st.n; k++)
		stream_starts(&st, &st.actors[k]);
	for (unsigned i = 0; !calm && i < 30 + st.n / 10; i++)
		happens(&st);
	clears_up(&st);
	all_answer(&st);
	streams_end(&st);
	ends(&st);
}
