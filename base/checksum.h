/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Internet checksum (RFC 1071), whole and by difference (RFC 1624).
 *
 * A sum under way is a uint64_t that starts as 0. Pieces may be added one by
 * one as long as all but the last have an even length. Checksums are numbers
 * in the host's byte order.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* What belongs into the checksum field; 0 over data that holds its own. */
uint16_t checksum_finish(uint64_t sum);

/*
 * The checksum after len bytes (even, at an even offset) that it covers have
 * changed from before to after. Adding the complement is RFC 1624's equation
 * 3: RFC 1141's, which subtracts, can turn a 0 into ffff.
 */
uint16_t checksum_replace(uint16_t checksum, const void *before,
			  const void *after, size_t len);

/*
 * Transport checksums: protocol 6, 17 or 58 over the pseudo-header of two
 * addresses of one family, 1 (ICMP) over the segment alone. The addresses are
 * the packet's own for native flows, the two inner ones for inner flows; the
 * protocol is the transport's, never 144.
 */
enum transport_checksum {
	TRANSPORT_CHECKSUM_GOOD,
	TRANSPORT_CHECKSUM_BAD,
	TRANSPORT_CHECKSUM_NONE, /* UDP's 0, or a protocol without one */
};

/* A segment too short to hold its checksum is BAD. */
enum transport_checksum transport_checksum_check(uint8_t protocol,
						 const struct ip_addr *src,
						 const struct ip_addr *dst,
						 const uint8_t *segment,
						 size_t len);

/* False: nothing was written; no known checksum, or no room for it. */
bool transport_checksum_set(uint8_t protocol, const struct ip_addr *src,
			    const struct ip_addr *dst, uint8_t *segment,
			    size_t len);

/*
 * Adapts a segment's checksum to another address, by difference, so that a
 * wrong one stays wrong and a UDP 0 stays 0. Both addresses of one family.
 */
void transport_checksum_readdress(uint8_t protocol,
				  const struct ip_addr *before,
				  const struct ip_addr *after, uint8_t *segment,
				  size_t len);

#endif
