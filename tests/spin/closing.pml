/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two hosts whose flow ends, while they may move, on a network that loses, reorders
 * and doubles. The steps are the engine's own: transitions.pml is made from its table.
 * Here is what its conditions and actions mean in terms of versions and addresses, as
 * in migration.pml, and the conversation inside: each end has one segment for the
 * other, repeats it until it is acknowledged, and closes when its own is acknowledged
 * and the other's is there, as TCP does with its FINs. A FIN of SAL is no barrier for
 * segments, so an end may be closing long before the other is through.
 *
 * When the client's conversation is over its program may begin another one on the same
 * tuple (SECOND): the old flow makes room, at the other end where it closes as well,
 * and what the old one has on its way meets the new. Flow IDs are random: one of the
 * two new ones may be the same as before, both are not (a chance of 2 to the 64th).
 *
 * Host 0 is the client. Bounds, from the environment: MOVES of both, LOSSES of packets
 * that would have arrived, COPIES that stay under way, EARLY time-outs while packets
 * are under way. A state that lasts for a time is over only where nothing is under way
 * and nothing else is due: TIME_WAIT outlives what is repeated.
 *
 * What is checked, at every step:
 *   C1  what an end takes for acknowledged the other end's program has.
 *   C2  no program is reset, and no flow gone, before its conversation is over; but for
 *       what a second conversation on the tuple does, and an end without an address.
 *   C3  where nothing is under way or due, both ends are closed or will be; and since
 *       the last move, loss, copy or early time-out, at most ROUNDS time-outs have been
 *       needed for both to be closed.
 *   C4  a later flow takes nothing of an earlier one.
 *   C5  versions taken grow.
 *   C6  who takes its FIN for acknowledged is right: the other has had it.
 *   C7  nobody gives up a FIN while the other end has the flow.
 *
 * BREAK in the environment breaks the protocol in one way, and SPIN must find it:
 *   1 last      a FIN is acknowledged once, and not when it comes again
 *   2 barrier   no segments while closing
 *   3 early     a FIN is sent while an RSYN is unanswered
 *   4 again     after a move a FIN that was not acknowledged is not said again
 *   5 sender    data counts by the receiver's flow ID alone
 *   6 nonce     control packets count by the receiver's flow ID alone
 *   7 linger    who has had both FINs is gone at once, without TIME_WAIT
 *   8 plain     an ACK acknowledges the latest FIN, whatever it names
 */
c_decl {
	static unsigned char setting(const char *name, unsigned char otherwise)
	{
		const char *text = getenv(name);

		return text ? (unsigned char)atoi(text) : otherwise;
	}
}

byte broken; /* see init */
#define BREAK_LAST 1
#define BREAK_BARRIER 2
#define BREAK_EARLY 3
#define BREAK_AGAIN 4
#define BREAK_SENDER 5
#define BREAK_NONCE 6
#define BREAK_LINGER 7
#define BREAK_PLAIN 8

#define ROUNDS 20
#define ROOM 5 /* packets under way to a host; more are lost */
#define TRIES 4 /* of a FIN, or an RSYN while closing */
#define TRIES_BY_NAME 2

/* Packets: kind, verno, ackno, from where, to where. */
#define K_RSYN 1
#define K_RSYNACK 2
#define K_ACK 3
#define K_FIN 4
#define K_DATA 5
#define K_GOT 6 /* acknowledges data, inside */
#define K_RST 7 /* of one who does not have the flow */
#define NAME 7
#define PACKET(kind, verno, ackno, from, to)                                   \
	((kind) << 14 | (verno) << 10 | (ackno) << 6 | (from) << 3 | (to))
#define KIND(p) ((p) >> 14)
#define VERNO(p) (((p) >> 10) & 15)
#define ACKNO(p) (((p) >> 6) & 15)
#define FROM(p) (((p) >> 3) & 7)
#define TO(p) ((p) & 7)

