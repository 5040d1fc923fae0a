/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a flow, in one table. The engine takes its steps from it (step.c),
 * docs/sal-protocol.md shows it, and tests/spin checks it: all three are made
 * from here, so that they cannot say different things.
 *
 * A row says: in this state, when this happens and the condition holds, do the
 * first thing, be in the next state, do the others. Of the rows for one state
 * and one happening the first whose condition holds counts; they are written so
 * that no two can hold at once, for the model takes them in any order.
 *
 * What happens is a PACKET, which may come at any time and has no effect where
 * no row is for it, or something of our OWN, for which each state that can see
 * it must have a row. Data is not among them: it never changes a state, for it
 * proves nothing about what the peer has seen (Arye et al., ICNP 2012).
 *
 * Versions: "newer" asks only whether it is greater than any seen. To wait for
 * the ones between would be to wait for RSYNs that were lost and are not sent
 * any more. Where an RSYN and an RSYN-ACK go out together the RSYN is first: who
 * gets the RSYN-ACK before knows our new address too late for its ACK and data.
 *
 * Simultaneous open (native flows alone; RFC 9293, 3.5): a SYN proves nothing, not
 * even that its sender had ours. So who has taken a crossing SYN goes on with its
 * own, beside the SYN-ACK, and the SYN-ACK of another that does name it counts more.
 * A reset, which a SYN-ACK to a forged SYN brings, takes back just what that did. Who
 * moves meanwhile says both again from there, and when all is open an RSYN: the other
 * end, which may be open already, takes nothing but that for a move.
 */
#ifndef SAL_TRANSITIONS_H
#define SAL_TRANSITIONS_H

#define SAL_HAPPENINGS(X)                                                      \
	X(OPEN, OWN, "a program's first packet to a service's address")        \
	X(DELAYED, OWN, "the same, and the rules want it to be held")          \
	X(SYN, OWN, "a SYN for a service that has a DEMUX rule here")          \
	X(PROVED, OWN, "an ACK to a SYN-ACK that was given without state")     \
	X(CROSSING, PACKET,                                                    \
	  "a native SYN for our own service, from where our SYN goes")         \
	X(SYNACK, PACKET, "SYN-ACK")                                           \
	X(ACK, PACKET, "ACK, without SYN or RSYN")                             \
	X(ADDRESS, OWN, "its address is gone or was gone, another is there")   \
	X(NO_ADDRESS, OWN, "its address is gone, and there is no other")       \
	X(RSYN, PACKET, "RSYN")                                                \
	X(RSYNACK, PACKET, "RSYN-ACK")                                         \
	X(SILENT, OWN, "a program waits, and the peer answers no challenge")   \
	X(RETRY, OWN, "no answer within the time-out")                         \
	X(CLOSE, OWN, "the conversation inside is over, or idle")              \
	X(FIN, PACKET, "FIN")                                                  \
	X(EXPIRED, OWN, "the state has lasted as long as it may")              \
	X(REFUSED, OWN, "the SYN was refused, or no rule is there for it")     \
	X(RESET, OWN, "a reset that proves itself; nobody owns it any more")   \
	X(LOST, OWN, "it is proved that the instance is gone")                 \
	X(REBIND, OWN, "the rules name another instance")                      \
	X(WITHDRAWN, OWN,                                                      \
	  "not served here any more; or idle, and its slot is wanted")         \
	X(DISPLACED, OWN, "closing, and its tuple or slot is wanted")          \
	X(GIVEN, OWN, "another host has it now: a tombstone is left")          \
	X(IMPORT, OWN, "it came from another host; it does nothing yet")       \
	X(DROPPED, OWN, "it came, and was not committed")

