/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run's log of events: one JSON object a line (see docs/record.md). Each
 * line is handed to the kernel at once in a single write, so that a killed run
 * leaves whole lines up to the kill, at worst with a last one that is cut off.
 */
#ifndef OBSERVE_EVENTLOG_H
#define OBSERVE_EVENTLOG_H

#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

struct eventlog;

/* Opens for append, makes the file where it is not there. */
int eventlog_open(const char *path, struct eventlog **out, struct err *err);
struct eventlog *eventlog_close(struct eventlog *log); /* returns NULL */

/* From now on events carry t_ns, nanoseconds since mono_ns. */
void eventlog_set_zero(struct eventlog *log, int64_t mono_ns);

/*
 * Writes mono_ns, t_ns, event, then the fields in their order. fields: an
 * object, stolen whatever comes of it; NULL: none. Fields cannot replace the
 * log's own. A negative errno is also kept: after a write that failed nothing
 * more is written (half a line may be there), and all calls return it.
 */
int eventlog_write(struct eventlog *log, const char *event, json_t *fields);
/* The same for something that happened at mono_ns. */
int eventlog_write_at(struct eventlog *log, int64_t mono_ns, const char *event,
		      json_t *fields);

/* Writes a "clock" event: both clocks at the same moment. */
int eventlog_clock_pair(struct eventlog *log);

/* 0, or the negative errno of the first write that failed: whoever writes many
 * events may ask once at the end. */
int eventlog_error(const struct eventlog *log);

/*
 * All events of a file, as an array of objects in the order of the lines. Each
 * has an integer mono_ns and a string event. A last line without its end that
 * is no object is passed over; all else is -EBADMSG, with file and line.
 */
int eventlog_read(const char *path, json_t **array_out, struct err *err);

#endif
