/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of the simulator: a world made and played from its seed alone. */
#ifndef TESTS_SIM_STORM_H
#define TESTS_SIM_STORM_H

#include "tests/support/sal_world.h"

#include <stdio.h>

struct storm_totals {
	uint64_t packets, steps, moves, crashes, forged, streams, streams_done,
		resent, early, by_name, native; /* received on native flows */
	uint64_t forwarded, restarts; /* by routers, and of them */
	/* By links: packets that they lost, doubled, had overtake others, and
	 * had no room for. */
	uint64_t link_lost, link_doubled, link_overtook, link_full;
	unsigned hosts;
};

/*
 * hosts: 0, as the seed has it. calm: no faults at all. Adds to totals. A check
 * that fails prints the ladder and calls world_failed.
 */
void storm_play(uint64_t seed, unsigned hosts, bool calm,
		struct storm_totals *totals);

/* Where what happens is also written as operations of tests/fuzz/sal_ops.h; to
 * be set for runs of two hosts only. NULL: nowhere. */
extern FILE *storm_ops;

/* Clients know service routers alone: see storm.c. */
extern bool storm_routers;

/* Packets go over emulated links. */
extern bool storm_links;

/* Prints the ladder of each run at its end. */
extern bool storm_prints_ladder;

#endif
