/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts the fragments of inner IP packets together again: a fragment has no
 * transport header by which its flow could be found.
 */
#ifndef IO_REASSEMBLY_H
#define IO_REASSEMBLY_H

#include "base/ip.h"

#include <stdint.h>

struct reassembly;

struct fragment {
	struct ip_addr src, dst;
	uint32_t id;
	uint8_t protocol;
	uint16_t offset; /* bytes, a multiple of 8 */
	bool more;
	const uint8_t *bytes; /* borrowed */
	size_t len;
};

/* No memory is used before the first fragment comes. NULL: out of memory. */
struct reassembly *reassembly_new(void);
struct reassembly *reassembly_free(struct reassembly *r); /* returns NULL */

/*
 * Returns the whole payload and its length once the last missing fragment came,
 * valid until the next call; else NULL. *dropped is raised by one for each
 * packet that was given up: overlapping or contradictory fragments, incomplete
 * for REASSEMBLY_TIMEOUT_NS, or pushed out by newer ones.
 */
#define REASSEMBLY_TIMEOUT_NS INT64_C(1000000000)
const uint8_t *reassembly_add(struct reassembly *r, const struct fragment *f,
			      int64_t now_ns, size_t *len, uint64_t *dropped);

#endif
