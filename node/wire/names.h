/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the text form, for its writer and its reader. */
#ifndef WIRE_NAMES_H
#define WIRE_NAMES_H

#include <stddef.h>

struct wire_name {
	const char *name; /* NULL ends a table */
	unsigned value;
};

extern const struct wire_name wire_extension_names[]; /* SAL_EXT_... */
extern const struct wire_name wire_flag_names[]; /* highest bit first */
extern const struct wire_name wire_reason_names[];
extern const struct wire_name wire_challenge_names[];
extern const struct wire_name wire_protocol_names[]; /* transports */

/* NULL where the value has no name. */
const char *wire_name_of(const struct wire_name *table, unsigned value);
/* The entry of a word of n characters, or NULL. */
const struct wire_name *wire_name_find(const struct wire_name *table,
				       const char *word, size_t n);

#endif
