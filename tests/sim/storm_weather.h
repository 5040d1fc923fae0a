/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a storm's network does to packets: by a few random numbers, or by
 * emulated links (orchestrator/link), one from each host onto the network.
 * These are the very code that carries frames in a lab, in virtual time.
 */
#ifndef TESTS_SIM_STORM_WEATHER_H
#define TESTS_SIM_STORM_WEATHER_H

#include "tests/sim/storm.h"

/* Links where storm_links is set; totals: what they did is added there. */
struct storm_weather *storm_weather_new(struct world *w, uint64_t seed,
					struct storm_totals *totals);
void storm_weather_free(struct storm_weather *s);
/* Another one. */
void storm_weather_change(struct storm_weather *s);
/* 5 ms, and nothing else. */
void storm_weather_clear(struct storm_weather *s);

#endif
