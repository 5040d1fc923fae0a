/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks the tree against the tables: which keys a mapping has, and what kind
 * of thing stands behind each.
 */
#include "orchestrator/scenario/load.h"

#include <stdio.h>
#include <string.h>

bool value_read(struct loader *l, const struct type *type,
		const struct tree_node *node, struct value *out)
{
	bool fits;

	memset(out, 0, sizeof(*out));
	out->node = node;
	if (tree_is_null(node))
		fits = type->may_be_empty;
	else if (node->kind == TREE_SCALAR)
		fits = type->scalar != SCALAR_NONE;
	else if (node->kind == TREE_LIST)
		fits = type->item;
	else
		fits = type->mapping || type->value;
	if (!fits)
		tree_error(l->diag, node, "expected %s; found %s",
			   type->expects, tree_kind_name(node));
	else if (node->kind == TREE_SCALAR && !tree_is_null(node))
		fits = scalar_read(l, type, node, out);
	out->ok = fits;
	return fits;
}

size_t value_items(const struct value *v)
{
	if (!v->node || tree_is_null(v->node))
		return 0;
	return v->node->kind == TREE_LIST ? v->node->n : 1;
}

const struct tree_node *value_item(const struct value *v, size_t i)
{
	return v->node->kind == TREE_LIST ? v->node->items[i] : v->node;
}

/* "a" or "an". */
static const char *article(const char *word)
{
	return strchr("aeiou", word[0]) ? "an" : "a";
}

/* ---- keys -------------------------------------------------------------- */

static size_t field_find(const struct mapping *m, const char *name)
{
	for (size_t i = 0; m && i < m->n; i++)
		if (!strcmp(m->fields[i].name, name))
			return i;
	return SIZE_MAX;
}

static const struct mapping *variant_by_key(const struct mapping *m,
					    const char *key)
{
	for (size_t i = 0; m->variants && m->variants[i]; i++)
		if (!strcmp(m->variants[i]->fields[0].name, key))
			return m->variants[i];
	return NULL;
}

struct key_list {
	const char *v[3 * FIELDS_MAX];
	size_t n;
};

static void list_add(struct key_list *keys, const char *key)
{
	if (keys->n < sizeof(keys->v) / sizeof(*keys->v))
		keys->v[keys->n++] = key;
}

/* The keys that may stand in a mapping, as far as its variant is known. */
static struct key_list list_keys(const struct mapping *m,
				 const struct mapping *variant)
{
	struct key_list keys = { .n = 0 };

	for (size_t i = 0; i < m->n; i++)
		list_add(&keys, m->fields[i].name);
	if (m->instead)
		list_add(&keys, m->instead->fields[0].name);
	for (size_t i = 0; variant && i < variant->n; i++)
		list_add(&keys, variant->fields[i].name);
	for (size_t i = 0; !variant && m->variants && m->variants[i]; i++)
		list_add(&keys, m->variants[i]->fields[0].name);
	return keys;
}

static bool in_some_variant(const struct mapping *m, const char *key)
{
	for (size_t i = 0; m->variants && m->variants[i]; i++)
		if (field_find(m->variants[i], key) != SIZE_MAX)
			return true;
	return false;
}

/*
 * The key that must have been meant: another language's word for it, or else
 * the one that is spelt most alike. NULL: none.
 */
