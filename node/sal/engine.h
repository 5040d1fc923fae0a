/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's parts, to each other. One block a source file, lower ones first:
 * a file calls those above its own block, and in a few stated places below.
 */
#ifndef SAL_ENGINE_H
#define SAL_ENGINE_H

#include "node/sal/state.h"

/* ---- step.c: the table at work ------------------------------------------ */

enum sal_on {
#define SAL_ON(name, kind, text) SAL_ON_##name,
	SAL_HAPPENINGS(SAL_ON)
#undef SAL_ON
};

enum sal_condition {
#define SAL_IF(name, text) SAL_IF_##name,
	SAL_CONDITIONS(SAL_IF)
#undef SAL_IF
};

enum sal_action {
#define SAL_DO(name, text) SAL_DO_##name,
	SAL_ACTIONS(SAL_DO)
#undef SAL_DO
};

struct sal_step {
	struct sal *s;
	struct sal_flow *f;
	const struct sal_arrival *a; /* NULL: no packet */
};

/*
 * Something happens to f: what the table has for it is done. False: nothing,
 * because the table has no row for it. f may be gone after it. a: the packet,
 * of PACKETs.
 */
bool sal_step(struct sal *s, struct sal_flow *f, enum sal_on on,
	      const struct sal_arrival *a);
/* The same without a packet; reason: REASON's code, should it end the flow. */
bool sal_step_because(struct sal *s, struct sal_flow *f, enum sal_on on,
		      uint16_t reason);
#define SAL_IF(name, text) bool sal_if_##name(const struct sal_step *t);
SAL_CONDITIONS(SAL_IF)
#undef SAL_IF
#define SAL_DO(name, text) void sal_do_##name(const struct sal_step *t);
SAL_ACTIONS(SAL_DO)
#undef SAL_DO

/* ---- flow.c ------------------------------------------------------------- */

/* Sees to it that there is a slot (flow.c says at whose expense). proved: for a
 * program of ours, or who has shown that he reads where he seems to be. */
enum sal_room { SAL_ROOM, SAL_ROOM_IF_PROVED, SAL_NO_ROOM };
enum sal_room sal_make_room(struct sal *s, bool proved);
/* As for one that is proved. NULL: the table is full, of flows that live. */
struct sal_flow *sal_flow_new(struct sal *s);
/* One that never had a state: nobody is told. */
void sal_flow_forget(struct sal *s, struct sal_flow *f);
void sal_flow_index(struct sal *s, struct sal_flow *f, enum sal_index which);
/* Another flow ID, which no flow has. */
void sal_flow_rename(struct sal *s, struct sal_flow *f, uint32_t id);
void sal_flow_unindex(struct sal *s, struct sal_flow *f, enum sal_index which);
struct sal_flow *sal_flow_by_id(const struct sal *s, uint32_t local_id);
struct sal_flow *sal_flow_by_tuple(const struct sal *s,
				   const struct sal_tuple *t);
/* As by_tuple, whatever t's local address is. */
struct sal_flow *sal_flow_by_port(const struct sal *s,
				  const struct sal_tuple *t);
struct sal_flow *sal_flow_by_syn(const struct sal *s,
				 const struct ip_addr *inner,
				 uint32_t remote_id, uint64_t nonce);
/* Unused numbers are skipped; NULL: no more. *at starts as 0. */
struct sal_flow *sal_flow_each(const struct sal *s, uint32_t *at);
void sal_flow_set_tuple(struct sal *s, struct sal_flow *f,
			const struct sal_tuple *t);

void sal_flow_report(struct sal *s, const struct sal_flow *f,
		     struct sal_event *e);
void sal_flow_event(struct sal *s, struct sal_flow *f, enum sal_event_kind kind,
		    uint16_t reason, uint32_t count);
struct sal_flow_info sal_flow_seen(const struct sal_flow *f);
/* Starts the back-off of what was just sent for the first time. */
void sal_flow_retry_start(struct sal *s, struct sal_flow *f, int64_t gap_ns);
void sal_flow_retry_again(struct sal *s, struct sal_flow *f,
			  int64_t gap_max_ns);
