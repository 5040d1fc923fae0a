/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames with a virtio header: what is believed, and what is made of them. */
#include "base/checksum.h"
#include "orchestrator/emulate/frame.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define FIN 0x01
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

static struct virtio_net_hdr header;
static uint8_t frame[FRAME_MAX];
static size_t frame_len;

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static unsigned get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

struct kind {
	bool v6, udp, tagged;
};
static const struct kind kinds[] = {
	{ false, false, false }, { true, false, false }, { false, true, false },
	{ true, true, false },	 { false, false, true }, { true, true, true },
};
#define KINDS (int)(sizeof(kinds) / sizeof(kinds[0]))

/* A train with so much payload, in segments of gso_size. */
static void make_train(const struct kind *k, size_t payload, uint16_t gso_size)
{
	size_t at = ETH_HLEN, transport, head;

	memset(frame, 0, sizeof(frame));
	if (k->tagged) {
		put16(frame + 12, ETHERTYPE_VLAN);
		at += 4;
	}
	put16(frame + at - 2, k->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	transport = at + (k->v6 ? 40 : 20);
	head = transport + (k->udp ? 8 : 32);
	frame_len = head + payload;
	for (size_t i = 0; i < payload; i++)
		frame[head + i] = (uint8_t)(i * 7 + i / 256);
	if (k->v6) {
		frame[at] = 0x60;
		put16(frame + at + 4, (unsigned)(frame_len - at - 40));
		frame[at + 6] = k->udp ? IPPROTO_UDP : IPPROTO_TCP;
		memset(frame + at + 8, 0x21, 32);
	} else {
		frame[at] = 0x45;
		put16(frame + at + 2, (unsigned)(frame_len - at));
		put16(frame + at + 4, 0xfffe); /* goes round */
		frame[at + 9] = k->udp ? IPPROTO_UDP : IPPROTO_TCP;
		memset(frame + at + 12, 0x0a, 8);
	}
	if (k->udp) {
		put16(frame + transport + 4, (unsigned)(frame_len - transport));
	} else {
		memset(frame + transport + 4, 0xff, 4); /* goes round */
		frame[transport + 12] = 0x80;
		frame[transport + 13] = FIN | PSH | ACK | CWR;
	}
	header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = k->udp ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			    k->v6  ? VIRTIO_NET_HDR_GSO_TCPV6 :
				     VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)head,
		.gso_size = gso_size,
		.csum_start = (uint16_t)transport,
		.csum_offset = k->udp ? 6 : 16,
	};
}

static struct frame_shape inspect(void)
{
	struct frame_shape shape;

	ck_assert_int_eq(frame_inspect(&header, frame, frame_len, &shape), 0);
	return shape;
}

static void refused(void)
{
	struct frame_shape shape;

	ck_assert_int_eq(frame_inspect(&header, frame, frame_len, &shape),
			 -EINVAL);
}

/* Does the segment's transport checksum hold, by the addresses of its own IP
 * header? */
static void check_checksums(const struct kind *k, const uint8_t *f, size_t len)
{
	size_t at = k->tagged ? 18 : 14, transport = at + (k->v6 ? 40 : 20);
	struct ip_addr src = { .family = k->v6 ? AF_INET6 : AF_INET };
	struct ip_addr dst = src;

	memcpy(src.bytes, f + at + (k->v6 ? 8 : 12), ip_addr_size(&src));
	memcpy(dst.bytes, f + at + (k->v6 ? 24 : 16), ip_addr_size(&dst));
	ck_assert_int_eq(transport_checksum_check(
				 k->udp ? IPPROTO_UDP : IPPROTO_TCP, &src, &dst,
				 f + transport, len - transport),
			 TRANSPORT_CHECKSUM_GOOD);
	if (!k->v6)
		ck_assert_uint_eq(checksum_finish(checksum_add(0, f + at, 20)),
				  0);
}

