/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Serval Access Layer of one host, sans I/O: bytes, events and the time go
 * in; packets to send, packets to deliver and events to report come out,
 * through the sink, during the call. There is no socket, clock, allocation or
 * log in here. The same object code runs in sald, in the virtual-time simulator
 * and under the fuzzers; given the same key and the same inputs it does the
 * same.
 *
 * What it does, for unmodified programs ("inner flows"): an IP packet that a
 * program sends to a service's address comes in from the TUN device. The first
 * one of a conversation opens a SAL flow by the service's name, riding on its
 * SYN; the others go to where the flow's other end is now. The IP header is
 * left behind, the transport segment goes untouched behind the SAL header, and
 * at the other end it gets an IP header of the same two inner addresses. The
 * conversation never learns what the outer addresses are, so these may change:
 * RSYN.
 *
 * Sources: Nordstroem et al., NSDI 2012 (resolution, handshake); Arye et al.,
 * ICNP 2012 (migration). docs/wire-format.md has the packets.
 */
#ifndef SAL_SAL_H
#define SAL_SAL_H

#include "base/ip.h"
#include "include/serval/service_id.h"
#include "node/sal/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sal;
struct sal_local_address;

/* ---- what comes out ---------------------------------------------------- */

/* SAL.md, "Migration"; the names are those of the ICNP paper. */
enum sal_state {
	SAL_CLOSED,
	SAL_LISTEN, /* never a flow's: what a DEMUX rule stands for */
	SAL_SYN_SENT,
	SAL_SYN_RCVD,
	SAL_ESTABLISHED,
	SAL_NOADDRESS, /* no local address to send from */
	SAL_RSYN_SENT,
	SAL_RSYN_RCVD,
	SAL_RSYN_SENT_RCVD, /* both ends moved */
	SAL_NOADDRESS_RSYN_RCVD,
	SAL_FIN_WAIT, /* our FIN is out */
	SAL_CLOSE_WAIT, /* the peer's FIN was acknowledged */
	SAL_TIME_WAIT,
	SAL_STATE_COUNT_,
};

/* Why a flow has come to a path. docs/control.md has the words. */
enum sal_way_why {
	SAL_WAY_OPENED, /* the first one */
	/* What became of the address of ours that it had. */
	SAL_WAY_INTERFACE_GONE,
	SAL_WAY_INTERFACE_DOWN,
	SAL_WAY_CARRIER_LOST,
	SAL_WAY_ADDRESS_REMOVED,
	SAL_WAY_ADDRESS_DEPRECATED,
	SAL_WAY_ADDRESS_DUPLICATE,
	SAL_WAY_ADDRESS_GONE, /* it cannot be used; nobody knows why */
	SAL_WAY_NO_ROUTE, /* ... from there to the peer */
	SAL_WAY_SILENCE, /* the peer said nothing where it was */
	SAL_WAY_BACK, /* there was a better one (again), and it answered */
	SAL_WAY_POLICY, /* the order of our addresses was changed */
	SAL_WAY_METERED, /* its own has become metered */
	SAL_WAY_ORDERED, /* sal_flow_move() */
	SAL_WAY_PEER_MOVED,
	SAL_WAY_PEER_SEEN, /* has proved itself from elsewhere (a NAT) */
	SAL_WAY_REBOUND, /* to another instance */
	SAL_WAY_HANDED_OVER, /* from another host */
	SAL_WAY_HANDOFF_UNDONE, /* it was to be handed over, and was not */
};

enum sal_event_kind {
	SAL_EVENT_FLOW_OPENED, /* established */
	SAL_EVENT_FLOW_STATE, /* any change of state */
	SAL_EVENT_FLOW_CLOSED, /* reason: why */
	SAL_EVENT_RSYN_SENT,
	SAL_EVENT_RSYN_RECEIVED,
	SAL_EVENT_FLOW_MIGRATED, /* an RSYN exchange has completed */
	SAL_EVENT_FLOW_REBOUND, /* resolved again, to another instance */
	SAL_EVENT_RESENT, /* count: un-ACKed segments sent again */
	SAL_EVENT_REFUSED, /* an RST went out or came in; reason */
	SAL_EVENT_SERVICE_DELAYED, /* a DELAY rule holds the flow; rule */
	SAL_EVENT_SERVICE_EXPIRED, /* rule: its time was over, it is gone */
	SAL_EVENT_SERVICE_UNREACHABLE, /* rule: set aside for a while */
	SAL_EVENT_SERVICE_FORWARDED, /* a SYN was handed on; rule: to where */
};

