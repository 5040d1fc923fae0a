/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/cli/cli.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The one that came with this program: beside it in a build, in one of the
 * other places where it is installed. PATH has no say: a lab with programs of
 * another version would be another experiment.
 */
static const char *find(const char *variable, const char *const places[2],
			char *buf)
{
	const char *given = getenv(variable);
	char exe[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n;

	if (given)
		return realpath(given, buf);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		return NULL;
	exe[n] = '\0';
	*(strrchr(exe, '/') + 1) = '\0';
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", exe, places[i]);
		if (!access(path, X_OK))
			return realpath(path, buf);
	}
	return NULL;
}

const char *find_sald(char *buf)
{
	static const char *const places[] = { "sald", "../sbin/sald" };

	return find("SERVALAB_SALD", places, buf);
}

const char *find_resolver(char *buf)
{
	static const char *const places[] = {
		"serval-resolver", "../libexec/servalab/serval-resolver"
	};

	return find("SERVALAB_RESOLVER", places, buf);
}
