/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "include/serval/service_id.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define ZEROS56 "00000000000000000000000000000000000000000000000000000000"
#define DIGITS                                                                 \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct service_prefix prefix(const char *text)
{
	struct service_prefix p;

	ck_assert_msg(!service_prefix_parse(text, &p), "%s", text);
	return p;
}

static const struct text_case {
	const char *text;
	const char *canonical;
} text_cases[] = {
	{ "16385", "16385" },
	{ "1", "1" },
	{ "4294967295", "4294967295" },
	{ "0016385", "16385" },
	{ "0x00004001" ZEROS56, "16385" },
	{ "00004001" ZEROS56, "16385" },
	{ "0X" DIGITS, "0x" DIGITS },
	{ DIGITS, "0x" DIGITS },
	{ "0", "0x00000000" ZEROS56 },
	{ "16385/32", "0x00004001/32" },
	{ "16384/18", "0x00004/18" },
	{ "0/0", "0x0/0" },
	{ "0xfd5e4/20", "0xfd5e4/20" },
	{ "0xFD5E40/20", "0xfd5e4/20" },
	{ "0xfd5e400000/40", "0xfd5e400000/40" },
	{ "0x8/1", "0x8/1" },
	{ "0x" DIGITS "/256", "0x" DIGITS },
	{ DIGITS "/256", "0x" DIGITS },
};

START_TEST(parse_and_format)
{
	const struct text_case *c = &text_cases[_i];
	struct service_prefix p = prefix(c->text), again;
	char text[SERVICE_ID_TEXT_MAX];

	ck_assert_str_eq(service_prefix_format(&p, text, sizeof(text)),
			 c->canonical);
	again = prefix(text);
	ck_assert_uint_eq(again.bits, p.bits);
	ck_assert(service_id_equal(&again.id, &p.id));
}
END_TEST

static const struct refused {
	const char *text;
	int code;
} refused[] = {
	{ "", -EINVAL },
	{ "x", -EINVAL },
	{ "-1", -EINVAL },
	{ " 1", -EINVAL },
	{ "1 ", -EINVAL },
	{ "1a", -EINVAL },
	{ "4294967296", -ERANGE },
	{ "99999999999999999999999999999999", -ERANGE },
	{ "0x4001", -EINVAL }, /* which end would it be? */
	{ "0x", -EINVAL },
	{ "0x/0", -EINVAL },
	{ "0xfd5e/20", -EINVAL }, /* too few digits for its bits */
	{ "0xfd5e41/20", -EINVAL }, /* bits beyond them */
	{ "16385/31", -EINVAL },
	{ "0xg/4", -EINVAL },
	{ "1/", -EINVAL },
	{ "1/257", -ERANGE },
	{ "1/-1", -EINVAL },
	{ "1/8/8", -EINVAL },
	{ DIGITS "0", -EINVAL },
	{ "0x" DIGITS "0", -EINVAL },
};

START_TEST(refuse)
{
	struct service_prefix p;

	ck_assert_msg(service_prefix_parse(refused[_i].text, &p) ==
			      refused[_i].code,
		      "'%s'", refused[_i].text);
}
END_TEST

START_TEST(whole_ids)
{
	struct service_id id;
	char text[SERVICE_ID_TEXT_MAX];

	ck_assert_int_eq(service_id_parse("16385/256", &id), -EINVAL);
	ck_assert_int_eq(service_id_parse("0xfd/8", &id), -EINVAL);
	ck_assert_int_eq(service_id_parse("16385", &id), 0);
	ck_assert_mem_eq(id.bytes, "\0\0\x40\1\0", 5);
	ck_assert_str_eq(service_id_format(&id, text, sizeof(text)), "16385");
}
END_TEST

START_TEST(short_buffers)
{
	struct service_prefix p = prefix("0x" DIGITS "/256");
	char text[SERVICE_ID_TEXT_MAX];

	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, '!', sizeof(text));
		service_prefix_format(&p, text, size);
		ck_assert_uint_lt(strlen(text), size);
		ck_assert_int_eq(text[size], '!');
	}
}
END_TEST

/* Bit n of an ID, from the left. */
static unsigned bit(const uint8_t *bytes, unsigned n)
{
	return bytes[n / 8] >> (7 - n % 8) & 1;
}

START_TEST(containment)
{
	struct service_id id;

	ck_assert(!service_id_parse(DIGITS, &id));
	for (unsigned bits = 0; bits <= SERVICE_ID_BITS; bits++) {
		struct service_prefix p = { .bits = (uint16_t)bits };

		for (unsigned n = 0; n < bits; n++)
			p.id.bytes[n / 8] |=
				(uint8_t)(bit(id.bytes, n) << (7 - n % 8));
		ck_assert(service_prefix_contains(&p, &id));
		if (!bits)
			continue;
		p.id.bytes[(bits - 1) / 8] ^=
			(uint8_t)(1 << (7 - (bits - 1) % 8));
		ck_assert_msg(!service_prefix_contains(&p, &id), "%u", bits);
	}
}
END_TEST

START_TEST(under_a_prefix)
{
	uint8_t digest[SERVICE_ID_LEN];

	for (unsigned i = 0; i < SERVICE_ID_LEN; i++)
		digest[i] = (uint8_t)(i * 151 + 77);
	for (unsigned bits = 0; bits <= SERVICE_ID_BITS; bits++) {
		struct service_prefix p = { .bits = (uint16_t)bits };
		struct service_id id;

		for (unsigned n = 0; n < bits; n += 3)
			p.id.bytes[n / 8] |= (uint8_t)(1 << (7 - n % 8));
		id = service_id_under(&p, digest);
		ck_assert(service_prefix_contains(&p, &id));
		for (unsigned n = bits; n < SERVICE_ID_BITS; n++)
			ck_assert_uint_eq(bit(id.bytes, n),
					  bit(digest, n - bits));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("service_id");
	TCase *tc = tcase_create("service_id");

	tcase_add_loop_test(tc, parse_and_format, 0,
			    (int)(sizeof(text_cases) / sizeof(text_cases[0])));
	tcase_add_loop_test(tc, refuse, 0,
			    (int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(tc, whole_ids);
	tcase_add_test(tc, short_buffers);
	tcase_add_test(tc, containment);
	tcase_add_test(tc, under_a_prefix);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
