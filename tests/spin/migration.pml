/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts with one flow, both mobile, and a network that loses, reorders and
 * doubles. The steps are the engine's own: transitions.pml is made from its table.
 * Here is what the table's conditions and actions mean in terms of versions and
 * addresses, and the network.
 *
 * Host 0 is the client. A host's k-th move gives it version k and the k-th address
 * of ADDRS, which then come around again. A packet is taken out of any place of
 * those under way. To an address that the host had before it may be delivered (it
 * has kept it for a while) or not. By NAME it gets to where the host is.
 *
 * Bounds, from the environment: MOVES of both together, LOSSES packets lost that
 * would have arrived, EARLY time-outs while packets are under way (they double
 * what they send), DATA packets from states that may send them, PROOFS by which a
 * host has shown the other that it can be reached at the address that it will have
 * next. Without these a time-out comes only where nothing is under way, and no end's
 * comes twice while the other's is due. ADDRS addresses in turn.
 *
 * What is checked, at every step:
 *   S1  who thinks that its latest move is complete is right: the peer took it.
 *   S2  versions taken grow.
 *   S3  who thinks that the peer's latest move is complete is right: the peer
 *       knows that it was taken.
 *   S5  data goes only to an address from where the peer has answered: something
 *       that was sent there, or a question beforehand (a proof).
 *   S4  where nothing is under way and nobody waits for anything, both are
 *       ESTABLISHED and know where the other is.
 *   P   progress: since the last move, loss or early time-out, at most ROUNDS
 *       time-outs have been needed.
 *
 * BREAK in the environment breaks the protocol in one way, and SPIN must find it:
 *   1 data      data is taken for the RSYN-ACK, and for the ACK to it
 *   2 version   any RSYN-ACK completes, and any ACK
 *   3 gaps      only the next version is accepted
 *   4 address   the RSYN-ACK goes to where the peer was
 *   5 name      no RSYN by name
 *   6 plain     an ACK of an old RSYN can read as the one to a RSYN-ACK
 *   7 trust     data goes to where an RSYN came from, proven or not
 *   8 crossing  data goes on behind our RSYN though the peer has moved since
 */
c_decl {
	static unsigned char setting(const char *name, unsigned char otherwise)
	{
		const char *text = getenv(name);

		return text ? (unsigned char)atoi(text) : otherwise;
	}
}

byte addrs; /* see init */
byte broken;
#define BREAK_DATA 1
#define BREAK_VERSION 2
#define BREAK_GAPS 3
#define BREAK_ADDRESS 4
#define BREAK_NAME 5
#define BREAK_PLAIN 6
#define BREAK_TRUST 7
#define BREAK_CROSSING 8

#define ROUNDS 8
#define ROOM 5 /* packets under way to a host; more are lost */
#define TRIES_BY_NAME 2

/* Packets: kind, verno (of a RSYN-ACK: the version that it names), to where. */
#define NO_PACKET 0
#define K_RSYN 1
#define K_RSYNACK 2
#define K_ACK 3
#define K_DATA 4
#define NAME 15
#define PACKET(kind, verno, to) ((kind) << 12 | (verno) << 4 | (to))
#define KIND(p) ((p) >> 12)
#define VERNO(p) (((p) >> 4) & 255)
#define TO(p) ((p) & 15)
#define ADDRESS_OF(verno) (1 + (verno) % addrs)

byte state[2] = 4; /* ESTABLISHED, which transitions.pml calls so */
byte address[2] = 1; /* 0: none */
byte own[2]; /* latest version of our own */
byte seen[2]; /* latest of the peer's that we took */
byte peer[2] = 1; /* where the peer is, as far as we know */
byte tries[2];
byte last = 2; /* whose time-out was the last */
byte moves, losses, early, data, proofs;
byte rounds; /* time-outs since any of those */
byte was[2] = 1; /* where the peer was before; BREAK_ADDRESS alone keeps it */
/* What an observer knows: our latest version whose RSYN-ACK we had. */
byte complete[2];
byte proven[2]; /* the peer's address that it has answered at; 0: none */
bool from_proven[2]; /* the RSYN taken last came from there */
bool goes_on[2]; /* data goes before the move is complete */

