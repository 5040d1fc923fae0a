/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A scenario from a text, for tests that look at what became of it. */
#ifndef SUPPORT_SCENARIO_TEXT_H
#define SUPPORT_SCENARIO_TEXT_H

#include "base/diag.h"
#include "orchestrator/scenario/model.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <string.h>

static struct diag *diag;
static struct scenario *s;

static inline void setup(void)
{
	diag = diag_new();
	ck_assert_ptr_nonnull(diag);
}

static inline void teardown(void)
{
	s = scenario_free(s);
	diag = diag_free(diag);
}

static inline int parse(const char *text)
{
	struct err err = ERR_INIT;

	return scenario_parse("t.yaml", text, strlen(text), diag, &s, &err);
}

static inline void parse_good(const char *text)
{
	int r = parse(text);

	if (r)
		diag_render(diag, stderr);
	ck_assert_int_eq(r, 0);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(diag_count(diag), 0);
}

#define HEAD "version: 1\nname: t\n"
#define NETWORK                                                                \
	HEAD "topology:\n"                                                     \
	     "  nodes:\n"                                                      \
	     "    a: {}\n"                                                     \
	     "    c: {}\n"                                                     \
	     "    d:\n"                                                        \
	     "    r: { kind: router }\n"                                       \
	     "    lan: { kind: bridge, subnet: [10.0.0.0/24, fd00:1::/64] }\n" \
	     "  links:\n"                                                      \
	     "    - endpoints: [a, lan]\n"                                     \
	     "    - endpoints: [\"c:wan0\", lan]\n"                            \
	     "    - endpoints: [d, lan]\n"                                     \
	     "    - { endpoints: [r, d], name: wire }\n"

static inline const char *prefix_text(const struct ip_prefix *p)
{
	static char text[IP_TEXT_MAX];

	return ip_format_prefix(p, text, sizeof(text));
}

static inline int run_tests(const char *name, const TTest *const *tests,
			    size_t n)
{
	Suite *suite = suite_create(name);
	TCase *all = tcase_create("all");

	tcase_set_timeout(all, 30);
	tcase_add_checked_fixture(all, setup, teardown);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(all, tests[i]);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}

#endif
