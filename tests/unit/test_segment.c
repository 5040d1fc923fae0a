/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmentation against an independent account of what the pieces must be: each
 * is put together, summed byte by byte (RFC 1071 as it is written), parsed, and
 * the payloads must be the original's.
 */
#include "node/io/inner.h"
#include "node/io/segment.h"
#include "tests/support/run_suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>

#define PACKET_MAX 65600

static uint8_t packet[PACKET_MAX], payload_out[PACKET_MAX];
static struct sal_outer outer;

static void address(struct ip_addr *a, const char *text)
{
	ck_assert_int_eq(ip_parse_addr(text, a), 0);
}

/* Bytes that differ from their neighbours, the same every time. */
static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void add_words(uint32_t *sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (*sum > 0xffff)
		*sum = (*sum & 0xffff) + (*sum >> 16);
}

/* Over data that holds its own checksum: true where that is right. */
static bool checksum_is_right(const uint8_t *segment, size_t len)
{
	size_t n = ip_addr_size(&outer.inner_src);
	uint32_t sum = 0;

	if (outer.protocol != IPPROTO_ICMP) {
		add_words(&sum, outer.inner_src.bytes, n);
		add_words(&sum, outer.inner_dst.bytes, n);
		sum += (uint32_t)len + outer.protocol;
	}
	add_words(&sum, segment, len);
	return sum == 0xffff;
}

static void use_packet(uint8_t protocol, size_t len, bool v6)
{
	outer = (struct sal_outer){
		.segment = packet,
		.len = len,
		.protocol = protocol,
	};
	address(&outer.inner_src, v6 ? "fd5e::1:2" : "10.254.0.9");
	address(&outer.inner_dst, v6 ? "fd5f::abcd" : "10.255.255.254");
}

/* A TCP segment with all the flags that are of interest. */
static void make_tcp(size_t header_len, size_t payload, uint16_t gso, bool v6)
{
	use_packet(IPPROTO_TCP, header_len + payload, v6);
	fill(packet, outer.len, 7);
	packet[12] = (uint8_t)(header_len / 4 << 4);
	packet[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
	memcpy(packet + 4, "\xff\xff\xff\x00", 4); /* wraps soon */
	outer.offload = (struct sal_offload){
		.needs_csum = true,
		.csum_offset = 16,
		.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
				 VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = gso,
		.header_len = (uint16_t)header_len,
	};
}

static size_t join(const struct segment *piece, uint8_t *out)
{
	memcpy(out, piece->head, piece->head_len);
	if (piece->rest_len)
		memcpy(out + piece->head_len, piece->rest, piece->rest_len);
	return piece->head_len + piece->rest_len;
}

static void check_tcp_piece(const uint8_t *s, size_t len, size_t header_len,
			    size_t done, bool last)
{
	uint8_t flags = 0x10;

	if (!done)
		flags |= 0x80;
	if (last)
		flags |= 0x08 | 0x01;
	ck_assert_uint_eq(get32(s + 4), 0xffffff00u + (uint32_t)done);
	ck_assert_uint_eq(s[13], flags);
	ck_assert(checksum_is_right(s, len));
	/* Ports, ACK, length; window; urgent pointer and options. */
	ck_assert_mem_eq(s, packet, 4);
	ck_assert_mem_eq(s + 8, packet + 8, 5);
	ck_assert_mem_eq(s + 14, packet + 14, 2);
	ck_assert_mem_eq(s + 18, packet + 18, header_len - 18);
}

static void check_tcp(size_t header_len, size_t payload, uint16_t gso, bool v6)
{
	static uint8_t whole[PACKET_MAX];
	struct segmenter segmenter;
	struct segment piece;
	size_t done = 0, pieces = 0;

	make_tcp(header_len, payload, gso, v6);
	ck_assert_int_eq(segment_start(&segmenter, &outer), 0);
	while (segment_next(&segmenter, &piece)) {
		size_t len = join(&piece, whole), n = len - header_len;

		ck_assert_uint_le(n, gso);
		check_tcp_piece(whole, len, header_len, done,
				done + n == payload);
		memcpy(payload_out + done, whole + header_len, n);
		done += n;
		pieces++;
	}
	ck_assert_uint_eq(done, payload);
	ck_assert_uint_eq(pieces, payload ? (payload + gso - 1) / gso : 1);
	ck_assert_mem_eq(payload_out, packet + header_len, payload);
}

START_TEST(tcp_is_cut_into_segments)
{
	static const size_t payloads[] = { 0,	 1,    2,     1407,  1408,
					   1409, 2816, 12345, 59999, 60000 };

	for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++)
		for (size_t header = 20; header <= 60; header += 4)
			for (int v6 = 0; v6 < 2; v6++)
				check_tcp(header, payloads[i],
					  (uint16_t)(1408 + header % 3), v6);
}
END_TEST