/* To host h: h * ROOM and on; sorted, for their order says nothing. */
short net[2 * ROOM];

/* The packet that is being read. */
byte m_verno;
byte i, j, k;
short swap;

/* What a step sends, to be put on the network at its end: written so, and with one
 * place for all steps, because the compiler of the model copies each use. */
short out[3];

#define send(h, kind, verno, to)                                               \
	if                                                                     \
	:: address[h] == 0                                                     \
	:: address[h] != 0 && out[0] == 0 -> out[0] = PACKET(kind, verno, to)  \
	:: address[h] != 0 && out[0] != 0 && out[1] == 0 ->                    \
		out[1] = PACKET(kind, verno, to)                               \
	:: address[h] != 0 && out[1] != 0 -> out[2] = PACKET(kind, verno, to)  \
	fi

/* Sorted, the greater ones first, the empty places (0) last; the smallest of too
 * many falls out, as if lost. */
inline put_all(h) {
	k = 0;
	do
	:: k == 3 -> break
	:: k < 3 && out[k] == 0 -> k++
	:: k < 3 && out[k] != 0 ->
		i = (1 - h) * ROOM;
		j = i + ROOM;
		do
		:: i < j && net[i] < out[k] ->
			swap = net[i];
			net[i] = out[k];
			out[k] = swap;
			i++
		:: i < j && net[i] >= out[k] -> i++
		:: i >= j -> break
		od;
		out[k] = 0;
		k++
	od;
	i = 0;
	j = 0;
	k = 0;
	swap = 0
}

/* ---- conditions ---------------------------------------------------------- */

#define if_newer(h)                                                            \
	(m_verno > seen[h] &&                                                  \
	 (broken != BREAK_GAPS || m_verno == seen[h] + 1))
#define if_again(h) (seen[h] > 0 && m_verno == seen[h])
#define if_old(h) (!if_newer(h) && !if_again(h))
#define if_names_rsyn(h)                                                       \
	(own[h] > 0 && (m_verno == own[h] || broken == BREAK_VERSION))
#define if_names_peer_rsyn(h)                                                  \
	(seen[h] > 0 && (m_verno == seen[h] + 1 || broken == BREAK_VERSION))
#define if_names_other(h) (!if_names_rsyn(h))
/* TCP: no other instance will do. */
#define if_instance_answers(h) true
#define if_instance_silent(h) false

/* ---- actions ------------------------------------------------------------- */

#define do_send_rsyn(h)                                                        \
	own[h]++;                                                              \
	goes_on[h] = false;                                                    \
	tries[h] = 0;                                                          \
	send(h, K_RSYN, own[h], peer[h])
#define do_send_rsyn_again(h) send(h, K_RSYN, own[h], peer[h])
#define do_send_rsyn_by_name(h)                                                \
	if                                                                     \
	:: h == 0 && tries[h] >= TRIES_BY_NAME && broken != BREAK_NAME ->      \
		send(h, K_RSYN, own[h], NAME)                                  \
	:: else                                                                \
	fi
#define do_take_rsyn(h)                                                        \
	assert(m_verno > seen[h]); /* S2 */                                    \
	was[h] = (broken == BREAK_ADDRESS -> peer[h] : 1);                     \
	seen[h] = m_verno;                                                     \
	peer[h] = ADDRESS_OF(m_verno);                                         \
	goes_on[h] = goes_on[h] && broken == BREAK_CROSSING;                   \
	from_proven[h] = (proven[h] == peer[h]);                               \
	proven[h] = (from_proven[h] -> 0 : proven[h])
#define do_go_on_if_proven(h)                                                  \
	goes_on[h] = (data > 0 && (from_proven[h] || broken == BREAK_TRUST))
#define do_go_on_if_asked(h)                                                   \
	goes_on[h] = (data > 0 && proven[1 - (h)] == address[h])
