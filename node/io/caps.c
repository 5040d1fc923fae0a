/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cap keeps what goes through an interface within a rate, each way on its
 * own: what comes too early waits, in its order, for its time, and is dropped
 * where more than 200 ms' worth waits already (16 KiB at least; a packet alone
 * always fits). TCP takes that for the rate of the path, as it should. To drop
 * at once what is above the rate would be simpler, and have it go at a fraction
 * of it.
 *
 * What is received has been paid for already: its delay only has the sender
 * slow down. That is all that a receiver can do.
 *
 * Packets of the SAL's own (with extensions: handshakes, moves, questions)
 * never wait, or a full queue would make a living peer look dead. They are
 * counted.
 *
 * The rate is kept by virtual scheduling (ITU-T I.371): "due" is when all that
 * went before would be through at just that rate; a packet may go when that is
 * no more than a burst away. One that stands for many (GSO) goes as one, and
 * those behind it wait the longer.
 *
 * Each lane has one piece of memory, of which only what is used is touched; in
 * it what waits lies one behind the other, and is moved to the front when the
 * end is reached.
 */
#include "node/io/caps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS INT64_C(1000000000)
#define BURST_NS (SECOND_NS / 100)
#define WAIT_NS (SECOND_NS / 5)
#define WAIT_MIN_BYTES 16384u
#define LANE_BYTES (512u << 10)
#define DATA_HEADER 12u /* a SAL header without extensions */

/* In front of its bytes. */
struct waiting {
	size_t size; /* of all of it */
	size_t header_len, len;
	uint64_t cost; /* bytes on the wire */
	struct sal_outer outer; /* out: without its pointers; in: path, ip */
};

struct lane {
	bool in;
	int64_t due_ns; /* when all before is through */
	uint8_t *bytes;
	size_t first, end; /* what waits is between */
	uint64_t waits; /* bytes on the wire */
};

struct capped {
	uint32_t ifindex;
	uint64_t bps;
	struct lane out, in;
};

struct caps {
	struct caps_sink sink;
	struct capped v[CAPS_MAX];
	size_t n;
	struct caps_stats stats;
};

struct caps *caps_new(const struct caps_sink *sink)
{
	struct caps *c = calloc(1, sizeof(*c));

	if (c)
		c->sink = *sink;
	return c;
}

static void forget(struct capped *i)
{
	free(i->out.bytes);
	free(i->in.bytes);
	*i = (struct capped){ .ifindex = 0 };
}

struct caps *caps_free(struct caps *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->n; i++)
		forget(&c->v[i]);
	free(c);
	return NULL;
}

const struct caps_stats *caps_stats(const struct caps *c)
{
	return &c->stats;
}

/* ---- one lane ----------------------------------------------------------- */

static size_t aligned(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static bool is_empty(const struct lane *l)
{
	return l->first == l->end;
}

static bool may_go(const struct lane *l, int64_t now_ns)
{
	return l->due_ns <= now_ns + BURST_NS;
}

static void charge(struct lane *l, uint64_t bps, uint64_t cost, int64_t now_ns)
{
	/* Of what comes within its rate, a burst is all that is saved up. */
	if (l->due_ns < now_ns)
		l->due_ns = now_ns;
	l->due_ns += (int64_t)((double)cost * 8 * SECOND_NS / (double)bps);
}

static bool has_room(struct lane *l, uint64_t bps, uint64_t cost, size_t size)
{
	uint64_t most = bps / 8 * WAIT_NS / SECOND_NS;

	if (most < WAIT_MIN_BYTES)
		most = WAIT_MIN_BYTES;
	if (!is_empty(l) && l->waits + cost > most)
		return false;
	if (l->end + size <= LANE_BYTES)
		return true;
	memmove(l->bytes, l->bytes + l->first, l->end - l->first);
	l->end -= l->first;
	l->first = 0;
	return l->end + size <= LANE_BYTES;
}

/* w: all but size. What was there is behind header and bytes. */
static void keep(struct caps *c, const struct capped *i, struct lane *l,
		 struct waiting *w, const uint8_t *header, const uint8_t *bytes)
{
	uint8_t *at;

	w->size = aligned(sizeof(*w) + w->header_len + w->len);
	if (!has_room(l, i->bps, w->cost, w->size)) {
		c->stats.cap_dropped++;
		return;
	}
	at = l->bytes + l->end;
	memcpy(at, w, sizeof(*w));
	if (w->header_len)
		memcpy(at + sizeof(*w), header, w->header_len);
	if (w->len)
		memcpy(at + sizeof(*w) + w->header_len, bytes, w->len);
	l->end += w->size;
	l->waits += w->cost;
	c->stats.cap_delayed++;
}

/* The first one goes. It stays where it is until it has gone: whoever takes it
 * may bring new ones, which are put behind the others. */
static void let_go(struct caps *c, struct lane *l, uint64_t bps, int64_t now_ns)
{
	const uint8_t *bytes = l->bytes + l->first + sizeof(struct waiting);
	struct waiting w;

	memcpy(&w, l->bytes + l->first, sizeof(w));
	charge(l, bps, w.cost, now_ns);
	if (l->in) {
		c->sink.receive(c->sink.arg, &w.outer.path, &w.outer.ip, bytes,
				w.len);
	} else {
		w.outer.header = bytes;
		w.outer.segment = w.len ? bytes + w.header_len : NULL;
		c->sink.send(c->sink.arg, &w.outer);
	}
	l->first += w.size;
	l->waits -= w.cost;
	if (is_empty(l))
		l->first = l->end = 0;
}

static void run_lane(struct caps *c, struct lane *l, uint64_t bps,
		     int64_t now_ns, bool all)
{
	/* Those that come meanwhile have their turn later. */
	size_t left = l->end - l->first;

	while (left && !is_empty(l) && (all || may_go(l, now_ns))) {
		struct waiting w;

		memcpy(&w, l->bytes + l->first, sizeof(w));
		left -= w.size < left ? w.size : left;
		let_go(c, l, bps, now_ns);
	}
}

/* ---- interfaces --------------------------------------------------------- */

static struct capped *find(struct caps *c, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && i < c->n; i++)
		if (c->v[i].ifindex == ifindex)
			return &c->v[i];
	return NULL;
}

