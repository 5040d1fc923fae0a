/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the model to the ordered list of operations that build the lab. Pure:
 * no system call is made here, so that "servalab plan" can print on any machine
 * what "servalab run" would do.
 *
 * An operation is small (one request to the kernel), knows the place in the
 * scenario that asked for it, and has an inverse. Building never needs the
 * inverses, since a lab that cannot be finished ends as a whole with its
 * sandbox; actions on a living lab do.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "include/serval/service_id.h"
#include "orchestrator/scenario/model.h"

#include <stdio.h>

/* Network namespaces: one a host or router, and the lab's own, which holds
 * all bridges and the ports plugged into them. */
#define PLAN_LAB SCN_NONE

/* Defaults of everything that is handed out automatically, in file order. */
#define PLAN_AUTO_SUBNET4 "10.64.0.0/24" /* then 10.64.1.0/24, ... */
#define PLAN_AUTO_SUBNET6 "fd5e:1ab::/64" /* then fd5e:1ab:0:1::/64, ... */
#define PLAN_AUTO_SERVICE4 "198.18.0.0/16" /* RFC 2544: in nobody's way */
#define PLAN_AUTO_SERVICE6 "fd5e:1ab:ffff::/64"
/* Where a lab has services of the SAL and others: what salds carry, and the
 * others', whose packets must not get into the salds' TUN devices. */
#define PLAN_MIXED_SAL4 "198.18.0.0/17"
#define PLAN_MIXED_OTHER4 "198.18.128.0/17"
#define PLAN_MIXED_OTHER6 "fd5e:1ab:fffd::/64"
#define PLAN_AUTO_INNER4 "198.19.0.0/16" /* the other half of RFC 2544's */
#define PLAN_AUTO_INNER6 "fd5e:1ab:fffe::/64"

/*
 * A device: an interface of a host or router, or, in the lab's namespace, a
 * bridge or a port of one.
 */
struct plan_iface {
	size_t node; /* PLAN_LAB: a bridge or a port */
	size_t link, end; /* which end of which link; SCN_NONE: a bridge */
	char name[IFNAMSIZ]; /* of bridges and ports: "br2", "p17" */
	uint32_t ifindex; /* unique in the lab, so that no veth's two ends share
			     one: linkwatch takes its time over those that do */
	size_t network;
	VEC(struct ip_prefix) addresses;
	uint8_t mac[6];
	struct src_pos pos;
};

/* A broadcast domain: a bridge with its links, or a link without one. */
struct plan_network {
	size_t bridge; /* node, or SCN_NONE */
	size_t link; /* where there is no bridge */
	size_t bridge_iface; /* SCN_NONE: the link is one veth pair */
	VEC(struct ip_prefix) subnets;
	bool automatic; /* nobody gave the subnets */
	struct src_pos pos;
};

struct plan_link {
	size_t network;
	size_t iface[2]; /* at the nodes; SCN_NONE at a bridge */
	size_t port[2]; /* in the lab, facing that end; SCN_NONE: none */
};

struct plan_service {
	VEC(struct ip_addr) addresses; /* one a family, IPv4 first */
	scn_index_vec holders; /* nat: nodes with NAT rules */
	/* sal: what its rules are for, and the ID of its name. Of a prefix, or
	 * where none is given, that goes on with the SHA-256 of the name. */
	struct service_prefix prefix;
	struct service_id id;
};

/*
 * A node of the scenario. Where a lab has a sal service, every host (and
 * service router) runs a sald, and has an inner address of each family (with
 * the length of the prefix that all of them are from), which no change of its
 * interfaces touches.
 */
struct plan_node {
	bool sald;
	/* How it gets to services: TABLE, BROADCAST or ROUTERS. Those of a
	 * service router are for what it and its own know nothing of. */
	enum scn_resolves resolves;
	size_t routers[SCN_RESOLVES_MAX]; /* the preferred one first */
	size_t router_count;
	struct ip_prefix inner[2]; /* IPv4, IPv6 */
};

/* What an action of the timeline makes of an interface's addresses. */
struct plan_readdress {
	const struct scn_action *action;
	size_t iface;
	bool both_families; /* change, even where there is no new one */
	VEC(struct ip_prefix)
	old, new; /* only of the families that change;
		     old: where all happens in the order
		     of the timeline */
};

