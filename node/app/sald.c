/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sald(8): the command line. */
#include "node/app/node.h"
#include "base/clock.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	EXIT_USAGE = 2,
	EXIT_ENVIRONMENT = 3,
};

static const char usage[] =
	"usage: sald --inner ADDR/LEN [--inner ADDR/LEN] [--services "
	"PREFIX]...\n"
	"            [OPTIONS]\n"
	"\n"
	"Carries what programs send to services' addresses through the "
	"Service\n"
	"Access Layer. Runs in the foreground until SIGTERM. See sald(8).\n"
	"\n"
	"  --inner ADDR/LEN   this host's inner address, and the prefix of "
	"all\n"
	"                     hosts' (once for IPv4, once for IPv6)\n"
	"  --services PREFIX  of the services' addresses (up to 16 times)\n"
	"  --tun NAME         of the TUN device (sal0)\n"
	"  --control PATH     of the control socket (/run/sald.sock)\n"
	"  --encapsulate auto|never  in UDP, where protocol 144 does not pass "
	"(auto)\n"
	"  --keepalive-ms N   between keep-alives for a NAT; 0: none (20000)\n"
	"  --liveness-ms N    that a program waits before its peer is asked; "
	"0:\n"
	"                     never (1000)\n"
	"  --probe-gap-ms N   between the questions (200)\n"
	"  --probes N         unanswered ones that make a peer lost (3)\n"
	"  --service-router   hand on what is for services elsewhere\n"
	"  --no-resend        what TCP has not ACKed is not sent again after "
	"a move\n"
	"  --source-routes    packets leave by the interface of their source "
	"address\n"
	"  --rules N          room for so many rules (1048576)\n"
	"  --names N          ... and names of services (64)\n"
	"  --flows N          ... and conversations (1024)\n"
	"  --key HEX          64 digits that all random numbers come from\n"
	"  --ready-fd N       write a byte there when everything is open\n"
	"  --version, --help\n";

#define NUMBER_MAX 1000000000L /* of options; in milliseconds, 11 days */

struct options {
	struct node_config config;
	int ready_fd; /* -1: none */
};

static int usage_error(const char *what, const char *value)
{
	fprintf(stderr, "sald: %s%s%s\nTry: sald --help\n", what,
		value ? ": " : "", value ? value : "");
	return EXIT_USAGE;
}

static int take_inner(struct node_config *c, const char *text)
{
	struct ip_prefix p, *slot;

	if (ip_parse_prefix(text, &p))
		return usage_error("--inner: expected ADDRESS/LENGTH", text);
	slot = p.addr.family == AF_INET ? &c->inner4 : &c->inner6;
	if (slot->addr.family != AF_UNSPEC)
		return usage_error("--inner: one address a family", text);
	*slot = p;
	return 0;
}

static int take_services(struct node_config *c, const char *text)
{
	if (c->n_services == NODE_SERVICES_MAX)
		return usage_error("--services: at most 16 prefixes", NULL);
	if (ip_parse_prefix(text, &c->services[c->n_services]))
		return usage_error("--services: expected PREFIX/LENGTH", text);
	c->n_services++;
	return 0;
}

static int take_key(struct node_config *c, const char *text)
{
	char pair[3] = "";
	char *end;

	if (strlen(text) != 2 * sizeof(c->key) ||
	    strspn(text, "0123456789abcdefABCDEF") != strlen(text))
		return usage_error("--key: expected 64 hexadecimal digits",
				   text);
	for (size_t i = 0; i < sizeof(c->key); i++) {
		memcpy(pair, text + 2 * i, 2);
		c->key[i] = (uint8_t)strtoul(pair, &end, 16);
	}
	c->has_key = true;
	return 0;
}

static int take_encapsulate(struct node_config *c, const char *text)
{
	c->encapsulate = !strcmp(text, "auto");
	if (!c->encapsulate && strcmp(text, "never") != 0)
		return usage_error("--encapsulate: expected \"auto\" or "
				   "\"never\"",
				   text);
	return 0;
}

/* A whole number of at least that much. */
static int take_number(const char *option, const char *text, long least,
		       long *out)
{
	char what[64], *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (!errno && end != text && !*end && *out >= least &&
	    *out <= NUMBER_MAX)
		return 0;
	snprintf(what, sizeof(what), "%s: expected a whole number from %ld",
		 option, least);
	return usage_error(what, text);
}

static int take_ms(const char *option, const char *text, long least,
		   int64_t *out_ns)
{
	long ms;
	int r = take_number(option, text, least, &ms);

	if (!r)
		*out_ns = ms * NSEC_PER_MSEC;
	return r;
}

static int take_probes(struct node_config *c, const char *text)
{
	long n;
	int r = take_number("--probes", text, 1, &n);

	c->probe_tries = (uint32_t)n;
	return r;
}

static int take_fd(int *fd, const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 0 || n > 1 << 20)
		return usage_error("--ready-fd: expected a descriptor's number",
				   text);
	*fd = (int)n;
	return 0;
}

/* How many of something there is to be room for. */
static int take_room(const char *option, const char *text, uint32_t most,
		     uint32_t *out)
{
	char expected[64];
	long n;
	int r = take_number(option, text, 1, &n);

	if (r)
		return r;
	if (n > (long)most) {
		snprintf(expected, sizeof(expected),
			 "%s: expected a number from 1 to %u", option, most);
		return usage_error(expected, text);
	}
	*out = (uint32_t)n;
	return 0;
}