#define SAL_CONDITIONS(X)                                                      \
	X(always, "")                                                          \
	X(names_syn, "it names our SYN: ackno, and our flow ID")               \
	X(wants_proof, "it names our SYN, with NACK: nothing was kept")        \
	X(crossed, "the SYN was ours: the peer's has crossed it")              \
	X(not_crossed, "the SYN was the peer's alone")                         \
	X(names_crossing, "crossed; it names our SYN; of whose SYN was taken") \
	X(names_syn_alone, "crossed; it names our SYN; of another")            \
	X(synack_again, "a client's: its nonce and flow ID are the peer's")    \
	X(names_synack, "ackno and verno name our SYN-ACK")                    \
	X(newer, "its verno is greater than any seen")                         \
	X(again, "its verno is that of the last RSYN taken")                   \
	X(old, "its verno is below all that")                                  \
	X(names_rsyn, "its ackno names our latest RSYN")                       \
	X(names_other, "its ackno names any other")                            \
	X(names_peer_rsyn, "its verno follows that of the RSYN taken last")    \
	X(names_fin, "its ackno names our FIN; the peer's is to come")         \
	X(names_last_fin, "its ackno names our FIN; the peer's was here")      \
	X(fin_fresh, "its verno is not below the expected; ours is not ACKed") \
	X(fin_last, "its verno is not below the expected; ours is ACKed")      \
	X(fin_again, "the peer's FIN was here before")                         \
	X(fin_old, "its verno is below the expected, and no FIN was here")     \
	X(tries_left, "sent fewer times than its bound")                       \
	X(no_tries_left, "sent as often as it may be")                         \
	X(waits_for_rules, "no instance was there to be asked")                \
	X(held_too_long, "a DELAY rule holds it, and no verdict has come")     \
	X(target_silent, "two SYNs, or one where one of the targets has "      \
			 "answered before, another is there; 30 s")            \
	X(may_ask_again, "an instance may still come; within the bounds")      \
	X(may_not_ask_again, "refused for good, or beyond the bounds")         \
	X(instance_answers, "not so often that another will be looked for")    \
	X(instance_silent, "a client's, stateless protocol, 4 tries")          \
	X(rebinds, "a client's, of a stateless protocol")                      \
	X(does_not_rebind, "a server's, or TCP")

#define SAL_ACTIONS(X)                                                         \
	X(nothing, "")                                                         \
	X(send_syn, "SYN, new nonce and verno; start the back-off")            \
	X(send_syn_again, "the same SYN, with and without UDP in turns; back " \
			  "off")                                               \
	X(send_syn_too, "crossed: the same SYN as well")                       \
	X(send_syn_from_here, "the same SYN, from the new address")            \
	X(take_peer, "take the peer's flow ID, nonce, verno, address")         \
	X(send_syn_ack_ack, "ACK with SERVICE: ends the handshake")            \
	X(start, "send what has waited")                                       \
	X(send_proof, "ACK with all that the SYN had")                         \
	X(confirm, "SYN-ACK, once")                                            \
	X(send_synack, "SYN-ACK; start the back-off")                          \
	X(send_synack_again, "the same SYN-ACK; back off")                     \
	X(resolve, "ask the rules; SYN, or wait for them")                     \
	X(wait_for_rules, "ask them again later")                              \
	X(hold, "wait for a verdict, or other rules; start the time")          \
	X(set_aside, "the target is none for new flows, for 1 to 10 s")        \
	X(stop_retry, "stop the back-off")                                     \
	X(send_rsyn, "RSYN, the next verno; start the back-off")               \
	X(send_rsyn_again, "the latest RSYN again, to where the peer is now")  \
	X(send_rsyn_by_name, "a client's, from the 4th on: to where the rules" \
			     " have the service now, with SERVICE, as well")   \
	X(other_path, "take another way to the peer, if there is one")         \
	X(next_path, "from the 3rd on: take the next way, if there is more "   \
		     "than one, and the next verno")                           \
	X(take_way, "the peer is where it came from, unless it has moved "     \
		    "since the RSYN")                                          \
	X(take_rsyn, "take the peer's verno and its new address")              \
	X(send_rsynack, "RSYN-ACK, naming its verno, to its new address")      \
	X(wait_for_ack, "start the back-off")                                  \
	X(back_off, "back off; data waits from now on")                        \
	X(send_rsynack_ack, "ACK, verno one above our RSYN's")                 \
	X(resume, "re-send un-ACKed segments, then what has waited; the "      \
		  "segments not where they went behind the RSYN")              \
	X(go_on_if_proven, "where the RSYN came from a proven address: "       \
			   "re-send un-ACKed segments, then what has waited")  \
	X(go_on_if_asked, "where the peer has asked us on this way: the same") \
	X(send_ack, "ACK of all seen, to where the packet came from")          \
	X(count_old, "count it")                                               \
	X(send_fin, "FIN, the next verno; start the back-off; not before an "  \
		    "RSYN of ours is answered")                                \
	X(send_fin_again, "the RSYN that is unanswered, else the same FIN; "   \
			  "back off")                                          \
	X(resume_closing, "the move is complete: re-send un-ACKed segments")   \
	X(fin_after_move, "the FIN that is not ACKed, with the next verno")    \
	X(fin_done, "stop the back-off, unless an RSYN is unanswered")         \
	X(note_fin, "take the verno, if it is greater than any seen")          \
	X(take_fin, "take the peer's verno: its side is over")                 \
	X(take_fin_ack, "ours is ACKed")                                       \
	X(move_later, "ADDRESS once more when the handshake is complete")      \
	X(forget_peer, "the peer's SYN was none: ours goes on")                \
	X(close_later, "CLOSE when the move is complete")                      \
	X(close_if_over, "CLOSE, if the inner conversation is over")           \
	X(drop_tie, "forget the peer; what it still sends is let in for 5 s")  \
	X(leave_tie, "one FIN to the old instance, then drop_tie")             \
	X(tell_unreachable, "answer what waits: unreachable")                  \
	X(tell_refused, "answer what waits: refused")                          \
	X(reset_program, "TCP: reset the program's connection")                \
	X(abort, "RST with the reason; TCP: reset the program's connection")

