/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/units.h"
#include "base/utf8.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *text;
	int r;
	int64_t ns;
} durations[] = {
	{ "0s", 0, 0 },
	{ "1ns", 0, 1 },
	{ "10us", 0, 10000 },
	{ "10ms", 0, 10000000 },
	{ "6s", 0, INT64_C(6000000000) },
	{ "2min", 0, INT64_C(120000000000) },
	{ "1h", 0, INT64_C(3600000000000) },
	{ "0.3s", 0, 300000000 }, /* binary fractions make 299999999 of it */
	{ "1.5ms", 0, 1500000 },
	{ "0.000001ms", 0, 1 },
	{ "1.100000000000000000000ms", 0, 1100000 },
	{ "0.05h", 0, INT64_C(180000000000) },
	{ "007s", 0, INT64_C(7000000000) },
	{ "9223372036854775807ns", 0, INT64_MAX },
	{ "9223372036.854775807s", 0, INT64_MAX },
	{ "9223372036854775808ns", -ERANGE, 0 },
	{ "9223372036.854775808s", -ERANGE, 0 },
	{ "99999999999999999999s", -ERANGE, 0 },
	{ "2562048h", -ERANGE, 0 },
	{ "0.5ns", -ERANGE, 0 }, /* finer than the clock counts */
	{ "0.0000000000000000000000001s", -ERANGE, 0 },
	{ "10", -ENOKEY, 0 },
	{ "0", -ENOKEY, 0 },
	{ "1.5", -ENOKEY, 0 },
	{ "10m", -ENOKEY, 0 },
	{ "10sec", -ENOKEY, 0 },
	{ "10MS", -ENOKEY, 0 },
	{ "", -EINVAL, 0 },
	{ "ms", -EINVAL, 0 },
	{ "10 ms", -EINVAL, 0 },
	{ " 10ms", -EINVAL, 0 },
	{ "-1s", -EINVAL, 0 },
	{ "+1s", -EINVAL, 0 },
	{ ".5s", -EINVAL, 0 },
	{ "5.s", -EINVAL, 0 },
	{ "1e3s", -EINVAL, 0 },
	{ "0x10s", -EINVAL, 0 },
	{ "1,5s", -EINVAL, 0 },
	{ "1:30", -EINVAL, 0 },
	{ "1s2", -EINVAL, 0 },
};

START_TEST(a_duration_is_parsed)
{
	int64_t ns = -7;
	int r = units_parse_duration_ns(durations[_i].text, &ns);

	ck_assert_msg(r == durations[_i].r, "'%s' gives %d, not %d",
		      durations[_i].text, r, durations[_i].r);
	/* Where it failed, nothing was touched. */
	ck_assert_int_eq(ns, r ? -7 : durations[_i].ns);
}
END_TEST

static const struct {
	const char *text;
	int r;
	int64_t bps;
} rates[] = {
	{ "1bit", 0, 1 },
	{ "8kbit", 0, 8000 },
	{ "100mbit", 0, 100000000 },
	{ "1.5gbit", 0, 1500000000 },
	{ "0.5bit", -ERANGE, 0 },
	{ "9223372037gbit", -ERANGE, 0 },
	{ "100", -ENOKEY, 0 },
	{ "100mbps", -ENOKEY, 0 },
	{ "100ms", -ENOKEY, 0 },
	{ "100Mbit", -ENOKEY, 0 },
	{ "-1mbit", -EINVAL, 0 },
	{ "", -EINVAL, 0 },
};

START_TEST(a_rate_is_parsed)
{
	int64_t bps = -7;

	ck_assert_int_eq(units_parse_rate_bps(rates[_i].text, &bps),
			 rates[_i].r);
	ck_assert_int_eq(bps, rates[_i].r ? -7 : rates[_i].bps);
}
END_TEST

static const struct {
	const char *text;
	int r;
	int64_t bytes;
} byte_counts[] = {
	{ "1500B", 0, 1500 },
	{ "64kB", 0, 64000 },
	{ "64KiB", 0, 65536 },
	{ "1.5MB", 0, 1500000 },
	{ "2MiB", 0, 2097152 },
	{ "1GB", 0, 1000000000 },
	{ "0.5B", -ERANGE, 0 },
	{ "1500", -ENOKEY, 0 },
	{ "64k", -ENOKEY, 0 },
	{ "64KB", -ENOKEY, 0 },
	{ "64kb", -ENOKEY, 0 },
	{ "-1B", -EINVAL, 0 },
	{ "10000000000GB", -ERANGE, 0 },
};

START_TEST(a_number_of_bytes_is_parsed)
{
	int64_t bytes = -7;

	ck_assert_int_eq(units_parse_bytes(byte_counts[_i].text, &bytes),
			 byte_counts[_i].r);
	ck_assert_int_eq(bytes, byte_counts[_i].r ? -7 : byte_counts[_i].bytes);
}
END_TEST

static const struct {
	const char *text;
	int r;
	int64_t ppb;
} percentages[] = {
	{ "0%", 0, 0 },
	{ "0.1%", 0, 1000000 },
	{ "5%", 0, 50000000 },
	{ "33.3333333%", 0, 333333333 },
	{ "100%", 0, 1000000000 },
	{ "0.0000001%", 0, 1 },
	{ "0.00000001%", -ERANGE, 0 }, /* finer than can be said */
	{ "100.1%", -ERANGE, 0 },
	{ "5", -ENOKEY, 0 },
	{ "5pct", -ENOKEY, 0 },
	{ "5%%", -ENOKEY, 0 },
	{ "5 %", -EINVAL, 0 },
	{ "-5%", -EINVAL, 0 },
	{ "%", -EINVAL, 0 },
};

