/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Just enough of a frame to say whose it is. Pure. */
#ifndef OBSERVE_PACKET_H
#define OBSERVE_PACKET_H

#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packet_kind {
	PACKET_OTHER,
	PACKET_ECHO_REQUEST, /* ICMP or ICMPv6 */
	PACKET_ECHO_REPLY,
	PACKET_UDP,
	PACKET_TCP,
};

struct packet_info {
	enum packet_kind kind;
	struct ip_addr src, dst; /* AF_UNSPEC where it is no IP packet */
	uint8_t protocol; /* the IP header's: 144 for the SAL, whose inner
			     packet the rest is of */
	uint16_t sport, dport; /* UDP, TCP; host order */
	uint16_t echo_id, echo_seq;
	uint8_t tcp_flags;
	const uint8_t *payload; /* behind ICMP's, UDP's or TCP's header */
	size_t payload_len;
};

/* An Ethernet frame, whole or cut off anywhere. Never fails: what cannot be
 * told stays PACKET_OTHER. */
void packet_parse(const uint8_t *frame, size_t len, struct packet_info *out);

#endif