enum plan_op_kind {
	PLAN_OP_NODE_ADD, /* a network namespace with its lo up */
	PLAN_OP_NODE_DEL,
	PLAN_OP_SYSCTL, /* for what netlink cannot set */
	PLAN_OP_BRIDGE_ADD,
	PLAN_OP_LINK_ADD, /* a veth pair, both ends where they belong */
	PLAN_OP_LINK_DEL,
	PLAN_OP_ADDR_ADD,
	PLAN_OP_ADDR_DEL,
	PLAN_OP_IFACE_UP,
	PLAN_OP_IFACE_DOWN,
	PLAN_OP_CARRIER_SYNC, /* the kernel acts on its carrier before whatever
				 is behind it */
	PLAN_OP_IFACE_CONF, /* forwarding; routes without carrier are ignored */
	PLAN_OP_ROUTE_ADD,
	PLAN_OP_ROUTE_DEL,
	PLAN_OP_QUEUE_SET, /* the kernel's, for what an interface sends */
	PLAN_OP_TAP_ADD, /* an end of an emulated link */
	PLAN_OP_TAP_DEL,
	PLAN_OP_EMULATOR_START, /* takes all of these */
	PLAN_OP_LINK_CHANGE, /* properties of a link */
	PLAN_OP_LINK_STATE, /* the carrier of an emulated link */
	PLAN_OP_NAT_INIT, /* table and chains */
	PLAN_OP_NAT_DEL,
	PLAN_OP_NAT_ADD, /* a service's binding, to its first instance */
	PLAN_OP_NAT_BIND, /* to another instance, in place of the old ones */
	PLAN_OP_NAT_ALSO, /* and to this one: part of what is ahead of it */
	PLAN_OP_DROP, /* the next control packets that come to a sald */
	PLAN_OP_MASQUERADE, /* at all interfaces of a router that do */
	PLAN_OP_MPTCP_LIMITS, /* as many subflows as it can have */
	PLAN_OP_MPTCP_ADD, /* an endpoint: one of its addresses */
	PLAN_OP_MPTCP_DEL,
	PLAN_OP_SALD_START, /* those behind it wait until it is ready */
	PLAN_OP_SAL_INTERFACE, /* what it is to think of an interface */
	PLAN_OP_SAL_POLICY,
	PLAN_OP_SAL_NAME, /* a service's ID and addresses */
	PLAN_OP_SAL_LISTEN, /* to those who listen on its port, it looks */
	PLAN_OP_SAL_RULE_ADD,
	PLAN_OP_SAL_RULE_DEL,
	PLAN_OP_SAL_RULE_CHANGE, /* its weight */
	PLAN_OP_ROUTE_SET, /* added, or in the place of another */
	PLAN_OP_IFACE_RENAME,
	PLAN_OP_IFACE_MTU,
	PLAN_OP_PORT_MOVE, /* to another bridge */
	PLAN_OP_CUT, /* the node hears none of the other groups of a partition
			any more */
	PLAN_OP_UNCUT,
	PLAN_OP_SILENCE, /* nothing comes into the node, or out of it */
	PLAN_OP_UNSILENCE,
	PLAN_OP_NAMES_START, /* the resolver of names */
	PLAN_OP_NAMES_OPEN, /* it answers in the node */
	PLAN_OP_NAME_ADD, /* a name means an address, too */
	PLAN_OP_NAME_DEL, /* no more; no address: it means nothing */
};

struct plan_op {
	enum plan_op_kind kind;
	size_t node; /* namespace it happens in; PLAN_LAB: the lab's */
	union {
		struct {
			const char *key; /* "net/ipv6/conf/all/forwarding" */
			const char *value;
			const char *old; /* for the inverse; NULL: unknown */
		} sysctl;
		struct {
			size_t iface;
			bool forwarding, ignore_linkdown; /* CONF */
		} iface; /* BRIDGE_ADD, IFACE_UP, IFACE_DOWN, CARRIER_SYNC,
			    IFACE_CONF, SAL_INTERFACE */
		struct {
			size_t iface[2];
			size_t bridge; /* iface[0]'s master, or SCN_NONE */
			uint32_t mtu; /* 0: default */
		} link;
		struct {
			size_t iface;
			struct ip_prefix address;
		} addr; /* ADDR_ADD, ADDR_DEL, MPTCP_ADD, MPTCP_DEL */
		struct {
			struct ip_prefix to; /* length 0: default */
			struct ip_addr via; /* AF_UNSPEC: on link */
			size_t iface;
			uint32_t metric; /* 0: the kernel's default */
		} route;
		struct {
			size_t service;
			unsigned
				id; /* the binding's, unique in its namespace */
			struct ip_addr from,
				to; /* service's, instance's address */
			uint32_t weight; /* of to */
			size_t also; /* how many ALSO are behind it */
			struct ip_addr old_to; /* BIND: for the inverse */
			bool lost; /* BIND: there is none, for there were
				      several */
		} nat;
		struct {
			size_t iface;
			size_t link, from; /* whose properties, by the sending
					      end */
			/* NULL: as they are by now, of a lab that lives */
			const struct link_params *params;
		} queue;
		struct {
			size_t iface;
			size_t bridge; /* its master, or SCN_NONE */
			uint32_t mtu; /* 0: default */
		} tap; /* ADD, DEL */
		struct {
			size_t link;
			const struct scn_link_change *set; /* CHANGE */
			bool up; /* STATE */
		} wire;
		struct {
			size_t iface;
			char name[IFNAMSIZ], old_name[IFNAMSIZ];
		} rename;
		struct {
			size_t iface;
			uint32_t mtu, old_mtu; /* bytes */
		} mtu;
		struct {
			size_t iface, bridge, old_bridge; /* of the lab */
		} port;
		struct {
			uint8_t flags;
			uint32_t count;
		} drop;
		struct {
			unsigned rebinds; /* so far: each has other ports */
		} masquerade;
		struct {
			const struct scn_action *partition;
		} cut;
		struct {
			size_t service; /* SCN_NONE: all that there are */
			struct ip_addr to; /* FORWARD; AF_UNSPEC: DEMUX */
			size_t instance; /* who is there: a node; SCN_NONE: of
					    no service */
			uint32_t weight, priority; /* FORWARD */
			/* CHANGE: for the inverse */
			uint32_t old_weight, old_priority;
		} sal;
		struct {
			size_t service;
			struct ip_addr address;
			uint32_t weight; /* among the addresses of the name */
		} name; /* NAME_ADD, NAME_DEL */
	};
	struct src_pos pos;
};

