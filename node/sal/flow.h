/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One flow: a conversation of a program here with a program behind another
 * engine. What is in here, who may change it, and how it is found.
 */
#ifndef SAL_FLOW_H
#define SAL_FLOW_H

#include "node/sal/inner.h"
#include "node/sal/native_parts.h"
#include "node/sal/store.h"
#include "node/sal/timers.h"
#include "node/table/service_table.h"

/*
 * The tie between the two engines of a flow: one SYN exchange makes it. A flow
 * whose instance was replaced has had several, one after the other.
 */
struct sal_tie {
	uint32_t remote_id; /* 0: no SYN-ACK yet */
	struct sal_path path;
	uint64_t nonce, peer_nonce;
	uint32_t first, next; /* our verno: the SYN's, and the next to use */
	uint32_t peer_first, peer_next; /* the peer's; next: expected */
};

/*
 * SOURCE of a SYN-ACK: the client, the service routers that its SYN came
 * through, and the server. The SYN of one that came through more is not taken.
 */
#define SAL_HOPS_MAX 8 /* routers */
#define SAL_HOPS_ADDRESSES (SAL_HOPS_MAX + 2)
struct sal_hops {
	uint8_t n; /* 0: it came straight */
	uint8_t family;
	uint8_t bytes[16 * SAL_HOPS_ADDRESSES];
};

/* Where sal_flow_find_*() look; a flow may be in some of them only. */
enum sal_index {
	SAL_BY_ID, /* local flow ID */
	SAL_BY_TUPLE, /* both inner ends */
	SAL_BY_PORT, /* as TUPLE, without the local address: UDP served here */
	SAL_BY_SYN, /* the peer's: inner address, flow ID, nonce */
	SAL_INDEX_COUNT_,
};

enum sal_challenge_why {
	SAL_ASK_NOTHING, /* none is out */
	SAL_ASK_PATH, /* does the peer speak from there now? */
	SAL_ASK_ALIVE, /* somebody says that the peer forgot the flow */
	SAL_ASK_OWNER, /* somebody else wants this flow's inner tuple */
	SAL_ASK_SILENT, /* a program waits, and nothing comes */
};

/* Whose the flow is, while it moves to another host (handoff.c). */
enum sal_hand {
	SAL_HAND_NONE, /* ours */
	SAL_HAND_HELD, /* ours, and it stands still */
	SAL_HAND_IMPORTED, /* not yet ours */
	SAL_HAND_GIVEN, /* not ours any more: what is left is a tombstone */
};

/* What is known of an address that the peer has told (prove.c). */
struct sal_proof {
	int64_t proven_ns; /* when it answered last; 0: it is not proven */
	int64_t again_ns; /* not to be asked before */
	uint32_t tries; /* unanswered, in a row */
};

/* A way on which the peer has asked us, where we are not now. */
struct sal_asked_way {
	struct sal_path path;
	int64_t ns; /* 0: none */
};
#define SAL_ASKED_WAYS 4

/* What may go to an address of the peer's that is not proven (bound.c). */
struct sal_bound {
	bool on; /* it holds, for: */
	struct ip_addr addr;
	struct ip_addr proven; /* the last that was; AF_UNSPEC: none */
	uint64_t got, sent; /* bytes from there, and to there */
	bool resend; /* what TCP has not acknowledged comes when it is over */
	bool unanswered; /* an RSYN-ACK had no room */
	int64_t starved_ns; /* since when a program waits for room, and nothing
			       comes that makes any; 0: it doesn't */
	bool asked; /* a question is out: */
	uint64_t value;
	int64_t asked_ns, gap_ns;
};

/* Addresses that the peer had before, from which packets may still arrive. */
#define SAL_FORMER_PATHS 2

struct sal_flow {
	/* What everybody may see. Its state changes in sal_step() only;
	 * remote_id and path are copied from the tie when asked for. */
	struct sal_flow_info info;
	uint32_t hash[SAL_INDEX_COUNT_];
	bool indexed[SAL_INDEX_COUNT_];
	uint32_t next_free; /* number + 1, of those that are not in use */
	bool in_use;
	bool has_ports; /* a flow opened by an empty SYN learns them later */
	bool opened; /* FLOW_OPENED was reported */
	bool confirmed; /* the client has shown that it had our SYN-ACK */
	bool half_open; /* counted as such: see sal_flow_unproven() */

	struct sal_tie tie;
	/* The tie before the last rebinding: what its instance had on its way
	 * is still delivered, until the time below. */
	struct sal_tie old;
	int64_t old_until_ns;
	struct sal_path former[SAL_FORMER_PATHS]; /* AF_UNSPEC: none */
	uint32_t former_unproven; /* bits: those of which it was never shown
				     that the peer is there */

	/* Other ways there (paths.c). */
	struct ip_addr standby[SAL_STANDBY_MAX]; /* that the peer has told */
	uint32_t standby_count, peer_list; /* that list's version */
	bool has_peer_list;
	bool list_sent, list_acked; /* ours; with list_told */
	uint32_t list_told, list_tries;
	int64_t list_ns; /* when it is to be sent; 0: not at all */
	struct ip_addr prefers; /* one of ours; AF_UNSPEC: none */
	struct sal_path home; /* where the peer was heard last */
	uint32_t path_turn;
	bool peer_moved; /* since our last RSYN was first sent */

