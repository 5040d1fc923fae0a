/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two runs of one scenario have addresses, protocols and servers' ports in
 * common, but not the ports that the kernel hands out to clients, the ids of
 * pings, or flow IDs. The former make the class, the latter only tell a class's
 * flows apart. Hashing the whole tuple instead would give every connection
 * other fates in every run.
 *
 * Which port is the server's? The kernel hands out 32768 to 60999 (the default
 * of net.ipv4.ip_local_port_range, which a new namespace has). One outside of
 * it was chosen by somebody; of two such the lower one counts. Where both are
 * inside, neither does. The ports of the Service Access Layer in UDP are known
 * although they are inside.
 *
 * Lengths of frames don't matter here, and are not believed: a header's claims
 * only tell where the next one begins, and a cursor can't read past the end.
 */
#include "orchestrator/link/classify.h"

#include "base/cursor.h"

#include <net/ethernet.h>
#include <sodium/crypto_shorthash_siphash24.h>

#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_LEAST 0x0600 /* below: a length (IEEE 802.3) */
#define IPV6_EXTENSIONS_MAX 8
#define IPPROTO_SAL 144
#define SAL_UDP_PORT_FIRST 54324
#define SAL_UDP_PORT_LAST 54325
#define EPHEMERAL_FIRST 32768
#define EPHEMERAL_LAST 60999

static bool is_known(uint16_t port)
{
	return port && (port < EPHEMERAL_FIRST || port > EPHEMERAL_LAST);
}

static bool is_sal(uint16_t port)
{
	return port == SAL_UDP_PORT_FIRST || port == SAL_UDP_PORT_LAST;
}

/* docs/wire-format.md: source flow, destination flow, length, protocol */
static void read_sal(struct cursor *c, enum class_kind kind,
		     struct class_info *out)
{
	uint32_t flow = cursor_be32(c);
	uint8_t protocol;

	cursor_take(c, 5);
	protocol = cursor_u8(c);
	if (c->overrun)
		return;
	out->kind = kind;
	out->flow = flow;
	out->port = protocol;
}

static void read_ports(struct cursor *c, struct class_info *out)
{
	uint16_t src = cursor_be16(c), dst = cursor_be16(c);

	if (c->overrun)
		return;
	if (out->protocol == IPPROTO_UDP && (is_sal(src) || is_sal(dst))) {
		cursor_take(c, 4); /* length, checksum */
		read_sal(c, CLASS_SAL_UDP, out);
		if (!c->overrun)
			return;
	}
	out->flow = (uint64_t)src << 16 | dst;
	if (!is_known(src) && !is_known(dst))
		return;
	out->kind = CLASS_PORT;
	out->port_is_src = !is_known(dst) || (is_known(src) && src < dst);
	out->port = out->port_is_src ? src : dst;
}

static void read_icmp(struct cursor *c, struct class_info *out, bool v6)
{
	uint8_t type = cursor_u8(c);
	bool echo = v6 ? type == 128 || type == 129 : type == 0 || type == 8;
	uint16_t id;

	if (c->overrun)
		return;
	/* Multicast listeners, routers and neighbours. */
	if (v6 && ((type >= 130 && type <= 137) || type == 143)) {
		out->kind = CLASS_CONTROL;
		return;
	}
	out->kind = CLASS_TYPE;
	out->port = type;
	cursor_take(c, 3); /* code, checksum */
	id = cursor_be16(c);
	if (echo && !c->overrun)
		out->flow = id;
}

static void read_transport(struct cursor *c, struct class_info *out)
{
	switch (out->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE:
		read_ports(c, out);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((out->family == 6) == (out->protocol == IPPROTO_ICMPV6))
			read_icmp(c, out, out->family == 6);
		break;
	case IPPROTO_IGMP:
		if (out->family == 4)
			out->kind = CLASS_CONTROL;
		break;
	case IPPROTO_SAL:
		read_sal(c, CLASS_SAL, out);
		break;
	}
}

static bool is_ecn_capable(uint8_t codepoint)
{
	return codepoint == 1 || codepoint == 2; /* RFC 3168, 5 */
}

static void read_ipv4(struct cursor *c, struct class_info *out)
{
	uint8_t first = cursor_u8(c), tos = cursor_u8(c), protocol;
	size_t header = (size_t)(first & 15) * 4;
	uint16_t fragment;

	cursor_take(c, 4); /* length, identification */
	fragment = cursor_be16(c) & 0x3fff; /* more fragments, offset */
	cursor_take(c, 1);
	protocol = cursor_u8(c);
	cursor_take(c, 2);
	cursor_copy(c, out->src, 4);
	cursor_copy(c, out->dst, 4);
	if (c->overrun || first >> 4 != 4 || header < 20)
		return;
	out->family = 4;
	out->protocol = protocol;
	out->ecn_capable = is_ecn_capable(tos & 3);
	out->kind = fragment ? CLASS_FRAGMENT : CLASS_IP;
	cursor_take(c, header - 20);
	if (!fragment && !c->overrun)
		read_transport(c, out);
}

