/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/sal/inner.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool is_icmp(const struct ip_addr *src, uint8_t protocol)
{
	return protocol ==
	       (src->family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static bool echo_type(sa_family_t family, uint8_t type)
{
	if (family == AF_INET6)
		return type == ICMP6_ECHO_REQUEST || type == ICMP6_ECHO_REPLY;
	return type == ICMP_ECHO || type == ICMP_ECHOREPLY;
}

static bool error_type(sa_family_t family, uint8_t type)
{
	if (family == AF_INET6)
		return type >= ICMP6_DST_UNREACH && type <= ICMP6_PARAM_PROB;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

/* The ports of a segment, in the order it has them; 8 bytes of it must do, as
 * an old ICMP error quotes no more. */
static bool ports(const struct ip_addr *src, uint8_t protocol,
		  const uint8_t *segment, size_t len, uint16_t *from,
		  uint16_t *to)
{
	if (len < 8)
		return false;
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_TCP) {
		*from = get16(segment);
		*to = get16(segment + 2);
		return true;
	}
	if (is_icmp(src, protocol) && echo_type(src->family, segment[0])) {
		*from = *to = get16(segment + 4);
		return true;
	}
	return false;
}

/* The quoted packet's own header; extension headers and fragments other than
 * the first are not looked into. */
static bool quoted(sa_family_t family, const uint8_t *q, size_t len,
		   struct sal_tuple *out)
{
	size_t size, addr_at, addr_len;

	if (family == AF_INET6) {
		if (len < 40 || q[0] >> 4 != 6)
			return false;
		size = 40;
		out->protocol = q[6];
		addr_at = 8;
		addr_len = 16;
	} else {
		if (len < 20 || q[0] >> 4 != 4)
			return false;
		size = (size_t)(q[0] & 15) * 4;
		if (size < 20 || size > len || get16(q + 6) & 0x1fff)
			return false;
		out->protocol = q[9];
		addr_at = 12;
		addr_len = 4;
	}
	out->remote.family = out->local.family = family;
	memcpy(out->remote.bytes, q + addr_at, addr_len);
	memcpy(out->local.bytes, q + addr_at + addr_len, addr_len);
	return ports(&out->remote, out->protocol, q + size, len - size,
		     &out->port_remote, &out->port_local);
}

enum sal_inner_kind sal_inner_tuple(const struct sal_inner *p,
				    struct sal_tuple *out)
{
	memset(out, 0, sizeof(*out));
	if (!p->segment || p->src.family != p->dst.family ||
	    !ip_addr_size(&p->src))
		return SAL_INNER_OTHER;
	if (p->protocol == IPPROTO_TCP && p->len < 20)
		return SAL_INNER_OTHER;
	if (ports(&p->src, p->protocol, p->segment, p->len, &out->port_local,
		  &out->port_remote)) {
		out->local = p->src;
		out->remote = p->dst;
		out->protocol = p->protocol;
		return SAL_INNER_SEGMENT;
	}
	if (!is_icmp(&p->src, p->protocol) || p->len < 8 ||
	    !error_type(p->src.family, p->segment[0]))
		return SAL_INNER_OTHER;
	if (!quoted(p->src.family, p->segment + 8, p->len - 8, out))
		return SAL_INNER_OTHER;
	return SAL_INNER_ERROR;
}

void sal_tuple_swap(struct sal_tuple *t)
{
	struct ip_addr addr = t->local;
	uint16_t port = t->port_local;

	t->local = t->remote;
	t->remote = addr;
	t->port_local = t->port_remote;
	t->port_remote = port;
}

bool sal_tcp_parse(const uint8_t *segment, size_t len, struct sal_tcp *out)
{
	size_t header;

	if (len < 20)
		return false;
	header = (size_t)(segment[12] >> 4) * 4;
	if (header < 20 || header > len)
		return false;
	out->seq = get32(segment + 4);
	out->ack = get32(segment + 8);
	out->flags = segment[13];
	out->seq_end = out->seq + (uint32_t)(len - header);
	if (out->flags & SAL_TCP_SYN)
		out->seq_end++;
	if (out->flags & SAL_TCP_FIN)
		out->seq_end++;
	return true;
}
