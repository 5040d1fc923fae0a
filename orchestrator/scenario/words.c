/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the language, for messages, plans and reports. */
#include "orchestrator/scenario/model.h"

#include <signal.h>
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

const char *scn_action_name(enum scn_action_kind k)
{
	static const char *const words[] = {
		[SCN_ACTION_MIGRATE] = "migrate",
		[SCN_ACTION_LINK_STATE] = "link",
		[SCN_ACTION_READDRESS] = "readdress",
		[SCN_ACTION_START] = "start",
		[SCN_ACTION_STOP] = "stop",
		[SCN_ACTION_KILL] = "kill",
	};

	return words[k];
}

static void readdress_text(const struct scenario *s, const struct scn_action *a,
			   char *buf, size_t size)
{
	const struct scn_endpoint *end =
		&s->links.v[a->readdress.link].end[a->readdress.end];
	const scn_prefix_vec *given = &a->readdress.addresses;
	char text[IP_TEXT_MAX];
	size_t n;

	snprintf(buf, size, "readdress %s:%s%s", s->nodes.v[end->node].name,
		 end->ifname, given->n ? ":" : "");
	for (size_t i = 0; i < given->n; i++) {
		n = strlen(buf);
		snprintf(buf + n, size - n, " %s",
			 ip_format_prefix(&given->v[i].prefix, text,
					  sizeof(text)));
	}
}

const char *scn_action_text(const struct scenario *s,
			    const struct scn_action *a, char *buf, size_t size)
{
	const char *name = scn_action_name(a->kind), *sig;

	switch (a->kind) {
	case SCN_ACTION_MIGRATE:
		snprintf(buf, size, "%s %s: %s -> %s", name,
			 s->services.v[a->migrate.service].name,
			 s->nodes.v[a->migrate.from].name,
			 s->nodes.v[a->migrate.to].name);
		break;
	case SCN_ACTION_LINK_STATE:
		snprintf(buf, size, "%s %s %s", name,
			 s->links.v[a->link.link].name,
			 a->link.up ? "up" : "down");
		break;
	case SCN_ACTION_READDRESS:
		readdress_text(s, a, buf, size);
		break;
	case SCN_ACTION_START:
	case SCN_ACTION_STOP:
		snprintf(buf, size, "%s %s", name,
			 s->processes.v[a->process.process].name);
		break;
	case SCN_ACTION_KILL:
		sig = sigabbrev_np(a->process.signal);
		if (sig)
			snprintf(buf, size, "%s %s with %s", name,
				 s->processes.v[a->process.process].name, sig);
		else
			snprintf(buf, size, "%s %s with signal %d", name,
				 s->processes.v[a->process.process].name,
				 a->process.signal);
		break;
	}
	return buf;
}
