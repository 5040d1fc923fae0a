/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probes: measurements, packet by packet. */
#include "orchestrator/scenario/probe_target.h"

#include <stdlib.h>
#include <string.h>

static const struct word kind_words[] = {
	{ "ping", SCN_PROBE_PING, NULL },
	{ "udp_echo", SCN_PROBE_UDP_ECHO, NULL },
	{ "tcp_stream", SCN_PROBE_TCP_STREAM, NULL },
	{ "tcp_request", SCN_PROBE_TCP_REQUEST, NULL },
	{ "http", SCN_PROBE_HTTP, NULL },
	{ 0 },
};

static const struct type type_kind = {
	.expects = "a kind of probe, such as ping",
	.scalar = SCALAR_WORD,
	.thing = "a kind of probe",
	.words = kind_words,
};

static const struct type type_to = {
	.expects = "the name of a service or node, or an IP address",
	.scalar = SCALAR_TEXT,
};

static const struct type type_port_number = {
	.expects = "a port number",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = UINT16_MAX,
};

static const struct word family_words[] = {
	{ "4", 4, NULL },
	{ "6", 6, NULL },
	{ 0 },
};

static const struct type type_family = {
	.expects = "4 or 6",
	.scalar = SCALAR_WORD,
	.thing = "an address family",
	.words = family_words,
};

/* Below this, a probe measures its own timer. */
static const struct type type_interval = {
	.expects = "a duration, such as 10ms",
	.scalar = SCALAR_DURATION,
	.min = 100 * 1000,
	.max = INT64_MAX,
};

/* A probe's mark needs 16 bytes; 1400 pass every usual MTU in one piece. */
static const struct type type_payload = {
	.expects = "a number of bytes",
	.scalar = SCALAR_UINT,
	.min = 16,
	.max = 1400,
};

static const struct word direction_words[] = {
	{ "download", 0, NULL },
	{ "upload", 1, NULL },
	{ 0 },
};

static const struct type type_direction = {
	.expects = "download or upload",
	.scalar = SCALAR_WORD,
	.thing = "a direction",
	.words = direction_words,
};

static const struct type type_stream_bytes = {
	.expects = "a number of bytes, such as 10MB",
	.scalar = SCALAR_BYTES,
	.min = 1,
	.max = INT64_C(1) << 50,
};

static const struct type type_stream_rate = {
	.expects = "a rate, such as 10mbit",
	.scalar = SCALAR_RATE,
	.min = 8000,
	.max = UINT64_C(100000000000),
};

static const struct word verify_words[] = {
	{ "sha256", 1, NULL },
	{ "none", 0, NULL },
	{ 0 },
};

static const struct type type_verify = {
	.expects = "sha256 or none",
	.scalar = SCALAR_WORD,
	.thing = "a way to verify",
	.words = verify_words,
};

/* What its header needs, and what the built-in server takes. */
static const struct type type_message = {
	.expects = "a number of bytes",
	.scalar = SCALAR_UINT,
	.min = 24,
	.max = 65536,
};

static const struct word connection_words[] = {
	{ "keep", 1, NULL },
	{ "each", 0, NULL },
	{ 0 },
};

static const struct type type_connection = {
	.expects = "keep (for many requests) or each (one for each of them)",
	.scalar = SCALAR_WORD,
	.thing = "a way to connect",
	.words = connection_words,
};

static const struct type type_timeout = {
	.expects = "a duration, such as 2s",
	.scalar = SCALAR_DURATION,
	.min = 1000 * 1000,
	.max = INT64_C(3600) * 1000 * 1000 * 1000,
};

static const struct type type_concurrency = {
	.expects = "a number of connections",
	.scalar = SCALAR_UINT,
	.min = 1,
	.max = 256,
};

enum {
	PROBE_KIND,
	PROBE_NODE,
	PROBE_TO,
	PROBE_PORT,
	PROBE_FAMILY,
	PROBE_INTERVAL,
	PROBE_AT,
	PROBE_FOR,
	PROBE_PAYLOAD,
	PROBE_DIRECTION,
	PROBE_BYTES,
	PROBE_RATE,
	PROBE_VERIFY,
	PROBE_REQUEST,
	PROBE_RESPONSE,
	PROBE_CONNECTION,
	PROBE_TIMEOUT,
	PROBE_PATH,
	PROBE_CONCURRENCY,
	PROBE_MPTCP,
};

