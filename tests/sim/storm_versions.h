/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In a storm: each end's versions only grow. */
#ifndef TESTS_SIM_STORM_VERSIONS_H
#define TESTS_SIM_STORM_VERSIONS_H

#include "tests/sim/storm.h"
#include "tests/support/sal_world.h"

struct storm_versions;

struct storm_versions *storm_versions_new(struct storm_totals *totals);
void storm_versions_free(struct storm_versions *v);
/* Of a host that is an end of its flows: each RSYN and FIN on the wire. */
void storm_versions_see(struct storm_versions *v, const struct wire_packet *p);

#endif
