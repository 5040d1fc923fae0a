/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ip_parse_addr(const char *text, struct ip_addr *out)
{
	struct ip_addr a = { 0 };

	a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.bytes) != 1)
		return -EINVAL;
	*out = a;
	return 0;
}

int ip_parse_prefix(const char *text, struct ip_prefix *out)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	struct ip_prefix p = { 0 };
	unsigned len = 0;
	int r;

	if (!slash || (size_t)(slash - text) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	r = ip_parse_addr(addr, &p.addr);
	if (r)
		return r;
	if (!slash[1] || strlen(slash + 1) > 3)
		return -EINVAL;
	for (const char *c = slash + 1; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		len = len * 10 + (unsigned)(*c - '0');
	}
	if (len > ip_addr_size(&p.addr) * 8)
		return -ERANGE;
	p.len = (uint8_t)len;
	*out = p;
	return 0;
}

const char *ip_format_addr(const struct ip_addr *a, char *buf, size_t size)
{
	if (!ip_addr_size(a))
		snprintf(buf, size, "none");
	else if (!inet_ntop(a->family, a->bytes, buf, (socklen_t)size) && size)
		buf[0] = '\0';
	return buf;
}

const char *ip_format_prefix(const struct ip_prefix *p, char *buf, size_t size)
{
	char addr[INET6_ADDRSTRLEN];

	snprintf(buf, size, "%s/%u",
		 ip_format_addr(&p->addr, addr, sizeof(addr)), p->len);
	return buf;
}

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->family == b->family &&
	       !memcmp(a->bytes, b->bytes, ip_addr_size(a));
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	struct ip_prefix host = { .addr = *a, .len = p->len };
	struct ip_prefix net;

	if (p->addr.family != a->family)
		return false;
	host = ip_prefix_network(&host);
	net = ip_prefix_network(p);
	return ip_addr_equal(&host.addr, &net.addr);
}

bool ip_prefix_overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len <= b->len ? ip_prefix_contains(a, &b->addr) :
				  ip_prefix_contains(b, &a->addr);
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_addr_equal(&a->addr, &b->addr);
}

struct ip_prefix ip_prefix_network(const struct ip_prefix *p)
{
	struct ip_prefix net = *p;
	size_t size = ip_addr_size(&p->addr);

	for (size_t i = 0; i < size; i++) {
		int bits = (int)p->len - (int)i * 8;

		if (bits <= 0)
			net.addr.bytes[i] = 0;
		else if (bits < 8)
			net.addr.bytes[i] &= (uint8_t)(0xff << (8 - bits));
	}
	return net;
}

/* a += n << shift, as one big number. False: it does not fit. */
static bool addr_add(struct ip_addr *a, uint64_t n, unsigned shift)
{
	size_t size = ip_addr_size(a);
	unsigned carry = 0;

	for (size_t i = 0; i < size; i++) { /* i bytes from the end */
		uint8_t *byte = &a->bytes[size - 1 - i];
		int bit = (int)i * 8 -
			  (int)shift; /* of n, at this byte's bit 0 */
		unsigned add = 0;

		if (bit >= 0 && bit < 64)
			add = (unsigned)(n >> bit) & 0xff;
		else if (bit < 0 && bit > -8)
			add = (unsigned)(n << -bit) & 0xff;
		carry += *byte + add;
		*byte = (uint8_t)carry;
		carry >>= 8;
	}
	if (carry)
		return false;
	/* The bits of n that lie beyond the address. */
	return size * 8 >= shift + 64u || !(n >> (size * 8 - shift));
}

bool ip_prefix_host(const struct ip_prefix *p, uint64_t n, struct ip_addr *out)
{
	struct ip_prefix net = ip_prefix_network(p);
	unsigned bits = (unsigned)ip_addr_size(&p->addr) * 8;
	unsigned host_bits = bits - p->len;
	uint64_t size =
		host_bits < 64 ? UINT64_C(1) << host_bits : 0; /* 0: more */

	if (size && n >= size)
		return false;
	if (host_bits > 1 && n == 0)
		return false;
	if (p->addr.family == AF_INET && host_bits > 1 && n == size - 1)
		return false;
	if (!addr_add(&net.addr, n, 0))
		return false;
	*out = net.addr;
	return true;
}

bool ip_prefix_step(const struct ip_prefix *p, uint64_t n,
		    struct ip_prefix *out)
{
	struct ip_prefix next = ip_prefix_network(p);
	unsigned bits = (unsigned)ip_addr_size(&p->addr) * 8;

	if (!p->len)
		return n == 0 ? (*out = next, true) : false;
	if (!addr_add(&next.addr, n, bits - p->len))
		return false;
	*out = next;
	return true;
}
