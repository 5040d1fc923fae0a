/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One side of a captured conversation, played by our engine. The capture says
 * when the programs speak and what TCP says, which random numbers are drawn,
 * and what the other side sends; all else is the engine's. What it sends is
 * kept, to be held against what the capture has of that side.
 */
#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include "node/sal/native.h"
#include "node/wire/sal_packet.h"

#define REPLAY_PACKETS_MAX 400u
#define REPLAY_BYTES_MAX 1600u

enum replay_side {
	REPLAY_CLIENT,
	REPLAY_SERVER,
	REPLAY_ROUTER, /* a service router's; never played */
};

struct replay_packet {
	unsigned n; /* in the capture, from 1 */
	int64_t at_ns;
	enum replay_side from;
	struct sal_path path; /* the sender's; ports of encapsulation */
	uint8_t bytes[REPLAY_BYTES_MAX]; /* from the SAL header on */
	size_t len;
	struct sal_packet sal; /* bytes, decoded */
};

struct replay_list {
	struct replay_packet *v;
	unsigned n;
};

struct replay {
	const char *file;
	enum replay_side side;
	const unsigned *lost; /* never got to our side; 0 ends it */
	const unsigned
		*left_out; /* that the program does not cause; 0 ends it */
	struct replay_list capture;
	struct replay_list sent; /* by the engine; n: after which packet */
	unsigned received, expected_received; /* by and for the programs */
	unsigned ends; /* times that the peer was said to have closed */
	bool wrong_bytes; /* something else was received */
	struct sal_stats stats;
};

/* False: no such capture, or not one of ours. */
bool replay_load(struct replay *r, const char *file);
void replay_play(struct replay *r);
void replay_free(struct replay *r);
/* Same addresses, ports, SAL and transport bytes. */
bool replay_same(const struct replay_packet *a, const struct replay_packet *b);

#endif