/* The same row for several states. */
#define SAL_EACH_STILL(T, on, cond, first, next, then)                         \
	T(SYN_RCVD, on, cond, first, next, then)                               \
	T(ESTABLISHED, on, cond, first, next, then)
#define SAL_EACH_MOVING(T, on, cond, first, next, then)                        \
	T(RSYN_SENT, on, cond, first, next, then)                              \
	T(RSYN_RCVD, on, cond, first, next, then)                              \
	T(RSYN_SENT_RCVD, on, cond, first, next, then)
#define SAL_EACH_LOST(T, on, cond, first, next, then)                          \
	T(NOADDRESS, on, cond, first, next, then)                              \
	T(NOADDRESS_RSYN_RCVD, on, cond, first, next, then)
#define SAL_EACH_OPEN(T, on, cond, first, next, then)                          \
	SAL_EACH_STILL(T, on, cond, first, next, then)                         \
	SAL_EACH_LOST(T, on, cond, first, next, then)                          \
	SAL_EACH_MOVING(T, on, cond, first, next, then)
#define SAL_EACH_CLOSING(T, on, cond, first, next, then)                       \
	T(FIN_WAIT, on, cond, first, next, then)                               \
	T(CLOSE_WAIT, on, cond, first, next, then)                             \
	T(TIME_WAIT, on, cond, first, next, then)
/* ... which each stays in. */
#define SAL_STILL_STAY(T, on, cond, first, then)                               \
	T(SYN_RCVD, on, cond, first, SYN_RCVD, then)                           \
	T(ESTABLISHED, on, cond, first, ESTABLISHED, then)
#define SAL_MOVING_STAY(T, on, cond, first, then)                              \
	T(RSYN_SENT, on, cond, first, RSYN_SENT, then)                         \
	T(RSYN_RCVD, on, cond, first, RSYN_RCVD, then)                         \
	T(RSYN_SENT_RCVD, on, cond, first, RSYN_SENT_RCVD, then)
#define SAL_LOST_STAY(T, on, cond, first, then)                                \
	T(NOADDRESS, on, cond, first, NOADDRESS, then)                         \
	T(NOADDRESS_RSYN_RCVD, on, cond, first, NOADDRESS_RSYN_RCVD, then)
