/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serval-resolver: the names of a lab. Started by servalab only, with its end
 * of the control socket, the scenario's seed, what becomes of other names, and
 * the ranges of services' addresses.
 */
#include "orchestrator/resolver/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(FILE *out)
{
	fputs("serval-resolver answers NAME.serval in the nodes of a lab.\n"
	      "servalab starts it: serval-resolver CONTROL_FD SEED "
	      "refuse|ADDRESS [RANGE]...\n",
	      out);
	return out == stdout ? 0 : 2;
}

static int read_number(const char *text, unsigned long long *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno || end == text || *end || *text == '-' ? -EINVAL : 0;
}

static int read_setup(int argc, char **argv, struct resolver_setup *out)
{
	unsigned long long seed;

	*out = (struct resolver_setup){ 0 };
	if (argc < 4 || argc > 4 + RESOLVER_RANGES_MAX ||
	    read_number(argv[2], &seed))
		return -EINVAL;
	out->seed = seed;
	if (strcmp(argv[3], "refuse") && ip_parse_addr(argv[3], &out->others))
		return -EINVAL;
	for (int i = 4; i < argc; i++)
		if (ip_parse_prefix(argv[i], &out->ranges[out->n_ranges++]))
			return -EINVAL;
	return 0;
}

int main(int argc, char **argv)
{
	struct resolver_setup setup;
	unsigned long long fd;
	struct err err = ERR_INIT;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout);
	if (read_setup(argc, argv, &setup) || read_number(argv[1], &fd) ||
	    fd > 1u << 20)
		return usage(stderr);
	if (!resolver_serve((int)fd, &setup, &err))
		return 0;
	fprintf(stderr, "serval-resolver: %s\n", err.msg);
	return 1;
}