void sal_flow_retry_stop(struct sal *s, struct sal_flow *f);
/* Sets the timer to the earliest of what f waits for. */
void sal_flow_arm(struct sal *s, struct sal_flow *f);
bool sal_flow_stateless(const struct sal_flow *f);
/* Its conversation is over, or all but: a new one may take its tuple. */
bool sal_flow_closing(const struct sal_flow *f);
/* When the present state ends by itself; SAL_NEVER. */
int64_t sal_flow_end_ns(const struct sal *s, const struct sal_flow *f);
/* A server's flow whose client has not shown yet that it is where it says. */
bool sal_flow_unproven(const struct sal_flow *f);

/* ---- history.c ---------------------------------------------------------- */

/* Why the next path comes: the first reason counts, until there is one. */
void sal_way_because(struct sal_flow *f, enum sal_way_why why);
/* After whatever may have changed f's path or state. */
void sal_way_note(struct sal *s, struct sal_flow *f);
void sal_way_end(struct sal *s, const struct sal_flow *f);

/* ---- output.c ----------------------------------------------------------- */

/* Broadcast, multicast. */
bool sal_to_many(const struct ip_addr *a);
bool sal_path_equal(const struct sal_path *a, const struct sal_path *b);
/* Puts p's header into out, whose path, segment and fields are set, and hands
 * it to the sink. */
void sal_emit(struct sal *s, const struct sal_packet *p, struct sal_outer *out);
/* The same for a flow, within its bound. False: there was no room. */
bool sal_emit_bounded(struct sal *s, struct sal_flow *f,
		      const struct sal_packet *p, struct sal_outer *out);
/* Strangers get so many answers a second and no more. */
bool sal_may_answer_stranger(struct sal *s);
/* CONTROL on a flow's tie, to where it goes now; more: with its flags. */
struct sal_control_out {
	uint8_t flags;
	uint32_t verno, ackno;
	bool service, identity, list; /* with these extensions */
	uint16_t reason; /* 0: none */
	const struct sal_kept *kept; /* a segment that rides along */
	const uint8_t *segment;
};
bool sal_send_control(struct sal *s, struct sal_flow *f,
		      const struct sal_tie *tie,
		      const struct sal_control_out *c);
/* A reset to one who has no flow here: its nonce, if it sent one, comes back,
 * and so does its question. */
void sal_send_stray_rst(struct sal *s, const struct sal_arrival *a,
			uint16_t reason);
bool sal_send_challenge(struct sal *s, struct sal_flow *f,
			const struct sal_path *path, uint8_t kind,
			uint64_t value);
/* A segment on f's tie: no extensions. */
void sal_send_data(struct sal *s, struct sal_flow *f,
		   const struct sal_kept *kept, const uint8_t *segment);
/* Bytes of segment that fit behind a SAL header of so many bytes. */
size_t sal_room(const struct sal *s, const struct sal_flow *f,
		size_t header_len);

/* ---- bound.c: what goes to an address that is not proven ----------------- */

/* What came, with IP's and UDP's headers. */
size_t sal_arrival_bytes(const struct sal_arrival *a);
/* The address in use is not proven. */
bool sal_bound_on(const struct sal_flow *f);
/* The peer speaks from an address that may be another than before. */
void sal_bound_begin(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a);
/* This one needs no proof, or has had it otherwise. */
void sal_bound_trust(struct sal_flow *f, const struct ip_addr *addr);
/* The peer has shown that it reads there: what waits goes. */
void sal_bound_lift(struct sal *s, struct sal_flow *f,
		    const struct ip_addr *addr);
/* Something for f has come. */
void sal_bound_got(struct sal_flow *f, const struct sal_arrival *a);
/* ... which was an ACK with the right nonce, and may show it. */
void sal_bound_acked(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a);
/* ... and what had no room before may have it now. */
void sal_bound_go_on(struct sal *s, struct sal_flow *f);
/* Whether a segment may go now. */
bool sal_bound_admits(const struct sal_flow *f, const struct sal_kept *kept);
/* Whether a packet may, which is counted then. */
bool sal_bound_takes(struct sal *s, struct sal_flow *f,
		     const struct sal_outer *out);
/* One that goes in any case. */
void sal_bound_rsyn(struct sal_flow *f, const struct sal_outer *out);
int64_t sal_bound_due_ns(const struct sal_flow *f);
void sal_bound_ask(struct sal *s, struct sal_flow *f);

