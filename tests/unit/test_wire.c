/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/checksum.h"
#include "node/wire/sal_text.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* A header as hexadecimal digits, spaces between them as one likes; its shl
 * and checksum are filled in. */
struct header {
	uint8_t b[SAL_HEADER_MAX + 64];
	size_t n;
};

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void add_hex(struct header *h, const char *hex)
{
	while (*hex) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		ck_assert_uint_lt(h->n, sizeof(h->b));
		h->b[h->n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
		hex += 2;
	}
}

static void add_zeros(struct header *h, size_t n)
{
	while (n--)
		add_hex(h, "00");
}

static struct header header_of(const char *extensions)
{
	struct header h = { 0 };

	add_hex(&h, "00000002 00000003 00 11 0000");
	add_hex(&h, extensions);
	return h;
}

static void seal(struct header *h)
{
	ck_assert_uint_eq(h->n % 4, 0);
	h->b[8] = (uint8_t)(h->n / 4);
	sal_checksum_set(h->b);
}

/* Decodes from a block of exactly that size, so that ASan sees an overrun. */
static enum sal_result decode(const struct header *h, struct sal_packet *p,
			      uint8_t **copy)
{
	*copy = malloc(h->n ? h->n : 1);
	ck_assert_ptr_nonnull(*copy);
	memcpy(*copy, h->b, h->n);
	return sal_decode(p, *copy, h->n);
}

static void check_refused(const struct header *h, enum sal_result want,
			  const char *about)
{
	struct sal_packet p;
	uint8_t *copy;
	enum sal_result got = decode(h, &p, &copy);

	ck_assert_msg(got == want, "%s: %s, not %s", about,
		      sal_result_name(got), sal_result_name(want));
	free(copy);
}

static const char id_hex[] = "0000 000000000000000000000000000000000000000000"
			     "0000000000000000004001";

/* Each of our extensions and of Serval's: bytes and text are the same packet,
 * either way. */
static const struct sample {
	const char *extensions;
	const char *text;
} samples[] = {
	{ "", "2>3 shl 3 | UDP" },
	{ "1014 80 00 00000064 00000000 ceb1245cd1144115",
	  "2>3 shl 8 | CONTROL SYN v=100 a=0 nonce=ceb1245cd1144115 | UDP" },
	{ "1014 03 00 00000000 00000000 0000000000000001",
	  "2>3 shl 8 | CONTROL 0x03 v=0 a=0 nonce=0000000000000001 | UDP" },
	{ "1514 fd 07 ffffffff fffffffe ffffffffffffffff",
	  "2>3 shl 8 | CONTROL SYN+RSYN+ACK+NACK+RST+FIN+0x01 v=4294967295 "
	  "a=4294967294 nonce=ffffffffffffffff low=5 reserved=7 | UDP" },
	{ "2024 1234 0000400100000000 0000000000000000 0000000000000000"
	  "0000000000000000",
	  "2>3 shl 12 | SERVICE 16385 reserved=1234 | UDP" },
	{ "300c 0000 00000001 00000002",
	  "2>3 shl 6 | ADDRESS v=1 a=2 - | UDP" },
	{ "3014 0000 00000001 00000002 0a000001 0a000002",
	  "2>3 shl 8 | ADDRESS v=1 a=2 10.0.0.1,10.0.0.2 | UDP" },
	{ "400c 0000 0a4d0002 0a4d00fe",
	  "2>3 shl 6 | SOURCE 10.77.0.2,10.77.0.254 | UDP" },
	{ "8008 04 00 0a640001", "2>3 shl 5 | IDENTITY 10.100.0.1 | UDP" },
	{ "8014 06 80 fd000000000000000000000000000001",
	  "2>3 shl 8 | IDENTITY fd00::1 flags=80 | UDP" },
	{ "9024 0000 fd000000000000000000000000000001"
	  "fd000000000000000000000000000002",
	  "2>3 shl 12 | SOURCE6 fd00::1,fd00::2 | UDP" },
	{ "a01c 0000 00000005 00000006 00000000000000000000ffff0a000001",
	  "2>3 shl 10 | ADDRESS6 v=5 a=6 ::ffff:10.0.0.1 | UDP" },
	{ "b064 0000"
	  "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
	  "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0"
	  "c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0",
	  "2>3 shl 28 | AUTH key="
	  "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
	  " signature="
	  "a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0"
	  "c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0"
	  " | UDP" },
	{ "c004 0001", "2>3 shl 4 | REASON no-service | UDP" },
	{ "c004 0007", "2>3 shl 4 | REASON unknown-flow | UDP" },
	{ "c004 1267", "2>3 shl 4 | REASON 4711 | UDP" },
	{ "d00c 00 00 0123456789abcdef",
	  "2>3 shl 6 | CHALLENGE ask 0123456789abcdef | UDP" },
	{ "d10c 01 ff 0000000000000000",
	  "2>3 shl 6 | CHALLENGE answer 0000000000000000 low=1 reserved=ff"
	  " | UDP" },
	{ "00000000", "2>3 shl 4 | PAD 00000000 | UDP" },
	/* Padding in front, between and at the end; low nibbles of its own. */
	{ "0102 c004 0003 0405 d00c 00 00 0123456789abcdef 00000000",
	  "2>3 shl 9 | PAD 0102 | REASON loop | PAD 0405 | "
	  "CHALLENGE ask 0123456789abcdef | PAD 00000000 | UDP" },
	/* CONTROL need not be first. */
	{ "c004 0002 1014 28 00 00000001 00000002 0000000000000003",
	  "2>3 shl 9 | REASON no-instance | "
	  "CONTROL ACK+RST v=1 a=2 nonce=0000000000000003 | UDP" },
};