typedef VEC(struct plan_op) plan_op_vec;

/*
 * A link's state is that of its carrier, and "down" must take it from both ends
 * without touching an address or a route. A veth has no such switch: taking one
 * end down costs that end its IPv6 addresses and routes. So where the timeline
 * takes a link down, the link is not one veth pair but two, joined by a bridge
 * in the lab's namespace (which a link into a bridge has anyway), and what goes
 * down is the ports: at the nodes, only the carrier goes.
 *
 * The ends of an emulated link are TAP devices instead, at a bridge ports of
 * it. Their carrier is the emulator's to switch, so that no bridge is needed.
 * One that comes on a living lab has none until the link is taken up.
 */
struct plan {
	const struct scenario *scenario; /* borrowed; outlives the plan */
	VEC(struct plan_network) networks;
	VEC(struct plan_iface) ifaces;
	VEC(struct plan_link) links; /* by the scenario's link index */
	VEC(struct plan_service) services; /* by the scenario's service index */
	VEC(struct plan_node) nodes; /* by the scenario's node index */
	VEC(struct plan_readdress) readdresses; /* in the timeline's order */
	plan_op_vec ops;
	plan_op_vec late_routes; /* of interfaces that are not there at first */
};

struct diag;

/*
 * Returns 0; -EINVAL with the errors in diag (overlapping subnets, exhausted
 * or doubled addresses, services that cannot be reached, ...); -ENOMEM.
 * The plan is only given (and to be freed) on 0.
 */
int plan_make(const struct scenario *s, struct diag *diag, struct plan **out);
struct plan *plan_free(struct plan *p); /* returns NULL */

/* The operation that takes op back. False: there is none. */
bool plan_op_inverse(const struct plan_op *op, struct plan_op *out);

/* "a: add address 10.0.0.1/24 to eth0". Returns buf. */
const char *plan_op_text(const struct plan *p, const struct plan_op *op,
			 char *buf, size_t size);
void plan_print(const struct plan *p, FILE *out); /* for people */

/* ---- what later layers ask of a plan ----------------------------------- */

/* A node's first address of that family; AF_UNSPEC where it has none. */
struct ip_addr plan_node_address(const struct plan *p, size_t node, int family);
/* A service's address of that family; AF_UNSPEC where it has none. */
struct ip_addr plan_service_address(const struct plan *p, size_t service,
				    int family);
/* Is there a resolver of names? */
bool plan_has_names(const struct plan *p);
/* Does any host run a sald? */
bool plan_has_sald(const struct plan *p);
/* The prefixes that hold every sal service's address; how many (at most max).
 */
/* How a node's sald chooses among its interfaces. */
struct plan_sal_policy {
	bool by_cost, avoid_metered, go_back;
	int64_t hold_ms;
	size_t order[SCN_ORDER_MAX]; /* interfaces that come first */
	size_t n_order;
};
struct plan_sal_policy plan_sal_policy(const struct plan *p, size_t node);

#define PLAN_SAL_PREFIXES_MAX 16
size_t plan_sal_prefixes(const struct plan *p,
			 struct ip_prefix out[PLAN_SAL_PREFIXES_MAX]);
/* What a node's sald draws its random numbers from. */
#define PLAN_KEY_LEN 32
void plan_sald_key(const struct plan *p, size_t node,
		   uint8_t key[PLAN_KEY_LEN]);
/* Where a probe sends to, by its family and its target's. */
struct ip_addr plan_probe_target(const struct plan *p,
				 const struct scn_probe *pr);
/* The text of every node's /etc/hosts. Free it; NULL: out of memory. */
char *plan_hosts_text(const struct plan *p);

/* Does its router give what leaves by this interface its own address? */
bool plan_masquerades(const struct plan *p, size_t iface);

/* What MPTCP does with an interface's addresses: never AUTO. */
enum scn_mptcp plan_mptcp_role(const struct plan *p, size_t iface);
bool plan_has_mptcp(const struct plan *p);

/* Which interface sends what that end of a link sends: the node's own, or the
 * bridge's port. */
size_t plan_sender(const struct plan *p, size_t link, size_t end);

#endif