static const struct field probe_fields[] = {
	[PROBE_KIND] = { .name = "kind",
			 .type = &type_kind,
			 .required = true,
			 .example = "ping",
			 .doc = "what it sends" },
	[PROBE_NODE] = { .name = "node",
			 .type = &type_host,
			 .required = true,
			 .example = "a",
			 .doc = "the host it sends from" },
	[PROBE_TO] = { .name = "to",
		       .type = &type_to,
		       .required = true,
		       .example = "echo",
		       .doc = "the service, node or address it sends to" },
	[PROBE_PORT] = { .name = "port",
			 .type = &type_port_number,
			 .doc = "the UDP or TCP port; without it, the "
				"service's" },
	[PROBE_FAMILY] = { .name = "family",
			   .type = &type_family,
			   .doc = "4 or 6; without it, 4 where there are "
				  "both" },
	[PROBE_INTERVAL] = { .name = "interval",
			     .type = &type_interval,
			     .fallback = "100ms",
			     .doc = "the time from one packet or request to "
				    "the next" },
	[PROBE_AT] = { .name = "at",
		       .type = &type_delay,
		       .fallback = "0s",
		       .doc = "when it begins" },
	[PROBE_FOR] = { .name = "for",
			.type = &type_span,
			.example = "6s",
			.doc = "how long it sends" },
	[PROBE_PAYLOAD] = { .name = "payload",
			    .type = &type_payload,
			    .fallback = "56",
			    .doc = "bytes behind the ICMP or UDP header" },
	[PROBE_DIRECTION] = { .name = "direction",
			      .type = &type_direction,
			      .fallback = "download",
			      .doc = "which way the content goes" },
	[PROBE_BYTES] = { .name = "bytes",
			  .type = &type_stream_bytes,
			  .doc = "how much content; without it, as much as "
				 "comes in its time" },
	[PROBE_RATE] = { .name = "rate",
			 .type = &type_stream_rate,
			 .doc = "the most that is sent; without it, as fast "
				"as it goes" },
	[PROBE_VERIFY] = { .name = "verify",
			   .type = &type_verify,
			   .fallback = "sha256",
			   .doc = "whether the content is looked at" },
	[PROBE_REQUEST] = { .name = "request",
			    .type = &type_message,
			    .fallback = "64",
			    .doc = "bytes of a request" },
	[PROBE_RESPONSE] = { .name = "response",
			     .type = &type_message,
			     .fallback = "64",
			     .doc = "bytes of the answer to it" },
	[PROBE_CONNECTION] = { .name = "connection",
			       .type = &type_connection,
			       .fallback = "keep",
			       .doc = "keep: one for many requests; each: one "
				      "for each of them" },
	[PROBE_TIMEOUT] = { .name = "timeout",
			    .type = &type_timeout,
			    .fallback = "5s",
			    .doc = "a request that takes longer has failed" },
	[PROBE_PATH] = { .name = "path",
			 .type = &type_text,
			 .fallback = "/",
			 .doc = "what is asked for" },
	[PROBE_CONCURRENCY] = { .name = "concurrency",
				.type = &type_concurrency,
				.fallback = "1",
				.doc = "connections at a time" },
	[PROBE_MPTCP] = { .name = "mptcp",
			  .type = &type_switch,
			  .fallback = "false",
			  .doc = "whether its connection is one of MPTCP" },
};

_Static_assert(sizeof(probe_fields) / sizeof(*probe_fields) <= FIELDS_MAX,
	       "they fit");

#define KEY(key) (1u << PROBE_##key)
#define PACKETS (KEY(INTERVAL) | KEY(PAYLOAD))
#define REQUESTS (KEY(PORT) | KEY(INTERVAL) | KEY(CONNECTION) | KEY(TIMEOUT))

/* Which keys a kind has, besides those of all. */
static const unsigned own_keys[] = {
	[SCN_PROBE_PING] = PACKETS,
	[SCN_PROBE_UDP_ECHO] = PACKETS | KEY(PORT),
	[SCN_PROBE_TCP_STREAM] = KEY(PORT) | KEY(DIRECTION) | KEY(BYTES) |
				 KEY(RATE) | KEY(VERIFY) | KEY(MPTCP),
	[SCN_PROBE_TCP_REQUEST] = REQUESTS | KEY(REQUEST) | KEY(RESPONSE),
	[SCN_PROBE_HTTP] = REQUESTS | KEY(PATH) | KEY(CONCURRENCY),
};
#define ALL_KINDS                                                              \
	(KEY(KIND) | KEY(NODE) | KEY(TO) | KEY(FAMILY) | KEY(AT) | KEY(FOR))