START_TEST(bytes_and_text)
{
	const struct sample *s = &samples[_i];
	struct header h = header_of(s->extensions);
	struct sal_packet p;
	struct err err = ERR_INIT;
	uint8_t *copy, again[SAL_HEADER_MAX];
	char text[1024];
	int n;

	seal(&h);
	ck_assert_msg(decode(&h, &p, &copy) == SAL_OK, "%s", s->text);
	sal_text_format(&p, SAL_TEXT_PAYLOAD_BYTES, text, sizeof(text));
	ck_assert_str_eq(text, s->text);
	ck_assert_int_eq(sal_encode(&p, again, sizeof(again)), (int)h.n);
	ck_assert_mem_eq(again, h.b, h.n);
	n = sal_text_parse(s->text, again, sizeof(again), &err);
	ck_assert_msg(n == (int)h.n, "%s: %s", s->text, err.msg);
	ck_assert_mem_eq(again, h.b, h.n);
	free(copy);
}
END_TEST

START_TEST(built_is_what_decodes)
{
	static const uint8_t list[8] = { 10, 0, 0, 1, 10, 0, 0, 2 };
	static const uint8_t list6[32] = { 0xfd, [31] = 9 };
	static const uint8_t key[SAL_AUTH_KEY_LEN] = { 1, 2, 3 };
	static const uint8_t signature[SAL_AUTH_SIGNATURE_LEN] = { 4, 5 };
	struct service_id id = { { 0xab } };
	struct ip_addr addr;
	struct sal_packet p, back;
	uint8_t bytes[SAL_HEADER_MAX];
	int n;

	ck_assert(!ip_parse_addr("10.100.0.7", &addr));
	sal_packet_init(&p, 0x01020304, 0xfffffffe, IPPROTO_ICMP);
	sal_add_control(&p, SAL_FLAG_RSYN | SAL_FLAG_ACK, 7, 8, 9);
	sal_add_service(&p, &id);
	sal_add_identity(&p, &addr);
	sal_add_address(&p, SAL_EXT_ADDRESS, 1, 2,
			(struct sal_list){ list, 2 });
	sal_add_address(&p, SAL_EXT_ADDRESS6, 3, 4,
			(struct sal_list){ list6, 2 });
	sal_add_source(&p, SAL_EXT_SOURCE, (struct sal_list){ list, 2 });
	sal_add_source(&p, SAL_EXT_SOURCE6, (struct sal_list){ list6, 2 });
	sal_add_auth(&p, key, signature);
	sal_add_reason(&p, SAL_REASON_LOOP);
	sal_add_challenge(&p, SAL_CHALLENGE_ANSWER, UINT64_C(1) << 63);
	n = sal_encode(&p, bytes, sizeof(bytes));
	ck_assert_int_eq(n,
			 12 + 20 + 36 + 8 + 20 + 44 + 12 + 36 + 100 + 4 + 12);
	ck_assert_int_eq(sal_decode(&back, bytes, (size_t)n), SAL_OK);
	ck_assert_uint_eq(back.src_flow, 0x01020304);
	ck_assert_uint_eq(back.dst_flow, 0xfffffffe);
	ck_assert_uint_eq(back.protocol, IPPROTO_ICMP);
	ck_assert_uint_eq(back.n, 10);
	ck_assert_uint_eq(back.payload_len, 0);
	ck_assert_uint_eq(sal_find_control(&back)->verno, 7);
	ck_assert_uint_eq(sal_find_control(&back)->ackno, 8);
	ck_assert_uint_eq(sal_find_control(&back)->nonce, 9);
	ck_assert_uint_eq(sal_find_control(&back)->flags, 0x60);
	ck_assert(service_id_equal(sal_find_service(&back, 0), &id));
	ck_assert_ptr_null(sal_find_service(&back, 1));
	ck_assert(ip_addr_equal(
		&sal_find(&back, SAL_EXT_IDENTITY, 0)->identity.addr, &addr));
	addr = sal_list_at(&sal_find(&back, SAL_EXT_SOURCE6, 0)->source,
			   SAL_EXT_SOURCE6, 1);
	ck_assert_int_eq(addr.family, AF_INET6);
	ck_assert_uint_eq(addr.bytes[15], 9);
	addr = sal_list_at(&sal_find(&back, SAL_EXT_ADDRESS, 0)->address.list,
			   SAL_EXT_ADDRESS, 1);
	ck_assert_int_eq(addr.family, AF_INET);
	ck_assert_uint_eq(addr.bytes[3], 2);
	ck_assert_mem_eq(sal_find(&back, SAL_EXT_AUTH, 0)->auth.signature,
			 signature, sizeof(signature));
	ck_assert_uint_eq(sal_find(&back, SAL_EXT_REASON, 0)->reason,
			  SAL_REASON_LOOP);
	ck_assert_uint_eq(
		sal_find(&back, SAL_EXT_CHALLENGE, 0)->challenge.value,
		UINT64_C(1) << 63);
}
END_TEST

