/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partitions, silence, masquerading: from nodes to what the kernel's layer
 * knows. */
#include "orchestrator/lab/internal.h"

#include "orchestrator/plan/live.h"
#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct group {
	VEC(struct ip_addr) addresses;
	VEC(struct mac { uint8_t bytes[6]; }) macs;
};

_Static_assert(sizeof(struct mac) == 6, "an array of them is one of bytes");

static int add_node(const struct plan *plan, size_t node, struct group *g)
{
	CLEANUP_FREE struct ip_addr *all = NULL;
	size_t n = 0;

	if (plan_node_addresses(plan, node, &all, &n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct ip_addr *slot = VEC_PUSH(&g->addresses);

		if (!slot)
			return -ENOMEM;
		*slot = all[i];
	}
	for (size_t i = 0; i < plan->ifaces.n; i++) {
		struct mac *slot;

		if (plan->ifaces.v[i].node != node)
			continue;
		slot = VEC_PUSH(&g->macs);
		if (!slot)
			return -ENOMEM;
		memcpy(slot->bytes, plan->ifaces.v[i].mac, 6);
	}
	return 0;
}

int lab_cut(struct lab *lab, const struct plan_op *op, struct err *err)
{
	const scn_groups *groups = &op->cut.partition->partition.groups;
	CLEANUP_FREE struct group *g = calloc(groups->n + 1, sizeof(*g));
	CLEANUP_FREE struct kcut_group *k = calloc(groups->n + 1, sizeof(*k));
	size_t own = SIZE_MAX;
	int r = g && k ? 0 : -ENOMEM;

	for (size_t i = 0; i < groups->n && !r; i++) {
		for (size_t j = 0; j < groups->v[i].n && !r; j++) {
			r = add_node(lab->plan, groups->v[i].v[j], &g[i]);
			if (groups->v[i].v[j] == op->node)
				own = i;
		}
		k[i] = (struct kcut_group){
			.addresses = g[i].addresses.v,
			.n = g[i].addresses.n,
			.macs = (const uint8_t(*)[6])g[i].macs.v,
			.n_macs = g[i].macs.n,
		};
	}
	r = r ? err_errno(err, -r, "cut groups off") :
		kcut_set(lab->nodes[op->node].ns, k, groups->n, own, err);
	for (size_t i = 0; g && i < groups->n; i++) {
		VEC_FREE(&g[i].addresses);
		VEC_FREE(&g[i].macs);
	}
	return r;
}

int lab_silence(struct lab *lab, size_t node, struct err *err)
{
	const struct plan *plan = lab->plan;
	struct kns *ns = lab->nodes[node].ns;
	CLEANUP_FREE const char **names =
		calloc(plan->ifaces.n + 1, sizeof(*names));
	CLEANUP_FREE char(*texts)[IFNAMSIZ] =
		calloc(plan->ifaces.n + 1, sizeof(*texts));
	size_t n = 0;

	if (!names || !texts)
		return err_errno(err, ENOMEM, "silence the interfaces");
	/* By the names they have now. */
	for (size_t i = 0; i < plan->ifaces.n; i++) {
		if (plan->ifaces.v[i].node != node)
			continue;
		if (kns_ifname(ns, plan->ifaces.v[i].ifindex, texts[n]))
			continue; /* it is not there */
		names[n] = texts[n];
		n++;
	}
	return ksilence_set(ns, names, n, err);
}

/* ---- masquerading ---------------------------------------------------------
 */

/*
 * Where the ports of a rebound router's flows are from: they are none that a
 * range before has, until all of them have been used, and none that programs
 * bind by themselves (ip_local_port_range).
 */
#define PORTS_FIRST 10000
#define PORTS_EACH 1000
#define PORTS_RANGES 20

int lab_masquerade(struct lab *lab, const struct plan_op *op, struct err *err)
{
	const struct plan *plan = lab->plan;
	VEC(uint32_t) indexes = { 0 };
	unsigned rebinds = op->masquerade.rebinds;
	struct kmasq m = { 0 };
	int r = 0;

	for (size_t i = 0; i < plan->ifaces.n && !r; i++) {
		uint32_t *slot;

		if (plan->ifaces.v[i].node != op->node ||
		    !plan_masquerades(plan, i))
			continue;
		slot = VEC_PUSH(&indexes);
		if (slot)
			*slot = plan->ifaces.v[i].ifindex;
		else
			r = err_errno(err, ENOMEM, "masquerade");
	}
	m.ifindexes = indexes.v;
	m.n = indexes.n;
	if (rebinds) {
		m.first_port =
			(uint16_t)(PORTS_FIRST +
				   (rebinds - 1) % PORTS_RANGES * PORTS_EACH);
		m.last_port = (uint16_t)(m.first_port + PORTS_EACH - 1);
	}
	if (!r)
		r = kmasq_set(lab->nodes[op->node].ns, &m, err);
	VEC_FREE(&indexes);
	return r;
}
