/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The typed model of one scenario: what a YAML file says, with every reference
 * resolved to an index and every quantity in its unit, and nothing computed
 * yet. Addresses, routes and operations are the plan's (orchestrator/plan).
 *
 * Everything carries the place in the file that asked for it. Strings and
 * arrays belong to the scenario and die with it.
 */
#ifndef SCENARIO_MODEL_H
#define SCENARIO_MODEL_H

#include "base/err.h"
#include "base/ip.h"
#include "base/vec.h"
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

struct scn_service {
	char *name;
	enum scn_resolver resolver;
	scn_prefix_vec addresses; /* at most one a family, full length; empty:
				     automatic, one of each family in use */
	struct scn_port port;
	VEC(struct scn_instance) instances; /* bound at the start */
	size_t instance; /* the node of the first of them */
	struct src_pos instance_pos;
	/* Hosts that are instances while a program there listens on the port;
	 * some: those are all there are, instances is empty, and instance only
	 * stands for one. */
	scn_index_vec candidates;
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

/* ---- timeline ---------------------------------------------------------- */

enum scn_action_kind {
	SCN_ACTION_MIGRATE,
	SCN_ACTION_REGISTER, /* one more instance of a service */
	SCN_ACTION_UNREGISTER,
	SCN_ACTION_WEIGHT, /* of a service's instances */
	SCN_ACTION_FLUSH, /* what a node's kernel tracks of connections */
	SCN_ACTION_LINK_STATE,
	SCN_ACTION_LINK_CHANGE, /* of its properties */
	SCN_ACTION_READDRESS, /* an interface gets other addresses */
	SCN_ACTION_PRESENCE, /* an interface goes, or comes */
	SCN_ACTION_ADMIN, /* it is set down, or up */
	SCN_ACTION_RENAME,
	SCN_ACTION_PLUG, /* an interface is plugged into another bridge */
	SCN_ACTION_GUEST, /* a guest moves to another bridge's network */
	SCN_ACTION_MTU,
	SCN_ACTION_ROUTE,
	SCN_ACTION_NAT_REBIND, /* a router that masquerades forgets its flows */
	SCN_ACTION_DROP, /* control packets of the SAL, on their way in */
	SCN_ACTION_PARTITION,
	SCN_ACTION_HEAL,
	SCN_ACTION_CRASH,
	SCN_ACTION_BOOT,
	SCN_ACTION_FREEZE,
	SCN_ACTION_THAW,
	SCN_ACTION_START,
	SCN_ACTION_STOP, /* SIGTERM to the process group, SIGKILL after grace */
	SCN_ACTION_KILL, /* signal to the process group */
	SCN_ACTION_PAUSE, /* SIGSTOP to the process group */
	SCN_ACTION_RESUME,
	SCN_ACTION_RESTART,
	SCN_ACTION_EXEC, /* a command, run in a node */
	SCN_ACTION_MARK, /* nothing but an event and a comment in the trace */
	SCN_ACTION_WAIT, /* what is behind it in its list begins later */
	SCN_ACTION_COUNT_, /* how many kinds there are */
};

/* What an action changes about a link's properties. */
struct scn_link_change {
	struct link_change from[2]; /* of what each end sends; no properties:
				       that direction stays */
};

enum scn_flush { SCN_FLUSH_AFTER, SCN_FLUSH_NONE, SCN_FLUSH_BEFORE };

enum scn_migrate_mode {
	SCN_MIGRATE_REPLACE, /* the old instance goes, then the new one comes */
	SCN_MIGRATE_OVERLAP, /* the other way round */
	SCN_MIGRATE_HANDOFF, /* and its live connections go along */
};

/* The steps of a handoff, after which its new process can be made to die. */
enum scn_handoff_step {
	SCN_HANDOFF_NONE,
	SCN_HANDOFF_HOLD,
	SCN_HANDOFF_DUMP,
	SCN_HANDOFF_RESTORE,
	SCN_HANDOFF_IMPORT,
};

enum scn_route_change { SCN_ROUTE_ADD, SCN_ROUTE_DELETE, SCN_ROUTE_REPLACE };

typedef VEC(scn_index_vec) scn_groups;

struct scn_weight {
	size_t node; /* an instance's */
	uint32_t weight;
};

struct scn_action {
	enum scn_action_kind kind;
	union {
		struct {
			size_t service, from, to; /* nodes */
			enum scn_migrate_mode mode;
			enum scn_flush
				flush; /* conntrack: when, as to the rule */
			int64_t gap_ns; /* between rule and flush */
			enum scn_handoff_step fail; /* NONE: not */
			struct src_pos to_pos;
		} migrate;
		struct {
			size_t service, node;
			uint32_t weight, priority; /* REGISTER */
		} serve; /* REGISTER, UNREGISTER */
		struct {
			size_t service;
			struct scn_weight *set; /* owned */
			size_t n;
		} weight;
		struct {
			size_t node;
			size_t service; /* SCN_NONE: all of it */
		} flush;
		struct {
			size_t link;
			bool up;
		} link;
		struct {
			size_t link;
			struct scn_link_change *set; /* owned */
			bool reset; /* to what the link's entry says */
		} change;
		struct {
			size_t link, end; /* which interface */
			bool none; /* it loses those it has */
			scn_prefix_vec addresses; /* empty: new automatic ones
						     (renew) */
		} readdress;
		struct {
			struct scn_iface_ref at; /* the guest's interface */
			size_t bridge; /* of the network it moves to: a node */
			scn_prefix_vec addresses; /* empty: new automatic ones
						   */
			int64_t gap_ns; /* while it is plugged into nothing */
		} guest;
		struct {
			struct scn_iface_ref at;
			bool present; /* PRESENCE */
			bool up; /* ADMIN */
			char name[IFNAMSIZ]; /* RENAME */
			size_t bridge; /* PLUG: a node */
			uint32_t mtu; /* MTU: bytes */
		} iface;
		struct {
			struct scn_iface_ref at;
			enum scn_route_change change;
			struct ip_prefix to;
			struct ip_addr via; /* AF_UNSPEC: on link */
			uint32_t metric; /* 0: the kernel's default */
		} route;
		struct {
			size_t node;
			uint8_t flags; /* of the packets: SAL_FLAG_* */
			uint32_t count; /* the next ones */
		} drop;
		struct {
			scn_groups groups; /* of nodes */
		} partition;
		struct {
			size_t node;
		} node; /* CRASH, BOOT, FREEZE, THAW, NAT_REBIND */
		struct {
			size_t process;
			int signal; /* kill */
		} process;
		struct {
			size_t node;
			char **argv; /* as scn_process.argv */
			char *command; /* as written */
			int64_t timeout_ns;
			int status; /* that it is to end with; -1: any */
		} exec;
		struct {
			char *text;
		} mark;
		struct {
			int64_t ns;
		} wait;
	};
	struct src_pos pos;
};

enum scn_when_kind {
	SCN_WHEN_EVENT, /* of the lab or of a sald, as in events.jsonl */
	SCN_WHEN_EXIT, /* a process ends */
	SCN_WHEN_PRINTS, /* a process's output holds a text */
	SCN_WHEN_PACKET, /* a packet that matches a filter */
	SCN_WHEN_PROBE, /* a probe's measure crosses a threshold */
};

struct scn_match { /* a field of an event, and what it must be */
	char *field, *value;
};

struct scn_when {
	enum scn_when_kind kind;
	uint64_t count; /* at the n-th time, from 1 */
	char *text; /* EVENT: its name; PRINTS; PACKET: a pcap filter */
	VEC(struct scn_match) where; /* EVENT */
	size_t process; /* EXIT, PRINTS */
	struct scn_iface_ref at; /* PACKET */
	size_t probe; /* PROBE: one of the two is given */
	uint64_t lost_run; /* so many lost in a row; 0: not asked for */
	int64_t rtt_ns; /* one that took longer; 0: not asked for */
	struct src_pos pos; /* of what is looked for */
};

enum scn_trigger {
	SCN_TRIGGER_AT, /* at_ns after the timeline's zero */
	SCN_TRIGGER_AFTER, /* delay_ns after another entry is done */
	SCN_TRIGGER_WHEN, /* delay_ns after something has happened */
};

struct scn_entry { /* one item of the timeline, or one time of "every" */
	enum scn_trigger trigger;
	/* AFTER: where nothing takes time. SCN_UNTIMED: nobody knows. */
	int64_t at_ns;
	int64_t delay_ns; /* AFTER, WHEN */
	size_t after; /* AFTER: an entry */
	struct scn_when when; /* WHEN */
	char *name; /* NULL: it has none */
	bool optional; /* not to happen is no fault */
	VEC(struct scn_action)
	actions; /* in order, as close together as can be */
	struct src_pos pos;
};

#define SCN_PROBE_WAITS_MAX 8 /* entries that wait for one probe */
#define SCN_UNTIMED INT64_MAX /* behind all others */

/* ---- expectations ------------------------------------------------------ */

enum scn_expect_kind {
	SCN_EXPECT_PROBE, /* one metric of a probe within a range */
	SCN_EXPECT_ANSWERED_BY, /* which instances answered, in order */
	SCN_EXPECT_SHARE, /* how the answers are shared among instances */
	SCN_EXPECT_EXIT, /* how a process ended */
	SCN_EXPECT_PRINTS, /* a process's output holds a text */
	SCN_EXPECT_CAPTURE, /* how many captured packets match a filter */
	SCN_EXPECT_LATENESS, /* how late actions began, at most */
	SCN_EXPECT_HOST, /* nothing of the run is left on the host */
	SCN_EXPECT_LINK, /* one figure of an emulated link within a range */
};

/* What an emulated link counts, in frames: X(id, key, text). */
#define SCN_LINK_FIGURES(X)                                                    \
	X(OFFERED, "offered", "frames that came")                              \
	X(DELIVERED, "delivered", "frames that arrived, copies included")      \
	X(LOST, "lost", "frames that 'loss' took")                             \
	X(DUPLICATED, "duplicated", "frames that arrived twice")               \
	X(CORRUPTED, "corrupted", "frames that were damaged")                  \
	X(REORDERED, "reordered", "frames that skipped the delay")             \
	X(MARKED, "marked", "frames that were marked (ECN)")                   \
	X(QUEUE_DROPPED, "queue_dropped", "frames that found the queue full")  \
	X(QUEUED_MOST, "queued_most", "packets that waited at once, at most")  \
	X(MTU_DROPPED, "mtu_dropped", "frames that were too large")            \
	X(DOWN_DROPPED, "down_dropped", "frames lost because it was down")

enum scn_link_figure {
#define SCN_LINK_FIGURE(id, key, text) SCN_LINK_##id,
	SCN_LINK_FIGURES(SCN_LINK_FIGURE)
#undef SCN_LINK_FIGURE
		SCN_LINK_FIGURE_COUNT_, /* how many there are */
};

enum scn_metric {
	SCN_METRIC_SENT,
	SCN_METRIC_RECEIVED,
	SCN_METRIC_LOST,
	SCN_METRIC_DUPLICATED,
	SCN_METRIC_REORDERED,
	SCN_METRIC_OUTAGE, /* ns */
	SCN_METRIC_RTT_P50, /* ns */
	SCN_METRIC_RTT_P99, /* ns */
	SCN_METRIC_FAILED, /* requests */
	SCN_METRIC_LATENCY_P50, /* ns, of requests */
	SCN_METRIC_LATENCY_P99, /* ns */
	SCN_METRIC_CONNECTIONS, /* that requests were sent over */
	SCN_METRIC_BYTES, /* of a stream: delivered */
	SCN_METRIC_GOODPUT, /* bits/s, of a stream */
	SCN_METRIC_CONNECT, /* ns until a stream was connected */
	SCN_METRIC_RECOVERY, /* ns, the longest of a stream's */
	SCN_METRIC_SURVIVES, /* 0 or 1: the connection lived to its end */
	SCN_METRIC_INTACT, /* 0 or 1: every byte was right */
	SCN_METRIC_COUNT_, /* how many metrics there are */
};

struct scn_range { /* inclusive; counts or ns */
	bool has_min, has_max;
	int64_t min, max;
};

struct scn_share {
	size_t node;
	int64_t ppb; /* parts of 10^9 of the answers */
};

/* One check; a YAML item that names several metrics becomes several. */
struct scn_expect {
	enum scn_expect_kind kind;
	size_t subject; /* probe, service, process or link; capture: node or
			   SCN_NONE; host: SCN_NONE */
	enum scn_metric metric;
	enum scn_link_figure link_figure; /* LINK, ... */
	bool link_from[2]; /* ... of what these ends send */
	struct scn_range range; /* metric, capture count, exit status */
	bool exit_not; /* the exit status must lie outside of range */
	int exit_signal; /* ended by this signal; 0: range counts */
	scn_index_vec answered_by; /* nodes, runs of the same one folded */
	VEC(struct scn_share) shares; /* SHARE */
	int64_t over; /* SHARE: the least number of answers */
	int64_t within_ns; /* HOST; EXIT, PRINTS, CAPTURE, PROBE: the end of the
			      run waits so long for it; 0: not at all */
	char *after; /* PROBE: within_ns counts from the beginning of the entry
			of this name, and so does the figure; or NULL */
	char *since, *until; /* SHARE: only answers between these entries of
				the timeline count; or NULL */
	char *text; /* PRINTS: the text; CAPTURE: a pcap filter */
	char ifname[IFNAMSIZ]; /* CAPTURE; "": every interface of the node */
	struct src_pos pos;
};

/* ---- files ------------------------------------------------------------- */

enum scn_file_kind { SCN_FILE_TRACE, SCN_FILE_HISTOGRAM, SCN_FILE_PATTERN };

/*
 * A file that the scenario names, read and parsed. Where a scenario is not to
 * look at files (scenario_parse()), it is a stand-in: known by its name, and of
 * the least that its kind can hold.
 */
struct scn_file {
	enum scn_file_kind kind;
	char *path; /* as written: from the scenario's folder */
	char *text; /* NULL: a stand-in, or a pattern that the scenario holds */
	size_t len;
	bool loop; /* traces */
	union {
		struct link_trace *trace;
		struct link_histogram *histogram;
		struct link_pattern *pattern;
	};
};

/* ---- all of it --------------------------------------------------------- */

struct scenario {
	char *path; /* as given by the user */
	char *name;
	char *description; /* may be NULL */
	uint64_t seed;
	int64_t duration_ns; /* 0: until the last probe or process is done */
	struct src_pos topology_pos; /* "topology:", for what all of it needs */
	int64_t spin_ns; /* the emulator's busy-wait before a frame is due */
	VEC(struct scn_node) nodes;
	VEC(struct scn_link) links;
	VEC(struct scn_service) services;
	VEC(struct scn_process) processes;
	VEC(struct scn_probe) probes;
	VEC(struct scn_entry) timeline; /* by time; file order where equal */
	VEC(struct scn_expect) expects;
	VEC(struct scn_file) files;
	char *text; /* the file, byte for byte: the record keeps a copy */
	size_t text_len;
};

struct diag;

/*
 * Reads a scenario. Returns 0; -EINVAL with what is wrong with it in diag
 * (every error of the file, found in one pass); another negative errno where
 * the file could not be read, or memory ran out, with err saying so. The
 * scenario is only given (and to be freed) on 0.
 */
int scenario_load(const char *path, struct diag *diag, struct scenario **out,
		  struct err *err);
/*
 * The same from memory; path is for the messages. Files that it names are not
 * looked at (struct scn_file): so is a scenario read again that a run's record
 * holds a copy of.
 */
int scenario_parse(const char *path, const char *text, size_t len,
		   struct diag *diag, struct scenario **out, struct err *err);

/* Returns NULL. */
struct scenario *scenario_free(struct scenario *s);

size_t scenario_find_node(const struct scenario *s, const char *name);

/* The words of the language, as the messages, plans and reports print them. */
const char *scn_probe_kind_name(enum scn_probe_kind k);
const char *scn_metric_name(enum scn_metric m);
const char *scn_link_figure_name(enum scn_link_figure figure);
enum scn_unit {
	SCN_UNIT_COUNT,
	SCN_UNIT_TIME, /* ns */
	SCN_UNIT_RATE, /* bits/s */
	SCN_UNIT_BYTES,
	SCN_UNIT_SWITCH, /* 0: false, 1: true */
};
enum scn_unit scn_metric_unit(enum scn_metric m);
/* Has a probe of this kind such a figure? */
bool scn_metric_fits(enum scn_metric m, enum scn_probe_kind k);
/* A duration as it would be typed: exact, and without a space. Returns buf. */
const char *scn_duration_text(int64_t ns, char *buf, size_t size);
const char *scn_node_kind_name(enum scn_node_kind k);
const char *scn_backend_name(bool emulated); /* "kernel", "emulated" */
/* Does the timeline change properties of the link? Does it take it down or up?
 */
bool scn_link_changes(const struct scenario *s, size_t link);
bool scn_link_switches(const struct scenario *s, size_t link);
bool scn_has_emulated(const struct scenario *s); /* any link */
/* "phone>ap": what that end sends. Returns buf. */
const char *scn_direction_text(const struct scenario *s, size_t link,
			       size_t end, char *buf, size_t size);
/* What the change sets, both directions: "loss 20%, rate 10mbit". Returns buf.
 */
const char *scn_change_text(const struct scenario *s, size_t link,
			    const struct scn_link_change *c, char *buf,
			    size_t size);
const char *scn_action_name(enum scn_action_kind k);
/* Frees what the action holds, not itself. */
void scn_action_deinit(struct scn_action *a);
/* "migrate echo: c -> d", "link wifi down", "stop server". Returns buf. */
const char *scn_action_text(const struct scenario *s,
			    const struct scn_action *a, char *buf, size_t size);

#endif
