/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sockets that connect to each other at the same time, and a stranger who writes
 * the address of one on SYNs to the other. The steps are the engine's own:
 * transitions.pml is made from its table. Here is what its conditions and actions mean
 * in terms of whose SYN was taken, and the network.
 *
 * A packet is its kind, to host h; copies of one are one, for none says more than the
 * other. Any of those under way may be the next, may stay under way after that, or be
 * lost. A stranger's SYN makes an end send its SYN-ACK to the peer's host, for a flow
 * that is not there: the reset that this brings has that flow's ID, and the nonce. The
 * stack of 2012 sends none: one of the two ends may be silent so. (With both, and both
 * fooled by a stranger, nothing but the end of the tries ends it.)
 *
 * Bounds, from the environment: LOSSES packets lost, COPIES that stay under way, FORGED
 * SYNs, EARLY time-outs while packets are under way. Without these a time-out comes only
 * where nothing is under way.
 *
 * What is checked, at every step:
 *   S1  who is ESTABLISHED has taken the true peer's SYN, and the peer has taken his.
 *   S2  where nothing is under way and nobody waits, both are ESTABLISHED.
 *   P   progress: since the last loss, forged SYN or early time-out, at most ROUNDS
 *       time-outs have been needed.
 *
 * BREAK in the environment breaks the protocol in one way, and SPIN must find it:
 *   1 alone    the SYN-ACK of another than who crossed ours is none
 *   2 too      who has taken a crossing SYN does not repeat his own
 *   3 reset    a reset ends the flow, whatever it answers
 *   4 again    who is ESTABLISHED does not answer what is repeated
 */
c_decl {
	static unsigned char setting(const char *name, unsigned char otherwise)
	{
		const char *text = getenv(name);

		return text ? (unsigned char)atoi(text) : otherwise;
	}
}

byte broken; /* see init */
#define BREAK_ALONE 1
#define BREAK_TOO 2
#define BREAK_RESET 3
#define BREAK_AGAIN 4

#define ROUNDS 8

/* Packets, as bits; FOR_STRANGER: to a flow that the stranger has made up. */
#define K_SYN 1
#define K_SYNACK 2
#define K_SYNACK_FOR_STRANGER 4
#define K_ACK 8
#define K_ACK_FOR_STRANGER 16
#define K_RST_OF_STRANGER 32
#define K_FORGED_SYN 64

#define NOBODY 0
#define PEER 1
#define STRANGER 2

byte state[2];
byte taken[2]; /* whose SYN or SYN-ACK was */
byte net[2]; /* what is under way to h */
byte losses, copies, forged, early;
byte rounds;
byte last = 2; /* whose time-out was the last */
byte packet; /* that is being read */
byte from; /* whom it is of */
bool silent[2]; /* about flows that are not there */

/* ---- conditions ---------------------------------------------------------- */

#define if_names_syn(h) (from == PEER)
#define if_names_crossing(h) (from == PEER && taken[h] == PEER)
#define if_names_syn_alone(h)                                                  \
	(from == PEER && taken[h] != PEER && broken != BREAK_ALONE)
#define if_synack_again(h)                                                     \
	(from == PEER && taken[h] == PEER && broken != BREAK_AGAIN)
#define if_names_synack(h) true
#define if_crossed(h) (broken != BREAK_RESET)
#define if_not_crossed(h) (broken == BREAK_RESET)
#define if_tries_left(h) true
#define if_no_tries_left(h) false
#define if_wants_proof(h) false
#define if_waits_for_rules(h) false
#define if_held_too_long(h) false
#define if_target_silent(h) false
#define if_names_peer_rsyn(h) false
#define if_names_fin(h) false
#define if_names_last_fin(h) false
#define if_instance_answers(h) false
#define if_instance_silent(h) false

/* ---- actions ------------------------------------------------------------- */

#define to_peer(h, kind) net[1 - (h)] = net[1 - (h)] | (kind)
#define to_taken(h, kind, for_stranger)                                        \
	to_peer(h, (taken[h] == PEER -> (kind) : (for_stranger)))

#define do_send_syn(h) to_peer(h, K_SYN)
#define do_send_syn_again(h) to_peer(h, K_SYN)
#define do_send_syn_too(h) to_peer(h, (broken == BREAK_TOO -> 0 : K_SYN))
#define do_take_peer(h) taken[h] = from
#define do_forget_peer(h) taken[h] = NOBODY
#define do_send_synack(h) to_taken(h, K_SYNACK, K_SYNACK_FOR_STRANGER)
#define do_send_synack_again(h) do_send_synack(h)
#define do_send_syn_ack_ack(h) to_taken(h, K_ACK, K_ACK_FOR_STRANGER)
#define do_start(h) skip
#define do_stop_retry(h) skip
#define do_reset_program(h) skip

