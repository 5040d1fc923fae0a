/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From libyaml's events to the tree. libyaml's own documents would be less
 * work, but they accept a key twice and forget where an alias stood.
 *
 * An alias becomes a copy of what its anchor marks, with the alias's place
 * noted in every node of the copy. Sharing the nodes would cost nothing here
 * and let 200 bytes of nested aliases keep every reader busy for a century;
 * copies are counted against TREE_NODES_MAX like everything else. An alias
 * inside of its own anchor is refused: no finite tree has that shape.
 *
 * The open lists and mappings are a stack of frames of our own, since the depth
 * is the file's to choose.
 */
#include "orchestrator/scenario/tree.h"

#include "base/diag.h"
#include "base/utf8.h"
#include "base/vec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct frame {
	struct tree_node *node;
	VEC(struct tree_node *) children; /* a mapping's: key, value, key ... */
};

struct anchor {
	const char *name;
	struct tree_node *node;
};

struct builder {
	struct tree *tree;
	struct diag *diag;
	const char *file;
	const char *text;
	size_t len;
	struct frame frames[TREE_DEPTH_MAX];
	size_t depth;
	VEC(struct anchor) anchors;
	size_t nodes;
	bool broken; /* errors were found; root will be NULL */
	bool done; /* nothing more is to be read */
	bool no_memory;
};

static struct src_pos mark_pos(const struct builder *b, const yaml_mark_t *mark)
{
	return (struct src_pos){
		.file = b->file,
		.line = (unsigned)mark->line + 1,
		.col = (unsigned)mark->column + 1,
	};
}

static unsigned event_width(const yaml_event_t *event)
{
	const yaml_mark_t *start = &event->start_mark, *end = &event->end_mark;

	if (start->line != end->line || end->column <= start->column)
		return 1;
	return (unsigned)(end->column - start->column);
}

static void no_memory(struct builder *b)
{
	b->no_memory = b->done = true;
}

/* NULL: out of memory, or one node more than is allowed. */
static struct tree_node *new_node(struct builder *b, enum tree_kind kind,
				  struct src_pos pos, unsigned width,
				  const struct tree_via *via)
{
	struct tree_node *node;

	if (b->nodes == TREE_NODES_MAX) {
		diag_error(b->diag, via ? via->pos : pos,
			   via ? via->width : width,
			   "more than %d values in one file, aliases included",
			   TREE_NODES_MAX);
		b->broken = b->done = true;
		return NULL;
	}
	b->nodes++;
	node = arena_alloc(&b->tree->arena, sizeof(*node));
	if (!node) {
		no_memory(b);
		return NULL;
	}
	node->kind = kind;
	node->pos = pos;
	node->width = width;
	node->via = via;
	if (kind == TREE_SCALAR)
		node->text = "";
	return node;
}

/* Hangs a finished node, or one just opened, into what is open around it. */
static void attach(struct builder *b, struct tree_node *node)
{
	struct frame *frame;
	struct tree_node **slot;

	if (!b->depth) {
		b->tree->root = node;
		return;
	}
	frame = &b->frames[b->depth - 1];
	if (frame->node->kind == TREE_MAP && frame->children.n % 2 == 0 &&
	    node->kind != TREE_SCALAR) {
		diag_error(b->diag, node->pos, node->width,
			   "a key must be a plain word, not %s",
			   tree_kind_name(node));
		b->broken = true;
	}
	slot = VEC_PUSH(&frame->children);
	if (slot)
		*slot = node;
	else
		no_memory(b);
}

static void add_anchor(struct builder *b, const yaml_char_t *name,
		       struct tree_node *node)
{
	struct anchor *anchor;

	if (!name)
		return;
	if (b->anchors.n == TREE_ANCHORS_MAX) {
		diag_error(b->diag, node->pos, 1, "more than %d anchors",
			   TREE_ANCHORS_MAX);
		b->broken = b->done = true;
		return;
	}
	anchor = VEC_PUSH(&b->anchors);
	if (!anchor) {
		no_memory(b);
		return;
	}
	anchor->name = arena_text(&b->tree->arena, (const char *)name,
				  strlen((const char *)name));
	anchor->node = node;
	if (!anchor->name)
		no_memory(b);
}

static void check_tag(struct builder *b, const yaml_char_t *tag,
		      const struct tree_node *node)
{
	static const char standard[] = "tag:yaml.org,2002:";
	const char *text = (const char *)tag;
	bool is_standard;

	if (!tag)
		return;
	is_standard = !strncmp(text, standard, strlen(standard));
	diag_error(b->diag, node->pos, 1, "the tag '%s%s' has no meaning here",
		   is_standard ? "!!" : "",
		   is_standard ? text + strlen(standard) : text);
	diag_help(b->diag, "leave it out: each key knows what it expects");
	b->broken = true;
}