START_TEST(encoder_refuses)
{
	static const uint8_t bytes[4 * 64];
	struct service_id id = { { 1 } };
	struct sal_packet p;
	uint8_t buf[SAL_HEADER_MAX];

	/* A list's length is one byte: 12 + 60 * 4 is the most. */
	sal_packet_init(&p, 2, 3, IPPROTO_UDP);
	sal_add_address(&p, SAL_EXT_ADDRESS, 0, 0,
			(struct sal_list){ bytes, 60 });
	ck_assert_int_eq(sal_header_len(&p), 12 + 252);
	p.ext[0].address.list.n = 61;
	ck_assert_int_eq(sal_encode(&p, buf, sizeof(buf)), -EINVAL);

	/* An identity without an address; half a word of padding. */
	sal_packet_init(&p, 2, 3, IPPROTO_UDP);
	sal_add_identity(&p, &(struct ip_addr){ 0 });
	ck_assert_int_eq(sal_prepend(&p, buf, sizeof(buf)), -EINVAL);
	p.ext[0] = (struct sal_ext){ .type = SAL_EXT_PAD, .raw = { bytes, 2 } };
	ck_assert_int_eq(sal_header_len(&p), -EINVAL);

	/* One extension too many is not lost silently. */
	sal_packet_init(&p, 2, 3, IPPROTO_UDP);
	for (unsigned i = 0; i < SAL_EXTENSIONS_MAX; i++)
		sal_add_service(&p, &id);
	ck_assert_int_eq(sal_header_len(&p), 12 + 360);
	for (unsigned i = 0; i < 300; i++)
		sal_add_service(&p, &id);
	ck_assert_int_eq(sal_header_len(&p), -EINVAL);

	/* No room: nothing is written. */
	sal_packet_init(&p, 2, 3, IPPROTO_UDP);
	sal_add_service(&p, &id);
	memset(buf, 0xaa, sizeof(buf));
	for (size_t size = 0; size < 48; size++) {
		ck_assert_int_eq(sal_encode(&p, buf, size), -ENOSPC);
		ck_assert_int_eq(sal_prepend(&p, buf, size), -ENOSPC);
	}
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 0xaa);
	ck_assert_int_eq(sal_encode(&p, buf, 48), 48);
}
END_TEST

