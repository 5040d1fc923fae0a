/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One's complement sums do not care for byte order (RFC 1071, 2 (B)): words are
 * added as they lie in memory, eight bytes at a time, and only the result is
 * swapped. The end-around carry of a 64-bit addition is as good as four of 16.
 */
#include "base/checksum.h"

#include <endian.h>
#include <netinet/in.h>
#include <string.h>

static uint64_t add_carry(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < a);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = add_carry(sum, word);
	}
	word = 0;
	if (len) {
		memcpy(&word, p, len); /* the rest is padded with zeros */
		sum = add_carry(sum, word);
	}
	return sum;
}

/* To 16 bits, as they lie in memory. */
static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum_finish(uint64_t sum)
{
	return be16toh((uint16_t)~fold(sum));
}

uint16_t checksum_replace(uint16_t checksum, const void *before,
			  const void *after, size_t len)
{
	uint64_t sum = (uint16_t)~htobe16(checksum);

	sum += (uint16_t)~fold(checksum_add(0, before, len));
	return checksum_finish(checksum_add(sum, after, len));
}

/* Where a protocol keeps its checksum; -1: it has none that we know. */
static int checksum_offset(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	default:
		return -1;
	}
}

static uint64_t pseudo_header(uint8_t protocol, const struct ip_addr *src,
			      const struct ip_addr *dst, size_t len)
{
	uint8_t tail[8] = { (uint8_t)(len >> 24),
			    (uint8_t)(len >> 16),
			    (uint8_t)(len >> 8),
			    (uint8_t)len,
			    0,
			    0,
			    0,
			    protocol };
	uint64_t sum;

	if (protocol == IPPROTO_ICMP)
		return 0;
	/* IPv4's has two bytes fewer, all of them zero. */
	sum = checksum_add(0, src->bytes, ip_addr_size(src));
	sum = checksum_add(sum, dst->bytes, ip_addr_size(dst));
	return checksum_add(sum, tail, sizeof(tail));
}

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void store16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

enum transport_checksum transport_checksum_check(uint8_t protocol,
						 const struct ip_addr *src,
						 const struct ip_addr *dst,
						 const uint8_t *segment,
						 size_t len)
{
	int at = checksum_offset(protocol);
	uint64_t sum;

	if (at < 0)
		return TRANSPORT_CHECKSUM_NONE;
	if (len < (size_t)at + 2)
		return TRANSPORT_CHECKSUM_BAD;
	if (protocol == IPPROTO_UDP && !load16(segment + at))
		return TRANSPORT_CHECKSUM_NONE;
	sum = pseudo_header(protocol, src, dst, len);
	return checksum_finish(checksum_add(sum, segment, len)) ?
		       TRANSPORT_CHECKSUM_BAD :
		       TRANSPORT_CHECKSUM_GOOD;
}

/* In UDP 0 means "none", and ffff is the other way to write 0. */
static uint16_t never_none(uint8_t protocol, uint16_t checksum)
{
	return protocol == IPPROTO_UDP && !checksum ? 0xffff : checksum;
}

bool transport_checksum_set(uint8_t protocol, const struct ip_addr *src,
			    const struct ip_addr *dst, uint8_t *segment,
			    size_t len)
{
	int at = checksum_offset(protocol);
	uint64_t sum;

	if (at < 0 || len < (size_t)at + 2)
		return false;
	store16(segment + at, 0);
	sum = pseudo_header(protocol, src, dst, len);
	sum = checksum_add(sum, segment, len);
	store16(segment + at, never_none(protocol, checksum_finish(sum)));
	return true;
}

void transport_checksum_readdress(uint8_t protocol,
				  const struct ip_addr *before,
				  const struct ip_addr *after, uint8_t *segment,
				  size_t len)
{
	int at = checksum_offset(protocol);
	uint16_t checksum;

	if (at < 0 || len < (size_t)at + 2 || protocol == IPPROTO_ICMP)
		return;
	checksum = load16(segment + at);
	if (protocol == IPPROTO_UDP && !checksum)
		return;
	checksum = checksum_replace(checksum, before->bytes, after->bytes,
				    ip_addr_size(before));
	store16(segment + at, never_none(protocol, checksum));
}
