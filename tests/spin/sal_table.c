/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's table of transitions (node/sal/transitions.h) in other forms:
 *
 *     sal_table markdown   the tables of docs/sal-protocol.md
 *     sal_table promela    one inline a happening, for tests/spin/migration.pml
 *     sal_table check      says what is wrong with it; 1 if anything is
 */
#include "node/sal/sal.h"
#include "node/sal/transitions.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ROW_ACTIONS 4
#define COUNT(v) (sizeof(v) / sizeof(*(v)))

struct named {
	const char *name, *text, *kind;
};

static const struct named happenings[] = {
#define HAPPENING(name, kind, text) { #name, text, #kind },
	SAL_HAPPENINGS(HAPPENING)
};
static const struct named conditions[] = {
#define NAMED(name, text) { #name, text, NULL },
	SAL_CONDITIONS(NAMED)
};
static const struct named actions[] = { SAL_ACTIONS(NAMED) };

struct row {
	const char *state, *on, *condition, *first, *next;
	const char *then[ROW_ACTIONS];
};

#define THEN(...) THEN_(__VA_ARGS__, nothing, nothing, nothing, nothing)
#define THEN_(a, b, c, d, ...)                                                 \
	{                                                                      \
#a, #b, #c, #d                                                 \
	}

static const struct row rows[] = {
#define ROW(from, on, cond, first, to, then)                                   \
	{ #from, #on, #cond, #first, #to, THEN then },
	SAL_TRANSITIONS(ROW)
};

static bool same(const char *a, const char *b)
{
	return !strcmp(a, b);
}

static bool is_nothing(const char *action)
{
	return same(action, "nothing");
}

static bool stays(const struct row *r)
{
	return same(r->state, r->next);
}

/* ---- markdown ----------------------------------------------------------- */

/* The same but for the state; "stays" is the same as "stays". */
static bool alike(const struct row *a, const struct row *b)
{
	bool next = stays(a) ? stays(b) : same(a->next, b->next) && !stays(b);

	for (int i = 0; i < ROW_ACTIONS; i++)
		if (!same(a->then[i], b->then[i]))
			return false;
	return next && same(a->on, b->on) && same(a->condition, b->condition) &&
	       same(a->first, b->first);
}

static void print_actions(const struct row *r)
{
	const char *comma = "";

	if (!is_nothing(r->first)) {
		printf("%s", r->first);
		comma = ", ";
	}
	for (int i = 0; i < ROW_ACTIONS; i++) {
		if (is_nothing(r->then[i]))
			continue;
		printf("%s%s", comma, r->then[i]);
		comma = ", ";
	}
}

static void markdown_rows(const char *on)
{
	bool done[COUNT(rows)] = { false };

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *comma = "";

		if (!same(rows[i].on, on) || done[i])
			continue;
		printf("| %s | ", on);
		for (size_t k = i; k < COUNT(rows); k++) {
			if (done[k] || !alike(&rows[i], &rows[k]))
				continue;
			done[k] = true;
			printf("%s%s", comma, rows[k].state);
			comma = ", ";
		}
		printf(" | %s | ", same(rows[i].condition, "always") ?
					   "" :
					   rows[i].condition);
		print_actions(&rows[i]);
		printf(" | %s |\n", stays(&rows[i]) ? "stays" : rows[i].next);
	}
}

static void markdown_names(const char *title, const struct named *v, size_t n)
{
	printf("\n| %s | |\n|---|---|\n", title);
	for (size_t i = 0; i < n; i++)
		if (v[i].text[0])
			printf("| `%s` | %s%s |\n", v[i].name, v[i].text,
			       v[i].kind && same(v[i].kind, "PACKET") ?
				       " (packet)" :
				       "");
}

