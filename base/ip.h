/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 addresses and prefixes as values, in network byte order. */
#ifndef BASE_IP_H
#define BASE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Room for the longest text, with "/128" and the NUL. */
#define IP_TEXT_MAX 56

struct ip_addr {
	sa_family_t family; /* AF_INET, AF_INET6; AF_UNSPEC: no address */
	uint8_t bytes[16]; /* the first 4 for AF_INET, the rest zero */
};

struct ip_prefix {
	struct ip_addr
		addr; /* host bits are kept: also an address with its mask */
	uint8_t len;
};

static inline size_t ip_addr_size(const struct ip_addr *a)
{
	return a->family == AF_INET6 ? 16 : a->family == AF_INET ? 4 : 0;
}

/* 0 or -EINVAL. */
int ip_parse_addr(const char *text, struct ip_addr *out);
/* "10.0.0.0/24"; 0, -EINVAL (not of this form) or -ERANGE (length too large).
 */
int ip_parse_prefix(const char *text, struct ip_prefix *out);

const char *ip_format_addr(const struct ip_addr *a, char *buf, size_t size);
const char *ip_format_prefix(const struct ip_prefix *p, char *buf, size_t size);

bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool ip_prefix_overlap(const struct ip_prefix *a, const struct ip_prefix *b);
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);

/* The network of p: its address with the host bits cleared. */
struct ip_prefix ip_prefix_network(const struct ip_prefix *p);
/*
 * The address n above the network address. False where the prefix does not
 * hold it, or where it is not a host's (an IPv4 network's first and last
 * address below /31, IPv6's subnet-router anycast address below /127).
 */
bool ip_prefix_host(const struct ip_prefix *p, uint64_t n, struct ip_addr *out);
/* The prefix of the same length n steps above p, host bits cleared. */
bool ip_prefix_step(const struct ip_prefix *p, uint64_t n,
		    struct ip_prefix *out);

#endif
