/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *words, *summary;
	const char *details; /* NULL: the summary says it all */
} commands[] = {
	{ "run", cmd_run, "[OPTIONS] FILE",
	  "build the lab of a scenario, play it, judge it",
	  "  -r, --results DIR   keep the record below DIR (default: results)\n"
	  "  -s, --seed N        use this seed instead of the scenario's\n"
	  "  -q, --quiet         print the summary only, no progress\n"
	  "      --timeout TIME  end a run that takes longer, such as 90s or "
	  "10min\n"
	  "                      (default: none)\n"
	  "      --retry-invalid N\n"
	  "                      where a run is invalid, run again, up to N "
	  "times; each\n"
	  "                      is told and has a record of its own\n"
	  "      --pause-on-failure\n"
	  "                      where an expectation does not hold, stop the "
	  "clock and\n"
	  "                      give shells in the nodes, before the lab is "
	  "taken down\n"
	  "      --calibrate     first have the emulator of links measure what "
	  "it can do\n"
	  "      --inject-failure K[:ERRNO]\n"
	  "                      make the K-th operation on the kernel fail "
	  "with that\n"
	  "                      error (ENOBUFS, or any name or number), to "
	  "see how\n"
	  "                      it is told and unwound\n"
	  "\n"
	  "The record is kept in DIR/NAME/TIME, NAME being the scenario's; its "
	  "summary\n"
	  "is printed. Ctrl-C ends a run early with the record written; "
	  "twice, at once.\n"
	  "\n"
	  "Exit codes:\n"
	  "  0              every expectation held\n"
	  "  1              one did not\n"
	  "  2              the scenario or the command line is wrong\n"
	  "  3              the lab could not be built, or broke\n"
	  "  4              the run is invalid: it cannot be judged, and the "
	  "summary says why\n"
	  "  124            it took longer than --timeout\n"
	  "  129, 130, 143  interrupted by SIGHUP, SIGINT (Ctrl-C) or "
	  "SIGTERM\n" },
	{ "test", cmd_test, "[OPTIONS] FILE...",
	  "run many scenarios, and give one verdict",
	  "  -j, --jobs N        at most N runs at once (default: one a core; "
	  "more\n"
	  "                      would keep each other from being in time)\n"
	  "  -r, --results DIR   keep the records below DIR (default: "
	  "results)\n"
	  "  -s, --seed N        use this seed instead of the scenarios'\n"
	  "  -q, --quiet         tell only of runs that are not passed\n"
	  "      --junit FILE    write the results as JUnit's XML\n"
	  "      --tap FILE      write them by the Test Anything Protocol; -: "
	  "to standard\n"
	  "                      output, and what people read to standard "
	  "error\n"
	  "      --timeout TIME  end a run that takes longer; none: let it. "
	  "Default: the\n"
	  "                      scenario's duration and 60 s, or, where it "
	  "has none,\n"
	  "                      10 minutes more than its timeline and probes "
	  "take;\n"
	  "                      and the longest times that it may wait for "
	  "processes\n"
	  "                      to be ready and expectations to hold "
	  "('within')\n"
	  "      --repeat N      run each scenario N times\n"
	  "      --until-fail    run all again and again, until one fails\n"
	  "      --retry-invalid N\n"
	  "                      try a run that is invalid again, up to N "
	  "times,\n"
	  "                      alone, when all others are over\n"
	  "\n"
	  "All scenarios are checked first; where one has a mistake, none is "
	  "run, and\n"
	  "the files for other programs say so.\n"
	  "\n"
	  "Exit codes, the first that is true:\n"
	  "  129, 130, 143  interrupted by SIGHUP, SIGINT (Ctrl-C) or "
	  "SIGTERM\n"
	  "  2              a scenario or the command line is wrong\n"
	  "  3              a lab could not be built, or broke\n"
	  "  124            a run took too long (--timeout)\n"
	  "  1              an expectation did not hold\n"
	  "  4              a run is invalid: it cannot be judged\n"
	  "  0              all passed\n" },
	{ "check", cmd_check, "FILE...", "say all that is wrong with scenarios",
	  "Prints nothing and exits 0 where there is nothing wrong, else 2.\n"
	  "Nothing is built.\n" },
	{ "plan", cmd_plan, "FILE",
	  "print what 'run' would build, without building it",
	  "Networks, addresses, services, every operation with the line of "
	  "the\n"
	  "scenario that asks for it, and the timeline.\n" },
	{ "compare", cmd_compare, "RECORD...",
	  "print what the probes of runs saw, side by side",
	  "RECORD is the folder of a run's record, or its results.json; at "
	  "most 7 of\n"
	  "them. Probes of the same name stand in the same rows; others by "
	  "their order.\n"
	  "Runs of the same name are told apart by their records and seeds. "
	  "Exits 0, or 2\n"
	  "where a record can't be read.\n" },
	{ "doctor", cmd_doctor, "",
	  "say what this kernel allows, and the remedies",
	  "Exits 0 where labs can be built, those with sal services and "
	  "emulated links\n"
	  "included; else 3.\n" },
	{ "version", cmd_version, "", "print the version", NULL },
	{ "help", cmd_help, "[COMMAND]", "print help", NULL },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static bool is_file(const char *name)
{
	struct stat st;

	return !stat(name, &st) && S_ISREG(st.st_mode);
}

static int unknown_command(const char *name)
{
	const char *names[COMMANDS];
	const char *near;

	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	near = diag_nearest(name, names, COMMANDS);
	if (*name == '-')
		fprintf(stderr,
			"servalab: '%s' stands in the place of a command; "
			"options come behind one",
			name);
	else
		fprintf(stderr, "servalab: there is no command '%s'", name);
	if (near)
		fprintf(stderr, "; did you mean '%s'?", near);
	else if (is_file(name))
		fprintf(stderr, "; did you mean 'servalab run %s'?", name);
	fprintf(stderr, "\nTry 'servalab help'.\n");
	return EXIT_USAGE;
}

static void print_help(FILE *out)
{
	fprintf(out,
		"servalab builds a network out of namespaces from a scenario "
		"file, plays\nmigrations and failures against unmodified "
		"programs, and says what each\nconversation lived through.\n"
		"\nusage: servalab COMMAND ...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %-18s %s\n", commands[i].name,
			commands[i].words, commands[i].summary);
	fprintf(out, "\n'servalab help COMMAND' says more about one. See "
		     "servalab(1).\n");
}

static void print_command_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: servalab %s%s%s\n\n%c%s.\n", c->name,
		*c->words ? " " : "", c->words, toupper(*c->summary),
		c->summary + 1);
	if (c->details)
		fprintf(out, "\n%s", c->details);
}

