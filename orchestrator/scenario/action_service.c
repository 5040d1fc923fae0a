/* SPDX-License-Identifier: GPL-2.0-or-later */
/* register, unregister, flush: the parts of which a migration is made. */
#include "orchestrator/scenario/action.h"

#include <inttypes.h>
#include <stdio.h>

enum { SERVE_SERVICE, SERVE_NODE, SERVE_WEIGHT, SERVE_PRIORITY };

#define SERVE_FIELDS(verb, what)                                               \
	[SERVE_SERVICE] = { .name = verb,                                      \
			    .type = &type_service,                             \
			    .doc = what },                                     \
	[SERVE_NODE] = { .name = "node",                                       \
			 .type = &type_host,                                   \
			 .required = true,                                     \
			 .example = "d",                                       \
			 .doc = "the host" }

static const struct field register_fields[] = {
	SERVE_FIELDS("register", "the service that gets an instance"),
	[SERVE_WEIGHT] = { .name = "weight",
			   .type = &type_weight,
			   .fallback = "1",
			   .doc = "its share of new flows; 0: none" },
	[SERVE_PRIORITY] = { .name = "priority",
			     .type = &type_priority,
			     .fallback = "0",
			     .doc = "the highest that can be used serves" },
};
static const struct field unregister_fields[] = {
	SERVE_FIELDS("unregister", "the service that loses an instance"),
};

enum { FLUSH_NODE, FLUSH_SERVICE };

static const struct field flush_fields[] = {
	[FLUSH_NODE] = { .name = "flush",
			 .type = &type_machine,
			 .doc = "the node whose kernel forgets the connections "
				"that it tracks" },
	[FLUSH_SERVICE] = { .name = "service",
			    .type = &type_service,
			    .doc = "only those to this service" },
};

const struct mapping mapping_action_register = {
	.what = "action",
	MAPPING_FIELDS(register_fields),
};
const struct mapping mapping_action_unregister = {
	.what = "action",
	MAPPING_FIELDS(unregister_fields),
};
const struct mapping mapping_action_flush = {
	.what = "action",
	MAPPING_FIELDS(flush_fields),
};

static bool read_serve(struct loader *l, const struct value *v,
		       struct step *step, enum scn_action_kind kind)
{
	struct scn_action *a = &step->action;

	a->kind = kind;
	step->subject = v[SERVE_SERVICE].node;
	step->from = v[SERVE_NODE].node;
	a->serve.service = v[SERVE_SERVICE].index;
	a->serve.node = v[SERVE_NODE].index;
	return service_can_be_moved(l, &v[SERVE_SERVICE]) &&
	       v[SERVE_SERVICE].ok && v[SERVE_NODE].ok;
}

static bool read_register(struct loader *l, const struct value *v,
			  struct step *step, step_vec *also)
{
	(void)also;
	step->action.serve.weight = (uint32_t)v[SERVE_WEIGHT].number;
	step->action.serve.priority = (uint32_t)v[SERVE_PRIORITY].number;
	return read_serve(l, v, step, SCN_ACTION_REGISTER);
}

static bool read_unregister(struct loader *l, const struct value *v,
			    struct step *step, step_vec *also)
{
	(void)also;
	return read_serve(l, v, step, SCN_ACTION_UNREGISTER);
}

static bool read_flush(struct loader *l, const struct value *v,
		       struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;

	(void)also;
	a->kind = SCN_ACTION_FLUSH;
	step->subject = v[FLUSH_NODE].node;
	a->flush.node = v[FLUSH_NODE].index;
	a->flush.service = SCN_NONE;
	if (!v[FLUSH_SERVICE].node)
		return v[FLUSH_NODE].ok;
	a->flush.service = v[FLUSH_SERVICE].index;
	if (v[FLUSH_SERVICE].ok &&
	    l->s->services.v[a->flush.service].resolver != SCN_RESOLVER_NAT) {
		tree_error(l->diag, v[FLUSH_SERVICE].node,
			   "'%s' is no nat service: no kernel tracks its "
			   "connections",
			   v[FLUSH_SERVICE].node->text);
		return false;
	}
	return v[FLUSH_NODE].ok && v[FLUSH_SERVICE].ok;
}

const struct action_form form_register = {
	.mapping = &mapping_action_register,
	.read = read_register,
	.kinds = ACTION_BIT(SCN_ACTION_REGISTER),
};
const struct action_form form_unregister = {
	.mapping = &mapping_action_unregister,
	.read = read_unregister,
	.kinds = ACTION_BIT(SCN_ACTION_UNREGISTER),
};
const struct action_form form_flush = {
	.mapping = &mapping_action_flush,
	.read = read_flush,
	.kinds = ACTION_BIT(SCN_ACTION_FLUSH),
};

static void serve_text(const struct scenario *s, const struct scn_action *a,
		       char *buf, size_t size)
{
	char weight[32] = "";

	if (a->kind == SCN_ACTION_REGISTER && a->serve.weight != 1)
		snprintf(weight, sizeof(weight), ", weight %" PRIu32,
			 a->serve.weight);
	snprintf(buf, size, "%s %s at %s%s", scn_action_name(a->kind),
		 s->services.v[a->serve.service].name,
		 s->nodes.v[a->serve.node].name, weight);
}

static void flush_text(const struct scenario *s, const struct scn_action *a,
		       char *buf, size_t size)
{
	snprintf(buf, size, "flush %s%s%s", s->nodes.v[a->flush.node].name,
		 a->flush.service == SCN_NONE ? "" : " of ",
		 a->flush.service == SCN_NONE ?
			 "" :
			 s->services.v[a->flush.service].name);
}

static bool is_judged(const struct loader *l)
{
	return action_is_known(l, SCN_ACTION_MIGRATE) &&
	       action_is_known(l, SCN_ACTION_REGISTER) &&
	       action_is_known(l, SCN_ACTION_UNREGISTER);
}

static void check_serve(struct loader *l, struct state *st,
			const struct step *step)
{
	const struct scn_action *a = &step->action;
	size_t service = a->serve.service, node = a->serve.node;
	bool add = a->kind == SCN_ACTION_REGISTER;
	const struct scn_service *svc = &l->s->services.v[service];

	if (is_judged(l) && state_serves(l, st, service, node) == add)
		tree_error(l->diag, step->from,
			   "at %s, '%s' is %s instance of '%s'", step->when,
			   l->s->nodes.v[node].name, add ? "already an" : "no",
			   svc->name);
	st->moved[service] = step;
	state_set_serves(l, st, service, node, add);
}

const struct action_kind kind_register = {
	.name = "register",
	.text = serve_text,
	.simulate = check_serve,
};
const struct action_kind kind_unregister = {
	.name = "unregister",
	.text = serve_text,
	.simulate = check_serve,
};
const struct action_kind kind_flush = {
	.name = "flush",
	.text = flush_text,
};