static const struct mapping mapping_probe = {
	.what = "probe",
	.doc = "A measurement from a host to a service, a node or an address.",
	MAPPING_FIELDS(probe_fields),
};

static const struct type type_probe_body = {
	.expects = "a probe, such as '{ kind: ping, node: a, to: b, for: 5s }'",
	.mapping = &mapping_probe,
};

const struct type type_probes = {
	.expects = "probes by name",
	.key = &type_name,
	.value = &type_probe_body,
	.may_be_empty = true,
};

/* ---- probes ------------------------------------------------------------ */

static bool check_time(struct loader *l, const struct value *v,
		       const struct tree_node *key,
		       const struct scn_probe *probe)
{
	int64_t end;

	if (!v[PROBE_AT].ok || probe->for_ns <= 0)
		return true;
	if (__builtin_add_overflow(probe->start_ns, probe->for_ns, &end)) {
		tree_error(l->diag, v[PROBE_FOR].node ? v[PROBE_FOR].node : key,
			   "the probe never ends");
		return false;
	}
	if (l->s->duration_ns && probe->start_ns >= l->s->duration_ns) {
		tree_error(l->diag, v[PROBE_AT].node ? v[PROBE_AT].node : key,
			   "the probe begins when the run is over");
		diag_note(l->diag, l->duration->pos, l->duration->width,
			  "the run ends at %s", l->duration->text);
		return false;
	}
	return true;
}

/* A key that this kind does not have was meant for another one. */
static bool check_keys(struct loader *l, const struct value *v,
		       enum scn_probe_kind kind)
{
	bool good = true;

	for (size_t i = 0; i < mapping_probe.n; i++) {
		char list[256] = "";

		if (!v[i].node || (own_keys[kind] | ALL_KINDS) & 1u << i)
			continue;
		good = false;
		tree_error(l->diag, v[i].node, "%s %s probe has no '%s'",
			   kind == SCN_PROBE_HTTP ? "an" : "a",
			   scn_probe_kind_name(kind), probe_fields[i].name);
		for (size_t k = 0; k < mapping_probe.n; k++)
			if (own_keys[kind] & 1u << k)
				snprintf(list + strlen(list),
					 sizeof(list) - strlen(list), "%s%s",
					 *list ? ", " : "",
					 probe_fields[k].name);
		diag_help(l->diag, "its own keys are %s", list);
	}
	return good;
}

/* One of these may have been meant to say it. */
static bool has_unknown_key(const struct tree_node *map)
{
	for (size_t i = 0; i < map->n; i++) {
		size_t k = 0;

		while (k < mapping_probe.n &&
		       strcmp(map->pairs[i].key->text, probe_fields[k].name))
			k++;
		if (k == mapping_probe.n)
			return true;
	}
	return false;
}

/* A stream of so many bytes is over when they are there, or after a while. */
static bool read_for(struct loader *l, const struct tree_node *key,
		     const struct tree_node *map, const struct value *v,
		     struct scn_probe *probe)
{
	probe->for_ns = v[PROBE_FOR].ns;
	if (v[PROBE_FOR].node)
		return v[PROBE_FOR].ok;
	if (probe->kind == SCN_PROBE_TCP_STREAM && v[PROBE_BYTES].node) {
		probe->for_ns = SCN_STREAM_LIMIT_NS;
		return true;
	}
	if (has_unknown_key(map))
		return false;
	tree_error(l->diag, key, "probe '%s' has no 'for'", key->text);
	diag_help(l->diag, "add 'for: 6s' (how long it sends)%s",
		  probe->kind == SCN_PROBE_TCP_STREAM ?
			  ", or 'bytes: 10MB' (how much)" :
			  "");
	return false;
}

static bool read_path(struct loader *l, const struct value *path,
		      struct scn_probe *probe)
{
	const char *text = path->text;

	if (*text == '/' && strlen(text) <= 1024) {
		for (; *text > ' ' && *text < 0x7f; text++)
			;
		if (!*text) {
			probe->path = loader_dup(l, path->text);
			return true;
		}
	}
	tree_error(l->diag, path->node,
		   "this is no path: at most 1,024 printable characters, the "
		   "first one '/'");
	return false;
}

