/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of the files that a scenario names, in the record. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "orchestrator/scenario/model.h"

/* Writes them below inputs/ in the folder dir. 0 or a negative errno. */
int record_inputs(int dir, const struct scenario *s, struct err *err);

#endif
