/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A probe's target by name, as a program has it that asks its name server and
 * keeps the answer as long as it may (its TTL), and asks anew then.
 *
 * It asks the node's own resolver, over UDP, and waits for that (a moment: it
 * is a process of the same machine; 200 ms at most).
 */
#ifndef OBSERVE_PROBE_NAME_H
#define OBSERVE_PROBE_NAME_H

#include "base/ip.h"

#include <stdint.h>

struct probe_name {
	const char *name; /* borrowed; NULL: none, and the address stays */
	struct ip_addr address; /* the last answer; its family is asked for */
	int64_t until_ns; /* it may be used so long, CLOCK_MONOTONIC */
};

/* 1: the address is another one now; 0: it is the same. Negative: nobody
 * answered, or the name means nothing; it is asked for again the next time. */
int probe_name_refresh(struct probe_name *n);

#endif
