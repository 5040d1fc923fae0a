/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor where addresses of IPv6 change. The moment in which the kernel
 * has an address, and not yet what it is reached by, is made by hand: its
 * local route is taken away, and given back.
 */
#include "node/io/monitor.h"
#include "tests/support/sandbox.h"
#include "tests/support/veth.h"
#include "tests/support/run_suite.h"

#include <stdint.h>

#define OK(call) ck_assert_msg((call) == 0, "%s", E.msg)

static struct err E = ERR_INIT;
static struct monitor *monitor;

static void add(const char *address)
{
	sh("ip addr add %s/64 dev eth0 nodad", address);
	sh("until ip -6 route show table local | grep -q '^local %s '; "
	   "do sleep 0.01; done",
	   address);
}

static void start(void)
{
	unsigned changed;
	int other = netns_new(), here = netns_new();

	veth_add(here, "eth0", other, "peer");
	add("fd00::1");
	OK(monitor_open(&monitor, "sal0", &E));
	OK(monitor_dispatch(monitor, 0, &changed, &E));
}

static void add_early(const char *address)
{
	sh("ip addr add %s/64 dev eth0 nodad", address);
	sh("until ip -6 route del local %s dev eth0 table local 2>/dev/null; "
	   "do sleep 0.01; done",
	   address);
}

static void renumber_early(const char *new, const char *old)
{
	add_early(new);
	sh("ip addr del %s/64 dev eth0", old);
}

static void take(const char *address)
{
	sh("ip -6 route add local %s dev eth0 table local", address);
}

static unsigned changed_at(int64_t now_ns)
{
	unsigned changed;

	OK(monitor_dispatch(monitor, now_ns, &changed, &E));
	return changed & MONITOR_ADDRESSES;
}

/* Those, and no other. */
static bool has_only(const char *address)
{
	const struct monitor_state *s = monitor_state(monitor);
	struct ip_addr a;

	if (!address)
		return s->n == 0;
	ck_assert_int_eq(ip_parse_addr(address, &a), 0);
	return s->n == 1 && ip_addr_equal(&s->list[0].addr, &a);
}

START_TEST(renumbering_leaves_no_gap)
{
	start();
	ck_assert(has_only("fd00::1"));
	ck_assert_int_eq(monitor_next_ns(monitor), INT64_MAX);
	renumber_early("fd00::2", "fd00::1");
	ck_assert(!changed_at(1000));
	ck_assert(has_only("fd00::1"));
	ck_assert_int_gt(monitor_next_ns(monitor), 1000);
	ck_assert_int_lt(monitor_next_ns(monitor), 1000000000);
	/* Other changes do not make it longer. */
	ck_assert(!changed_at(monitor_next_ns(monitor) - 1));
	ck_assert(has_only("fd00::1"));
	take("fd00::2");
	ck_assert(changed_at(monitor_next_ns(monitor) - 1));
	ck_assert(has_only("fd00::2"));
	ck_assert_int_eq(monitor_next_ns(monitor), INT64_MAX);
	monitor_free(monitor);
}
END_TEST

START_TEST(an_address_that_does_not_come_is_not_waited_for_long)
{
	start();
	renumber_early("fd00::2", "fd00::1");
	ck_assert(!changed_at(1000));
	ck_assert(changed_at(monitor_next_ns(monitor)));
	ck_assert(has_only(NULL));
	ck_assert_int_eq(monitor_next_ns(monitor), INT64_MAX);
	/* Nor for the one behind it. */
	ck_assert(!changed_at(2000));
	ck_assert_int_eq(monitor_next_ns(monitor), INT64_MAX);
	take("fd00::2");
	ck_assert(changed_at(3000));
	ck_assert(has_only("fd00::2"));
	monitor_free(monitor);
}
END_TEST

START_TEST(what_has_no_next_one_goes_at_once)
{
	start();
	renumber_early("fd00::2", "fd00::1");
	ck_assert(!changed_at(1000));
	sh("ip addr del fd00::2/64 dev eth0");
	ck_assert(changed_at(1001));
	ck_assert(has_only(NULL));
	ck_assert_int_eq(monitor_next_ns(monitor), INT64_MAX);
	monitor_free(monitor);
}
END_TEST

START_TEST(one_of_two_goes_at_once)
{
	start();
	sh("ip addr add 10.0.0.1/24 dev eth0");
	add_early("fd00::2");
	add("fd00::3");
	ck_assert(changed_at(1000));
	ck_assert_uint_eq(monitor_state(monitor)->n, 3);
	sh("ip addr del fd00::1/64 dev eth0");
	ck_assert(changed_at(1001));
	ck_assert_uint_eq(monitor_state(monitor)->n, 2);
	/* Of the other family there is one still: that is no way for these. */
	sh("ip addr del fd00::3/64 dev eth0");
	ck_assert(!changed_at(1002));
	ck_assert_uint_eq(monitor_state(monitor)->n, 2);
	monitor_free(monitor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("monitor");
	TCase *tc = tcase_create("renumbering");

	test_sandbox_enter();
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, renumbering_leaves_no_gap);
	tcase_add_test(tc,
		       an_address_that_does_not_come_is_not_waited_for_long);
	tcase_add_test(tc, what_has_no_next_one_goes_at_once);
	tcase_add_test(tc, one_of_two_goes_at_once);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
