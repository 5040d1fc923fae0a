/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SAL packets of a capture in tests/golden, one by one. */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include "base/cursor.h"
#include "base/ip.h"
#include "include/serval/wire.h"

#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdio.h>

struct golden_packet {
	struct ip_addr src;
	struct ip_addr dst;
	const uint8_t *ip; /* the IPv4 header, without options */
	const uint8_t *outer; /* the outer UDP header, or NULL */
	const uint8_t *sal;
	size_t len; /* from the SAL header on */
};

static inline pcap_t *golden_open(const char *name)
{
	char path[512], err[PCAP_ERRBUF_SIZE];

	snprintf(path, sizeof(path), TEST_SOURCE_DIR "/tests/golden/%s.pcap",
		 name);
	return pcap_open_offline(path, err);
}

/* False: the frame is not an IPv4 packet of ours, or not all of it. */
static inline bool golden_parse(const uint8_t *frame, size_t len,
				struct golden_packet *out)
{
	struct cursor c = cursor_make(frame, len);
	uint16_t ethertype, total;
	uint8_t version, protocol;

	*out = (struct golden_packet){ .src.family = AF_INET,
				       .dst.family = AF_INET };
	cursor_take(&c, 12);
	ethertype = cursor_be16(&c);
	out->ip = c.p;
	version = cursor_u8(&c);
	cursor_take(&c, 1);
	total = cursor_be16(&c);
	cursor_take(&c, 5);
	protocol = cursor_u8(&c);
	cursor_take(&c, 2);
	cursor_copy(&c, out->src.bytes, 4);
	cursor_copy(&c, out->dst.bytes, 4);
	if (c.overrun || ethertype != 0x0800 || version != 0x45 || total < 20 ||
	    (size_t)total - 20 != c.left)
		return false;
	if (protocol == IPPROTO_UDP) {
		out->outer = cursor_take(&c, 8);
		if (!out->outer)
			return false;
	} else if (protocol != SAL_IP_PROTOCOL) {
		return false;
	}
	out->sal = c.p;
	out->len = c.left;
	return true;
}

/* As pcap_next_ex(): 1 and a packet, -2 at the end; -1 also where a frame is
 * not what all of these captures hold. */
static inline int golden_next(pcap_t *pcap, struct golden_packet *out)
{
	struct pcap_pkthdr *header;
	const u_char *frame;
	int r = pcap_next_ex(pcap, &header, &frame);

	if (r == 1 && (header->caplen != header->len ||
		       !golden_parse(frame, header->caplen, out)))
		return -1;
	return r;
}

#endif
