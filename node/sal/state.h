/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an engine knows, and the times and bounds that it keeps. For its own
 * parts (engine.h), which all look into it. */
#ifndef SAL_STATE_H
#define SAL_STATE_H

#include "include/serval/wire.h"
#include "node/sal/flow.h"
#include "node/sal/rand.h"
#include "node/sal/transitions.h"
#include "node/table/hash_index.h"
#include "node/table/service_table.h"
#include "node/wire/sal_packet.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/*
 * The timers. A SYN waits one second as TCP's does (RFC 6298, 2.1): the path is
 * new and nothing is known about it. RSYN and FIN follow a conversation that
 * has shown its round trip to be shorter; 200 ms is what the stack of 2012
 * takes.
 */
#define SAL_SYN_GAP_NS (1 * SECOND)
#define SAL_SYN_TRIES 6 /* sent at 0, 1, 3, 7, 15, 31 s; given up at 63 s */
/* How long the owner of a tuple that another claims may say nothing. */
#define SAL_OWNER_PATIENCE_NS (3000 * MS)
/* The same of one that never was confirmed: it is gone before the third SYN of
 * a client that is there, 3 s after its first. */
#define SAL_UNPROVEN_PATIENCE_NS (2000 * MS)
/* How long it counts that it did: there are SYNs 16 s apart. */
#define SAL_OWNER_SILENCE_NS (30 * SECOND)
/* How long a move of ours, or that we have no address, excuses it. */
#define SAL_OWNER_DEAF_NS (10 * SECOND)
#define SAL_UNPROVEN_MAX_NS                                                    \
	(63000 * MS) /* as long as a SYN-ACK is repeated                       \
		      */
#define SAL_RSYN_GAP_NS (200 * MS)
#define SAL_RSYN_GAP_MAX_NS (10 * SECOND)
/* Unanswered RSYNs after which a client of a stateless protocol looks for
 * another instance: after 3 s. */
#define SAL_RSYN_TRIES_REBIND 4
/* The same where there is no room for an RSYN (bound.c). */
#define SAL_STARVED_NS (3000 * MS)
/* Unanswered RSYNs after which a client has it go by name as well: 1.4 s. */
#define SAL_RSYN_TRIES_BY_NAME 3
/* RSYNs of all flows that may be out before their first time-out. */
#define SAL_MOVES 200
#define SAL_FIN_GAP_NS (200 * MS)
#define SAL_FIN_TRIES 7 /* given up after 25 s */
#define SAL_TIME_WAIT_NS (60 * SECOND)
/* How long a server waits, after the peer's FIN, for its own side of TCP. */
#define SAL_CLOSE_WAIT_MAX_NS (2 * SECOND)
/*
 * "No instance" while a service moves from host to host is over in a moment:
 * 20, 40 ... 320 ms, then a new conversation is refused. One that lives already
 * goes on asking, at most so often.
 */
#define SAL_REFUSED_GAP_NS (20 * MS)
#define SAL_REFUSED_TRIES 5
#define SAL_REFUSED_GAP_MAX_NS (1 * SECOND)
#define SAL_REFUSED_TOTAL_NS (60 * SECOND)
#define SAL_OLD_TIE_NS (5 * SECOND)
#define SAL_GONE_INSTANCE_NS (10 * SECOND)
/* A handoff that nobody completes: at its old host. */
#define SAL_HOLD_NS (10 * SECOND)
#define SAL_ASK_GAP_NS (200 * MS)
#define SAL_ASK_TRIES 3
/* The longest round trip that a late answer makes us wait for. */
#define SAL_FAR_MAX_NS (4 * SECOND)
/* Resets to strangers: so many at once, so many a second. */
#define SAL_RST_BURST 50
#define SAL_RST_RATE 100

/*
 * A FORWARD's target that leaves two SYNs unanswered, over 3 s, is set aside,
 * as is one that is said to be unreachable; one that has no instance comes back
 * soon, for services move. A flow that looks for an instance goes to the next
 * one in this way for 30 s at most.
 */
#define SAL_SILENT_TRIES 2
/*
 * Where it, or another one, has answered before, one unanswered SYN is enough
 * to go on to another: the way there works, so it is down, or the SYN was lost.
 * Since nobody can tell which, it is spared for a second only at first, and
 * twice as long with each further SYN that it leaves unanswered.
 */
#define SAL_SUSPECT_NS (1 * SECOND)
#define SAL_SILENT_TOTAL_NS (30 * SECOND)
/*
 * A SYN to all on the link: whoever is there and serves answers at once, all
 * others are silent. So after 0, 0.2, 0.6 and 1.4 s, and up to 3 s, nobody
 * does.
 */
