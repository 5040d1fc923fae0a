/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/checksum.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

/* RFC 1071 as it is written: word by word, in network order. */
static uint16_t slow_checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (len % 2)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint64_t random_state;

/* Numerical Recipes' multiplier; the seed makes a failure come back. */
static uint8_t random_byte(void)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695;
	/* Runs of 0 and ff are where carries go wrong. */
	switch (random_state >> 61) {
	case 0:
		return 0;
	case 1:
		return 0xff;
	default:
		return (uint8_t)(random_state >> 33);
	}
}

static void fill(uint8_t *p, size_t len)
{
	while (len--)
		*p++ = random_byte();
}

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	ck_assert_msg(!ip_parse_addr(text, &a), "%s", text);
	return a;
}

START_TEST(known_answer)
{
	/* RFC 1071's own example: the sum is ddf2. */
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03,
					 0xf4, 0xf5, 0xf6, 0xf7 };

	ck_assert_uint_eq(checksum_finish(checksum_add(0, bytes, 8)),
			  (uint16_t)~0xddf2);
	ck_assert_uint_eq(checksum_finish(0), 0xffff);
}
END_TEST

START_TEST(as_the_slow_one)
{
	uint8_t bytes[300];

	random_state = 1;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		size_t cut = len / 2 / 2 * 2;
		uint64_t sum;

		fill(bytes, len);
		ck_assert_uint_eq(checksum_finish(checksum_add(0, bytes, len)),
				  slow_checksum(bytes, len));
		sum = checksum_add(0, bytes, cut);
		sum = checksum_add(sum, bytes + cut, len - cut);
		ck_assert_uint_eq(checksum_finish(sum),
				  slow_checksum(bytes, len));
	}
}
END_TEST

START_TEST(replaced_is_recomputed)
{
	uint8_t bytes[40], after[16];

	random_state = 2;
	for (unsigned i = 0; i < 20000; i++) {
		size_t at = random_byte() % 12 * 2u;
		size_t len = random_byte() % 9 * 2u;
		uint16_t before;

		fill(bytes, sizeof(bytes));
		bytes[0] = 0x45; /* all zero has two right answers */
		fill(after, len);
		if (at == 0)
			at = 2;
		before = slow_checksum(bytes, sizeof(bytes));
		before = checksum_replace(before, bytes + at, after, len);
		memcpy(bytes + at, after, len);
		ck_assert_uint_eq(before, slow_checksum(bytes, sizeof(bytes)));
	}
}
END_TEST

START_TEST(rfc1624_example)
{
	/* Section 4: 5555 becomes 3285, dd2f becomes 0000, and not ffff. */
	static const uint8_t before[2] = { 0x55, 0x55 };
	static const uint8_t after[2] = { 0x32, 0x85 };

	ck_assert_uint_eq(checksum_replace(0xdd2f, before, after, 2), 0);
}
END_TEST

static const struct transport_case {
	uint8_t protocol;
	const char *src, *dst, *other;
	size_t at; /* of the checksum */
} transport_cases[] = {
	{ IPPROTO_UDP, "10.0.0.1", "10.0.0.2", "192.168.255.255", 6 },
	{ IPPROTO_TCP, "10.0.0.1", "10.0.0.2", "192.168.255.255", 16 },
	{ IPPROTO_UDP, "fd00::1", "fd00::2", "2001:db8::ffff:ffff", 6 },
	{ IPPROTO_TCP, "fd00::1", "fd00::2", "2001:db8::ffff:ffff", 16 },
	{ IPPROTO_ICMPV6, "fd00::1", "fd00::2", "2001:db8::ffff:ffff", 2 },
	{ IPPROTO_ICMP, "10.0.0.1", "10.0.0.2", "192.168.255.255", 2 },
};