START_TEST(trains_are_cut)
{
	const struct kind *k = &kinds[_i];
	size_t at = k->tagged ? 18 : 14, transport = at + (k->v6 ? 40 : 20);
	size_t payload = 10 * 1400 + 77, seen = 0;
	struct frame_shape shape;

	make_train(k, payload, 1400);
	shape = inspect();
	ck_assert_uint_eq(shape.segments, 11);
	ck_assert_uint_eq(shape.bytes, shape.header + 1400);
	ck_assert_uint_eq(shape.last_bytes, shape.header + 77);
	for (uint32_t i = 0; i < shape.segments; i++) {
		uint8_t *out = malloc(shape.bytes); /* for the sanitizer */
		struct virtio_net_hdr h;
		size_t n = frame_segment(&shape, &header, frame, i, out, &h);

		ck_assert_uint_eq(n, i < 10 ? shape.bytes : shape.last_bytes);
		ck_assert_mem_eq(out + shape.header,
				 frame + shape.header + seen, n - shape.header);
		ck_assert_uint_eq(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		if (k->v6)
			ck_assert_uint_eq(get16(out + at + 4), n - at - 40);
		else
			ck_assert_uint_eq(get16(out + at + 2), n - at);
		if (!k->v6)
			ck_assert_uint_eq(get16(out + at + 4),
					  (0xfffe + i) & 0xffff);
		if (k->udp) {
			ck_assert_uint_eq(get16(out + transport + 4),
					  n - transport);
		} else {
			ck_assert_uint_eq(get32(out + transport + 4),
					  UINT32_MAX + (uint32_t)seen);
			ck_assert_uint_eq(out[transport + 13],
					  ACK | (i == 0 ? CWR : 0) |
						  (i == 10 ? FIN | PSH : 0));
		}
		seen += n - shape.header;
		frame_complete(&h, out, n);
		ck_assert_uint_eq(h.flags, 0);
		check_checksums(k, out, n);
		free(out);
	}
	ck_assert_uint_eq(seen, payload);
}
END_TEST

START_TEST(exact_multiples_have_no_empty_segment)
{
	struct frame_shape shape;

	make_train(&kinds[_i], 2800, 1400);
	shape = inspect();
	ck_assert_uint_eq(shape.segments, 2);
	ck_assert_uint_eq(shape.last_bytes, shape.bytes);
}
END_TEST

START_TEST(a_train_of_one_is_an_ordinary_frame)
{
	struct frame_shape shape;

	make_train(&kinds[_i], 1400, 1400);
	shape = inspect();
	ck_assert_uint_eq(shape.segments, 1);
	ck_assert_uint_eq(shape.bytes, frame_len);
	frame_settle(&header, &shape);
	ck_assert_uint_eq(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	ck_assert_uint_eq(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
}
END_TEST

START_TEST(settling_keeps_a_train)
{
	struct frame_shape shape;

	make_train(&kinds[0], 60000, 1400);
	header.flags |= VIRTIO_NET_HDR_F_DATA_VALID;
	header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	header.hdr_len = 60000;
	shape = inspect();
	frame_settle(&header, &shape);
	ck_assert_uint_eq(header.gso_type,
			  VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	ck_assert_uint_eq(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(header.hdr_len, shape.header);
}
END_TEST

/* One thing wrong at a time. */
START_TEST(contradictions_are_refused)
{
	const struct kind *k = &kinds[_i];
	struct virtio_net_hdr good;
	size_t at = k->tagged ? 18 : 14;

	make_train(k, 5000, 1400);
	good = header;
	inspect();
	header.gso_size = 0;
	refused();
	header = good;
	header.flags = 0;
	refused();
	header = good;
	header.gso_type = 3; /* UFO: never asked for */
	refused();
	header = good;
	header.gso_type = 77;
	refused();
	header = good;
	header.gso_type =
		k->udp ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_UDP_L4;
	refused();
	header = good;
	header.csum_offset++;
	refused();
	header = good;
	header.csum_start = (uint16_t)at;
	refused();
	header = good;
	header.csum_start = (uint16_t)(frame_len - 1);
	refused();
	header = good;
	header.csum_start = UINT16_MAX;
	header.csum_offset = UINT16_MAX;
	refused();
	header = good;
	frame[at] ^= 0x30; /* the version */
	refused();
	frame[at] ^= 0x30;
	if (!k->v6) {
		frame[at] = 0x44; /* a header of 16 bytes */
		refused();
		frame[at] = 0x46; /* of 24, where the transport begins */
		refused();
		frame[at] = 0x45;
	}
	if (!k->udp) {
		frame[header.csum_start + 12] = 0x40;
		refused();
		frame[header.csum_start + 12] = 0x80;
	}
	put16(frame + at - 2, 0x1234); /* not IP at all */
	refused();
	put16(frame + at - 2, k->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	inspect();
	for (frame_len = 0; frame_len < header.csum_start + 8u; frame_len++)
		refused();
}
END_TEST

START_TEST(ordinary_frames_are_taken_as_they_are)
{
	struct frame_shape shape;

	memset(frame, 0, sizeof(frame));
	header =
		(struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	for (frame_len = 0; frame_len < ETH_HLEN; frame_len++)
		refused();
	frame_len = 60;
	shape = inspect();
	ck_assert_uint_eq(shape.segments, 1);
	ck_assert_uint_eq(shape.bytes, 60);
	ck_assert_uint_eq(shape.last_bytes, 60);
	frame_settle(&header, &shape);
	ck_assert_uint_eq(header.flags, 0);
	frame_len = FRAME_MAX + 1;
	refused();
}
END_TEST

/* What is finished is right, and what is damaged then is wrong. */
START_TEST(damage_is_noticed)
{
	const struct kind *k = &kinds[_i];
	struct frame_shape shape;
	struct virtio_net_hdr h;
	uint8_t out[2048];
	size_t n, transport;

	make_train(k, 5000, 1400);
	shape = inspect();
	transport = header.csum_start;
	n = frame_segment(&shape, &header, frame, 1, out, &h);
	frame_complete(&h, out, n);
	for (uint32_t bit = (uint32_t)(transport - ETH_HLEN) * 8;
	     bit < (n - ETH_HLEN) * 8; bit += 61) {
		uint64_t sum;
		uint8_t saved[2048];

		memcpy(saved, out, n);
		frame_flip(out, n, bit);
		sum = checksum_add(0, out + transport, n - transport);
		ck_assert(sum !=
			  checksum_add(0, saved + transport, n - transport));
		ck_assert(memcmp(out, saved, n) != 0);
		frame_flip(out, n, bit);
		ck_assert_mem_eq(out, saved, n);
	}
	/* There is always a bit, unless there is nothing at all. */
	frame_flip(out, n, UINT32_MAX - 1);
	frame_flip(out, ETH_HLEN, 5);
	frame_flip(out, 0, 5);
}
END_TEST

START_TEST(marks_only_what_may_be_marked)
{
	const struct kind *k = &kinds[_i];
	size_t at = k->tagged ? 18 : 14;
	unsigned shift = k->v6 ? 4 : 0;
	uint8_t saved[200];

	for (unsigned ecn = 0; ecn < 4; ecn++) {
		make_train(k, 100, 1400);
		frame[at + 1] |= (uint8_t)(ecn << shift);
		if (!k->v6)
			put16(frame + at + 10,
			      checksum_finish(checksum_add(0, frame + at, 20)));
		memcpy(saved, frame, sizeof(saved));
		ck_assert_int_eq(frame_mark(frame, frame_len), ecn != 0);
		ck_assert_uint_eq(frame[at + 1] >> shift & 3, ecn ? 3 : 0);
		if (!k->v6) {
			ck_assert_uint_eq(checksum_finish(checksum_add(
						  0, frame + at, 20)),
					  0);
			put16(saved + at + 10, get16(frame + at + 10));
		}
		saved[at + 1] = frame[at + 1];
		ck_assert_mem_eq(frame, saved, sizeof(saved));
	}
	for (size_t n = 0; n < at + 20; n++)
		ck_assert(!frame_mark(frame, n));
	memset(frame, 0xff, 60);
	ck_assert(!frame_mark(frame, 60));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("emulate_frame");
	TCase *tc = tcase_create("frame");

	tcase_add_loop_test(tc, trains_are_cut, 0, KINDS);
	tcase_add_loop_test(tc, exact_multiples_have_no_empty_segment, 0,
			    KINDS);
	tcase_add_loop_test(tc, a_train_of_one_is_an_ordinary_frame, 0, KINDS);
	tcase_add_test(tc, settling_keeps_a_train);
	tcase_add_loop_test(tc, contradictions_are_refused, 0, KINDS);
	tcase_add_test(tc, ordinary_frames_are_taken_as_they_are);
	tcase_add_loop_test(tc, damage_is_noticed, 0, KINDS);
	tcase_add_loop_test(tc, marks_only_what_may_be_marked, 0, KINDS);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
