/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The typed model's first part (model.h): what a lab consists of. */
#ifndef SCENARIO_MODEL_LAB_H
#define SCENARIO_MODEL_LAB_H

#include "base/err.h"
#include "base/ip.h"
#include "base/vec.h"
#include "include/serval/service_id.h"
#include "orchestrator/link/params.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCN_NONE SIZE_MAX /* no index */

struct scn_prefix {
	struct ip_prefix prefix;
	struct src_pos pos;
};
typedef VEC(struct scn_prefix) scn_prefix_vec;

typedef VEC(size_t) scn_index_vec;

/* ---- topology ---------------------------------------------------------- */

enum scn_node_kind {
	SCN_NODE_HOST,
	SCN_NODE_ROUTER, /* forwards; static routes are computed for it */
	SCN_NODE_BRIDGE, /* a switch: one network for all links plugged into it
			  */
	SCN_NODE_GUEST, /* a host with one interface, in a bridge: it can be
			   moved to another one */
	SCN_NODE_SERVICE_ROUTER, /* a router whose sald hands on by service */
};

/* A node that has addresses and programs, and forwards nothing. */
static inline bool scn_kind_is_host(enum scn_node_kind kind)
{
	return kind == SCN_NODE_HOST || kind == SCN_NODE_GUEST;
}

/* What routes are computed for, and packets pass through. */
static inline bool scn_kind_is_router(enum scn_node_kind kind)
{
	return kind == SCN_NODE_ROUTER || kind == SCN_NODE_SERVICE_ROUTER;
}

/* How programs of a node, or those who ask it, get to sal services. */
enum scn_resolves {
	SCN_RESOLVES_AUTO, /* the nearest service router, if there is any */
	SCN_RESOLVES_TABLE, /* it knows all instances */
	SCN_RESOLVES_BROADCAST, /* it asks all on its links */
	SCN_RESOLVES_ROUTERS,
};

#define SCN_RESOLVES_MAX 4 /* service routers of a node */

/* ---- salds ------------------------------------------------------------- */

enum scn_encapsulate {
	SCN_ENCAPSULATE_UNSAID,
	SCN_ENCAPSULATE_AUTO,
	SCN_ENCAPSULATE_NEVER
};

enum scn_choice { SCN_UNSAID, SCN_NO, SCN_YES };

enum scn_by { SCN_BY_UNSAID, SCN_BY_ORDER, SCN_BY_COST };

#define SCN_ORDER_MAX 16

/* One interface: that end of that link. */
struct scn_iface_ref {
	size_t link, end;
};

struct scn_sal { /* 0: a sald's own default */
	int64_t liveness_ms, probe_gap_ms, keepalive_ms;
	unsigned probes;
	enum scn_encapsulate encapsulate;
	enum scn_choice resend, source_routes;
	/* The policy. */
	enum scn_by by; /* UNSAID: cost where an interface has one */
	enum scn_choice avoid_metered, go_back;
	int64_t hold_ms; /* before flows go back */
	struct scn_iface_ref order[SCN_ORDER_MAX]; /* come first */
	size_t n_order;
};

/* ---- nodes -------------------------------------------------------------- */

struct scn_node {
	char *name;
	enum scn_node_kind kind;
	enum scn_resolves resolves;
	size_t routers[SCN_RESOLVES_MAX]; /* the preferred one first */
	size_t router_count;
	struct src_pos resolves_pos;
	scn_prefix_vec subnets; /* bridges: the network's; empty: automatic */
	struct scn_sal sal; /* of its sald: its own, else as all have it */
	struct src_pos pos; /* of the name */
};

enum scn_mptcp {
	SCN_MPTCP_AUTO, /* by the probes that speak it */
	SCN_MPTCP_NONE,
	SCN_MPTCP_SUBFLOW, /* a subflow is opened from them */
	SCN_MPTCP_BACKUP, /* likewise, for when there is no other */
	SCN_MPTCP_SIGNAL, /* they are announced to the other end */
};

/* One end of a link. At a bridge it is a port: without name and addresses. */
struct scn_endpoint {
	size_t node;
	char ifname[IFNAMSIZ]; /* "" at a bridge; ethN where none was given */
	scn_prefix_vec
		addresses; /* empty: automatic, from the network's subnets */
	bool has_mac;
	uint8_t mac[6];
	enum scn_mptcp mptcp; /* what its addresses are to MPTCP */
	bool masquerade; /* of a router: what leaves by it has its address */
	/* What the node's sald is to think of it. */
	bool has_cost, metered;
	uint32_t cost;
	int64_t cap_bps; /* each way; 0: none */
	struct src_pos pos;
};

enum scn_backend {
	SCN_BACKEND_AUTO, /* the kernel where nothing is asked of the link */
	SCN_BACKEND_KERNEL, /* veth, tbf, netem */
	SCN_BACKEND_EMULATED, /* the emulator's process */
};

struct scn_link {
	char *name; /* given, or "END-END" as in "a:eth0-lan" */
	struct scn_endpoint end[2];
	scn_prefix_vec
		subnets; /* of a link without a bridge; empty: automatic */
	uint32_t mtu; /* of its interfaces, bytes; 0: the kernel's default,
			 1500 */
	struct link_params params[2]; /* of what each end sends, at first */
	enum scn_backend backend; /* as written */
	bool emulated; /* what that comes to */
	int64_t tolerance_ns; /* 0: the default (docs/measures.md) */
	bool absent; /* its interfaces are not there until an action adds them
		      */
	struct src_pos pos;
};

