/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probe knows how its connection ended, the receiving side what came. Of an
 * upload that is the server, which also tells the probe in the end, if there is
 * an orderly end: so either may be missing.
 */
#include "orchestrator/report/stream.h"

#include "orchestrator/report/figures.h"

#include <string.h>

int64_t stream_connect_ns(const struct record_probe *p)
{
	const struct record_stream *s = &p->stream;

	if (!s->known || s->connected_ns == RECORD_NONE ||
	    s->begun_ns == RECORD_NONE)
		return FIGURE_NONE;
	return figures_span(s->connected_ns, s->begun_ns);
}

int64_t stream_survives(const struct record_probe *p)
{
	if (!p->stream.known || strcmp(p->stream.end, "stopped") == 0)
		return FIGURE_NONE;
	return strcmp(p->stream.end, "complete") == 0;
}

int64_t stream_first_wrong(const struct record_probe *p)
{
	if (p->stream.first_wrong != RECORD_NONE && p->stream.known)
		return p->stream.first_wrong;
	return p->peer.known ? p->peer.first_wrong : RECORD_NONE;
}

/* Two hashes of the same bytes that differ. */
static bool differ(const char *a, const char *b)
{
	return *a && *b && strcmp(a, b) != 0;
}

int64_t stream_intact(const struct record_probe *p)
{
	const struct record_stream *s = &p->stream, *peer = &p->peer;
	bool looked =
		(s->known && *s->sha256) || (peer->known && *peer->sha256);

	if (!looked || !p->bins.n)
		return FIGURE_NONE;
	if (stream_first_wrong(p) != RECORD_NONE ||
	    strcmp(s->end, "no stream") == 0 ||
	    strcmp(peer->end, "no stream") == 0)
		return 0;
	return !differ(s->sha256, s->peer_sha256) &&
	       !differ(peer->sha256, peer->peer_sha256);
}
