/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches this host's links, addresses and routes: which addresses can be used
 * on the underlay now, whom they reach, and how long its packets may be.
 */
#ifndef IO_MONITOR_H
#define IO_MONITOR_H

#include "base/err.h"
#include "node/sal/sal.h"

#include <net/if.h>

struct monitor;

#define MONITOR_ADDRESSES_MAX 64 /* what goes beyond is left out */
#define MONITOR_ROUTES_MAX 256

/* A route through one of the interfaces, or (tun) into the TUN. */
struct monitor_route {
	uint32_t ifindex;
	uint32_t table; /* RT_TABLE_* */
	uint32_t metric;
	struct ip_prefix to;
	/* AF_UNSPEC: on link. An IPv4 route may have one of IPv6. */
	struct ip_addr via;
	bool onlink; /* via is on the link, whatever other routes say */
	bool tun;
};

/* Each but tun, which follows from the interface. */
bool monitor_route_equal(const struct monitor_route *a,
			 const struct monitor_route *b);

struct monitor_state {
	/* As sal_set_addresses() takes them; in order of interface index. */
	struct sal_local_address list[MONITOR_ADDRESSES_MAX];
	char names[MONITOR_ADDRESSES_MAX][IFNAMSIZ];
	size_t n;
	/* The smallest MTU of the links that may carry packets, be they up or
	 * not; 0: there are none. */
	uint32_t mtu;
	struct monitor_route routes[MONITOR_ROUTES_MAX];
	size_t n_routes;
	bool routes_cut; /* there are more */
	size_t own_routes; /* that source_routes.c has set, in no list */
};

/* tun: the name of the interface that is not to count. */
int monitor_open(struct monitor **out, const char *tun, struct err *err);
struct monitor *monitor_free(struct monitor *m); /* returns NULL */
int monitor_fd(const struct monitor *m); /* readable: call monitor_dispatch() */

enum {
	MONITOR_ADDRESSES = 1, /* or the MTU */
	MONITOR_ROUTES = 2,
};

/*
 * Reads anew what there is. 0, with what differs from what there was
 * (MONITOR_*); or a negative errno: the old state stays, and it is to be called
 * again. now_ns: of the monotonic clock.
 */
int monitor_dispatch(struct monitor *m, int64_t now_ns, unsigned *changed,
		     struct err *err);
/* When to call it although nothing is readable; INT64_MAX: never. */
int64_t monitor_next_ns(const struct monitor *m);
const struct monitor_state *monitor_state(const struct monitor *m);
/* Why an address cannot be used by now that could be before; ifindex: that of
 * its interface. */
enum sal_way_why monitor_why_gone(const struct monitor *m,
				  const struct ip_addr *addr, uint32_t ifindex);
/* Is there a route to it through that interface? True as well where there are
 * more routes than are known. */
bool monitor_reaches(const struct monitor_state *s, uint32_t ifindex,
		     const struct ip_addr *to);

#endif
