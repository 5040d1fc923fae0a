/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service IDs: 256 bits that name a service, and prefixes of them.
 *
 * Their text is one of
 *
 *     16385          decimal, as Serval's own tools write it: the first
 *                    32-bit word (network byte order), the rest zero
 *     0x00004001...  64 hexadecimal digits; "0x" may be left out
 *     0xfd5e40/20    a prefix: at least as many digits as it takes to hold
 *                    its bits, from the left; what is missing is zero
 *
 * A decimal may be a prefix too ("16385/32"). Bits set beyond a prefix's
 * length are refused: more likely than not the length is a slip.
 */
#ifndef SERVAL_SERVICE_ID_H
#define SERVAL_SERVICE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_ID_LEN 32
#define SERVICE_ID_BITS 256

/* Has alignment 1, so that one inside a packet can be pointed at. */
struct service_id {
	uint8_t bytes[SERVICE_ID_LEN];
};

struct service_prefix {
	struct service_id id; /* zero beyond bits */
	uint16_t bits; /* 0 to 256 */
};

/* Room for the longest text, with "/256" and the NUL. */
#define SERVICE_ID_TEXT_MAX 72

/* 0, -EINVAL (not of this form) or -ERANGE (a number too large). */
int service_id_parse(const char *text, struct service_id *out);
/*
 * As service_id_parse(), a whole ID being a prefix of 256 bits. -EINVAL also
 * where bits are set beyond the length.
 */
int service_prefix_parse(const char *text, struct service_prefix *out);

/*
 * Return buf. An ID is decimal where all but the first word is zero and the
 * word is not, else hexadecimal; a prefix of fewer than 256 bits has just the
 * digits that hold them.
 */
const char *service_id_format(const struct service_id *id, char *buf,
			      size_t size);
const char *service_prefix_format(const struct service_prefix *p, char *buf,
				  size_t size);

bool service_id_equal(const struct service_id *a, const struct service_id *b);
bool service_prefix_contains(const struct service_prefix *p,
			     const struct service_id *id);

/*
 * The ID of a service that has only a name: the prefix, and the leading bits
 * of digest (the SHA-256 of the name) in the room that is left.
 */
struct service_id service_id_under(const struct service_prefix *p,
				   const uint8_t digest[SERVICE_ID_LEN]);

#endif