/* ---- aliases ----------------------------------------------------------- */

static struct tree_node *copy_node(struct builder *b,
				   const struct tree_node *from,
				   const struct tree_via *via, size_t depth)
{
	struct tree_node *node;

	if (depth > TREE_DEPTH_MAX) {
		diag_error(b->diag, via->pos, via->width,
			   "this alias nests lists and mappings more than %d "
			   "deep",
			   TREE_DEPTH_MAX);
		b->broken = b->done = true;
		return NULL;
	}
	node = new_node(b, from->kind, from->pos, from->width, via);
	if (!node)
		return NULL;
	*node = *from;
	node->via = via;
	if (from->kind == TREE_LIST && from->n) {
		node->items = arena_alloc(&b->tree->arena,
					  from->n * sizeof(*node->items));
		if (!node->items) {
			no_memory(b);
			return NULL;
		}
		for (size_t i = 0; i < from->n && !b->done; i++)
			node->items[i] =
				copy_node(b, from->items[i], via, depth + 1);
	} else if (from->kind == TREE_MAP && from->n) {
		node->pairs = arena_alloc(&b->tree->arena,
					  from->n * sizeof(*node->pairs));
		if (!node->pairs) {
			no_memory(b);
			return NULL;
		}
		for (size_t i = 0; i < from->n && !b->done; i++) {
			node->pairs[i].key = from->pairs[i].key;
			node->pairs[i].value = copy_node(
				b, from->pairs[i].value, via, depth + 1);
		}
	}
	return b->done ? NULL : node;
}

static bool is_open(const struct builder *b, const struct tree_node *node)
{
	for (size_t i = 0; i < b->depth; i++)
		if (b->frames[i].node == node)
			return true;
	return false;
}

static void on_alias(struct builder *b, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct src_pos pos = mark_pos(b, &event->start_mark);
	unsigned width = event_width(event);
	const struct anchor *anchor = NULL;
	struct tree_node *node = NULL;
	struct tree_via *via;

	for (size_t i = b->anchors.n; i-- > 0 && !anchor;)
		if (!strcmp(b->anchors.v[i].name, name))
			anchor = &b->anchors.v[i];
	if (!anchor) {
		diag_error(b->diag, pos, width,
			   "no anchor '&%s' comes before this alias", name);
		diag_help(b->diag, "put a text that begins with '*' in quotes");
		b->broken = true;
	} else if (is_open(b, anchor->node)) {
		diag_error(b->diag, pos, width,
			   "the alias '*%s' stands inside of what it names",
			   name);
		diag_note(b->diag, anchor->node->pos, 1, "which begins here");
		b->broken = true;
	} else {
		via = arena_alloc(&b->tree->arena, sizeof(*via));
		if (!via) {
			no_memory(b);
			return;
		}
		*via = (struct tree_via){ pos, width };
		node = copy_node(b, anchor->node, via, b->depth);
		if (!node)
			return;
	}
	if (!node)
		node = new_node(b, TREE_SCALAR, pos, width, NULL);
	if (node)
		attach(b, node);
}

/* ---- events ------------------------------------------------------------ */

static void on_scalar(struct builder *b, const yaml_event_t *event)
{
	size_t len = event->data.scalar.length;
	yaml_scalar_style_t style = event->data.scalar.style;
	struct tree_node *node =
		new_node(b, TREE_SCALAR, mark_pos(b, &event->start_mark),
			 event_width(event), NULL);

	if (!node)
		return;
	node->plain = style == YAML_PLAIN_SCALAR_STYLE;
	node->quote = style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
		      style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	node->n = len;
	node->text = arena_text(&b->tree->arena,
				(const char *)event->data.scalar.value, len);
	if (!node->text) {
		no_memory(b);
		return;
	}
	node->literal =
		event->start_mark.line == event->end_mark.line &&
		utf8_count(node->text, len) + 2 * node->quote == node->width;
	if (memchr(node->text, 0, len)) {
		diag_error(b->diag, node->pos, node->width,
			   "a text cannot hold a NUL character");
		b->broken = true;
	}
	check_tag(b, event->data.scalar.tag, node);
	add_anchor(b, event->data.scalar.anchor, node);
	attach(b, node);
}

