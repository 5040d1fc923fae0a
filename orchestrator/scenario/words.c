/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the language, for messages, plans and reports. */
#include "orchestrator/scenario/model.h"

#include <stdio.h>
#include <string.h>

const char *scn_probe_kind_name(enum scn_probe_kind k)
{
	static const char *const words[] = {
		[SCN_PROBE_PING] = "ping",
		[SCN_PROBE_UDP_ECHO] = "udp_echo",
		[SCN_PROBE_TCP_STREAM] = "tcp_stream",
		[SCN_PROBE_TCP_REQUEST] = "tcp_request",
		[SCN_PROBE_HTTP] = "http",
	};

	_Static_assert(sizeof(words) / sizeof(*words) == SCN_PROBE_KIND_COUNT_,
		       "every kind of probe has a word");
	return words[k];
}

#define KIND(k) (1u << SCN_PROBE_##k)
#define PACKETS (KIND(PING) | KIND(UDP_ECHO))
#define REQUESTS (KIND(TCP_REQUEST) | KIND(HTTP))
#define STREAM KIND(TCP_STREAM)

static const struct {
	const char *name;
	enum scn_unit unit;
	unsigned kinds; /* of probes that have it */
} metrics[] = {
	[SCN_METRIC_SENT] = { "sent", SCN_UNIT_COUNT, PACKETS | REQUESTS },
	[SCN_METRIC_RECEIVED] = { "received", SCN_UNIT_COUNT,
				  PACKETS | REQUESTS },
	[SCN_METRIC_LOST] = { "lost", SCN_UNIT_COUNT, PACKETS },
	[SCN_METRIC_DUPLICATED] = { "duplicated", SCN_UNIT_COUNT, PACKETS },
	[SCN_METRIC_REORDERED] = { "reordered", SCN_UNIT_COUNT, PACKETS },
	[SCN_METRIC_OUTAGE] = { "outage", SCN_UNIT_TIME,
				PACKETS | REQUESTS | STREAM },
	[SCN_METRIC_RTT_P50] = { "rtt_p50", SCN_UNIT_TIME, PACKETS },
	[SCN_METRIC_RTT_P99] = { "rtt_p99", SCN_UNIT_TIME, PACKETS },
	[SCN_METRIC_FAILED] = { "failed", SCN_UNIT_COUNT, REQUESTS },
	[SCN_METRIC_LATENCY_P50] = { "latency_p50", SCN_UNIT_TIME, REQUESTS },
	[SCN_METRIC_LATENCY_P99] = { "latency_p99", SCN_UNIT_TIME, REQUESTS },
	[SCN_METRIC_CONNECTIONS] = { "connections", SCN_UNIT_COUNT, REQUESTS },
	[SCN_METRIC_BYTES] = { "bytes", SCN_UNIT_BYTES, STREAM },
	[SCN_METRIC_GOODPUT] = { "goodput", SCN_UNIT_RATE, STREAM },
	[SCN_METRIC_CONNECT] = { "connect", SCN_UNIT_TIME, STREAM },
	[SCN_METRIC_RECOVERY] = { "recovery", SCN_UNIT_TIME, STREAM },
	[SCN_METRIC_SURVIVES] = { "survives", SCN_UNIT_SWITCH, STREAM },
	[SCN_METRIC_INTACT] = { "intact", SCN_UNIT_SWITCH, STREAM },
};

_Static_assert(sizeof(metrics) / sizeof(*metrics) == SCN_METRIC_COUNT_,
	       "every metric is here");

const char *scn_metric_name(enum scn_metric m)
{
	return metrics[m].name;
}

enum scn_unit scn_metric_unit(enum scn_metric m)
{
	return metrics[m].unit;
}

bool scn_metric_fits(enum scn_metric m, enum scn_probe_kind k)
{
	return metrics[m].kinds & 1u << k;
}

const char *scn_duration_text(int64_t ns, char *buf, size_t size)
{
	static const struct {
		int64_t ns;
		const char *name;
	} units[] = {
		{ 1000000000, "s" },
		{ 1000000, "ms" },
		{ 1000, "us" },
		{ 1, "ns" },
	};
	size_t i = 0;

	while (ns % units[i].ns)
		i++;
	snprintf(buf, size, "%lld%s", (long long)(ns / units[i].ns),
		 units[i].name);
	return buf;
}

const char *scn_node_kind_name(enum scn_node_kind k)
{
	static const char *const words[] = {
		[SCN_NODE_HOST] = "host",
		[SCN_NODE_ROUTER] = "router",
		[SCN_NODE_BRIDGE] = "bridge",
		[SCN_NODE_GUEST] = "guest",
		[SCN_NODE_SERVICE_ROUTER] = "service-router",
	};

	return words[k];
}
