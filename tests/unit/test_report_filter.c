/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which filters of captures are taken. */
#include "orchestrator/report/report.h"
#include "tests/support/run_suite.h"

#include <errno.h>
#include <string.h>

static struct err err = ERR_INIT;

START_TEST(test_filter)
{
	ck_assert_int_eq(report_check_filter("icmp and host 10.0.0.1", &err),
			 0);
	ck_assert_int_eq(err.code, 0);
	ck_assert_int_eq(report_check_filter("icmp and and", &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "syntax error"));
}
END_TEST

/* Numbers, and the names of ports and protocols. */
START_TEST(test_filter_taken)
{
	static const char *const filters[] = {
		"",
		"tcp",
		"udp port 53",
		"port http",
		"tcp dst port 7 or udp portrange 1000-2000",
		"ip6 proto 58",
		"ip proto \\icmp",
		"ip6[40] == 129",
		"host 10.0.0.1",
		"src fd00::1 and dst fd00::2",
		"net 10.0.0.0/8",
		"net fd00::/64",
		"dst net 10.1 mask 255.255.0.0",
		"tcp[tcpflags] & tcp-rst != 0",
		"ether host 02:00:00:00:00:01",
		"ether proto 0x88cc",
		"icmp[icmptype] == icmp-unreach",
		"not (vlan 3 or greater 200)",
	};

	ck_assert_msg(report_check_filter(filters[_i], &err) == 0, "%s: %s",
		      filters[_i], err.msg);
}
END_TEST

/*
 * No name server is asked what a name could mean, nor /etc/hosts, where
 * "localhost" is: what a filter matches is the same on every machine.
 */
START_TEST(test_filter_names)
{
	static const char *const filters[] = {
		"host localhost",	 "src localhost",
		"tcp and dst localhost", "ip6 host ip6-localhost",
		"host servalab.invalid", "net loopback",
		"ether host localhost",
	};

	ck_assert_int_eq(report_check_filter(filters[_i], &err), -EINVAL);
	ck_assert_msg(strstr(err.msg, "write its address") != NULL, "%s: %s",
		      filters[_i], err.msg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report: filter");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, test_filter);
	tcase_add_loop_test(tc, test_filter_taken, 0, 18);
	tcase_add_loop_test(tc, test_filter_names, 0, 7);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
