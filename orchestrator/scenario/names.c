/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/scenario/names.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "orchestrator/scenario/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(name) ((name)->lost = true)
#include <uthash.h>

#define LISTED_MAX 8 /* more names than this are not listed */
#define SUGGESTED_MAX 10000 /* more names than this are not searched */

struct name {
	const char *text;
	struct names_found found;
	bool lost; /* memory ran out as it was added */
	UT_hash_handle hh;
};

int names_add(struct names *names, const char *text,
	      const struct tree_node *node, size_t index)
{
	struct name *name;

	HASH_FIND_STR(names->table, text, name);
	if (name)
		return -EEXIST;
	name = calloc(1, sizeof(*name));
	if (!name)
		return -ENOMEM;
	name->text = text;
	name->found.index = index;
	name->found.node = node;
	HASH_ADD_KEYPTR(hh, names->table, name->text, strlen(name->text), name);
	if (name->lost) {
		free(name);
		return -ENOMEM;
	}
	return 0;
}

bool names_find(const struct names *names, const char *text,
		struct names_found *out)
{
	struct name *name;

	HASH_FIND_STR(names->table, text, name);
	if (name)
		*out = name->found;
	return name != NULL;
}

void names_deinit(struct names *names)
{
	struct name *name, *next;

	HASH_ITER (hh, names->table, name, next) {
		HASH_DEL(names->table, name);
		free(name);
	}
}

const char *names_kind_name(enum names_kind kind)
{
	static const char *const words[] = {
		[NAMES_NODE] = "node",	     [NAMES_LINK] = "link",
		[NAMES_IFACE] = "interface", [NAMES_SERVICE] = "service",
		[NAMES_PROCESS] = "process", [NAMES_PROBE] = "probe",
		[NAMES_ENTRY] = "entry",
	};

	return words[kind];
}

void names_suggest(const struct names *names, enum names_kind kind,
		   const char *text, struct diag *diag)
{
	size_t n = HASH_COUNT(names->table), i = 0, at = 0;
	CLEANUP_FREE const char **all = NULL;
	const char *nearest, *what = names_kind_name(kind);
	const char *plural = kind == NAMES_PROCESS ? "es" : "s";
	const char *stem = kind == NAMES_ENTRY ? "entrie" : what;
	char list[512] = "";
	struct name *name, *next;

	if (!n) {
		diag_help(diag, "the scenario defines no %s%s", stem, plural);
		return;
	}
	if (n > SUGGESTED_MAX || diag_count(diag) > HELPED_ERRORS_MAX)
		return;
	all = calloc(n, sizeof(*all));
	if (!all)
		return;
	HASH_ITER (hh, names->table, name, next)
		all[i++] = name->text;
	nearest = diag_nearest(text, all, n);
	if (nearest) {
		diag_help(diag, "did you mean '%s'?", nearest);
		return;
	}
	if (n > LISTED_MAX)
		return;
	for (i = 0; i < n && at < sizeof(list); i++)
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
				       i ? ", " : "", all[i]);
	if (at < sizeof(list) && n == 1)
		diag_help(diag, "the only %s is '%s'", what, list);
	else if (at < sizeof(list))
		diag_help(diag, "the %s%s are: %s", stem, plural, list);
}
