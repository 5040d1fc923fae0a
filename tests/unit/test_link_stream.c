/* SPDX-License-Identifier: GPL-2.0-or-later */
/* That nothing but a frame's place in its stream decides its fate. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/internal.h"

#include <stdlib.h>

static struct test_frame udp;

static void setup(void)
{
	frame_udp(&udp, 40000, 5001);
}

static struct link_direction *make(uint64_t seed, const struct link_params *p)
{
	struct link_direction *d = link_new(seed, "wire", 0, p, 10000);

	ck_assert_ptr_nonnull(d);
	return d;
}

/* ---- nothing but its place ----------------------------------------------- */

static void all_kinds(struct link_params *p)
{
	link_params_init(p);
	p->delay_ns = 1000;
	p->loss.kind = LINK_LOSS_BURST;
	p->loss.burst.to_bad = 50000000;
	p->loss.burst.to_good = 300000000;
	p->loss.burst.in_bad = 700000000;
	p->loss.burst.in_good = 10000000;
	p->duplicate_ppb = 100000000;
	p->reorder_ppb = 100000000;
	p->corrupt_ppb = 100000000;
}

/* The fates of all streams but control traffic, as text; freed by the caller.
 * Its comments are left out. */
static char *fates(const struct link_direction *d)
{
	char *all = NULL, *kept, *to;
	size_t size;
	FILE *out = open_memstream(&all, &size);
	bool control = false;

	ck_assert_int_eq(link_fates_write(d, out), 0);
	fclose(out);
	kept = to = calloc(size + 1, 1);
	for (char *save, *l = strtok_r(all, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(l, "stream", 6))
			control = strstr(l, "control") != NULL;
		if (!control && *l != '#')
			to += sprintf(to, "%s\n", l);
	}
	free(all);
	return kept;
}

/* Lists are too long to be shown. */
static void expect_same(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] && a[i] == b[i])
		i++;
	if (a[i] != b[i])
		ck_abort_msg("from byte %zu on: '%.60s' and '%.60s'", i, a + i,
			     b + i);
}

static void drain(struct link_direction *d, int64_t now_ns)
{
	struct link_outcome out;

	while (link_pop(d, now_ns, &out))
		;
}

/* Three flows, of which two are of one class, interleaved by the generator,
 * with ARP in between, at whatever times. The ephemeral ports differ. */
static char *play(struct link_direction *d, unsigned short rng[3],
		  unsigned port)
{
	unsigned left[] = { 3000, 2000, 1000 };
	unsigned ports[] = { 5001, 5001, 53 };
	unsigned begun = 0;
	int64_t now = 0;

	while (left[0] || left[1] || left[2]) {
		unsigned i = (unsigned)nrand48(rng) % 4;
		struct test_frame f;
		struct link_offer o;

		now += nrand48(rng) % 5000;
		if (i == 3) {
			frame_arp(&f);
			o = frame_offer(&f, now, 42, 0);
			must(o.key.control);
		} else {
			if (i > begun || !left[i])
				continue;
			if (i == begun) /* appear in the same order */
				begun++;
			left[i]--;
			frame_udp(&f, port + i * 77, ports[i]);
			o = frame_offer(&f, now, 60 + left[i], 0);
		}
		link_offer(d, &o);
		if (nrand48(rng) % 3 == 0)
			drain(d, now);
	}
	drain(d, LINK_NEVER - 1);
	return fates(d);
}

START_TEST(interleaving_timing_and_control_change_no_fate)
{
	unsigned short rng[3] = { 1, 2, 3 };
	char *first = NULL;

	for (unsigned run = 0; run < 6; run++) {
		struct link_params p;
		struct link_direction *d;
		char *text;

		all_kinds(&p);
		if (run >= 3) { /* who finds a queue full has a fate, too */
			p.rate_bps = 100000000;
			p.queue.packets = 5;
		}
		d = make(7, &p);
		text = play(d, rng, 40000 + run * 1000);
		if (run >= 3)
			ck_assert_uint_gt(link_counts(d)->queue_dropped, 0);
		if (first)
			expect_same(text, first);
		else
			first = strdup(text);
		free(text);
		link_free(d);
	}
	ck_assert_ptr_nonnull(
		strstr(first, "stream 1 udp 10.0.0.1 > 10.0.0.2:5001\n"));
	free(first);
}
END_TEST

START_TEST(another_seed_link_or_end_is_another_fate)
{
	struct link_params p;
	char *texts[4];

	all_kinds(&p);
	for (int i = 0; i < 4; i++) {
		unsigned short rng[3] = { 1, 2, 3 };
		struct link_direction *d =
			link_new(i == 1 ? 8 : 7, i == 2 ? "other" : "wire",
				 i == 3, &p, 10000);

		texts[i] = play(d, rng, 40000);
		link_free(d);
	}
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < i; k++)
			ck_assert_int_ne(strcmp(texts[i], texts[k]), 0);
	for (int i = 0; i < 4; i++)
		free(texts[i]);
}
END_TEST

