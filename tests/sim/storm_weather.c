/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link asks for nothing but frames, times and to be called when it has
 * something. The frame is what the packet would be on a wire: IPv4 with
 * protocol 144 in Ethernet, so that the link tells flows apart as it does in a
 * lab.
 *
 * The packets stay here, under the numbers that the link knows them by. An
 * event that comes when the link has changed its mind does no harm: nothing is
 * due.
 */
#include "tests/sim/storm_weather.h"

#include "orchestrator/link/link.h"
#include "tests/support/sal_world_parts.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET 14
#define HEADERS (ETHERNET + 20)
#define INSIDE_MAX 100000
#define PROTOCOL 144

bool storm_links;

struct held {
	struct wire_packet packet; /* bytes: ours; NULL: a free place */
	uint32_t next_free;
};

struct wire {
	struct storm_weather *weather;
	struct link_direction *link; /* NULL: it has sent nothing yet */
	int64_t armed_ns;
};

struct storm_weather {
	struct world *w;
	struct storm_totals *totals;
	uint64_t seed;
	struct link_params now;
	struct wire *wires; /* by host */
	struct held *held;
	size_t n, room;
	uint32_t first_free;
};

/* ---- packets ------------------------------------------------------------- */

static uint32_t hold(struct storm_weather *s, const struct wire_packet *p)
{
	uint32_t i = s->first_free;

	if (i != UINT32_MAX) {
		s->first_free = s->held[i].next_free;
	} else {
		s->held = grown(s->held, s->n, &s->room, sizeof(*s->held));
		i = (uint32_t)s->n++;
	}
	s->held[i].packet = *p;
	s->held[i].packet.bytes = must(malloc(p->len ? p->len : 1));
	memcpy(s->held[i].packet.bytes, p->bytes, p->len);
	return i;
}

static void let_go(struct storm_weather *s, uint32_t i)
{
	free(s->held[i].packet.bytes);
	s->held[i].packet.bytes = NULL;
	s->held[i].next_free = s->first_free;
	s->first_free = i;
}

static size_t make_frame(const struct wire_packet *p, uint8_t *frame,
			 size_t size)
{
	size_t n = p->len < size - HEADERS ? p->len : size - HEADERS;

	memset(frame, 0, HEADERS);
	frame[12] = 8;
	frame[ETHERNET] = 0x45;
	frame[ETHERNET + 9] = PROTOCOL;
	memcpy(frame + ETHERNET + 12, p->path.local.bytes, 4);
	memcpy(frame + ETHERNET + 16, p->path.remote.bytes, 4);
	memcpy(frame + HEADERS, p->bytes, n);
	return HEADERS + n;
}

/* ---- links --------------------------------------------------------------- */

static void wakes(void *arg);

static void arm(struct wire *wire)
{
	int64_t next = link_next_ns(wire->link);

	if (next == wire->armed_ns)
		return;
	wire->armed_ns = next;
	if (next != LINK_NEVER)
		world_at(wire->weather->w, next, wakes, wire);
}

static void wakes(void *arg)
{
	struct wire *wire = arg;
	struct storm_weather *s = wire->weather;
	struct link_outcome out;

	wire->armed_ns = LINK_NEVER;
	while (link_pop(wire->link, s->w->now_ns, &out)) {
		if (!out.lost)
			world_carried(s->w, &s->held[out.handle].packet);
		if (out.final)
			let_go(s, out.handle);
	}
	arm(wire);
}

static void carry(struct world *w, const struct wire_packet *p, void *arg)
{
	struct storm_weather *s = arg;
	unsigned host = (unsigned)(p->from - w->hosts);
	struct wire *wire = &s->wires[host];
	uint8_t frame[128];
	struct link_offer o = {
		.now_ns = w->now_ns,
		.bytes = (uint32_t)(HEADERS + p->len),
		.segments = 1,
		.handle = hold(s, p),
		.frame = frame,
		.frame_len = make_frame(p, frame, sizeof(frame)),
	};

	if (!wire->link) {
		wire->weather = s;
		wire->link = must(link_new(s->seed, p->from->name, 0, &s->now,
					   INSIDE_MAX));
		wire->armed_ns = LINK_NEVER;
	}
	link_classify(o.frame, o.frame_len, &o.key);
	if (link_offer(wire->link, &o) != LINK_TAKEN)
		let_go(s, o.handle);
	arm(wire);
}