/* ---- refuse.c: what a program is told ----------------------------------- */

/* The answer to a packet that will not get there: TCP RST where it was refused,
 * ICMP unreachable else; nothing to what must not be answered. */
void sal_refuse_inner(struct sal *s, const struct sal_inner *p, bool refused);
void sal_refuse_too_big(struct sal *s, const struct sal_inner *p, uint16_t mtu);
/* Answers all that waits in f's queue. */
void sal_refuse_queue(struct sal *s, struct sal_flow *f, bool refused);
/* Ends the program's TCP connection, as if the peer had reset it. */
void sal_reset_program(struct sal *s, struct sal_flow *f);
void sal_deliver(struct sal *s, const struct sal_inner *p);

/* ---- unacked.c ---------------------------------------------------------- */

void sal_unacked_out(struct sal *s, struct sal_flow *f,
		     const struct sal_kept *kept, const uint8_t *segment);
void sal_unacked_in(struct sal *s, struct sal_flow *f, const uint8_t *segment,
		    size_t len);
void sal_unacked_resend(struct sal *s, struct sal_flow *f);
/* Both directions of the inner TCP are closed, or one has reset it. */
bool sal_tcp_over(const struct sal_flow *f);

/* ---- data.c ------------------------------------------------------------- */

/* Keeps a segment until the flow can send again. */
void sal_queue_add(struct sal *s, struct sal_flow *f,
		   const struct sal_kept *kept, const uint8_t *segment);
void sal_queue_flush(struct sal *s, struct sal_flow *f);
struct sal_kept sal_kept_of(const struct sal_inner *p);
/* A segment of a program may go now, its bound (bound.c) left aside. */
bool sal_can_send(const struct sal_flow *f);
void sal_data_arrived(struct sal *s, const struct sal_arrival *a);
/* Gives the program a segment that came on f; false: it isn't f's. */
bool sal_data_deliver(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a);

/* ---- resolve.c ---------------------------------------------------------- */

const struct sal_name *sal_name_by_addr(const struct sal *s,
					const struct ip_addr *addr);
struct sal_name *sal_name_by_id(const struct sal *s,
				const struct service_id *id);
/* Picks an instance for the flow, and an address to reach it from. 0, -ENOENT
 * (no rule), -EHOSTUNREACH (none that can be reached from here). */
int sal_resolve(struct sal *s, struct sal_flow *f);
/* What sal_resolve() says besides; nothing is bound then. */
enum { SAL_RESOLVED_DELAY = 1, SAL_RESOLVED_DROP, SAL_RESOLVED_REFUSE };
/* Where an instance of the service is now, by the rules; binds nothing. False:
 * nowhere. */
bool sal_resolve_path(struct sal *s, const struct service_id *id,
		      struct sal_path *path);
enum sal_served {
	SAL_SERVED_NOT,
	SAL_SERVED_GONE,
	SAL_SERVED_HERE,
	SAL_SERVED_DROP, /* not, and a rule says what is done then */
	SAL_SERVED_REFUSE,
};
enum sal_served sal_served(struct sal *s, const struct service_id *id);
/* The first local address from which that one is reached; false: none. */
bool sal_local_for(const struct sal *s, const struct ip_addr *to,
		   struct sal_path *path);
/* An instance, or who we took for one, will not have the flow. by: it, or
 * NULL: nobody was asked. */
void sal_syn_refused(struct sal *s, struct sal_flow *f, uint16_t reason,
		     const struct ip_addr *by);
/* An instance that takes something new. */
bool sal_demux_here(const struct sal *s, const struct service_id *id);
/* There is a route, as far as is known. Families have to be the same. */
bool sal_reaches(const struct sal *s, const struct sal_local_address *from,
		 const struct ip_addr *to);
/* The rule that takes a SYN, with the flow counted on it. */
struct service_ref sal_demux_hit(struct sal *s, const struct service_id *id);
/* A packet of the flow, for the rule that chose it. */
void sal_rule_count(struct sal *s, const struct sal_flow *f, size_t bytes);
/* After a change of the local addresses. */
void sal_forward_reachable(struct sal *s);
/* The target that the flow was bound to, if it is still there. */
void sal_set_aside(struct sal *s, const struct sal_flow *f, int64_t ns);
/* The flow's SYN was answered. */
void sal_target_answered(struct sal *s, const struct sal_flow *f);
/* How long its SYN may go without an answer. */
int64_t sal_target_gap_ns(struct sal *s, const struct sal_flow *f);
bool sal_rule_covered(const struct service_table *t,
		      const struct service_id *id);
