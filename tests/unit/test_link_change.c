/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random operations on a direction, beside a model of another make. The link
 * works a frame's times out when it is offered, and again after a change; the
 * model here has events instead, in the order of time: a frame begins, a frame
 * leaves, an opportunity comes. Its clock counts in parts of a ns so small that
 * every rate divides one evenly.
 *
 * Fates are no part of it: what happens to a frame is all or nothing.
 */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/internal.h"

#include <check.h>
#include <stdlib.h>

#define MS INT64_C(1000000)
#define INSIDE_MAX 300

/* The least common multiple of the rates: 2^13 3 5^9 7 999983 is one of all. */
static const uint64_t rates[] = { 3000,	    7000000,   10000000,
				  50000000, 999983000, 1000000000 };
#define UNITS ((__int128)8192 * 3 * 1953125 * 7 * 999983) /* of a ns */

struct frame {
	uint32_t handle, bytes;
	int64_t due;
	__int128 work; /* 10^-9 bits; by trace: bytes left */
	int64_t jitter;
	bool lost, reorder, loose, begun;
};

struct model {
	struct link_params p;
	int64_t now;
	struct frame queue[INSIDE_MAX]; /* [0] may be on its way out */
	size_t queued;
	__int128 end; /* when it has left, or the last one had: in units */
	struct frame way[INSIDE_MAX]; /* travelling, by order of leaving */
	size_t travel;
	int64_t latest, order;
	int64_t base; /* of the trace */
	uint64_t opportunity; /* the next one */
	int64_t open_ns; /* of the last one, of which ... */
	__int128 open; /* ... so many bytes are left */
};

static struct link_trace *trace;
static const int64_t trace_ms[] = { 0, 1, 1, 4, 4, 4, 7, 20 };
#define TRACE_N (sizeof(trace_ms) / sizeof(*trace_ms))
static struct link_histogram *late; /* 3 ms, always */
static struct link_pattern *all_lost;

static void leave(struct model *m, int64_t at)
{
	struct frame f = m->queue[0];
	int64_t travel = m->p.delay_ns + f.jitter;

	memmove(m->queue, m->queue + 1, --m->queued * sizeof(f));
	f.due = at;
	if (f.lost) {
		if (!f.loose && f.due < m->order)
			f.due = m->order;
	} else if (!f.reorder) {
		f.due += travel > 0 ? travel : 0;
		if (!f.loose && f.due < m->latest)
			f.due = m->latest;
		if (f.due > m->latest)
			m->latest = f.due;
	}
	if (!f.loose)
		m->order = f.due;
	m->way[m->travel++] = f;
}

static int64_t opportunity_ns(const struct model *m)
{
	return m->base + (int64_t)(m->opportunity / TRACE_N) * 20 * MS +
	       trace_ms[m->opportunity % TRACE_N] * MS;
}

static __int128 trace_need(const struct frame *f)
{
	return f->bytes > 14 ? f->bytes - 14 : 1;
}

static void use_opportunity(struct model *m)
{
	while (m->queued && m->open > 0) {
		struct frame *f = &m->queue[0];

		if (!f->begun)
			f->work = trace_need(f);
		f->begun = true;
		if (f->work > m->open) {
			f->work -= m->open;
			m->open = 0;
		} else {
			m->open -= f->work;
			leave(m, m->open_ns);
		}
	}
}

static void begin_next(struct model *m, __int128 at)
{
	struct frame *f = &m->queue[0];

	if (!m->queued)
		return;
	if (!f->begun)
		f->work = (__int128)f->bytes * 8 * 1000000000;
	f->begun = true;
	m->end = at + f->work * (UNITS / m->p.rate_bps);
}

static int64_t up(__int128 units)
{
	return (int64_t)((units + UNITS - 1) / UNITS);
}

/* Up to and including now. */
static void run(struct model *m, int64_t now)
{
	m->now = now;
	if (m->p.trace) {
		for (; opportunity_ns(m) <= now; m->opportunity++) {
			if (m->open_ns != opportunity_ns(m))
				m->open = 0;
			m->open_ns = opportunity_ns(m);
			m->open += LINK_TRACE_BYTES;
			use_opportunity(m);
		}
	} else if (m->p.rate_bps) {
		while (m->queued && m->end <= now * UNITS) {
			leave(m, up(m->end));
			begin_next(m, m->end);
		}
	} else {
		while (m->queued)
			leave(m, now);
	}
}

/* Of those queued, how many wait? */
static size_t waiting(const struct model *m)
{
	return m->queued - (m->queued && m->queue[0].begun);
}

