/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the file defines, by name, and what to say of a name that it does not.
 *
 * One mistake is one error: a name whose definition had an error is known
 * without an index, and a kind of which some definition could not even be
 * named is incomplete. References to the former, and unknown names of the
 * latter, fail without a word.
 */
#ifndef SCENARIO_NAMES_H
#define SCENARIO_NAMES_H

#include "orchestrator/scenario/tree.h"

enum names_kind {
	NAMES_NODE,
	NAMES_LINK,
	NAMES_IFACE, /* "NODE:IFNAME" */
	NAMES_SERVICE,
	NAMES_PROCESS,
	NAMES_PROBE,
	NAMES_ENTRY, /* of the timeline */
	NAMES_COUNT_,
};

/*
 * A suggestion compares a word with all others. Behind so many errors it costs
 * more time than it saves: they are not even shown.
 */
#define HELPED_ERRORS_MAX 50

struct name;

struct names {
	struct name *table;
	bool incomplete;
};

struct names_found {
	size_t index; /* SCN_NONE: its definition had an error */
	const struct tree_node *node; /* what defined it; may be NULL */
};

/* 0, -EEXIST or -ENOMEM. text is borrowed. */
int names_add(struct names *names, const char *text,
	      const struct tree_node *node, size_t index);
bool names_find(const struct names *names, const char *text,
		struct names_found *out);
void names_deinit(struct names *names);

const char *names_kind_name(enum names_kind kind); /* "node" */

/* Adds a help to the last error: the nearest name, or all of a few. */
void names_suggest(const struct names *names, enum names_kind kind,
		   const char *text, struct diag *diag);

#endif
