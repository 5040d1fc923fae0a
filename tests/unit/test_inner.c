/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inner packets: from bytes to the engine's view and back, fragments in any
 * order, and bytes that are no packets.
 */
#include "node/io/inner.h"
#include "base/checksum.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const struct virtio_net_hdr plain;
static uint8_t segment[65536], packet[65600];

static struct sal_inner make_inner(bool v6, size_t len)
{
	struct sal_inner p = { .protocol = IPPROTO_UDP,
			       .segment = segment,
			       .len = len,
			       .ip = { .traffic_class = 0xb9,
				       .ttl = 17,
				       .dont_fragment = true } };

	ck_assert_int_eq(ip_parse_addr(v6 ? "fd5e::1" : "10.254.0.1", &p.src),
			 0);
	ck_assert_int_eq(ip_parse_addr(v6 ? "fd5f::2" : "10.255.0.2", &p.dst),
			 0);
	return p;
}

/* The packet as it would be on the TUN; returns its length. */
static size_t build(const struct sal_inner *p, struct virtio_net_hdr *vnet)
{
	size_t n = inner_header(p, 77, packet, vnet);

	ck_assert_uint_gt(n, 0);
	memcpy(packet + n, p->segment, p->len);
	return n + p->len;
}

START_TEST(what_is_built_is_parsed_again)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct sal_inner p = make_inner(v6, 1200), q;
		struct virtio_net_hdr vnet;
		struct fragment f;
		size_t n;

		p.offload = (struct sal_offload){ .needs_csum = true,
						  .csum_offset = 6,
						  .gso_type = 5,
						  .gso_size = 500,
						  .header_len = 8 };
		n = build(&p, &vnet);
		ck_assert_uint_eq(vnet.csum_start, v6 ? 40 : 20);
		ck_assert_uint_eq(vnet.hdr_len, (v6 ? 40 : 20) + 8);
		ck_assert_int_eq(inner_parse(&vnet, packet, n, &q, &f),
				 INNER_WHOLE);
		ck_assert(ip_addr_equal(&p.src, &q.src));
		ck_assert(ip_addr_equal(&p.dst, &q.dst));
		ck_assert_uint_eq(q.protocol, p.protocol);
		ck_assert_uint_eq(q.len, p.len);
		ck_assert_mem_eq(q.segment, segment, p.len);
		ck_assert_uint_eq(q.ip.traffic_class, 0xb9);
		ck_assert_uint_eq(q.ip.ttl, 17);
		ck_assert(q.ip.dont_fragment);
		ck_assert(q.offload.needs_csum);
		ck_assert_uint_eq(q.offload.csum_offset, 6);
		ck_assert_uint_eq(q.offload.gso_type, 5);
		ck_assert_uint_eq(q.offload.gso_size, 500);
		ck_assert_uint_eq(q.offload.header_len, 8);
		if (!v6)
			ck_assert_uint_eq(
				checksum_finish(checksum_add(0, packet, 20)),
				0);
		/* Cut anywhere, it is no packet. */
		for (size_t cut = 0; cut < n; cut++) {
			uint8_t *copy = malloc(cut + 1);

			memcpy(copy, packet, cut);
			ck_assert_int_eq(inner_parse(&vnet, copy, cut, &q, &f),
					 INNER_MALFORMED);
			free(copy);
		}
	}
}
END_TEST

START_TEST(impossible_packets_are_not_built)
{
	uint8_t header[INNER_HEADER_MAX];
	struct virtio_net_hdr vnet;
	struct sal_inner p = make_inner(false, 65516);

	ck_assert_uint_eq(inner_header(&p, 0, header, &vnet), 0);
	p = make_inner(true, 65536);
	ck_assert_uint_eq(inner_header(&p, 0, header, &vnet), 0);
	p = make_inner(true, 8);
	p.src = make_inner(false, 8).src;
	ck_assert_uint_eq(inner_header(&p, 0, header, &vnet), 0);
	p.src.family = p.dst.family = AF_UNSPEC;
	ck_assert_uint_eq(inner_header(&p, 0, header, &vnet), 0);
}
END_TEST

/* Hop-by-hop and destination options are stepped over. */
START_TEST(extension_headers_are_skipped)
{
	struct sal_inner p = make_inner(true, 40), q;
	struct virtio_net_hdr vnet;
	struct fragment f;
	size_t n = build(&p, &vnet);

	memmove(packet + 64, packet + 40, 40);
	memset(packet + 40, 0, 24);
	packet[5] += 24;
	packet[6] = IPPROTO_HOPOPTS;
	packet[40] = IPPROTO_DSTOPTS;
	packet[48] = IPPROTO_UDP;
	packet[49] = 1; /* 16 bytes */
	ck_assert_int_eq(inner_parse(&plain, packet, n + 24, &q, &f),
			 INNER_WHOLE);
	ck_assert_uint_eq(q.protocol, IPPROTO_UDP);
	ck_assert_ptr_eq(q.segment, packet + 64);
	ck_assert_uint_eq(q.len, 40);
	packet[49] = 9; /* beyond the end */
	ck_assert_int_eq(inner_parse(&plain, packet, n + 24, &q, &f),
			 INNER_MALFORMED);
}
END_TEST