/* Rules of this prefix have come or gone. to: of a FORWARD rule; else NULL. */
void sal_forward_added(struct sal *s, const struct service_prefix *p,
		       const struct ip_addr *to);
void sal_forward_gone(struct sal *s, const struct service_prefix *p,
		      const struct ip_addr *to);
void sal_demux_gone(struct sal *s, const struct service_prefix *p);

/* ---- forward.c ---------------------------------------------------------- */

/* Hands on what names a service that is not here, or refuses it. False: this is
 * no service router, or the packet is for here. */
bool sal_forward(struct sal *s, const struct sal_arrival *a);
/* SOURCE of a SYN, and our own end behind it. False: it came too far. */
bool sal_hops_take(struct sal_hops *h, const struct sal_arrival *a,
		   const struct ip_addr *own);
void sal_hops_add(struct sal_packet *p, const struct sal_hops *h);
/* Who has answered: SOURCE's last. False: there is none; peer stays. */
bool sal_peer_of_source(struct ip_addr *peer, const struct sal_arrival *a);
/* To one who may be behind a NAT, and has asked the first of these routers:
 * from there. */
void sal_answer_from(const struct sal *s, struct sal_outer *out,
		     const struct sal_hops *h);
void sal_answer_arrival_from(const struct sal *s, struct sal_outer *out,
			     const struct sal_arrival *a);

/* ---- delay.c ------------------------------------------------------------ */

/* The flow is held no more, whatever becomes of it. */
void sal_unhold(struct sal *s, struct sal_flow *f);
bool sal_may_hold(struct sal *s);
/* A DROP rule, or a verdict, ends a flow that has no instance yet. */
void sal_end_unbound(struct sal *s, struct sal_flow *f, bool refuse);

/* ---- rules.c ------------------------------------------------------------ */

struct sal_rule sal_rule_of(const struct service_prefix *p,
			    const struct service_target *target);
/* When sal_rules_expire() wants to be called. */
int64_t sal_rules_next_ns(const struct sal *s);
void sal_rules_expire(struct sal *s);

/* What a SYN says, and what becomes of it. */
struct sal_syn {
	const struct service_id *service; /* borrowed from the packet */
	const struct ip_addr *client, *addr; /* inner: the client's, ours */
	bool rides; /* with a segment, of this conversation: */
	struct sal_tuple tuple;
	uint32_t verno;
	bool proved; /* we had answered it without state, with these: */
	uint32_t local_id, local_first;
	uint64_t local_nonce;
};

/* ---- handshake.c, accept.c ---------------------------------------------- */

void sal_open(struct sal *s, const struct sal_name *name,
	      const struct sal_tuple *t, const struct sal_inner *p);
void sal_syn_arrived(struct sal *s, const struct sal_arrival *a);
/* Whether a packet with the extensions of a SYN may become a flow. False: it
 * may not, or is one already, or has to wait; that was dealt with. */
bool sal_syn_examine(struct sal *s, const struct sal_arrival *a,
		     struct sal_syn *syn);
/* f ends before its client was heard; should its SYN come again, what rides on
 * it is not delivered once more. */
void sal_syn_taken(struct sal *s, const struct sal_flow *f);
void sal_syn_accept(struct sal *s, const struct sal_arrival *a,
		    const struct sal_syn *syn);
/* On this tie, with flags and numbers as in "with", what a SYN has besides. */
void sal_syn_emit(struct sal *s, struct sal_flow *f, const struct sal_tie *tie,
		  const struct sal_control_out *with);
void sal_send_synack(struct sal *s, struct sal_flow *f);
bool sal_synack_names_syn(const struct sal_step *t);
/* One whose flow is there: the SYN-ACK again. */
void sal_syn_again(struct sal *s, struct sal_flow *f,
		   const struct sal_arrival *a);
void sal_synack_arrived(struct sal *s, struct sal_flow *f,
			const struct sal_arrival *a);