#define SAL_CLOSING_STAY(T, on, cond, first, then)                             \
	T(FIN_WAIT, on, cond, first, FIN_WAIT, then)                           \
	T(CLOSE_WAIT, on, cond, first, CLOSE_WAIT, then)                       \
	T(TIME_WAIT, on, cond, first, TIME_WAIT, then)

/* clang-format off */
#define SAL_OPENING(T)                                                         \
	T(CLOSED, OPEN, always, nothing, SYN_SENT, (send_syn))                 \
	T(CLOSED, DELAYED, always, nothing, SYN_SENT, (hold))                  \
	T(CLOSED, SYN, always, nothing, SYN_RCVD, (send_synack))               \
	T(CLOSED, PROVED, always, nothing, ESTABLISHED, (confirm))             \
	T(SYN_SENT, SYNACK, wants_proof, nothing, SYN_SENT, (send_proof))      \
	T(SYN_SENT, SYNACK, names_syn, take_peer, ESTABLISHED,                 \
	  (send_syn_ack_ack, start))                                           \
	T(SYN_SENT, RETRY, held_too_long, tell_unreachable, CLOSED, (nothing)) \
	T(SYN_SENT, RETRY, waits_for_rules, nothing, SYN_SENT, (resolve))      \
	T(SYN_SENT, RETRY, target_silent, drop_tie, SYN_SENT,                  \
	  (set_aside, resolve))                                                \
	T(SYN_SENT, RETRY, tries_left, nothing, SYN_SENT, (send_syn_again))    \
	T(SYN_SENT, RETRY, no_tries_left, tell_unreachable, CLOSED, (nothing)) \
	T(SYN_SENT, REFUSED, may_ask_again, nothing, SYN_SENT,                 \
	  (wait_for_rules))                                                    \
	T(SYN_SENT, REFUSED, may_not_ask_again, tell_refused, CLOSED,          \
	  (nothing))                                                           \
	T(SYN_SENT, ADDRESS, always, nothing, SYN_SENT, (send_syn_from_here))  \
	T(SYN_SENT, NO_ADDRESS, always, nothing, SYN_SENT, (nothing))          \
	T(SYN_SENT, REBIND, always, drop_tie, SYN_SENT, (resolve))             \
	T(SYN_SENT, LOST, always, drop_tie, SYN_SENT, (resolve))               \
	T(SYN_SENT, CLOSE, always, nothing, CLOSED, (nothing))                 \
	T(SYN_SENT, RESET, always, nothing, CLOSED, (nothing))                 \
	T(SYN_SENT, CROSSING, always, take_peer, SYN_RCVD, (send_synack))      \
	T(SYN_RCVD, SYNACK, names_crossing, take_peer, ESTABLISHED, (start))   \
	T(SYN_RCVD, SYNACK, names_syn_alone, take_peer, ESTABLISHED,           \
	  (send_syn_ack_ack, start))                                           \
	T(ESTABLISHED, SYNACK, synack_again, nothing, ESTABLISHED,             \
	  (send_syn_ack_ack))                                                  \
	SAL_LOST_STAY(T, SYNACK, synack_again, nothing, (nothing))             \
	SAL_MOVING_STAY(T, SYNACK, synack_again, nothing, (send_syn_ack_ack))  \
	SAL_CLOSING_STAY(T, SYNACK, synack_again, nothing, (send_syn_ack_ack)) \
	T(SYN_RCVD, ACK, names_synack, nothing, ESTABLISHED,                   \
	  (stop_retry, start))                                                 \
	T(SYN_RCVD, RETRY, tries_left, nothing, SYN_RCVD,                      \
	  (send_syn_too, send_synack_again))                                   \
	T(SYN_RCVD, RETRY, no_tries_left, abort, CLOSED, (nothing))

