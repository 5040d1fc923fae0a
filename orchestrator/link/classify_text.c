/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/link/classify.h"
#include "orchestrator/link/text_out.h"

#include <arpa/inet.h>
#include <stdio.h>

static void put_protocol(struct out *o, unsigned protocol)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = {
		{ IPPROTO_ICMP, "icmp" },	{ IPPROTO_TCP, "tcp" },
		{ IPPROTO_UDP, "udp" },		{ IPPROTO_ICMPV6, "icmp6" },
		{ IPPROTO_SCTP, "sctp" },	{ IPPROTO_DCCP, "dccp" },
		{ IPPROTO_UDPLITE, "udplite" }, { 144, "sal" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names[i].number == protocol) {
			put(o, "%s", names[i].name);
			return;
		}
	}
	put(o, "ip-%u", protocol);
}

static void put_address(struct out *o, const struct class_info *info,
			const uint8_t *address, bool port)
{
	char text[INET6_ADDRSTRLEN] = "";
	bool brackets = port && info->family == 6;

	inet_ntop(info->family == 6 ? AF_INET6 : AF_INET, address, text,
		  sizeof(text));
	put(o, brackets ? "[%s]" : "%s", text);
	if (port)
		put(o, ":%u", info->port);
}

static void put_ip(struct out *o, const struct class_info *info)
{
	bool port = info->kind == CLASS_PORT;

	if (info->kind == CLASS_SAL_UDP)
		put(o, "sal/udp");
	else
		put_protocol(o, info->protocol);
	put(o, " ");
	put_address(o, info, info->src, port && info->port_is_src);
	put(o, " > ");
	put_address(o, info, info->dst, port && !info->port_is_src);
	switch (info->kind) {
	case CLASS_FRAGMENT:
		put(o, " fragment");
		break;
	case CLASS_TYPE:
		put(o, " type %u", info->port);
		break;
	case CLASS_SAL:
	case CLASS_SAL_UDP:
		put(o, " ");
		put_protocol(o, info->port);
		break;
	case CLASS_IP:
	case CLASS_PORT:
	case CLASS_ETHERTYPE:
	case CLASS_CONTROL:
		break;
	}
}

const char *link_class_text(const uint8_t *frame, size_t len, char *buf,
			    size_t size)
{
	struct out o = { .buf = buf, .size = size };
	struct class_info info;

	if (size)
		buf[0] = '\0';
	link_class_read(frame, len, &info);
	if (info.kind == CLASS_CONTROL) {
		put(&o, "control");
		return buf;
	}
	for (unsigned i = 0; i < VLAN_TAGS_MAX; i++)
		if (info.vlan[i] != VLAN_NONE)
			put(&o, "vlan %u ", info.vlan[i]);
	if (info.kind == CLASS_ETHERTYPE)
		put(&o, "ethertype 0x%04x", info.ethertype);
	else
		put_ip(&o, &info);
	return buf;
}