	/* Proven beforehand (prove.c). */
	struct sal_proof proof[SAL_STANDBY_MAX]; /* of each on standby */
	struct sal_asked_way asked[SAL_ASKED_WAYS];
	struct sal_path prove_path;
	uint64_t prove_value;
	int64_t prove_ns; /* when something is to be asked; 0: never */
	int64_t prove_sent_ns, prove_gap_ns;
	uint32_t prove_at; /* whose turn it is */
	bool prove_out; /* a question is */
	bool prove_slot; /* prove_ns is the flow's own moment */
	bool rsyn_proven; /* the last one that we took came from such a one */
	struct sal_bound bound;
	bool synack_elsewhere; /* it went to more addresses than one */
	bool early; /* data goes before the move is complete */
	/* Going back to a better way than its own (back.c). */
	struct sal_path back_path; /* the one that is asked, or was last */
	uint64_t back_value;
	int64_t back_ns; /* when it is to look after it; 0: there is none */
	int64_t back_begun_ns, back_sent_ns, back_gap_ns;
	uint32_t back_tries; /* unanswered, since it began */
	bool back_out; /* a question is */
	bool back_slot; /* back_ns is the flow's own moment */
	bool back_goes; /* it has gone back, and has not arrived */
	enum sal_way_why back_why;
	int64_t back_went_ns; /* when it did so last; 0: never */
	/* The address of ours that it left last because of a silence. */
	struct ip_addr silent;
	int64_t silent_ns, silent_wait_ns; /* not to be asked for so long */
	int64_t answers_ns; /* since when it answers again; 0: it doesn't */
	/* What it had (history.c). */
	uint32_t way_count; /* so far; the newest are kept */
	enum sal_way_why way_why; /* of the next; OPENED: nothing yet */

	int64_t waits_ns; /* when a program began to wait; 0: it doesn't */
	bool unsure; /* whether our last ACK has come (liveness.c) */
	int64_t sent_ns; /* when anything was sent last */
	int64_t armed_ns; /* what the timer is set to */

	/* The FORWARD rule that chose the instance; a client's. */
	struct ip_addr bound_to;
	uint16_t bound_bits;
	bool unbound; /* it is gone, and no other was there in its place */
	bool rebinding; /* an open conversation, looking for an instance */
	bool resolve_again; /* when retry_ns comes, before the next SYN */
	uint32_t refusals; /* of its SYN, in a row */
	bool refused_behind; /* the last one by another than bound_to: one whom
				a service router had chosen */
	struct service_ref rule; /* that chose its instance, or took its SYN */
	/* A DELAY rule holds it until then; 0: none does. */
	int64_t held_ns, held_since_ns;
	bool released; /* DELAY rules do not concern it any more */
	struct ip_addr released_to; /* AF_UNSPEC: to where the rules say */

	int64_t retry_ns; /* when to send the pending packet again */
	int64_t retry_gap_ns;
	uint32_t tries;
	int64_t since_ns; /* of the present state */

	int64_t syn_ns; /* when the SYN was last sent; a client's */
	bool rider; /* the queue's first segment went out on the SYN */
	uint32_t rsyn; /* verno of our last RSYN */
	uint32_t peer_rsyn; /* of the last one that we took */
	uint32_t rsynack; /* the number of what answers it */
	bool has_rsyn, has_peer_rsyn;
	bool rsyn_unanswered;
	bool rsyn_out; /* counted: it has not timed out yet */
	bool rsyn_waits; /* counted: it is to be sent as soon as others are */
	uint32_t answered_next; /* while it is: "next" before it, and others
				   that were never answered */
	uint32_t fin; /* verno of our FIN */
	bool fin_sent, fin_acked, peer_fin;
	bool close_wanted; /* to be closed when its move is complete */
	uint16_t reason; /* why it is about to end; 0: no REASON */

	enum sal_challenge_why ask;
	bool ask_over; /* the last question had no answer in time */
	uint64_t ask_value;
	struct sal_path ask_path;
	int64_t ask_ns; /* when the last one was sent; 0: never */
	int64_t ask_first_ns; /* when it was put first */
	int64_t far_ns; /* how long an answer took that came too late; 0: none
			   did */
	int64_t ask_path_ns; /* when it was asked of another path last */
	uint64_t ask_room; /* bytes that questions there may still have */
	int64_t owner_ns; /* since when its tuple is claimed and the peer says
			     nothing; 0: it isn't */
	int64_t owner_silent_ns; /* when it was last found to say nothing */
	uint32_t ask_tries;
	uint16_t ask_reason;

	enum sal_hand hand;
	int64_t hand_until_ns; /* when a hold or an import ends by itself */

	struct sal_store_list queue, unacked;
	uint16_t mtu; /* of the path; 0: as configured */

	struct sal_hops hops; /* a server's, of its SYN */
	struct sal_native_part native; /* of those that are */

	/* Inner TCP, as seen passing by. */
	uint32_t tcp_ack_out, tcp_ack_in; /* last acknowledged, by direction */
	uint32_t tcp_fin_out, tcp_fin_in; /* seq_end of the FIN */
	uint32_t tcp_end_out, tcp_end_in; /* highest seq_end */
	bool tcp_seen_out, tcp_seen_in, tcp_has_ack_out, tcp_has_ack_in;
	bool tcp_has_fin_out, tcp_has_fin_in, tcp_reset;
};

#endif