/*
 * Before a handshake's end, something came that names the flow ID which only
 * the SYN-ACK has told: that is where the client is. Its SYNs may have come
 * from two addresses, and in the wrong order.
 */
void sal_client_heard(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a);
/* Somebody asks whether we have this flow, whose SYN-ACK we have not had. */
void sal_syn_asked(struct sal *s, struct sal_flow *f);

/* ---- pressure.c --------------------------------------------------------- */

/* Answers a SYN, and keeps nothing of it. */
void sal_syn_offer(struct sal *s, const struct sal_arrival *a);
/* An ACK of no flow: true where it is, or would be, the answer to such an
 * answer. */
bool sal_proof_arrived(struct sal *s, const struct sal_arrival *a);
/* The same on a flow that was made by it. */
void sal_proof_again(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a);

/* ---- encap.c ------------------------------------------------------------ */

void sal_encap_set(struct sal_path *path, bool on);
/* As it has worked with this peer before. */
void sal_encap_begin(struct sal *s, struct sal_path *path);
/* The other way, where that may be tried. */
void sal_encap_other(struct sal *s, struct sal_path *path);
/* We have begun to encapsulate, not the peer. */
bool sal_encap_is_ours(const struct sal_path *path);
/* An answer has come this way. */
void sal_encap_worked(struct sal *s, const struct sal_path *path);
int64_t sal_keepalive_due_ns(const struct sal *s, const struct sal_flow *f);
void sal_keepalive(struct sal *s, struct sal_flow *f);

/* ---- liveness.c --------------------------------------------------------- */

void sal_alive_sent(struct sal *s, struct sal_flow *f,
		    const struct sal_kept *kept, const uint8_t *segment);
/* The same of one that waits for room where the peer is not proven to be. */
void sal_alive_starved(struct sal *s, struct sal_flow *f,
		       const struct sal_kept *kept, const uint8_t *segment);
/* Something that only the peer can have sent. */
void sal_alive_heard(struct sal_flow *f);
/* Our move, or the handshake, is complete, as far as we know. */
void sal_alive_unsure(struct sal *s, struct sal_flow *f);
/* open: what the peer has said is nothing that one says who waits for us to
 * open the flow. */
void sal_alive_spoken(struct sal *s, struct sal_flow *f, bool open);
int64_t sal_alive_due_ns(const struct sal *s, const struct sal_flow *f);
void sal_alive_probe(struct sal *s, struct sal_flow *f);
/* No answer to any of the probes. */
void sal_alive_silent(struct sal *s, struct sal_flow *f);

/* ---- paths.c ------------------------------------------------------------ */

void sal_paths_set_local(struct sal *s, const struct sal_local_address *list,
			 size_t n);
/* After such a change, when the flows that had to move have done so. */
void sal_paths_changed(struct sal *s);
/* Since when an address of ours is there without a break. */
int64_t sal_path_since(const struct sal *s, const struct ip_addr *addr);
/* The kth of those ways that are better than the present one, the best first.
 * False: there are fewer. */
bool sal_path_better(struct sal *s, struct sal_flow *f, unsigned k,
		     struct sal_path *out);
/* The best way to the peer that there is now. False: none. */
bool sal_path_best(struct sal *s, struct sal_flow *f, struct sal_path *out);
/* A move begins, on the tie's present path. */
void sal_path_begin(struct sal_flow *f);
/* The peer is where that leads to. */
void sal_path_settle(struct sal_flow *f);
/* The peer is where this came from, and reaches us where it came to. */
void sal_path_take(struct sal *s, struct sal_flow *f,
		   const struct sal_path *from);
/* What the peer is to be told may have changed, or the flow may tell it now. */
void sal_list_changed(struct sal *s, struct sal_flow *f);
int64_t sal_list_due_ns(const struct sal_flow *f);
/* The peer has not said that it knows ours, and it is to be told again. */
bool sal_list_is_out(const struct sal *s, const struct sal_flow *f);
void sal_list_send(struct sal *s, struct sal_flow *f);
/* Our addresses of a family as they stand in a packet; how many. */
unsigned sal_list_of(const struct sal *s, sa_family_t family, uint8_t *out);
/* The same of the peer's, on a packet with its nonce. */
void sal_list_arrived(struct sal *s, struct sal_flow *f,
		      const struct sal_arrival *a);

