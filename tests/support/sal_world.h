/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A world in virtual time: hosts, each with an engine and the programs above
 * it, and a network that carries packets to whoever has the address. Nothing
 * here waits and nothing is random but by the seed, so a failure comes again.
 *
 * Every step is watched. A packet that an engine gives to a program must be one
 * that a program on the other side has sent, byte for byte and with a checksum
 * that holds, or a refusal; no engine may take a step that its table forbids.
 * Nothing is doubled but as IP may double it: a packet that arrives is
 * delivered once at most, what rides on a SYN once for all of its repetitions,
 * and an engine puts no segment on the network more often than the program gave
 * it, and TCP's once more for each move that was completed, or whose data did
 * not wait for that. And no segment goes to an address from where nothing but
 * an RSYN has come on this flow, unless the ACK that completes it has come from
 * elsewhere: that is, to one that has not shown that it can be reached. To such
 * an address goes no more than three times what has come from there, whatever it
 * is. When a check fails, all that went over the network is printed, as a
 * ladder.
 */
#ifndef TESTS_SAL_WORLD_H
#define TESTS_SAL_WORLD_H

#include "node/sal/sal.h"
#include "node/wire/sal_packet.h"

#define MSEC INT64_C(1000000)
#define SEC (1000 * MSEC)

struct world;
struct host;

/* A packet on the network. */
struct wire_packet {
	struct host *from;
	struct sal_path path; /* the sender's */
	struct sal_ip_fields ip;
	uint8_t *bytes;
	size_t len;
};

/* A packet that is lost for sure: the next n that a host sends with just these
 * control flags. */
#define LOSE_DATA (-1) /* no control extension */
#define LOSE_CHALLENGES (-2)
struct lose {
	struct host *from;
	int flags;
	unsigned n, seen;
};

struct weather {
	int64_t delay_ns, jitter_ns; /* jitter reorders */
	unsigned loss, duplicate; /* per thousand */
};

/* What programs a host runs; called with each packet that is delivered. */
typedef void (*program_fn)(struct host *h, const struct sal_inner *p,
			   void *arg);

struct seen_event {
	struct sal_event e;
	struct host *host;
};

struct host {
	struct world *world;
	const char *name;
	struct sal *sal;
	void *memory;
	struct sal_config config;
	struct ip_addr inner4, inner6;
	struct ip_addr addresses[8];
	size_t address_count;
	struct ip_addr no_route; /* nobody is reached from this one */
	bool echoes; /* its kernel answers ping, as kernels do */
	bool wildcard; /* its UDP server answers from the inner address */
	uint16_t udp_port; /* of a UDP echo server; 0: none */
	program_fn program;
	void *program_arg;
	/* Of what was delivered to its programs. */
	unsigned replies, unreachable, resets, udp_got, requests;
	uint16_t last_reply_seq;
	struct sal_inner last; /* without the segment */
	/* How often it has lost its flows: a start of its engine, the end of
	 * its being an instance. */
	unsigned boots;
	unsigned migrated; /* moves of its flows that were completed */
	uint64_t early; /* and that did not wait, before its last start */
	int64_t tick_ns; /* when its engine will be woken; INT64_MAX: not */
};

/* Things by their hashes, and how often: a table with open addressing. */
struct tally_entry {
	uint64_t hash; /* 0: none */
	uint32_t given; /* by a program */
	uint32_t on_wire; /* by its engine */
};
struct tally {
	struct tally_entry *v;
	size_t count, room;
};

struct world {
	int64_t now_ns;
	struct weather weather;
	struct lose lose[8];
	unsigned lose_count;
	bool cut; /* nothing arrives any more */
	unsigned host_count, host_room;
	struct host *hosts; /* never move */
	uint64_t random;
	struct world_queue *queue;
	struct world_log *log;
	struct seen_event *events;
	size_t event_count, event_room;
	/* Program packets that were sent: what may be delivered. */
	struct tally sent;
	/* What rode on SYNs and was delivered; one for all its repetitions. */
	struct tally riders;
	/* From where hosts have had more than an RSYN, and which RSYNs were
	 * completed; from where they had an RSYN, and its version. By flow. */
	struct tally shown, rsyns;
	/* Bytes from where a peer has shown nothing yet ("given"), and to there
	 * ("on_wire"); where forged packets said they were from. By flow. */
	struct tally unproven, lies;
	/* How often each FIN was sent. */
	struct tally fins;
	bool forged; /* what is arriving; it shows nothing */
	/* Of the packet that is arriving. */
	uint64_t rider; /* 0: no SYN that carries a segment */
	const uint8_t *payload; /* NULL: none is arriving */
	size_t payload_len;
	unsigned delivered;
	/* Who may have an address, where to ask all would take long; it is
	 * still asked. NULL: ask all. */
	struct host *(*owner)(struct world *w, const struct ip_addr *a);
	bool quiet; /* the programs say nothing on their own */
	/* What was sent, for those who want to send it again, or damaged. */
	void (*tap)(struct world *w, const struct wire_packet *p, void *arg);
	void *tap_arg;
	/* What stands in between: may change the path of a packet that was
	 * sent, or have it vanish (false). NULL: nothing. */
	bool (*middle)(struct world *w, struct sal_path *path, void *arg);
	void *middle_arg;
	/* Who carries packets, and gives those that arrive to world_carried()
	 * at their time. NULL: they arrive by the weather. */
	void (*carry)(struct world *w, const struct wire_packet *p, void *arg);
	void *carry_arg;
};

