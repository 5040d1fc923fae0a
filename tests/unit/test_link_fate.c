/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often what becomes of frames. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "orchestrator/link/internal.h"

#include <check.h>
#include <math.h>

#define FRAMES 1000000

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

/* 4.89 deviations: once in a million times. */
static void expect_count(uint64_t count, double n, double share)
{
	double deviation = sqrt(n * share * (1 - share));

	ck_assert_msg(fabs((double)count - n * share) < 4.89 * deviation + 1e-9,
		      "%llu of %g instead of %g", (unsigned long long)count, n,
		      n * share);
}

/* What chi-square of so many degrees of freedom exceeds once in a million times
 * (Wilson and Hilferty). */
static double chi_square_bound(double freedom)
{
	double v = 2 / (9 * freedom);

	return freedom * pow(1 - v + 4.76 * sqrt(v), 3);
}

/* ---- how often ----------------------------------------------------------- */

START_TEST(shares_are_as_asked)
{
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 46, 0); /* 256 bits */
	struct link_outcome out;
	const struct link_counts *c;
	static uint64_t bits[256];
	uint64_t both = 0, pairs = 0;
	double chi = 0;
	bool last = false;

	link_params_init(&p);
	p.loss.kind = LINK_LOSS_INDEPENDENT;
	p.loss.ppb = 100000000;
	p.duplicate_ppb = 50000000;
	p.reorder_ppb = 20000000;
	p.corrupt_ppb = 500000000;
	d = make(7, &p);
	for (int i = 0; i < FRAMES; i++) {
		bool lost = false;

		must(link_offer(d, &o) == LINK_TAKEN);
		while (link_pop(d, 0, &out)) {
			lost = out.lost;
			if (out.lost) {
				ck_assert(out.final && !out.copy);
				must(out.corrupt_bit == LINK_NO_BIT);
			} else if (out.final &&
				   out.corrupt_bit != LINK_NO_BIT) {
				must(out.corrupt_bit < 256);
				bits[out.corrupt_bit]++;
				both += out.copy;
			}
		}
		pairs += lost && last;
		last = lost;
	}
	c = link_counts(d);
	expect_count(c->lost, FRAMES, 0.1);
	expect_count(c->duplicated, (double)(FRAMES - c->lost), 0.05);
	expect_count(c->reordered, (double)(FRAMES - c->lost), 0.02);
	expect_count(c->corrupted, (double)(FRAMES - c->lost), 0.5);
	/* None depends on another, nor on the frame before. */
	expect_count(both, (double)(FRAMES - c->lost), 0.025);
	expect_count(pairs, FRAMES, 0.01);
	for (int i = 0; i < 256; i++) {
		double want = (double)c->corrupted / 256;

		chi += ((double)bits[i] - want) * ((double)bits[i] - want) /
		       want;
	}
	ck_assert_double_lt(chi, chi_square_bound(255));
	ck_assert_uint_eq(c->medium, FRAMES);
	ck_assert_uint_eq(c->expected_loss_ppb_sum / FRAMES, 100000000);
	ck_assert_uint_eq(c->delivered, FRAMES - c->lost + c->duplicated);
	link_free(d);
}
END_TEST

START_TEST(nothing_and_everything_are_exact)
{
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 60, 0);
	struct link_outcome out;

	link_params_init(&p);
	p.loss.kind = LINK_LOSS_INDEPENDENT;
	d = make(7, &p);
	for (int i = 0; i < 10000; i++) {
		must(link_offer(d, &o) == LINK_TAKEN);
		must(link_pop(d, 0, &out));
		must(!out.lost && out.final);
	}
	link_free(d);
	p.loss.ppb = LINK_PPB_ONE;
	d = make(7, &p);
	for (int i = 0; i < 10000; i++) {
		must(link_offer(d, &o) == LINK_TAKEN);
		must(link_pop(d, 0, &out));
		must(out.lost && out.final);
	}
	link_free(d);
}
END_TEST

/*
 * Bursts of 5 % in the long run: 1 / (1 + 19). Losses follow each other, which
 * widens the deviation of their count by (1 + r) / (1 - r) of its square, r
 * being what is left of a state after one frame.
 */
