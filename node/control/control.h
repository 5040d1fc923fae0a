/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: a Unix stream socket that answers commands and tells
 * events, one JSON object a line. docs/control.md describes the protocol.
 *
 * It does nothing itself: what a command asks for is done by the functions in
 * struct control_ops, during control_dispatch().
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "base/err.h"
#include "node/sal/sal.h"

#include <net/if.h>

#define CONTROL_VERSION 1
#define CONTROL_LINE_MAX 65536 /* bytes of a command, its newline included */
#define CONTROL_NAME_MAX 63 /* bytes of a service's name */

/* An interface's address on the underlay. */
struct control_address {
	const char *ifname;
	struct ip_addr addr;
	uint32_t ifindex, cost;
	bool metered;
	uint64_t cap_bps; /* 0: none */
};

/* What is to be thought of an interface. */
struct control_interface {
	const char *name;
	uint32_t cost;
	bool metered;
	uint64_t cap_bps; /* what may go through it, each way; 0: whatever */
};

#define CONTROL_ORDER_MAX 16
#define CONTROL_CAP_MIN_BPS 8000
#define CONTROL_CAP_MAX_BPS 100000000000

struct control_policy {
	struct sal_policy sal;
	/* Interfaces that come first, in this order; the others behind them. */
	char order[CONTROL_ORDER_MAX][IFNAMSIZ];
	size_t n_order;
};

/* A service's name and abstract addresses. name: "" where it has none. */
struct control_name {
	char name[CONTROL_NAME_MAX + 1];
	struct service_id id;
	struct ip_addr addr4, addr6;
};

/* A service's port on this host, and who listens on it. */
struct control_listen {
	struct service_id id;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port; /* 0: none any more */
	bool any; /* a socket that is bound to any address counts, too */
};

/* False: enough. */
typedef bool (*control_rule_fn)(void *to, const struct sal_rule_info *r,
				const struct control_name *name);
typedef void (*control_delayed_fn)(void *to, const struct sal_delayed *d);
typedef void (*control_flow_fn)(void *to, const struct sal_flow_info *f);
typedef void (*control_ended_fn)(void *to, const struct sal_history *h);
typedef void (*control_address_fn)(void *to, const struct control_address *a);
typedef void (*control_counter_fn)(void *to, const char *name, uint64_t value);

/* A flow that goes to another host (node/sal/handoff.c), in bytes. */
#define CONTROL_PART_MAX 45000 /* a line's, as base64 */
struct control_part {
	size_t offset, total; /* of the whole */
	const uint8_t *bytes; /* borrowed */
	size_t len;
};

enum control_handoff {
	CONTROL_FLOW_HOLD,
	CONTROL_FLOW_RELEASE,
	CONTROL_FLOW_COMMIT,
	CONTROL_FLOW_ABORT,
};

/* Those that return int: 0, or a negative errno with its words in err. */
struct control_ops {
	void *arg;
	const char *program; /* "sald 0.1.0" */
	const char *tun;
	struct ip_addr inner4, inner6; /* AF_UNSPEC: none */
	int (*name_set)(void *arg, const struct control_name *n,
			struct err *err);
	/* NULL: active sockets are unknown here. */
	int (*listen)(void *arg, const struct control_listen *l,
		      struct err *err);
	int (*rule_add)(void *arg, const struct sal_rule *r, struct err *err);
	int (*rule_change)(void *arg, const struct sal_rule *r, unsigned what,
			   struct err *err);
	int (*rule_delete)(void *arg, const struct sal_rule *r,
			   struct err *err);
	int (*rules_delete)(void *arg, const struct service_prefix *p,
			    struct err *err);
	int (*verdict)(void *arg, uint32_t flow, enum sal_verdict verdict,
		       const struct ip_addr *to, struct err *err);
	int64_t (*now_ns)(void *arg); /* of all times that are told */
	int (*handoff)(void *arg, enum control_handoff step, uint32_t flow,
		       struct err *err);
	/* offset is given; bytes are good until the next command. */
	int (*flow_export)(void *arg, uint32_t flow, struct control_part *part,
			   struct err *err);
	/* *flow: its ID, once it is whole; 0: it is not yet. */
	int (*flow_import)(void *arg, const struct control_part *part,
			   uint32_t *flow, struct err *err);
	/* Call visit for each; name may be NULL. */
	void (*rules)(void *arg, const struct sal_rules_at *after,
		      control_rule_fn visit, void *to);
	void (*delayed)(void *arg, control_delayed_fn visit, void *to);
	void (*flows)(void *arg, control_flow_fn visit, void *to);
	void (*addresses)(void *arg, control_address_fn visit, void *to);
	/* What is to be thought of an interface, be it there or not. */
	int (*interface_set)(void *arg, const struct control_interface *i,
			     struct err *err);
	void (*policy)(void *arg, struct control_policy *out);
	void (*policy_set)(void *arg, const struct control_policy *p);
	/* False: there is and was no such flow. standby: what the peer says it
	 * has; *n of them. */
	bool (*flow_show)(void *arg, uint32_t flow, struct sal_history *out,
			  struct ip_addr standby[SAL_STANDBY_MAX], unsigned *n);
	void (*flows_ended)(void *arg, control_ended_fn visit, void *to);
	/* to: AF_UNSPEC: wherever the policy says. */
	int (*flow_migrate)(void *arg, uint32_t flow, const struct ip_addr *to,
			    struct err *err);
	void (*counters)(void *arg, control_counter_fn visit, void *to);
};

struct control;

/*
 * Listens at path, for its owner only (mode 0600). A socket that a dead process
 * left there is replaced, one that answers is not. ops is copied. 0, or a
 * negative errno.
 */
int control_open(struct control **out, const char *path,
		 const struct control_ops *ops, struct err *err);
struct control *
control_free(struct control *c); /* removes path; returns NULL */

/* Readable when there is something for control_dispatch() to do. */
int control_fd(const struct control *c);
/* Does a bounded part of what there is to do; does not block. */
void control_dispatch(struct control *c);

/* Tells all who have subscribed. Never blocks: who does not read fast enough is
 * told so and cut off. */
void control_event(struct control *c, const struct sal_event *e);
/* Somebody listens on a service's port now, or nobody does any more. */
void control_listen_event(struct control *c, const struct control_listen *l,
			  bool listens, int64_t now_ns);
/* The underlay's addresses have changed: ops->addresses has the new ones. */
void control_addresses_event(struct control *c, int64_t now_ns);

#endif
