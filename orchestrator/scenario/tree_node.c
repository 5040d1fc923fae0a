/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/diag.h"
#include "base/utf8.h"
#include "orchestrator/scenario/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_error(struct diag *diag, const struct tree_node *node,
		      struct src_pos pos, unsigned width, const char *text)
{
	diag_error(diag, pos, width, "%s", text);
	if (node->via)
		diag_note(diag, node->via->pos, node->via->width,
			  "it is used here, by an alias");
}

void tree_error(struct diag *diag, const struct tree_node *node,
		const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_error(diag, node, node->pos, node->width, text);
}

void tree_error_part(struct diag *diag, const struct tree_node *node,
		     const char *start, size_t len, const char *fmt, ...)
{
	struct src_pos pos = node->pos;
	unsigned width = node->width;
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (node->literal) {
		size_t before =
			utf8_count(node->text, (size_t)(start - node->text));

		pos.col += node->quote + (unsigned)before;
		width = (unsigned)utf8_count(start, len);
	}
	add_error(diag, node, pos, width, text);
}

const char *tree_kind_name(const struct tree_node *node)
{
	if (tree_is_null(node))
		return "nothing";
	switch (node->kind) {
	case TREE_LIST:
		return "a list";
	case TREE_MAP:
		return "a mapping";
	case TREE_SCALAR:
		break;
	}
	return "a text";
}

bool tree_is_null(const struct tree_node *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (node->kind != TREE_SCALAR || !node->plain)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(node->text, words[i]))
			return true;
	return false;
}

const struct tree_node *tree_get(const struct tree_node *map, const char *key)
{
	if (map->kind != TREE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (!strcmp(map->pairs[i].key->text, key))
			return map->pairs[i].value;
	return NULL;
}

/* ---- keys -------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
	const struct tree_pair *x = *(const struct tree_pair *const *)a;
	const struct tree_pair *y = *(const struct tree_pair *const *)b;
	int r = strcmp(x->key->text, y->key->text);

	return r ? r : x < y ? -1 : x > y;
}

int tree_check_keys(struct diag *diag, struct tree_node *map)
{
	struct tree_pair **sorted = calloc(map->n + 1, sizeof(*sorted));
	size_t first = 0, kept = 0;
	int r = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < map->n; i++)
		sorted[i] = &map->pairs[i];
	qsort(sorted, map->n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < map->n; i++) {
		struct tree_node *key = sorted[i]->key;

		if (strcmp(sorted[first]->key->text, key->text)) {
			first = i;
			continue;
		}
		diag_error(diag, key->pos, key->width,
			   "the key '%s' comes twice in this mapping",
			   key->text);
		diag_note(diag, sorted[first]->key->pos,
			  sorted[first]->key->width, "first defined here");
		sorted[i]->key = NULL;
	}
	free(sorted);
	for (size_t i = 0; i < map->n; i++) {
		struct tree_node *key = map->pairs[i].key;

		if (!key)
			continue;
		if (key->plain && !strcmp(key->text, "<<")) {
			diag_error(diag, key->pos, key->width,
				   "merge keys ('<<') are not supported");
			diag_help(diag, "write the keys out, or use an alias "
					"for a whole value");
			r = 1;
		}
		map->pairs[kept++] = map->pairs[i];
	}
	map->n = kept;
	return r;
}