/* ---- services ---------------------------------------------------------- */

enum scn_resolver {
	SCN_RESOLVER_NAT, /* nftables DNAT at a router or in the clients */
	SCN_RESOLVER_SAL, /* the Service Access Layer, a sald in every host */
	SCN_RESOLVER_DNS, /* the name means an instance's own address */
};

enum scn_protocol { SCN_PROTO_ANY, SCN_PROTO_TCP, SCN_PROTO_UDP };

struct scn_port {
	enum scn_protocol protocol; /* ANY: port 0, everything */
	uint16_t port;
};

/* How a client's flows are spread over a service's instances. */
enum scn_affinity {
	SCN_AFFINITY_NONE, /* each flow for itself */
	SCN_AFFINITY_SOURCE, /* all of one address to the same one */
};

#define SCN_WEIGHT_MAX 65535

struct scn_instance {
	size_t node;
	uint32_t weight; /* its share of new flows; 0: it gets none */
	uint32_t priority; /* the highest that can be used serves */
	struct src_pos pos;
};
typedef VEC(struct scn_instance) scn_instance_vec;

/* Of services' IDs that are made of their names. */
#define SCN_SERVICE_ID_PREFIX "0xfd5e01ab/32"

struct scn_service {
	char *name;
	enum scn_resolver resolver;
	/* sal: of all IDs that it stands for; has_id false: made of its name.
	 * With an ID that lies in another's prefix it may have no instances:
	 * while it has none, that one's answer, and instance is one of them. */
	struct service_prefix id;
	bool has_id;
	struct src_pos id_pos;
	scn_prefix_vec addresses; /* at most one a family, full length; empty:
				     automatic, one of each family in use */
	struct scn_port port;
	scn_instance_vec instances; /* bound at the start */
	size_t instance; /* the node of the first of them */
	struct src_pos instance_pos;
	/* Hosts that are instances while a program there listens on the port;
	 * some: those are all there are, instances is empty, and instance only
	 * stands for one. */
	scn_instance_vec candidates;
	struct src_pos candidates_pos;
	enum scn_affinity affinity; /* nat */
	char *full_name; /* "web.serval" */
	uint32_t ttl_s; /* dns: of its answers */
	bool all_addresses; /* dns: each answer has those of all instances */
	scn_index_vec run; /* processes that run where the instance is */
	scn_index_vec at; /* nodes that hold the NAT rules; empty: every host
			     that never is an instance, in its own OUTPUT */
	struct src_pos at_pos;
	struct src_pos pos;
};

/* ---- processes and probes ---------------------------------------------- */

enum scn_ready_kind {
	SCN_READY_NONE, /* started is ready */
	SCN_READY_LISTENS, /* a socket is bound (UDP) or listening (TCP) */
	SCN_READY_PRINTS, /* its output holds this text */
};

struct scn_process {
	char *name;
	size_t node;
	char **argv; /* NULL-terminated; a shell line is ["/bin/sh","-c",LINE]
		      */
	char *command; /* as written, for messages; NULL for a built-in one */
	struct scn_port echo; /* our own UDP echo server instead of argv */
	struct scn_port serve; /* or that for tcp_stream and tcp_request */
	char **env; /* "KEY=VALUE", NULL-terminated; added to a clean one */
	bool autostart; /* false: waits for a start action ("start: manual") */
	enum scn_ready_kind ready;
	struct scn_port ready_port;
	char *ready_text;
	int64_t ready_timeout_ns;
	struct src_pos ready_pos;
	struct src_pos pos;
};

enum scn_probe_kind {
	SCN_PROBE_PING,
	SCN_PROBE_UDP_ECHO,
	SCN_PROBE_TCP_STREAM,
	SCN_PROBE_TCP_REQUEST,
	SCN_PROBE_HTTP,
	SCN_PROBE_KIND_COUNT_,
};

/* A stream of so many bytes, and without a 'for', has that much time. */
#define SCN_STREAM_LIMIT_NS INT64_C(60000000000)

enum scn_target_kind {
	SCN_TARGET_SERVICE,
	SCN_TARGET_NODE,
	SCN_TARGET_ADDRESS
};

struct scn_probe {
	char *name;
	enum scn_probe_kind kind;
	size_t node;
	enum scn_target_kind target;
	size_t to; /* service or node */
	struct ip_addr to_address; /* SCN_TARGET_ADDRESS */
	uint16_t port; /* the service's unless given; not of a ping */
	int family; /* 4, 6; 0: 4 where the target has both */
	int64_t interval_ns; /* 0: of a stream, or one request after another */
	int64_t start_ns; /* after the timeline's zero */
	int64_t for_ns;
	uint32_t payload; /* ping, UDP echo: bytes behind the ICMP or UDP header
			   */
	bool upload, verify, mptcp; /* TCP stream */
	uint64_t bytes, rate_bps; /* TCP stream; 0: no limit */
	uint32_t request, response; /* TCP request: bytes */
	bool keep; /* TCP request, HTTP: a connection serves many requests */
	int64_t timeout_ns; /* of a request */
	char *path; /* HTTP; else NULL */
	uint32_t concurrency; /* HTTP: connections at a time */
	struct src_pos pos, to_pos;
};

#endif
