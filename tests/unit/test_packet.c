/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/packet.h"
#include "stream/mark.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* A frame put together byte by byte. */
struct frame {
	uint8_t b[512];
	size_t n;
};

static void add(struct frame *f, const void *p, size_t n)
{
	ck_assert_uint_le(f->n + n, sizeof(f->b));
	memcpy(f->b + f->n, p, n);
	f->n += n;
}

static void add8(struct frame *f, unsigned v)
{
	uint8_t b = (uint8_t)v;

	add(f, &b, 1);
}

static void add16(struct frame *f, unsigned v)
{
	add8(f, v >> 8);
	add8(f, v & 0xff);
}

static void add_zeros(struct frame *f, size_t n)
{
	while (n--)
		add8(f, 0);
}

static void add_ethernet(struct frame *f, unsigned type)
{
	add(f, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	add16(f, type);
}

/* fragment: in units of 8 bytes. */
static void add_ipv4(struct frame *f, unsigned protocol, size_t payload,
		     unsigned fragment)
{
	add8(f, 0x45);
	add8(f, 0);
	add16(f, (unsigned)(20 + payload));
	add16(f, 1);
	add16(f, fragment);
	add8(f, 64);
	add8(f, protocol);
	add16(f, 0);
	add(f, "\12\0\0\1\12\0\0\2", 8);
}

static void add_ipv6(struct frame *f, unsigned next, size_t payload)
{
	add8(f, 0x60);
	add_zeros(f, 3);
	add16(f, (unsigned)payload);
	add8(f, next);
	add8(f, 64);
	add(f, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	add(f, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
}

static void add_udp(struct frame *f, size_t payload)
{
	add16(f, 4000);
	add16(f, 7);
	add16(f, (unsigned)(8 + payload));
	add16(f, 0);
}

static void add_echo(struct frame *f, unsigned type)
{
	add8(f, type);
	add8(f, 0);
	add16(f, 0);
	add16(f, 0x1234);
	add16(f, 0x5678);
}

static struct packet_info parse(const struct frame *f)
{
	struct packet_info info;

	packet_parse(f->b, f->n, &info);
	return info;
}

static void expect_address(const struct ip_addr *a, const char *text)
{
	char buf[IP_TEXT_MAX];

	ck_assert_str_eq(ip_format_addr(a, buf, sizeof(buf)), text);
}

START_TEST(mark_comes_back)
{
	const struct probe_mark in = { 0xdeadbeef, UINT64_C(0x123456789abc) };
	uint8_t b[PROBE_MARK_SIZE];
	struct probe_mark out;

	probe_mark_put(b, &in);
	ck_assert_mem_eq(b,
			 "\x5e\x12\xa1\xab\xde\xad\xbe\xef"
			 "\x00\x00\x12\x34\x56\x78\x9a\xbc",
			 16);
	ck_assert(probe_mark_get(b, sizeof(b), &out));
	ck_assert_uint_eq(out.probe, in.probe);
	ck_assert_uint_eq(out.seq, in.seq);
	ck_assert(!probe_mark_get(b, sizeof(b) - 1, &out));
	b[0] ^= 1;
	ck_assert(!probe_mark_get(b, sizeof(b), &out));
}
END_TEST

START_TEST(echo_v4)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x0800);
	add_ipv4(&f, 1, 8 + 4, 0);
	add_echo(&f, 8);
	add(&f, "data", 4);
	add_zeros(&f, 6); /* Ethernet's padding is not ICMP's payload */
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_ECHO_REQUEST);
	expect_address(&info.src, "10.0.0.1");
	expect_address(&info.dst, "10.0.0.2");
	ck_assert_uint_eq(info.protocol, 1);
	ck_assert_uint_eq(info.echo_id, 0x1234);
	ck_assert_uint_eq(info.echo_seq, 0x5678);
	ck_assert_uint_eq(info.payload_len, 4);
	ck_assert_mem_eq(info.payload, "data", 4);

	f.b[14 + 20] = 0;
	ck_assert_int_eq(parse(&f).kind, PACKET_ECHO_REPLY);
	f.b[14 + 20] = 3; /* destination unreachable */
	ck_assert_int_eq(parse(&f).kind, PACKET_OTHER);
	f.b[14 + 20] = 128; /* ICMPv6's number means nothing in ICMP */
	ck_assert_int_eq(parse(&f).kind, PACKET_OTHER);
}
END_TEST

