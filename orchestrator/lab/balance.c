/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nat services: their bindings, and the flows that the kernel remembers. */
#include "orchestrator/lab/internal.h"

#include "base/vec.h"
#include "include/serval/service_id.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/* Of one transaction, which is to fit into a socket's buffer. */
#define ADD_MAX 64

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

/* Behind the operations that are of one service, and begin with `first`. */
static size_t one_service(const struct plan_op *ops, size_t n, size_t first)
{
	size_t end = first + 1;

	while (end < n && ops[end].node == ops[first].node &&
	       ops[end].nat.service == ops[first].nat.service &&
	       (ops[end].kind == PLAN_OP_NAT_ALSO ||
		ops[end].kind == ops[first].kind))
		end++;
	return end;
}

/* Behind those that are done at once: all that change, as nothing is to be seen
 * half changed; of what is added, as much as fits into a message. */
static size_t at_once(const struct plan_op *ops, size_t n, size_t first)
{
	bool add = ops[first].kind == PLAN_OP_NAT_ADD;
	size_t end = one_service(ops, n, first);

	while (end < n && ops[end].node == ops[first].node &&
	       ops[end].kind == ops[first].kind) {
		size_t next = one_service(ops, n, end);

		if (add && next - first > ADD_MAX)
			break;
		end = next;
	}
	return end;
}

static int apply(struct lab *lab, const struct plan_op *ops, size_t n,
		 struct err *err)
{
	struct kns *ns = lab->nodes[ops->node].ns;
	struct knat_target *targets = calloc(n, sizeof(*targets));
	struct knat_binding *all = calloc(n, sizeof(*all));
	size_t count = 0;
	int r;

	if (!targets || !all) {
		free(targets);
		free(all);
		return err_errno(err, ENOMEM, "gather bindings");
	}
	for (size_t i = 0; i < n; i++) {
		targets[i] = (struct knat_target){ ops[i].nat.to,
						   ops[i].nat.weight };
		if (ops[i].kind != PLAN_OP_NAT_ALSO)
			all[count++] = binding_of(lab, &ops[i], &targets[i]);
	}
	r = ops->kind == PLAN_OP_NAT_ADD ? knat_add(ns, all, count, err) :
					   knat_rebind(ns, all, count, err);
	free(targets);
	free(all);
	return r;
}

/* What was refused as a whole is added service by service, so that the error is
 * about the one that cannot be. */
static int add_singly(struct lab *lab, const struct plan_op *ops, size_t end,
		      size_t *at, struct err *err)
{
	int r = 0;

	while (*at < end && !r) {
		size_t next = one_service(ops, end, *at);

		r = apply(lab, ops + *at, next - *at, err);
		if (!r)
			*at = next;
	}
	return r;
}

int lab_apply_bindings(struct lab *lab, const struct plan_op *ops, size_t n,
		       size_t first, size_t *next, struct err *err)
{
	const struct kernel *k = &lab->kernel;
	struct err mine = ERR_INIT;
	size_t end;
	int r;

	*next = first;
	if (ops[first].kind == PLAN_OP_NAT_ALSO)
		return err_set(err, EINVAL, "a part of no binding");
	end = at_once(ops, n, first);
	r = apply(lab, ops + first, end - first, &mine);
	/* A failure on purpose stays one. */
	if (r && ops[first].kind == PLAN_OP_NAT_ADD &&
	    one_service(ops, end, first) < end && k->steps != k->fail_at)
		return add_singly(lab, ops, end, next, err);
	if (r)
		*err = mine;
	else
		*next = end;
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