/* Prints the ladder and fails unless ok. */
void world_check(struct world *w, bool ok, const char *file, int line,
		 const char *what);
#define WORLD_OK(w, ok) world_check(w, ok, __FILE__, __LINE__, #ok)

/* What a check that fails calls, after the ladder; it must not return. NULL:
 * the test fails. */
extern void (*world_failed)(const struct world *w);
void world_print_ladder(const struct world *w);

/* For hosts that are added from here on. */
extern void (*world_adjust)(struct sal_config *c);

/* world_new: of 4 hosts at most. */
struct world *world_new(uint64_t seed);
struct world *world_new_of(uint64_t seed, unsigned hosts);
void world_free(struct world *w);
/* address, inner4 and inner6 in text; NULL: none. */
struct host *world_host(struct world *w, const char *name, const char *address,
			const char *inner4, const char *inner6);
/*
 * The usual world: a client C (10.0.0.1, inner 10.9.0.1 and fd09::1), two
 * possible instances A (10.0.1.1) and B (10.0.2.1) of service 1, at 10.8.0.1
 * and fd08::1, which A serves now. 1 ms from each to each.
 */
struct world *world_usual(uint64_t seed);
struct host *world_c(struct world *w);
struct host *world_a(struct world *w);
struct host *world_b(struct world *w);

struct ip_addr ip(const char *text);
struct service_id service(unsigned n);
uint32_t world_random(struct world *w, uint32_t below);

void host_addresses(struct host *h, const char *first, const char *second);
void host_serve(struct host *h, unsigned n);
void host_unserve(struct host *h, unsigned n);
void host_forward(struct host *h, unsigned n, const char *to);
void host_unforward(struct host *h, unsigned n, const char *to);
/* As the orchestrator does it: A ceases, B serves, all others learn of it. */
void world_replace(struct world *w, unsigned n, struct host *from,
		   struct host *to);

/* A program sends; at once. */
void host_send(struct host *h, const struct sal_inner *p);
void host_ping(struct host *h, const char *to, uint16_t id, uint16_t seq,
	       size_t payload);
void host_udp(struct host *h, const char *from, const char *to, uint16_t sport,
	      uint16_t dport, const char *text);
/* The host's sald starts again: it knows its services and nothing else. */
void host_reboot(struct host *h);
/* Loses the next n of these; the result counts what was lost ("seen"). */
struct lose *world_lose(struct world *w, struct host *from, int flags,
			unsigned n);
/* A packet arrives, now; copied. For who carries them. */
void world_carried(struct world *w, const struct wire_packet *p);
/* Calls fn at a time. */
void world_at(struct world *w, int64_t at_ns, void (*fn)(void *arg), void *arg);

/* Runs until then, or (idle) until nothing is under way, at most so long. */
void world_run(struct world *w, int64_t until_ns);
void world_run_for(struct world *w, int64_t ns);

/* From here on a segment counts as sent by a program, from one inner address to
 * another: what rides on a packet that will be forged. */
void world_says(struct world *w, const struct ip_addr *from,
		const struct ip_addr *to, const struct sal_packet *p);
/* Puts a packet on the network, as if from and to these. */
void world_inject(struct world *w, const char *from, struct host *to,
		  const uint8_t *bytes, size_t len);
/* The same, of one who really reads there. */
void world_arrives(struct world *w, const char *from, struct host *to,
		   const uint8_t *bytes, size_t len);

unsigned world_events(const struct world *w, const struct host *h,
		      enum sal_event_kind kind);
/* The only flow of a host; fails when there are more or none. */
struct sal_flow_info host_flow(struct host *h);
/* Each engine has its services by the usual names: call it for hosts that were
 * added one by one. */
void host_name_usual(struct host *h);
unsigned host_flows(const struct host *h);

#endif