#define do_send_rsynack(h)                                                     \
	send(h, K_RSYNACK, seen[h],                                            \
	     (broken == BREAK_ADDRESS -> was[h] : peer[h]))
#define do_send_rsynack_ack(h)                                                 \
	complete[h] = own[h];                                                  \
	send(h, K_ACK, own[h] + 1, peer[h])
/* One above that of the last RSYN that was answered. */
#define ACK_VERNO(h) (1 + (broken == BREAK_PLAIN -> own[h] : complete[h]))
#define do_send_ack(h) send(h, K_ACK, ACK_VERNO(h), ADDRESS_OF(m_verno))
#define do_wait_for_ack(h) tries[h] = 0
#define do_back_off(h)                                                         \
	if                                                                     \
	:: tries[h] < TRIES_BY_NAME -> tries[h]++                              \
	:: else                                                                \
	fi;                                                                    \
	goes_on[h] = false
#define do_stop_retry(h) tries[h] = 0
#define do_resume(h)                                                           \
	tries[h] = 0;                                                          \
	goes_on[h] = false;                                                    \
	from_proven[h] = false
#define do_count_old(h) skip
/* Another way there is, to the model, another address: a move as any other. */
#define do_next_path(h) skip
#define do_take_way(h) skip

/* Of states that this model does not get to. */
#define if_tries_left(h) false
#define if_no_tries_left(h) false
#define if_waits_for_rules(h) false
#define if_held_too_long(h) false
#define if_target_silent(h) false
#define if_names_synack(h) false
#define if_crossed(h) false
#define if_not_crossed(h) false
#define if_names_crossing(h) false
#define if_names_syn_alone(h) false
#define do_send_syn_too(h) assert(false)
#define do_move_later(h) assert(false)
#define do_send_synack(h) assert(false)
#define do_start(h) assert(false)
#define if_names_fin(h) false
#define if_names_last_fin(h) false
#define do_send_syn_from_here(h) assert(false)
#define do_send_syn_again(h) assert(false)
#define do_send_synack_again(h) assert(false)
#define do_send_fin_again(h) assert(false)
#define do_tell_unreachable(h) assert(false)
#define do_abort(h) assert(false)
#define do_resolve(h) assert(false)
#define do_hold(h) assert(false)
#define do_set_aside(h) assert(false)
#define do_drop_tie(h) assert(false)
#define do_close_if_over(h) assert(false)
#define do_take_fin_ack(h) assert(false)
#define do_fin_done(h) assert(false)
#define do_resume_closing(h) assert(false)
#define do_fin_after_move(h) assert(false)

#include "transitions.pml"

/* ---- what must hold ------------------------------------------------------ */

#define own_complete(h)                                                        \
	(state[h] == ESTABLISHED || state[h] == RSYN_RCVD)
#define peers_complete(h)                                                      \
	(state[h] == ESTABLISHED || state[h] == RSYN_SENT ||                   \
	 state[h] == NOADDRESS)
#define waits(h)                                                               \
	(state[h] == RSYN_SENT || state[h] == RSYN_RCVD ||                     \
	 state[h] == RSYN_SENT_RCVD)
#define quiet (net[0] == 0 && net[ROOM] == 0)
#define both_there (address[0] != 0 && address[1] != 0)

inline check() {
	assert(!own_complete(0) || seen[1] == own[0]); /* S1 */
	assert(!own_complete(1) || seen[0] == own[1]);
	assert(!peers_complete(0) || complete[1] >= seen[0]); /* S3 */
	assert(!peers_complete(1) || complete[0] >= seen[1]);
	assert(rounds <= ROUNDS); /* P */
	assert(!(quiet && both_there && !waits(0) && !waits(1)) ||
	       (state[0] == ESTABLISHED && state[1] == ESTABLISHED &&
		peer[0] == address[1] && peer[1] == address[0])); /* S4 */
}

/* ---- a host -------------------------------------------------------------- */

