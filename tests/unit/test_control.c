/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control protocol's commands, against a fake host. */
#include "tests/support/control_ask.h"
#include "tests/support/run_suite.h"

#include <netinet/in.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define ADD "{\"v\":1,\"cmd\":\"service add\","
#define VERDICT "{\"v\":1,\"cmd\":\"service verdict\","
#define LIST "{\"v\":1,\"cmd\":\"service list\","
#define NAME "{\"v\":1,\"cmd\":\"name set\","

START_TEST(rules_are_added_and_deleted)
{
	struct service_id id;
	struct ip_addr to;

	ck_assert_int_eq(service_id_parse("16385", &id), 0);
	ck_assert_int_eq(ip_parse_addr("10.0.0.2", &to), 0);
	check_ok("{\"v\":1,\"cmd\":\"service add\",\"service\":\"16385\","
		 "\"kind\":\"demux\"}");
	ck_assert_uint_eq(host.added, 1);
	ck_assert_int_eq(host.rule.kind, SAL_RULE_DEMUX);
	ck_assert_uint_eq(host.rule.bits, 256);
	ck_assert_uint_eq(host.rule.priority, 0);
	ck_assert_uint_eq(host.rule.weight, 1);
	ck_assert(service_id_equal(&host.rule.id, &id));
	ck_assert_int_eq(host.rule.to.family, AF_UNSPEC);

	check_ok("{\"v\":1,\"cmd\":\"service add\",\"service\":\"16385\","
		 "\"bits\":32,\"kind\":\"forward\",\"to\":\"10.0.0.2\","
		 "\"priority\":65535,\"weight\":7}");
	ck_assert_uint_eq(host.added, 2);
	ck_assert_int_eq(host.rule.kind, SAL_RULE_FORWARD);
	ck_assert_uint_eq(host.rule.bits, 32);
	ck_assert_uint_eq(host.rule.priority, 65535);
	ck_assert_uint_eq(host.rule.weight, 7);
	check_ok("{\"v\":1,\"cmd\":\"service delete\",\"service\":\"16385\","
		 "\"kind\":\"forward\",\"to\":\"10.0.0.2\"}");
	ck_assert_uint_eq(host.deleted, 1);
	ck_assert_uint_eq(host.rule.bits, 256);
	ck_assert(ip_addr_equal(&host.rule.to, &to));

	check_ok("{\"v\":1,\"cmd\":\"service add\",\"service\":\"0xfd/8\","
		 "\"bits\":8,\"kind\":\"demux\"}");
	ck_assert_uint_eq(host.rule.bits, 8);
}
END_TEST

#define RULE(cmd, more)                                                        \
	"{\"v\":1,\"cmd\":\"service " cmd "\",\"service\":\"16385\"" more "}"

START_TEST(every_kind_of_rule)
{
	check_ok(RULE("add", ",\"kind\":\"delay\",\"hold_ms\":1500,"
			     "\"idle_ms\":60000,\"hard_ms\":4294967295"));
	ck_assert_int_eq(host.rule.kind, SAL_RULE_DELAY);
	ck_assert_uint_eq(host.rule.hold_ms, 1500);
	ck_assert_uint_eq(host.rule.idle_ms, 60000);
	ck_assert_uint_eq(host.rule.hard_ms, UINT32_MAX);
	check_ok(RULE("add", ",\"kind\":\"drop\",\"refuse\":true"));
	ck_assert_int_eq(host.rule.kind, SAL_RULE_DROP);
	ck_assert(host.rule.refuse);
	ck_assert_uint_eq(host.added, 2);
	/* Only what is said is changed. */
	host.has_rule = true;
	check_ok(RULE("change", ",\"kind\":\"drop\",\"weight\":0"));
	ck_assert_uint_eq(host.what, SAL_CHANGE_WEIGHT);
	ck_assert_uint_eq(host.rule.weight, 0);
	check_ok(RULE("change", ",\"kind\":\"delay\",\"hold_ms\":1,"
				"\"priority\":2,\"idle_ms\":3,\"hard_ms\":4"));
	ck_assert_uint_eq(host.what, SAL_CHANGE_ALL & ~SAL_CHANGE_WEIGHT &
					     ~SAL_CHANGE_REFUSE);
	/* Replaced where it is, added where it is not. */
	check_ok(RULE("replace", ",\"kind\":\"demux\""));
	ck_assert_uint_eq(host.what, SAL_CHANGE_ALL);
	ck_assert_uint_eq(host.changed, 3);
	host.has_rule = false;
	check_ok(RULE("replace", ",\"kind\":\"demux\""));
	ck_assert_uint_eq(host.added, 3);
	/* One, and all of a prefix. */
	check_ok(RULE("delete", ",\"kind\":\"drop\""));
	ck_assert_uint_eq(host.deleted, 1);
	check_ok(RULE("delete", ",\"bits\":32"));
	ck_assert_uint_eq(host.whole, 1);
	ck_assert_uint_eq(host.prefix.bits, 32);
}
END_TEST