/* Every service prefix needs a source address of its family. */
static int check(const struct node_config *c)
{
	char text[IP_TEXT_MAX];

	if (c->inner4.addr.family == AF_UNSPEC &&
	    c->inner6.addr.family == AF_UNSPEC)
		return usage_error("--inner is missing", NULL);
	for (size_t i = 0; i < c->n_services; i++) {
		const struct ip_prefix *p = &c->services[i];
		const struct ip_prefix *inner =
			p->addr.family == AF_INET ? &c->inner4 : &c->inner6;

		if (inner->addr.family != AF_UNSPEC)
			continue;
		ip_format_prefix(p, text, sizeof(text));
		return usage_error("--services: there is no --inner of the "
				   "same family",
				   text);
	}
	return 0;
}

/* Returns -1 where the program is to go on, else its exit status. */
static int parse(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "inner", required_argument, NULL, 'i' },
		{ "services", required_argument, NULL, 's' },
		{ "tun", required_argument, NULL, 't' },
		{ "control", required_argument, NULL, 'c' },
		{ "encapsulate", required_argument, NULL, 'e' },
		{ "keepalive-ms", required_argument, NULL, 'K' },
		{ "liveness-ms", required_argument, NULL, 'L' },
		{ "probe-gap-ms", required_argument, NULL, 'G' },
		{ "probes", required_argument, NULL, 'P' },
		{ "service-router", no_argument, NULL, 'R' },
		{ "no-resend", no_argument, NULL, 'N' },
		{ "source-routes", no_argument, NULL, 'S' },
		{ "rules", required_argument, NULL, 'n' },
		{ "names", required_argument, NULL, 'm' },
		{ "flows", required_argument, NULL, 'F' },
		{ "key", required_argument, NULL, 'k' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, r = 0;

	argv[0] = (char *)"sald"; /* as all that is said begins */
	while (!r && (option = getopt_long(argc, argv, "f", long_options,
					   NULL)) != -1) {
		switch (option) {
		case 'i':
			r = take_inner(&o->config, optarg);
			break;
		case 's':
			r = take_services(&o->config, optarg);
			break;
		case 't':
			o->config.tun = optarg;
			break;
		case 'c':
			o->config.control = optarg;
			break;
		case 'e':
			r = take_encapsulate(&o->config, optarg);
			break;
		case 'K':
			r = take_ms("--keepalive-ms", optarg, 0,
				    &o->config.keepalive_ns);
			break;
		case 'L':
			r = take_ms("--liveness-ms", optarg, 0,
				    &o->config.liveness_ns);
			break;
		case 'G':
			r = take_ms("--probe-gap-ms", optarg, 1,
				    &o->config.probe_gap_ns);
			break;
		case 'P':
			r = take_probes(&o->config, optarg);
			break;
		case 'S':
			o->config.source_routes = true;
			break;
		case 'R':
			o->config.service_router = true;
			break;
		case 'N':
			o->config.resend = false;
			break;
		case 'n':
			r = take_room("--rules", optarg, NODE_RULES_MAX,
				      &o->config.max_rules);
			break;
		case 'm':
			r = take_room("--names", optarg, NODE_NAMES_MAX,
				      &o->config.max_names);
			break;
		case 'F':
			r = take_room("--flows", optarg, NODE_FLOWS_MAX,
				      &o->config.max_flows);
			break;
		case 'k':
			r = take_key(&o->config, optarg);
			break;
		case 'r':
			r = take_fd(&o->ready_fd, optarg);
			break;
		case 'f':
			break;
		case 'V':
			puts("sald " SERVALAB_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs("Try: sald --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (r)
		return r;
	if (optind < argc)
		return usage_error("takes no arguments", argv[optind]);
	r = check(&o->config);
	return r ? r : -1;
}

static int fail(const struct err *err)
{
	fprintf(stderr, "sald: %s\n", err->msg);
	if (err->hint[0])
		fprintf(stderr, "help: %s\n", err->hint);
	return EXIT_ENVIRONMENT;
}

static void warn(const struct err *warning)
{
	fprintf(stderr, "sald: warning: %s\n", warning->msg);
	if (warning->hint[0])
		fprintf(stderr, "help: %s\n", warning->hint);
}

/* Before anything is open: a signal that comes meanwhile ends the loop. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int tell_ready(int fd)
{
	if (fd < 0)
		return 0;
	if (write(fd, "\n", 1) != 1) {
		fprintf(stderr, "sald: --ready-fd: %s\n", strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.config = { .tun = "sal0",
			    .control = "/run/sald.sock",
			    .encapsulate = true,
			    .keepalive_ns = 20 * NSEC_PER_SEC,
			    .liveness_ns = NSEC_PER_SEC,
			    .probe_gap_ns = 200 * NSEC_PER_MSEC,
			    .probe_tries = 3,
			    .resend = true,
			    .warn = warn },
		.ready_fd = -1,
	};
	struct err err = ERR_INIT;
	struct node *node = NULL;
	int status = parse(&o, argc, argv);

	if (status >= 0)
		return status;
	block_signals();
	if (node_open(&node, &o.config, &err))
		return fail(&err);
	status = tell_ready(o.ready_fd);
	if (!status && node_run(node, &err))
		status = fail(&err);
	node_free(node);
	return status;
}
