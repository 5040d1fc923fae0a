/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read of a frame to say whose it is. */
#ifndef LINK_CLASSIFY_H
#define LINK_CLASSIFY_H

#include "orchestrator/link/link.h"

#include <netinet/in.h>

#define VLAN_TAGS_MAX 2
#define VLAN_NONE UINT16_MAX

enum class_kind {
	CLASS_ETHERTYPE, /* told by that alone */
	CLASS_CONTROL,
	CLASS_IP, /* by addresses and protocol: also where no port is known */
	CLASS_FRAGMENT, /* likewise, of a datagram in several packets */
	CLASS_PORT, /* TCP, UDP, ...: and by a known port at one end */
	CLASS_TYPE, /* ICMP: and by its type */
	CLASS_SAL, /* in IP: and by the protocol within */
	CLASS_SAL_UDP, /* the same in UDP */
};

struct class_info {
	enum class_kind kind;
	uint16_t vlan[VLAN_TAGS_MAX]; /* identifiers; VLAN_NONE: no tag */
	uint16_t ethertype;
	uint8_t family; /* 4, 6; 0: no IP */
	uint8_t protocol;
	uint8_t src[16], dst[16]; /* of IPv4: the first 4 */
	uint16_t port; /* PORT; or the type, or the protocol within */
	bool port_is_src;
	uint64_t flow;
	bool ecn_capable;
};

void link_class_read(const uint8_t *frame, size_t len, struct class_info *out);

#endif
