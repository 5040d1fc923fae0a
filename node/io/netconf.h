/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TUN device as an interface of this host: its addresses and what is routed
 * to it. All of it goes with the device.
 */
#ifndef IO_NETCONF_H
#define IO_NETCONF_H

#include "base/err.h"
#include "base/ip.h"

struct netconf;

struct netconf_config {
	/* This host's own, with the prefix of all hosts'; AF_UNSPEC: none. */
	struct ip_prefix inner4, inner6;
	/* The services' prefixes; borrowed during the call. */
	const struct ip_prefix *services;
	size_t n_services;
	uint32_t mtu; /* of the underlay; see netconf_mtu() */
	uint32_t queue; /* packets that programs may be ahead; 0: the kernel's
			   500 */
};

/* Sets the interface up and keeps a socket for what changes later. */
int netconf_open(struct netconf **out, const char *name,
		 const struct netconf_config *c, struct err *err);
struct netconf *netconf_free(struct netconf *n); /* returns NULL */

uint32_t netconf_ifindex(const struct netconf *n);

/*
 * Makes room for the headers in the underlay's MTU. Never below 1,280, under
 * which IPv6 would be switched off: outer packets are fragmented then.
 */
int netconf_mtu(struct netconf *n, uint32_t underlay_mtu, struct err *err);

/* A service's address, while an instance is here. Adding one that is there, or
 * removing one that is not, is no error. */
int netconf_address(struct netconf *n, bool add, const struct ip_addr *addr,
		    struct err *err);

#endif
