/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events on their way into the record: events.c says how. */
#ifndef REPORT_EVENTS_PARTS_H
#define REPORT_EVENTS_PARTS_H

#include "orchestrator/report/record.h"

#include <jansson.h>

struct event {
	json_t *object;
	const char *path;
	size_t line;
	int64_t mono_ns;
	struct err *err;
};

/* All return 0 or an error that says file and line. */
int event_bad(const struct event *ev, const char *what);
int event_bad_field(const struct event *ev, const char *field,
		    const char *kind);
int event_int(const struct event *ev, const char *field, int64_t *out);
int event_text(const struct event *ev, const char *field, const char **out);
/* A copy, in the place of what was there. */
int event_keep(const struct event *ev, const char *text, char **out);

/* events_probe.c, events_action.c, moves.c: take one event each. */
int event_on_probe_start(struct record *rec, const struct event *ev);
int event_on_probe_end(struct record *rec, const struct event *ev);
int event_on_probes_end(struct record *rec, const struct event *ev);
int event_on_probe_abandoned(struct record *rec, const struct event *ev);
int event_on_action_start(struct record *rec, const struct event *ev);
int event_on_action_done(struct record *rec, const struct event *ev);
int event_on_action_step(struct record *rec, const struct event *ev);
int event_on_action_failed(struct record *rec, const struct event *ev);
int event_on_action_rolled_back(struct record *rec, const struct event *ev);
int event_on_entry_delayed(struct record *rec, const struct event *ev);
int event_on_migrated(struct record *rec, const struct event *ev);

void record_moves_free(struct record *rec);

#endif
