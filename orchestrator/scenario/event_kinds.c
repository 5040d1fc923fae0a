/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which events there are, and what they tell. A condition with a field that its
 * event does not have would never come true, and nobody would know why.
 *
 * What comes once in a run, and before an entry could wait for it or after all
 * have, is not here.
 */
#include "orchestrator/scenario/event_kinds.h"

#include "base/diag.h"

#include <string.h>

#define OF_FLOW                                                                \
	"node", "flow", "peer_flow", "state", "handoff", "role", "service",    \
		"protocol", "inner_local", "port_local", "inner_remote",       \
		"port_remote", "packets_in", "packets_out", "bytes_in",        \
		"bytes_out", "opened_ns", "last_used_ns"

const struct scn_event_kind scn_event_kinds[] = {
	{ "lab.ready", { "duration_ns" } },
	{ "timeline.start", { NULL } },
	{ "process.start", { "process", "node", "pid" } },
	{ "process.ready", { "process" } },
	{ "process.exit", { "process", "status", "signal", "expected" } },
	{ "process.log_cut", { "process", "kept", "error" } },
	{ "probe.start", { "probe", "node", "to" } },
	{ "probe.end", { "probe", "status", "skipped", "crashed" } },
	{ "action.start",
	  { "id", "action", "text", "line", "planned_ns", "due_ns", "entry",
	    "optional" } },
	{ "action.step", { "id", "step", "deleted", "status", "signal" } },
	{ "action.rolled_back", { "id", "reason" } },
	{ "action.done", { "id", "duration_ns" } },
	{ "entry.applied", { "line", "actions", "spread_ns" } },
	{ "entry.delayed", { "line", "delay_ns" } },
	{ "node.boot", { "node" } },
	{ "link.change", { "link", "direction", "old", "new" } },
	{ "names.exit", { "status", "signal", "expected" } },
	{ "service.instance", { "service", "node", "listens" } },
	{ "sald.exit", { "node", "status", "signal", "expected", "closed" } },
	{ "sal.flow.opened", { OF_FLOW } },
	{ "sal.flow.state", { OF_FLOW, "old_state", "why" } },
	{ "sal.flow.closed", { OF_FLOW, "reason", "why" } },
	{ "sal.flow.migrated", { OF_FLOW, "why" } },
	{ "sal.flow.rebound", { OF_FLOW, "why" } },
	{ "sal.rsyn.sent", { OF_FLOW, "why" } },
	{ "sal.rsyn.received", { OF_FLOW, "why" } },
	{ "sal.resent", { OF_FLOW, "count", "why" } },
	{ "sal.refused", { OF_FLOW, "reason" } },
	{ "sal.service.delayed", { OF_FLOW } },
	{ "sal.service.listening", { "node", "service", "protocol", "port" } },
	{ "sal.service.closed", { "node", "service", "protocol", "port" } },
	{ "sal.service.expired", { "node" } },
	{ "sal.service.unreachable", { OF_FLOW } },
	{ "sal.service.forwarded", { "node", "service", "client" } },
	{ "sal.addresses", { "node" } },
};
const size_t scn_event_kinds_n =
	sizeof(scn_event_kinds) / sizeof(*scn_event_kinds);

const struct scn_event_kind *scn_event_kind_find(const char *name)
{
	for (size_t i = 0; i < scn_event_kinds_n; i++)
		if (!strcmp(scn_event_kinds[i].name, name))
			return &scn_event_kinds[i];
	return NULL;
}

const char *scn_event_kind_nearest(const char *name)
{
	const char *names[sizeof(scn_event_kinds) / sizeof(*scn_event_kinds)];

	for (size_t i = 0; i < scn_event_kinds_n; i++)
		names[i] = scn_event_kinds[i].name;
	return diag_nearest(name, names, scn_event_kinds_n);
}
