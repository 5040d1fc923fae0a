/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How one side's stream ended, as a probe or the built-in server records it. */
#ifndef OBSERVE_STREAM_END_H
#define OBSERVE_STREAM_END_H

#include <stdint.h>
#include <stdio.h>

struct stream_end {
	const char *end; /* "complete", "reset", ... */
	int64_t begun_ns, connected_ns, ended_ns; /* INT64_MIN: not */
	uint16_t local_port;
	uint64_t bytes; /* sent or received by this side */
	const uint8_t *digest; /* of these; NULL: unknown */
	const uint8_t *peer_digest; /* what the other side said; NULL: not */
	uint64_t first_wrong; /* STREAM_NONE */
};

/* The content of a stream's JSON file. 0, or -errno. */
int stream_end_write(FILE *f, const struct stream_end *e);

#endif