struct sal_flow_info {
	uint32_t local_id, remote_id;
	enum sal_state state;
	bool client; /* opened here */
	bool native; /* of native.h: no inner addresses, no ports */
	struct service_id service;
	struct ip_addr inner_local, inner_remote;
	uint16_t port_local, port_remote; /* ICMP: the echo id in both */
	uint8_t protocol;
	struct sal_path path;
	const char *hand; /* "held", "imported", "given"; NULL: it is ours */
	uint64_t packets_in, packets_out, bytes_in, bytes_out;
	int64_t opened_ns, last_used_ns;
};

enum sal_rule_kind {
	SAL_RULE_DEMUX, /* an instance is here */
	SAL_RULE_FORWARD, /* there is one at an address, or who knows of one */
	SAL_RULE_DELAY, /* packets of programs here wait for a verdict */
	SAL_RULE_DROP,
};

struct sal_rule {
	struct service_id id;
	uint16_t bits; /* of the prefix; 256: this service */
	enum sal_rule_kind kind;
	struct ip_addr to; /* FORWARD: an instance's host, or a router */
	uint32_t priority; /* the highest serves; up to 65535 */
	uint32_t weight; /* share among equals, up to 65535; 0: nothing new */
	bool refuse; /* DROP: say so, instead of silence */
	/* DELAY: how long a packet is held; 0: SAL_HOLD_MS. */
	uint32_t hold_ms;
	/* The rule goes when it was not used for so long, and when it was added
	 * (or renewed) so long ago; 0: it stays. A rule is used by each new
	 * flow, and by each packet of those that it has chosen. */
	uint32_t idle_ms, hard_ms;
};

#define SAL_HOLD_MS 5000u

struct sal_event {
	enum sal_event_kind kind;
	int64_t now_ns;
	struct sal_flow_info flow; /* local_id 0: of no flow */
	enum sal_state old_state; /* FLOW_STATE */
	uint16_t reason; /* REASON's code; 0: none */
	/* Why the flow moves, or has moved (FLOW_MIGRATED); OPENED: it does
	 * not. */
	enum sal_way_why why;
	uint32_t count;
	struct sal_rule rule; /* SERVICE_* */
};

/* Called by the engine, any number of times within one call of it. They must
 * not call the engine. arg first. */
struct sal_sink {
	void *arg;
	void (*send)(void *arg, const struct sal_outer *packet);
	void (*deliver)(void *arg, const struct sal_inner *packet);
	void (*event)(void *arg, const struct sal_event *event);
	/* Is there a route to it from that address of ours? NULL: always. It
	 * may change with sal_set_addresses() only. */
	bool (*reaches)(void *arg, const struct sal_local_address *from,
			const struct ip_addr *to);
	/* Why an address that the last list has not any more cannot be used;
	 * ifindex: where it was. NULL: nobody knows. */
	enum sal_way_why (*gone)(void *arg, const struct ip_addr *addr,
				 uint32_t ifindex);
};

/* ---- life -------------------------------------------------------------- */

