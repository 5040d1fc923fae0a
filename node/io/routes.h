/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes of a monitor's state. Of this layer only. */
#ifndef IO_ROUTES_H
#define IO_ROUTES_H

#include "node/io/monitor.h"
#include "node/io/rtnl.h"

/* What sald sets itself is known by it (rtm_protocol, FRA_PROTOCOL). */
#define ROUTES_PROTOCOL 144

/* Those through the interfaces of s's addresses, and into the TUN; takes
 * addresses of IPv6 for which nothing would be taken yet, and that were not
 * there before, out of s. *renumbering: an interface that had addresses of
 * IPv6 is left without any by that. -EINTR: ask again. */
int routes_read(struct mnl_socket *nl, uint32_t tun_ifindex,
		const struct monitor_state *before, struct monitor_state *s,
		bool *renumbering, struct err *err);
bool routes_equal(const struct monitor_state *a, const struct monitor_state *b);

#endif
