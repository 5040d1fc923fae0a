/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file says of a link's properties, for those who read it: links.c,
 * the defaults, and the timeline's actions on links.
 */
#ifndef SCENARIO_LINK_PROPS_H
#define SCENARIO_LINK_PROPS_H

#include "orchestrator/scenario/load.h"

enum {
	PROP_DELAY,
	PROP_JITTER,
	PROP_LOSS,
	PROP_DUPLICATE,
	PROP_REORDER,
	PROP_CORRUPT,
	PROP_RATE,
	PROP_QUEUE,
	PROP_MTU,
	PROP_COUNT_,
};

extern const struct type type_link_delay, type_link_jitter, type_link_loss,
	type_link_share, type_link_rate, type_link_queue, type_link_mtu;

/* The fields of all properties, for a table of which they begin at first. */
#define LINK_PROPERTY_FIELDS(first)                                            \
	[(first) +                                                             \
		PROP_DELAY] = { .name = "delay",                               \
				.type = &type_link_delay,                      \
				.doc = "of propagation, one way" },            \
		[(first) + PROP_JITTER] = { .name = "jitter",                  \
					    .type = &type_link_jitter,         \
					    .doc = "by how much the delay "    \
						   "varies" },                 \
		[(first) +                                                     \
			PROP_LOSS] = { .name = "loss",                         \
				       .type = &type_link_loss,                \
				       .doc = "which frames do not arrive" },  \
		[(first) + PROP_DUPLICATE] = { .name = "duplicate",            \
					       .type = &type_link_share,       \
					       .doc = "which share arrives "   \
						      "twice" },               \
		[(first) + PROP_REORDER] = { .name = "reorder",                \
					     .type = &type_link_share,         \
					     .doc = "which share skips the "   \
						    "delay" },                 \
		[(first) + PROP_CORRUPT] = { .name = "corrupt",                \
					     .type = &type_link_share,         \
					     .doc = "which share has a bit "   \
						    "flipped" },               \
		[(first) +                                                     \
			PROP_RATE] = { .name = "rate",                         \
				       .type = &type_link_rate,                \
				       .doc = "bits a second, or a trace of "  \
					      "delivery opportunities" },      \
		[(first) + PROP_QUEUE] = { .name = "queue",                    \
					   .type = &type_link_queue,           \
					   .doc = "how much waits for the "    \
						  "rate" },                    \
		[(first) +                                                     \
			PROP_MTU] = { .name = "mtu",                           \
				      .type = &type_link_mtu,                  \
				      .doc = "the largest packet, in bytes" }

/* "a>b": what holds for one direction only. */
extern const struct dynamic link_directions;

/* What is set, by the sending end, and where the file says so. */
struct link_props {
	struct link_change change[2];
	const struct tree_node *given[2][PROP_COUNT_];
};

/* Kept of a link while the file is read. */
struct link_origin {
	const struct tree_node *node, *name, *end[2]; /* the link's */
	const struct tree_node *backend, *tolerance; /* NULL: not given */
	struct link_props props; /* as it is at first */
	bool good;
};

/* Which end sends: 0, 1; -1 (told) where the text, "a>b", names no direction of
 * the link. */
int link_sending_end(struct loader *l, const struct tree_node *key,
		     const struct scn_endpoint *ends);

/* Once the timeline is known: does the emulator carry it? */
bool link_is_emulated(const struct scenario *s, size_t link);

/*
 * The properties of a mapping: v[0..PROP_COUNT_) as mapping_read() has filled
 * them in, for both directions.
 */
bool link_props_read(struct loader *l, const struct value *v,
		     struct link_props *out);
/*
 * Those under its keys "a>b", for a link with those two ends (SCN_NONE: one
 * that had an error).
 */
bool link_directions_read(struct loader *l, const struct tree_node *map,
			  const struct scn_endpoint *ends,
			  struct link_props *out);
/* Takes over what from sets. */
void link_props_merge(struct link_props *to, const struct link_props *from);

/*
 * What cannot be meant, of properties that hold at the same time: params, and
 * where each was given (NULL: elsewhere). Is silent on directions without
 * anything in changed[].
 */
bool link_params_check(struct loader *l, const struct link_params *params,
		       const struct link_props *changed);

/* The same for what the kernel cannot do, where the link is the kernel's. */
void link_kernel_check(struct loader *l, size_t link,
		       const struct link_params *params,
		       const struct link_props *given);

/* link_files.c: reads and parses what a node names; NULL after an error. */
const struct scn_file *file_read(struct loader *l, const struct tree_node *node,
				 enum scn_file_kind kind, bool loop);
/* A pattern that stands in the scenario itself. */
const struct scn_file *pattern_read(struct loader *l,
				    const struct tree_node *node);

/* With the timeline known: who carries each link. */
void links_settle(struct loader *l);

/* link_ends.c: one end of a link. False: it had an error, which was told. */
extern const struct type type_link_end;
bool link_end_read(struct loader *l, const struct tree_node *node,
		   struct scn_endpoint *end);

#endif