/* Of states that this model does not get to. */
#define do_abort(h) assert(false)
#define do_back_off(h) assert(false)
#define do_drop_tie(h) assert(false)
#define do_fin_done(h) assert(false)
#define do_next_path(h) assert(false)
#define do_resolve(h) assert(false)
#define do_hold(h) assert(false)
#define do_set_aside(h) assert(false)
#define do_resume(h) assert(false)
#define do_send_fin_again(h) assert(false)
#define do_send_proof(h) assert(false)
#define do_send_rsyn_again(h) assert(false)
#define do_send_rsyn_by_name(h) assert(false)
#define do_send_rsynack(h) assert(false)
#define do_take_fin_ack(h) assert(false)
#define do_tell_unreachable(h) assert(false)

#include "transitions.pml"

/* ---- what must hold ------------------------------------------------------ */

#define waits(h) (state[h] == SYN_SENT || state[h] == SYN_RCVD)
#define quiet (net[0] == 0 && net[1] == 0)

inline check() {
	assert(state[0] != ESTABLISHED ||
	       (taken[0] == PEER && taken[1] == PEER)); /* S1 */
	assert(state[1] != ESTABLISHED ||
	       (taken[1] == PEER && taken[0] == PEER));
	assert(!(quiet && !waits(0) && !waits(1)) ||
	       (state[0] == ESTABLISHED && state[1] == ESTABLISHED)); /* S2 */
	assert(rounds <= ROUNDS); /* P */
}

/* ---- a host -------------------------------------------------------------- */

/* A SYN that is known is answered: by the SYN-ACK, or, where it is late, by an ACK.
 * One that is not known crosses ours, or is of nobody's concern. */
inline on_syn(me, who) {
	from = who;
	if
	:: taken[me] == who && state[me] == SYN_RCVD -> do_send_synack(me)
	:: taken[me] == who && state[me] == ESTABLISHED &&
	   broken != BREAK_AGAIN ->
		do_send_syn_ack_ack(me)
	:: taken[me] != who && state[me] == SYN_SENT -> on_CROSSING(me)
	:: else
	fi
}

inline hears(me) {
	if
	:: packet == K_SYN -> on_syn(me, PEER)
	:: packet == K_FORGED_SYN -> on_syn(me, STRANGER)
	:: packet == K_SYNACK -> from = PEER; on_SYNACK(me)
	:: packet == K_ACK && taken[me] == PEER -> on_ACK(me)
	:: packet == K_ACK && taken[me] != PEER
	/* For a flow that is not there. */
	:: packet == K_SYNACK_FOR_STRANGER || packet == K_ACK_FOR_STRANGER ->
		to_peer(me, (silent[me] -> 0 : K_RST_OF_STRANGER))
	:: packet == K_RST_OF_STRANGER &&
	   (taken[me] == STRANGER || broken == BREAK_RESET) -> on_RESET(me)
	:: packet == K_RST_OF_STRANGER && taken[me] != STRANGER &&
	   broken != BREAK_RESET
	fi
}

inline pick(me) {
	if
	:: net[me] & K_SYN -> packet = K_SYN
	:: net[me] & K_SYNACK -> packet = K_SYNACK
	:: net[me] & K_SYNACK_FOR_STRANGER -> packet = K_SYNACK_FOR_STRANGER
	:: net[me] & K_ACK -> packet = K_ACK
	:: net[me] & K_ACK_FOR_STRANGER -> packet = K_ACK_FOR_STRANGER
	:: net[me] & K_RST_OF_STRANGER -> packet = K_RST_OF_STRANGER
	:: net[me] & K_FORGED_SYN -> packet = K_FORGED_SYN
	fi
}

proctype host(byte me)
{
	bool stays;

end:	do
	:: atomic {
		if
		:: net[me] != 0 ->
			pick(me);
			stays = false;
			if
			:: true
			:: copies > 0 -> copies--; stays = true
			fi;
			if
			:: stays
			:: !stays -> net[me] = net[me] & (127 - packet)
			fi;
			if
			:: losses > 0 && !stays -> losses--; rounds = 0
			:: hears(me)
			fi
		:: forged > 0 && waits(me) ->
			forged--;
			rounds = 0;
			net[me] = net[me] | K_FORGED_SYN
		:: waits(me) && early > 0 && !quiet ->
			early--;
			rounds = 0;
			on_RETRY(me)
		:: waits(me) && quiet && (last != me || !waits(1 - me)) ->
			last = me;
			rounds++;
			on_RETRY(me)
		fi;
		packet = 0;
		from = 0;
		stays = false;
		check()
	   }
	od
}

init {
	atomic {
		c_code {
			now.losses = setting("LOSSES", 2);
			now.copies = setting("COPIES", 1);
			now.forged = setting("FORGED", 2);
			now.early = setting("EARLY", 2);
			now.broken = setting("BREAK", 0);
		};
		if
		:: silent[0] = true
		:: silent[0] = false
		fi;
		on_OPEN(0);
		on_OPEN(1);
		run host(0);
		run host(1)
	}
}