static bool model_offer(struct model *m, struct frame f)
{
	bool waits;

	/* Opportunities of this very moment serve what comes at it. */
	waits = m->p.trace    ? m->queued || m->open_ns != m->now || !m->open :
		m->p.rate_bps ? m->end > m->now * UNITS :
				false;
	if (waits && m->p.queue.packets && waiting(m) >= m->p.queue.packets)
		return false;
	m->queue[m->queued++] = f;
	if (m->p.trace && !waits) {
		use_opportunity(m);
	} else if (m->p.rate_bps && m->queued == 1) {
		/* Behind the fraction of a ns that the last one still takes. */
		begin_next(m, waits ? m->end : m->now * UNITS);
	} else if (!m->p.rate_bps && !m->p.trace) {
		leave(m, m->now);
	}
	return true;
}

/* The rate is to change: what is left of the frame on its way out, in 10^-9
 * bits; by trace in bytes. */
static void change_rate(struct model *m, const struct link_params *to)
{
	struct frame *f = &m->queue[0];
	bool begun = m->queued && f->begun;

	if (begun && m->p.rate_bps)
		f->work = (m->end - m->now * UNITS) / (UNITS / m->p.rate_bps);
	if (begun && to->trace && !m->p.trace)
		f->work = (f->work + 7999999999) / 8000000000;
	if (begun && !to->trace && m->p.trace)
		f->work *= 8000000000;
	m->p.rate_bps = to->rate_bps;
	m->p.trace = to->trace;
	m->base = m->now;
	m->opportunity = 0;
	m->open = 0;
	m->end = m->now * UNITS;
	if (m->p.rate_bps)
		begin_next(m, m->end);
	run(m, m->now);
}

/* ---- side by side -------------------------------------------------------- */

struct both {
	struct link_direction *d;
	struct model m;
	uint32_t handles;
	uint8_t final[1 << 16]; /* how often each has been finished */
	uint8_t taken[1 << 16];
	bool down;
};

static void change(struct both *b, unsigned short rng[3])
{
	struct link_change c = { .properties = 1u << nrand48(rng) % 9 };
	struct link_params *to = &c.to;
	bool rate = c.properties & LINK_RATE;

	link_params_init(to);
	to->delay_ns = nrand48(rng) % (20 * MS);
	to->jitter.unordered = nrand48(rng) % 2;
	if (nrand48(rng) % 2) {
		to->jitter.distribution = LINK_HISTOGRAM;
		to->jitter.histogram = late;
	}
	if (nrand48(rng) % 4 == 0) {
		to->loss.kind = LINK_LOSS_PATTERN;
		to->loss.pattern = all_lost;
	}
	to->duplicate_ppb = nrand48(rng) % 4 ? 0 : LINK_PPB_ONE;
	to->reorder_ppb = nrand48(rng) % 4 ? 0 : LINK_PPB_ONE;
	if (nrand48(rng) % 3 == 0)
		to->trace = trace;
	else if (nrand48(rng) % 4)
		to->rate_bps = rates[(unsigned)nrand48(rng) % 6];
	to->queue.packets = (uint32_t)nrand48(rng) % 30;
	to->mtu = nrand48(rng) % 2 ? 0 : 1000;
	rate = rate && (to->trace || to->trace != b->m.p.trace ||
			to->rate_bps != b->m.p.rate_bps);
	run(&b->m, b->m.now);
	link_change(b->d, b->m.now, &c);
	if (rate)
		change_rate(&b->m, to);
	link_params_apply(&b->m.p, &c);
}

static void offer(struct both *b, unsigned short rng[3])
{
	const struct link_params *p = &b->m.p;
	struct link_offer o = { .now_ns = b->m.now,
				.segments = 1,
				.bytes = 60 + (unsigned)nrand48(rng) % 1455,
				.handle = b->handles };
	struct frame f = { .handle = o.handle,
			   .bytes = o.bytes,
			   .lost = p->loss.kind != LINK_LOSS_NONE };
	enum link_verdict want = LINK_TAKEN;

	if (b->m.queued + b->m.travel == INSIDE_MAX)
		return;
	b->handles++;
	f.reorder = !f.lost && p->reorder_ppb;
	f.loose = f.reorder || p->jitter.unordered;
	f.jitter = link_params_have_jitter(p) && !f.lost && !f.reorder ?
			   3 * MS :
			   0;
	run(&b->m, b->m.now);
	if (b->down)
		want = LINK_DROP_DOWN;
	else if (p->mtu && o.bytes - 14 > p->mtu)
		want = LINK_DROP_MTU;
	else if (!model_offer(&b->m, f))
		want = LINK_DROP_QUEUE;
	ck_assert_int_eq(link_offer(b->d, &o), want);
	b->taken[o.handle] = want == LINK_TAKEN;
}

