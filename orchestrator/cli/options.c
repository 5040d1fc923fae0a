/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All commands read their words in one way: options anywhere, --help among
 * them, "--" before a file that looks like one, and an option that there is
 * not is told as such instead of being taken for a file.
 */
#include "orchestrator/cli/cli.h"

#include <getopt.h>
#include <string.h>

static void tell_unknown(const char *command, const char *word)
{
	/* Of short ones, several may stand in one word. */
	if (strncmp(word, "--", 2) != 0 && optopt)
		usage_error(command, "there is no option '-%c'", optopt);
	else
		usage_error(command, "there is no option '%s'", word);
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
		tell_unknown(argv[0], argv[optind - 1]);
		*code = EXIT_USAGE;
		return OPTION_STOP;
	default:
		return c;
	}
}

bool take_words(int argc, char **argv, int *code)
{
	static const struct option longs[] = { OPTION_HELP_LONG, { 0 } };

	return next_option(argc, argv, ":h", longs, code) != OPTION_STOP;
}
