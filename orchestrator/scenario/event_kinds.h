/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The events that an entry of the timeline can wait for: docs/record.md,
 * docs/control.md. */
#ifndef SCENARIO_EVENT_KINDS_H
#define SCENARIO_EVENT_KINDS_H

#include <stddef.h>

enum { EVENT_FIELDS_MAX = 24 };

struct scn_event_kind {
	const char *name;
	/* Those that are a text, a number or a truth, up to a NULL. */
	const char *fields[EVENT_FIELDS_MAX];
};

extern const struct scn_event_kind scn_event_kinds[];
extern const size_t scn_event_kinds_n;

/* NULL: there is none of that name. */
const struct scn_event_kind *scn_event_kind_find(const char *name);
/* The nearest to a name that is none; NULL: none is near. */
const char *scn_event_kind_nearest(const char *name);

#endif