START_TEST(echo_v6)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x86dd);
	add_ipv6(&f, 58, 8);
	add_echo(&f, 129);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_ECHO_REPLY);
	expect_address(&info.src, "fd00::1");
	expect_address(&info.dst, "fd00::2");
	ck_assert_uint_eq(info.payload_len, 0);
}
END_TEST

static void add_sal(struct frame *f, unsigned shl, unsigned protocol)
{
	add(f, "\1\2\3\4\5\6\7\10", 8);
	add8(f, shl);
	add8(f, protocol);
	add16(f, 0);
}

/* What is inside has nothing to do with the family of what is outside. */
START_TEST(sal)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x86dd);
	add_ipv6(&f, 144, 20 + 8 + 4);
	add_sal(&f, 5, 1);
	add_zeros(&f, 8); /* extensions */
	add_echo(&f, 0);
	add(&f, "data", 4);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_ECHO_REPLY);
	ck_assert_uint_eq(info.protocol, 144);
	expect_address(&info.src, "fd00::1");
	ck_assert_uint_eq(info.echo_id, 0x1234);
	ck_assert_uint_eq(info.payload_len, 4);
	ck_assert_mem_eq(info.payload, "data", 4);

	f = (struct frame){ 0 };
	add_ethernet(&f, 0x0800);
	add_ipv4(&f, 144, 12 + 8 + 2, 0);
	add_sal(&f, 3, 17);
	add_udp(&f, 2);
	add(&f, "hi", 2);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_UDP);
	ck_assert_uint_eq(info.sport, 4000);
	ck_assert_uint_eq(info.payload_len, 2);

	/* A header shorter than itself, or longer than the packet. */
	f.b[14 + 20 + 8] = 2;
	ck_assert_int_eq(parse(&f).kind, PACKET_OTHER);
	f.b[14 + 20 + 8] = 255;
	ck_assert_int_eq(parse(&f).kind, PACKET_OTHER);
	for (f.b[14 + 20 + 8] = 3; f.n > 14 + 20 + 20; f.n--)
		ck_assert_int_eq(parse(&f).kind, PACKET_UDP);
	for (; f.n > 0; f.n--)
		ck_assert_int_ne(parse(&f).kind,
				 f.n < 14 + 20 + 20 ? PACKET_UDP : PACKET_TCP);
}
END_TEST

START_TEST(udp_behind_vlan_tags)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x88a8);
	add16(&f, 5);
	add16(&f, 0x8100);
	add16(&f, 6);
	add16(&f, 0x0800);
	add_ipv4(&f, 17, 8 + 3, 0);
	add_udp(&f, 3);
	add(&f, "abc", 3);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_UDP);
	ck_assert_uint_eq(info.sport, 4000);
	ck_assert_uint_eq(info.dport, 7);
	ck_assert_uint_eq(info.payload_len, 3);
	ck_assert_mem_eq(info.payload, "abc", 3);
}
END_TEST

START_TEST(tcp_with_options)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x0800);
	add_ipv4(&f, 6, 24 + 2, 0);
	add16(&f, 80);
	add16(&f, 50000);
	add_zeros(&f, 8);
	add8(&f, 6 << 4);
	add8(&f, 0x12);
	add_zeros(&f, 6 + 4);
	add(&f, "hi", 2);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_TCP);
	ck_assert_uint_eq(info.sport, 80);
	ck_assert_uint_eq(info.dport, 50000);
	ck_assert_uint_eq(info.tcp_flags, 0x12);
	ck_assert_uint_eq(info.payload_len, 2);
	ck_assert_mem_eq(info.payload, "hi", 2);

	f.b[14 + 20 + 12] = 4 << 4; /* shorter than a TCP header can be */
	ck_assert_int_eq(parse(&f).kind, PACKET_OTHER);
}
END_TEST

