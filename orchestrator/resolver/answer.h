/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to a DNS query, from a zone. Pure: the server is in server.h.
 *
 *     NAME.serval        A, AAAA; ANY: both
 *     x.y.in-addr.arpa,
 *     x.y.ip6.arpa       PTR, of an address that means a name
 *     serval             SOA
 *
 * A name without what is asked for has an empty answer, one that is not there
 * (below serval, or of an address in a range of services') NXDOMAIN, both with
 * the SOA, which allows no caching of that. Anything else is refused: with
 * RCODE 5, not silence, so that a program goes on to whatever else it knows at
 * once. Or it is passed on (others.h).
 */
#ifndef RESOLVER_ANSWER_H
#define RESOLVER_ANSWER_H

#include "orchestrator/names/zone.h"

/* Of an answer over UDP, unless the query allows more; and whatever it allows.
 * (RFC 1035, 4.2.1; https://www.dnsflagday.net/2020 for the other) */
#define RESOLVER_UDP_LEAST 512
#define RESOLVER_UDP_MOST 1232
#define RESOLVER_MESSAGE_MAX 65535

enum resolver_outcome {
	RESOLVER_DROP, /* not a query: there is nobody to answer */
	RESOLVER_ANSWER,
	RESOLVER_REFUSE, /* likewise, by that it is none of ours: may be passed
			    on instead */
};

/* out: of RESOLVER_MESSAGE_MAX bytes, *out_len of which are the answer. */
enum resolver_outcome resolver_answer(struct zone *z, const uint8_t *query,
				      size_t n, bool tcp, uint8_t *out,
				      size_t *out_len);

/* The answer to a query of n >= 12 bytes by this code alone; its length. */
size_t resolver_answer_bare(const uint8_t *query, unsigned rcode, uint8_t *out);
/* The most bytes that the answer to this query, which could be read, may have
 * over UDP. */
size_t resolver_limit(const uint8_t *query, size_t n);

#endif