START_TEST(udp_is_cut_into_datagrams)
{
	static uint8_t whole[PACKET_MAX];
	struct segmenter segmenter;
	struct segment piece;
	size_t done = 0;

	use_packet(IPPROTO_UDP, 8 + 5001, true);
	fill(packet, outer.len, 3);
	outer.offload = (struct sal_offload){
		.needs_csum = true,
		.csum_offset = 6,
		.gso_type = 5, /* VIRTIO_NET_HDR_GSO_UDP_L4 */
		.gso_size = 1000,
		.header_len = 8,
	};
	ck_assert_int_eq(segment_start(&segmenter, &outer), 0);
	while (segment_next(&segmenter, &piece)) {
		size_t len = join(&piece, whole);

		ck_assert_uint_eq(get16(whole + 4), len);
		ck_assert_uint_eq(len, done < 5000 ? 1008 : 9);
		ck_assert(checksum_is_right(whole, len));
		ck_assert_mem_eq(whole, packet, 4);
		memcpy(payload_out + done, whole + 8, len - 8);
		done += len - 8;
	}
	ck_assert_uint_eq(done, 5001);
	ck_assert_mem_eq(payload_out, packet + 8, done);
}
END_TEST

START_TEST(missing_checksum_is_filled_in)
{
	static const struct {
		uint8_t protocol;
		uint16_t at;
	} kinds[] = { { IPPROTO_TCP, 16 },
		      { IPPROTO_UDP, 6 },
		      { IPPROTO_ICMPV6, 2 },
		      { IPPROTO_ICMP, 2 } };
	static uint8_t whole[PACKET_MAX];
	struct segmenter segmenter;
	struct segment piece;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (size_t len = 24; len < 60; len++) {
			use_packet(kinds[i].protocol, len, i % 2);
			fill(packet, len, (unsigned)len);
			outer.offload.needs_csum = true;
			outer.offload.csum_offset = kinds[i].at;
			ck_assert_int_eq(segment_start(&segmenter, &outer), 0);
			ck_assert(segment_next(&segmenter, &piece));
			ck_assert_uint_eq(join(&piece, whole), len);
			ck_assert(checksum_is_right(whole, len));
			ck_assert(!segment_next(&segmenter, &piece));
		}
	}
}
END_TEST

/* Two bytes of payload that make the sum of all else ffff: its complement is
 * 0, which UDP must not send. */
START_TEST(udp_never_says_that_it_has_no_checksum)
{
	struct segmenter segmenter;
	struct segment piece;
	uint32_t sum = 0;

	use_packet(IPPROTO_UDP, 10, false);
	memcpy(packet, "\x12\x34\x56\x78\x00\x0a\x00\x00\x00\x00", 10);
	add_words(&sum, outer.inner_src.bytes, 4);
	add_words(&sum, outer.inner_dst.bytes, 4);
	sum += 10 + IPPROTO_UDP;
	add_words(&sum, packet, 10);
	packet[8] = (uint8_t)(~sum >> 8);
	packet[9] = (uint8_t)~sum;
	outer.offload.needs_csum = true;
	outer.offload.csum_offset = 6;
	ck_assert_int_eq(segment_start(&segmenter, &outer), 0);
	ck_assert(segment_next(&segmenter, &piece));
	ck_assert_uint_eq(get16(piece.head + 6), 0xffff);
}
END_TEST

START_TEST(whole_packets_are_not_touched)
{
	struct segmenter segmenter;
	struct segment piece;

	use_packet(IPPROTO_TCP, 1000, false);
	ck_assert_int_eq(segment_start(&segmenter, &outer), 0);
	ck_assert(segment_next(&segmenter, &piece));
	ck_assert_uint_eq(piece.head_len, 0);
	ck_assert_ptr_eq(piece.rest, packet);
	ck_assert_uint_eq(piece.rest_len, 1000);
	ck_assert(!segment_next(&segmenter, &piece));

	/* A control packet has no segment at all, and is still a packet. */
	outer.segment = NULL;
	outer.len = 0;
	ck_assert_int_eq(segment_start(&segmenter, &outer), 0);
	ck_assert(segment_next(&segmenter, &piece));
	ck_assert_uint_eq(piece.head_len + piece.rest_len, 0);
	ck_assert(!segment_next(&segmenter, &piece));
}
END_TEST

START_TEST(contradictions_are_refused)
{
	struct segmenter segmenter;

	make_tcp(20, 100, 50, false);
	packet[12] = 0x40; /* a header of 16 bytes */
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	make_tcp(20, 100, 50, false);
	packet[12] = 0xf0;
	outer.len = 59; /* shorter than its header */
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	make_tcp(20, 100, 0, false);
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	make_tcp(20, 100, 50, false);
	outer.protocol = IPPROTO_UDP;
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	make_tcp(20, 100, 50, false);
	outer.offload.gso_type = 77;
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	use_packet(IPPROTO_UDP, 7, false);
	outer.offload.needs_csum = true;
	outer.offload.csum_offset = 6;
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	outer.len = 1000;
	outer.offload.csum_offset = 7;
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	outer.offload.csum_offset = 60;
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
	outer.offload.csum_offset = UINT16_MAX;
	ck_assert_int_lt(segment_start(&segmenter, &outer), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *tc = tcase_create("segment");

	tcase_add_test(tc, tcp_is_cut_into_segments);
	tcase_add_test(tc, udp_is_cut_into_datagrams);
	tcase_add_test(tc, missing_checksum_is_filled_in);
	tcase_add_test(tc, udp_never_says_that_it_has_no_checksum);
	tcase_add_test(tc, whole_packets_are_not_touched);
	tcase_add_test(tc, contradictions_are_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