START_TEST(verdicts)
{
	json_t *o = ask("{\"v\":1,\"cmd\":\"service delayed\"}"), *row;

	row = json_array_get(json_object_get(o, "delayed"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "flow")),
			 0xfffffffe);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "waiting_ms")),
			 1000);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "left_ms")),
			 4000);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "packets")),
			 3);
	json_decref(o);
	check_ok("{\"v\":1,\"cmd\":\"service verdict\",\"flow\":4294967294,"
		 "\"verdict\":\"release\",\"to\":\"10.0.0.2\"}");
	ck_assert_uint_eq(host.flow, 0xfffffffe);
	ck_assert_int_eq(host.verdict, SAL_VERDICT_RELEASE);
	ck_assert_int_eq(host.to.family, AF_INET);
	check_ok("{\"v\":1,\"cmd\":\"service listen\",\"service\":\"7\","
		 "\"protocol\":\"udp\",\"port\":53,\"any\":true}");
	ck_assert_uint_eq(host.listen.port, 53);
	ck_assert_uint_eq(host.listen.protocol, IPPROTO_UDP);
	ck_assert(host.listen.any);
	check_ok("{\"v\":1,\"cmd\":\"service verdict\",\"flow\":7,"
		 "\"verdict\":\"refuse\"}");
	ck_assert_int_eq(host.verdict, SAL_VERDICT_REFUSE);
	ck_assert_int_eq(host.to.family, AF_UNSPEC);
}
END_TEST

/* All rules are told once, in answers of a few, and none is torn apart. */
START_TEST(lists_come_in_parts)
{
	static const unsigned limits[] = { 1, 2, 3, 100, 1000 };
	char line[256] = "";

	host.many = 600;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		unsigned rules = 0, answers = 0;
		char next[128] = "";

		do {
			json_t *o, *v;

			snprintf(line, sizeof(line), LIST "\"limit\":%u%s%s%s}",
				 limits[i], *next ? ",\"after\":\"" : "", next,
				 *next ? "\"" : "");
			o = ask(line);
			v = json_object_get(o, "services");
			ck_assert(json_is_array(v));
			ck_assert_uint_le(json_array_size(v), limits[i] + 1);
			rules += (unsigned)json_array_size(v);
			v = json_object_get(o, "next");
			snprintf(next, sizeof(next), "%s",
				 v ? json_string_value(v) : "");
			json_decref(o);
			ck_assert_uint_lt(++answers, 2000);
		} while (*next);
		ck_assert_uint_eq(rules, 1202);
	}
}
END_TEST

START_TEST(lists_tell_only_what_is_asked_for)
{
	json_t *o;

	host.many = 600;
	o = ask(LIST "\"service\":\"0x00004001/32\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "services")), 4);
	json_decref(o);
	o = ask(LIST "\"service\":\"16385\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "services")), 2);
	json_decref(o);
	o = ask(LIST "\"service\":\"77\"}");
	ck_assert_uint_eq(json_array_size(json_object_get(o, "services")), 0);
	json_decref(o);
}
END_TEST

START_TEST(names_are_set)
{
	check_ok("{\"v\":1,\"cmd\":\"name set\",\"name\":\"caf\xc3\xa9\","
		 "\"service\":\"16385\",\"addr4\":\"10.255.0.1\","
		 "\"addr6\":null}");
	ck_assert_uint_eq(host.names, 1);
	ck_assert_str_eq(host.name.name, "caf\xc3\xa9");
	ck_assert_int_eq(host.name.addr4.family, AF_INET);
	ck_assert_int_eq(host.name.addr6.family, AF_UNSPEC);
}
END_TEST

START_TEST(lists_tell_what_there_is)
{
	json_t *o = ask("{\"v\":1,\"cmd\":\"service list\"}"), *row;
	const char *text;

	ck_assert_uint_eq(json_array_size(json_object_get(o, "services")), 2);
	row = json_array_get(json_object_get(o, "services"), 0);
	text = json_string_value(json_object_get(row, "service"));
	ck_assert_str_eq(text, "16385");
	text = json_string_value(json_object_get(row, "name"));
	ck_assert_str_eq(text, "web");
	ck_assert_int_eq(json_integer_value(json_object_get(row, "hits")), 42);
	row = json_array_get(json_object_get(o, "services"), 1);
	text = json_string_value(json_object_get(row, "to"));
	ck_assert_str_eq(text, "fd00::2");
	ck_assert_int_eq(json_integer_value(json_object_get(row, "idle_ms")),
			 7000);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "expires_ms")),
			 5000);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "aside_ms")),
			 1500);
	json_decref(o);

	o = ask("{\"v\":1,\"cmd\":\"flow list\"}");
	row = json_array_get(json_object_get(o, "flows"), 1);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "flow")),
			 0xfffffffe);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "port_local")),
			 65535);
	ck_assert_int_eq(json_integer_value(json_object_get(row, "bytes_in")),
			 INT64_C(5000000000));
	json_decref(o);

	o = ask("{\"v\":1,\"cmd\":\"interface list\"}");
	row = json_array_get(json_object_get(o, "interfaces"), 0);
	text = json_string_value(json_object_get(row, "address"));
	ck_assert_str_eq(text, "10.0.0.1");
	json_decref(o);

	o = ask("{\"v\":1,\"cmd\":\"stats\"}");
	row = json_object_get(json_object_get(o, "stats"), "outer_in");
	ck_assert_int_eq(json_integer_value(row), 17);
	json_decref(o);
}
END_TEST