static const char *meant_key(const char *key, const struct key_list *keys)
{
	static const struct {
		const char *wrong, *right;
	} synonyms[] = {
		{ "type", "kind" },	  { "from", "node" },
		{ "source", "node" },	  { "src", "node" },
		{ "host", "node" },	  { "target", "to" },
		{ "dst", "to" },	  { "destination", "to" },
		{ "cmd", "run" },	  { "command", "run" },
		{ "exec", "run" },	  { "timeout", "for" },
		{ "duration", "for" },	  { "size", "payload" },
		{ "begin", "at" },	  { "time", "at" },
		{ "environment", "env" }, { "ip", "address" },
		{ "iface", "interface" }, { "nodes", "endpoints" },
		{ "ends", "endpoints" },  { "latency", "delay" },
		{ "bandwidth", "rate" },  { "bw", "rate" },
		{ "limit", "queue" },	  { "drop", "loss" },
		{ "than", "of" },	  { "vs", "of" },
	};

	for (size_t i = 0; i < sizeof(synonyms) / sizeof(*synonyms); i++)
		for (size_t k = 0; k < keys->n; k++)
			if (keys->v[k] && !strcmp(synonyms[i].wrong, key) &&
			    !strcmp(synonyms[i].right, keys->v[k]))
				return keys->v[k];
	return diag_nearest(key, keys->v, keys->n);
}

/*
 * Which variant must have been meant, where the key that says so is misspelt.
 * It lends its keys, so that they are not called unknown as well.
 */
static const struct mapping *variant_guess(const struct mapping *m,
					   const struct tree_node *node)
{
	for (size_t i = 0; m->variants && i < node->n; i++) {
		const char *key = node->pairs[i].key->text;
		struct key_list keys = list_keys(m, NULL);
		const char *nearest;

		if (field_find(m, key) != SIZE_MAX || in_some_variant(m, key))
			continue;
		nearest = meant_key(key, &keys);
		if (nearest && variant_by_key(m, nearest))
			return variant_by_key(m, nearest);
	}
	return NULL;
}

/* The mapping itself, or the one in its place: the key that says so is given,
 * or is there misspelt. */
static const struct mapping *mapping_meant(const struct mapping *m,
					   const struct tree_node *node)
{
	struct key_list keys = list_keys(m, NULL);

	for (size_t i = 0; m->instead && i < node->n; i++) {
		const char *key = node->pairs[i].key->text, *meant;

		if (field_find(m, key) != SIZE_MAX)
			continue;
		meant = meant_key(key, &keys);
		if (meant && !strcmp(meant, m->instead->fields[0].name))
			return m->instead;
	}
	return m;
}

/* The variant whose first field is given; two of them are an error, unless the
 * one is a field of the other as well. */
static const struct mapping *variant_find(struct loader *l,
					  const struct mapping *m,
					  const struct tree_node *node,
					  bool *good)
{
	const struct mapping *found = NULL;
	const struct tree_node *first = NULL;

	for (size_t i = 0; i < node->n; i++) {
		const struct tree_node *key = node->pairs[i].key;
		const struct mapping *variant = variant_by_key(m, key->text);

		if (variant && found &&
		    field_find(found, key->text) != SIZE_MAX)
			continue;
		if (variant && found &&
		    field_find(variant, first->text) == SIZE_MAX) {
			tree_error(l->diag, key,
				   "'%s' and '%s' cannot stand in one %s",
				   first->text, key->text, m->what);
			diag_note(l->diag, first->pos, first->width,
				  "'%s' is here", first->text);
			if (m->several)
				diag_help(l->diag, "%s", m->several);
			*good = false;
		} else if (variant) {
			found = variant;
			first = key;
		}
	}
	return found;
}

/* "'a', 'b' or 'c'" */
static const char *join_keys(const struct key_list *keys, const char *last,
			     char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < keys->n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s'%s'",
				       !i	       ? "" :
				       i + 1 < keys->n ? ", " :
							 last,
				       keys->v[i]);
	return buf;
}

/* "delay:10ms" is one word to YAML. */
static const char *key_before_colon(const char *text,
				    const struct key_list *keys)
{
	size_t len = strcspn(text, ":");

	for (size_t i = 0; text[len] && i < keys->n; i++)
		if (keys->v[i] && strlen(keys->v[i]) == len &&
		    !memcmp(keys->v[i], text, len))
			return keys->v[i];
	return NULL;
}

