/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * The tail is the regularized upper incomplete gamma function Q(a, x). It has a
 * power series for P = 1 - Q that converges fast for x < a + 1, and a continued
 * fraction for Q that does so above (NIST Digital Library of Mathematical
 * Functions, 8.11.4 and 8.9.2), which is evaluated by Lentz's method. Far out
 * in the tail, where it is used here (p = 1e-6), Q is computed as such: 1 - P
 * would lose all of its digits there.
 *
 * The quantile is found by halving an interval: the tail falls from 1 to 0
 * without a turn, so that nothing can go astray, and 200 halvings exhaust a
 * double.
 */
#include "orchestrator/report/chi_square.h"

#include <float.h>
#include <math.h>

#define TERMS_MAX 100000
#define HALVINGS 200

/* x^a e^-x / Gamma(a) */
static double factor(double a, double x)
{
	int sign;

	return exp(a * log(x) - x - lgamma_r(a, &sign));
}

/* P(a, x) */
static double by_series(double a, double x)
{
	double term = 1 / a, sum = term;

	for (int n = 1; n < TERMS_MAX && term > sum * DBL_EPSILON; n++) {
		term *= x / (a + n);
		sum += term;
	}
	return sum * factor(a, x);
}

/* Q(a, x) */
static double by_fraction(double a, double x)
{
	const double tiny = DBL_MIN / DBL_EPSILON;
	double b = x + 1 - a;
	double c = 1 / tiny, d = 1 / b, h = d;

	for (int n = 1; n < TERMS_MAX; n++) {
		double an = -n * (n - a), step;

		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = b + an / c;
		c = fabs(c) < tiny ? tiny : c;
		step = c * d;
		h *= step;
		if (fabs(step - 1) < DBL_EPSILON)
			break;
	}
	return h * factor(a, x);
}

double chi_square_tail(double x, unsigned degrees)
{
	double a = degrees / 2.0;

	if (!(x > 0))
		return 1;
	x /= 2;
	return x < a + 1 ? 1 - by_series(a, x) : by_fraction(a, x);
}

double chi_square_quantile(double p, unsigned degrees)
{
	double low = 0, high = degrees;

	while (chi_square_tail(high, degrees) > p && high < DBL_MAX / 4)
		high *= 2;
	for (int i = 0; i < HALVINGS; i++) {
		double middle = low + (high - low) / 2;

		if (chi_square_tail(middle, degrees) > p)
			low = middle;
		else
			high = middle;
	}
	return low + (high - low) / 2;
}

double chi_square_statistic(const uint64_t *counts, const int64_t *weights,
			    size_t n)
{
	double all = 0, weight = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		all += (double)counts[i];
		weight += (double)weights[i];
	}
	for (size_t i = 0; i < n && all > 0; i++) {
		double expected = all * ((double)weights[i] / weight);
		double off = (double)counts[i] - expected;

		sum += off * off / expected;
	}
	return sum;
}
