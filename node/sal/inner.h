/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a program's packet says about the conversation it belongs to: the ports
 * or the echo id, TCP's numbers, and of an ICMP error the packet that it
 * quotes. Reads headers only, and only within the segment.
 */
#ifndef SAL_INNER_H
#define SAL_INNER_H

#include "node/sal/sal.h"

/* Both ends of a conversation, seen from this host. */
struct sal_tuple {
	struct ip_addr local, remote;
	uint16_t port_local, port_remote; /* ICMP: the echo id in both */
	uint8_t protocol;
};

enum sal_inner_kind {
	SAL_INNER_OTHER, /* nothing that a flow can carry, or cut short */
	SAL_INNER_SEGMENT, /* of a conversation */
	SAL_INNER_ERROR, /* ICMP, about a segment of a conversation */
};

/*
 * Whose packet it is, local being its source. An error's tuple is that of the
 * conversation it is about, seen from the host that sends the error: the quoted
 * packet came in there, so its destination is local.
 */
enum sal_inner_kind sal_inner_tuple(const struct sal_inner *p,
				    struct sal_tuple *out);
void sal_tuple_swap(struct sal_tuple *t);

#define SAL_TCP_FIN 0x01
#define SAL_TCP_SYN 0x02
#define SAL_TCP_RST 0x04
#define SAL_TCP_ACK 0x10

struct sal_tcp {
	uint32_t seq, ack;
	uint32_t seq_end; /* the next one's seq; SYN and FIN count */
	uint8_t flags;
};

/* False: not a whole TCP header. */
bool sal_tcp_parse(const uint8_t *segment, size_t len, struct sal_tcp *out);

/* Whether a comes after b, in TCP's numbers or vernos (RFC 1982). */
static inline bool sal_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

#endif
