/* SPDX-License-Identifier: GPL-2.0-or-later */
/* salctl(8): one request to sald's control socket, and its answer. */
#include "base/cleanup.h"
#include "node/app/salctl_parts.h"
#include "node/app/salctl_print.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: salctl [-c PATH] [-f table|json] COMMAND | -b FILE\n"
	"\n"
	"  service [show|list [PREFIX]]\n"
	"  service add|change|replace PREFIX TARGET [priority N] [weight N]\n"
	"          [idle TIME] [timeout TIME]\n"
	"  service del|delete PREFIX [TARGET]\n"
	"      TARGET: demux | via ADDR | delay [hold TIME] | drop [refuse]\n"
	"  service listen ID tcp/PORT|udp/PORT [any]\n"
	"  service listen ID off\n"
	"  service delayed\n"
	"  service release FLOW [ADDR]\n"
	"  service refuse|drop FLOW\n"
	"  name set NAME ID [ADDR4] [ADDR6]\n"
	"  flow list\n"
	"  flow show FLOW\n"
	"  flow ended\n"
	"  flow migrate FLOW ADDR|any\n"
	"  flow hold|release|commit|abort FLOW\n"
	"  flow export FLOW > FILE\n"
	"  flow import < FILE\n"
	"  interface list\n"
	"  interface set NAME [cost N] [metered] [cap RATE]\n"
	"  policy show\n"
	"  policy set [order [NAME,NAME...|any]|cost] "
	"[avoid-metered|take-metered]\n"
	"             [go-back [after TIME]|stay]\n"
	"  stats\n"
	"  events\n"
	"  hello\n"
	"\n"
	"  -b, --batch FILE    the commands that are in FILE, one a line "
	"(\"-\": "
	"standard\n"
	"                      input): those of service, name set, and flow "
	"migrate,\n"
	"                      that change something\n"
	"  -c, --control PATH  the control socket ($SALCTL_SOCKET, or "
	"/run/sald.sock)\n"
	"  -f, --format FORM   table (the default), or json: what sald "
	"answered, as it is\n"
	"  --help, --version\n"
	"\n"
	"See salctl(8).\n";

/* ---- the conversation ------------------------------------------------- */

static int follow_events(FILE *f, bool as_json, char **line, size_t *size)
{
	for (;;) {
		json_t *o = receive(f, line, size);

		if (!o)
			return EXIT_NO_SALD;
		if (as_json)
			fputs(*line, stdout);
		else
			print_event(o);
		json_decref(o);
		if (fflush(stdout))
			return EXIT_SUCCESS; /* nobody reads any more */
	}
}

/* The whole of a list: the parts that follow the first, put behind it. */
static int receive_rest(FILE *f, json_t *request, json_t *answer, char **line,
			size_t *size)
{
	json_t *next;

	while ((next = json_object_get(answer, "next")) != NULL) {
		json_t *more;
		int r;

		json_object_set(request, "after", next);
		if (!send_request(f, request))
			return EXIT_NO_SALD;
		more = receive(f, line, size);
		if (!more)
			return EXIT_NO_SALD;
		json_object_del(answer, "next");
		r = json_array_extend(json_object_get(answer, "services"),
				      json_object_get(more, "services"));
		if (json_object_get(more, "next"))
			json_object_set(answer, "next",
					json_object_get(more, "next"));
		json_decref(more);
		if (r) {
			fprintf(stderr, "salctl: sald's answer is no list\n");
			return EXIT_NO_SALD;
		}
	}
	return EXIT_SUCCESS;
}

static int converse(FILE *f, const struct command *c, json_t *request,
		    bool as_json)
{
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	int status = EXIT_SUCCESS;
	json_t *answer;

	if (!send_request(f, request))
		return EXIT_NO_SALD;
	answer = receive(f, &line, &size);
	if (!answer)
		return EXIT_NO_SALD;
	if (json_object_get(answer, "error")) {
		print_error(answer);
		status = EXIT_REFUSED;
	} else if (c->how & PARTS && json_object_get(answer, "next")) {
		status = receive_rest(f, request, answer, &line, &size);
		if (!status && as_json) {
			json_dumpf(answer, stdout, JSON_COMPACT);
			putchar('\n');
		} else if (!status) {
			c->print(answer);
		}
	} else if (as_json && !(c->how & EVENTS)) {
		fputs(line, stdout);
	} else {
		c->print(answer);
	}
	json_decref(answer);
	if (!status && c->how & EVENTS)
		status = follow_events(f, as_json, &line, &size);
	return status;
}

struct options {
	const char *path, *batch;
	bool as_json;
};

/* Returns -1 where the program is to go on, else its exit status. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "batch", required_argument, NULL, 'b' },
		{ "control", required_argument, NULL, 'c' },
		{ "format", required_argument, NULL, 'f' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	argv[0] = (char *)"salctl"; /* as all that is said begins */
	/* "+": what follows the command is the command's. */
	while ((option = getopt_long(argc, argv, "+b:c:f:h", long_options,
				     NULL)) != -1) {
		switch (option) {
		case 'b':
			o->batch = optarg;
			break;
		case 'c':
			o->path = optarg;
			break;
		case 'f':
			o->as_json = !strcmp(optarg, "json");
			if (!o->as_json && strcmp(optarg, "table") != 0)
				return usage_error("-f: expected \"table\" or "
						   "\"json\"",
						   optarg);
			break;
		case 'V':
			puts("salctl " SERVALAB_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs("Try: salctl --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	return -1;
}

/* A request and an answer; or several of them. */
static int talk(FILE *f, const struct command *c, json_t *request, bool as_json)
{
	if (!strcmp(c->cmd, "flow export"))
		return salctl_export(f, request);
	if (!strcmp(c->cmd, "flow import"))
		return salctl_import(f, request);
	return converse(f, c, request, as_json);
}

int main(int argc, char **argv)
{
	const char *from_environment = getenv("SALCTL_SOCKET");
	struct options o = {
		.path = from_environment ? from_environment : "/run/sald.sock",
	};
	int status = parse_options(&o, argc, argv);
	const struct command *c;
	struct words words;
	json_t *request;
	FILE *f;

	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN); /* is said, and not died of */
	words = (struct words){ argv + optind, argc - optind };
	if (o.batch)
		return words.n ? usage_error("unexpected word", words.v[0]) :
				 salctl_batch(o.path, o.batch);
	if (!words.n)
		return usage_error("a command is missing", NULL);
	c = find_command(&words);
	if (!c)
		return unknown_command(&words);
	request = json_pack("{s:i, s:s}", "v", 1, "cmd", c->cmd);
	status = words_error(&words);
	if (!status)
		status = c->build(&words, request);
	if (!status) {
		f = open_socket(o.path);
		status = f ? talk(f, c, request, o.as_json) : EXIT_NO_SALD;
		if (f)
			fclose(f);
	}
	json_decref(request);
	if (fflush(stdout) && !status) {
		perror("salctl: standard output");
		status = EXIT_NO_SALD;
	}
	return status;
}