byte state[2] = 4; /* ESTABLISHED, which transitions.pml calls so */
byte address[2] = 1; /* 0: none */
byte came[2] = 1; /* its latest address */
byte peer[2] = 1; /* where the peer is, as far as we know */
byte next[2] = 1; /* our verno; the SYN's was 0 */
byte pnext[2] = 1; /* the peer's that is expected */
byte rsyn[2]; /* 0: there was none; likewise: */
byte peer_rsyn[2], fin[2];
byte answered_next[2];
bool unanswered[2]; /* the RSYN */
bool fin_acked[2], peer_fin[2], close_wanted[2], armed[2], resumed[2];
byte tries[2];
byte segment[2]; /* 0: not sent, 1: sent, 2: acknowledged */
bool got[2]; /* the other's */
bool lost_all[2]; /* it was without an address when its flow ended */
byte last = 2; /* whose time-out was the last */
bool inner[2]; /* ... of this end, it was that of the conversation inside */
byte moves, losses, copies, early, second;
bool began; /* the second conversation */
bool same[2]; /* it has the same flow ID as the first there */
byte rounds;

/* To host h: h * ROOM and on; sorted, for their order says nothing. */
int net[2 * ROOM];

byte m_verno, m_ackno, m_from; /* of the packet that is being read */
bool m_again; /* a FIN, and not the first */
byte i, j, k;
int swap;
int out[4]; /* what a step sends, put on the network at its end */

#define over(h) (segment[h] == 2 && got[h])

#define put(p)                                                                 \
	if                                                                     \
	:: out[0] == 0 -> out[0] = p                                           \
	:: out[0] != 0 && out[1] == 0 -> out[1] = p                            \
	:: out[0] != 0 && out[1] != 0 && out[2] == 0 -> out[2] = p             \
	:: else -> out[3] = p                                                  \
	fi
#define send(h, kind, verno, ackno, to)                                        \
	if                                                                     \
	:: address[h] == 0                                                     \
	:: else -> put(PACKET(kind, verno, ackno, address[h], to))             \
	fi

