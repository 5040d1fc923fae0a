/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of "salctl service ...", which are those of "ip route" as far as
 * that has any: a prefix ("default" is all), where to, and then pairs of a word
 * and its value, in any order.
 */
#include "node/app/salctl_words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void set_text(json_t *request, const char *key, const char *text)
{
	json_object_set_new(request, key, json_string(text));
}

static void set_number(json_t *request, const char *key, unsigned long n)
{
	json_object_set_new(request, key, json_integer((json_int_t)n));
}

/* Digits, and what follows them. */
static bool parse_number(const char *text, unsigned long *n, char **end)
{
	errno = 0;
	*n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, end, 10) : 0;
	return !errno && text[0] >= '0' && text[0] <= '9' && *n <= UINT32_MAX;
}

static int take_number(struct words *w, json_t *request, const char *word,
		       const char *field)
{
	const char *text = next_word(w);
	unsigned long n;
	char *end;

	if (!text || !parse_number(text, &n, &end) || *end)
		return usage_error("expected a number after", word);
	set_number(request, field, n);
	return 0;
}

/* "1500ms", "30s", "5m", "2h" */
int take_time(struct words *w, json_t *request, const char *word,
	      const char *field)
{
	static const struct {
		const char *unit;
		unsigned long ms;
	} units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }
	};
	const char *text = next_word(w);
	unsigned long n;
	char *end;

	if (text && parse_number(text, &n, &end)) {
		for (int i = 0; i < 4; i++) {
			if (strcmp(end, units[i].unit) != 0)
				continue;
			set_number(request, field, n * units[i].ms);
			return 0;
		}
		if (!n && !*end) {
			set_number(request, field, 0);
			return 0;
		}
	}
	return usage_error("expected a time (1500ms, 30s, 5m, 2h) after", word);
}

static const struct {
	const char *word, *field;
	int (*take)(struct words *w, json_t *request, const char *word,
		    const char *field);
} pairs[] = {
	{ "priority", "priority", take_number },
	{ "weight", "weight", take_number },
	{ "idle", "idle_ms", take_time },
	{ "timeout", "hard_ms", take_time },
	{ "hold", "hold_ms", take_time },
};

static int take_pairs(struct words *w, json_t *request)
{
	const char *word;

	while ((word = next_word(w)) != NULL) {
		size_t n = sizeof(pairs) / sizeof(*pairs), i = 0;
		int status;

		if (!strcmp(word, "refuse")) {
			json_object_set_new(request, "refuse", json_true());
			continue;
		}
		while (i < n && strcmp(pairs[i].word, word) != 0)
			i++;
		if (i == n)
			return usage_error("expected \"priority\", \"weight\", "
					   "\"idle\", \"timeout\", \"hold\" or "
					   "\"refuse\"",
					   word);
		if (json_object_get(request, pairs[i].field))
			return usage_error("given twice", word);
		status = pairs[i].take(w, request, word, pairs[i].field);
		if (status)
			return status;
	}
	return 0;
}

static int take_prefix(struct words *w, json_t *request)
{
	const char *prefix = next_word(w);

	if (!prefix)
		return usage_error("expected the prefix of a service ID", NULL);
	set_text(request, "service",
		 strcmp(prefix, "default") ? prefix : "0/0");
	return 0;
}

static int take_target(struct words *w, json_t *request)
{
	const char *kind = next_word(w), *to;

	if (!kind)
		return usage_error("expected demux, via ADDR, delay or drop",
				   NULL);
	if (!strcmp(kind, "via") || !strcmp(kind, "forward")) {
		to = next_word(w);
		if (!to)
			return usage_error("expected an address after", kind);
		set_text(request, "to", to);
		kind = "forward";
	} else if (strcmp(kind, "demux") != 0 && strcmp(kind, "delay") != 0 &&
		   strcmp(kind, "drop") != 0) {
		return usage_error("expected demux, via ADDR, delay or drop",
				   kind);
	}
	set_text(request, "kind", kind);
	return 0;
}

int build_rule(struct words *w, json_t *request)
{
	int status = take_prefix(w, request);

	if (!status)
		status = take_target(w, request);
	return status ? status : take_pairs(w, request);
}

int build_delete(struct words *w, json_t *request)
{
	int status = take_prefix(w, request);

	if (!status && w->n)
		status = take_target(w, request);
	return status ? status : build_nothing(w, request);
}

int build_list(struct words *w, json_t *request)
{
	int status = w->n ? take_prefix(w, request) : 0;

	return status ? status : build_nothing(w, request);
}

static int listen_error(const char *word)
{
	return usage_error("expected tcp/PORT, udp/PORT or off", word);
}

/* "ID tcp/80 [any]", "ID off" */
int build_listen(struct words *w, json_t *request)
{
	int status = take_prefix(w, request);
	const char *port = status ? NULL : next_word(w), *any;
	bool udp = port && !strncmp(port, "udp/", 4);
	unsigned long n;
	char *end;

	if (status)
		return status;
	if (!port)
		return listen_error(NULL);
	if (!strcmp(port, "off")) {
		set_number(request, "port", 0);
		return build_nothing(w, request);
	}
	if ((!udp && strncmp(port, "tcp/", 4) != 0) ||
	    !parse_number(port + 4, &n, &end) || *end || !n || n > UINT16_MAX)
		return listen_error(port);
	set_text(request, "protocol", udp ? "udp" : "tcp");
	set_number(request, "port", n);
	any = next_word(w);
	if (any && strcmp(any, "any") != 0)
		return usage_error("expected \"any\", or nothing", any);
	if (any)
		json_object_set_new(request, "any", json_true());
	return build_nothing(w, request);
}

static int build_verdict(struct words *w, json_t *request, const char *verdict)
{
	int status = take_number(w, request, verdict, "flow");

	set_text(request, "verdict", verdict);
	return status;
}

int build_release(struct words *w, json_t *request)
{
	int status = build_verdict(w, request, "release");
	const char *to = status ? NULL : next_word(w);

	if (to)
		set_text(request, "to", to);
	return status ? status : build_nothing(w, request);
}

int build_refuse(struct words *w, json_t *request)
{
	int status = build_verdict(w, request, "refuse");

	return status ? status : build_nothing(w, request);
}

int build_drop(struct words *w, json_t *request)
{
	int status = build_verdict(w, request, "drop");

	return status ? status : build_nothing(w, request);
}
