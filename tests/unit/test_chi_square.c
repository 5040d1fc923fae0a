/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Against published values: the table of critical values of the chi-square
 * distribution in the NIST/SEMATECH e-Handbook of Statistical Methods, section
 * 1.3.6.7.4; and where the distribution has a closed form, against that, far
 * out in the tail as well.
 */
#include "orchestrator/report/chi_square.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <math.h>

/* Upper critical values, three decimals as published. */
static const double levels[] = { 0.10, 0.05, 0.025, 0.01, 0.001 };
static const struct {
	unsigned degrees;
	double values[5];
} published[] = {
	{ 1, { 2.706, 3.841, 5.024, 6.635, 10.828 } },
	{ 2, { 4.605, 5.991, 7.378, 9.210, 13.816 } },
	{ 3, { 6.251, 7.815, 9.348, 11.345, 16.266 } },
	{ 4, { 7.779, 9.488, 11.143, 13.277, 18.467 } },
	{ 5, { 9.236, 11.070, 12.833, 15.086, 20.515 } },
	{ 10, { 15.987, 18.307, 20.483, 23.209, 29.588 } },
	{ 20, { 28.412, 31.410, 34.170, 37.566, 45.315 } },
	{ 30, { 40.256, 43.773, 46.979, 50.892, 59.703 } },
	{ 50, { 63.167, 67.505, 71.420, 76.154, 86.661 } },
	{ 100, { 118.498, 124.342, 129.561, 135.807, 149.449 } },
};

START_TEST(test_published)
{
	for (size_t i = 0; i < sizeof(published) / sizeof(*published); i++) {
		for (size_t k = 0; k < 5; k++) {
			double x = chi_square_quantile(levels[k],
						       published[i].degrees);

			ck_assert_msg(fabs(x - published[i].values[k]) <=
					      0.0005 + 1e-9,
				      "%u degrees, p = %g: %.6f, published %g",
				      published[i].degrees, levels[k], x,
				      published[i].values[k]);
		}
	}
}
END_TEST

/* Of an even number of degrees 2m, Q = e^(-x/2) * sum of (x/2)^k / k!, k < m;
 * of one degree, Q = erfc(sqrt(x/2)). */
static double closed_form(double x, unsigned degrees)
{
	double term = 1, sum = 0;

	if (degrees == 1)
		return erfc(sqrt(x / 2));
	for (unsigned k = 0; k < degrees / 2; k++) {
		sum += term;
		term *= x / 2 / (k + 1);
	}
	return exp(-x / 2) * sum;
}

START_TEST(test_closed_forms)
{
	static const unsigned degrees[] = { 1, 2, 4, 6, 10, 20, 64 };

	for (size_t i = 0; i < sizeof(degrees) / sizeof(*degrees); i++) {
		for (double x = 0.1; x < 200; x *= 1.3) {
			double got = chi_square_tail(x, degrees[i]);
			double exact = closed_form(x, degrees[i]);

			ck_assert_msg(fabs(got - exact) <= 1e-11 * exact,
				      "%u degrees, x = %g: %.17g, exactly "
				      "%.17g",
				      degrees[i], x, got, exact);
		}
	}
}
END_TEST

START_TEST(test_far_tail)
{
	/* -2 ln p; and the square of the normal distribution's quantile. */
	ck_assert_double_eq_tol(chi_square_quantile(1e-6, 2), -2 * log(1e-6),
				1e-9);
	ck_assert_double_eq_tol(chi_square_quantile(1e-6, 1),
				4.891638475698683 * 4.891638475698683, 1e-8);
	for (unsigned n = 1; n < 2000; n = n * 3 + 1)
		for (double p = 0.9; p > 1e-12; p /= 7)
			ck_assert_double_eq_tol(
				chi_square_tail(chi_square_quantile(p, n), n) /
					p,
				1, 1e-9);
}
END_TEST

START_TEST(test_edges)
{
	ck_assert_double_eq(chi_square_tail(0, 3), 1);
	ck_assert_double_eq(chi_square_tail(-1, 3), 1);
	ck_assert_double_le(chi_square_tail(1e300, 3), 0);
}
END_TEST

START_TEST(test_statistic)
{
	uint64_t even[] = { 500, 500 }, skewed[] = { 600, 400 };
	uint64_t none[] = { 0, 0 }, three[] = { 10, 20, 70 };
	int64_t half[] = { 1, 1 }, shares[] = { 20, 30, 50 };

	ck_assert_double_eq(chi_square_statistic(even, half, 2), 0);
	ck_assert_double_eq_tol(chi_square_statistic(skewed, half, 2), 40,
				1e-12);
	ck_assert_double_eq(chi_square_statistic(none, half, 2), 0);
	/* 100/20 + 100/30 + 400/50 */
	ck_assert_double_eq_tol(chi_square_statistic(three, shares, 3),
				5 + 10 / 3.0 + 8, 1e-12);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("chi_square");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_published);
	tcase_add_test(tc, test_closed_forms);
	tcase_add_test(tc, test_far_tail);
	tcase_add_test(tc, test_edges);
	tcase_add_test(tc, test_statistic);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