START_TEST(bursts_are_as_long_and_as_many_as_the_model_says)
{
	enum { LONGEST = 12 };
	const double to_bad = 0.0125, to_good = 0.2375;
	const double share = to_bad / (to_bad + to_good);
	const double r = 1 - to_bad - to_good;
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 60, 0);
	struct link_outcome out;
	uint64_t lengths[LONGEST + 1] = { 0 }, bursts = 0, length = 0;
	double lost, chi = 0;

	link_params_init(&p);
	p.loss.kind = LINK_LOSS_BURST;
	p.loss.burst.to_bad = (uint32_t)(to_bad * LINK_PPB_ONE);
	p.loss.burst.to_good = (uint32_t)(to_good * LINK_PPB_ONE);
	p.loss.burst.in_bad = LINK_PPB_ONE;
	d = make(7, &p);
	for (int i = 0; i < FRAMES; i++) {
		must(link_offer(d, &o) == LINK_TAKEN);
		must(link_pop(d, 0, &out));
		if (out.lost) {
			length++;
		} else if (length) {
			bursts++;
			lengths[length > LONGEST ? LONGEST : length]++;
			length = 0;
		}
	}
	lost = (double)link_counts(d)->lost;
	ck_assert_double_lt(
		fabs(lost - FRAMES * share),
		4.89 * sqrt(FRAMES * share * (1 - share) * (1 + r) / (1 - r)));
	ck_assert_double_lt(fabs(lost / (double)bursts - 1 / to_good),
			    4.89 * sqrt((1 - to_good) / (double)bursts) /
				    to_good);
	for (int i = 1; i <= LONGEST; i++) {
		double want = (double)bursts * pow(1 - to_good, i - 1) *
			      (i < LONGEST ? to_good : 1);

		chi += ((double)lengths[i] - want) *
		       ((double)lengths[i] - want) / want;
	}
	ck_assert_double_lt(chi, chi_square_bound(LONGEST - 1));
	ck_assert_uint_eq(link_counts(d)->expected_loss_ppb_sum / FRAMES,
			  LINK_PPB_ONE / 20);
	link_free(d);
}
END_TEST

/* The first frames of streams lose as much as those of the long run. */
START_TEST(short_streams_lose_as_much)
{
	struct link_params p;
	struct link_direction *d;
	uint64_t lost = 0;

	link_params_init(&p);
	p.loss.kind = LINK_LOSS_BURST;
	p.loss.burst.to_bad = 10000000;
	p.loss.burst.to_good = 30000000;
	p.loss.burst.in_bad = 500000000;
	p.loss.burst.in_good = 100000000;
	d = make(7, &p);
	for (unsigned port = 0; port < 16000; port++) {
		struct test_frame f;
		struct link_outcome out;
		struct link_offer o;

		frame_udp(&f, 33000 + port, 5001);
		o = frame_offer(&f, 0, 60, 0);
		must(link_offer(d, &o) == LINK_TAKEN);
		must(link_pop(d, 0, &out));
		lost += out.lost;
	}
	expect_count(lost, 16000, 0.25 * 0.5 + 0.75 * 0.1);
	ck_assert_uint_eq(link_counts(d)->streams, 16000);
	link_free(d);
}
END_TEST

START_TEST(a_pattern_by_hand_is_kept_to)
{
	static const char text[] = "..x. # comment\n x\n";
	static const bool lost[] = { 0, 0, 1, 0, 1 };
	struct diag *diag = diag_new();
	struct link_change c = { .properties = LINK_LOSS };
	struct link_pattern *pattern;
	struct link_params p;
	struct link_direction *d;
	struct link_offer o = frame_offer(&udp, 0, 60, 0);
	struct link_outcome out;

	ck_assert_int_eq(
		link_pattern_parse("p", text, strlen(text), diag, &pattern), 0);
	link_params_init(&p);
	p.loss.kind = LINK_LOSS_PATTERN;
	p.loss.pattern = pattern;
	c.to = p;
	d = make(7, &p);
	for (int i = 0; i < 48; i++) {
		if (i == 13) /* it begins anew */
			link_change(d, 0, &c);
		must(link_offer(d, &o) == LINK_TAKEN);
		must(link_pop(d, 0, &out));
		ck_assert_int_eq(out.lost, lost[i < 13 ? i % 5 : (i - 13) % 5]);
	}
	ck_assert_uint_eq(link_counts(d)->expected_loss_ppb_sum,
			  link_counts(d)->lost * LINK_PPB_ONE);
	link_free(d);
	link_pattern_free(pattern);
	diag_free(diag);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_fate");
	TCase *c = tcase_create("fate");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, shares_are_as_asked);
	tcase_add_test(c, nothing_and_everything_are_exact);
	tcase_add_test(c, bursts_are_as_long_and_as_many_as_the_model_says);
	tcase_add_test(c, short_streams_lose_as_much);
	tcase_add_test(c, a_pattern_by_hand_is_kept_to);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
