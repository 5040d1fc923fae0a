/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instance answered which packet of a probe, read off the trace: a reply
 * is the instance's where it leaves one of the instance's own interfaces,
 * before any NAT has had a chance to give it another address. The mark in its
 * payload says which packet it answers.
 */
#ifndef REPORT_SERVED_H
#define REPORT_SERVED_H

#include "base/err.h"
#include "base/vec.h"
#include "orchestrator/observe/packet.h"
#include "orchestrator/observe/pcapng.h"
#include "orchestrator/report/path.h"
#include "orchestrator/scenario/model.h"

#include <stdint.h>

/* Neighbouring packets, in the order of seq, that the same node answered. */
struct served_run {
	size_t node;
	uint64_t count;
	uint64_t first_seq, last_seq;
	int64_t first_ns, last_ns; /* CLOCK_REALTIME: when those replies left */
};
typedef VEC(struct served_run) served_runs;

/*
 * That a node was chosen to answer, or has answered: a packet or request that
 * has a mark, or, where none has, a connection, however much is said over it.
 */
struct served_choice {
	size_t node;
	int64_t time_ns; /* CLOCK_REALTIME: when the first of it left */
	/* That was chosen already: another node has answered before, as where
	 * a packet came twice, or a connection was handed over. */
	bool again;
	bool marked; /* seq says what was answered */
	uint64_t seq;
	/* Else: when the probe's node asked for the connection, likewise;
	 * INT64_MIN: nobody saw it. */
	int64_t asked_ns;
};
typedef VEC(struct served_choice) served_choice_vec;

struct served; /* collects one scenario's answers */

/* The scenario is borrowed. NULL: out of memory. */
struct served *served_new(const struct scenario *s);
struct served *served_free(struct served *sv); /* returns NULL */

/*
 * Takes one packet of the trace; those that are no reply of an instance to a
 * probe are passed over. interface: its name, "NODE:IFNAME" (NULL is passed
 * over). 0 or -ENOMEM.
 */
int served_add(struct served *sv, const char *interface,
	       const struct pcapng_packet *packet);

/* A port of the probe's own, for those that have no marks (whose.h); before any
 * packet is taken. 0 or -ENOMEM. */
int served_add_port(struct served *sv, size_t probe, uint16_t port);

/* The interfaces of its node that the probe's packets took: the caller's. */
struct path served_take_path(struct served *sv, size_t probe);

/*
 * Folds what was taken for one probe. A reply sent twice by one node counts
 * once; a seq that several nodes answered counts for each of them, and in
 * *twice. 0 or -ENOMEM; out is to be freed either way.
 */
int served_fold(struct served *sv, size_t probe, served_runs *out,
		uint64_t *twice);

/* What was chosen for one probe, in no order, and who else answered; behind
 * served_fold(). Less those that are "again", they are no more than what was
 * asked for. 0 or
 * -ENOMEM; out is to be freed either way. */
int served_choices(const struct served *sv, size_t probe,
		   served_choice_vec *out);

#endif