struct sal_config {
	uint8_t key[32]; /* of all that must not be guessed; random, or seeded
			  */
	struct ip_addr inner4, inner6; /* this host's; AF_UNSPEC: none */
	uint32_t max_flows, max_services; /* bounds of the tables */
	uint32_t max_rules; /* but DEMUX: of those, max_services */
	uint32_t max_delayed; /* flows that DELAY rules hold; may be 0 */
	/* A service router hands on what is for services that are not here, and
	 * remembers of so many SYNs where to; 0: this is none. */
	uint32_t max_forwarded;
	uint32_t max_half_open; /* answered SYNs not yet confirmed; more are
				   answered without state */
	uint32_t unacked_bytes; /* copies kept, over all flows */
	uint32_t queue_bytes; /* segments that wait for their flow, over all */
	int64_t idle_udp_ns, idle_icmp_ns, idle_tcp_ns;
	uint32_t max_listeners; /* of native.h; may be 0 */
	/* SYNs of native flows: the first gap, which doubles, the longest one,
	 * and how many go out in all. */
	int64_t native_syn_gap_ns, native_syn_gap_max_ns;
	uint32_t native_syn_tries;
	/*
	 * Where random numbers come from instead of the key; NULL: the key. For
	 * tests that want the flow IDs, nonces and vernos of a capture. Drawn
	 * for a flow: its local ID (4 bytes, again while it is 0 or in use), a
	 * client's choice of a rule (8), the nonce (8), the first verno (4).
	 */
	void (*random)(void *arg, void *out, size_t n);
	void *random_arg;
	/* Try UDP encapsulation where protocol 144 gets no answer, remember for
	 * how long that it worked, and keep a NAT's binding so often (0: not
	 * at all). */
	bool encapsulate;
	int64_t encap_memory_ns, keepalive_ns;
	/* A peer that is silent for so long while a program waits is asked (0:
	 * never), again after each gap, and taken for lost after so many. */
	int64_t liveness_ns, probe_gap_ns;
	uint32_t probe_tries;
	/* How long an answer proves a standby address of the peer's; 0: none is
	 * asked. */
	int64_t proof_ns;
	/* Keep a copy of what the inner TCP has not ACKed, and send it again
	 * when a move is complete (unacked.c). False: its own time-out has to.
	 */
	bool resend;
	uint16_t mtu; /* of the underlay, in bytes; an outer IP header included
		       */
};

/* Sensible values for all but the key and the addresses. */
void sal_config_defaults(struct sal_config *c);

/* Bytes of memory that an engine of this configuration needs. */
size_t sal_memory(const struct sal_config *c);
/* Builds the engine in mem, which must be aligned as malloc() aligns and
 * outlive it. sink is copied. -EINVAL: the configuration makes no sense. */
int sal_init(void *mem, size_t size, const struct sal_config *c,
	     const struct sal_sink *sink, int64_t now_ns, struct sal **out);

/*
 * Asks whoever knows more than the rules: a SYN has come for a service that is
 * not here. True: it is, by a DEMUX rule that was added meanwhile, which is all
 * that may be done to the engine from there. arg: the sink's. NULL (as it
 * begins): nobody does.
 */
typedef bool sal_unserved_fn(void *arg, const struct service_id *id);
void sal_set_unserved(struct sal *s, sal_unserved_fn *ask);

/* ---- what goes in ------------------------------------------------------ */

/* A packet from the TUN device. */
void sal_from_inner(struct sal *s, const struct sal_inner *packet,
		    int64_t now_ns);
/*
 * A SAL packet from the underlay, from its base header on (any bytes: what is
 * no SAL packet, or none of ours, is counted and dropped).
 */
void sal_from_outer(struct sal *s, const struct sal_path *path,
		    const struct sal_ip_fields *ip, const uint8_t *bytes,
		    size_t len, int64_t now_ns);
/* The underlay says that a packet with this SAL header did not get there
 * (ICMP): only a hint, which makes the engine ask (CHALLENGE, RSYN). */
void sal_unreachable(struct sal *s, const struct sal_path *path,
		     const uint8_t *header, size_t len, int64_t now_ns);
/* "Fragmentation needed" (ICMP), about a packet with this SAL header: the path
 * carries packets of so many bytes only. Of no effect where the header does not
 * name both IDs of a flow of ours on that path. */
void sal_path_mtu(struct sal *s, const struct sal_path *path,
		  const uint8_t *header, size_t len, uint16_t mtu,
		  int64_t now_ns);

/* When sal_tick() wants to be called next; INT64_MAX: not at all. */
int64_t sal_next_ns(const struct sal *s);
void sal_tick(struct sal *s, int64_t now_ns);

/*
 * The addresses that this host has on the underlay now, in order of preference
 * (link down, tentative and TUN's own left out). The engine compares them with
 * what it knew: flows whose address is gone, or reaches the peer no more, move
 * to the best one by the policy from which an address of the peer's can be
 * reached, or wait in NOADDRESS.
 */
struct sal_local_address {
	struct ip_addr addr;
	uint32_t ifindex;
	uint32_t cost; /* of what goes through it; in units of your own */
	bool metered; /* ... is paid for by the byte */
};
void sal_set_addresses(struct sal *s, const struct sal_local_address *list,
		       size_t n, int64_t now_ns);