/* Returns the key that must have been meant, or NULL. */
static const char *unknown_key(struct loader *l, const struct mapping *m,
			       const struct mapping *variant,
			       const struct tree_node *map,
			       const struct tree_node *key)
{
	struct key_list keys = list_keys(m, variant);
	const char *nearest;
	char list[512];

	for (size_t i = 0; !variant && m->variants && m->variants[i]; i++) {
		if (field_find(m->variants[i], key->text) == SIZE_MAX)
			continue;
		tree_error(l->diag, key, "'%s' needs '%s' beside it", key->text,
			   m->variants[i]->fields[0].name);
		return NULL;
	}
	for (const struct mapping *i = m; i; i = i == m ? variant : NULL) {
		if (!i->refused || strcmp(i->refused, key->text))
			continue;
		tree_error(l->diag, key, "%s", i->refused_why);
		return NULL;
	}
	tree_error(l->diag, key, "unknown key '%s'", key->text);
	if (diag_count(l->diag) > HELPED_ERRORS_MAX)
		return NULL;
	join_keys(&keys, " and ", list, sizeof(list));
	/* One that is there as well cannot have been meant. */
	for (size_t i = 0; i < keys.n; i++)
		if (tree_get(map, keys.v[i]))
			keys.v[i] = NULL;
	nearest = key_before_colon(key->text, &keys);
	if (nearest) {
		diag_help(l->diag,
			  "write '%s: %s', with a space behind the ':'",
			  nearest, key->text + strlen(nearest) + 1);
		return nearest;
	}
	nearest = meant_key(key->text, &keys);
	if (nearest)
		diag_help(l->diag, "did you mean '%s'?", nearest);
	else
		diag_help(l->diag, "the keys of %s %s are %s", article(m->what),
			  m->what, list);
	return nearest;
}

static void missing_key(struct loader *l, const struct mapping *m,
			const struct field *field, const struct tree_node *node,
			const struct tree_node *name)
{
	if (name)
		tree_error(l->diag, name, "%s '%s' has no '%s'", m->what,
			   name->text, field->name);
	else
		tree_error(l->diag, node, "this %s has no '%s'", m->what,
			   field->name);
	diag_help(l->diag, "add '%s: %s' (%s)", field->name, field->example,
		  field->doc);
}

/* ---- mappings ---------------------------------------------------------- */

static bool read_fallback(struct loader *l, const struct field *field,
			  struct value *v)
{
	struct tree_node node = {
		.kind = TREE_SCALAR,
		.text = field->fallback,
		.n = strlen(field->fallback),
	};
	bool good = value_read(l, field->type, &node, v);

	v->node = NULL;
	return good;
}

/* The fields of one table; what a misspelt key must have meant is excused. */
static bool read_fields(struct loader *l, const struct mapping *m,
			const struct tree_node *node,
			const struct tree_node *name, const bool *excused,
			struct value *v)
{
	bool good = true;

	for (size_t i = 0; i < m->n; i++) {
		const struct field *field = &m->fields[i];
		const struct tree_node *value = tree_get(node, field->name);

		if (value) {
			good &= value_read(l, field->type, value, &v[i]);
		} else if (excused[i]) {
			good = false;
		} else if (field->fallback) {
			good &= read_fallback(l, field, &v[i]);
		} else if (field->required) {
			missing_key(l, m, field, node, name);
			good = false;
		}
	}
	return good;
}

static bool is_dynamic(const struct mapping *m, const char *key)
{
	return m && m->dynamic && strchr(key, m->dynamic->mark);
}

/*
 * Reports the keys that have no place in the mapping; says in excused[] which
 * ones must have been meant. Returns whether all keys are known.
 */
