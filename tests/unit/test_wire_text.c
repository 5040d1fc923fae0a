/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text form's edges; that it says what the bytes do is in test_wire.c. */
#include "node/wire/sal_text.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct text_refused {
	const char *text;
	const char *message;
} text_refused[] = {
	{ "", "column 1: flow IDs expected" },
	{ "2", "column 1: flow IDs expected" },
	{ ">3 | UDP", "column 1: a number is missing" },
	{ "2>4294967296 | UDP", "column 3: the number is too large" },
	{ "2>3", "column 4: \" | \" expected" },
	{ "2>3 |", "column 6: neither an extension nor a transport" },
	{ "2>3 | UDP | UDP", "nothing may follow" },
	{ "2>3 shl 4 | UDP", "the header has 3 words, not 4" },
	{ "2>3 shl 0 | UDP", "the header has 3 words, not 0" },
	{ "2>3 | UDP 8 bytes", "an odd number of hexadecimal digits" },
	{ "2>3 | UDP 20 bytes", "nothing may follow" },
	{ "2>3 | UDP 0x", "not a hexadecimal digit" },
	{ "2>3 | CONTROL SIN v=1 a=2 nonce=3 | UDP", "column 15: not a flag" },
	{ "2>3 | CONTROL SYN+ v=1 a=2 nonce=3 | UDP", "not a flag" },
	{ "2>3 | CONTROL SYN a=2 nonce=3 | UDP", "\"v=\" expected" },
	{ "2>3 | CONTROL SYN v= a=2 nonce=3 | UDP", "a number is missing" },
	{ "2>3 | CONTROL SYN v=1 a=2 | UDP", "\"nonce=\" expected" },
	{ "2>3 | SERVICE | UDP", "not a service ID" },
	{ "2>3 | SERVICE 0x12 | UDP", "not a service ID" },
	{ "2>3 | SERVICE 5 reserved=10000 | UDP", "too large" },
	{ "2>3 | SERVICE 5 low=10 | UDP", "too large" },
	{ "2>3 | SOURCE 10.0.0.1, | UDP", "not an IP address" },
	{ "2>3 | SOURCE fd00::1 | UDP", "an address of the other family" },
	{ "2>3 | SOURCE6 10.0.0.1 | UDP", "an address of the other family" },
	{ "2>3 | IDENTITY 10.0.0.1 reserved=5 | UDP", "too large" },
	{ "2>3 | PAD 0010 | UDP", "padding has a type" },
	{ "2>3 | PAD 0000 | UDP", "not whole 32-bit words" },
	{ "2>3 | EXTENSION 1 0000 | UDP", "an extension that has a name" },
	{ "2>3 | EXTENSION 16 0000 | UDP", "too large" },
	{ "2>3 | AUTH key=00 signature=00 | UDP", "not as many bytes" },
	{ "2>3 | REASON nope | UDP", "not a digit" },
	{ "2>3 | CHALLENGE ask xyz | UDP", "not a digit" },
	{ "2>3 | PROTOCOL 256 | UDP", "too large" },
};

START_TEST(text_is_refused)
{
	const struct text_refused *c = &text_refused[_i];
	struct err err = ERR_INIT;
	uint8_t buf[256];

	ck_assert_msg(sal_text_parse(c->text, buf, sizeof(buf), &err) ==
			      -EINVAL,
		      "%s", c->text);
	ck_assert_msg(strstr(err.msg, c->message), "%s: %s", c->text, err.msg);
}
END_TEST

START_TEST(text_leaves_room_to_the_writer)
{
	struct err err = ERR_INIT;
	uint8_t loose[64], strict[64];
	int n;

	/* Spaces, letter case of digits, no shl, flags in any order. */
	n = sal_text_parse("  2>3|CONTROL   FIN+SYN v=1 a=2 nonce=AB|UDP 0aFF ",
			   loose, sizeof(loose), &err);
	ck_assert_msg(n == 34, "%s", err.msg);
	n = sal_text_parse("2>3 shl 8 | CONTROL SYN+FIN v=1 a=2 "
			   "nonce=00000000000000ab | UDP 0aff",
			   strict, sizeof(strict), &err);
	ck_assert_int_eq(n, 34);
	ck_assert_mem_eq(loose, strict, 34);
	/* A packet that breaks the rules can be described. */
	n = sal_text_parse("2>3 | SOURCE 10.0.0.1 | PROTOCOL 99", loose,
			   sizeof(loose), &err);
	ck_assert_int_eq(n, 20);
	ck_assert_int_eq(sal_decode(&(struct sal_packet){ 0 }, loose, 20),
			 SAL_SHORT_SOURCE_LIST);
	for (size_t size = 0; size < 34; size++)
		ck_assert_int_eq(
			sal_text_parse("2>3 | CONTROL - v=1 a=2 nonce=0 | "
				       "UDP 0aff",
				       loose, size, &err),
			-ENOSPC);
}
END_TEST

/* As snprintf: any size is safe, and the whole length comes back. */
START_TEST(text_of_any_size)
{
	static const char line[] =
		"2>3 shl 20 | CONTROL SYN+ACK v=1 a=2 nonce=ceb1245cd1144115 | "
		"SERVICE 16385 | SOURCE 10.0.0.1,10.0.0.2 | UDP 0a0b0c0d0e0f";
	struct err err = ERR_INIT;
	struct sal_packet p;
	uint8_t bytes[128];
	char whole[256];
	int len = sal_text_parse(line, bytes, sizeof(bytes), &err);
	size_t n;

	ck_assert_msg(len > 0, "%s", err.msg);
	ck_assert_int_eq(sal_decode(&p, bytes, (size_t)len), SAL_OK);
	n = sal_text_format(&p, SAL_TEXT_PAYLOAD_BYTES, whole, sizeof(whole));
	ck_assert_str_eq(whole, line);
	ck_assert_uint_eq(strlen(whole), n);
	for (size_t size = 0; size <= n; size++) {
		char *cut = malloc(size + 1);

		ck_assert_ptr_nonnull(cut);
		cut[0] = '\0';
		ck_assert_uint_eq(sal_text_format(&p, SAL_TEXT_PAYLOAD_BYTES,
						  size ? cut : NULL, size),
				  n);
		ck_assert_uint_le(strlen(cut), size ? size - 1 : 0);
		ck_assert(!strncmp(cut, whole, strlen(cut)));
		free(cut);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire_text");
	TCase *tc = tcase_create("wire_text");

	tcase_add_loop_test(
		tc, text_is_refused, 0,
		(int)(sizeof(text_refused) / sizeof(text_refused[0])));
	tcase_add_test(tc, text_leaves_room_to_the_writer);
	tcase_add_test(tc, text_of_any_size);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
