/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operation of the plan asks of a sald: docs/control.md. */
#include "orchestrator/lab/internal.h"
#include "orchestrator/lab/undertaker.h"
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <string.h>

static const char *address_text(const struct plan *plan, size_t service,
				int family, char *buf, size_t size)
{
	struct ip_addr a = plan_service_address(plan, service, family);

	return a.family ? ip_format_addr(&a, buf, size) : NULL;
}

/* As it is called by now; where it is not there, as it will be. */
static const char *name_by_now(const struct lab *lab, size_t iface,
			       char name[IFNAMSIZ])
{
	const struct plan_iface *f = &lab->plan->ifaces.v[iface];

	return kns_ifname(lab->nodes[f->node].ns, f->ifindex, name) ? f->name :
								      name;
}

static json_t *interface_request(const struct lab *lab,
				 const struct plan_op *op)
{
	const struct plan_iface *f = &lab->plan->ifaces.v[op->iface.iface];
	const struct scn_endpoint *end =
		&lab->plan->scenario->links.v[f->link].end[f->end];
	char name[IFNAMSIZ];

	return json_pack(
		"{s:s, s:s, s:I, s:b, s:o}", "cmd", "interface set",
		"interface", name_by_now(lab, op->iface.iface, name), "cost",
		(json_int_t)end->cost, "metered", (int)end->metered, "cap_bps",
		end->cap_bps ? json_integer(end->cap_bps) : json_null());
}

static json_t *policy_request(const struct lab *lab, const struct plan_op *op)
{
	struct plan_sal_policy p = plan_sal_policy(lab->plan, op->node);
	json_t *order = json_array();
	char name[IFNAMSIZ];

	for (size_t i = 0; i < p.n_order; i++)
		json_array_append_new(
			order, json_string(name_by_now(lab, p.order[i], name)));
	return json_pack("{s:s, s:s, s:o, s:b, s:b, s:I}", "cmd", "policy set",
			 "by", p.by_cost ? "cost" : "order", "order", order,
			 "avoid_metered", (int)p.avoid_metered, "go_back",
			 (int)p.go_back, "hold_ms", (json_int_t)p.hold_ms);
}

static json_t *listen_request(const struct plan *plan, const struct plan_op *op,
			      const char *id)
{
	const struct scn_service *s =
		&plan->scenario->services.v[op->sal.service];
	bool any = false;

	for (size_t i = 0; i < s->candidates.n; i++)
		any |= s->candidates.v[i].node == op->node;
	return json_pack("{s:s, s:s, s:s, s:i, s:b}", "cmd", "service listen",
			 "service", id, "protocol",
			 s->port.protocol == SCN_PROTO_UDP ? "udp" : "tcp",
			 "port", (int)s->port.port, "any", any);
}

static json_t *sald_request(const struct plan *plan, const struct plan_op *op)
{
	char text[SERVICE_ID_TEXT_MAX], addr[2][IP_TEXT_MAX];
	json_t *request;

	if (op->sal.service == SCN_NONE)
		snprintf(text, sizeof(text), "0/0");
	else
		service_prefix_format(&plan->services.v[op->sal.service].prefix,
				      text, sizeof(text));
	if (op->kind == PLAN_OP_SAL_NAME) {
		service_id_format(&plan->services.v[op->sal.service].id, text,
				  sizeof(text));
		return json_pack(
			"{s:s, s:s, s:s, s:s?, s:s?}", "cmd", "name set",
			"name",
			plan->scenario->services.v[op->sal.service].name,
			"service", text, "addr4",
			address_text(plan, op->sal.service, AF_INET, addr[0],
				     sizeof(addr[0])),
			"addr6",
			address_text(plan, op->sal.service, AF_INET6, addr[1],
				     sizeof(addr[1])));
	}
	if (op->kind == PLAN_OP_SAL_LISTEN)
		return listen_request(plan, op, text);
	request = json_pack(
		"{s:s, s:s, s:s, s:s?}", "cmd",
		op->kind == PLAN_OP_SAL_RULE_ADD ? "service add" :
		op->kind == PLAN_OP_SAL_RULE_DEL ? "service delete" :
						   "service change",
		"service", text, "kind",
		op->sal.to.family ? "forward" : "demux", "to",
		op->sal.to.family ?
			ip_format_addr(&op->sal.to, addr[0], sizeof(addr[0])) :
			NULL);
	/* The weight of those that serve is the clients' affair. */
	if (request && op->sal.to.family && op->kind != PLAN_OP_SAL_RULE_DEL)
		json_object_set_new(request, "weight",
				    json_integer(op->sal.weight));
	if (request && op->sal.to.family && op->kind != PLAN_OP_SAL_RULE_DEL)
		json_object_set_new(request, "priority",
				    json_integer(op->sal.priority));
	return request;
}

json_t *lab_sald_request_of(const struct lab *lab, const struct plan_op *op)
{
	if (op->kind == PLAN_OP_SAL_INTERFACE)
		return interface_request(lab, op);
	if (op->kind == PLAN_OP_SAL_POLICY)
		return policy_request(lab, op);
	return sald_request(lab->plan, op);
}
