/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands share. Only this folder prints and decides exit codes. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/diag.h"
#include "base/err.h"
#include "orchestrator/plan/plan.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>

enum exit_code {
	EXIT_HELD = 0, /* every expectation held */
	EXIT_NOT_HELD = 1,
	EXIT_USAGE = 2, /* the command line or the scenario is wrong */
	EXIT_BROKEN = 3, /* the lab could not be built, or broke */
	EXIT_INVALID = 4, /* the run cannot be judged */
	EXIT_TIMED_OUT = 124, /* it took too long; as timeout(1) has it */
	EXIT_SIGNAL = 128, /* plus the signal that interrupted */
};

/* Each command gets its own words only, argv[0] being the command's name. */
int cmd_run(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* A scenario that was read and planned, with what may be quoted from it. */
struct loaded {
	struct diag *diag;
	struct scenario *scenario;
	struct plan *plan;
	struct err err; /* why it could not be read; code 0: diag says why */
};

/*
 * Reads, checks and plans; prints everything that is wrong on standard error.
 * 0, or the exit code. loaded is to be unloaded either way.
 */
int load_scenario(const char *path, struct loaded *out);
void unload_scenario(struct loaded *l);

/* "servalab: error: ...", with the place in the scenario (diag may be NULL)
 * and the remedy, on standard error. */
void print_error(const struct diag *diag, const struct err *err);

/* Tries all that a plan needs of the kernel, and prints what is missing, why,
 * and the remedy, in the doctor's words. */
void check_features(const struct plan *plan);
/* Can a lab that wants TUN devices have them? If not, that is told as above. */
bool check_tun(const struct plan *plan);
/* The same for links that are to be the kernel's, and need its netem. */
bool check_netem(const struct plan *plan);
bool check_mptcp(const struct plan *plan);

/*
 * getopt_long(), for the words of one command. -1 when there are no more
 * options; OPTION_STOP where the command is to end with *code: help was asked
 * for and printed, or the option is wrong, which was told. shorts begin with
 * ":h", and longs with OPTION_HELP_LONG.
 */
#define OPTION_STOP '?'
#define OPTION_HELP 'h'
#define OPTION_HELP_LONG                                                       \
	{                                                                      \
		"help", no_argument, NULL, OPTION_HELP                         \
	}
int next_option(int argc, char **argv, const char *shorts,
		const struct option *longs, int *code);

/* For a command without options: its words begin at argv[optind]. False: it is
 * to end with *code. */
bool take_words(int argc, char **argv, int *code);

/* The value of --timeout: a duration, or "none", which is 0. 0, or the exit
 * code. */
int take_timeout(const char *command, const char *text, int64_t *timeout_ns);

/* Columns of the terminal at fd, or a default. */
unsigned terminal_width(int fd);
/* Is fd a terminal, and do the user's settings not speak against colours? */
bool wants_color(int fd);

/*
 * SIGHUP, SIGINT and SIGTERM are blocked, in children as well (the lab's
 * processes get the defaults back), and come from the descriptor that is
 * returned; SIGCHLD where children. One that the caller ignores (nohup(1), a
 * shell's background job) stays so: blocked, it would be seen. *old (may be
 * NULL): what was blocked before. -1 with errno.
 */
int take_signals(bool children, sigset_t *old);

/* What to do where the error is that something ran out; NULL: it is another. */
const char *resource_hint(int code);

/*
 * The sald to run in hosts; buf, of PATH_MAX bytes, holds the path. NULL: there
 * is none. To be asked where the host's files are still seen.
 */
const char *find_sald(char *buf);
/* The resolver of names, likewise. */
const char *find_resolver(char *buf);

/* One line for a wrong command line; returns EXIT_USAGE. */
int usage_error(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