/* Takes out the packet at place i, and closes the gap. */
inline take_out(h) {
	packet = net[i];
	do
	:: i < (h) * ROOM + ROOM - 1 ->
		net[i] = net[i + 1];
		i++
	:: else -> break
	od;
	net[i] = 0;
	i = 0
}

mtype = { NOTHING, HEARD, GOES, COMES, TIMEOUT, SPEAKS };

#define may_speak(h)                                                           \
	(state[h] == ESTABLISHED ||                                            \
	 (goes_on[h] && (state[h] == RSYN_SENT || state[h] == RSYN_RCVD)))

proctype host(byte me)
{
	short packet;
	mtype happens = NOTHING;

end:	do
	:: atomic {
		if
		:: net[me * ROOM] != 0 ->
			i = me * ROOM;
			do
			:: i < me * ROOM + ROOM - 1 && net[i + 1] != 0 -> i++
			:: break
			od;
			take_out(me);
			if
			:: losses > 0 ->
				losses--;
				rounds = 0
			:: address[me] != 0 -> happens = HEARD
			/* Nobody is there, or not any more. */
			:: TO(packet) != NAME && TO(packet) != address[me]
			:: address[me] == 0
			fi
		:: moves > 0 && address[me] != 0 ->
			moves--;
			rounds = 0;
			if
			:: happens = COMES
			:: happens = GOES
			fi
		:: address[me] == 0 ->
			rounds = 0;
			happens = COMES
		:: waits(me) && early > 0 && !quiet ->
			early--;
			rounds = 0;
			happens = TIMEOUT
		:: waits(me) && quiet && both_there &&
		   (last != me || !waits(1 - me)) ->
			last = me;
			rounds++;
			happens = TIMEOUT
		:: may_speak(me) && data > 0 ->
			data--;
			happens = SPEAKS;
			assert(complete[1 - me] >= seen[me] ||
			       from_proven[me]) /* S5 */
		/* Asked at the address that it will have next, it answers. */
		:: proofs > 0 && data > 0 && state[me] == ESTABLISHED &&
		   both_there ->
			proofs--;
			proven[me] = ADDRESS_OF(own[1 - me] + 1)
		fi;
		m_verno = VERNO(packet);
		if
		:: happens == HEARD && KIND(packet) == K_RSYN -> on_RSYN(me)
		:: happens == HEARD && KIND(packet) == K_RSYNACK ->
			on_RSYNACK(me)
		:: happens == HEARD && KIND(packet) == K_ACK -> on_ACK(me)
		:: happens == HEARD && KIND(packet) == K_DATA ->
			if
			:: broken == BREAK_DATA &&
			   (state[me] == RSYN_SENT ||
			    state[me] == RSYN_SENT_RCVD) ->
				m_verno = own[me];
				on_RSYNACK(me)
			:: broken == BREAK_DATA &&
			   (state[me] == RSYN_RCVD ||
			    state[me] == NOADDRESS_RSYN_RCVD) ->
				m_verno = seen[me] + 1;
				on_ACK(me)
			:: else
			fi
		:: happens == COMES ->
			address[me] = ADDRESS_OF(own[me] + 1);
			on_ADDRESS(me)
		:: happens == GOES ->
			address[me] = 0;
			on_NO_ADDRESS(me)
		:: happens == TIMEOUT -> on_RETRY(me)
		:: happens == SPEAKS -> send(me, K_DATA, 0, peer[me])
		:: happens == NOTHING
		fi;
		put_all(me);
		packet = 0;
		m_verno = 0;
		happens = NOTHING;
		check()
	   }
	od
}

init {
	atomic {
		c_code {
			now.moves = setting("MOVES", 2);
			now.losses = setting("LOSSES", 1);
			now.early = setting("EARLY", 1);
			now.data = setting("DATA", 1);
			now.proofs = setting("PROOFS", 1);
			now.addrs = setting("ADDRS", 8);
			now.broken = setting("BREAK", 0);
		};
		run host(0);
		run host(1)
	}
}
