/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, the network and the ladder; sal_hosts.c has what lives in it. */
#include "tests/support/sal_world_parts.h"

#include "base/checksum.h"
#include "node/wire/sal_text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_BYTES 192

/* ---- what happens when -------------------------------------------------- */

struct world_queue {
	struct happening *v;
	size_t n, room;
	uint64_t made;
};

struct log_line {
	int64_t at_ns;
	struct wire_packet packet;
	uint8_t bytes[LOG_BYTES];
	const char *what;
};

#define LOG_LINES 4096

/* The last of them: a line's place is its number modulo LOG_LINES. */
struct world_log {
	struct log_line *v;
	size_t n;
};

void (*world_failed)(const struct world *w);

void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

void *grown(void *v, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return v;
	*room = *room ? *room * 2 : 64;
	return must(realloc(v, *room * size));
}

static bool before(const struct happening *a, const struct happening *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

/* A binary heap. */
void happen(struct world *w, int64_t at_ns, struct happening h)
{
	struct world_queue *q = w->queue;
	size_t i = q->n;

	h.at_ns = at_ns;
	/* At the same moment what arrives is before the engine's own time. */
	h.order = q->made++ | (h.tick ? UINT64_C(1) << 63 : 0);
	q->v = grown(q->v, q->n, &q->room, sizeof(*q->v));
	q->n++;
	while (i && before(&h, &q->v[(i - 1) / 2])) {
		q->v[i] = q->v[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	q->v[i] = h;
}

static struct happening take_earliest(struct world_queue *q)
{
	struct happening first = q->v[0], last = q->v[--q->n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < q->n && before(&q->v[child + 1], &q->v[child]))
			child++;
		if (child >= q->n || !before(&q->v[child], &last))
			break;
		q->v[i] = q->v[child];
		i = child;
	}
	q->v[i] = last;
	return first;
}

void host_touched(struct host *h)
{
	int64_t next = sal_next_ns(h->sal);

	if (next == h->tick_ns)
		return;
	h->tick_ns = next;
	if (next != INT64_MAX)
		happen(h->world, next, (struct happening){ .tick = h });
}

void world_at(struct world *w, int64_t at_ns, void (*fn)(void *arg), void *arg)
{
	happen(w, at_ns, (struct happening){ .fn = fn, .arg = arg });
}

uint32_t world_random(struct world *w, uint32_t below)
{
	/* splitmix64 */
	uint64_t z = (w->random += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) % below);
}

/* ---- the ladder --------------------------------------------------------- */

static void log_packet(struct world *w, const struct wire_packet *p,
		       const char *what)
{
	struct world_log *log = w->log;
	struct log_line *line;

	line = &log->v[log->n++ % LOG_LINES];
	line->at_ns = w->now_ns;
	line->packet = *p;
	line->what = what;
	memcpy(line->bytes, p->bytes, p->len < LOG_BYTES ? p->len : LOG_BYTES);
}

static void print_line(const struct log_line *line)
{
	char from[IP_TEXT_MAX], to[IP_TEXT_MAX], text[SAL_TEXT_HEADER_MAX];
	size_t len = line->packet.len;
	struct sal_packet p;

	if (!sal_result_is_packet(sal_decode(
		    &p, line->bytes, len < LOG_BYTES ? len : LOG_BYTES)))
		snprintf(text, sizeof(text), "%zu bytes, no packet", len);
	else {
		p.payload_len += len < LOG_BYTES ? 0 : len - LOG_BYTES;
		sal_text_format(&p, SAL_TEXT_PAYLOAD_LENGTH, text,
				sizeof(text));
	}
	fprintf(stderr, "%10.3f ms  %-10s > %-10s %-5s %s\n",
		(double)line->at_ns / 1e6,
		ip_format_addr(&line->packet.path.local, from, sizeof(from)),
		ip_format_addr(&line->packet.path.remote, to, sizeof(to)),
		line->what, text);
}

static void print_stats(const struct host *h)
{
	const struct sal_stats *s = sal_stats(h->sal);

	fprintf(stderr, "%s:", h->name);
#define PRINT(name, text)                                                      \
	if (s->name)                                                           \
		fprintf(stderr, " %s %llu", #name, (unsigned long long)s->name);
	SAL_STATS(PRINT)
#undef PRINT
	fprintf(stderr, "\n");
}

static void print_end(const struct world *w, size_t lines)
{
	size_t first = w->log->n > lines ? w->log->n - lines : 0;

	for (size_t i = first; i < w->log->n; i++)
		print_line(&w->log->v[i % LOG_LINES]);
	fprintf(stderr, "%10.3f ms  now\n", (double)w->now_ns / 1e6);
	for (unsigned i = 0; i < w->host_count && i < 16; i++)
		print_stats(&w->hosts[i]);
}

void world_print_ladder(const struct world *w)
{
	print_end(w, LOG_LINES);
}

void world_check(struct world *w, bool ok, const char *file, int line,
		 const char *what)
{
	if (ok)
		return;
	print_end(w, world_failed ? LOG_LINES : 200);
	if (!world_failed)
		ck_abort_msg("%s:%d: %s", file, line, what);
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	world_failed(w);
}

/* ---- the network -------------------------------------------------------- */

static bool has_address(const struct host *h, const struct ip_addr *a)
{
	for (size_t k = 0; k < h->address_count; k++)
		if (ip_addr_equal(&h->addresses[k], a))
			return true;
	return false;
}

static struct host *owner(struct world *w, const struct ip_addr *a)
{
	if (w->owner) {
		struct host *h = w->owner(w, a);

		return h && has_address(h, a) ? h : NULL;
	}
	for (unsigned i = 0; i < w->host_count; i++)
		if (has_address(&w->hosts[i], a))
			return &w->hosts[i];
	return NULL;
}

static void arrive_at(struct world *w, int64_t at_ns,
		      const struct wire_packet *p)
{
	struct happening h = { .packet = *p };

	h.packet.bytes = must(malloc(p->len ? p->len : 1));
	memcpy(h.packet.bytes, p->bytes, p->len);
	happen(w, at_ns, h);
}

void world_carried(struct world *w, const struct wire_packet *p)
{
	arrive_at(w, w->now_ns, p);
}

static void put_on_wire(struct world *w, const struct wire_packet *p)
{
	int64_t delay = w->weather.delay_ns;

	if (w->weather.jitter_ns)
		delay += world_random(w, (uint32_t)w->weather.jitter_ns);
	arrive_at(w, w->now_ns + delay, p);
}

static int kind_of(const struct wire_packet *p)
{
	const struct sal_control *c;
	struct sal_packet decoded;

	if (sal_decode(&decoded, p->bytes, p->len) != SAL_OK)
		return -3;
	c = sal_find_control(&decoded);
	if (c)
		return c->flags;
	return decoded.n ? LOSE_CHALLENGES : LOSE_DATA;
}

static bool is_lost(struct world *w, const struct wire_packet *p)
{
	for (unsigned i = 0; i < w->lose_count; i++) {
		struct lose *l = &w->lose[i];

		if (l->from == p->from && l->seen < l->n &&
		    l->flags == kind_of(p)) {
			l->seen++;
			return true;
		}
	}
	return w->cut ||
	       (w->weather.loss && world_random(w, 1000) < w->weather.loss);
}

struct lose *world_lose(struct world *w, struct host *from, int flags,
			unsigned n)
{
	struct lose *l = &w->lose[w->lose_count++];

	ck_assert_uint_le(w->lose_count, sizeof(w->lose) / sizeof(*w->lose));
	*l = (struct lose){ from, flags, n, 0 };
	return l;
}

static void network_takes(struct world *w, const struct wire_packet *sent)
{
	struct wire_packet p = *sent;

	if (w->tap)
		w->tap(w, sent, w->tap_arg);
	if (is_lost(w, sent) ||
	    (w->middle && !w->middle(w, &p.path, w->middle_arg))) {
		log_packet(w, sent, "LOST");
		return;
	}
	log_packet(w, &p, "");
	if (w->carry) {
		w->carry(w, &p, w->carry_arg);
		return;
	}
	put_on_wire(w, &p);
	if (w->weather.duplicate &&
	    world_random(w, 1000) < w->weather.duplicate)
		put_on_wire(w, &p);
}

void world_takes(void *arg, const struct sal_outer *out)
{
	struct host *h = arg;
	uint8_t bytes[4096];
	struct wire_packet p = { .from = h,
				 .path = out->path,
				 .ip = out->ip,
				 .bytes = bytes,
				 .len = out->header_len + out->len };

	ck_assert_uint_le(p.len, sizeof(bytes));
	host_emits(h, out);
	memcpy(bytes, out->header, out->header_len);
	if (out->len)
		memcpy(bytes + out->header_len, out->segment, out->len);
	if (out->offload.needs_csum)
		transport_checksum_set(out->protocol, &out->inner_src,
				       &out->inner_dst, bytes + out->header_len,
				       out->len);
	network_takes(h->world, &p);
}

/* Which SYN it is, for all its repetitions; 0: none that carries a segment. */
static uint64_t rider_of(const struct host *to, const struct sal_packet *p)
{
	const struct sal_control *c = sal_find_control(p);
	uint64_t hash = HASH_START;

	if (!c || !p->payload_len ||
	    (c->flags & (SAL_FLAG_SYN | SAL_FLAG_ACK)) != SAL_FLAG_SYN)
		return 0;
	hash = hash_bytes(hash, &to, sizeof(to));
	hash = hash_bytes(hash, &to->boots, sizeof(to->boots));
	hash = hash_bytes(hash, &p->src_flow, sizeof(p->src_flow));
	return hash_bytes(hash, &c->nonce, sizeof(c->nonce));
}

static void arrive_by(struct world *w, const struct wire_packet *p,
		      struct host *to)
{
	struct sal_path path = { .local = p->path.remote,
				 .remote = p->path.local,
				 .ifindex = 1,
				 .local_port = p->path.remote_port,
				 .remote_port = p->path.local_port };
	struct sal_packet decoded;

	w->delivered = 0;
	w->rider = 0;
	w->payload_len = 0;
	w->payload = p->bytes;
	if (sal_decode(&decoded, p->bytes, p->len) == SAL_OK) {
		host_got(to, &decoded, &path, p->len);
		if (!w->forged)
			host_was_shown(to, &decoded, &path);
		w->rider = rider_of(to, &decoded);
		w->payload = decoded.payload;
		w->payload_len = decoded.payload_len;
	}
	sal_from_outer(to->sal, &path, &p->ip, p->bytes, p->len, w->now_ns);
	w->payload = NULL;
	WORLD_OK(w, !sal_stats(to->sal)->broken);
	host_touched(to);
}

/* All hosts are on one link. */
static bool is_for_all(const struct ip_addr *a)
{
	return a->bytes[0] == 0xff;
}

static void arrive(struct world *w, const struct wire_packet *p)
{
	struct host *to = owner(w, &p->path.remote);

	for (unsigned i = 0; i < w->host_count; i++)
		if (is_for_all(&p->path.remote))
			arrive_by(w, p, &w->hosts[i]);
	/* One whose address is gone by now: as lost as any. */
	if (to)
		arrive_by(w, p, to);
}

void world_arrives(struct world *w, const char *from, struct host *to,
		   const uint8_t *bytes, size_t len)
{
	struct wire_packet p = { .path = { .local = ip(from),
					   .remote = to->addresses[0] },
				 .ip = { .ttl = 60 },
				 .len = len };

	p.bytes = must(malloc(len ? len : 1));
	if (len)
		memcpy(p.bytes, bytes, len);
	log_packet(w, &p, "FAKE");
	arrive(w, &p);
	free(p.bytes);
}

void world_inject(struct world *w, const char *from, struct host *to,
		  const uint8_t *bytes, size_t len)
{
	w->forged = true;
	world_arrives(w, from, to, bytes, len);
	w->forged = false;
}

/* ---- time --------------------------------------------------------------- */

static void wake(struct host *h)
{
	struct world *w = h->world;

	/* It may have been set to another time since. */
	if (h->tick_ns > w->now_ns)
		return;
	sal_tick(h->sal, w->now_ns);
	WORLD_OK(w, !sal_stats(h->sal)->broken);
	/* Or the world would stand still. */
	WORLD_OK(w, sal_next_ns(h->sal) > w->now_ns);
	host_touched(h);
}

static void take_place(struct world *w, struct happening h)
{
	if (h.tick) {
		wake(h.tick);
	} else if (h.packet.bytes) {
		arrive(w, &h.packet);
		free(h.packet.bytes);
	} else if (h.inner.segment) {
		host_send(h.host, &h.inner);
		free((void *)h.inner.segment);
	} else {
		h.fn(h.arg);
	}
}

void world_run(struct world *w, int64_t until_ns)
{
	struct world_queue *q = w->queue;

	/* Tests call engines as they like in between. */
	for (unsigned i = 0; i < w->host_count; i++) {
		struct host *h = &w->hosts[i];

		WORLD_OK(w, !sal_stats(h->sal)->broken);
		host_touched(h);
	}
	while (q->n && q->v[0].at_ns <= until_ns) {
		struct happening h = take_earliest(q);

		if (h.at_ns > w->now_ns)
			w->now_ns = h.at_ns;
		take_place(w, h);
	}
	w->now_ns = until_ns;
}

void world_run_for(struct world *w, int64_t ns)
{
	world_run(w, w->now_ns + ns);
}

/* ---- its beginning and end ----------------------------------------------- */

struct world *world_new(uint64_t seed)
{
	return world_new_of(seed, 4);
}

struct world *world_new_of(uint64_t seed, unsigned hosts)
{
	struct world *w = must(calloc(1, sizeof(*w)));

	w->hosts = must(calloc(hosts, sizeof(*w->hosts)));
	w->host_room = hosts;

	w->queue = must(calloc(1, sizeof(*w->queue)));
	w->log = must(calloc(1, sizeof(*w->log)));
	w->log->v = must(malloc(LOG_LINES * sizeof(*w->log->v)));
	w->random = seed;
	w->now_ns = SEC;
	w->weather.delay_ns = MSEC;
	return w;
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->queue->n; i++) {
		free(w->queue->v[i].packet.bytes);
		free((void *)w->queue->v[i].inner.segment);
	}
	for (unsigned i = 0; i < w->host_count; i++)
		free(w->hosts[i].memory);
	free(w->queue->v);
	free(w->queue);
	free(w->log->v);
	free(w->log);
	free(w->events);
	free(w->hosts);
	free(w->sent.v);
	free(w->riders.v);
	free(w->shown.v);
	free(w->rsyns.v);
	free(w->unproven.v);
	free(w->lies.v);
	free(w->fins.v);
	free(w);
}
