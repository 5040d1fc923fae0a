/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The typed model's second part (model.h): what happens in a lab, and what is
 * expected of it. */
#ifndef SCENARIO_MODEL_PLAY_H
#define SCENARIO_MODEL_PLAY_H

#include "orchestrator/scenario/model_lab.h"

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
	bool compares; /* PROBE: range is in parts of 10^9 of the metric ... */
	size_t of; /* ... of this probe */
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

#endif