START_TEST(transport)
{
	const struct transport_case *c = &transport_cases[_i];
	struct ip_addr src = addr(c->src), dst = addr(c->dst);
	struct ip_addr other = addr(c->other);
	uint8_t segment[61], again[61];
	bool pseudo = c->protocol != IPPROTO_ICMP;

	random_state = 3;
	for (size_t len = c->at + 2; len <= sizeof(segment); len++) {
		fill(segment, len);
		ck_assert(transport_checksum_set(c->protocol, &src, &dst,
						 segment, len));
		ck_assert_int_eq(transport_checksum_check(c->protocol, &src,
							  &dst, segment, len),
				 TRANSPORT_CHECKSUM_GOOD);
		/* Which addresses it was made with matters, but not to ICMP. */
		ck_assert_int_eq(transport_checksum_check(c->protocol, &src,
							  &other, segment, len),
				 pseudo ? TRANSPORT_CHECKSUM_BAD :
					  TRANSPORT_CHECKSUM_GOOD);
		memcpy(again, segment, len);
		transport_checksum_readdress(c->protocol, &dst, &other, segment,
					     len);
		ck_assert(transport_checksum_set(c->protocol, &src, &other,
						 again, len));
		ck_assert_mem_eq(segment, again, len);
		segment[0] ^= 1;
		ck_assert_int_eq(transport_checksum_check(c->protocol, &src,
							  &other, segment, len),
				 TRANSPORT_CHECKSUM_BAD);
	}
	for (size_t len = 0; len < c->at + 2; len++) {
		ck_assert(!transport_checksum_set(c->protocol, &src, &dst,
						  segment, len));
		ck_assert_int_eq(transport_checksum_check(c->protocol, &src,
							  &dst, segment, len),
				 TRANSPORT_CHECKSUM_BAD);
	}
}
END_TEST

START_TEST(udp_without)
{
	struct ip_addr src = addr("10.0.0.1"), dst = addr("10.0.0.2");
	uint8_t udp[8] = { 0, 0, 0, 0, 0, 8, 0, 0 };

	ck_assert_int_eq(
		transport_checksum_check(IPPROTO_UDP, &src, &dst, udp, 8),
		TRANSPORT_CHECKSUM_NONE);
	transport_checksum_readdress(IPPROTO_UDP, &src, &dst, udp, 8);
	ck_assert_uint_eq(udp[6] | udp[7], 0);
	ck_assert_int_eq(
		transport_checksum_check(IPPROTO_SCTP, &src, &dst, udp, 8),
		TRANSPORT_CHECKSUM_NONE);
	ck_assert(!transport_checksum_set(IPPROTO_SCTP, &src, &dst, udp, 8));
}
END_TEST

/* A sum that comes out as 0 is written as ffff, which also checks. */
START_TEST(udp_zero_is_ffff)
{
	struct ip_addr src = addr("10.0.0.1"), dst = addr("10.0.0.2");
	uint8_t udp[10] = { 0, 0, 0, 0, 0, 10, 0, 0, 0, 0 };

	ck_assert(transport_checksum_set(IPPROTO_UDP, &src, &dst, udp, 10));
	memcpy(udp + 8, udp + 6, 2); /* now all the rest sums up to ffff */
	ck_assert(transport_checksum_set(IPPROTO_UDP, &src, &dst, udp, 10));
	ck_assert_uint_eq(udp[6], 0xff);
	ck_assert_uint_eq(udp[7], 0xff);
	ck_assert_int_eq(
		transport_checksum_check(IPPROTO_UDP, &src, &dst, udp, 10),
		TRANSPORT_CHECKSUM_GOOD);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("checksum");
	TCase *tc = tcase_create("checksum");

	tcase_add_test(tc, known_answer);
	tcase_add_test(tc, as_the_slow_one);
	tcase_add_test(tc, replaced_is_recomputed);
	tcase_add_test(tc, rfc1624_example);
	tcase_add_loop_test(
		tc, transport, 0,
		(int)(sizeof(transport_cases) / sizeof(transport_cases[0])));
	tcase_add_test(tc, udp_without);
	tcase_add_test(tc, udp_zero_is_ffff);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