#define SAL_WE_MOVE(T)                                                         \
	T(SYN_RCVD, ADDRESS, crossed, move_later, SYN_RCVD,                    \
	  (send_syn_too, send_synack))                                         \
	T(SYN_RCVD, ADDRESS, not_crossed, nothing, RSYN_SENT, (send_rsyn))     \
	T(ESTABLISHED, ADDRESS, always, nothing, RSYN_SENT,                    \
	  (send_rsyn, go_on_if_asked))                                         \
	T(NOADDRESS, ADDRESS, always, nothing, RSYN_SENT, (send_rsyn))         \
	T(RSYN_SENT, ADDRESS, always, nothing, RSYN_SENT, (send_rsyn))         \
	T(RSYN_RCVD, ADDRESS, always, nothing, RSYN_SENT_RCVD, (send_rsyn))    \
	T(RSYN_SENT_RCVD, ADDRESS, always, nothing, RSYN_SENT_RCVD,            \
	  (send_rsyn))                                                         \
	T(NOADDRESS_RSYN_RCVD, ADDRESS, always, nothing, RSYN_SENT_RCVD,       \
	  (send_rsyn))                                                         \
	T(SYN_RCVD, NO_ADDRESS, crossed, nothing, SYN_RCVD, (nothing))         \
	T(SYN_RCVD, NO_ADDRESS, not_crossed, nothing, NOADDRESS, (stop_retry)) \
	T(ESTABLISHED, NO_ADDRESS, always, nothing, NOADDRESS, (stop_retry))   \
	T(RSYN_SENT, NO_ADDRESS, always, nothing, NOADDRESS, (stop_retry))     \
	T(RSYN_RCVD, NO_ADDRESS, always, nothing, NOADDRESS_RSYN_RCVD,         \
	  (stop_retry))                                                        \
	T(RSYN_SENT_RCVD, NO_ADDRESS, always, nothing, NOADDRESS_RSYN_RCVD,    \
	  (stop_retry))                                                        \
	SAL_LOST_STAY(T, NO_ADDRESS, always, nothing, (nothing))               \
	T(ESTABLISHED, SILENT, always, other_path, RSYN_SENT,                  \
	  (send_rsyn, go_on_if_asked))                                         \
	T(RSYN_SENT, RSYNACK, names_rsyn, take_way, ESTABLISHED,               \
	  (send_rsynack_ack, resume))                                          \
	T(RSYN_SENT_RCVD, RSYNACK, names_rsyn, nothing, RSYN_RCVD,             \
	  (send_rsynack_ack))                                                  \
	T(RSYN_RCVD, RSYNACK, names_rsyn, nothing, RSYN_RCVD,                  \
	  (send_rsynack_ack))                                                  \
	SAL_STILL_STAY(T, RSYNACK, names_rsyn, nothing, (send_rsynack_ack))    \
	SAL_CLOSING_STAY(T, RSYNACK, names_rsyn, resume_closing,               \
			 (send_rsynack_ack, fin_after_move))                   \
	SAL_STILL_STAY(T, RSYNACK, names_other, nothing, (count_old))          \
	SAL_LOST_STAY(T, RSYNACK, names_other, nothing, (count_old))           \
	SAL_MOVING_STAY(T, RSYNACK, names_other, nothing, (count_old))         \
	SAL_CLOSING_STAY(T, RSYNACK, names_other, nothing, (count_old))        \
	T(RSYN_SENT, RETRY, instance_answers, next_path, RSYN_SENT,            \
	  (send_rsyn_again, send_rsyn_by_name, back_off))                      \
	T(RSYN_SENT, RETRY, instance_silent, drop_tie, SYN_SENT, (resolve))    \
	T(RSYN_SENT_RCVD, RETRY, instance_answers, nothing, RSYN_SENT_RCVD,    \
	  (send_rsyn_again, send_rsyn_by_name, send_rsynack, back_off))        \
	T(RSYN_SENT_RCVD, RETRY, instance_silent, drop_tie, SYN_SENT,          \
	  (resolve))

