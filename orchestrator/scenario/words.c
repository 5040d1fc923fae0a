/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the language, for messages, plans and reports. */
#include "orchestrator/scenario/model.h"

#include <stdio.h>
#include <string.h>

const char *scn_metric_name(enum scn_metric m)
{
	static const char *const words[] = {
		[SCN_METRIC_SENT] = "sent",
		[SCN_METRIC_RECEIVED] = "received",
		[SCN_METRIC_LOST] = "lost",
		[SCN_METRIC_DUPLICATED] = "duplicated",
		[SCN_METRIC_REORDERED] = "reordered",
		[SCN_METRIC_OUTAGE] = "outage",
		[SCN_METRIC_RTT_P50] = "rtt_p50",
		[SCN_METRIC_RTT_P99] = "rtt_p99",
	};

	_Static_assert(sizeof(words) / sizeof(*words) == SCN_METRIC_COUNT_,
		       "every metric has a word");
	return words[m];
}

bool scn_metric_is_time(enum scn_metric m)
{
	return m == SCN_METRIC_OUTAGE || m == SCN_METRIC_RTT_P50 ||
	       m == SCN_METRIC_RTT_P99;
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
	};

	return words[k];
}
