/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Draws are what they were, and distributed as they should be. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/internal.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES 1000000
#define FEWER 100000
#define TWO_32 4294967296.0

/*
 * Worked out by another implementation of BLAKE2b and SipHash-2-4 from the
 * layout in draw.c. If these change, every seed means something else.
 */
static const struct {
	uint64_t seed;
	const char *link;
	unsigned end;
	struct link_place at;
	enum link_draw_kind kind;
	uint64_t draw;
} golden[] = {
	{ UINT64_C(0x0),
	  "",
	  0,
	  { .class_id = UINT64_C(0x0), .k = UINT64_C(0x0), .ordinal = 0 },
	  DRAW_LOSS,
	  UINT64_C(0x0553b1514c55da81) },
	{ UINT64_C(0x7),
	  "wire",
	  0,
	  { .class_id = UINT64_C(0x123456789abcdef),
	    .k = UINT64_C(0x0),
	    .ordinal = 0 },
	  DRAW_LOSS,
	  UINT64_C(0x52aca720ddcc0962) },
	{ UINT64_C(0x7),
	  "wire",
	  1,
	  { .class_id = UINT64_C(0x123456789abcdef),
	    .k = UINT64_C(0x0),
	    .ordinal = 0 },
	  DRAW_LOSS,
	  UINT64_C(0xb2acdfb4d9b8dfc9) },
	{ UINT64_C(0x7),
	  "wire",
	  0,
	  { .class_id = UINT64_C(0x123456789abcdef),
	    .k = UINT64_C(0x1),
	    .ordinal = 0 },
	  DRAW_STATE,
	  UINT64_C(0xa93e070714ff552c) },
	{ UINT64_C(0x7),
	  "wire",
	  0,
	  { .class_id = UINT64_C(0x123456789abcdef),
	    .k = UINT64_C(0x0),
	    .ordinal = 1 },
	  DRAW_DUPLICATE,
	  UINT64_C(0x743ea130adab79bc) },
	{ UINT64_C(0x8),
	  "wire",
	  0,
	  { .class_id = UINT64_C(0x123456789abcdef),
	    .k = UINT64_C(0x0),
	    .ordinal = 0 },
	  DRAW_REORDER,
	  UINT64_C(0x8e2352d598b3d777) },
	{ UINT64_C(0x7),
	  "wirf",
	  0,
	  { .class_id = UINT64_C(0x123456789abcdef),
	    .k = UINT64_C(0xffffffffffffffff),
	    .ordinal = 0 },
	  DRAW_CORRUPT,
	  UINT64_C(0xbfdb028bbd2404f6) },
	{ UINT64_C(0x7),
	  "wire",
	  0,
	  { .class_id = UINT64_C(0xfedcba9876543210),
	    .k = UINT64_C(0x5),
	    .ordinal = 6 },
	  DRAW_BIT,
	  UINT64_C(0x970e35e4d130cdca) },
	{ UINT64_C(0xffffffffffffffff),
	  "a long name of a link",
	  1,
	  { .class_id = UINT64_C(0x1),
	    .k = UINT64_C(0x10000000000),
	    .ordinal = 3 },
	  DRAW_JITTER,
	  UINT64_C(0x1f94cc160ecea98a) },
};

START_TEST(draws_stay_what_they_are)
{
	struct link_draws d;

	link_draws_init(&d, golden[_i].seed, golden[_i].link, golden[_i].end);
	ck_assert_uint_eq(link_draw(&d, &golden[_i].at, golden[_i].kind),
			  golden[_i].draw);
}
END_TEST

START_TEST(shares_are_exact_at_their_ends)
{
	ck_assert(!link_draw_happens(0, 0));
	ck_assert(link_draw_happens(0, 1));
	ck_assert(!link_draw_happens(UINT64_MAX, LINK_PPB_ONE - 1));
	ck_assert(link_draw_happens(UINT64_MAX, LINK_PPB_ONE));
	ck_assert_uint_eq(link_draw_below(UINT64_MAX, 10), 9);
	ck_assert_uint_eq(link_draw_below(0, 10), 0);
}
END_TEST