#define SAL_PEER_MOVES(T)                                                      \
	SAL_EACH_STILL(T, RSYN, newer, take_rsyn, RSYN_RCVD,                   \
		       (send_rsynack, wait_for_ack, go_on_if_proven))          \
	T(RSYN_RCVD, RSYN, newer, take_rsyn, RSYN_RCVD,                        \
	  (send_rsynack, wait_for_ack, go_on_if_proven))                       \
	T(RSYN_SENT, RSYN, newer, take_rsyn, RSYN_SENT_RCVD,                   \
	  (send_rsyn_again, send_rsynack, wait_for_ack))                       \
	T(RSYN_SENT_RCVD, RSYN, newer, take_rsyn, RSYN_SENT_RCVD,              \
	  (send_rsyn_again, send_rsynack, wait_for_ack))                       \
	T(NOADDRESS, RSYN, newer, take_rsyn, NOADDRESS_RSYN_RCVD, (nothing))   \
	T(NOADDRESS_RSYN_RCVD, RSYN, newer, take_rsyn, NOADDRESS_RSYN_RCVD,    \
	  (nothing))                                                           \
	SAL_CLOSING_STAY(T, RSYN, newer, take_rsyn, (send_rsynack))            \
	SAL_STILL_STAY(T, RSYN, again, nothing, (send_rsynack))                \
	SAL_MOVING_STAY(T, RSYN, again, nothing, (send_rsynack))               \
	SAL_CLOSING_STAY(T, RSYN, again, nothing, (send_rsynack))              \
	SAL_STILL_STAY(T, RSYN, old, nothing, (count_old, send_ack))           \
	SAL_LOST_STAY(T, RSYN, old, nothing, (count_old))                      \
	SAL_MOVING_STAY(T, RSYN, old, nothing, (count_old, send_ack))          \
	SAL_CLOSING_STAY(T, RSYN, old, nothing, (count_old, send_ack))         \
	T(RSYN_RCVD, ACK, names_peer_rsyn, nothing, ESTABLISHED, (resume))     \
	T(RSYN_SENT_RCVD, ACK, names_peer_rsyn, nothing, RSYN_SENT, (nothing)) \
	T(NOADDRESS_RSYN_RCVD, ACK, names_peer_rsyn, nothing, NOADDRESS,       \
	  (nothing))                                                           \
	T(RSYN_RCVD, RETRY, instance_answers, nothing, RSYN_RCVD,              \
	  (send_rsynack, back_off))                                            \
	T(RSYN_RCVD, RETRY, instance_silent, drop_tie, SYN_SENT, (resolve))

#define SAL_CLOSING(T)                                                         \
	SAL_EACH_STILL(T, CLOSE, always, nothing, FIN_WAIT, (send_fin))        \
	T(CLOSE_WAIT, CLOSE, always, nothing, FIN_WAIT, (send_fin))            \
	SAL_MOVING_STAY(T, CLOSE, always, nothing, (close_later))              \
	SAL_EACH_LOST(T, CLOSE, always, nothing, CLOSED, (nothing))            \
	T(FIN_WAIT, CLOSE, always, nothing, FIN_WAIT, (nothing))               \
	T(TIME_WAIT, CLOSE, always, nothing, TIME_WAIT, (nothing))             \
	SAL_EACH_STILL(T, FIN, fin_fresh, take_fin, CLOSE_WAIT,                \
		       (send_ack, stop_retry, close_if_over))                  \
	SAL_MOVING_STAY(T, FIN, fin_fresh, take_fin, (send_ack, close_later))  \
	SAL_EACH_LOST(T, FIN, fin_fresh, take_fin, CLOSED, (nothing))          \
	T(FIN_WAIT, FIN, fin_fresh, take_fin, FIN_WAIT, (send_ack))            \
	T(FIN_WAIT, FIN, fin_last, take_fin, TIME_WAIT, (send_ack))            \
	SAL_STILL_STAY(T, FIN, fin_again, nothing, (send_ack))                 \
	SAL_MOVING_STAY(T, FIN, fin_again, note_fin, (send_ack))               \
	SAL_CLOSING_STAY(T, FIN, fin_again, note_fin, (send_ack))              \
	SAL_STILL_STAY(T, FIN, fin_old, nothing, (count_old, send_ack))        \
	SAL_LOST_STAY(T, FIN, fin_old, nothing, (count_old))                   \
	SAL_MOVING_STAY(T, FIN, fin_old, nothing, (count_old, send_ack))       \
	SAL_CLOSING_STAY(T, FIN, fin_old, nothing, (count_old, send_ack))      \
	T(FIN_WAIT, ACK, names_fin, take_fin_ack, FIN_WAIT, (fin_done))        \
	T(FIN_WAIT, ACK, names_last_fin, take_fin_ack, TIME_WAIT, (fin_done))  \
	SAL_CLOSING_STAY(T, RETRY, tries_left, nothing, (send_fin_again))      \
	T(FIN_WAIT, RETRY, no_tries_left, nothing, CLOSED, (nothing))          \
	T(CLOSE_WAIT, RETRY, no_tries_left, nothing, CLOSE_WAIT, (stop_retry)) \
	T(TIME_WAIT, RETRY, no_tries_left, nothing, TIME_WAIT, (stop_retry))   \
	SAL_CLOSING_STAY(T, ADDRESS, always, nothing, (send_rsyn))             \
	SAL_CLOSING_STAY(T, NO_ADDRESS, always, nothing, (nothing))