static bool read_details(struct loader *l, const struct value *v,
			 struct scn_probe *probe)
{
	probe->payload = (uint32_t)v[PROBE_PAYLOAD].number;
	probe->upload = v[PROBE_DIRECTION].word;
	probe->verify = v[PROBE_VERIFY].word;
	probe->mptcp = probe->kind == SCN_PROBE_TCP_STREAM &&
		       v[PROBE_MPTCP].ok && v[PROBE_MPTCP].word;
	if (v[PROBE_BYTES].ok)
		probe->bytes = v[PROBE_BYTES].number;
	if (v[PROBE_RATE].ok)
		probe->rate_bps = (uint64_t)v[PROBE_RATE].bps;
	probe->request = (uint32_t)v[PROBE_REQUEST].number;
	probe->response = (uint32_t)v[PROBE_RESPONSE].number;
	probe->keep = v[PROBE_CONNECTION].word;
	probe->timeout_ns = v[PROBE_TIMEOUT].ns;
	probe->concurrency = (uint32_t)v[PROBE_CONCURRENCY].number;
	probe->interval_ns = v[PROBE_INTERVAL].ns;
	/* One request after another, unless it is said how often. */
	if (probe->kind == SCN_PROBE_TCP_STREAM ||
	    (probe->kind == SCN_PROBE_HTTP && !v[PROBE_INTERVAL].node))
		probe->interval_ns = 0;
	if (probe->kind == SCN_PROBE_HTTP && v[PROBE_PATH].ok)
		return read_path(l, &v[PROBE_PATH], probe);
	return true;
}

/* Services are read ahead of probes. */
static bool check_mptcp(struct loader *l, const struct value *v,
			const struct scn_probe *probe)
{
	if (!probe->mptcp || !v[PROBE_TO].ok ||
	    probe->target != SCN_TARGET_SERVICE || probe->to == SCN_NONE ||
	    l->s->services.v[probe->to].resolver != SCN_RESOLVER_SAL)
		return true;
	tree_error(l->diag, v[PROBE_MPTCP].node,
		   "'%s' is a sal service: its flows have one path at a time, "
		   "and MPTCP would see no other",
		   l->s->services.v[probe->to].name);
	diag_help(l->diag, "probe the host itself to compare the two");
	return false;
}

static bool read_whither(struct loader *l, const struct tree_node *key,
			 const struct value *v, struct scn_probe *probe)
{
	bool good;

	if (!probe_target_read(l, v[PROBE_TO].node, probe))
		return false;
	good = probe_target_check_family(l, &v[PROBE_FAMILY], probe);
	if (!v[PROBE_KIND].ok)
		return good;
	if (probe->kind == SCN_PROBE_PING)
		good &= probe_target_check_ping(l, &v[PROBE_TO], probe);
	else
		good &= probe_target_read_port(l, key, &v[PROBE_TO],
					       &v[PROBE_PORT], probe);
	return good;
}

static size_t read_probe(struct loader *l, const struct tree_node *key,
			 const struct tree_node *value)
{
	struct scn_probe *probe = LOADER_PUSH(l, &l->s->probes);
	size_t index = l->s->probes.n - 1;
	struct value v[VALUES_MAX];
	bool good;

	if (!probe)
		return SCN_NONE;
	probe->name = loader_dup(l, key->text);
	probe->pos = key->pos;
	good = mapping_read(l, &mapping_probe, value, key, v, NULL);
	probe->kind = v[PROBE_KIND].word;
	probe->node = v[PROBE_NODE].index;
	probe->family = v[PROBE_FAMILY].word;
	probe->start_ns = v[PROBE_AT].ns;
	if (value->kind != TREE_MAP)
		return SCN_NONE;
	if (v[PROBE_TO].ok)
		good &= read_whither(l, key, v, probe);
	if (v[PROBE_KIND].ok) {
		good &= check_keys(l, v, probe->kind);
		good &= read_details(l, v, probe);
	}
	good &= check_mptcp(l, v, probe);
	good &= read_for(l, key, value, v, probe);
	good &= check_time(l, v, key, probe);
	return good ? index : SCN_NONE;
}

void probes_read(struct loader *l, const struct tree_node *node)
{
	named_read(l, &type_probes, node, NAMES_PROBE, read_probe);
}