/* Walks to the transport's header. False: there is none to be found here. */
static bool skip_extensions(struct cursor *c, struct class_info *out)
{
	for (unsigned i = 0; i <= IPV6_EXTENSIONS_MAX; i++) {
		uint8_t next;
		size_t len;

		switch (out->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			next = cursor_u8(c);
			len = cursor_u8(c) * 8u + 8;
			break;
		case IPPROTO_AH:
			next = cursor_u8(c);
			len = cursor_u8(c) * 4u + 8; /* RFC 4302, 2.2 */
			break;
		case IPPROTO_FRAGMENT:
			next = cursor_u8(c);
			cursor_take(c, 1);
			if (cursor_be16(c) & 0xfff9) /* offset, more */
				out->kind = CLASS_FRAGMENT;
			len = 6; /* 8, less the 2 of the offset */
			break;
		default:
			return true;
		}
		cursor_take(c, len - 2);
		if (c->overrun)
			return false;
		out->protocol = next;
		if (out->kind == CLASS_FRAGMENT)
			return false;
	}
	return false;
}

static void read_ipv6(struct cursor *c, struct class_info *out)
{
	uint16_t first = cursor_be16(c);
	uint8_t next;

	cursor_take(c, 4); /* flow label, length */
	next = cursor_u8(c);
	cursor_take(c, 1);
	cursor_copy(c, out->src, 16);
	cursor_copy(c, out->dst, 16);
	if (c->overrun || first >> 12 != 6)
		return;
	out->family = 6;
	out->protocol = next;
	out->ecn_capable = is_ecn_capable(first >> 4 & 3);
	out->kind = CLASS_IP;
	if (skip_extensions(c, out))
		read_transport(c, out);
}

void link_class_read(const uint8_t *frame, size_t len, struct class_info *out)
{
	struct cursor c = cursor_make(frame, len);

	*out = (struct class_info){ .kind = CLASS_ETHERTYPE,
				    .vlan = { VLAN_NONE, VLAN_NONE } };
	cursor_take(&c, 12);
	out->ethertype = cursor_be16(&c);
	for (unsigned i = 0; i < VLAN_TAGS_MAX; i++) {
		if (out->ethertype != ETHERTYPE_VLAN &&
		    out->ethertype != ETHERTYPE_QINQ)
			break;
		out->vlan[i] = cursor_be16(&c) & 0xfff;
		out->ethertype = cursor_be16(&c);
	}
	if (out->ethertype < ETHERTYPE_LEAST)
		out->ethertype = 0;
	if (out->ethertype == ETHERTYPE_ARP)
		out->kind = CLASS_CONTROL;
	else if (out->ethertype == ETHERTYPE_IP)
		read_ipv4(&c, out);
	else if (out->ethertype == ETHERTYPE_IPV6)
		read_ipv6(&c, out);
}

/* The class as bytes, in a layout of its own: part of what a fate is. */
static size_t put_class(const struct class_info *info, uint8_t out[48])
{
	size_t n = info->family == 6 ? 16 : info->family == 4 ? 4 : 0;
	uint16_t fields[] = { htobe16(info->vlan[0]), htobe16(info->vlan[1]),
			      htobe16(info->ethertype), htobe16(info->port) };

	out[0] = (uint8_t)info->kind;
	out[1] = info->family;
	out[2] = info->protocol;
	out[3] = info->port_is_src;
	memcpy(out + 4, fields, sizeof(fields));
	memcpy(out + 12, info->src, n);
	memcpy(out + 12 + n, info->dst, n);
	return 12 + 2 * n;
}

void link_classify(const uint8_t *frame, size_t len, struct link_key *out)
{
	static const uint8_t no_key[crypto_shorthash_siphash24_KEYBYTES];
	struct class_info info;
	uint8_t bytes[48];
	uint64_t id;

	link_class_read(frame, len, &info);
	if (info.kind == CLASS_CONTROL) {
		*out = (struct link_key){ .control = true };
		return;
	}
	crypto_shorthash_siphash24((uint8_t *)&id, bytes,
				   put_class(&info, bytes), no_key);
	*out = (struct link_key){ .class_id = le64toh(id),
				  .flow_id = info.flow,
				  .ecn_capable = info.ecn_capable };
}