START_TEST(ipv6_extension_headers)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x86dd);
	add_ipv6(&f, 0, 8 + 16 + 8 + 8 + 1);
	add8(&f, 60); /* hop-by-hop, 8 bytes */
	add8(&f, 0);
	add_zeros(&f, 6);
	add8(&f, 44); /* destination options, 16 bytes */
	add8(&f, 1);
	add_zeros(&f, 14);
	add8(&f, 17); /* the first of several fragments */
	add8(&f, 0);
	add16(&f, 1);
	add_zeros(&f, 4);
	add_udp(&f, 1);
	add8(&f, 'x');
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_UDP);
	ck_assert_uint_eq(info.protocol, 17);
	ck_assert_uint_eq(info.payload_len, 1);

	f.b[14 + 40 + 8 + 16 + 3] = 8; /* a later one */
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_OTHER);
	expect_address(&info.dst, "fd00::2");
	ck_assert_uint_eq(info.protocol, 17);
}
END_TEST

START_TEST(later_fragment_has_no_ports)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x0800);
	add_ipv4(&f, 17, 16, 185);
	add_zeros(&f, 16);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_OTHER);
	expect_address(&info.src, "10.0.0.1");
	ck_assert_uint_eq(info.protocol, 17);
	ck_assert_ptr_null(info.payload);
}
END_TEST

START_TEST(not_ip)
{
	struct frame f = { 0 };
	struct packet_info info;

	add_ethernet(&f, 0x0806);
	add_zeros(&f, 28);
	info = parse(&f);
	ck_assert_int_eq(info.kind, PACKET_OTHER);
	ck_assert_int_eq(info.src.family, AF_UNSPEC);

	/* The EtherType says IPv4, the packet does not. */
	f.n = 0;
	add_ethernet(&f, 0x0800);
	add_ipv6(&f, 58, 0);
	ck_assert_int_eq(parse(&f).src.family, AF_UNSPEC);
}
END_TEST

/* Cut off at any length, copied so that a read beyond it is noticed by the
 * address sanitizer. */
START_TEST(cut_off_anywhere)
{
	struct frame f = { 0 };

	add_ethernet(&f, 0x86dd);
	add_ipv6(&f, 0, 8 + 8 + 20);
	add8(&f, 17);
	add8(&f, 0);
	add_zeros(&f, 6);
	add_udp(&f, 20);
	add_zeros(&f, 20);
	for (size_t n = 0; n <= f.n; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct packet_info info;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, f.b, n);
		packet_parse(copy, n, &info);
		ck_assert_int_eq(info.src.family,
				 n >= 14 + 40 ? AF_INET6 : AF_UNSPEC);
		ck_assert_int_eq(info.kind, n >= 14 + 40 + 8 + 8 ?
						    PACKET_UDP :
						    PACKET_OTHER);
		if (info.kind == PACKET_UDP) {
			ck_assert_uint_eq(info.payload_len,
					  n - (14 + 40 + 8 + 8));
			ck_assert_ptr_eq(info.payload, copy + 70);
		}
		free(copy);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("packet");
	TCase *tc = tcase_create("packet");

	tcase_add_test(tc, mark_comes_back);
	tcase_add_test(tc, echo_v4);
	tcase_add_test(tc, echo_v6);
	tcase_add_test(tc, sal);
	tcase_add_test(tc, udp_behind_vlan_tags);
	tcase_add_test(tc, tcp_with_options);
	tcase_add_test(tc, ipv6_extension_headers);
	tcase_add_test(tc, later_fragment_has_no_ports);
	tcase_add_test(tc, not_ip);
	tcase_add_test(tc, cut_off_anywhere);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
