/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native flows in a storm: beside its programs each client has a socket that
 * talks to one at an instance, on the same engines. What arrives must have been
 * sent on this very flow, by its other end; whether it arrives is up to the
 * weather, for two ends that move at once don't find each other again
 * (sal-protocol.md).
 */
#ifndef TESTS_SIM_STORM_NATIVE_H
#define TESTS_SIM_STORM_NATIVE_H

#include "tests/support/sal_world.h"

struct storm_native;

struct storm_native *storm_native_new(unsigned hosts);
void storm_native_free(struct storm_native *n);
/* The k-th host's engine is new: at first, or because it was started again. */
void storm_native_start(struct storm_native *n, unsigned k, struct host *h,
			bool serves);
/* A client connects to an instance, or says something; or an instance does. */
void storm_native_happens(struct storm_native *n, unsigned client,
			  unsigned instance, const char *instance_at);
/* All sockets of a host are closed. */
void storm_native_end(struct storm_native *n, unsigned k);
uint64_t storm_native_received(const struct storm_native *n);

#endif
