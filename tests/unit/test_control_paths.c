/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control protocol's commands about paths: which are to be taken, and which
 * were. */
#include "tests/support/control_ask.h"
#include "tests/support/run_suite.h"

START_TEST(paths_are_chosen)
{
	json_t *o, *policy;

	check_ok("{\"v\":1,\"cmd\":\"interface set\",\"interface\":\"wlan0\","
		 "\"cost\":7,\"metered\":true}");
	ck_assert_str_eq(host.ifname, "wlan0");
	ck_assert_uint_eq(host.cost, 7);
	ck_assert(host.metered);
	check_ok("{\"v\":1,\"cmd\":\"interface set\",\"interface\":\"e\"}");
	ck_assert_uint_eq(host.cost, 0);
	ck_assert(!host.metered);

	/* What is not said stays. */
	check_ok("{\"v\":1,\"cmd\":\"policy set\",\"by\":\"cost\"}");
	check_ok("{\"v\":1,\"cmd\":\"policy set\",\"go_back\":true}");
	ck_assert(host.policy.sal.by_cost && host.policy.sal.go_back);
	ck_assert(!host.policy.sal.avoid_metered);
	check_ok("{\"v\":1,\"cmd\":\"policy set\",\"by\":\"order\","
		 "\"avoid_metered\":true,\"go_back\":false}");
	o = ask("{\"v\":1,\"cmd\":\"policy\"}");
	policy = json_object_get(o, "policy");
	ck_assert_str_eq(json_string_value(json_object_get(policy, "by")),
			 "order");
	ck_assert(json_is_true(json_object_get(policy, "avoid_metered")));
	ck_assert(json_is_false(json_object_get(policy, "go_back")));
	json_decref(o);

	check_ok("{\"v\":1,\"cmd\":\"flow migrate\",\"flow\":4294967295,"
		 "\"to\":\"fd00::1\"}");
	ck_assert_uint_eq(host.flow, UINT32_MAX);
	ck_assert_int_eq(host.to.family, AF_INET6);
	check_ok("{\"v\":1,\"cmd\":\"flow migrate\",\"flow\":1,"
		 "\"to\":null}");
	ck_assert_int_eq(host.to.family, AF_UNSPEC);

	/* The order of interfaces, the time before a return, a cap. */
	check_ok("{\"v\":1,\"cmd\":\"policy set\",\"order\":[\"b\",\"a\"],"
		 "\"hold_ms\":1500}");
	ck_assert_uint_eq(host.policy.n_order, 2);
	ck_assert_str_eq(host.policy.order[0], "b");
	ck_assert_int_eq(host.policy.sal.hold_ns, 1500000000);
	check_ok("{\"v\":1,\"cmd\":\"policy set\",\"go_back\":true}");
	ck_assert_uint_eq(host.policy.n_order, 2);
	o = ask("{\"v\":1,\"cmd\":\"policy\"}");
	policy = json_object_get(o, "policy");
	ck_assert_uint_eq(json_array_size(json_object_get(policy, "order")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(policy, "hold_ms")),
			 1500);
	json_decref(o);
	check_ok("{\"v\":1,\"cmd\":\"policy set\",\"order\":[]}");
	ck_assert_uint_eq(host.policy.n_order, 0);
	check_ok("{\"v\":1,\"cmd\":\"interface set\",\"interface\":\"e\","
		 "\"cap_bps\":64000}");
	ck_assert_uint_eq(host.cap_bps, 64000);
	check_ok("{\"v\":1,\"cmd\":\"interface set\",\"interface\":\"e\","
		 "\"cap_bps\":null}");
	ck_assert_uint_eq(host.cap_bps, 0);
	check_refused("{\"v\":1,\"cmd\":\"interface set\","
		      "\"interface\":\"e\",\"cap_bps\":7999}",
		      "EINVAL", "cap_bps");
	check_refused("{\"v\":1,\"cmd\":\"policy set\",\"order\":[\"a\","
		      "\"a\"]}",
		      "EINVAL", "order");
	check_refused("{\"v\":1,\"cmd\":\"policy set\",\"order\":["
		      "\"sixteen-bytes-is\"]}",
		      "EINVAL", "order");
	check_refused("{\"v\":1,\"cmd\":\"policy set\",\"order\":\"a\"}",
		      "EINVAL", "order");
	check_refused("{\"v\":1,\"cmd\":\"policy set\",\"hold_ms\":-1}",
		      "EINVAL", "hold_ms");

	check_refused("{\"v\":1,\"cmd\":\"interface set\",\"cost\":1}",
		      "EINVAL", "interface");
	check_refused("{\"v\":1,\"cmd\":\"interface set\","
		      "\"interface\":\"e\",\"cost\":-1}",
		      "EINVAL", "cost");
	check_refused("{\"v\":1,\"cmd\":\"interface set\","
		      "\"interface\":\"e\",\"metered\":1}",
		      "EINVAL", "metered");
	check_refused("{\"v\":1,\"cmd\":\"policy set\",\"by\":\"luck\"}",
		      "EINVAL", "by");
	check_refused("{\"v\":1,\"cmd\":\"policy set\",\"go_back\":0}",
		      "EINVAL", "go_back");
	check_refused("{\"v\":1,\"cmd\":\"flow migrate\"}", "EINVAL", "flow");
	check_refused("{\"v\":1,\"cmd\":\"flow migrate\",\"flow\":1,"
		      "\"to\":\"here\"}",
		      "EINVAL", "to");
	check_refused("{\"v\":1,\"cmd\":\"flow migrate\",\"flow\":404}",
		      "ENOENT", NULL);
}
END_TEST

START_TEST(paths_are_told)
{
	json_t *o = ask("{\"v\":1,\"cmd\":\"flow show\",\"flow\":7}");
	json_t *flow = json_object_get(o, "flow"), *ways, *one;

	ck_assert(json_is_null(json_object_get(flow, "ended_ns")));
	ck_assert_int_eq(json_integer_value(json_object_get(flow, "left_out")),
			 3);
	ck_assert_uint_eq(json_array_size(json_object_get(flow, "standby")), 1);
	ways = json_object_get(flow, "history");
	ck_assert_uint_eq(json_array_size(ways), 2);
	one = json_array_get(ways, 0);
	ck_assert_str_eq(json_string_value(json_object_get(
				 json_object_get(one, "path"), "local")),
			 "10.0.0.1");
	ck_assert_int_eq(json_integer_value(json_object_get(one, "until_ns")),
			 9);
	ck_assert_str_eq(json_string_value(json_object_get(one, "why")),
			 "opened");
	one = json_array_get(ways, 1);
	ck_assert(json_is_null(json_object_get(one, "until_ns")));
	ck_assert_str_eq(json_string_value(json_object_get(one, "why")),
			 "policy changed");
	json_decref(o);
	check_refused("{\"v\":1,\"cmd\":\"flow show\",\"flow\":8}", "ENOENT",
		      NULL);
	check_refused("{\"v\":1,\"cmd\":\"flow show\"}", "EINVAL", "flow");
	o = ask("{\"v\":1,\"cmd\":\"flow ended\"}");
	one = json_array_get(json_object_get(o, "flows"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(one, "ended_ns")),
			 12);
	ck_assert(json_is_null(json_object_get(one, "reason")));
	json_decref(o);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control: paths");
	TCase *tc = tcase_create("paths");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, paths_are_chosen);
	tcase_add_test(tc, paths_are_told);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