/* ---- prove.c ------------------------------------------------------------ */

/* There are addresses on the peer's list that may have to be asked. */
void sal_prove_later(struct sal *s, struct sal_flow *f);
int64_t sal_prove_due_ns(const struct sal *s, const struct sal_flow *f);
void sal_prove(struct sal *s, struct sal_flow *f);
/* The right answer has come to the question that is out; from there. False: it
 * was not asked there. */
bool sal_proof_answered(struct sal *s, struct sal_flow *f,
			const struct sal_path *path);
/* The list has changed from these. */
void sal_proofs_carry(struct sal_flow *f, const struct ip_addr *before,
		      const struct sal_proof *proof, uint32_t n);
/* Where this comes from is proven; _use: and is not any more. */
bool sal_proof_has(const struct sal *s, struct sal_flow *f,
		   const struct sal_path *path);
bool sal_proof_use(const struct sal *s, struct sal_flow *f,
		   const struct sal_path *path);
/* The peer has told of the address that this comes from. */
bool sal_proof_wanted(const struct sal_flow *f, const struct sal_path *path);
/* The peer has asked us on this way. */
void sal_prove_asked(struct sal *s, struct sal_flow *f,
		     const struct sal_path *path);

/* A moment that is the flow's alone, for a question; not before now. */
int64_t sal_prove_moment(struct sal *s);

/* ---- back.c ------------------------------------------------------------- */

/* The addresses, or their order, have changed: it may have a better way. */
void sal_back_begin(struct sal *s, struct sal_flow *f);
/* Its state has changed. */
void sal_back_settle(struct sal *s, struct sal_flow *f);
/* The peer knows where we are. */
void sal_back_told(struct sal *s, struct sal_flow *f);
/* It leaves this address of ours, on which nothing comes any more. */
void sal_back_left(struct sal *s, struct sal_flow *f,
		   const struct ip_addr *local);
int64_t sal_back_due_ns(const struct sal_flow *f);
void sal_back(struct sal *s, struct sal_flow *f);
/* The right answer has come to the question that is out; from there. False: it
 * was not asked there. */
bool sal_back_answered(struct sal *s, struct sal_flow *f,
		       const struct sal_path *path);

/* ---- migrate.c ---------------------------------------------------------- */

/* NULL: not one of this host's. */
const struct sal_local_address *sal_local_address(const struct sal *s,
						  const struct ip_addr *addr);
void sal_path_remember(struct sal_flow *f, const struct sal_path *path);
bool sal_path_known(const struct sal_flow *f, const struct sal_path *path);

/* RSYNs that have waited; there may be room for them now. Not from within a
 * step. */
bool sal_moves_due(const struct sal *s);
void sal_moves_go_on(struct sal *s);
/* The answer to the peer's last RSYN. */
void sal_rsynack_again(struct sal *s, struct sal_flow *f);
/* Its RSYN is of no interest any more. */
void sal_move_forget(struct sal *s, struct sal_flow *f);
/* The address of this end may be another one now; an RSYN in any case. */
void sal_flow_go_on(struct sal *s, struct sal_flow *f, enum sal_way_why why);

/* ---- handoff.c ---------------------------------------------------------- */

/* It takes no packet, sends none, and waits for nothing but its time. */
bool sal_flow_still(const struct sal_flow *f);
void sal_handoff_timeout(struct sal *s, struct sal_flow *f);

/* ---- handoff_bytes.c ---------------------------------------------------- */

/* The length; out NULL: nothing is written. */
size_t sal_handoff_put(const struct sal *s, const struct sal_flow *f,
		       uint8_t *out);
struct sal_handoff_segments {
	const uint8_t *bytes; /* within those that were read */
	size_t len;
	uint32_t n;
};
/* Fills f with what was written, and nothing else. 0, -EBADMSG,
 * -EPROTONOSUPPORT; why: in words. */
int sal_handoff_get(const struct sal *s, const uint8_t *bytes, size_t len,
		    struct sal_flow *f, struct sal_handoff_segments *segments,
		    const char **why);
void sal_handoff_take(struct sal *s, struct sal_flow *f,
		      const struct sal_handoff_segments *segments);