static const struct refused {
	enum sal_result result;
	const char *extensions;
} refused[] = {
	{ SAL_EXTENSION_OVERRUN, "0000 00 c0" }, /* no length byte */
	{ SAL_EXTENSION_OVERRUN, "c008 0001" },
	{ SAL_EXTENSION_OVERRUN, "1014 80 00 00000064 00000000 ceb1245c" },
	{ SAL_EXTENSION_OVERRUN, "50ff 0000" }, /* also of an unknown type */
	{ SAL_BAD_EXTENSION_LENGTH, "c001 0000" },
	{ SAL_BAD_EXTENSION_LENGTH, "5000 0000" },
	{ SAL_BAD_EXTENSION_LENGTH, "c002 0000" },
	{ SAL_BAD_EXTENSION_LENGTH, "c008 0001 00000000" },
	{ SAL_BAD_EXTENSION_LENGTH, "1010 80 00 00000064 00000000 ceb1245c" },
	{ SAL_BAD_EXTENSION_LENGTH,
	  "1018 80 00 00000064 00000000 ceb1245c ceb1245c 00000000" },
	{ SAL_BAD_EXTENSION_LENGTH, "2004 0000" },
	{ SAL_BAD_EXTENSION_LENGTH, "3008 0000 00000001" },
	{ SAL_BAD_EXTENSION_LENGTH, "300e 0000 00000001 00000002 0a00 0000" },
	{ SAL_BAD_EXTENSION_LENGTH, "4003 00 00" },
	{ SAL_BAD_EXTENSION_LENGTH, "400a 0000 0a000001 0a00 0000" },
	{ SAL_BAD_EXTENSION_LENGTH, "9008 0000 0a000001" },
	{ SAL_BAD_EXTENSION_LENGTH, "8004 04 00" },
	{ SAL_BAD_EXTENSION_LENGTH, "800c 04 00 0a640001 00000000" },
	{ SAL_BAD_EXTENSION_LENGTH, "b008 0000 00000000" },
	{ SAL_BAD_EXTENSION_LENGTH, "d004 00 00" },
	{ SAL_BAD_EXTENSION_LENGTH, "d00b 00 00 0123456789abcd 00" },
	{ SAL_SHORT_SOURCE_LIST, "4004 0000" },
	{ SAL_SHORT_SOURCE_LIST, "4008 0000 0a000001" },
	{ SAL_SHORT_SOURCE_LIST, "9014 0000 fd000000000000000000000000000001" },
	{ SAL_BAD_IDENTITY, "8008 06 00 0a640001" },
	{ SAL_BAD_IDENTITY, "8008 05 00 0a640001" },
	{ SAL_BAD_IDENTITY, "8014 04 00 fd000000000000000000000000000001" },
	{ SAL_BAD_CHALLENGE, "d00c 02 00 0123456789abcdef" },
	{ SAL_REPEATED_EXTENSION, "c004 0001 c004 0001" },
	{ SAL_REPEATED_EXTENSION,
	  "1014 80 00 00000064 00000000 ceb1245cd1144115"
	  "1014 80 00 00000064 00000000 ceb1245cd1144115" },
	{ SAL_TOO_MANY_EXTENSIONS,
	  "500200 500200 500200 500200 500200 500200 0000" },
	/* One too many, runs of padding counted. */
	{ SAL_TOO_MANY_EXTENSIONS,
	  "500200 500200 500200 500200 500200 5005000000" },
	{ SAL_UNKNOWN_EXTENSION, "500200 500200 500200 500200 50020000" },
	/* What breaks the rules outweighs what is merely unknown. */
	{ SAL_SHORT_SOURCE_LIST, "5004 0000 4008 0000 0a000001" },
	{ SAL_UNKNOWN_EXTENSION, "5004 1234" },
	{ SAL_UNKNOWN_EXTENSION, "6004 1234" },
	{ SAL_UNKNOWN_EXTENSION, "7002 0000" },
	{ SAL_UNKNOWN_EXTENSION, "e004 1234 e004 1234 e004 1234" },
	{ SAL_UNKNOWN_EXTENSION, "f004 1234 c004 0001" },
};

