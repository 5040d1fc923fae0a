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
	uint64_t retries; /* of an invalid run */
	bool stop; /* help was all that was wanted */
};

#define RETRIES_MAX 1000

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
		{ "retry-invalid", required_argument, NULL, 'R' },
		{ "inject-failure", required_argument, NULL, 'F' },
		{ "timeout", required_argument, NULL, 'T' },
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
		case 'R':
			if (units_parse_uint(optarg, RETRIES_MAX, &o->retries))
				return usage_error("run",
						   "write --retry-invalid N, a "
						   "number from 0 to %d",
						   RETRIES_MAX);
			break;
		case 'F':
			if (!parse_failure(optarg, o))
				return usage_error("run",
						   "write --inject-failure "
						   "K[:ERRNO], K from 1, ERRNO "
						   "a name or a number");
			break;
		case 'T':
			code = take_timeout("run", optarg, &o->run.timeout_ns);
			if (code)
				return code;
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

/*
 * Again while a run is invalid, and told: nothing is retried silently. Each has
 * a record of its own, and the last one says how it went.
 */
static int run_until_valid(const struct options *o, struct loaded *l)
{
	uint64_t invalid = 0;
	int code = run_once(&o->run, l, NULL);

	while (code == EXIT_INVALID && invalid < o->retries) {
		invalid++;
		printf("\nthe run is invalid: again, %llu of at most %llu "
		       "times\n\n",
		       (unsigned long long)invalid,
		       (unsigned long long)o->retries);
		fflush(stdout);
		code = run_once(&o->run, l, NULL);
	}
	if (!o->retries)
		return code;
	invalid += code == EXIT_INVALID;
	printf("\nruns: %llu invalid, %s\n", (unsigned long long)invalid,
	       code == EXIT_HELD      ? "1 passed" :
	       code == EXIT_NOT_HELD  ? "1 failed" :
	       code == EXIT_INVALID   ? "none valid" :
	       code == EXIT_TIMED_OUT ? "and one that timed out" :
					"and one that broke");
	return code;
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
		code = run_until_valid(&o, &l);
	unload_scenario(&l);
	return code;
}
