/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SERVALAB_TESTS_SUPPORT_RUN_SUITE_H
#define SERVALAB_TESTS_SUPPORT_RUN_SUITE_H

#include <check.h>

/*
 * Runs all of suite, which it frees, as loudly as CK_VERBOSITY says, each test
 * in a process of its own. Returns what main shall: 0, or 1 where a test
 * failed.
 */
int run_suite(Suite *suite);

#endif