static void markdown(void)
{
	printf("| happens | in | if | do | next |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < COUNT(happenings); i++)
		markdown_rows(happenings[i].name);
	markdown_names("happens", happenings, COUNT(happenings));
	markdown_names("if", conditions, COUNT(conditions));
	markdown_names("do", actions, COUNT(actions));
}

/* ---- promela ------------------------------------------------------------ */

static void promela_row(const struct row *r)
{
	printf("\t:: state[h] == %s && if_%s(h) ->\n\t\t", r->state,
	       r->condition);
	if (!is_nothing(r->first))
		printf("do_%s(h); ", r->first);
	printf("state[h] = %s;", r->next);
	for (int i = 0; i < ROW_ACTIONS; i++)
		if (!is_nothing(r->then[i]))
			printf(" do_%s(h);", r->then[i]);
	printf("\n");
}

static void promela(void)
{
	printf("/* Made by sal_table from node/sal/transitions.h. */\n\n");
	for (int i = 0; i < SAL_STATE_COUNT_; i++)
		printf("#define %s %d\n", sal_state_name((enum sal_state)i), i);
	printf("#define if_always(h) true\n");
	for (size_t i = 0; i < COUNT(happenings); i++) {
		printf("\n/* %s */\ninline on_%s(h) {\n\tif\n",
		       happenings[i].text, happenings[i].name);
		for (size_t k = 0; k < COUNT(rows); k++)
			if (same(rows[k].on, happenings[i].name))
				promela_row(&rows[k]);
		printf("\t:: else\n\tfi\n}\n");
	}
}

/* ---- check -------------------------------------------------------------- */

static int wrong;

static void complain(const struct row *r, const char *what)
{
	fprintf(stderr, "%s, %s, %s: %s\n", r->state, r->on, r->condition,
		what);
	wrong++;
}

static void check_row(const struct row *r)
{
	if (same(r->next, "CLOSED") && !is_nothing(r->then[0]))
		complain(r, "acts on a flow that is gone");
	if (same(r->state, "LISTEN") || same(r->next, "LISTEN"))
		complain(r, "no flow is ever in LISTEN");
	for (const struct row *o = rows; o < r; o++)
		if (same(o->state, r->state) && same(o->on, r->on) &&
		    (same(o->condition, r->condition) ||
		     same(o->condition, "always")))
			complain(r, "an earlier row takes all that this has");
}

static bool reachable(const char *state)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (same(rows[i].next, state) && !stays(&rows[i]))
			return true;
	return same(state, "LISTEN");
}

static bool is_left(const char *state)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (same(rows[i].state, state) && !stays(&rows[i]))
			return true;
	return same(state, "LISTEN");
}

static bool has_row(const char *state, const char *on)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (same(rows[i].state, state) && same(rows[i].on, on))
			return true;
	return false;
}

/* What each flow may see at any time. */
static const char *const everywhere[] = { "ADDRESS", "NO_ADDRESS" };

static void check_state(const char *state)
{
	if (!reachable(state) || !is_left(state)) {
		fprintf(stderr, "%s: a dead end\n", state);
		wrong++;
	}
	if (same(state, "LISTEN") || same(state, "CLOSED"))
		return;
	for (size_t i = 0; i < COUNT(everywhere); i++) {
		if (has_row(state, everywhere[i]))
			continue;
		fprintf(stderr, "%s: no row for %s\n", state, everywhere[i]);
		wrong++;
	}
}

static void check_used(const struct named *n, const char *what, bool used)
{
	if (used)
		return;
	fprintf(stderr, "%s %s: of no use to any row\n", what, n->name);
	wrong++;
}

static bool acts(const struct row *r, const char *action)
{
	bool found = same(r->first, action);

	for (int i = 0; i < ROW_ACTIONS; i++)
		found |= same(r->then[i], action);
	return found;
}

static int check(void)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		check_row(&rows[i]);
	for (int i = 0; i < SAL_STATE_COUNT_; i++)
		check_state(sal_state_name((enum sal_state)i));
	for (size_t i = 0; i < COUNT(actions); i++) {
		bool used = false;

		for (size_t k = 0; k < COUNT(rows); k++)
			used |= acts(&rows[k], actions[i].name);
		check_used(&actions[i], "action", used);
	}
	for (size_t i = 0; i < COUNT(conditions); i++) {
		bool used = false;

		for (size_t k = 0; k < COUNT(rows); k++)
			used |= same(rows[k].condition, conditions[i].name);
		check_used(&conditions[i], "condition", used);
	}
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && same(argv[1], "markdown")) {
		markdown();
	} else if (argc == 2 && same(argv[1], "promela")) {
		promela();
	} else if (argc == 2 && same(argv[1], "check")) {
		return check();
	} else {
		fprintf(stderr, "usage: sal_table markdown|promela|check\n");
		return 2;
	}
	return 0;
}