START_TEST(offloads_that_lie_are_malformed)
{
	struct sal_inner p = make_inner(false, 100), q;
	struct virtio_net_hdr vnet;
	struct fragment f;
	size_t n = build(&p, &vnet);

	vnet = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					.csum_start = 24,
					.csum_offset = 6 };
	ck_assert_int_eq(inner_parse(&vnet, packet, n, &q, &f),
			 INNER_MALFORMED);
	vnet.csum_start = 20;
	vnet.csum_offset = 99;
	ck_assert_int_eq(inner_parse(&vnet, packet, n, &q, &f),
			 INNER_MALFORMED);
	vnet.csum_offset = UINT16_MAX;
	ck_assert_int_eq(inner_parse(&vnet, packet, n, &q, &f),
			 INNER_MALFORMED);
	vnet = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					.gso_size = 100 };
	ck_assert_int_eq(inner_parse(&vnet, packet, n, &q, &f),
			 INNER_MALFORMED);
}
END_TEST

/* ---- reassembly ------------------------------------------------------- */

static struct reassembly *r;
static uint64_t dropped;

static void setup(void)
{
	for (size_t i = 0; i < sizeof(segment); i++)
		segment[i] = (uint8_t)(i * 31 + (i >> 8));
	r = reassembly_new();
	ck_assert_ptr_nonnull(r);
	dropped = 0;
}

static void teardown(void)
{
	r = reassembly_free(r);
}

static const uint8_t *add(uint32_t id, size_t offset, size_t len, bool more,
			  int64_t now, size_t *out_len)
{
	struct fragment f = { .id = id,
			      .protocol = IPPROTO_UDP,
			      .offset = (uint16_t)offset,
			      .more = more,
			      .bytes = segment + offset,
			      .len = len };

	f.src = make_inner(false, 0).src;
	f.dst = make_inner(false, 0).dst;
	return reassembly_add(r, &f, now, out_len, &dropped);
}

/* Every order of five fragments, the last one of an odd length. */
START_TEST(fragments_come_in_any_order)
{
	static const size_t at[] = { 0, 1480, 2960, 4440, 5920, 6001 };

	for (unsigned order = 0; order < 120; order++) {
		int left[] = { 0, 1, 2, 3, 4 };
		const uint8_t *whole = NULL;
		unsigned code = order;
		size_t len = 0;

		for (unsigned n = 5; n > 0; n--) {
			unsigned pick = code % n;
			int i = left[pick];

			ck_assert_ptr_null(whole);
			code /= n;
			left[pick] = left[n - 1];
			whole = add(order, at[i], at[i + 1] - at[i], i < 4, 0,
				    &len);
		}
		ck_assert_ptr_nonnull(whole);
		ck_assert_uint_eq(len, 6001);
		ck_assert_mem_eq(whole, segment, len);
	}
	ck_assert_uint_eq(dropped, 0);
}
END_TEST

START_TEST(contradictory_fragments_end_the_packet)
{
	size_t len;

	add(1, 0, 16, true, 0, &len);
	add(1, 8, 16, true, 0, &len); /* overlaps */
	ck_assert_uint_eq(dropped, 1);
	add(2, 0, 15, true, 0, &len); /* not in units of 8 */
	ck_assert_uint_eq(dropped, 2);
	add(3, 16, 8, false, 0, &len);
	add(3, 24, 8, true, 0, &len); /* beyond the end */
	ck_assert_uint_eq(dropped, 3);
	add(4, 24, 8, true, 0, &len);
	add(4, 0, 8, false, 0, &len); /* an end before what came */
	ck_assert_uint_eq(dropped, 4);
	add(5, 65528, 8, false, 0, &len); /* longer than a packet may be */
	ck_assert_uint_eq(dropped, 5);
	add(6, 0, 0, false, 0, &len);
	ck_assert_uint_eq(dropped, 6);
}
END_TEST

START_TEST(the_oldest_and_the_late_give_way)
{
	size_t len;

	for (uint32_t id = 0; id < 9; id++)
		ck_assert_ptr_null(add(id, 0, 8, true, id, &len));
	ck_assert_uint_eq(dropped, 1);
	ck_assert_ptr_nonnull(add(1, 8, 3, false, 9, &len)); /* still there */
	ck_assert_uint_eq(len, 11);
	/* Packet 0 was pushed out, and its rest is a beginning. */
	ck_assert_ptr_null(add(0, 8, 8, false, 9, &len));
	ck_assert_uint_eq(dropped, 1);
	/* All that are left are late. */
	ck_assert_ptr_null(
		add(2, 8, 8, false, 10 + REASSEMBLY_TIMEOUT_NS, &len));
	ck_assert_uint_eq(dropped, 1 + 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inner");
	TCase *tc = tcase_create("inner");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_built_is_parsed_again);
	tcase_add_test(tc, impossible_packets_are_not_built);
	tcase_add_test(tc, extension_headers_are_skipped);
	tcase_add_test(tc, offloads_that_lie_are_malformed);
	tcase_add_test(tc, fragments_come_in_any_order);
	tcase_add_test(tc, contradictory_fragments_end_the_packet);
	tcase_add_test(tc, the_oldest_and_the_late_give_way);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
