/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose frame it is: what runs have in common, and what tells flows apart. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "include/serval/wire.h"
#include "orchestrator/link/internal.h"

#include <netinet/in.h>

static const char *text_of(const struct test_frame *f)
{
	static char text[LINK_CLASS_TEXT_MAX];

	return link_class_text(f->bytes, f->len, text, sizeof(text));
}

static struct link_key key_of(const struct test_frame *f)
{
	struct link_key key;

	link_classify(f->bytes, f->len, &key);
	return key;
}

static void ports(struct test_frame *f, uint8_t protocol, unsigned src,
		  unsigned dst)
{
	uint8_t *p = frame_ipv4(f, protocol, 1, 2);

	frame_put16(p, src);
	frame_put16(p + 2, dst);
}

/* IPv6, and where its payload begins. */
static uint8_t *ipv6(struct test_frame *f, uint8_t next)
{
	*f = (struct test_frame){ .len = 14 + 40 + 40 };
	f->bytes[12] = 0x86;
	f->bytes[13] = 0xdd;
	f->bytes[14] = 0x60;
	f->bytes[20] = next;
	f->bytes[22] = f->bytes[38] = 0xfd;
	f->bytes[37] = 1;
	f->bytes[53] = 2;
	return f->bytes + 54;
}

static const struct {
	uint8_t protocol;
	unsigned src, dst;
	const char *text;
} by_port[] = {
	{ IPPROTO_TCP, 40000, 80, "tcp 10.0.0.1 > 10.0.0.2:80" },
	{ IPPROTO_TCP, 80, 40000, "tcp 10.0.0.1:80 > 10.0.0.2" },
	{ IPPROTO_UDP, 5001, 53, "udp 10.0.0.1 > 10.0.0.2:53" },
	{ IPPROTO_UDP, 53, 53, "udp 10.0.0.1 > 10.0.0.2:53" },
	{ IPPROTO_TCP, 40000, 61000, "tcp 10.0.0.1 > 10.0.0.2:61000" },
	{ IPPROTO_TCP, 40000, 32767, "tcp 10.0.0.1 > 10.0.0.2:32767" },
	{ IPPROTO_TCP, 40000, 32768, "tcp 10.0.0.1 > 10.0.0.2" },
	{ IPPROTO_TCP, 60999, 40000, "tcp 10.0.0.1 > 10.0.0.2" },
	{ IPPROTO_SCTP, 40000, 7, "sctp 10.0.0.1 > 10.0.0.2:7" },
};

START_TEST(the_port_that_somebody_chose_is_the_class)
{
	struct test_frame f;

	ports(&f, by_port[_i].protocol, by_port[_i].src, by_port[_i].dst);
	ck_assert_str_eq(text_of(&f), by_port[_i].text);
}
END_TEST

START_TEST(ephemeral_ports_tell_only_flows_apart)
{
	struct test_frame a, b;

	ports(&a, IPPROTO_TCP, 40000, 80);
	ports(&b, IPPROTO_TCP, 41000, 80);
	ck_assert_uint_eq(key_of(&a).class_id, key_of(&b).class_id);
	ck_assert_uint_ne(key_of(&a).flow_id, key_of(&b).flow_id);
	ports(&a, IPPROTO_TCP, 40000, 50000);
	ports(&b, IPPROTO_TCP, 41000, 50000);
	ck_assert_uint_eq(key_of(&a).class_id, key_of(&b).class_id);
	ck_assert_uint_ne(key_of(&a).flow_id, key_of(&b).flow_id);
	/* What runs have in common tells classes apart. */
	ports(&a, IPPROTO_TCP, 40000, 80);
	ports(&b, IPPROTO_TCP, 40000, 81);
	ck_assert_uint_ne(key_of(&a).class_id, key_of(&b).class_id);
	ports(&b, IPPROTO_UDP, 40000, 80);
	ck_assert_uint_ne(key_of(&a).class_id, key_of(&b).class_id);
	ports(&b, IPPROTO_TCP, 80, 40000);
	ck_assert_uint_ne(key_of(&a).class_id, key_of(&b).class_id);
	ports(&b, IPPROTO_TCP, 40000, 80);
	b.bytes[33] = 3;
	ck_assert_uint_ne(key_of(&a).class_id, key_of(&b).class_id);
}
END_TEST

