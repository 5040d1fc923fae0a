/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where people look into a lab: commands at a terminal, and shells in nodes. */
#ifndef CLI_CONSOLE_H
#define CLI_CONSOLE_H

#include "orchestrator/lab/lab.h"

/* How the one at the terminal wants to go on; an exit status. */
enum console_end {
	CONSOLE_CONTINUE,
	CONSOLE_QUIT,
	CONSOLE_BROKEN /* there is no terminal */
};

/*
 * In a child of init: reads commands from the terminal that is standard input
 * until the one at it has had enough. before: called first, with where to
 * write.
 */
enum console_end console_main(struct lab *lab, const struct plan *plan,
			      void (*before)(FILE *out, void *arg), void *arg);

#endif
