/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/whose.h"
#include "stream/mark.h"

#include <errno.h>
#include <stdlib.h>

#define PORT_WORDS (65536 / 64)

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

int whose_init(struct whose *w, const struct scenario *s)
{
	w->scenario = s;
	w->ports = calloc(s->probes.n + 1, sizeof(*w->ports));
	return w->ports ? 0 : -ENOMEM;
}

void whose_free(struct whose *w)
{
	for (size_t i = 0; w->ports && i < w->scenario->probes.n; i++)
		free(w->ports[i]);
	free(w->ports);
	w->ports = NULL;
}

int whose_add_port(struct whose *w, size_t probe, uint16_t port)
{
	if (!w->ports[probe])
		w->ports[probe] = calloc(PORT_WORDS, sizeof(**w->ports));
	if (!w->ports[probe])
		return -ENOMEM;
	w->ports[probe][port / 64] |= UINT64_C(1) << port % 64;
	return 0;
}

bool whose_by_port(const struct scn_probe *p)
{
	return p->kind == SCN_PROBE_TCP_STREAM || p->kind == SCN_PROBE_HTTP;
}

static bool has_port(const struct whose *w, size_t probe, uint16_t port)
{
	return w->ports[probe] &&
	       w->ports[probe][port / 64] & UINT64_C(1) << port % 64;
}

/*
 * What counts as an answer: content of what the probe asked for. Of an upload,
 * that the server has taken it. A reset is none, nor is agreeing to connect.
 */
static bool is_content(const struct scn_probe *p, const struct packet_info *i)
{
	if (i->tcp_flags & (TCP_SYN | TCP_RST))
		return false;
	if (p->kind == SCN_PROBE_TCP_STREAM && p->upload)
		return (i->tcp_flags & (TCP_ACK | TCP_FIN)) == TCP_ACK;
	return i->payload_len > 0;
}

static bool by_ports(const struct whose *w, const struct packet_info *info,
		     struct whose_packet *out)
{
	const struct scenario *s = w->scenario;

	for (size_t i = 0; info->kind == PACKET_TCP && i < s->probes.n; i++) {
		const struct scn_probe *p = &s->probes.v[i];

		if (!whose_by_port(p))
			continue;
		*out = (struct whose_packet){ .probe = i };
		out->port = info->sport == p->port ? info->dport : info->sport;
		out->request =
			info->dport == p->port && has_port(w, i, info->sport);
		out->answer = info->sport == p->port &&
			      has_port(w, i, info->dport) &&
			      is_content(p, info);
		if (out->request || out->answer)
			return true;
	}
	return false;
}

bool whose_is(const struct whose *w, const struct packet_info *info,
	      struct whose_packet *out)
{
	const struct scenario *s = w->scenario;
	const struct scn_probe *p;
	struct probe_mark mark;

	if (!probe_mark_get(info->payload, info->payload_len, &mark) ||
	    mark.probe >= s->probes.n ||
	    whose_by_port(&s->probes.v[mark.probe]))
		return by_ports(w, info, out);
	p = &s->probes.v[mark.probe];
	*out = (struct whose_packet){ .probe = mark.probe,
				      .marked = true,
				      .seq = mark.seq };
	switch (info->kind) {
	case PACKET_ECHO_REQUEST:
		out->request = p->kind == SCN_PROBE_PING;
		break;
	case PACKET_ECHO_REPLY:
		out->answer = p->kind == SCN_PROBE_PING;
		break;
	case PACKET_UDP:
		out->request = out->answer = p->kind == SCN_PROBE_UDP_ECHO;
		break;
	case PACKET_TCP:
		out->request = p->kind == SCN_PROBE_TCP_REQUEST &&
			       info->dport == p->port;
		out->answer = p->kind == SCN_PROBE_TCP_REQUEST &&
			      info->sport == p->port;
		break;
	case PACKET_OTHER:
		break;
	}
	return out->request || out->answer;
}