START_TEST(answers_carry_the_number_of_the_request)
{
	json_t *o = ask("{\"v\":1,\"id\":77,\"cmd\":\"hello\"}");

	ck_assert_int_eq(json_integer_value(json_object_get(o, "id")), 77);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "version")), 1);
	json_decref(o);
	o = ask("{\"v\":1,\"id\":-3,\"cmd\":\"nonsense\"}");
	ck_assert_int_eq(json_integer_value(json_object_get(o, "id")), -3);
	json_decref(o);
}
END_TEST

START_TEST(mistakes_are_named)
{
	static const struct {
		const char *line, *code, *field;
	} wrong[] = {
		{ "", "EINVAL", NULL },
		{ "service add", "EINVAL", NULL },
		{ "[1,2]", "EINVAL", NULL },
		{ "\xff\xfe{", "EINVAL", NULL },
		{ "{\"v\":1,\"cmd\":\"stats\"} {}", "EINVAL", NULL },
		{ "{\"v\":1,\"v\":1,\"cmd\":\"stats\"}", "EINVAL", NULL },
		{ "{}", "EPROTONOSUPPORT", "v" },
		{ "{\"v\":2,\"cmd\":\"hello\"}", "EPROTONOSUPPORT", "v" },
		{ "{\"v\":1}", "EINVAL", "cmd" },
		{ "{\"v\":1,\"cmd\":7}", "EINVAL", "cmd" },
		{ "{\"v\":1,\"cmd\":\"fly\"}", "ENOSYS", "cmd" },
		{ "{\"v\":1,\"cmd\":\"stats\",\"id\":\"x\"}", "EINVAL", "id" },
		{ "{\"v\":1,\"cmd\":\"stats\",\"x\":1}", "EINVAL", "x" },
		{ ADD "\"kind\":\"demux\"}", "EINVAL", "service" },
		{ ADD "\"service\":1,\"kind\":\"demux\"}", "EINVAL",
		  "service" },
		{ ADD "\"service\":\"xyz\",\"kind\":\"demux\"}", "EINVAL",
		  "service" },
		{ ADD "\"service\":\"16385\"}", "EINVAL", "kind" },
		{ ADD "\"service\":\"16385\",\"kind\":\"fly\"}", "EINVAL",
		  "kind" },
		{ ADD "\"service\":\"1\",\"kind\":\"delay\",\"to\":\"::1\"}",
		  "EINVAL", "to" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\",\"refuse\":true}",
		  "EINVAL", "refuse" },
		{ ADD "\"service\":\"1\",\"kind\":\"drop\",\"refuse\":1}",
		  "EINVAL", "refuse" },
		{ ADD "\"service\":\"1\",\"kind\":\"drop\",\"hold_ms\":1}",
		  "EINVAL", "hold_ms" },
		{ ADD "\"service\":\"1\",\"kind\":\"delay\","
		      "\"hold_ms\":3600001}",
		  "EINVAL", "hold_ms" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\",\"idle_ms\":-1}",
		  "EINVAL", "idle_ms" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\","
		      "\"hard_ms\":4294967296}",
		  "EINVAL", "hard_ms" },
		{ "{\"v\":1,\"cmd\":\"service delete\",\"service\":\"1\","
		  "\"to\":\"::1\"}",
		  "EINVAL", "to" },
		{ VERDICT "\"verdict\":\"drop\"}", "EINVAL", "flow" },
		{ VERDICT "\"flow\":1}", "EINVAL", "verdict" },
		{ VERDICT "\"flow\":1,\"verdict\":\"later\"}", "EINVAL",
		  "verdict" },
		{ VERDICT "\"flow\":4294967296,\"verdict\":\"drop\"}", "EINVAL",
		  "flow" },
		{ VERDICT "\"flow\":1,\"verdict\":\"drop\",\"to\":\"::1\"}",
		  "EINVAL", "to" },
		{ VERDICT "\"flow\":1,\"verdict\":\"release\",\"to\":\"x\"}",
		  "EINVAL", "to" },
		{ LIST "\"limit\":1001}", "EINVAL", "limit" },
		{ LIST "\"after\":\"1\"}", "EINVAL", "after" },
		{ LIST "\"after\":\"demux x\"}", "EINVAL", "after" },
		{ LIST "\"service\":\"x\"}", "EINVAL", "service" },
		{ "{\"v\":1,\"cmd\":\"service change\",\"service\":\"1\","
		  "\"kind\":\"demux\"}",
		  "ENOENT", NULL },
		{ ADD "\"service\":\"16385\",\"kind\":\"forward\"}", "EINVAL",
		  "to" },
		{ ADD
		  "\"service\":\"16385\",\"kind\":\"forward\",\"to\":\"x\"}",
		  "EINVAL", "to" },
		{ ADD "\"service\":\"16385\",\"kind\":\"demux\","
		      "\"to\":\"10.0.0.1\"}",
		  "EINVAL", "to" },
		{ ADD "\"service\":\"16385\",\"kind\":\"demux\",\"bits\":8}",
		  "EINVAL", "service" },
		{ ADD "\"service\":\"1/32\",\"kind\":\"demux\",\"bits\":31}",
		  "EINVAL", "bits" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\",\"bits\":257}",
		  "EINVAL", "bits" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\",\"priority\":-1}",
		  "EINVAL", "priority" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\","
		      "\"weight\":65536}",
		  "EINVAL", "weight" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\",\"weight\":1.0}",
		  "EINVAL", "weight" },
		{ ADD "\"service\":\"1\",\"kind\":\"demux\",\"wieght\":1}",
		  "EINVAL", "wieght" },
		{ "{\"v\":1,\"cmd\":\"service delete\",\"weight\":1}", "EINVAL",
		  "weight" },
		{ NAME "\"service\":\"1\"}", "EINVAL", "name" },
		{ NAME "\"name\":\"\",\"service\":\"1\"}", "EINVAL", "name" },
		{ NAME "\"name\":\"a\",\"service\":\"1/8\"}", "EINVAL",
		  "service" },
		{ NAME "\"name\":\"a\",\"service\":\"1\",\"addr4\":\"::1\"}",
		  "EINVAL", "addr4" },
		{ NAME "\"name\":\"a\",\"service\":\"1\",\"addr6\":5}",
		  "EINVAL", "addr6" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_refused(wrong[i].line, wrong[i].code, wrong[i].field);
}
END_TEST

/* A quotation in a message that ends within a character, or has none. */
START_TEST(error_messages_stay_text)
{
	char line[512];

	for (int n = 60; n < 70; n++) {
		snprintf(
			line, sizeof(line),
			"{\"v\":1,\"cmd\":\"%.*s\xc3\xa9\xc3\xa9\xc3\xa9\"}", n,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaa");
		check_refused(line, "ENOSYS", "cmd");
	}
	for (int c = 1; c < 256; c++) {
		snprintf(line, sizeof(line), "{\"v\":1,\"cmd\":\"%c\"}", c);
		json_decref(ask(line));
		snprintf(line, sizeof(line), "{\"v\":%c1}", c);
		json_decref(ask(line));
	}
}
END_TEST

START_TEST(the_hosts_words_are_passed_on)
{
	json_t *o, *error;

	host.fail = EEXIST;
	o = ask(ADD "\"service\":\"1\",\"kind\":\"demux\"}");
	error = json_object_get(o, "error");
	ck_assert_str_eq(json_string_value(json_object_get(error, "code")),
			 "EEXIST");
	ck_assert_str_eq(json_string_value(json_object_get(error, "message")),
			 "the words of the host");
	json_decref(o);
}
END_TEST

START_TEST(the_steps_of_a_handoff)
{
	static const struct {
		const char *name;
		enum control_handoff step;
	} steps[] = {
		{ "hold", CONTROL_FLOW_HOLD },
		{ "release", CONTROL_FLOW_RELEASE },
		{ "commit", CONTROL_FLOW_COMMIT },
		{ "abort", CONTROL_FLOW_ABORT },
	};
	char line[160];

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		host.flow = 0;
		snprintf(line, sizeof(line),
			 "{\"v\":1,\"cmd\":\"flow %s\",\"flow\":4294967294}",
			 steps[i].name);
		check_ok(line);
		ck_assert_uint_eq(host.steps, i + 1);
		ck_assert_int_eq(host.step, steps[i].step);
		ck_assert_uint_eq(host.flow, 0xfffffffe);
		snprintf(line, sizeof(line), "{\"v\":1,\"cmd\":\"flow %s\"}",
			 steps[i].name);
		check_refused(line, "EINVAL", "flow");
	}
	check_refused("{\"v\":1,\"cmd\":\"flow hold\",\"flow\":\"7\"}",
		      "EINVAL", "flow");
	check_refused("{\"v\":1,\"cmd\":\"flow hold\",\"flow\":4294967296}",
		      "EINVAL", "flow");
	host.fail = EAGAIN;
	check_refused("{\"v\":1,\"cmd\":\"flow hold\",\"flow\":7}", "EAGAIN",
		      NULL);
}
END_TEST

/* One part of the flow, from one host to the other. */
static size_t carry_part(char *line, size_t offset, size_t *total)
{
	json_t *o, *answer;
	const char *bytes;
	int n;

	snprintf(line, CONTROL_LINE_MAX,
		 "{\"v\":1,\"cmd\":\"flow export\",\"flow\":7,"
		 "\"offset\":%zu}",
		 offset);
	o = ask(line);
	*total = (size_t)json_integer_value(json_object_get(o, "total"));
	bytes = json_string_value(json_object_get(o, "bytes"));
	ck_assert_uint_eq(*total, 100000);
	ck_assert_ptr_nonnull(bytes);
	n = snprintf(line, CONTROL_LINE_MAX,
		     "{\"v\":1,\"cmd\":\"flow import\",\"offset\":%zu,"
		     "\"total\":%zu,\"bytes\":\"%s\"}",
		     offset, *total, bytes);
	ck_assert_int_lt(n, CONTROL_LINE_MAX - 1);
	memset(host.bytes, 0, sizeof(host.bytes));
	answer = ask(line);
	ck_assert(json_is_true(json_object_get(answer, "ok")));
	ck_assert_uint_eq(host.part.offset, offset);
	for (size_t i = 0; i < host.part.len; i++)
		ck_assert_uint_eq(host.bytes[i], (uint8_t)((offset + i) * 7));
	offset += host.part.len;
	ck_assert_int_eq(json_integer_value(json_object_get(answer, "flow")),
			 offset == *total ? 4711 : 0);
	json_decref(answer);
	json_decref(o);
	return offset;
}

/* What one host exports part by part the other takes part by part. */
START_TEST(a_flow_travels_in_parts)
{
	char *line = malloc(CONTROL_LINE_MAX);
	size_t offset = 0, total = 1;

	ck_assert_ptr_nonnull(line);
	while (offset < total)
		offset = carry_part(line, offset, &total);
	free(line);
	check_refused("{\"v\":1,\"cmd\":\"flow import\",\"total\":3,"
		      "\"bytes\":\"?\"}",
		      "EINVAL", "bytes");
	check_refused("{\"v\":1,\"cmd\":\"flow import\",\"total\":3}", "EINVAL",
		      "bytes");
	check_refused("{\"v\":1,\"cmd\":\"flow import\",\"bytes\":\"AAAA\"}",
		      "EINVAL", "total");
	check_refused("{\"v\":1,\"cmd\":\"flow export\",\"flow\":7,"
		      "\"offset\":-1}",
		      "EINVAL", "offset");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tc = tcase_create("commands");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, rules_are_added_and_deleted);
	tcase_add_test(tc, every_kind_of_rule);
	tcase_add_test(tc, verdicts);
	tcase_add_test(tc, lists_come_in_parts);
	tcase_add_test(tc, lists_tell_only_what_is_asked_for);
	tcase_add_test(tc, names_are_set);
	tcase_add_test(tc, lists_tell_what_there_is);
	tcase_add_test(tc, answers_carry_the_number_of_the_request);
	tcase_add_test(tc, mistakes_are_named);
	tcase_add_test(tc, error_messages_stay_text);
	tcase_add_test(tc, the_hosts_words_are_passed_on);
	tcase_add_test(tc, the_steps_of_a_handoff);
	tcase_add_test(tc, a_flow_travels_in_parts);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
