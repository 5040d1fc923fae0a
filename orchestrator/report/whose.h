/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which probe a packet of the trace belongs to. Most packets carry the probe's
 * mark, which survives NAT and says which one they are. The segments of a
 * stream need not begin with one, and HTTP has none: those are known by the
 * two ports, which NAT to a service leaves alone.
 */
#ifndef REPORT_WHOSE_H
#define REPORT_WHOSE_H

#include "orchestrator/observe/packet.h"
#include "orchestrator/scenario/model.h"

struct whose {
	const struct scenario *scenario; /* borrowed */
	uint64_t **ports; /* by the probe's index: a bit for each of its own
			     ports; NULL: it has none */
};

struct whose_packet {
	size_t probe;
	bool marked; /* seq is known */
	uint64_t seq;
	uint16_t port; /* else: the connection's, at the probe's end */
	/* Which it may be: UDP echo's look the same both ways. */
	bool request, answer;
};

/* Each 0 or -ENOMEM; to be freed either way. */
int whose_init(struct whose *w, const struct scenario *s);
void whose_free(struct whose *w);
/* A port that a connection of the probe had at its own end. */
int whose_add_port(struct whose *w, size_t probe, uint16_t port);

/* Does the probe's traffic carry no marks? */
bool whose_by_port(const struct scn_probe *p);
/* False: it is no probe's. */
bool whose_is(const struct whose *w, const struct packet_info *info,
	      struct whose_packet *out);

#endif
