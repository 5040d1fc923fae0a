/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who forwards on each of the host's ways, learnt beforehand. */
#ifndef IO_GATEWAYS_H
#define IO_GATEWAYS_H

#include "node/io/monitor.h"
#include "node/io/rtnl.h"

/*
 * Has the kernel learn the link-layer addresses of all gateways behind these
 * interfaces. Packets find their way without it, only later: a failure (0 or a
 * negative errno) is no reason to give up.
 */
int gateways_learn(struct mnl_socket *nl, const struct monitor_state *s,
		   struct err *err);

#endif