#define SAL_ENDING(T)                                                          \
	SAL_EACH_STILL(T, EXPIRED, always, nothing, FIN_WAIT, (send_fin))      \
	T(CLOSE_WAIT, EXPIRED, always, nothing, FIN_WAIT, (send_fin))          \
	SAL_EACH_MOVING(T, EXPIRED, always, nothing, CLOSED, (nothing))        \
	SAL_EACH_LOST(T, EXPIRED, always, nothing, CLOSED, (nothing))          \
	T(FIN_WAIT, EXPIRED, always, nothing, CLOSED, (nothing))               \
	T(TIME_WAIT, EXPIRED, always, nothing, CLOSED, (nothing))              \
	T(SYN_RCVD, RESET, crossed, forget_peer, SYN_SENT, (nothing))          \
	T(SYN_RCVD, RESET, not_crossed, reset_program, CLOSED, (nothing))      \
	T(ESTABLISHED, RESET, always, reset_program, CLOSED, (nothing))        \
	SAL_EACH_LOST(T, RESET, always, reset_program, CLOSED, (nothing))      \
	SAL_EACH_MOVING(T, RESET, always, reset_program, CLOSED, (nothing))    \
	SAL_EACH_CLOSING(T, RESET, always, reset_program, CLOSED, (nothing))   \
	SAL_EACH_OPEN(T, LOST, rebinds, drop_tie, SYN_SENT, (resolve))         \
	SAL_EACH_OPEN(T, LOST, does_not_rebind, reset_program, CLOSED,         \
		      (nothing))                                               \
	SAL_EACH_CLOSING(T, LOST, always, nothing, CLOSED, (nothing))          \
	SAL_EACH_OPEN(T, REBIND, always, leave_tie, SYN_SENT, (resolve))       \
	SAL_EACH_OPEN(T, WITHDRAWN, always, abort, CLOSED, (nothing))          \
	SAL_EACH_CLOSING(T, WITHDRAWN, always, abort, CLOSED, (nothing))       \
	SAL_EACH_CLOSING(T, DISPLACED, always, nothing, CLOSED, (nothing))

#define SAL_HANDING_OVER(T)                                                    \
	T(ESTABLISHED, GIVEN, always, nothing, TIME_WAIT, (stop_retry))        \
	T(CLOSED, IMPORT, always, nothing, NOADDRESS, (stop_retry))            \
	T(NOADDRESS, DROPPED, always, nothing, CLOSED, (nothing))

/* T(state, happening, condition, first, next state, (others)) */
#define SAL_TRANSITIONS(T)                                                     \
	SAL_OPENING(T)                                                         \
	SAL_WE_MOVE(T)                                                         \
	SAL_PEER_MOVES(T)                                                      \
	SAL_CLOSING(T)                                                         \
	SAL_ENDING(T)                                                          \
	SAL_HANDING_OVER(T)
/* clang-format on */

#endif