START_TEST(each_reason)
{
	const struct refused *c = &refused[_i];
	struct header h = header_of(c->extensions);

	seal(&h);
	check_refused(&h, c->result, c->extensions);
}
END_TEST

START_TEST(services_twice_not_thrice)
{
	struct header h = header_of("");
	struct sal_packet p;
	uint8_t *copy;

	for (int i = 0; i < 2; i++) {
		add_hex(&h, "2024");
		add_hex(&h, id_hex);
	}
	seal(&h);
	ck_assert_int_eq(decode(&h, &p, &copy), SAL_OK);
	ck_assert_ptr_eq(sal_find_service(&p, 1)->bytes, copy + 12 + 36 + 4);
	free(copy);
	add_hex(&h, "2024");
	add_hex(&h, id_hex);
	seal(&h);
	check_refused(&h, SAL_REPEATED_EXTENSION, "three services");
}
END_TEST

/* An unknown extension does not keep the rest from being used. */
START_TEST(unknown_is_passed_on)
{
	struct header h = header_of("5a04 1234 c004 0002 e008 aabbccdd 0000");
	struct sal_packet p;
	struct err err = ERR_INIT;
	uint8_t *copy, again[64];
	char text[256];

	add_hex(&h, "cafe"); /* payload */
	h.b[8] = 7;
	sal_checksum_set(h.b);
	ck_assert_int_eq(decode(&h, &p, &copy), SAL_UNKNOWN_EXTENSION);
	ck_assert_uint_eq(p.n, 3);
	ck_assert_uint_eq(sal_find(&p, SAL_EXT_REASON, 0)->reason, 2);
	ck_assert_uint_eq(p.payload_len, 2);
	ck_assert_int_eq(sal_encode(&p, again, sizeof(again)), 28);
	ck_assert_mem_eq(again, copy, 28);
	sal_text_format(&p, SAL_TEXT_PAYLOAD_BYTES, text, sizeof(text));
	ck_assert_str_eq(text, "2>3 shl 7 | EXTENSION 5 1234 low=a | "
			       "REASON no-instance | "
			       "EXTENSION 14 aabbccdd0000 | UDP cafe");
	ck_assert_int_eq(sal_text_parse(text, again, sizeof(again), &err), 30);
	ck_assert_mem_eq(again, copy, 30);
	free(copy);
}
END_TEST

START_TEST(header_length)
{
	struct header h = header_of("c004 0001");

	for (unsigned shl = 0; shl < 3; shl++) {
		h.b[8] = (uint8_t)shl;
		check_refused(&h, SAL_BAD_HEADER_LENGTH, "shl too small");
	}
	for (unsigned shl = 5; shl < 256; shl++) {
		h.b[8] = (uint8_t)shl;
		check_refused(&h, SAL_TRUNCATED, "shl beyond the end");
	}
	/* The longest header there can be. */
	h = header_of("");
	add_zeros(&h, SAL_HEADER_MAX - SAL_HEADER_LEN);
	seal(&h);
	check_refused(&h, SAL_OK, "255 words");
}
END_TEST

