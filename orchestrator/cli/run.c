/* SPDX-License-Identifier: GPL-2.0-or-later */
/* servalab run: one scenario, its progress and its summary. */
#include "orchestrator/cli/run_once.h"

#include "base/units.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#define ERRNO_MAX 4095 /* the kernel's own */

struct options {
	struct run_options run;
	const char *scenario;
	bool stop; /* help was all that was wanted */
};

/* ---- command line ------------------------------------------------------ */

/* By name or number; 0: it is neither. */
static int parse_errno(const char *text)
{
	uint64_t code;

	if (!units_parse_uint(text, ERRNO_MAX, &code))
		return (int)code;
	for (int i = 1; i <= ERRNO_MAX; i++) {
		const char *name = strerrorname_np(i);

		if (name && !strcmp(name, text))
			return i;
	}
	return 0;
}

/* "K" or "K:ERRNO" */
static bool parse_failure(char *text, struct options *o)
{
	char *colon = strchr(text, ':');

	o->run.fail_errno = ENOBUFS;
	if (colon) {
		*colon = '\0';
		o->run.fail_errno = parse_errno(colon + 1);
	}
	return !units_parse_uint(text, UINT64_MAX, &o->run.fail_at) &&
	       o->run.fail_at && o->run.fail_errno;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		OPTION_HELP_LONG,
		{ "results", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "calibrate", no_argument, NULL, 'C' },
		{ "pause-on-failure", no_argument, NULL, 'P' },
		{ "inject-failure", required_argument, NULL, 'F' },
		{ 0 },
	};
	int c, code;

	memset(o, 0, sizeof(*o));
	o->run.results = "results";
	while ((c = next_option(argc, argv, ":hr:s:q", longs, &code)) != -1) {
		switch (c) {
		case 'r':
			if (!*optarg)
				return usage_error("run",
						   "'' is no folder; write "
						   "--results DIR");
			o->run.results = optarg;
			break;
		case 's':
			if (units_parse_uint(optarg, UINT64_MAX, &o->run.seed))
				return usage_error("run",
						   "'%s' is no seed; write a "
						   "whole number",
						   optarg);
			o->run.has_seed = true;
			break;
		case 'q':
			o->run.quiet = true;
			break;
		case 'C':
			o->run.calibrate = true;
			break;
		case 'P':
			o->run.pause_on_failure = true;
			break;
		case 'F':
			if (!parse_failure(optarg, o))
				return usage_error("run",
						   "write --inject-failure "
						   "K[:ERRNO], K from 1, ERRNO "
						   "a name or a number");
			break;
		default: /* OPTION_STOP */
			o->stop = true;
			return code;
		}
	}
	if (optind != argc - 1)
		return usage_error(
			"run", optind == argc ? "name a scenario file" :
						"name one scenario file only");
	o->scenario = argv[optind];
	if (o->run.pause_on_failure && !isatty(STDIN_FILENO))
		return usage_error("run",
				   "--pause-on-failure needs a terminal to ask "
				   "at, and standard input is none");
	return 0;
}

int cmd_run(int argc, char **argv)
{
	struct options o;
	struct loaded l;
	int code = parse_options(argc, argv, &o);

	if (code || o.stop)
		return code;
	/* What the caller has open is none of the lab's programs' business. */
	close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	setlocale(LC_CTYPE, "");
	code = load_scenario(o.scenario, &l);
	if (!code && o.run.has_seed)
		l.scenario->seed = o.run.seed;
	if (!code)
		code = run_once(&o.run, &l, NULL);
	unload_scenario(&l);
	return code;
}
