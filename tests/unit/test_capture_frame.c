// SPDX-License-Identifier: GPL-2.0-or-later
#include "orchestrator/observe/capture_socket.h"
#include "orchestrator/observe/packet.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <net/if_arp.h>
#include <string.h>

/* A frame as it lies in the ring: with room before it. */
struct slot {
	uint8_t room[26];
	uint8_t bytes[128];
};

static struct capture_frame frame_in(struct slot *s, const void *p, uint32_t n)
{
	memset(s, 0xee, sizeof(*s));
	memcpy(s->bytes, p, n);
	return (struct capture_frame){ .hatype = ARPHRD_ETHER,
				       .data = s->bytes,
				       .captured = n,
				       .length = n };
}

/* UDP 10.0.0.1:1000 to 10.0.0.2:2000, "abc", after the pseudo-header's sum. */
static const uint8_t udp[] = {
	2,    0,    0,	  0,  0,    2,	  2,   0,   0,	 0, 0,	  1,
	8,    0,    0x45, 0,  0,    31,	  0,   0,   0,	 0, 64,	  17,
	0,    0,    10,	  0,  0,    1,	  10,  0,   0,	 2, 0x03, 0xe8,
	0x07, 0xd0, 0,	  11, 0x14, 0x1f, 'a', 'b', 'c',
};

static uint16_t sum_of_udp(const uint8_t *frame, size_t payload)
{
	const uint8_t *p = frame + 26; /* addresses, then the datagram */
	size_t n = 8 + 8 + payload;
	uint32_t sum = (uint32_t)(17 + 8 + payload);

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static void set_checksum(struct capture_frame *f)
{
	f->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->vnet.csum_start = 34;
	f->vnet.csum_offset = 6;
}

START_TEST(checksum_is_completed)
{
	struct slot s;
	struct capture_frame f = frame_in(&s, udp, sizeof(udp));

	ck_assert_uint_ne(sum_of_udp(f.data, 3), 0xffff);
	set_checksum(&f);
	capture_frame_finish(&f);
	ck_assert_uint_eq(sum_of_udp(f.data, 3), 0xffff);
	ck_assert_uint_eq(f.captured, sizeof(udp));
	/* Nothing but the field was touched. */
	ck_assert_mem_eq(f.data, udp, 40);
	ck_assert_mem_eq(f.data + 42, "abc", 3);
}
END_TEST

/* A sum of zero would mean "no checksum". */
START_TEST(checksum_is_never_zero)
{
	uint8_t bytes[sizeof(udp) - 1];
	struct slot s;
	struct capture_frame f;
	uint16_t rest;

	memcpy(bytes, udp, sizeof(bytes));
	bytes[40] = bytes[41] = bytes[42] = bytes[43] = 0;
	rest = 0;
	for (size_t i = 34; i < sizeof(bytes); i += 2) {
		uint32_t sum = rest + (uint32_t)(bytes[i] << 8 | bytes[i + 1]);

		rest = (uint16_t)((sum & 0xffff) + (sum >> 16));
	}
	rest = (uint16_t)~rest;
	bytes[42] = (uint8_t)(rest >> 8);
	bytes[43] = (uint8_t)rest;
	f = frame_in(&s, bytes, sizeof(bytes));
	set_checksum(&f);
	capture_frame_finish(&f);
	ck_assert_mem_eq(f.data + 40, "\xff\xff", 2);
}
END_TEST

START_TEST(checksum_of_a_part_is_left_alone)
{
	struct slot s;
	struct capture_frame f = frame_in(&s, udp, sizeof(udp));

	set_checksum(&f);
	f.length++;
	capture_frame_finish(&f);
	ck_assert_mem_eq(f.data, udp, sizeof(udp));
	f.length--;
	f.vnet.csum_offset = 65535; /* nowhere in the frame */
	capture_frame_finish(&f);
	ck_assert_mem_eq(f.data, udp, sizeof(udp));
}
END_TEST

START_TEST(vlan_tag_is_put_back)
{
	struct slot s;
	struct capture_frame f = frame_in(&s, udp, sizeof(udp));
	struct packet_info info;

	f.has_vlan = true;
	f.vlan_tpid = 0x8100;
	f.vlan_tci = 0x2005;
	set_checksum(&f);
	capture_frame_finish(&f);
	ck_assert_uint_eq(f.captured, sizeof(udp) + 4);
	ck_assert_uint_eq(f.length, sizeof(udp) + 4);
	ck_assert_mem_eq(f.data, udp, 12);
	ck_assert_mem_eq(f.data + 12, "\x81\x00\x20\x05\x08\x00", 6);
	packet_parse(f.data, f.captured, &info);
	ck_assert_int_eq(info.kind, PACKET_UDP);
	ck_assert_mem_eq(info.payload, "abc", 3);
	ck_assert_uint_eq(sum_of_udp(f.data + 4, 3), 0xffff);
}
END_TEST

START_TEST(tun_gets_a_link_layer)
{
	struct slot s;
	struct capture_frame f = frame_in(&s, udp + 14, sizeof(udp) - 14);
	struct packet_info info;

	f.hatype = ARPHRD_NONE;
	f.protocol = 0x0800;
	capture_frame_finish(&f);
	ck_assert_uint_eq(f.captured, sizeof(udp));
	packet_parse(f.data, f.captured, &info);
	ck_assert_int_eq(info.kind, PACKET_UDP);
	ck_assert_uint_eq(info.dport, 2000);
	ck_assert_mem_eq(info.payload, "abc", 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("capture_frame");
	TCase *tc = tcase_create("capture_frame");

	tcase_add_test(tc, checksum_is_completed);
	tcase_add_test(tc, checksum_is_never_zero);
	tcase_add_test(tc, checksum_of_a_part_is_left_alone);
	tcase_add_test(tc, vlan_tag_is_put_back);
	tcase_add_test(tc, tun_gets_a_link_layer);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
