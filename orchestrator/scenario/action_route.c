/* SPDX-License-Identifier: GPL-2.0-or-later */
/* route: a route of a node changes. */
#include "orchestrator/scenario/action.h"

#include <stdio.h>

static const struct word change_words[] = {
	{ "add", SCN_ROUTE_ADD, NULL },
	{ "delete", SCN_ROUTE_DELETE, NULL },
	{ "replace", SCN_ROUTE_REPLACE, NULL },
	{ 0 },
};

static const struct type type_change = {
	.expects = "add, delete or replace",
	.scalar = SCALAR_WORD,
	.thing = "a change of a route",
	.words = change_words,
};

static const struct type type_to = {
	.expects = "a subnet, such as 10.0.0.0/24",
	.scalar = SCALAR_SUBNET,
};

static const struct type type_via = {
	.expects = "an IP address",
	.scalar = SCALAR_ADDRESS,
};

static const struct type type_metric = {
	.expects = "a whole number",
	.scalar = SCALAR_UINT,
	.max = UINT32_MAX - 2, /* the last are the SAL's own */
};

enum { ROUTE_TO, ROUTE_CHANGE, ROUTE_OVER, ROUTE_VIA, ROUTE_METRIC };

static const struct field route_fields[] = {
	[ROUTE_TO] = { .name = "route",
		       .type = &type_to,
		       .doc = "where it leads" },
	[ROUTE_CHANGE] = { .name = "change",
			   .type = &type_change,
			   .required = true,
			   .example = "add",
			   .doc = "what becomes of it" },
	[ROUTE_OVER] = { .name = "over",
			 .type = &type_iface,
			 .required = true,
			 .example = "\"a:eth0\"",
			 .doc = "whose route it is, and over which "
				"interface" },
	[ROUTE_VIA] = { .name = "via",
			.type = &type_via,
			.doc = "the router; without it, it is on the link" },
	[ROUTE_METRIC] = { .name = "metric",
			   .type = &type_metric,
			   .fallback = "0",
			   .doc = "the smaller one is taken; 0: the kernel's "
				  "default" },
};

const struct mapping mapping_action_route = {
	.what = "action",
	MAPPING_FIELDS(route_fields),
};

static bool read_route(struct loader *l, const struct value *v,
		       struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;

	(void)also;
	a->kind = SCN_ACTION_ROUTE;
	step->subject = v[ROUTE_TO].node;
	a->route.to = v[ROUTE_TO].prefix;
	a->route.change = v[ROUTE_CHANGE].word;
	a->route.at.link = v[ROUTE_OVER].index / 2;
	a->route.at.end = v[ROUTE_OVER].index % 2;
	a->route.metric = (uint32_t)v[ROUTE_METRIC].number;
	a->route.via = (struct ip_addr){ 0 };
	if (v[ROUTE_VIA].node && !v[ROUTE_VIA].ok)
		return false;
	if (v[ROUTE_VIA].node) {
		a->route.via = v[ROUTE_VIA].address;
		if (v[ROUTE_TO].ok &&
		    a->route.via.family != a->route.to.addr.family) {
			tree_error(l->diag, v[ROUTE_VIA].node,
				   "%s and %s are of two families",
				   v[ROUTE_TO].node->text,
				   v[ROUTE_VIA].node->text);
			return false;
		}
	}
	return v[ROUTE_TO].ok && v[ROUTE_CHANGE].ok && v[ROUTE_OVER].ok &&
	       v[ROUTE_METRIC].ok;
}

const struct action_form form_route = {
	.mapping = &mapping_action_route,
	.read = read_route,
	.kinds = ACTION_BIT(SCN_ACTION_ROUTE),
};

static void route_text(const struct scenario *s, const struct scn_action *a,
		       char *buf, size_t size)
{
	static const char *const words[] = {
		[SCN_ROUTE_ADD] = "add",
		[SCN_ROUTE_DELETE] = "delete",
		[SCN_ROUTE_REPLACE] = "replace",
	};
	const struct scn_endpoint *end =
		&s->links.v[a->route.at.link].end[a->route.at.end];
	char to[IP_TEXT_MAX], via[IP_TEXT_MAX];

	snprintf(buf, size, "%s route to %s%s%s over %s:%s",
		 words[a->route.change],
		 ip_format_prefix(&a->route.to, to, sizeof(to)),
		 a->route.via.family ? " via " : "",
		 a->route.via.family ?
			 ip_format_addr(&a->route.via, via, sizeof(via)) :
			 "",
		 s->nodes.v[end->node].name, end->ifname);
}

const struct action_kind kind_route = {
	.name = "route",
	.text = route_text,
};
