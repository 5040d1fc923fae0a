/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be asked of an engine, and the names of what it says. */
#include "node/sal/engine.h"

void sal_flows(const struct sal *s,
	       void (*visit)(void *arg, const struct sal_flow_info *f),
	       void *arg)
{
	struct sal_flow *f;
	uint32_t at = 0;

	while ((f = sal_flow_each(s, &at))) {
		struct sal_flow_info info = sal_flow_seen(f);

		visit(arg, &info);
	}
}

bool sal_flow_find(const struct sal *s, uint32_t local_id,
		   struct sal_flow_info *out)
{
	const struct sal_flow *f = sal_flow_by_id(s, local_id);

	if (f)
		*out = sal_flow_seen(f);
	return f;
}

unsigned sal_flow_standby(const struct sal *s, uint32_t local_id,
			  struct ip_addr out[SAL_STANDBY_MAX])
{
	const struct sal_flow *f = sal_flow_by_id(s, local_id);

	for (uint32_t i = 0; f && i < f->standby_count; i++)
		out[i] = f->standby[i];
	return f ? f->standby_count : 0;
}

const struct sal_stats *sal_stats(const struct sal *s)
{
	return &s->stats;
}

const char *sal_state_name(enum sal_state state)
{
	static const char *const names[SAL_STATE_COUNT_] = {
		[SAL_CLOSED] = "CLOSED",
		[SAL_LISTEN] = "LISTEN",
		[SAL_SYN_SENT] = "SYN_SENT",
		[SAL_SYN_RCVD] = "SYN_RCVD",
		[SAL_ESTABLISHED] = "ESTABLISHED",
		[SAL_NOADDRESS] = "NOADDRESS",
		[SAL_RSYN_SENT] = "RSYN_SENT",
		[SAL_RSYN_RCVD] = "RSYN_RCVD",
		[SAL_RSYN_SENT_RCVD] = "RSYN_SENT_RCVD",
		[SAL_NOADDRESS_RSYN_RCVD] = "NOADDRESS_RSYN_RCVD",
		[SAL_FIN_WAIT] = "FIN_WAIT",
		[SAL_CLOSE_WAIT] = "CLOSE_WAIT",
		[SAL_TIME_WAIT] = "TIME_WAIT",
	};

	return (unsigned)state < SAL_STATE_COUNT_ ? names[state] : "?";
}

const char *sal_event_name(enum sal_event_kind kind)
{
	static const char *const names[] = {
		[SAL_EVENT_FLOW_OPENED] = "flow.opened",
		[SAL_EVENT_FLOW_STATE] = "flow.state",
		[SAL_EVENT_FLOW_CLOSED] = "flow.closed",
		[SAL_EVENT_RSYN_SENT] = "rsyn.sent",
		[SAL_EVENT_RSYN_RECEIVED] = "rsyn.received",
		[SAL_EVENT_FLOW_MIGRATED] = "flow.migrated",
		[SAL_EVENT_FLOW_REBOUND] = "flow.rebound",
		[SAL_EVENT_RESENT] = "resent",
		[SAL_EVENT_REFUSED] = "refused",
		[SAL_EVENT_SERVICE_DELAYED] = "service.delayed",
		[SAL_EVENT_SERVICE_EXPIRED] = "service.expired",
		[SAL_EVENT_SERVICE_UNREACHABLE] = "service.unreachable",
		[SAL_EVENT_SERVICE_FORWARDED] = "service.forwarded",
	};

	return (unsigned)kind < sizeof(names) / sizeof(*names) ? names[kind] :
								 "?";
}
