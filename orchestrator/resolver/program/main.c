/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serval-resolver: the names of a lab. Started by servalab only, with its end
 * of the control socket and the scenario's seed.
 */
#include "orchestrator/resolver/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(FILE *out)
{
	fputs("serval-resolver answers NAME.serval in the nodes of a lab.\n"
	      "servalab starts it: serval-resolver CONTROL_FD SEED\n",
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

int main(int argc, char **argv)
{
	unsigned long long fd, seed;
	struct err err = ERR_INIT;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout);
	if (argc != 3 || read_number(argv[1], &fd) || fd > 1u << 20 ||
	    read_number(argv[2], &seed))
		return usage(stderr);
	if (!resolver_serve((int)fd, seed, &err))
		return 0;
	fprintf(stderr, "serval-resolver: %s\n", err.msg);
	return 1;
}