/* How the addresses are put in order. All false: as they are given. */
struct sal_policy {
	bool avoid_metered; /* those that are metered last, whatever their cost
			     */
	bool by_cost; /* the cheapest first; the given order where it is equal
		       */
	bool go_back; /* move flows to the best one whenever there is a better,
			 and it answers; else they stay where they are as long
			 as they can */
	int64_t hold_ns; /* go_back: not before it has been there for so long */
};
void sal_set_policy(struct sal *s, const struct sal_policy *p, int64_t now_ns);
/* The same, but it counts from the next sal_set_addresses() on, for who changes
 * their order as well. */
void sal_put_policy(struct sal *s, const struct sal_policy *p);
struct sal_policy sal_get_policy(const struct sal *s);

/*
 * This flow prefers one of our addresses to all others, from now on, and moves
 * there. AF_UNSPEC: it has no preference any more, and stays where it is. 0,
 * -ENOENT (no such flow), -EADDRNOTAVAIL (not ours, or the peer cannot be
 * reached from it).
 */
int sal_flow_move(struct sal *s, uint32_t local_id, const struct ip_addr *to,
		  int64_t now_ns);

/* ---- services ---------------------------------------------------------- */

/* Ties a service's abstract addresses to its ID; AF_UNSPEC: none of that
 * family. 0, -ENOSPC. */
int sal_name_set(struct sal *s, const struct service_id *id,
		 const struct ip_addr *addr4, const struct ip_addr *addr6);

/*
 * Rules. Those of the longest prefix count; of these the ones of the highest
 * priority, by weight, for each new flow. Targets that did not answer or were
 * unreachable are set aside for a while, as long as there are others: lower
 * priorities serve then. Flows that are open stay where they are.
 *
 * DEMUX rules stand apart: they say what is here, for those who call us, and
 * neither overrule the others nor are overruled. A SYN from outside for a
 * service that is not here meets a DROP rule; DELAY rules hold only what
 * programs of this host send, since who sends a SYN repeats it.
 *
 * What a program sees: of a DROP rule nothing, or, if it refuses, what it sees
 * where nobody listens. Of a DELAY rule nothing either, until the verdict, or a
 * rule that takes its place; after hold_ms, or where max_delayed flows are held
 * already, that the host is unreachable.
 */

/* What kind and place say is which rule it is; prefixes have one DELAY, one
 * DROP, one DEMUX. */
struct sal_rule_info {
	struct sal_rule rule;
	uint64_t flows, packets, bytes; /* that it has chosen for, and theirs */
	int64_t added_ns; /* or renewed */
	int64_t used_ns; /* the last time; added_ns if never */
	int64_t aside_ns; /* not before; in the past: now */
	int64_t end_ns; /* when it goes if it is not used; INT64_MAX */
	bool down; /* no address here to reach it from */
};

/* Which fields sal_rule_change() takes over. */
enum {
	SAL_CHANGE_PRIORITY = 1,
	SAL_CHANGE_WEIGHT = 2,
	SAL_CHANGE_REFUSE = 4,
	SAL_CHANGE_HOLD = 8,
	SAL_CHANGE_IDLE = 16,
	SAL_CHANGE_HARD = 32, /* which renews it, too */
	SAL_CHANGE_ALL = 63,
};

/*
 * 0, -EEXIST, -ENOSPC, -EINVAL (bits of the ID beyond the prefix, a FORWARD
 * without an address, a number too large). A FORWARD rule that comes or goes
 * makes the flows that it bound look for their instance again. One at a longer
 * prefix than the DEMUX rule here takes that part of its services away: their
 * flows are reset, as if the DEMUX rule had gone.
 */
int sal_rule_add(struct sal *s, const struct sal_rule *r, int64_t now_ns);
/* what: SAL_CHANGE_*. 0, -ENOENT, -EINVAL. */
int sal_rule_change(struct sal *s, const struct sal_rule *r, unsigned what,
		    int64_t now_ns);
/* 0, -ENOENT. Flows of a DEMUX rule that goes are reset (reason 2). */
int sal_rule_delete(struct sal *s, const struct sal_rule *r, int64_t now_ns);
/* All rules of a prefix. 0, -ENOENT, -EINVAL. */
int sal_rules_delete(struct sal *s, const struct service_prefix *p,
		     int64_t now_ns);
