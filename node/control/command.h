/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line in, one line out. Of this layer, and for its tests. */
#ifndef CONTROL_COMMAND_H
#define CONTROL_COMMAND_H

#include "node/control/control.h"

/*
 * Does what a line (any bytes, without its newline) asks for. Returns the
 * answer, without a newline, to be freed; NULL: out of memory. *subscribe is
 * set where it was asked for events.
 */
char *control_execute(const struct control_ops *ops, const char *line,
		      size_t len, bool *subscribe);

/* The answer to a line that cannot be taken. To be freed; NULL: no memory. */
char *control_refuse(int code, const char *message);

#endif