/* Class numbers are part of what a fate is. Worked out by another SipHash. */
START_TEST(classes_keep_their_numbers)
{
	struct test_frame f;

	ports(&f, IPPROTO_TCP, 40000, 80);
	ck_assert_uint_eq(key_of(&f).class_id, UINT64_C(0xd82d84e0c8c5506a));
	frame_put16(ipv6(&f, IPPROTO_UDP) + 2, 53);
	ck_assert_uint_eq(key_of(&f).class_id, UINT64_C(0xa69b8daca2470340));
}
END_TEST

START_TEST(echoes_are_told_by_type_and_id)
{
	struct test_frame f;
	uint8_t *p = frame_ipv4(&f, IPPROTO_ICMP, 1, 2);

	p[0] = 8;
	frame_put16(p + 4, 77);
	ck_assert_str_eq(text_of(&f), "icmp 10.0.0.1 > 10.0.0.2 type 8");
	ck_assert_uint_eq(key_of(&f).flow_id, 77);
	ck_assert(!key_of(&f).control);
	p[0] = 3; /* unreachable: these bytes are no id */
	ck_assert_str_eq(text_of(&f), "icmp 10.0.0.1 > 10.0.0.2 type 3");
	ck_assert_uint_eq(key_of(&f).flow_id, 0);
	p = ipv6(&f, IPPROTO_ICMPV6);
	p[0] = 128;
	frame_put16(p + 4, 78);
	ck_assert_str_eq(text_of(&f), "icmp6 fd00::1 > fd00::2 type 128");
	ck_assert_uint_eq(key_of(&f).flow_id, 78);
}
END_TEST

START_TEST(control_traffic_is_one_class)
{
	static const uint8_t types[] = { 130, 131, 132, 133, 134,
					 135, 136, 137, 143 };
	struct test_frame f;

	frame_arp(&f);
	ck_assert(key_of(&f).control);
	ck_assert_str_eq(text_of(&f), "control");
	frame_ipv4(&f, IPPROTO_IGMP, 1, 2);
	ck_assert(key_of(&f).control);
	for (size_t i = 0; i < sizeof(types); i++) {
		uint8_t *p = ipv6(&f, IPPROTO_ICMPV6);
		struct link_key key;

		p[0] = types[i];
		key = key_of(&f);
		ck_assert(key.control);
		ck_assert_uint_eq(key.class_id, 0);
		ck_assert_uint_eq(key.flow_id, 0);
	}
	/* Listener reports come behind a hop-by-hop header. */
	ipv6(&f, IPPROTO_HOPOPTS)[0] = IPPROTO_ICMPV6;
	f.bytes[54 + 8] = 143;
	ck_assert(key_of(&f).control);
}
END_TEST

START_TEST(fragments_count_by_addresses_and_protocol)
{
	struct test_frame f;
	uint8_t *p;

	ports(&f, IPPROTO_UDP, 40000, 53);
	f.bytes[20] = 0x20; /* more follow */
	ck_assert_str_eq(text_of(&f), "udp 10.0.0.1 > 10.0.0.2 fragment");
	ck_assert_uint_eq(key_of(&f).flow_id, 0);
	f.bytes[20] = 0;
	f.bytes[21] = 1; /* a later one */
	ck_assert_str_eq(text_of(&f), "udp 10.0.0.1 > 10.0.0.2 fragment");
	f.bytes[20] = 0x40; /* do not */
	f.bytes[21] = 0;
	ck_assert_str_eq(text_of(&f), "udp 10.0.0.1 > 10.0.0.2:53");
	p = ipv6(&f, IPPROTO_FRAGMENT);
	p[0] = IPPROTO_UDP;
	p[3] = 1;
	ck_assert_str_eq(text_of(&f), "udp fd00::1 > fd00::2 fragment");
	p[3] = 0; /* a datagram of one fragment (RFC 6946) */
	frame_put16(p + 8, 40000);
	frame_put16(p + 10, 53);
	ck_assert_str_eq(text_of(&f), "udp fd00::1 > [fd00::2]:53");
}
END_TEST

/* Extension headers that go on and on are left alone after eight. */
START_TEST(extension_headers_are_bounded)
{
	struct test_frame f;
	uint8_t *p = ipv6(&f, IPPROTO_DSTOPTS);

	f.len = 14 + 40 + 8 * 9;
	for (int i = 0; i < 9; i++)
		p[8 * i] = IPPROTO_DSTOPTS;
	ck_assert_str_eq(text_of(&f), "ip-60 fd00::1 > fd00::2");
	p[8 * 7] = IPPROTO_TCP; /* within */
	p[8 * 8 + 3] = 80;
	ck_assert_str_eq(text_of(&f), "tcp fd00::1 > [fd00::2]:80");
}
END_TEST