/* A packet with every kind of extension. */
static struct header everything(void)
{
	struct header h = { 0 };
	struct err err = ERR_INIT;
	int n = sal_text_parse(
		"2>3 | CONTROL SYN+ACK v=1 a=2 nonce=ceb1245cd1144115 | "
		"SERVICE 16385 | IDENTITY fd00::1 | SOURCE 10.0.0.1,10.0.0.2 | "
		"SOURCE6 fd00::1,fd00::2 | ADDRESS v=3 a=4 10.0.0.3 | "
		"ADDRESS6 v=5 a=6 fd00::3 | AUTH key="
		"0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		"20 signature="
		"a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
		"c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcddde"
		"dfe0 | REASON loop | CHALLENGE ask 0123456789abcdef | UDP",
		h.b, sizeof(h.b), &err);

	ck_assert_msg(n > 0, "%s", err.msg);
	h.n = (size_t)n;
	return h;
}

START_TEST(cut_anywhere)
{
	struct header h = everything();
	struct sal_packet p;
	uint8_t *copy;

	ck_assert_int_eq(decode(&h, &p, &copy), SAL_OK);
	ck_assert_uint_eq(p.n, 10);
	free(copy);
	for (size_t n = 0; n < h.n; n++) {
		struct header cut = h;

		cut.n = n;
		check_refused(&cut, SAL_TRUNCATED, "cut");
	}
	/* The header claims no more than what is left: still no overrun. */
	for (size_t n = SAL_HEADER_LEN; n < h.n; n += 4) {
		struct header cut = h;

		cut.n = n;
		seal(&cut);
		decode(&cut, &p, &copy);
		free(copy);
	}
}
END_TEST

START_TEST(flipped_bits)
{
	struct header h = everything();

	for (size_t bit = 0; bit < h.n * 8; bit++) {
		struct header bad = h;
		struct sal_packet p;
		uint8_t *copy;
		enum sal_result result;

		bad.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		result = decode(&bad, &p, &copy);
		/* A wrong shl is found out earlier, or the sum is over less. */
		ck_assert_msg(result == SAL_BAD_CHECKSUM ||
				      (bit / 8 == 8 &&
				       (result == SAL_TRUNCATED ||
					result == SAL_BAD_HEADER_LENGTH)),
			      "bit %zu: %s", bit, sal_result_name(result));
		free(copy);
	}
}
END_TEST

/* One's complement has two zeros; a checksum that is one may come as either. */
START_TEST(checksum_of_ffff)
{
	struct header h = header_of("c004 0000");
	struct sal_packet p;
	uint8_t *copy, again[16];
	unsigned rest;

	seal(&h);
	/* Makes the sum of all else ffff, so that the checksum is 0. */
	rest = (unsigned)(h.b[10] << 8 | h.b[11]);
	h.b[14] = (uint8_t)(rest >> 8);
	h.b[15] = (uint8_t)rest;
	seal(&h);
	ck_assert_uint_eq(h.b[10] | h.b[11], 0);
	check_refused(&h, SAL_OK, "checksum 0");
	h.b[10] = h.b[11] = 0xff;
	ck_assert_int_eq(decode(&h, &p, &copy), SAL_OK);
	ck_assert_int_eq(sal_encode(&p, again, sizeof(again)), 16);
	h.b[10] = h.b[11] = 0;
	ck_assert_mem_eq(again, h.b, 16);
	free(copy);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire");
	TCase *tc = tcase_create("wire");

	tcase_add_loop_test(tc, bytes_and_text, 0, (int)N(samples));
	tcase_add_test(tc, built_is_what_decodes);
	tcase_add_test(tc, encoder_refuses);
	tcase_add_loop_test(tc, each_reason, 0, (int)N(refused));
	tcase_add_test(tc, services_twice_not_thrice);
	tcase_add_test(tc, unknown_is_passed_on);
	tcase_add_test(tc, header_length);
	tcase_add_test(tc, cut_anywhere);
	tcase_add_test(tc, flipped_bits);
	tcase_add_test(tc, checksum_of_ffff);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
