/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the benchmarks that talk between two ends begin with.
 */
#ifndef BENCH_ENDS_H
#define BENCH_ENDS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With errno's reason; exits with 3. */
static inline void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerror(errno));
	exit(3);
}

/* An IPv4 address and a port, as text; dies where it is no address. */
static inline struct sockaddr_in name_of(const char *address, const char *port)
{
	struct sockaddr_in name = { .sin_family = AF_INET };

	name.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, address, &name.sin_addr) != 1) {
		errno = EINVAL;
		die(address);
	}
	return name;
}

#endif
