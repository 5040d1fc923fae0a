/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What things may be called, and references to them by name. The rules come
 * from where a name ends up: an interface's in the kernel, a probe's in a
 * file's name, a service's in DNS. A node's ends up in none of these (nothing
 * in the kernel is named after a node), and may be almost anything.
 */
#include "orchestrator/scenario/load.h"

#include "base/utf8.h"

#include <string.h>

static const struct rule {
	const char *what;
	size_t max; /* bytes */
	const char *allowed; /* for the message; NULL: what is_odd() lets by */
} rules[] = {
	[NAME_NODE] = { "a name", 128, NULL },
	[NAME_IFACE] = { "an interface name", IFNAMSIZ - 1, NULL },
	[NAME_SERVICE] = { "a service name", 63, "a-z, 0-9 and '-'" },
	[NAME_FILE] = { "a name", 64, "A-Z, a-z, 0-9, '.', '_' and '-'" },
	[NAME_ENV] = { "a variable name", 256, "A-Z, a-z, 0-9 and '_'" },
};

static bool is_alnum(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* A character that the name cannot have at that place. */
static bool is_odd(enum name_rule rule, uint32_t c, bool first)
{
	switch (rule) {
	case NAME_NODE:
		return c <= ' ' || c == ':' || c == '/' || c == '"' ||
		       c == '\'' || c == '`' || (c >= 0x7f && c <= 0xa0) ||
		       c == 0x1680 || (c >= 0x2000 && c <= 0x200f) ||
		       (c >= 0x2028 && c <= 0x202f) || c == 0x205f ||
		       c == 0x3000 || c == 0xfeff;
	case NAME_IFACE:
		/* The kernel numbers by a '%': it takes "e%d" for a pattern. */
		return c <= ' ' || c >= 0x7f || c == ':' || c == '/' ||
		       c == '"' || c == '\'' || c == '%';
	case NAME_SERVICE:
		return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			 (!first && c == '-'));
	case NAME_FILE:
		return !(is_alnum(c) ||
			 (!first && (c == '.' || c == '_' || c == '-')));
	case NAME_ENV:
		return !(c == '_' ||
			 (is_alnum(c) && !(first && c >= '0' && c <= '9')));
	}
	return true;
}

static bool is_reserved(enum name_rule rule, const char *text)
{
	if (rule == NAME_IFACE &&
	    (!strcmp(text, "lo") || !strcmp(text, "all") ||
	     !strcmp(text, "default")))
		return true;
	return (rule == NAME_NODE || rule == NAME_IFACE) &&
	       (!strcmp(text, ".") || !strcmp(text, ".."));
}

bool name_check(struct loader *l, enum name_rule rule,
		const struct tree_node *node, const char *start,
		const char *text)
{
	const struct rule *r = &rules[rule];
	size_t len = strlen(text);

	if (!len) {
		tree_error_part(l->diag, node, start, 1, "%s cannot be empty",
				r->what);
		return false;
	}
	for (size_t at = 0; at < len;) {
		uint32_t c = 0;
		size_t n = utf8_decode(text + at, len - at, &c);

		if (!n || is_odd(rule, c, at == 0)) {
			n = n ? n : 1;
			if (c < ' ' || c == 0x7f)
				tree_error_part(l->diag, node, start + at, n,
						"%s cannot contain a control "
						"character",
						r->what);
			else if (rule == NAME_NODE && c >= 0x7f)
				/* Nobody would see it between quotes. */
				tree_error_part(l->diag, node, start + at, n,
						"%s cannot contain U+%04X, a "
						"space or something invisible",
						r->what, (unsigned)c);
			else
				tree_error_part(l->diag, node, start + at, n,
						"%s cannot %s '%.*s'", r->what,
						at ? "contain" : "begin with",
						(int)n, text + at);
			if (r->allowed)
				diag_help(l->diag, "it is made of %s",
					  r->allowed);
			return false;
		}
		at += n;
	}
	if (rule == NAME_SERVICE && text[len - 1] == '-') {
		tree_error_part(l->diag, node, start + len - 1, 1,
				"a service name cannot end with '-'");
		return false;
	}
	if (len > r->max) {
		tree_error_part(l->diag, node, start, len,
				"'%.150s' is too long: %s has at most %zu "
				"bytes, this one %zu",
				text, r->what, r->max, len);
		return false;
	}
	if (is_reserved(rule, text)) {
		tree_error_part(l->diag, node, start, len,
				"'%s' is reserved and cannot be %s", text,
				r->what);
		return false;
	}
	return true;
}

/* ---- references -------------------------------------------------------- */

static bool check_node_kind(struct loader *l, const struct type *type,
			    const struct tree_node *node, const char *start,
			    const char *text, size_t index)
{
	enum scn_node_kind kind = l->s->nodes.v[index].kind;

	if (!type->nodes || type->nodes & 1u << kind)
		return true;
	tree_error_part(l->diag, node, start, strlen(text),
			"'%s' is a %s; expected %s", text,
			scn_node_kind_name(kind), type->expects);
	return false;
}

bool ref_read(struct loader *l, const struct type *type,
	      const struct tree_node *node, const char *start, const char *text,
	      size_t *index)
{
	const struct names *names = &l->names[type->names];
	struct names_found found;

	if (!names_find(names, text, &found)) {
		if (names->incomplete)
			return false;
		tree_error_part(l->diag, node, start, strlen(text),
				"unknown %s '%s'", names_kind_name(type->names),
				text);
		names_suggest(names, type->names, text, l->diag);
		return false;
	}
	*index = found.index;
	if (found.index == SCN_NONE)
		return false;
	if (type->names == NAMES_NODE)
		return check_node_kind(l, type, node, start, text, found.index);
	return true;
}

void refs_read(struct loader *l, const struct type *item,
	       const struct value *list, scn_index_vec *out, bool *ok)
{
	for (size_t i = 0; i < value_items(list); i++) {
		struct value v;
		size_t *slot;

		if (!value_read(l, item, value_item(list, i), &v)) {
			*ok = false;
			v.index = SCN_NONE;
		}
		slot = LOADER_PUSH(l, out);
		if (slot)
			*slot = v.index;
	}
}