/* Whether an instance here has this ID: by a DEMUX rule, or one of so many bits
 * (0: none) if it were there, unless a longer prefix leads elsewhere. */
bool sal_rule_serves(const struct sal *s, const struct service_id *id,
		     unsigned bits);
/*
 * Calls visit for each rule: the DEMUX rules, then the others, each by prefix
 * in ascending order, shorter ones first, then by priority. Visiting ends when
 * it returns false. after: only those behind the rules of this prefix, of the
 * same half; NULL: all. It must not call the engine.
 */
struct sal_rules_at {
	bool demux;
	struct service_prefix prefix;
};
typedef bool sal_rule_fn(void *arg, const struct sal_rule_info *r);
void sal_rules(const struct sal *s, const struct sal_rules_at *after,
	       sal_rule_fn *visit, void *arg);

/* ---- what is held ------------------------------------------------------- */

struct sal_delayed {
	uint32_t flow; /* its local ID */
	struct service_id service;
	struct sal_flow_info info;
	int64_t since_ns, until_ns;
	uint32_t packets; /* that wait */
};
void sal_delayed(const struct sal *s,
		 void (*visit)(void *arg, const struct sal_delayed *d),
		 void *arg);

enum sal_verdict {
	SAL_VERDICT_RELEASE, /* to an address, or as the other rules say */
	SAL_VERDICT_REFUSE, /* as a DROP rule that refuses */
	SAL_VERDICT_DROP, /* as one that does not */
};
/* to: RELEASE only; AF_UNSPEC: none. 0, -ENOENT (nothing is held by that ID),
 * -EHOSTUNREACH (no address here to reach it from: it is still held). */
int sal_verdict(struct sal *s, uint32_t flow, enum sal_verdict verdict,
		const struct ip_addr *to, int64_t now_ns);

/* ---- flows ------------------------------------------------------------- */

void sal_flows(const struct sal *s,
	       void (*visit)(void *arg, const struct sal_flow_info *f),
	       void *arg);
bool sal_flow_find(const struct sal *s, uint32_t local_id,
		   struct sal_flow_info *out);
/* The addresses that the peer says it has; how many. 0 as well where there is
 * no such flow. */
#define SAL_STANDBY_MAX 8
unsigned sal_flow_standby(const struct sal *s, uint32_t local_id,
			  struct ip_addr out[SAL_STANDBY_MAX]);

/*
 * The paths that a flow had (history.c). It has one while its data goes on:
 * from the end of one to the beginning of the next it was moving.
 */
const char *sal_way_why_name(enum sal_way_why why);

struct sal_way {
	struct sal_path path;
	int64_t from_ns, until_ns; /* INT64_MAX: it still has it */
	enum sal_way_why why; /* it came to it */
};

#define SAL_WAYS_MAX 32 /* of a flow: the newest */
#define SAL_ENDED_MAX 64 /* flows that are over: the newest */

struct sal_history {
	struct sal_flow_info info;
	int64_t ended_ns; /* INT64_MAX: it is not over */
	uint16_t reason; /* of its end: REASON's code; 0: none */
	uint32_t left_out; /* paths before those that are here */
	uint32_t n;
	struct sal_way v[SAL_WAYS_MAX]; /* the oldest first */
};
/* Of a flow that is open, or of one of the last that were. False: neither. */
bool sal_flow_history(const struct sal *s, uint32_t local_id,
		      struct sal_history *out);
/* The last ones that are over, the oldest first. */
void sal_flows_ended(const struct sal *s,
		     void (*visit)(void *arg, const struct sal_history *h),
		     void *arg);

/*
 * A flow's end moves to another host (handoff.c): hold, export and release at
 * the old one, import and commit at the new one, abort at either before that.
 * 0, or a negative errno and in *why the reason, as a text that lasts.
 */
/* -ENOENT, -EBUSY, -EOPNOTSUPP (a client's), -EAGAIN (it opens, moves or closes
 * just now). A hold ends by itself after 10 s. */
int sal_flow_hold(struct sal *s, uint32_t local_id, int64_t now_ns,
		  const char **why);
/* Into out. *len: the length; out may be NULL. -ENOSPC. */
int sal_flow_export(struct sal *s, uint32_t local_id, uint8_t *out, size_t size,
		    size_t *len, int64_t now_ns, const char **why);