static bool check_keys(struct loader *l, const struct mapping *m,
		       const struct mapping *variant, bool several,
		       const struct tree_node *node, bool *excused)
{
	const struct mapping *guess = variant ? NULL : variant_guess(m, node);
	bool good = true;

	for (size_t i = 0; i < node->n; i++) {
		const struct tree_node *key = node->pairs[i].key;
		const char *meant;
		size_t k;

		if (field_find(m, key->text) != SIZE_MAX ||
		    field_find(variant, key->text) != SIZE_MAX ||
		    field_find(guess, key->text) != SIZE_MAX ||
		    variant_by_key(m, key->text) || is_dynamic(m, key->text) ||
		    is_dynamic(variant, key->text) ||
		    is_dynamic(guess, key->text) ||
		    (several && in_some_variant(m, key->text)))
			continue;
		good = false;
		meant = unknown_key(l, m, variant, node, key);
		if (!meant)
			continue;
		k = field_find(m, meant);
		if (k == SIZE_MAX && field_find(variant, meant) != SIZE_MAX)
			k = m->n + field_find(variant, meant);
		if (k != SIZE_MAX)
			excused[k] = true;
	}
	return good;
}

static void variant_missing(struct loader *l, const struct mapping *m,
			    const struct tree_node *node,
			    const struct tree_node *name)
{
	struct key_list keys = { .n = 0 };
	char list[256];

	for (size_t i = 0; m->variants[i]; i++)
		list_add(&keys, m->variants[i]->fields[0].name);
	join_keys(&keys, " or ", list, sizeof(list));
	if (name)
		tree_error(l->diag, name, "%s '%s' has no %s", m->what,
			   name->text, list);
	else
		tree_error(l->diag, node, "this %s has no %s", m->what, list);
	if (m->example)
		diag_help(l->diag, "add one of them, as in '%s'", m->example);
}

bool mapping_read(struct loader *l, const struct mapping *m,
		  const struct tree_node *node, const struct tree_node *name,
		  struct value v[static VALUES_MAX],
		  const struct mapping **variant)
{
	bool excused[VALUES_MAX] = { false };
	const struct mapping *chosen, *own = m;
	bool single = true, known, good;

	memset(v, 0, VALUES_MAX * sizeof(*v));
	if (variant)
		*variant = NULL;
	if (node->kind != TREE_MAP) {
		tree_error(l->diag, node,
			   "expected %s %s, which is a mapping; found %s",
			   article(m->what), m->what, tree_kind_name(node));
		return false;
	}
	m = mapping_meant(own, node);
	chosen = variant_find(l, m, node, &single);
	known = check_keys(l, m, chosen, !single, node, excused);
	good = read_fields(l, m, node, name, excused, v);
	if (chosen)
		good &= read_fields(l, chosen, node, name, excused + m->n,
				    v + m->n);
	if (m->variants && !chosen) {
		if (known) /* else one of those was meant to say it */
			variant_missing(l, m, node, name);
		good = false;
	}
	if (variant)
		*variant = m != own ? m : chosen;
	return good && single && known;
}

bool dynamic_next(struct loader *l, const struct dynamic *d,
		  const struct tree_node *map, size_t *at,
		  const struct tree_node **key, struct value *v)
{
	for (; *at < map->n; (*at)++) {
		if (!strchr(map->pairs[*at].key->text, d->mark))
			continue;
		*key = map->pairs[*at].key;
		value_read(l, d->value, map->pairs[(*at)++].value, v);
		return true;
	}
	return false;
}

void named_read(struct loader *l, const struct type *type,
		const struct tree_node *node, enum names_kind kind,
		named_reader read)
{
	if (!node)
		return;
	if (node->kind != TREE_MAP) {
		/* Said by value_read() already, unless it is just empty. */
		l->names[kind].incomplete |= !tree_is_null(node);
		return;
	}
	for (size_t i = 0; i < node->n && !l->no_memory; i++) {
		const struct tree_node *key = node->pairs[i].key;
		struct value name;
		bool good = scalar_read(l, type->key, key, &name);
		size_t index = read(l, key, node->pairs[i].value);

		loader_define(l, kind, key->text, key, good ? index : SCN_NONE);
	}
}
