/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/stream_end.h"

#include "stream/stream.h"

#include <errno.h>
#include <inttypes.h>

static void put_time(FILE *f, const char *name, int64_t ns)
{
	if (ns == INT64_MIN)
		fprintf(f, "  \"%s\": null,\n", name);
	else
		fprintf(f, "  \"%s\": %" PRId64 ",\n", name, ns);
}

static void put_digest(FILE *f, const char *name, const uint8_t *digest)
{
	fprintf(f, "  \"%s\": ", name);
	if (!digest) {
		fputs("null,\n", f);
		return;
	}
	fputc('"', f);
	for (size_t i = 0; i < STREAM_HASH; i++)
		fprintf(f, "%02x", digest[i]);
	fputs("\",\n", f);
}

int stream_end_write(FILE *f, const struct stream_end *e)
{
	fprintf(f, "{\n  \"end\": \"%s\",\n", e->end);
	put_time(f, "begun_ns", e->begun_ns);
	put_time(f, "connected_ns", e->connected_ns);
	put_time(f, "ended_ns", e->ended_ns);
	fprintf(f, "  \"local_port\": %u,\n  \"bytes\": %" PRIu64 ",\n",
		e->local_port, e->bytes);
	put_digest(f, "sha256", e->digest);
	put_digest(f, "peer_sha256", e->peer_digest);
	if (e->first_wrong == STREAM_NONE)
		fputs("  \"first_wrong\": null\n}\n", f);
	else
		fprintf(f, "  \"first_wrong\": %" PRIu64 "\n}\n",
			e->first_wrong);
	return ferror(f) ? -(errno ? errno : EIO) : 0;
}
