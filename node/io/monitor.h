/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches this host's links and addresses: which addresses can be used on the
 * underlay now, and how long its packets may be.
 */
#ifndef IO_MONITOR_H
#define IO_MONITOR_H

#include "base/err.h"
#include "node/sal/sal.h"

#include <net/if.h>

struct monitor;

#define MONITOR_ADDRESSES_MAX 64 /* what goes beyond is left out */

struct monitor_state {
	/* As sal_set_addresses() takes them; in order of interface index. */
	struct sal_local_address list[MONITOR_ADDRESSES_MAX];
	char names[MONITOR_ADDRESSES_MAX][IFNAMSIZ];
	size_t n;
	/* The smallest MTU of the links that may carry packets, be they up or
	 * not; 0: there are none. */
	uint32_t mtu;
};

/* tun: the name of the interface that is not to count. */
int monitor_open(struct monitor **out, const char *tun, struct err *err);
struct monitor *monitor_free(struct monitor *m); /* returns NULL */
int monitor_fd(const struct monitor *m); /* readable: call monitor_dispatch() */

/*
 * Reads anew what there is. 0, with whether it differs from what there was; or
 * a negative errno: the old state stays, and it is to be called again.
 */
int monitor_dispatch(struct monitor *m, bool *changed, struct err *err);
const struct monitor_state *monitor_state(const struct monitor *m);

#endif