START_TEST(a_service_flow_is_told_by_its_source)
{
	struct test_frame f;
	uint8_t *p = frame_ipv4(&f, SAL_IP_PROTOCOL, 1, 2);
	uint64_t class;

	memcpy(p, (uint8_t[]){ 1, 2, 3, 4, 9, 9, 9, 9, 3, IPPROTO_TCP }, 10);
	ck_assert_str_eq(text_of(&f), "sal 10.0.0.1 > 10.0.0.2 tcp");
	ck_assert_uint_eq(key_of(&f).flow_id, 0x01020304);
	class = key_of(&f).class_id;
	p[4] = 0; /* the other end's is no part of it, nor are extensions */
	p[8] = 8;
	ck_assert_uint_eq(key_of(&f).class_id, class);
	ck_assert_uint_eq(key_of(&f).flow_id, 0x01020304);
	ports(&f, IPPROTO_UDP, SAL_UDP_PORT_CLIENT, SAL_UDP_PORT_SERVER);
	p = f.bytes + 42;
	memcpy(p, (uint8_t[]){ 1, 2, 3, 4, 9, 9, 9, 9, 3, IPPROTO_UDP }, 10);
	ck_assert_str_eq(text_of(&f), "sal/udp 10.0.0.1 > 10.0.0.2 udp");
	ck_assert_uint_eq(key_of(&f).flow_id, 0x01020304);
	f.len = 14 + 20 + 8; /* nothing within: an ordinary datagram */
	ck_assert_str_eq(text_of(&f), "udp 10.0.0.1 > 10.0.0.2");
}
END_TEST

START_TEST(tags_are_part_of_the_class)
{
	struct test_frame f;
	uint64_t class;

	ports(&f, IPPROTO_TCP, 40000, 80);
	class = key_of(&f).class_id;
	memmove(f.bytes + 16, f.bytes + 12, 80);
	f.len += 4;
	memcpy(f.bytes + 12, (uint8_t[]){ 0x81, 0, 0xe0, 5 }, 4);
	ck_assert_str_eq(text_of(&f), "vlan 5 tcp 10.0.0.1 > 10.0.0.2:80");
	ck_assert_uint_ne(key_of(&f).class_id, class);
}
END_TEST

START_TEST(what_is_something_else_goes_by_its_type)
{
	struct test_frame f = { .len = 60 };

	frame_put16(f.bytes + 12, 0x88cc);
	ck_assert_str_eq(text_of(&f), "ethertype 0x88cc");
	frame_put16(f.bytes + 12, 38); /* a length: spanning tree */
	ck_assert_str_eq(text_of(&f), "ethertype 0x0000");
	frame_ipv4(&f, 47, 1, 2);
	ck_assert_str_eq(text_of(&f), "ip-47 10.0.0.1 > 10.0.0.2");
	f.bytes[14] = 0x44; /* a header too short to be one */
	ck_assert_str_eq(text_of(&f), "ethertype 0x0800");
	f.len = 0;
	ck_assert_str_eq(text_of(&f), "ethertype 0x0000");
}
END_TEST

START_TEST(only_ect_may_be_marked)
{
	for (int codepoint = 0; codepoint < 4; codepoint++) {
		bool want = codepoint == 1 || codepoint == 2;
		struct test_frame f;

		ports(&f, IPPROTO_TCP, 40000, 80);
		f.bytes[15] = (uint8_t)(0xb8 | codepoint);
		ck_assert_int_eq(key_of(&f).ecn_capable, want);
		ipv6(&f, IPPROTO_TCP);
		f.bytes[15] = (uint8_t)(codepoint << 4);
		ck_assert_int_eq(key_of(&f).ecn_capable, want);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_classify");
	TCase *c = tcase_create("classify");

	tcase_add_loop_test(c, the_port_that_somebody_chose_is_the_class, 0,
			    sizeof(by_port) / sizeof(*by_port));
	tcase_add_test(c, ephemeral_ports_tell_only_flows_apart);
	tcase_add_test(c, classes_keep_their_numbers);
	tcase_add_test(c, echoes_are_told_by_type_and_id);
	tcase_add_test(c, control_traffic_is_one_class);
	tcase_add_test(c, fragments_count_by_addresses_and_protocol);
	tcase_add_test(c, extension_headers_are_bounded);
	tcase_add_test(c, a_service_flow_is_told_by_its_source);
	tcase_add_test(c, tags_are_part_of_the_class);
	tcase_add_test(c, what_is_something_else_goes_by_its_type);
	tcase_add_test(c, only_ect_may_be_marked);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