/* ---- close.c ------------------------------------------------------------ */

/* After each segment of TCP: is that conversation over? */
void sal_close_check(struct sal *s, struct sal_flow *f);
void sal_rst_arrived(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a);
/* The answers to the FIN of an instance that the flow was rebound from, and to
 * all else that shows that an engine takes us for its peer, which we are not.
 */
void sal_left_fin_arrived(struct sal *s, struct sal_flow *f,
			  const struct sal_arrival *a);
void sal_left_tie_arrived(struct sal *s, const struct sal_arrival *a);

/* ---- challenge.c -------------------------------------------------------- */

void sal_ask(struct sal *s, struct sal_flow *f, enum sal_challenge_why why,
	     const struct sal_path *path, uint16_t reason);
/* Does the peer speak from where this came from? */
void sal_ask_path(struct sal *s, struct sal_flow *f,
		  const struct sal_arrival *a);
void sal_asked(struct sal *s, struct sal_flow *f, const struct sal_arrival *a);
void sal_answered(struct sal *s, struct sal_flow *f,
		  const struct sal_arrival *a);
/* A reset from one without state, that brings our question back. */
bool sal_answered_gone(struct sal *s, struct sal_flow *f,
		       const struct sal_arrival *a);
/* Another's SYN has the tuple of this flow. True: it has none any more, for its
 * peer has been silent for long enough. False: the peer is asked. */
bool sal_take_tuple(struct sal *s, struct sal_flow *owner);
void sal_ask_timeout(struct sal *s, struct sal_flow *f);
/* When that is due. */
int64_t sal_ask_due_ns(const struct sal *s, const struct sal_flow *f);

/* ---- native.c, native_open.c, native_packet.c --------------------------- */

/* The one whose prefix is the longest; NULL: none. */
const struct sal_native_socket *
sal_native_socket_for(const struct sal *s, const struct service_id *id,
		      uint8_t protocol, bool datagrams);
/* Where path's local end is not ours (broadcast), one of ours is put in. False:
 * there is none. */
bool sal_native_own_end(const struct sal *s, struct sal_path *path);
/* A move begins: where UDP goes on meanwhile is kept. */
void sal_native_moves(struct sal_flow *f);
/* The way a segment goes now; NULL: it has to wait. */
const struct sal_path *sal_native_way(const struct sal *s,
				      const struct sal_flow *f);
/* take_peer's native part: TCP answers. */
void sal_native_took_peer(struct sal *s, struct sal_flow *f,
			  const struct sal_arrival *a);
/* The ACK of a handshake goes to where what it answers came from, unless SOURCE
 * says where the peer is. */
void sal_native_answer_to(struct sal_path *path, const struct sal_arrival *a);
/* The peer has closed: tells the driver. */
void sal_native_end(struct sal *s, struct sal_flow *f);

/* What sal_send_control() does, for a native flow. */
bool sal_native_send_control(struct sal *s, struct sal_flow *f,
			     const struct sal_tie *tie,
			     const struct sal_control_out *c);
/* The ports are set to zero, and the checksum is put in. segment may be
 * s->scratch. */
void sal_native_send_segment(struct sal *s, struct sal_flow *f,
			     const struct sal_path *path,
			     const uint8_t *segment, size_t len);
void sal_native_emit_udp(struct sal *s, const struct sal_packet *p,
			 struct sal_outer *out, const uint8_t *bytes,
			 size_t len);
void sal_native_syn(struct sal *s, const struct sal_arrival *a);
/* TCP's part of a pure ACK. */
void sal_native_ack(struct sal *s, struct sal_flow *f,
		    const struct sal_arrival *a);
void sal_native_data(struct sal *s, struct sal_flow *f,
		     const struct sal_arrival *a);
void sal_native_datagram(struct sal *s, const struct sal_arrival *a);
/* Its transport checksum is not wrong, where it has a transport. */
bool sal_native_segment_ok(const struct sal_arrival *a);
/* Data of no inner flow: the ports are zero. */
bool sal_native_looks_so(const struct sal_arrival *a);
/* A control packet of no flow that names a service as no inner flow's does: it
 * gets what the old stack has for it. False: not such a one. */
bool sal_native_stray(struct sal *s, const struct sal_arrival *a);

#endif