/* The frame of the model that is due first, by time and number. */
static size_t first_due(const struct model *m)
{
	size_t first = 0;

	for (size_t i = 1; i < m->travel; i++)
		if (m->way[i].due < m->way[first].due ||
		    (m->way[i].due == m->way[first].due &&
		     m->way[i].handle < m->way[first].handle))
			first = i;
	return first;
}

/* A copy follows where its frame was offered while doubling was on; that is
 * known by the link alone, so it is told by the outcome. */
static void pop(struct both *b)
{
	struct link_outcome out;
	struct model *m = &b->m;

	run(m, m->now);
	while (link_pop(b->d, m->now, &out)) {
		size_t i = first_due(m);
		struct frame *f = &m->way[i];

		must(m->travel && f->due <= m->now);
		if (out.handle != f->handle || out.due_ns != f->due)
			ck_abort_msg("%u at %lld instead of %u at %lld",
				     out.handle, (long long)out.due_ns,
				     f->handle, (long long)f->due);
		must(out.lost == f->lost);
		must(!out.copy || out.final);
		must(b->taken[out.handle] && !b->final[out.handle]);
		b->final[out.handle] += out.final;
		if (out.final)
			memmove(f, f + 1, (--m->travel - i) * sizeof(*f));
	}
	for (size_t i = 0; i < m->travel; i++)
		must(m->way[i].due > m->now);
	must(link_next_ns(b->d) > m->now);
	/* All that will be known is known: the next is no later than this. */
	if (m->travel)
		must(link_next_ns(b->d) <= m->way[first_due(m)].due);
	must((link_next_ns(b->d) == LINK_NEVER) == (!m->travel && !m->queued));
}

static void drop(void *arg, uint32_t handle)
{
	struct both *b = arg;

	must(b->taken[handle] && !b->final[handle]);
	b->final[handle]++;
}

static void set_up(struct both *b, bool up)
{
	run(&b->m, b->m.now);
	link_set_up(b->d, up, b->m.now, drop, b);
	b->down = !up;
	if (up)
		return;
	b->m.queued = b->m.travel = 0;
	b->m.end = b->m.now * UNITS;
	b->m.open = 0; /* of this moment */
	b->m.latest = b->m.order = INT64_MIN;
	must(link_next_ns(b->d) == LINK_NEVER);
}

static void wait(struct both *b, unsigned short rng[3])
{
	static const long steps[] = { 1, 1000, 100000, 3000000, 40000000 };
	int64_t t = b->m.now + nrand48(rng) % steps[(unsigned)nrand48(rng) % 5];

	/* Often just at the moment, or just before or behind it. */
	if (nrand48(rng) % 3 == 0 && link_next_ns(b->d) < LINK_NEVER / 2)
		t = link_next_ns(b->d) + nrand48(rng) % 3 - 1;
	else if (nrand48(rng) % 4 == 0)
		t = (t / MS + 1) * MS;
	if (t > b->m.now)
		run(&b->m, t);
}

static void setup(void)
{
	static const char times[] = "0\n1\n1\n4\n4\n4\n7\n20\n";
	struct diag *diag = diag_new();

	ck_assert_int_eq(
		link_trace_parse("t", times, strlen(times), true, diag, &trace),
		0);
	ck_assert_int_eq(link_histogram_parse("h", "3ms 1", 5, diag, &late), 0);
	ck_assert_int_eq(link_pattern_parse("p", "x", 1, diag, &all_lost), 0);
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		ck_assert(UNITS % rates[i] == 0);
	diag_free(diag);
}

static void teardown(void)
{
	link_trace_free(trace);
	link_histogram_free(late);
	link_pattern_free(all_lost);
}

START_TEST(it_agrees_with_another_model)
{
	unsigned short rng[3] = { 1, 2, (unsigned short)_i };
	struct both *b = calloc(1, sizeof(*b));

	link_params_init(&b->m.p);
	b->m.latest = b->m.order = b->m.open_ns = INT64_MIN;
	b->d = link_new(7, "wire", 0, &b->m.p, INSIDE_MAX + 10);
	link_start(b->d, 0);
	for (int i = 0; i < 3000; i++) {
		long what = nrand48(rng) % 100;

		if (what < 50)
			offer(b, rng);
		else if (what < 75)
			wait(b, rng);
		else if (what < 94)
			pop(b);
		else if (what < 99)
			change(b, rng);
		else
			set_up(b, b->down);
	}
	set_up(b, false);
	for (uint32_t i = 0; i < b->handles; i++)
		must(b->final[i] == b->taken[i]);
	must(link_counts(b->d)->overflow_dropped == 0);
	link_free(b->d);
	free(b);
}
END_TEST

/* ---- by hand ------------------------------------------------------------- */

static struct link_direction *make(const struct link_params *p, size_t max)
{
	struct link_direction *d = link_new(7, "wire", 0, p, max);