/* The z that a share of u of a normal distribution is above. */
static double normal_above(double u)
{
	double low = -40, high = 40;

	for (int i = 0; i < 70; i++) {
		double mid = (low + high) / 2;

		if (0.5 * erfc(mid / sqrt(2)) > u)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static double pareto_above(double u)
{
	return (pow(u, -1.0 / 3) - 1.5) * 2 / sqrt(3);
}

/*
 * Every entry of the tables, and what is interpolated between them. A share
 * just below an entry's is the entry itself but for 2^-32 of a step.
 */
START_TEST(quantiles_are_right)
{
	for (int octave = 0; octave < 32; octave++) {
		for (int part = 0; part < 16; part++) {
			double u = ldexp(1 - part / 32.0, -octave);
			double mid = ldexp(1 - (part + 0.5) / 32.0, -octave);
			uint64_t draw = (uint64_t)ldexp(u, 63) * 2 - 1;
			uint64_t between = (uint64_t)ldexp(mid, 64);
			double want = normal_above(u / 2);
			double got =
				(double)link_quantile_normal(draw / 2) / TWO_32;

			ck_assert_double_eq_tol(got, want, 1e-8);
			ck_assert_double_eq_tol(
				(double)link_quantile_normal(~(draw / 2)) /
					TWO_32,
				-want, 1e-8);
			ck_assert_double_eq_tol(
				(double)link_quantile_normal(between / 2) /
					TWO_32,
				normal_above(mid / 2), 3e-4);
			want = pareto_above(u);
			ck_assert_double_eq_tol(
				(double)link_quantile_pareto(draw) / TWO_32 /
					(want + 2),
				want / (want + 2), 1e-8);
			want = pareto_above(mid);
			ck_assert_double_eq_tol(
				(double)link_quantile_pareto(between) / TWO_32 /
					(want + 2),
				want / (want + 2), 3e-4);
		}
	}
	ck_assert_int_gt(link_quantile_normal(0), 6 * (INT64_C(1) << 32));
	ck_assert_int_eq(link_quantile_normal(0),
			 -link_quantile_normal(UINT64_MAX));
	ck_assert_int_gt(link_quantile_pareto(0), 0);
}
END_TEST

START_TEST(quantiles_fall_with_the_draw)
{
	int64_t normal = INT64_MAX, pareto = INT64_MAX;

	for (uint64_t i = 0; i < 1 << 18; i++) {
		uint64_t draw = i << 46 | (i & 7) << 43;
		int64_t n = link_quantile_normal(draw);
		int64_t p = link_quantile_pareto(draw);

		must(n <= normal);
		must(p <= pareto);
		normal = n;
		pareto = p;
	}
}
END_TEST

/* ---- 10^6 frames through a link ------------------------------------------ */

#define SPREAD INT64_C(1000000000)
#define DELAY (100 * SPREAD) /* so that nothing is cut off at 0 */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double cdf_uniform(double x)
{
	return x < -1 ? 0 : x > 1 ? 1 : (x + 1) / 2;
}

static double cdf_normal(double x)
{
	return 0.5 * erfc(-x / sqrt(2));
}

static double cdf_pareto(double x)
{
	double v = x * sqrt(3) / 2 + 1.5;

	return v <= 1 ? 0 : 1 - pow(v, -3);
}

/* The share at which both quantiles together make x. */
static double cdf_paretonormal(double x)
{
	double low = 1e-18, high = 1 - 1e-15;

	for (int i = 0; i < 60; i++) {
		double u = (low + high) / 2;

		if ((normal_above(u) + 3 * pareto_above(u)) / 4 > x)
			low = u;
		else
			high = u;
	}
	return 1 - low;
}

static double cdf_histogram(double x)
{
	return x < -0.5 ? 0 : x < 0.25 ? 0.25 : x < 2 ? 0.75 : 1;
}

static const struct {
	enum link_distribution distribution;
	double (*cdf)(double);
	int step; /* of the values that are compared: 1 is all */
} distributions[] = {
	{ LINK_UNIFORM, cdf_uniform, 1 },
	{ LINK_NORMAL, cdf_normal, 1 },
	{ LINK_PARETO, cdf_pareto, 1 },
	/* Slow to work out; the empirical distribution is still of all. */
	{ LINK_PARETONORMAL, cdf_paretonormal, 2000 },
};

/* In batches, each of which is out before the next one begins. */
static double *jitters(const struct link_params *p, int frames)
{
	enum { BATCH = 5000 };
	struct link_direction *d = link_new(7, "wire", 1, p, BATCH);
	double *v = calloc(frames, sizeof(*v));
	struct link_offer o = { .bytes = 100, .segments = 1 };
	struct link_outcome out;
	int64_t last;
	int n = 0;

	while (n < frames) {
		for (int i = 0; i < BATCH; i++)
			must(link_offer(d, &o) == LINK_TAKEN);
		last = o.now_ns;
		o.now_ns += 100000 * SPREAD;
		while (link_pop(d, o.now_ns, &out)) {
			must(last <= out.due_ns);
			last = out.due_ns;
			v[n++] = (double)(last - out.offered_ns - p->delay_ns) /
				 (double)SPREAD;
		}
	}
	ck_assert_int_eq(n, frames);
	link_free(d);
	qsort(v, frames, sizeof(*v), compare_doubles);
	return v;
}

/*
 * Kolmogorov and Smirnov: the largest distance between the two distributions,
 * times the root of the number, exceeds 2.69 once in a million times.
 */
START_TEST(jitter_is_distributed_as_asked)
{
	struct link_params p;
	double *v, most = 0, sum = 0, squares = 0;

	link_params_init(&p);
	p.delay_ns = DELAY;
	p.jitter.spread_ns = SPREAD;
	p.jitter.distribution = distributions[_i].distribution;
	p.jitter.unordered = true;
	v = jitters(&p, FRAMES);
	for (int i = 0; i < FRAMES; i++) {
		sum += v[i];
		squares += v[i] * v[i];
		if (i % distributions[_i].step == 0) {
			double f = distributions[_i].cdf(v[i]);

			most = fmax(most, fabs(f - (double)i / FRAMES));
			most = fmax(most, fabs(f - (i + 1.0) / FRAMES));
		}
	}
	ck_assert_msg(most * sqrt(FRAMES) < 2.69, "distance %g", most);
	ck_assert_double_eq_tol(sum / FRAMES, 0, 0.006);
	if (p.jitter.distribution == LINK_NORMAL)
		ck_assert_double_eq_tol(sqrt(squares / FRAMES), 1, 0.005);
	free(v);
}
END_TEST

START_TEST(a_histogram_is_drawn_by_its_weights)
{
	static const char text[] = "2s 1\n-500ms 1\n# between\n250ms 2\n3s 0\n";
	static const double values[] = { -0.5, 0.25, 2 };
	struct diag *diag = diag_new();
	struct link_histogram *h;
	struct link_params p;
	double *v;

	ck_assert_int_eq(
		link_histogram_parse("h", text, strlen(text), diag, &h), 0);
	link_params_init(&p);
	p.delay_ns = DELAY;
	p.jitter.distribution = LINK_HISTOGRAM;
	p.jitter.histogram = h;
	p.jitter.unordered = true;
	v = jitters(&p, FEWER);
	for (int i = 0, k = 0; k < 3; k++) {
		int n = 0;
		double want = cdf_histogram(values[k]) -
			      (k ? cdf_histogram(values[k - 1]) : 0);

		for (; i < FEWER && fabs(v[i] - values[k]) < 1e-9; i++)
			n++;
		ck_assert_double_lt(fabs(n - want * FEWER),
				    5 * sqrt(want * (1 - want) * FEWER));
	}
	free(v);
	link_histogram_free(h);
	diag_free(diag);
}
END_TEST

/* The spread is larger than the delay: nothing arrives before it was sent. */
START_TEST(a_delay_is_never_negative)
{
	struct link_params p;
	double *v;

	link_params_init(&p);
	p.delay_ns = 1000;
	p.jitter.spread_ns = SPREAD;
	p.jitter.distribution = LINK_NORMAL;
	p.jitter.unordered = true;
	v = jitters(&p, FEWER);
	ck_assert_double_eq_tol(v[0], -1000 / (double)SPREAD, 1e-12);
	free(v);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_draw");
	TCase *c = tcase_create("draw");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, draws_stay_what_they_are, 0,
			    sizeof(golden) / sizeof(*golden));
	tcase_add_test(c, shares_are_exact_at_their_ends);
	tcase_add_test(c, quantiles_are_right);
	tcase_add_test(c, quantiles_fall_with_the_draw);
	tcase_add_loop_test(c, jitter_is_distributed_as_asked, 0,
			    sizeof(distributions) / sizeof(*distributions));
	tcase_add_test(c, a_histogram_is_drawn_by_its_weights);
	tcase_add_test(c, a_delay_is_never_negative);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
