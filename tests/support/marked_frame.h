/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames as a probe's packets would look on the wire (checksums left zero). */
#ifndef TESTS_MARKED_FRAME_H
#define TESTS_MARKED_FRAME_H

#include "orchestrator/observe/packet.h"
#include "stream/mark.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>

struct marked_frame {
	uint8_t bytes[14 + 20 + 8 + PROBE_MARK_SIZE];
};

/* protocol: IPPROTO_ICMP (type as given) or IPPROTO_UDP (type unused). */
static inline struct marked_frame marked_frame(uint8_t protocol, uint8_t type,
					       uint32_t probe, uint64_t seq)
{
	struct marked_frame f = { { 0 } };
	struct ether_header eth = { .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = { .version = 4,
			    .ihl = 5,
			    .ttl = 64,
			    .protocol = protocol,
			    .tot_len = htons(sizeof(f.bytes) - 14),
			    .saddr = htonl(0x0a400002),
			    .daddr = htonl(0x0a400001) };
	struct icmphdr icmp = { .type = type };
	struct udphdr udp = { .source = htons(7),
			      .dest = htons(40000),
			      .len = htons(8 + PROBE_MARK_SIZE) };
	struct probe_mark mark = { probe, seq };

	memcpy(f.bytes, &eth, 14);
	memcpy(f.bytes + 14, &ip, 20);
	if (protocol == IPPROTO_UDP)
		memcpy(f.bytes + 34, &udp, 8);
	else
		memcpy(f.bytes + 34, &icmp, 8);
	probe_mark_put(f.bytes + 42, &mark);
	return f;
}

#endif