/* Recorded in one direction, and replayed in another of another seed. */
START_TEST(recorded_fates_come_again)
{
	unsigned short rng[3] = { 1, 2, 3 };
	struct diag *diag = diag_new();
	struct link_pattern *pattern;
	struct link_params p;
	struct link_direction *d;
	struct link_counts counts;
	char *first, *again;

	all_kinds(&p);
	d = make(7, &p);
	first = play(d, rng, 40000);
	counts = *link_counts(d);
	ck_assert_uint_gt(counts.lost, 0);
	link_free(d);
	ck_assert_int_eq(link_pattern_parse("fates", first, strlen(first), diag,
					    &pattern),
			 0);
	p.loss.kind = LINK_LOSS_PATTERN; /* the others have no say then */
	p.loss.pattern = pattern;
	d = make(8, &p);
	again = play(d, rng, 50000);
	expect_same(first, again);
	/* Control traffic is not in that text. */
	ck_assert_uint_lt(0, link_counts(d)->corrupted);
	ck_assert_uint_le(link_counts(d)->corrupted, counts.corrupted);
	link_free(d);
	link_pattern_free(pattern);
	diag_free(diag);
	free(first);
	free(again);
}
END_TEST

/* With a larger share, the same frames are lost and some more. */
START_TEST(properties_draw_for_themselves)
{
	struct link_params p;
	struct link_direction *few, *more;
	struct link_offer o = frame_offer(&udp, 0, 60, 0);
	struct link_outcome a, b;

	link_params_init(&p);
	p.loss.kind = LINK_LOSS_INDEPENDENT;
	p.loss.ppb = 10000000;
	few = make(7, &p);
	p.loss.ppb *= 2;
	p.corrupt_ppb = 300000000;
	more = make(7, &p);
	for (int i = 0; i < 100000; i++) {
		link_offer(few, &o);
		link_offer(more, &o);
		must(link_pop(few, 0, &a));
		must(link_pop(more, 0, &b));
		must(!a.lost || b.lost);
	}
	ck_assert_uint_gt(link_counts(more)->lost, link_counts(few)->lost);
	link_free(few);
	link_free(more);
}
END_TEST

/* ---- trains -------------------------------------------------------------- */

/* Offers a train, and its segments where it is told so. */
static void offer_train(struct link_direction *d, struct link_offer o,
			unsigned *whole)
{
	struct link_outcome out;

	if (o.segments > 1 && link_offer(d, &o) == LINK_TAKEN) {
		++*whole;
		must(link_pop(d, o.now_ns, &out));
		must(!out.lost && out.final);
		must(out.corrupt_bit == LINK_NO_BIT);
		return;
	}
	for (uint32_t i = 0; i < o.segments; i++) {
		struct link_offer one = o;

		one.segments = 1;
		one.bytes =
			i + 1 < o.segments || i == 0 ? o.bytes : o.last_bytes;
		must(link_offer(d, &one) == LINK_TAKEN);
	}
	drain(d, o.now_ns);
}

/* Also where nothing happens to any frame for a while. */
START_TEST(a_train_counts_as_its_segments)
{
	unsigned short rng[3] = { 1, 2, 3 };
	struct link_change c = { .properties = LINK_PROPERTIES_ALL };
	struct link_params p;
	struct link_direction *trains, *singles;
	unsigned whole = 0, split = 0;
	char *a, *b;

	all_kinds(&p);
	p.delay_ns = 0;
	p.loss.burst.to_bad = 1000000;
	p.duplicate_ppb = p.reorder_ppb = p.corrupt_ppb = 1000000;
	trains = make(7, &p);
	singles = make(7, &p);
	for (int i = 0; i < 3000; i++) {
		struct link_offer o = frame_offer(&udp, 0, 1514, 0);
		unsigned before = whole;

		if (i % 250 == 249) {
			link_params_init(&c.to);
			if (i / 250 % 3 == 1)
				c.to.loss = p.loss;
			else if (i / 250 % 3 == 2)
				c.to = p;
			link_change(trains, 0, &c);
			link_change(singles, 0, &c);
		}
		o.segments = 1 + (unsigned)nrand48(rng) % 44;
		o.last_bytes = 60 + (unsigned)nrand48(rng) % 1400;
		offer_train(trains, o, &whole);
		split += before == whole;
		for (uint32_t k = 0; k < o.segments; k++) {
			struct link_offer one = frame_offer(
				&udp, 0,
				k + 1 < o.segments || k == 0 ? o.bytes :
							       o.last_bytes,
				0);

			must(link_offer(singles, &one) == LINK_TAKEN);
			drain(singles, 0);
		}
	}
	ck_assert_uint_gt(whole, 300);
	ck_assert_uint_gt(split, 300);
	a = fates(trains);
	b = fates(singles);
	expect_same(a, b);
	ck_assert_mem_eq(link_counts(trains), link_counts(singles),
			 sizeof(struct link_counts));
	free(a);
	free(b);
	link_free(trains);
	link_free(singles);
}
END_TEST