#define SAL_MANY_GAP_NS (200 * MS)
#define SAL_MANY_TRIES 4
#define SAL_ASIDE_NS (10 * SECOND)
#define SAL_ASIDE_REFUSED_NS (1 * SECOND)
/* Rules that one tick takes out at most. */
#define SAL_EXPIRE_MAX 256

#define SAL_ADDRESSES_MAX 64
#define SAL_TTL 64

/* A service that has abstract addresses. */
struct sal_name {
	struct service_id id;
	struct ip_addr addr4, addr6;
	int64_t gone_ns; /* when this host ceased to be an instance of it */
	bool gone;
};

/* A peer that was reached by UDP encapsulation, and not otherwise. */
struct sal_encap_peer {
	struct ip_addr addr;
	int64_t until_ns;
};
#define SAL_ENCAP_PEERS 64

/* A SYN that a service router has handed on. */
struct sal_forwarded {
	bool used;
	uint64_t key; /* of the client's address, flow ID and service */
	uint64_t nonce;
	uint32_t flow; /* the client's ID */
	uint32_t sent; /* how often it went to this target */
	uint32_t turn; /* how many targets it went to before */
	uint32_t rsyns; /* by name, of its flow */
	struct service_ref rule;
	int64_t first_ns, last_ns; /* of those to this target */
};

/* A SYN whose rider was taken, and whose flow ended unconfirmed (accept.c). */
struct sal_taken_syn {
	uint64_t nonce;
	uint32_t remote_id;
};
#define SAL_TAKEN_MAX 16

struct sal {
	struct sal_config config;
	struct sal_sink sink;
	sal_unserved_fn *unserved; /* NULL: nobody to ask */
	struct sal_stats stats;
	int64_t now_ns; /* of the call under way */
	struct sal_rand rand;
	uint8_t hash_key[SAL_HASH_KEY];
	uint8_t syn_key[SAL_HASH_KEY]; /* of answers without state */
	struct sal_taken_syn taken[SAL_TAKEN_MAX]; /* a ring */
	uint32_t taken_at;

	struct sal_flow *flows;
	struct sal_way *ways; /* SAL_WAYS_MAX a flow */
	struct sal_history *ended; /* a ring of SAL_ENDED_MAX */
	uint32_t ended_count; /* so far */
	uint32_t flow_fresh; /* from here on never used */
	uint32_t flow_free; /* number + 1, linked by next_free; 0: none */
	uint32_t yield_at; /* where the next search for room begins */
	int64_t yield_rest_ns; /* none before: there was none to be made */
	uint32_t flow_count, half_open;
	struct hash_index index[SAL_INDEX_COUNT_];
	struct sal_timers timers;

	struct sal_name *names;
	uint32_t name_count;
	/* Two tables, because the one answers "where to" for those who call
	 * from here, the other "is it here" for those who call us; a host may
	 * well have both rules for a service, and neither overrules. */
	struct service_table forward, demux;
	uint32_t delayed; /* flows that are held */
	struct sal_forwarded *forwarded; /* so many places; forward.c */
	uint32_t forwarded_count;

	/* By the policy, the best first; and as they were given. */
	struct sal_local_address addresses[SAL_ADDRESSES_MAX];
	struct sal_local_address given[SAL_ADDRESSES_MAX];
	uint32_t address_count, given_count;
	int64_t since_ns[SAL_ADDRESSES_MAX]; /* each of addresses is there */
	bool newly_metered[SAL_ADDRESSES_MAX]; /* each, with the last list */
	bool reordered; /* with it: the order of those that were there */
	struct sal_policy policy;
	uint32_t list_verno; /* of the list that peers are told */
	struct sal_encap_peer encap[SAL_ENCAP_PEERS];

	struct sal_native native;
	struct sal_store queue, unacked;
	/* Flows whose RSYN is out or waits (migrate.c), and where to look for
	 * the latter. */
	uint32_t moves_out, moves_waiting, moves_at;
	int64_t prove_slot_ns; /* the next that no flow has (prove.c, back.c) */
	uint8_t *scratch; /* SAL_SEGMENT_MAX bytes: a segment put together */
	int64_t rst_credit_ns; /* token bucket of resets to strangers */
};

/* A SAL packet that came in. */
struct sal_arrival {
	const struct sal_path *path;
	const struct sal_ip_fields *ip;
	size_t len; /* of it, without the headers that it came in */
	bool to_many; /* it came to all on its link: refusals would be noise */
	struct sal_packet packet;
};

#endif
