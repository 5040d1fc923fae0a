/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/ip.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	ck_assert_msg(!ip_parse_prefix(text, &p), "%s", text);
	return p;
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(!ip_parse_addr(text, &a), "%s", text);
	return a;
}

START_TEST(parse_and_format)
{
	static const char *const same[] = { "10.0.0.1/24", "0.0.0.0/0", "::/0",
					    "fd00:1::2/64", "fe00::1/128" };
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct ip_prefix p = prefix(same[i]);

		ck_assert_str_eq(ip_format_prefix(&p, text, sizeof(text)),
				 same[i]);
	}
}
END_TEST

START_TEST(refuse_malformed)
{
	static const char *const bad[] = { "",		"10.0.0.1",
					   "10.0.0/24", "10.0.0.1/",
					   "10.0.0.1/x", "10.0.0.1/ 4",
					   "10.0.0.1/-1", "10.0.0.1/0024",
					   "fd00::g/64", "/24",
					   "1:2:3:4:5:6:7:8:9/64" };
	struct ip_prefix p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ip_parse_prefix(bad[i], &p) == -EINVAL, "'%s'",
			      bad[i]);
	ck_assert_int_eq(ip_parse_prefix("10.0.0.1/33", &p), -ERANGE);
	ck_assert_int_eq(ip_parse_prefix("::/129", &p), -ERANGE);
}
END_TEST

START_TEST(containment)
{
	struct ip_prefix p = prefix("10.1.2.0/23");
	struct ip_addr in = addr("10.1.3.255"), out = addr("10.1.4.0");
	struct ip_addr six = addr("fd00::1");
	struct ip_prefix a = prefix("10.0.0.0/8"), b = prefix("10.1.2.3/32"),
			 c = prefix("11.0.0.0/8"), all = prefix("0.0.0.0/0");

	ck_assert(ip_prefix_contains(&p, &in));
	ck_assert(!ip_prefix_contains(&p, &out));
	ck_assert(!ip_prefix_contains(&p, &six));
	ck_assert(ip_prefix_overlap(&a, &b) && ip_prefix_overlap(&b, &a));
	ck_assert(!ip_prefix_overlap(&a, &c));
	ck_assert(ip_prefix_overlap(&all, &c));
}
END_TEST

/* The n-th host of a prefix; "" where there is none. */
static const struct host_case {
	const char *prefix;
	uint64_t n;
	const char *host;
} host_cases[] = {
	{ "10.0.0.0/24", 0, "" },
	{ "10.0.0.0/24", 1, "10.0.0.1" },
	{ "10.0.0.77/24", 254, "10.0.0.254" },
	{ "10.0.0.0/24", 255, "" },
	{ "10.0.0.0/24", 256, "" },
	{ "10.0.0.0/30", 2, "10.0.0.2" },
	{ "10.0.0.0/30", 3, "" },
	{ "10.0.0.4/31", 0, "10.0.0.4" },
	{ "10.0.0.4/31", 1, "10.0.0.5" },
	{ "10.0.0.4/31", 2, "" },
	{ "10.0.0.4/32", 0, "10.0.0.4" },
	{ "10.255.255.0/16", 256, "10.255.1.0" },
	{ "fd00::/64", 0, "" },
	{ "fd00::/64", 1, "fd00::1" },
	{ "fd00::/64", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff" },
	{ "fd00::/120", 255, "fd00::ff" },
	{ "fd00::/120", 256, "" },
	{ "::/0", UINT64_C(1) << 48, "::1:0:0:0" },
};

START_TEST(hosts)
{
	const struct host_case *c = &host_cases[_i];
	struct ip_prefix p = prefix(c->prefix);
	char text[IP_TEXT_MAX] = "";
	struct ip_addr a;

	if (ip_prefix_host(&p, c->n, &a))
		ip_format_addr(&a, text, sizeof(text));
	ck_assert_str_eq(text, c->host);
}
END_TEST

static const struct host_case step_cases[] = {
	{ "10.64.0.0/24", 0, "10.64.0.0/24" },
	{ "10.64.0.0/24", 1, "10.64.1.0/24" },
	{ "10.64.0.0/24", 256, "10.65.0.0/24" },
	{ "255.255.255.0/24", 1, "" },
	{ "10.0.0.0/8", 245, "255.0.0.0/8" },
	{ "10.0.0.0/8", 246, "" },
	{ "10.0.0.0/8", UINT64_C(1) << 32, "" },
	{ "10.0.0.0/7", 1, "12.0.0.0/7" },
	{ "fd5e:1ab::/64", 1, "fd5e:1ab:0:1::/64" },
	{ "fd5e:1ab::/64", 65536, "fd5e:1ab:1::/64" },
	{ "fd5e:1ab::/63", 1, "fd5e:1ab:0:2::/63" },
	{ "0.0.0.0/0", 0, "0.0.0.0/0" },
	{ "0.0.0.0/0", 1, "" },
};

START_TEST(steps)
{
	const struct host_case *c = &step_cases[_i];
	struct ip_prefix p = prefix(c->prefix), next;
	char text[IP_TEXT_MAX] = "";

	if (ip_prefix_step(&p, c->n, &next))
		ip_format_prefix(&next, text, sizeof(text));
	ck_assert_str_eq(text, c->host);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ip");
	TCase *tc = tcase_create("ip");

	tcase_add_test(tc, parse_and_format);
	tcase_add_test(tc, refuse_malformed);
	tcase_add_test(tc, containment);
	tcase_add_loop_test(tc, hosts, 0,
			    sizeof(host_cases) / sizeof(host_cases[0]));
	tcase_add_loop_test(tc, steps, 0,
			    sizeof(step_cases) / sizeof(step_cases[0]));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
