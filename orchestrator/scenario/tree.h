/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A YAML file as a tree in which every node knows its place. It says how the
 * file is built and nothing of what it means: a plain scalar is a text, and
 * whoever reads the field decides whether it is a number. (So "no" is a good
 * name for a node, and 1:30 is not ninety.)
 */
#ifndef SCENARIO_TREE_H
#define SCENARIO_TREE_H

#include "base/err.h"
#include "orchestrator/scenario/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define TREE_BYTES_MAX (4u << 20) /* of the file */
#define TREE_DEPTH_MAX 64
#define TREE_NODES_MAX 500000 /* with all aliases written out */
#define TREE_ANCHORS_MAX 500

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAP };

struct tree_node;

struct tree_pair {
	struct tree_node *key; /* always a scalar */
	struct tree_node *value;
};

/* Where an alias put the copy of an anchored node. */
struct tree_via {
	struct src_pos pos;
	unsigned width;
};

struct tree_node {
	enum tree_kind kind;
	bool plain; /* a scalar without quotes */
	struct src_pos pos;
	unsigned width; /* characters, for the caret; 1 for a list or mapping */
	unsigned quote; /* characters before a scalar's text: 1 in quotes */
	bool literal; /* as wide as its text: no escapes, on one line */
	const struct tree_via *via; /* NULL: written where it stands */
	size_t n; /* bytes, items or pairs */
	union {
		const char *text; /* holds no NUL */
		struct tree_node **items;
		struct tree_pair *pairs;
	};
};

struct tree {
	struct arena arena;
	struct tree_node *root; /* NULL where the file had errors */
};

struct diag;

/*
 * Parses a text that is known to diag as file. What is wrong with it goes into
 * diag, and root is then NULL unless only keys were doubled (the first of them
 * stays). Returns 0 or -ENOMEM. To be freed with tree_deinit() in any case.
 */
int tree_parse(struct tree *t, struct diag *diag, const char *file,
	       const char *text, size_t len);
void tree_deinit(struct tree *t);

/* An error at a node, with a note where an alias led there. */
void tree_error(struct diag *diag, const struct tree_node *node,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same for a part of a scalar's text, underlined alone where it can be. */
void tree_error_part(struct diag *diag, const struct tree_node *node,
		     const char *start, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* What stands there, for messages: "a text", "a list", "a mapping", "nothing".
 */
const char *tree_kind_name(const struct tree_node *node);
bool tree_is_null(const struct tree_node *node);
/* The value of a key in a mapping; NULL where it has none. */
const struct tree_node *tree_get(const struct tree_node *map, const char *key);

/*
 * Reports keys that come again, keeping the first of each, and keys that mean
 * something else to YAML. Returns 0, 1 where the tree is of no use then, or
 * -ENOMEM.
 */
int tree_check_keys(struct diag *diag, struct tree_node *map);

/* tree_text.c: true where the bytes are text that YAML may be made of. */
bool tree_text_check(struct diag *diag, const char *file, const char *text,
		     size_t len);

/* tree_syntax.c: says what libyaml found wrong, in our words. */
struct yaml_parser_s;
void tree_syntax_error(struct diag *diag, const char *file, const char *text,
		       size_t len, const struct yaml_parser_s *parser);

#endif