static void on_open(struct builder *b, const yaml_event_t *event,
		    enum tree_kind kind, const yaml_char_t *tag,
		    const yaml_char_t *anchor)
{
	struct src_pos pos = mark_pos(b, &event->start_mark);
	struct tree_node *node;

	if (b->depth == TREE_DEPTH_MAX) {
		diag_error(b->diag, pos, 1,
			   "lists and mappings nest more than %d deep",
			   TREE_DEPTH_MAX);
		b->broken = b->done = true;
		return;
	}
	node = new_node(b, kind, pos, 1, NULL);
	if (!node)
		return;
	check_tag(b, tag, node);
	add_anchor(b, anchor, node);
	attach(b, node);
	b->frames[b->depth].node = node;
	b->frames[b->depth].children.n = 0;
	b->depth++;
}

static void on_close(struct builder *b)
{
	struct frame *frame = &b->frames[--b->depth];
	struct tree_node *node = frame->node;
	size_t n = frame->children.n;
	int r;

	/* A key that is no scalar made the file broken: nobody will look. */
	if (!n || b->broken)
		return;
	if (node->kind == TREE_LIST) {
		node->items =
			arena_alloc(&b->tree->arena, n * sizeof(*node->items));
		if (!node->items) {
			no_memory(b);
			return;
		}
		memcpy(node->items, frame->children.v,
		       n * sizeof(*node->items));
		node->n = n;
		return;
	}
	node->pairs =
		arena_alloc(&b->tree->arena, n / 2 * sizeof(*node->pairs));
	if (!node->pairs) {
		no_memory(b);
		return;
	}
	node->n = n / 2;
	for (size_t i = 0; i < node->n; i++) {
		node->pairs[i].key = frame->children.v[2 * i];
		node->pairs[i].value = frame->children.v[2 * i + 1];
	}
	/* Without braces, a mapping begins where its first key does. */
	if (node->pairs->key->pos.line == node->pos.line &&
	    node->pairs->key->pos.col == node->pos.col)
		node->width = node->pairs->key->width;
	r = tree_check_keys(b->diag, node);
	if (r < 0)
		no_memory(b);
	else if (r)
		b->broken = true;
}

static void on_event(struct builder *b, const yaml_event_t *event,
		     unsigned *documents)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++*documents == 1)
			break;
		diag_error(b->diag, mark_pos(b, &event->start_mark), 3,
			   "a second document begins here");
		diag_help(b->diag, "one file is one scenario");
		b->broken = b->done = true;
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(b, event);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(b, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_open(b, event, TREE_LIST, event->data.sequence_start.tag,
			event->data.sequence_start.anchor);
		break;
	case YAML_MAPPING_START_EVENT:
		on_open(b, event, TREE_MAP, event->data.mapping_start.tag,
			event->data.mapping_start.anchor);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(b);
		break;
	case YAML_STREAM_END_EVENT:
		b->done = true;
		break;
	default:
		break;
	}
}

static void parse_events(struct builder *b, yaml_parser_t *parser)
{
	unsigned documents = 0;

	while (!b->done) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event)) {
			if (parser->error == YAML_MEMORY_ERROR) {
				no_memory(b);
				break;
			}
			tree_syntax_error(b->diag, b->file, b->text, b->len,
					  parser);
			b->broken = b->done = true;
			break;
		}
		on_event(b, &event, &documents);
		yaml_event_delete(&event);
	}
}

int tree_parse(struct tree *t, struct diag *diag, const char *file,
	       const char *text, size_t len)
{
	struct builder *b;
	yaml_parser_t parser;
	int r = 0;

	memset(t, 0, sizeof(*t));
	if (!tree_text_check(diag, file, text, len))
		return 0;
	b = calloc(1, sizeof(*b));
	if (!b || !yaml_parser_initialize(&parser)) {
		free(b);
		return -ENOMEM;
	}
	b->tree = t;
	b->diag = diag;
	b->file = file;
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3; /* libyaml would count a byte order mark's column */
		len -= 3;
	}
	b->text = text;
	b->len = len;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	parse_events(b, &parser);
	yaml_parser_delete(&parser);

	if (b->no_memory)
		r = -ENOMEM;
	else if (!b->broken && (!t->root || tree_is_null(t->root))) {
		diag_error(diag, (struct src_pos){ file, 1, 1 }, 1,
			   "the file is empty");
		diag_help(diag, "a scenario begins with 'version: 1'");
		t->root = NULL;
	}
	if (r || b->broken)
		t->root = NULL;
	for (size_t i = 0; i < TREE_DEPTH_MAX; i++)
		VEC_FREE(&b->frames[i].children);
	VEC_FREE(&b->anchors);
	free(b);
	return r;
}

void tree_deinit(struct tree *t)
{
	arena_deinit(&t->arena);
	t->root = NULL;
}
