/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_SIM_STRANGERS_H
#define TESTS_SIM_STRANGERS_H

#include "tests/support/sal_world.h"

/*
 * Somebody who may have guessed flow IDs and addresses, but no nonce, sends the
 * host something. The check is here: it changes no flow. False: there was no
 * flow to aim at.
 */
bool stranger_acts(struct host *h);

#endif
