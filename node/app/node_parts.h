/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of a node (node.h), for what is made of them. */
#ifndef APP_NODE_PARTS_H
#define APP_NODE_PARTS_H

#include "node/app/node.h"

#include "node/app/active.h"
#include "node/app/handoffs.h"
#include "node/app/interfaces.h"
#include "node/app/services.h"
#include "node/control/control.h"
#include "node/io/caps.h"
#include "node/io/monitor.h"
#include "node/io/netconf.h"
#include "node/io/source_routes.h"
#include "node/io/tun.h"
#include "node/io/underlay.h"

struct node {
	int epoll_fd, signal_fd;
	struct underlay *underlay;
	struct tun *tun;
	struct monitor *monitor;
	struct netconf *netconf;
	struct services *services;
	struct interfaces interfaces;
	struct caps *caps;
	struct source_routes *source_routes; /* NULL: not wanted */
	bool source_routes_due; /* failed, and are to be set again */
	struct handoffs *handoffs;
	struct active *active;
	bool active_watched; /* by the epoll */
	struct control *control;
	struct sal *sal; /* in memory */
	void *memory;
	size_t memory_size;
	int64_t now_ns; /* of this wake-up */
	int64_t monitor_retry_ns; /* INT64_MAX: not due */
	bool demux_expired; /* in this tick */
};

/* node.c: the engine hears of the host's addresses, as they are now. */
void node_tell_addresses(struct node *n);
/* What caps there are, and where. */
void node_set_caps(struct node *n);
/* node.c: waits for sockets to go, from the first time on. */
int node_watch_active(struct node *n, struct err *err);
/* node_control.c */
int node_open_control(struct node *n, const struct node_config *c,
		      struct err *err);

#endif