/* ---- its beginning, changes and end -------------------------------------- */

struct storm_weather *storm_weather_new(struct world *w, uint64_t seed,
					struct storm_totals *totals)
{
	struct storm_weather *s = must(calloc(1, sizeof(*s)));

	*s = (struct storm_weather){
		.w = w, .seed = seed, .totals = totals, .first_free = UINT32_MAX
	};
	if (!storm_links)
		return s;
	link_params_init(&s->now);
	s->now.delay_ns = MSEC;
	s->wires = must(calloc(w->host_room, sizeof(*s->wires)));
	w->carry = carry;
	w->carry_arg = s;
	return s;
}

void storm_weather_free(struct storm_weather *s)
{
	for (unsigned i = 0; s->wires && i < s->w->host_room; i++) {
		const struct link_counts *c;

		if (!s->wires[i].link)
			continue;
		c = link_counts(s->wires[i].link);
		s->totals->link_lost += c->lost;
		s->totals->link_doubled += c->duplicated;
		s->totals->link_overtook += c->reordered;
		s->totals->link_full += c->queue_dropped;
		link_free(s->wires[i].link);
	}
	for (size_t i = 0; i < s->n; i++)
		free(s->held[i].packet.bytes);
	free(s->wires);
	free(s->held);
	free(s);
}

static void change(struct storm_weather *s, const struct link_params *to)
{
	struct link_change c = { .properties = LINK_PROPERTIES_ALL, .to = *to };

	s->now = *to;
	for (unsigned i = 0; i < s->w->host_room; i++) {
		if (!s->wires[i].link)
			continue;
		link_change(s->wires[i].link, s->w->now_ns, &c);
		arm(&s->wires[i]);
	}
}

static void change_links(struct storm_weather *s)
{
	struct world *w = s->w;
	struct link_params p;

	link_params_init(&p);
	p.delay_ns = (1 + world_random(w, 30)) * MSEC;
	if (world_random(w, 2)) {
		p.jitter.spread_ns = (1 + world_random(w, 20)) * MSEC;
		p.jitter.distribution = world_random(w, LINK_HISTOGRAM);
		p.jitter.unordered = world_random(w, 2);
	}
	p.loss.kind = world_random(w, LINK_LOSS_PATTERN);
	p.loss.ppb = world_random(w, 4) * 100000000;
	p.loss.burst.to_bad = (1 + world_random(w, 10)) * 10000000;
	p.loss.burst.to_good = (2 + world_random(w, 8)) * 100000000;
	p.loss.burst.in_bad = LINK_PPB_ONE;
	p.duplicate_ppb = world_random(w, 3) * 100000000;
	p.reorder_ppb = world_random(w, 3) * 100000000;
	if (world_random(w, 2))
		p.rate_bps = UINT64_C(1000000) << world_random(w, 7);
	p.queue.packets = 2 + world_random(w, 30);
	change(s, &p);
}

void storm_weather_change(struct storm_weather *s)
{
	struct world *w = s->w;

	if (s->wires) {
		change_links(s);
		return;
	}
	w->weather = (struct weather){
		.delay_ns = (1 + world_random(w, 30)) * MSEC,
		.jitter_ns = world_random(w, 2) ? 20 * MSEC : 0,
		.loss = world_random(w, 4) * 100,
		.duplicate = world_random(w, 3) * 100,
	};
}

void storm_weather_clear(struct storm_weather *s)
{
	struct link_params p;

	s->w->weather = (struct weather){ .delay_ns = 5 * MSEC };
	if (!s->wires)
		return;
	link_params_init(&p);
	p.delay_ns = 5 * MSEC;
	change(s, &p);
}
