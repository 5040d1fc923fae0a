/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all readers use to put things into the model. */
#include "orchestrator/scenario/load.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void loader_define(struct loader *l, enum names_kind kind, const char *text,
		   const struct tree_node *node, size_t index)
{
	struct names_found found;

	switch (names_add(&l->names[kind], text, node, index)) {
	case -ENOMEM:
		l->no_memory = true;
		break;
	case -EEXIST:
		tree_error(l->diag, node, "the %s '%s' is defined twice",
			   names_kind_name(kind), text);
		if (names_find(&l->names[kind], text, &found))
			diag_note(l->diag, found.node->pos, found.node->width,
				  "first defined here");
		break;
	}
}

char *loader_dup(struct loader *l, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		l->no_memory = true;
	return copy;
}

const char *loader_format(struct loader *l, const char *fmt, ...)
{
	CLEANUP_FREE char *text = NULL;
	const char *copy = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	else
		copy = arena_text(l->arena, text, (size_t)n);
	if (!copy)
		l->no_memory = true;
	return copy;
}