	ck_assert_ptr_nonnull(d);
	link_start(d, 0);
	return d;
}

static void put(struct link_direction *d, int64_t now, uint32_t bytes,
		uint32_t handle)
{
	struct link_offer o = {
		.now_ns = now, .bytes = bytes, .segments = 1, .handle = handle
	};

	ck_assert_int_eq(link_offer(d, &o), LINK_TAKEN);
}

static void expect(struct link_direction *d, int64_t due, uint32_t handle)
{
	struct link_outcome out;

	ck_assert(link_pop(d, due, &out));
	ck_assert_int_eq(out.due_ns, due);
	ck_assert_uint_eq(out.handle, handle);
}

START_TEST(a_frame_on_its_way_out_goes_on_at_the_new_rate)
{
	struct link_change c = { .properties = LINK_RATE };
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.rate_bps = 8000; /* a byte a ms */
	p.delay_ns = 5 * MS;
	d = make(&p, 10);
	put(d, 0, 100, 1);
	put(d, 0, 100, 2);
	c.to.rate_bps = 80000;
	link_change(d, 50 * MS, &c); /* half of the first is out */
	expect(d, 60 * MS, 1); /* 50 + 50 / 10 + 5 */
	expect(d, 70 * MS, 2);
	put(d, 100 * MS, 100, 3);
	c.to.rate_bps = 0;
	link_change(d, 101 * MS, &c);
	expect(d, 106 * MS, 3);
	link_free(d);
}
END_TEST

START_TEST(what_travels_arrives_when_it_was_to)
{
	struct link_change c = { .properties = LINK_DELAY };
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.delay_ns = 50 * MS;
	d = make(&p, 10);
	put(d, 0, 100, 1);
	c.to.delay_ns = 10 * MS;
	link_change(d, 1 * MS, &c);
	put(d, 2 * MS, 100, 2); /* by itself it would be there at 12 ms */
	put(d, 45 * MS, 100, 3);
	expect(d, 50 * MS, 1);
	expect(d, 50 * MS, 2);
	expect(d, 55 * MS, 3);
	link_free(d);
}
END_TEST

START_TEST(only_unordered_frames_overtake_when_the_delay_shrinks)
{
	struct link_change c = { .properties = LINK_DELAY };
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.delay_ns = 50 * MS;
	p.jitter.unordered = true;
	d = make(&p, 10);
	put(d, 0, 100, 1);
	c.to.delay_ns = 10 * MS;
	link_change(d, 1 * MS, &c);
	put(d, 2 * MS, 100, 2);
	expect(d, 12 * MS, 2);
	expect(d, 50 * MS, 1);
	link_free(d);
}
END_TEST

START_TEST(no_more_than_the_bound_is_inside)
{
	struct link_offer o = { .bytes = 100, .segments = 1 };
	struct link_params p;
	struct link_direction *d;
	struct link_outcome out;

	link_params_init(&p);
	p.delay_ns = 1;
	d = make(&p, 300);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(link_offer(d, &o), LINK_TAKEN);
	ck_assert_int_eq(link_offer(d, &o), LINK_DROP_OVERFLOW);
	ck_assert_uint_eq(link_counts(d)->overflow_dropped, 1);
	ck_assert(link_pop(d, 1, &out));
	o.now_ns = 1;
	ck_assert_int_eq(link_offer(d, &o), LINK_TAKEN);
	ck_assert_int_eq(link_offer(d, &o), LINK_DROP_OVERFLOW);
	link_free(d);
}
END_TEST

START_TEST(a_change_of_one_property_leaves_the_others)
{
	struct link_change c = { .properties = LINK_DELAY };
	struct link_params p;
	struct link_direction *d;

	link_params_init(&p);
	p.delay_ns = 5;
	p.rate_bps = 1000;
	p.loss.kind = LINK_LOSS_INDEPENDENT;
	p.loss.ppb = 17;
	p.mtu = 1400;
	d = make(&p, 10);
	c.to.delay_ns = 7;
	link_change(d, 0, &c);
	p.delay_ns = 7;
	ck_assert_mem_eq(link_params(d), &p, sizeof(p));
	link_free(d);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_change");
	TCase *c = tcase_create("change");

	tcase_add_unchecked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, it_agrees_with_another_model, 0, 100);
	tcase_add_test(c, a_frame_on_its_way_out_goes_on_at_the_new_rate);
	tcase_add_test(c, what_travels_arrives_when_it_was_to);
	tcase_add_test(c,
		       only_unordered_frames_overtake_when_the_delay_shrinks);
	tcase_add_test(c, no_more_than_the_bound_is_inside);
	tcase_add_test(c, a_change_of_one_property_leaves_the_others);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
