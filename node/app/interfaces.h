/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user has said of interfaces, by their names: these may come and go.
 */
#ifndef APP_INTERFACES_H
#define APP_INTERFACES_H

#include "base/err.h"
#include "node/control/control.h"
#include "node/io/monitor.h"

#define INTERFACES_MAX 32

struct interfaces {
	struct {
		char name[IFNAMSIZ];
		uint32_t cost;
		bool metered;
		uint64_t cap_bps; /* 0: none */
	} v[INTERFACES_MAX];
	size_t n;
	/* These come first, in this order. */
	char order[CONTROL_ORDER_MAX][IFNAMSIZ];
	size_t n_order;
};

/* Replaces what was said before. 0, or a negative errno: no such name can be,
 * or too many. */
int interfaces_set(struct interfaces *t, const struct control_interface *i,
		   struct err *err);
/* The monitor's state, in the order that was asked for. */
void interfaces_order(const struct interfaces *t, struct monitor_state *s);
/* Its addresses, with what was said of their interfaces. */
void interfaces_fill(const struct interfaces *t, const struct monitor_state *s,
		     struct sal_local_address list[MONITOR_ADDRESSES_MAX]);
uint64_t interfaces_cap_bps(const struct interfaces *t, const char *name);

#endif
