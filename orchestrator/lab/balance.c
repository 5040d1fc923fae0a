/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nat services: their bindings, and the flows that the kernel remembers. */
#include "orchestrator/lab/internal.h"

#include "base/vec.h"
#include "include/serval/service_id.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

static int protocol_of(const struct lab *lab, size_t service)
{
	switch (lab->plan->scenario->services.v[service].port.protocol) {
	case SCN_PROTO_TCP:
		return IPPROTO_TCP;
	case SCN_PROTO_UDP:
		return IPPROTO_UDP;
	case SCN_PROTO_ANY:
		break;
	}
	return 0;
}

/* What a service's hashes begin with: the same in every run of a seed. */
static uint32_t seed_of(const struct lab *lab, size_t service)
{
	uint64_t x = lab->plan->scenario->seed * 0x9e3779b97f4a7c15u + service;

	x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(x >> 32);
}

static struct knat_binding binding_of(const struct lab *lab,
				      const struct plan_op *op,
				      const struct knat_target *targets)
{
	const struct scn_service *s =
		&lab->plan->scenario->services.v[op->nat.service];

	return (struct knat_binding){
		.id = op->nat.id,
		.from = op->nat.from,
		.protocol = protocol_of(lab, op->nat.service),
		.port = s->port.port,
		.targets = targets,
		.n = op->nat.to.family ? op->nat.also + 1 : 0,
		.by_source = s->affinity == SCN_AFFINITY_SOURCE,
		.seed = seed_of(lab, op->nat.service),
	};
}

/* Those that belong together: what is added of one service (so that an error is
 * about that one), or all that changes. */
static bool belongs(const struct plan_op *op, const struct plan_op *first)
{
	if (op->node != first->node)
		return false;
	if (op->kind == PLAN_OP_NAT_ALSO)
		return op->nat.service == first->nat.service ||
		       first->kind == PLAN_OP_NAT_BIND;
	return op->kind == first->kind &&
	       (op->kind == PLAN_OP_NAT_BIND ||
		op->nat.service == first->nat.service);
}

int lab_apply_bindings(struct lab *lab, const struct plan_op *ops, size_t n,
		       size_t first, size_t *next, struct err *err)
{
	bool add = ops[first].kind == PLAN_OP_NAT_ADD;
	struct kns *ns = lab->nodes[ops[first].node].ns;
	struct knat_target *targets = NULL;
	struct knat_binding *all = NULL;
	size_t end = first, count = 0;
	int r;

	while (end < n && belongs(&ops[end], &ops[first]))
		end++;
	*next = end > first ? end : first + 1;
	if (ops[first].kind == PLAN_OP_NAT_ALSO)
		return err_set(err, EINVAL, "a part of no binding");
	targets = calloc(end - first, sizeof(*targets));
	all = calloc(end - first, sizeof(*all));
	if (!targets || !all) {
		free(targets);
		free(all);
		return err_errno(err, ENOMEM, "gather bindings");
	}
	for (size_t i = first; i < end; i++) {
		targets[i - first] = (struct knat_target){ ops[i].nat.to,
							   ops[i].nat.weight };
		if (ops[i].kind != PLAN_OP_NAT_ALSO)
			all[count++] =
				binding_of(lab, &ops[i], &targets[i - first]);
	}
	r = add ? knat_add(ns, all, count, err) :
		  knat_rebind(ns, all, count, err);
	free(targets);
	free(all);
	return r;
}

/* ---- what the kernel remembers --------------------------------------------
 */

static struct kconntrack_flows flows_of(const struct lab *lab, size_t service)
{
	const struct plan_service *svc = &lab->plan->services.v[service];

	return (struct kconntrack_flows){
		.addrs = svc->addresses.v,
		.n = svc->addresses.n,
		.protocol = protocol_of(lab, service),
		.port = lab->plan->scenario->services.v[service].port.port,
	};
}

int lab_flush_node(struct lab *lab, size_t node, size_t service,
		   unsigned *deleted, struct err *err)
{
	struct kconntrack_flows flows;

	if (service == SCN_NONE)
		return kns_conntrack_flush_all(lab->nodes[node].ns, deleted,
					       err);
	flows = flows_of(lab, service);
	return kns_conntrack_flush(lab->nodes[node].ns, &flows, deleted, err);
}

int lab_flush_service(struct lab *lab, size_t service,
		      const struct ip_addr *keep, size_t n_keep, bool hand_over,
		      unsigned *deleted, struct err *err)
{
	const struct plan_service *svc = &lab->plan->services.v[service];
	struct kconntrack_flows flows = flows_of(lab, service);

	flows.keep = keep;
	flows.n_keep = n_keep;
	*deleted = 0;
	for (size_t h = 0; h < svc->holders.n; h++) {
		struct kns *ns = lab->nodes[svc->holders.v[h]].ns;
		unsigned n = 0;
		int r;

		if (!ns)
			continue; /* it has crashed */
		r = hand_over ? kns_conntrack_hand_over(ns, &flows, &n, err) :
				kns_conntrack_flush(ns, &flows, &n, err);
		if (r)
			return r;
		*deleted += n;
	}
	return 0;
}

int lab_hand_over_end(struct lab *lab, size_t service, struct err *err)
{
	const struct plan_service *svc = &lab->plan->services.v[service];
	int r = 0;

	for (size_t h = 0; h < svc->holders.n && !r; h++)
		if (lab->nodes[svc->holders.v[h]].ns)
			r = kns_late_end(lab->nodes[svc->holders.v[h]].ns, err);
	return r;
}