static const struct cap *wanted(const struct cap *list, size_t n,
				uint32_t ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].ifindex == ifindex)
			return &list[i];
	return NULL;
}

int caps_set(struct caps *c, const struct cap *list, size_t n, int64_t now_ns)
{
	int r = 0;

	for (size_t i = 0; i < c->n;) {
		const struct cap *w = wanted(list, n, c->v[i].ifindex);

		if (w) {
			c->v[i++].bps = w->bps;
			continue;
		}
		/* What is received may be answered, and the answers wait behind
		 * what is to be sent: so that goes last, and nothing is left.
		 */
		run_lane(c, &c->v[i].in, c->v[i].bps, now_ns, true);
		run_lane(c, &c->v[i].out, c->v[i].bps, now_ns, true);
		forget(&c->v[i]);
		c->v[i] = c->v[--c->n];
	}
	for (size_t i = 0; i < n && c->n < CAPS_MAX; i++) {
		struct capped *new = &c->v[c->n];

		if (find(c, list[i].ifindex))
			continue;
		*new = (struct capped){ .ifindex = list[i].ifindex,
					.bps = list[i].bps,
					.in.in = true };
		new->out.bytes = malloc(LANE_BYTES);
		new->in.bytes = malloc(LANE_BYTES);
		if (new->out.bytes &&new->in.bytes) {
			c->n++;
			continue;
		}
		forget(new);
		r = -ENOMEM;
	}
	return r;
}

/* ---- packets ------------------------------------------------------------ */

static uint64_t below(const struct sal_path *path)
{
	return (path->remote.family == AF_INET6 ? 40u : 20u) +
	       (path->remote_port ? 8u : 0u);
}

/* What its pieces are together, each with all of its headers. */
static uint64_t cost_of(const struct sal_outer *p)
{
	const struct sal_offload *o = &p->offload;
	uint64_t pieces = 1, more = 0;

	if (o->gso_type && o->gso_size && p->len > o->header_len) {
		pieces = (p->len - o->header_len + o->gso_size - 1) /
			 o->gso_size;
		more = (pieces - 1) * o->header_len;
	}
	return p->len + more + pieces * (below(&p->path) + p->header_len);
}

bool caps_out(struct caps *c, const struct sal_outer *packet, int64_t now_ns)
{
	struct capped *i = find(c, packet->path.ifindex);
	struct waiting w;

	if (!i)
		return false;
	w = (struct waiting){ .header_len = packet->header_len,
			      .len = packet->len,
			      .cost = cost_of(packet),
			      .outer = *packet };
	if (packet->header_len != DATA_HEADER ||
	    (is_empty(&i->out) && may_go(&i->out, now_ns))) {
		charge(&i->out, i->bps, w.cost, now_ns);
		return false;
	}
	keep(c, i, &i->out, &w, packet->header, packet->segment);
	return true;
}

bool caps_in(struct caps *c, const struct sal_path *path,
	     const struct sal_ip_fields *ip, const uint8_t *bytes, size_t len,
	     int64_t now_ns)
{
	struct capped *i = find(c, path->ifindex);
	struct waiting w;

	if (!i)
		return false;
	w = (struct waiting){ .len = len,
			      .cost = len + below(path),
			      .outer = { .path = *path, .ip = *ip } };
	/* The ninth byte is the header's length in words of 32 bits. */
	if (len < DATA_HEADER || bytes[8] * 4u != DATA_HEADER ||
	    (is_empty(&i->in) && may_go(&i->in, now_ns))) {
		charge(&i->in, i->bps, w.cost, now_ns);
		return false;
	}
	keep(c, i, &i->in, &w, NULL, bytes);
	return true;
}

/* ---- time --------------------------------------------------------------- */

static int64_t lane_next_ns(const struct lane *l)
{
	return is_empty(l) ? INT64_MAX : l->due_ns - BURST_NS;
}

int64_t caps_next_ns(const struct caps *c)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < c->n; i++) {
		int64_t out = lane_next_ns(&c->v[i].out);
		int64_t in = lane_next_ns(&c->v[i].in);

		next = out < next ? out : next;
		next = in < next ? in : next;
	}
	return next;
}

void caps_run(struct caps *c, int64_t now_ns)
{
	for (size_t i = 0; i < c->n; i++) {
		run_lane(c, &c->v[i].out, c->v[i].bps, now_ns, false);
		run_lane(c, &c->v[i].in, c->v[i].bps, now_ns, false);
	}
}
