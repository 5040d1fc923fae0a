/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service: how new flows are shared among the instances of a service. What is
 * open stays where it is, so that weight 0 drains an instance.
 */
#include "orchestrator/scenario/action.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { WEIGHT_SERVICE, WEIGHT_INSTANCE, WEIGHT_WEIGHT, WEIGHT_WEIGHTS };

static const struct type type_weights = {
	.expects = "hosts and their weights, such as '{ c: 1, d: 3 }'",
	.key = &type_host,
	.value = &type_weight,
};

static const struct field weight_fields[] = {
	[WEIGHT_SERVICE] = { .name = "service",
			     .type = &type_service,
			     .doc = "the service whose instances get other "
				    "weights" },
	[WEIGHT_INSTANCE] = { .name = "instance",
			      .type = &type_host,
			      .doc = "one of them" },
	[WEIGHT_WEIGHT] = { .name = "weight",
			    .type = &type_weight,
			    .doc = "its share of new flows from then on; 0: "
				   "none, it is drained" },
	[WEIGHT_WEIGHTS] = { .name = "weights",
			     .type = &type_weights,
			     .doc = "those of several at once" },
};

const struct mapping mapping_action_weight = {
	.what = "action",
	MAPPING_FIELDS(weight_fields),
};

/* One alone, or a set: nothing, half of it and both are errors. */
static bool check_keys(struct loader *l, const struct value *v,
		       const struct step *step)
{
	const struct tree_node *instance = v[WEIGHT_INSTANCE].node;
	const struct tree_node *weight = v[WEIGHT_WEIGHT].node;
	const struct tree_node *weights = v[WEIGHT_WEIGHTS].node;
	const struct tree_node *one = instance ? instance : weight;

	if (weights && one) {
		tree_error(l->diag, weights,
			   "'weights' stands in the place of 'instance' and "
			   "'weight'");
		diag_note(l->diag, one->pos, one->width, "one of them is here");
		return false;
	}
	if (weights || (instance && weight))
		return true;
	if (!one) {
		tree_error(l->diag, step->map,
			   "this says nothing about the service");
		diag_help(l->diag, "add 'instance: c, weight: 0' or "
				   "'weights: { c: 1, d: 3 }'");
		return false;
	}
	tree_error(l->diag, one, "'%s' needs '%s' beside it",
		   instance ? "instance" : "weight",
		   instance ? "weight" : "instance");
	return false;
}

static bool read_set(struct loader *l, const struct tree_node *map,
		     struct scn_action *a)
{
	bool good = true;

	if (!map->n) {
		tree_error(l->diag, map, "these weights name no hosts");
		return false;
	}
	a->weight.set = calloc(map->n, sizeof(*a->weight.set));
	if (!a->weight.set) {
		l->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < map->n; i++) {
		struct value host, weight;
		bool ok = scalar_read(l, &type_host, map->pairs[i].key, &host);

		ok &= value_read(l, &type_weight, map->pairs[i].value, &weight);
		good &= ok;
		if (ok)
			a->weight.set[a->weight.n++] =
				(struct scn_weight){ host.index,
						     (uint32_t)weight.number };
	}
	return good;
}

static bool read_weight(struct loader *l, const struct value *v,
			struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;

	(void)also;
	a->kind = SCN_ACTION_WEIGHT;
	a->weight.service = v[WEIGHT_SERVICE].index;
	a->weight.set = NULL;
	a->weight.n = 0;
	step->subject = v[WEIGHT_SERVICE].node;
	if (!check_keys(l, v, step) || !v[WEIGHT_SERVICE].ok)
		return false;
	if (v[WEIGHT_WEIGHTS].node) {
		step->from = v[WEIGHT_WEIGHTS].node;
		return v[WEIGHT_WEIGHTS].ok &&
		       read_set(l, v[WEIGHT_WEIGHTS].node, a);
	}
	step->from = v[WEIGHT_INSTANCE].node;
	if (!v[WEIGHT_INSTANCE].ok || !v[WEIGHT_WEIGHT].ok)
		return false;
	a->weight.set = calloc(1, sizeof(*a->weight.set));
	if (!a->weight.set) {
		l->no_memory = true;
		return false;
	}
	a->weight.set[0] =
		(struct scn_weight){ v[WEIGHT_INSTANCE].index,
				     (uint32_t)v[WEIGHT_WEIGHT].number };
	a->weight.n = 1;
	return true;
}

const struct action_form form_weight = {
	.mapping = &mapping_action_weight,
	.read = read_weight,
	.kinds = ACTION_BIT(SCN_ACTION_WEIGHT),
};

static void weight_text(const struct scenario *s, const struct scn_action *a,
			char *buf, size_t size)
{
	size_t at = (size_t)snprintf(buf, size, "weight of %s:",
				     s->services.v[a->weight.service].name);

	for (size_t i = 0; i < a->weight.n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s %s %" PRIu32,
				       i ? "," : "",
				       s->nodes.v[a->weight.set[i].node].name,
				       a->weight.set[i].weight);
}

static bool is_candidate(const struct scn_service *svc, size_t node)
{
	for (size_t i = 0; i < svc->candidates.n; i++)
		if (svc->candidates.v[i].node == node)
			return true;
	return false;
}

/* Whether somebody listens there then, nobody knows beforehand. */
static void check_candidates(struct loader *l, const struct step *step)
{
	const struct scn_action *a = &step->action;
	const struct scn_service *svc = &l->s->services.v[a->weight.service];

	for (size_t i = 0; i < a->weight.n; i++) {
		size_t node = a->weight.set[i].node;

		if (is_candidate(svc, node))
			continue;
		tree_error(l->diag, step->from, "'%s' is no candidate of '%s'",
			   l->s->nodes.v[node].name, svc->name);
		diag_note(l->diag, svc->candidates_pos, 1, "these are");
	}
}

static void check_weight(struct loader *l, struct state *st,
			 const struct step *step)
{
	const struct scn_action *a = &step->action;

	if (l->s->services.v[a->weight.service].candidates.n) {
		check_candidates(l, step);
		return;
	}
	if (!action_is_known(l, SCN_ACTION_MIGRATE) ||
	    !action_is_known(l, SCN_ACTION_REGISTER) ||
	    !action_is_known(l, SCN_ACTION_UNREGISTER))
		return;
	for (size_t i = 0; i < a->weight.n; i++) {
		size_t node = a->weight.set[i].node;

		if (state_serves(l, st, a->weight.service, node))
			continue;
		tree_error(l->diag, step->from,
			   "at %s, '%s' is no instance of '%s'", step->when,
			   l->s->nodes.v[node].name,
			   l->s->services.v[a->weight.service].name);
		diag_help(l->diag, "make it one first, with 'register'");
	}
}

static void weight_free(struct scn_action *a)
{
	free(a->weight.set);
}

const struct action_kind kind_weight = {
	.name = "weight",
	.text = weight_text,
	.simulate = check_weight,
	.free = weight_free,
};
