/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All commands read their words in one way: options anywhere, --help among
 * them, "--" before a file that looks like one, and an option that there is
 * not is told as such instead of being taken for a file.
 */
#include "orchestrator/cli/cli.h"

#include "base/clock.h"
#include "base/units.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MAX_NS (10000 * 3600 * NSEC_PER_SEC)

#define LONGS_MAX 32

/* The part of "--results=DIR" that is a name, without the dashes. */
static size_t name_of(const char *word, const char **name)
{
	*name = word + strspn(word, "-");
	return strcspn(*name, "=");
}

static void tell_unknown(const char *command, const char *word,
			 const struct option *longs)
{
	const char *names[LONGS_MAX], *name, *near;
	size_t len = name_of(word, &name), n = 0, begin = 0;
	char text[64];

	/* Of short ones, several may stand in one word. */
	if (strncmp(word, "--", 2) != 0) {
		usage_error(command, "there is no option '-%c'", optopt);
		return;
	}
	for (; n < LONGS_MAX && longs[n].name; n++) {
		names[n] = longs[n].name;
		begin += !strncmp(names[n], name, len);
	}
	snprintf(text, sizeof(text), "%.*s", (int)len, name);
	near = diag_nearest(text, names, n);
	if (begin > 1)
		usage_error(command,
			    "'--%s' could be more than one option; write more "
			    "of it",
			    text);
	else if (begin == 1)
		usage_error(command, "'--%s' takes no value", text);
	else if (near)
		usage_error(command,
			    "there is no option '--%s'; did you mean '--%s'?",
			    text, near);
	else
		usage_error(command, "there is no option '--%s'", text);
}

int next_option(int argc, char **argv, const char *shorts,
		const struct option *longs, int *code)
{
	char *help[] = { (char *)"help", argv[0], NULL };
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	switch (c) {
	case OPTION_HELP:
		*code = cmd_help(2, help);
		return OPTION_STOP;
	case ':':
		*code = usage_error(argv[0], "'%s' wants a value",
				    argv[optind - 1]);
		return OPTION_STOP;
	case '?':
		tell_unknown(argv[0], argv[optind - 1], longs);
		*code = EXIT_USAGE;
		return OPTION_STOP;
	default:
		return c;
	}
}

int take_timeout(const char *command, const char *text, int64_t *timeout_ns)
{
	int64_t ns = 0;

	if (strcmp(text, "none") != 0 &&
	    (units_parse_duration_ns(text, &ns) || !ns || ns > TIMEOUT_MAX_NS))
		return usage_error(command,
				   "'%s' is no time for --timeout; write one "
				   "such as 90s or 10min, or none",
				   text);
	*timeout_ns = ns;
	return 0;
}

bool take_words(int argc, char **argv, int *code)
{
	static const struct option longs[] = { OPTION_HELP_LONG, { 0 } };

	return next_option(argc, argv, ":h", longs, code) != OPTION_STOP;
}