inline put_all(h) {
	k = 0;
	do
	:: k == 4 -> break
	:: k < 4 && out[k] == 0 -> k++
	:: k < 4 && out[k] != 0 ->
		i = (1 - h) * ROOM;
		j = i + ROOM;
		do
		:: i < j && net[i] < out[k] ->
			swap = net[i];
			net[i] = out[k];
			out[k] = swap;
			i++
		/* The same packet again says no more than once. */
		:: i < j && net[i] == out[k] -> i = j
		:: i < j && net[i] > out[k] -> i++
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

#define if_newer(h) (m_verno >= pnext[h])
#define if_again(h) (peer_rsyn[h] > 0 && m_verno == peer_rsyn[h])
#define if_old(h) (!if_newer(h) && !if_again(h))
#define if_names_rsyn(h) (rsyn[h] > 0 && m_ackno == rsyn[h] + 1)
#define if_names_other(h) (!if_names_rsyn(h))
#define if_names_peer_rsyn(h)                                                  \
	(peer_rsyn[h] > 0 && m_verno == peer_rsyn[h] + 1)
#define fresh(h) (!peer_fin[h] && m_verno >= pnext[h])
#define if_fin_fresh(h) (fresh(h) && !fin_acked[h])
#define if_fin_last(h) (fresh(h) && fin_acked[h])
#define if_fin_again(h) (peer_fin[h])
#define if_fin_old(h) (!peer_fin[h] && !fresh(h))
#define names_fin(h)                                                           \
	(fin[h] > 0 && !fin_acked[h] &&                                        \
	 (m_ackno == fin[h] + 1 || broken == BREAK_PLAIN))
#define if_names_fin(h) (names_fin(h) && !peer_fin[h])
#define if_names_last_fin(h) (names_fin(h) && peer_fin[h])
#define if_tries_left(h) (tries[h] < TRIES)
#define if_no_tries_left(h) (tries[h] >= TRIES)
/* TCP: no other instance will do. */
#define if_instance_answers(h) true
#define if_instance_silent(h) false
#define if_rebinds(h) false
#define if_does_not_rebind(h) true

/* ---- actions ------------------------------------------------------------- */

#define again(h) armed[h] = true; tries[h] = 1
#define more(h)                                                                \
	if                                                                     \
	:: tries[h] < TRIES -> tries[h]++                                      \
	:: else                                                                \
	fi

#define do_send_rsyn(h)                                                        \
	if                                                                     \
	:: !unanswered[h] -> answered_next[h] = next[h]                        \
	:: else                                                                \
	fi;                                                                    \
	rsyn[h] = next[h];                                                     \
	next[h]++;                                                             \
	unanswered[h] = true;                                                  \
	again(h);                                                              \
	do_send_rsyn_again(h)
#define do_send_rsyn_again(h) send(h, K_RSYN, rsyn[h], 0, peer[h])
#define do_send_rsyn_by_name(h)                                                \
	if                                                                     \
	:: h == 0 && tries[h] >= TRIES_BY_NAME ->                              \
		send(h, K_RSYN, rsyn[h], 0, NAME)                              \
	:: else                                                                \
	fi
#define do_take_rsyn(h)                                                        \
	assert(m_verno >= pnext[h]); /* C5 */                                  \
	peer_rsyn[h] = m_verno;                                                \
	pnext[h] = m_verno + 1;                                                \
	peer[h] = m_from
#define do_send_rsynack(h)                                                     \
	send(h, K_RSYNACK, 0, peer_rsyn[h] + 1, peer[h])
#define do_wait_for_ack(h) again(h)
#define do_back_off(h) more(h)
#define do_stop_retry(h) armed[h] = false
#define do_send_rsynack_ack(h)                                                 \
	unanswered[h] = false;                                                 \
	send(h, K_ACK, rsyn[h] + 1, 0, peer[h])
#define do_resume(h)                                                           \
	armed[h] = false;                                                      \
	resumed[h] = true
#define do_count_old(h) skip
#define do_next_path(h) skip
#define do_take_way(h) peer[h] = m_from
#define do_go_on_if_proven(h) skip
#define do_go_on_if_asked(h) skip

#define do_send_ack(h)                                                         \
	if                                                                     \
	:: broken == BREAK_LAST && m_again                                     \
	:: else ->                                                             \
		send(h, K_ACK,                                                 \
		     (unanswered[h] -> answered_next[h] : next[h]), pnext[h],  \
		     m_from)                                                   \
	fi
#define do_send_fin(h)                                                         \
	if                                                                     \
	:: unanswered[h] && broken != BREAK_EARLY ->                           \
		if                                                             \
		:: armed[h]                                                    \
		:: else ->                                                     \
			do_send_rsyn_again(h);                                 \
			again(h)                                               \
		fi                                                             \
	:: else ->                                                             \
		fin[h] = next[h];                                              \
		next[h]++;                                                     \
		send(h, K_FIN, fin[h], pnext[h], peer[h]);                     \
		again(h)                                                       \
	fi
#define do_send_fin_again(h)                                                   \
	if                                                                     \
	:: unanswered[h] && broken != BREAK_EARLY -> do_send_rsyn_again(h)     \
	:: else -> send(h, K_FIN, fin[h], pnext[h], peer[h])                   \
	fi;                                                                    \
	more(h)
#define do_resume_closing(h)                                                   \
	armed[h] = (unanswered[h] -> false : armed[h])
#define do_fin_after_move(h)                                                   \
	if                                                                     \
	:: state[h] == FIN_WAIT && !fin_acked[h] && !armed[h] &&               \
	   broken != BREAK_AGAIN ->                                            \
		do_send_fin(h)                                                 \
	:: else                                                                \
	fi
#define do_fin_done(h) armed[h] = (unanswered[h] -> armed[h] : false)
#define do_close_later(h) close_wanted[h] = true
#define do_close_if_over(h) skip /* see settle() */
#define do_take_fin(h)                                                         \
	assert(m_verno >= pnext[h]); /* C5 */                                  \
	pnext[h] = m_verno + 1;                                                \
	peer_fin[h] = true
#define do_note_fin(h)                                                         \
	pnext[h] = (m_verno >= pnext[h] -> m_verno + 1 : pnext[h])
#define do_take_fin_ack(h) fin_acked[h] = true
#define do_reset_program(h) assert(over(h) || began) /* C2 */

/* Of states that this model does not get to. */
#define if_waits_for_rules(h) false
#define if_held_too_long(h) false
#define if_target_silent(h) false
#define if_names_synack(h) false
#define if_crossed(h) false
#define if_not_crossed(h) false
#define do_send_syn_too(h) assert(false)
#define do_move_later(h) assert(false)
#define do_send_synack(h) assert(false)
#define do_start(h) assert(false)
#define do_send_syn_from_here(h) assert(false)
#define do_send_syn_again(h) assert(false)
#define do_send_synack_again(h) assert(false)
#define do_tell_unreachable(h) assert(false)
#define do_abort(h) assert(false)
#define do_resolve(h) assert(false)
#define do_hold(h) assert(false)
#define do_set_aside(h) assert(false)
#define do_drop_tie(h) assert(false)

#include "transitions.pml"

/* ---- what must hold ------------------------------------------------------ */

#define closing(h)                                                             \
	(state[h] == FIN_WAIT || state[h] == CLOSE_WAIT ||                     \
	 state[h] == TIME_WAIT)
#define quiet (net[0] == 0 && net[ROOM] == 0)
/* Somebody repeats something, inside or outside. */
#define may_send(h)                                                            \
	(address[h] != 0 &&                                                    \
	 (state[h] == ESTABLISHED ||                                           \
	  (closing(h) && broken != BREAK_BARRIER)))
#define repeats(h) (may_send(h) && segment[h] < 2)
#define due(h) (state[h] != CLOSED && address[h] != 0 && (armed[h] || repeats(h)))
/* By itself. */
#define ends(h)                                                                \
	(state[h] == CLOSED || state[h] == TIME_WAIT ||                        \
	 state[h] == CLOSE_WAIT || (state[h] == FIN_WAIT && fin_acked[h]))
#define comes_back (address[0] == 0 || address[1] == 0)

inline check() {
	assert(segment[0] != 2 || got[1]); /* C1 */
	assert(segment[1] != 2 || got[0]);
	assert(state[0] != CLOSED || over(0) || began || lost_all[0]); /* C2 */
	assert(state[1] != CLOSED || over(1) || began || lost_all[1]);
	assert(!quiet || due(0) || due(1) || comes_back ||
	       (ends(0) && ends(1))); /* C3 */
	assert(!fin_acked[0] || peer_fin[1]); /* C6 */
	assert(!fin_acked[1] || peer_fin[0]);
	assert(rounds <= ROUNDS)
}

/* After each step: what the engine looks at when its state has changed, or TCP. */
inline settle(h) {
	if
	:: state[h] == CLOSED ->
		lost_all[h] = lost_all[h] || address[h] == 0;
		armed[h] = false
	:: else ->
		if
		:: (resumed[h] && close_wanted[h]) ||
		   (over(h) &&
		    (state[h] == ESTABLISHED || state[h] == CLOSE_WAIT)) ->
			on_CLOSE(h)
		:: else
		fi;
		if
		:: state[h] == TIME_WAIT && broken == BREAK_LINGER ->
			state[h] = CLOSED
		:: else
		fi
	fi;
	resumed[h] = false;
	/* Of no use any more: fewer states. */
	if
	:: state[h] == CLOSED ->
		unanswered[h] = false;
		close_wanted[h] = false;
		armed[h] = false;
		inner[h] = false;
		tries[h] = 0
	:: !armed[h] ->
		tries[h] = 0;
		inner[h] = false
	:: else
	fi
}

/* ---- a host -------------------------------------------------------------- */

/* Whether the second flow, if it is there, has the flow ID that a packet of the first
 * goes to; and would take it. */
#define meets_second(h) (began && same[h])
#define second_takes(h, p)                                                     \
	((KIND(p) == K_DATA || KIND(p) == K_GOT) &&                            \
		 (same[1 - (h)] || broken == BREAK_SENDER) ||                  \
	 KIND(p) <= K_FIN && broken == BREAK_NONCE)

mtype = { NOTHING, HEARD, GOES, COMES, TIMEOUT, REPEATS, LASTS, BEGINS };

inline hears(me) {
	if
	:: KIND(packet) == K_RSYN -> on_RSYN(me)
	:: KIND(packet) == K_RSYNACK -> on_RSYNACK(me)
	:: KIND(packet) == K_ACK -> on_ACK(me)
	:: KIND(packet) == K_FIN ->
		m_again = peer_fin[me];
		on_FIN(me);
		m_again = false
	:: KIND(packet) == K_RST -> on_LOST(me)
	:: KIND(packet) == K_DATA && (state[me] == ESTABLISHED ||
				      !closing(me) ||
				      broken != BREAK_BARRIER) ->
		got[me] = true;
		if
		:: may_send(me) -> send(me, K_GOT, 0, 0, peer[me])
		:: else
		fi
	:: KIND(packet) == K_GOT && segment[me] == 1 -> segment[me] = 2
	:: else
	fi
}

proctype host(byte me)
{
	int packet;
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
			packet = net[i];
			if
			:: copies > 0 ->
				copies--;
				rounds = 0
			:: true ->
				do
				:: i < me * ROOM + ROOM - 1 ->
					net[i] = net[i + 1];
					i++
				:: else -> break
				od;
				net[i] = 0
			fi;
			i = 0;
			if
			:: losses > 0 ->
				losses--;
				rounds = 0
			:: address[me] != 0 -> happens = HEARD
			/* Nobody is there, or not any more. */
			:: TO(packet) != NAME && TO(packet) != address[me]
			:: address[me] == 0
			fi
		:: moves > 0 && address[me] != 0 && state[me] != CLOSED ->
			moves--;
			rounds = 0;
			if
			:: happens = COMES
			:: happens = GOES
			fi
		:: address[me] == 0 ->
			rounds = 0;
			happens = COMES
		:: armed[me] && address[me] != 0 && early > 0 && !quiet ->
			early--;
			rounds = 0;
			happens = TIMEOUT
		/* Nobody's time-out comes twice while the other's is due, nor
		 * that of its TCP while its own is. */
		:: armed[me] && quiet && !comes_back &&
		   (last != me || !due(1 - me)) ->
			last = me;
			rounds++;
			happens = TIMEOUT
		:: segment[me] == 0 && may_send(me) -> happens = REPEATS
		:: repeats(me) && segment[me] == 1 && quiet && !comes_back &&
		   (last != me || !due(1 - me)) && !(inner[me] && armed[me]) ->
			last = me;
			rounds++;
			happens = REPEATS
		/* A server waits for its TCP in CLOSE_WAIT not for long. */
		:: state[me] == CLOSE_WAIT && address[me] != 0 ->
			happens = LASTS
		:: (state[me] == TIME_WAIT ||
		    (state[me] == FIN_WAIT && fin_acked[me])) &&
		   quiet && !due(me) && !due(1 - me) && !comes_back ->
			rounds++;
			happens = LASTS
		:: me == 0 && second > 0 && over(0) &&
		   (closing(0) || state[0] == CLOSED) &&
		   (closing(1) || state[1] == CLOSED) ->
			second--;
			rounds = 0;
			happens = BEGINS
		fi;
		m_verno = VERNO(packet);
		m_ackno = ACKNO(packet);
		m_from = FROM(packet);
		if
		:: happens == HEARD && state[me] == CLOSED &&
		   meets_second(me) ->
			assert(!second_takes(me, packet)) /* C4 */
		:: happens == HEARD && state[me] == CLOSED &&
		   !meets_second(me) && KIND(packet) != K_RST ->
			send(me, K_RST, 0, 0, m_from)
		:: happens == HEARD && state[me] != CLOSED -> hears(me)
		:: happens == COMES ->
			came[me]++;
			address[me] = came[me];
			on_ADDRESS(me)
		:: happens == GOES ->
			address[me] = 0;
			on_NO_ADDRESS(me)
		:: happens == TIMEOUT ->
			inner[me] = false;
			on_RETRY(me);
			assert(state[me] != CLOSED || state[1 - me] == CLOSED ||
			       began) /* C7 */
		:: happens == LASTS -> on_EXPIRED(me)
		:: happens == REPEATS ->
			inner[me] = armed[me];
			segment[me] = 1;
			send(me, K_DATA, 0, 0, peer[me])
		:: happens == BEGINS ->
			if
			:: same[0] = true
			:: same[1] = true
			:: true
			fi;
			began = true;
			on_DISPLACED(0);
			on_DISPLACED(1);
			armed[1 - me] = false
		:: else
		fi;
		settle(me);
		put_all(me);
		packet = 0;
		m_verno = 0;
		m_ackno = 0;
		m_from = 0;
		happens = NOTHING;
		check()
	   }
	od
}

init {
	atomic {
		c_code {
			now.moves = setting("MOVES", 1);
			now.losses = setting("LOSSES", 1);
			now.copies = setting("COPIES", 1);
			now.early = setting("EARLY", 1);
			now.second = setting("SECOND", 1);
			now.broken = setting("BREAK", 0);
		};
		run host(0);
		run host(1)
	}
}