START_TEST(a_percentage_is_parsed)
{
	int64_t ppb = -7;

	ck_assert_int_eq(units_parse_percent_ppb(percentages[_i].text,
						 UNITS_PPB_ALL, &ppb),
			 percentages[_i].r);
	ck_assert_int_eq(ppb, percentages[_i].r ? -7 : percentages[_i].ppb);
}
END_TEST

START_TEST(a_percentage_may_have_another_most)
{
	int64_t ppb = -7;

	ck_assert_int_eq(
		units_parse_percent_ppb("250.5%", 3 * UNITS_PPB_ALL, &ppb), 0);
	ck_assert_int_eq(ppb, INT64_C(2505000000));
	ck_assert_int_eq(units_parse_percent_ppb("300.0000001%",
						 3 * UNITS_PPB_ALL, &ppb),
			 -ERANGE);
	ck_assert_int_eq(ppb, INT64_C(2505000000));
}
END_TEST

static const struct {
	int64_t ns;
	const char *text;
} texts[] = {
	{ 0, "0 s" },
	{ 1, "1 ns" },
	{ 999, "999 ns" },
	{ 1000, "1 us" },
	{ 1234, "1.23 us" },
	{ 12345, "12.3 us" },
	{ 480000, "480 us" },
	{ 999499, "999 us" },
	{ 999500, "1 ms" }, /* never "1000 us" */
	{ 12300000, "12.3 ms" },
	{ 50000000, "50 ms" },
	{ INT64_C(2050000000), "2.05 s" },
	{ INT64_C(2004000000), "2 s" },
	{ INT64_C(3661000000000), "3661 s" },
	{ -5000000, "-5 ms" },
	{ INT64_MAX, "9223372037 s" },
	{ INT64_MIN, "-9223372037 s" },
};

START_TEST(a_duration_is_printed)
{
	char buf[32];

	ck_assert_str_eq(units_format_duration(texts[_i].ns, buf, sizeof(buf)),
			 texts[_i].text);
}
END_TEST

START_TEST(a_number_is_parsed)
{
	uint64_t n;

	ck_assert_int_eq(units_parse_uint("0", 10, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(units_parse_uint("0010", 10, &n), 0);
	ck_assert_uint_eq(n, 10);
	ck_assert_int_eq(units_parse_uint("11", 10, &n), -ERANGE);
	ck_assert_int_eq(
		units_parse_uint("18446744073709551615", UINT64_MAX, &n), 0);
	ck_assert(n == UINT64_MAX);
	ck_assert_int_eq(
		units_parse_uint("18446744073709551616", UINT64_MAX, &n),
		-ERANGE);
	ck_assert_int_eq(units_parse_uint("", 10, &n), -EINVAL);
	ck_assert_int_eq(units_parse_uint("-1", 10, &n), -EINVAL);
	ck_assert_int_eq(units_parse_uint("0x1", 10, &n), -EINVAL);
	ck_assert_int_eq(units_parse_uint("1 ", 10, &n), -EINVAL);
}
END_TEST

START_TEST(utf8_is_read_strictly)
{
	static const struct {
		const char *text, *mended;
	} cut[] = {
		{ "", "" },
		{ "a", "a" },
		{ "a\xc3\xa4", "a\xc3\xa4" },
		{ "a\xc3", "a" },
		{ "\xf0", "" },
		{ "a\xf0\x9f\x98", "a" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "a\xe2\x82", "a" },
		{ "a\x80\x80\x80\x80", "a\x80\x80\x80\x80" },
	};
	static const char *const wrong[] = {
		"\x80", /* goes on with nothing */
		"\xc3", /* ends too soon */
		"\xc3\x28",
		"\xc0\x80", /* overlong */
		"\xe0\x80\x80",
		"\xed\xa0\x80", /* surrogate */
		"\xf4\x90\x80\x80", /* beyond U+10FFFF */
		"\xf8\x88\x80\x80\x80",
		"\xff",
	};
	uint32_t c;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(utf8_decode(wrong[i], strlen(wrong[i]), &c) == 0,
			      "case %zu", i);
	ck_assert_uint_eq(utf8_decode("\xc3\xa4", 2, &c), 2);
	ck_assert_uint_eq(c, 0xe4);
	ck_assert_uint_eq(utf8_decode("\xf0\x9f\x98\x80", 4, &c), 4);
	ck_assert_uint_eq(c, 0x1f600);
	ck_assert_uint_eq(utf8_count("a\xc3\xa4\xff", 4), 3);
	ck_assert_uint_eq(utf8_truncate("a\xc3\xa4", 3, 2), 1);
	ck_assert_uint_eq(utf8_truncate("a\xc3\xa4", 3, 3), 3);
	for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
		char text[16];

		strcpy(text, cut[i].text);
		utf8_mend(text);
		ck_assert_str_eq(text, cut[i].mended);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("units");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, a_duration_is_parsed, 0,
			    sizeof(durations) / sizeof(*durations));
	tcase_add_loop_test(all, a_rate_is_parsed, 0,
			    sizeof(rates) / sizeof(*rates));
	tcase_add_test(all, a_percentage_may_have_another_most);
	tcase_add_loop_test(all, a_number_of_bytes_is_parsed, 0,
			    sizeof(byte_counts) / sizeof(*byte_counts));
	tcase_add_loop_test(all, a_percentage_is_parsed, 0,
			    sizeof(percentages) / sizeof(*percentages));
	tcase_add_loop_test(all, a_duration_is_printed, 0,
			    sizeof(texts) / sizeof(*texts));
	tcase_add_test(all, a_number_is_parsed);
	tcase_add_test(all, utf8_is_read_strictly);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