START_TEST(a_train_is_split_where_its_segments_go_apart)
{
	struct link_change c = { 0 };
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 1514, 0);
	struct link_trace *trace;
	struct diag *diag = diag_new();

	ck_assert_int_eq(link_trace_parse("t", "1\n", 2, true, diag, &trace),
			 0);
	o.segments = 10;
	o.last_bytes = 100;
	link_params_init(&p);
	p.delay_ns = 5;
	d = make(7, &p);
	must(link_offer(d, &o) == LINK_TAKEN);
	c.properties = LINK_PROPERTIES_ALL;
	c.to = p;
	c.to.rate_bps = 1000000000;
	link_change(d, 0, &c);
	ck_assert_int_eq(link_offer(d, &o), LINK_SPLIT);
	c.to = p;
	c.to.trace = trace;
	link_change(d, 0, &c);
	ck_assert_int_eq(link_offer(d, &o), LINK_SPLIT);
	c.to = p;
	c.to.jitter.spread_ns = 5;
	link_change(d, 0, &c);
	ck_assert_int_eq(link_offer(d, &o), LINK_SPLIT);
	c.to = p;
	c.to.mtu = 1499;
	link_change(d, 0, &c);
	ck_assert_int_eq(link_offer(d, &o), LINK_SPLIT);
	c.to.mtu = 1500;
	link_change(d, 0, &c);
	must(link_offer(d, &o) == LINK_TAKEN);
	ck_assert_uint_eq(link_counts(d)->offered, 20);
	drain(d, LINK_NEVER - 1);
	ck_assert_uint_eq(link_counts(d)->delivered_bytes,
			  2 * (9 * 1514 + 100));
	link_free(d);
	link_trace_free(trace);
	diag_free(diag);
}
END_TEST

/* ---- bounds -------------------------------------------------------------- */

START_TEST(streams_beyond_the_bound_share_one)
{
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 60, 0);

	link_params_init(&p);
	p.loss.kind = LINK_LOSS_INDEPENDENT;
	p.loss.ppb = LINK_PPB_ONE / 2;
	d = make(7, &p);
	for (unsigned i = 0; i < LINK_STREAMS_MAX + 5000; i++) {
		o.key.flow_id = i;
		must(link_offer(d, &o) == LINK_TAKEN);
		drain(d, 0);
	}
	ck_assert_uint_eq(link_counts(d)->streams, LINK_STREAMS_MAX);
	ck_assert_uint_eq(link_counts(d)->frames_untold, 5000);
	ck_assert_uint_gt(link_counts(d)->lost, LINK_STREAMS_MAX / 3);
	o.key.flow_id = 3; /* known ones go on */
	must(link_offer(d, &o) == LINK_TAKEN);
	ck_assert_uint_eq(link_counts(d)->frames_untold, 5000);
	/* So do classes. */
	for (unsigned i = 0; i < LINK_CLASSES_MAX + 10; i++) {
		o.key.class_id = i;
		link_offer(d, &o);
		drain(d, 0);
	}
	ck_assert_uint_eq(link_counts(d)->frames_untold,
			  5000 + LINK_CLASSES_MAX + 10);
	link_free(d);
}
END_TEST

START_TEST(runs_beyond_the_bound_are_told_as_such)
{
	static const char text[] = "x.";
	struct diag *diag = diag_new();
	struct link_pattern *pattern;
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 60, 0);
	char *list;

	ck_assert_int_eq(link_pattern_parse("p", text, 2, diag, &pattern), 0);
	link_params_init(&p);
	p.loss.kind = LINK_LOSS_PATTERN;
	p.loss.pattern = pattern;
	d = make(7, &p);
	for (unsigned i = 0; i < LINK_RUNS_MAX + 1000; i++) {
		must(link_offer(d, &o) == LINK_TAKEN);
		drain(d, 0);
	}
	list = fates(d);
	ck_assert_str_eq(strstr(list, "untold"), "untold 1000\n");
	free(list);
	link_free(d);
	link_pattern_free(pattern);
	diag_free(diag);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_stream");
	TCase *c = tcase_create("stream");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, interleaving_timing_and_control_change_no_fate);
	tcase_add_test(c, another_seed_link_or_end_is_another_fate);
	tcase_add_test(c, recorded_fates_come_again);
	tcase_add_test(c, properties_draw_for_themselves);
	tcase_add_test(c, a_train_counts_as_its_segments);
	tcase_add_test(c, a_train_is_split_where_its_segments_go_apart);
	tcase_add_test(c, streams_beyond_the_bound_share_one);
	tcase_add_test(c, runs_beyond_the_bound_are_told_as_such);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
