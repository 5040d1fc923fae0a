/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MPTCP's endpoints, of a namespace of their own. */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <stdio.h>
#include <string.h>

static struct kmptcp_endpoint endpoint(const char *address, bool signal)
{
	return (struct kmptcp_endpoint){ .address = lab_addr(address),
					 .signal = signal };
}

/* What iproute2 says of the namespace. */
static const char *asked(struct kns *ns, const char *command)
{
	static char text[1024];
	size_t n;
	FILE *f;

	OK(kns_enter(&K, ns, &E));
	f = popen(command, "re");
	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	ck_assert_int_eq(pclose(f), 0);
	text[n] = '\0';
	OK(kns_enter(&K, NULL, &E));
	return text;
}

#define SHOWS(ns, command, what)                                               \
	ck_assert_msg(strstr(asked(ns, command), what), "%s: no '%s' in: %s",  \
		      command, what, asked(ns, command))

/* As the kernel has them: with their roles, and the device. */
START_TEST(they_are_what_was_asked_for)
{
	struct kmptcp_endpoint e = endpoint("10.0.0.1", false);
	struct kns *ns = lab_ns();

	OK(kmptcp_limits(ns, 7, 8, &E));
	SHOWS(ns, "ip mptcp limits show", "add_addr_accepted 8 subflows 7");
	OK(kmptcp_add(ns, &e, &E));
	SHOWS(ns, "ip mptcp endpoint show", "10.0.0.1 id 1 subflow");
	e = endpoint("10.0.0.2", true);
	OK(kmptcp_add(ns, &e, &E));
	SHOWS(ns, "ip mptcp endpoint show", "10.0.0.2 id 2 signal");
	e = endpoint("fd00::3", false);
	e.backup = true;
	e.ifindex = 1;
	OK(kmptcp_add(ns, &e, &E));
	SHOWS(ns, "ip mptcp endpoint show",
	      "fd00::3 id 3 subflow backup dev lo");
}
END_TEST

START_TEST(endpoints_come_and_go)
{
	static const char *const addresses[] = { "10.0.0.1", "10.0.0.2",
						 "fd00::1" };
	struct kns *ns = lab_ns(), *other = lab_ns();
	struct ip_addr a;

	OK(kmptcp_limits(ns, 8, 8, &E));
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 3; i++) {
			struct kmptcp_endpoint e =
				endpoint(addresses[i], i == 1);

			OK(kmptcp_add(ns, &e, &E));
			/* It is there already, and only there. */
			ck_assert_int_eq(kmptcp_add(ns, &e, &E), -EEXIST);
			ck_assert_int_eq(kmptcp_del(other, &e.address, &E),
					 -ENOENT);
		}
		/* Each by its own address, in another order than they came. */
		for (size_t i = 0; i < 3; i++) {
			a = lab_addr(addresses[(i + 1) % 3]);
			OK(kmptcp_del(ns, &a, &E));
			ck_assert_int_eq(kmptcp_del(ns, &a, &E), -ENOENT);
		}
	}
}
END_TEST

START_TEST(what_the_kernel_refuses)
{
	struct kmptcp_endpoint e = endpoint("10.0.0.1", false);
	struct kns *ns = lab_ns();

	ck_assert_int_eq(kmptcp_limits(ns, 9, 8, &E), -EINVAL);
	for (int what = 0; what < 3; what++) {
		K.steps = 0;
		K.fail_at = 1;
		K.fail_errno = EBUSY;
		ck_assert_int_eq(what == 0 ? kmptcp_limits(ns, 8, 8, &E) :
				 what == 1 ? kmptcp_add(ns, &e, &E) :
					     kmptcp_del(ns, &e.address, &E),
				 -EBUSY);
		K.fail_at = 0;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel MPTCP");
	TCase *tc = tcase_create("mptcp");

	test_sandbox_enter();
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, they_are_what_was_asked_for);
	tcase_add_test(tc, endpoints_come_and_go);
	tcase_add_test(tc, what_the_kernel_refuses);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
