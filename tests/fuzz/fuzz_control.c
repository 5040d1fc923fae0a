// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a command: one line comes back, it is a JSON object, and it is
 * either "ok" or an error.
 */
#include "node/control/command.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take_name(void *arg, const struct control_name *n, struct err *err)
{
	(void)arg;
	(void)err;
	if (!n->name[0] || strlen(n->name) > CONTROL_NAME_MAX)
		abort();
	return 0;
}

static int take_rule(void *arg, const struct sal_rule *r, struct err *err)
{
	(void)arg;
	(void)err;
	if (r->bits > SERVICE_ID_BITS ||
	    (r->kind == SAL_RULE_FORWARD) != (r->to.family != AF_UNSPEC))
		abort();
	return 0;
}

static void no_rules(void *arg, control_rule_fn visit, void *to)
{
	(void)arg;
	(void)visit;
	(void)to;
}

static void no_flows(void *arg, control_flow_fn visit, void *to)
{
	(void)arg;
	(void)visit;
	(void)to;
}

static void no_addresses(void *arg, control_address_fn visit, void *to)
{
	(void)arg;
	(void)visit;
	(void)to;
}

static void no_counters(void *arg, control_counter_fn visit, void *to)
{
	(void)arg;
	(void)visit;
	(void)to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct control_ops ops = {
		.program = "fuzz",
		.tun = "sal0",
		.name_set = take_name,
		.rule_add = take_rule,
		.rule_delete = take_rule,
		.rules = no_rules,
		.flows = no_flows,
		.addresses = no_addresses,
		.counters = no_counters,
	};
	bool subscribe;
	char *answer =
		control_execute(&ops, (const char *)data, size, &subscribe);
	json_t *o;

	if (!answer)
		abort();
	o = json_loads(answer, 0, NULL);
	if (!json_is_object(o) || strchr(answer, '\n') ||
	    !json_object_get(o, "ok") == !json_object_get(o, "error"))
		abort();
	if (subscribe && !json_object_get(o, "ok"))
		abort();
	json_decref(o);
	free(answer);
	return 0;
}
