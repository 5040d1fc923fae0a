/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user has said of interfaces, by their names: these may come and go.
 */
#ifndef APP_INTERFACES_H
#define APP_INTERFACES_H

#include "base/err.h"
#include "node/io/monitor.h"

#define INTERFACES_MAX 32

struct interfaces {
	struct {
		char name[IFNAMSIZ];
		uint32_t cost;
		bool metered;
	} v[INTERFACES_MAX];
	size_t n;
};

/* Replaces what was said before. 0, or a negative errno: no such name can be,
 * or too many. */
int interfaces_set(struct interfaces *t, const char *name, uint32_t cost,
		   bool metered, struct err *err);
/* The monitor's addresses, with what was said of their interfaces. */
void interfaces_fill(const struct interfaces *t, const struct monitor_state *s,
		     struct sal_local_address list[MONITOR_ADDRESSES_MAX]);

#endif
