/* SPDX-License-Identifier: GPL-2.0-or-later */
/* salctl's words about flows, interfaces and the policy. */
#include "base/units.h"
#include "node/app/salctl_words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool get_number(const char *text, json_t *request, const char *key)
{
	unsigned long n;
	char *end;

	if (!text || text[0] == '-')
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > UINT32_MAX)
		return false;
	json_object_set_new(request, key, json_integer((json_int_t)n));
	return true;
}

/* ---- flows -------------------------------------------------------------- */

int build_migrate(struct words *w, json_t *request)
{
	const char *flow = next_word(w), *to = next_word(w);

	if (!to || !get_number(flow, request, "flow"))
		return usage_error("expected FLOW ADDR, or FLOW any", flow);
	json_object_set_new(request, "to",
			    strcmp(to, "any") ? json_string(to) : json_null());
	return build_nothing(w, request);
}

int build_flow(struct words *w, json_t *request)
{
	const char *flow = next_word(w);

	if (!get_number(flow, request, "flow"))
		return usage_error("expected a flow's ID, as \"flow list\" has "
				   "it",
				   flow);
	return build_nothing(w, request);
}

/* ---- interfaces --------------------------------------------------------- */

static int take_cap(struct words *w, json_t *request)
{
	const char *text = next_word(w);
	int64_t bps;

	if (!text || units_parse_rate_bps(text, &bps))
		return usage_error("expected a rate (512kbit, 10mbit) after "
				   "\"cap\"",
				   text);
	json_object_set_new(request, "cap_bps", json_integer(bps));
	return 0;
}

int build_interface(struct words *w, json_t *request)
{
	const char *name = next_word(w), *word;
	int r = 0;

	if (!name)
		return usage_error("expected NAME [cost N] [metered] [cap "
				   "RATE]",
				   NULL);
	json_object_set_new(request, "interface", json_string(name));
	while (!r && (word = next_word(w)) != NULL) {
		if (!strcmp(word, "metered"))
			json_object_set_new(request, "metered", json_true());
		else if (!strcmp(word, "cap"))
			r = take_cap(w, request);
		else if (strcmp(word, "cost") != 0)
			r = usage_error("expected \"cost\", \"metered\" or "
					"\"cap\"",
					word);
		else if (!get_number(next_word(w), request, "cost"))
			r = usage_error("expected a number after", word);
	}
	return r;
}

/* ---- the policy --------------------------------------------------------- */

static const struct {
	const char *word, *field;
	int value; /* -1: the word itself */
} policy_words[] = {
	{ "order", "by", -1 },
	{ "cost", "by", -1 },
	{ "avoid-metered", "avoid_metered", 1 },
	{ "take-metered", "avoid_metered", 0 },
	{ "go-back", "go_back", 1 },
	{ "stay", "go_back", 0 },
};

#define POLICY_WORDS (sizeof(policy_words) / sizeof(policy_words[0]))

static size_t find_policy_word(const char *word)
{
	size_t i = 0;

	while (i < POLICY_WORDS && strcmp(word, policy_words[i].word) != 0)
		i++;
	return i;
}

/* "eth1,eth0", or "any", if that is what comes next. */
static void take_order(struct words *w, json_t *request)
{
	json_t *names = json_array();
	const char *at;

	if (!w->n || find_policy_word(w->v[0]) < POLICY_WORDS) {
		json_decref(names);
		return;
	}
	at = next_word(w);
	while (strcmp(at, "any") != 0) {
		size_t len = strcspn(at, ",");

		json_array_append_new(names, json_stringn(at, len));
		if (!at[len])
			break;
		at += len + 1;
	}
	json_object_set_new(request, "order", names);
}

/* "after 2s"; without it, at once. */
static int take_hold(struct words *w, json_t *request)
{
	json_object_set_new(request, "hold_ms", json_integer(0));
	if (!w->n || strcmp(w->v[0], "after") != 0)
		return 0;
	next_word(w);
	return take_time(w, request, "after", "hold_ms");
}

int build_policy(struct words *w, json_t *request)
{
	const char *word = next_word(w);
	int r = 0;

	if (!word)
		return usage_error("expected what the policy is to be", NULL);
	for (; word && !r; word = next_word(w)) {
		size_t i = find_policy_word(word);

		if (i == POLICY_WORDS)
			return usage_error("no policy has the word", word);
		json_object_set_new(
			request, policy_words[i].field,
			policy_words[i].value < 0 ?
				json_string(word) :
				json_boolean(policy_words[i].value));
		if (!strcmp(word, "order"))
			take_order(w, request);
		else if (!strcmp(word, "go-back"))
			r = take_hold(w, request);
	}
	return r;
}