/* Refused where the hold is over: the flow has gone on here. */
int sal_flow_release(struct sal *s, uint32_t local_id, int64_t now_ns,
		     const char **why);
/* Any bytes. Its service must be served here. Forgotten after 30 s. */
int sal_flow_import(struct sal *s, const uint8_t *bytes, size_t len,
		    uint32_t *local_id, int64_t now_ns, const char **why);
/* Only after the old host's release. */
int sal_flow_commit(struct sal *s, uint32_t local_id, int64_t now_ns,
		    const char **why);
int sal_flow_abort(struct sal *s, uint32_t local_id, int64_t now_ns,
		   const char **why);

/* Everything that is counted. */
#define SAL_STATS(X)                                                           \
	X(inner_in, "packets from programs")                                   \
	X(inner_out, "packets to programs")                                    \
	X(outer_in, "SAL packets received")                                    \
	X(outer_out, "SAL packets sent")                                       \
	X(malformed, "dropped: truncated or malformed")                        \
	X(bad_checksum, "dropped: wrong SAL checksum")                         \
	X(unknown_extension, "dropped: an extension that we do not know")      \
	X(unknown_flow, "dropped: of no flow of ours")                         \
	X(bad_nonce, "dropped: control packet with a wrong nonce")             \
	X(stale_version, "old versions, answered by an ACK")                   \
	X(no_service, "packets to a service that we do not know")              \
	X(service_dropped, "packets that a DROP rule met")                     \
	X(service_delayed, "flows that a DELAY rule held")                     \
	X(delay_expired, "of which none was released in time")                 \
	X(delay_full, "flows that were not held, as too many are")             \
	X(service_aside, "targets that were set aside")                        \
	X(forwarded, "packets handed on by a service's name")                  \
	X(forward_again, "of which SYNs that were repeated")                   \
	X(forward_loops, "not handed on: they had been here, or there")        \
	X(forward_far, "not handed on: through too many hops")                 \
	X(lost_races, "instances that answered a SYN after another one")       \
	X(table_full, "dropped: no room for another flow")                     \
	X(displaced, "idle flows that made room for another one")              \
	X(still, "dropped: of a flow that moves to another host, or has")      \
	X(queue_full, "dropped: too much waits for its flow")                  \
	X(not_inner, "dropped: an inner packet that we do not carry")          \
	X(syn_stateless, "SYNs answered without state")                        \
	X(syn_proved, "of which made a flow later")                            \
	X(proof_bad, "dropped: no answer to ours to a SYN, or too late")       \
	X(keepalives, "keep-alives for NATs sent")                             \
	X(probes, "times a silent peer was asked")                             \
	X(silences, "peers taken for lost on their path")                      \
	X(lists_sent, "lists of addresses sent")                               \
	X(lists_taken, "new lists of a peer's addresses")                      \
	X(proofs_asked, "times a standby address of a peer was asked")         \
	X(proofs_had, "of which were answered")                                \
	X(early, "moves whose data did not wait for their end")                \
	X(back_asked, "times a better way than a flow's own was asked")        \
	X(back_went, "flows that went back to one, as it answered")            \
	X(unproven_waits,                                                      \
	  "segments that waited for a peer to show where it is")               \
	X(unproven_unsent,                                                     \
	  "control packets not sent: the peer has not shown where it is")      \
	X(unproven_asked, "times a peer was asked at the address in use")      \
	X(unproven_shown, "addresses in use that were shown to be the peer's") \
	X(challenges_sent, "challenges sent, but to standby addresses")        \
	X(challenges_failed, "challenges answered wrongly")                    \
	X(retransmissions, "control packets sent again")                       \
	X(resent, "inner segments sent again after a migration")               \
	X(icmp_unproved, "ICMP errors that quote no packet of ours")           \
	X(native, "native SYNs and datagrams for which there is no socket")    \
	X(native_stray, "dropped: native data from an unknown address")        \
	X(broken, "steps that no state allows: a bug")

struct sal_stats {
#define SAL_STATS_FIELD(name, text) uint64_t name;
	SAL_STATS(SAL_STATS_FIELD)
#undef SAL_STATS_FIELD
};
const struct sal_stats *sal_stats(const struct sal *s);

const char *sal_state_name(enum sal_state state);
const char *sal_event_name(enum sal_event_kind kind); /* "flow.opened" */

#endif
