/* SPDX-License-Identifier: GPL-2.0-or-later */
/* salctl(8): one request to sald's control socket, and its answer. */
#include "base/cleanup.h"
#include "base/utf8.h"
#include "node/app/salctl_parts.h"
#include "node/app/salctl_print.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_MAX (64u << 20)

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

int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "salctl: %s%s%s\nTry: salctl --help\n", what,
		word ? ": " : "", word ? word : "");
	return EXIT_USAGE;
}

int words_error(const struct words *w)
{
	for (int i = 0; i < w->n; i++) {
		const char *at = w->v[i];
		size_t left = strlen(at), n;
		uint32_t c;

		for (; left; at += n, left -= n) {
			n = utf8_decode(at, left, &c);
			if (!n)
				return usage_error("this is no text (UTF-8)",
						   w->v[i]);
		}
	}
	return 0;
}

/* ---- the request ------------------------------------------------------ */

const char *next_word(struct words *w)
{
	if (!w->n)
		return NULL;
	w->n--;
	return *w->v++;
}

int build_nothing(struct words *w, json_t *request)
{
	(void)request;
	return w->n ? usage_error("unexpected word", w->v[0]) : 0;
}

static int build_name(struct words *w, json_t *request)
{
	const char *name = next_word(w), *id = next_word(w), *addr;

	if (!name || !id)
		return usage_error("expected NAME ID [ADDR4] [ADDR6]", NULL);
	json_object_set_new(request, "name", json_string(name));
	json_object_set_new(request, "service", json_string(id));
	while ((addr = next_word(w)) != NULL)
		json_object_set_new(request,
				    strchr(addr, ':') ? "addr6" : "addr4",
				    json_string(addr));
	return 0;
}

/* "service show" first, as "service" alone is that. */
static const struct command commands[] = {
	{ "service", "show", "service list", build_list, print_services,
	  PARTS },
	{ "service", "list", "service list", build_list, print_services,
	  PARTS },
	{ "service", "add", "service add", build_rule, print_done, BATCH },
	{ "service", "change", "service change", build_rule, print_done,
	  BATCH },
	{ "service", "replace", "service replace", build_rule, print_done,
	  BATCH },
	{ "service", "del", "service delete", build_delete, print_done, BATCH },
	{ "service", "delete", "service delete", build_delete, print_done,
	  BATCH },
	{ "service", "listen", "service listen", build_listen, print_done,
	  BATCH },
	{ "service", "delayed", "service delayed", build_nothing, print_delayed,
	  0 },
	{ "service", "release", "service verdict", build_release, print_done,
	  BATCH },
	{ "service", "refuse", "service verdict", build_refuse, print_done,
	  BATCH },
	{ "service", "drop", "service verdict", build_drop, print_done, BATCH },
	{ "name", "set", "name set", build_name, print_done, BATCH },
	{ "flow", "list", "flow list", build_nothing, print_flows, 0 },
	{ "flow", "show", "flow show", build_flow, print_flow, 0 },
	{ "flow", "ended", "flow ended", build_nothing, print_flows, 0 },
	{ "flow", "migrate", "flow migrate", build_migrate, print_done, BATCH },
	{ "flow", "hold", "flow hold", build_flow, print_done, 0 },
	{ "flow", "release", "flow release", build_flow, print_done, 0 },
	{ "flow", "commit", "flow commit", build_flow, print_done, 0 },
	{ "flow", "abort", "flow abort", build_flow, print_done, 0 },
	{ "flow", "export", "flow export", build_flow, print_done, 0 },
	{ "flow", "import", "flow import", build_nothing, print_done, 0 },
	{ "interface", "list", "interface list", build_nothing,
	  print_interfaces, 0 },
	{ "interface", "set", "interface set", build_interface, print_done, 0 },
	{ "policy", "show", "policy", build_nothing, print_policy, 0 },
	{ "policy", "set", "policy set", build_policy, print_done, 0 },
	{ "stats", NULL, "stats", build_nothing, print_stats, 0 },
	{ "events", NULL, "subscribe", build_nothing, print_done, EVENTS },
	{ "hello", NULL, "hello", build_nothing, print_hello, 0 },
};

const struct command *find_command(struct words *w)
{
	if (w->n == 1 && !strcmp(w->v[0], "service")) {
		w->n = 0;
		return &commands[0];
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];
		int n = c->verb ? 2 : 1;

		if (w->n < n || strcmp(w->v[0], c->object) != 0 ||
		    (c->verb && strcmp(w->v[1], c->verb) != 0))
			continue;
		w->v += n;
		w->n -= n;
		return c;
	}
	return NULL;
}

/* Of a command's first word it can be said what may stand behind it. */
static int unknown_command(const struct words *w)
{
	char text[256] = "";
	size_t at = 0;

	for (size_t i = 0;
	     i < sizeof(commands) / sizeof(commands[0]) && at < sizeof(text);
	     i++)
		if (commands[i].verb && !strcmp(commands[i].object, w->v[0]))
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "%s%s",
					       at ? ", " : "expected one of ",
					       commands[i].verb);
	if (!at)
		return usage_error("unknown command", w->v[0]);
	fprintf(stderr, "salctl: behind '%s': %s%s%s\nTry: salctl --help\n",
		w->v[0], text, w->n > 1 ? ", not " : "",
		w->n > 1 ? w->v[1] : "");
	return EXIT_USAGE;
}

/* ---- the conversation ------------------------------------------------- */

FILE *open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "salctl: %s: the path is too long\n", path);
		return NULL;
	}
	memcpy(addr.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		fprintf(stderr, "salctl: cannot reach sald at %s: %s\n", path,
			strerror(errno));
		if (errno == ENOENT || errno == ECONNREFUSED)
			fprintf(stderr, "help: is sald running? Name its "
					"socket with -c PATH\n");
		return NULL;
	}
	f = fdopen(fd, "r+");
	if (f)
		fd = -1;
	return f;
}

bool send_request(FILE *f, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	bool sent;

	if (!text) {
		fprintf(stderr, "salctl: a word is no UTF-8 text\n");
		return false;
	}
	sent = fprintf(f, "%s\n", text) > 0 && fflush(f) == 0;
	free(text);
	if (!sent)
		perror("salctl: sald");
	return sent;
}

json_t *receive(FILE *f, char **line, size_t *size)
{
	ssize_t len = getline(line, size, f);
	json_error_t problem;
	json_t *o;

	if (len < 0) {
		fprintf(stderr, "salctl: sald closed the connection\n");
		return NULL;
	}
	if ((size_t)len > ANSWER_MAX) {
		fprintf(stderr, "salctl: the answer is too long\n");
		return NULL;
	}
	o = json_loadb(*line, (size_t)len, 0, &problem);
	if (!json_is_object(o)) {
		json_decref(o);
		fprintf(stderr, "salctl: sald's answer is no JSON object\n");
		return NULL;
	}
	return o;
}

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
