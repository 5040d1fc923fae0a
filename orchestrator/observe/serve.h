/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The built-in server for tcp_stream and tcp_request probes: what a client
 * sends first says which of them it is. Whatever a client does ends its
 * connection at worst.
 */
#ifndef OBSERVE_SERVE_H
#define OBSERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than these are closed as soon as they are accepted. */
#define SERVE_CONNECTIONS_MAX 1024u

struct serve_config {
	uint16_t port;
	bool mptcp; /* for those who ask for it */
	/* Where it writes what it received of the stream of a probe, and how
	 * that ended, once for each: files NAME.csv and NAME.peer.json. A
	 * probe whose name is NULL has none. dir_fd -1: nowhere. */
	int dir_fd;
	const char *const *names; /* by the probe's index */
	size_t n_names;
};

/*
 * Serves both families until SIGTERM, which also ends what is under way.
 * Writes one byte to ready_fd once it listens, and closes it. Returns an exit
 * status; errors go to err_fd as lines.
 */
int serve_main(const struct serve_config *c, int ready_fd, int err_fd);

#endif
