/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pearson's chi-square test of counts against expected shares. */
#ifndef REPORT_CHI_SQUARE_H
#define REPORT_CHI_SQUARE_H

#include <stddef.h>
#include <stdint.h>

/*
 * The probability that a chi-square variable of so many degrees of freedom (at
 * least 1) exceeds x: the regularized incomplete gamma function Q(degrees / 2,
 * x / 2). To about 1e-13 of its value, for up to 10,000 degrees.
 */
double chi_square_tail(double x, unsigned degrees);

/* The x that is exceeded with probability p, 0 < p < 1. */
double chi_square_quantile(double p, unsigned degrees);

/*
 * Pearson's statistic of n counts, n at least 2, expected in the ratio of the
 * weights, which are above 0. Of degrees n - 1 where all counts are 0 or more,
 * and their sum is fixed.
 */
double chi_square_statistic(const uint64_t *counts, const int64_t *weights,
			    size_t n);

#endif
