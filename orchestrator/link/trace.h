/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Delivery traces, in the format of Mahimahi: a line a delivery opportunity,
 * its time in whole milliseconds from the beginning, not falling; several lines
 * of the same time are several opportunities. Each carries LINK_TRACE_BYTES
 * behind the Ethernet header, of one packet or of several; what it has left
 * when no packet waits is lost, and a packet that does not fit goes on in the
 * next one. After its last time the trace begins again, or (not looping) no
 * more opportunities come. Lines that begin with '#' and empty ones are passed
 * over.
 */
#ifndef LINK_TRACE_H
#define LINK_TRACE_H

#include "base/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_TRACE_BYTES 1500

struct link_trace;

/*
 * text: the file, len bytes, from path (for messages). 0; -EINVAL with every
 * error (at most a handful) in diag, by line; -ENOMEM.
 */
int link_trace_parse(const char *path, const char *text, size_t len, bool loop,
		     struct diag *diag, struct link_trace **out);
struct link_trace *link_trace_free(struct link_trace *t); /* returns NULL */

/* Of one turn: opportunities, length in ns, mean rate in bits/s. */
size_t link_trace_count(const struct link_trace *t);
int64_t link_trace_length_ns(const struct link_trace *t);
uint64_t link_trace_mean_bps(const struct link_trace *t);
const char *link_trace_path(const struct link_trace *t);

#endif