int cmd_help(int argc, char **argv)
{
	const struct command *c;
	const char *name;
	int code;

	/* Other commands come here for their --help. */
	optind = 1;
	if (!take_words(argc, argv, &code))
		return code;
	if (optind == argc) {
		print_help(stdout);
		return EXIT_HELD;
	}
	if (optind < argc - 1)
		return usage_error("help", "name one command only");
	name = argv[optind];
	c = find_command(name);
	if (!c)
		return unknown_command(name);
	print_command_help(c, stdout);
	return EXIT_HELD;
}

int cmd_version(int argc, char **argv)
{
	int code;

	if (!take_words(argc, argv, &code))
		return code;
	if (optind < argc)
		return usage_error("version", "it takes no words");
	printf("servalab %s\n", SERVALAB_VERSION);
	return EXIT_HELD;
}

int usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "servalab %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry 'servalab help %s'.\n", command);
	return EXIT_USAGE;
}

static bool reader_is_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP);
}

/*
 * Who has read enough of it ("| head", "| grep -q") does not change how
 * anything ended. A disk that is full does: what was to be kept is not.
 */
static int end_output(int code)
{
	bool failed = ferror(stdout); /* and its errno is gone */
	int why = fflush(stdout) ? errno : 0;

	if ((!failed && !why) || why == EPIPE || (!why && reader_is_gone()))
		return code;
	fprintf(stderr, "servalab: error: standard output: %s\n",
		why ? strerror(why) : "not all of it could be written");
	return code ? code : EXIT_BROKEN;
}

int main(int argc, char **argv)
{
	const struct command *c;
	const char *name;

	/* Of all commands, since what a run leaves behind matters more than its
	 * reader, and the exit status of none is the reader's. Whatever runs in
	 * a node has it as it was (enter_node()). */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	name = argv[1];
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	else if (!strcmp(name, "--version"))
		name = "version";
	c = find_command(name);
	if (!c)
		return unknown_command(name);
	argv[1] = (char *)c->name;
	return end_output(c->run(argc - 1, argv + 1));
}
