/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks which service router, and where that one sends what is for an
 * instance.
 *
 * A host that resolves by service routers is in their domain: they know its
 * instances, and send there directly. What is in other domains a router sends
 * to a router: down, to the one of its own that has the instance in its domain;
 * up, to the one that it resolves by itself; and those which have none above
 * them know all each other. So each router has one rule for a service and place
 * to go to, and a SYN passes no more routers than there are levels.
 */
#include "orchestrator/plan/routing.h"

#include <errno.h>
#include <string.h>

/* ---- who asks whom ------------------------------------------------------ */

/* Steps from one node, through bridges and routers; SIZE_MAX: no way. */
static void find_distances(const struct scenario *s, size_t from,
			   size_t *distance, size_t *queue)
{
	size_t done = 0, n = 0;

	memset(distance, 0xff, s->nodes.n * sizeof(*distance));
	distance[from] = 0;
	queue[n++] = from;
	while (done < n) {
		size_t at = queue[done++];

		if (at != from && scn_kind_is_host(s->nodes.v[at].kind))
			continue;
		for (size_t i = 0; i < 2 * s->links.n; i++) {
			const struct scn_link *l = &s->links.v[i / 2];
			size_t to = l->end[!(i % 2)].node;

			if (l->end[i % 2].node != at ||
			    distance[to] != SIZE_MAX)
				continue;
			distance[to] = distance[at] + 1;
			queue[n++] = to;
		}
	}
}

static void take_nearest(struct plan *p, size_t node, const size_t *distance)
{
	const struct scenario *s = p->scenario;
	struct plan_node *n = &p->nodes.v[node];
	size_t best = SCN_NONE;

	for (size_t i = 0; i < s->nodes.n; i++)
		if (s->nodes.v[i].kind == SCN_NODE_SERVICE_ROUTER &&
		    distance[i] != SIZE_MAX &&
		    (best == SCN_NONE || distance[i] < distance[best]))
			best = i;
	n->resolves = SCN_RESOLVES_TABLE;
	if (best == SCN_NONE)
		return;
	n->resolves = SCN_RESOLVES_ROUTERS;
	n->routers[0] = best;
	n->router_count = 1;
}

int plan_resolution(struct plan *p)
{
	const struct scenario *s = p->scenario;
	size_t *distance = calloc(s->nodes.n + 1, sizeof(*distance));
	size_t *queue = calloc(s->nodes.n + 1, sizeof(*queue));
	int r = distance && queue ? 0 : -ENOMEM;

	for (size_t i = 0; i < s->nodes.n && !r; i++) {
		const struct scn_node *of = &s->nodes.v[i];
		struct plan_node *n = &p->nodes.v[i];

		n->resolves = of->resolves;
		n->router_count = of->router_count;
		memcpy(n->routers, of->routers, sizeof(n->routers));
		if (of->resolves != SCN_RESOLVES_AUTO)
			continue;
		n->resolves = SCN_RESOLVES_TABLE;
		if (!n->sald || !scn_kind_is_host(of->kind))
			continue;
		find_distances(s, i, distance, queue);
		take_nearest(p, i, distance);
	}
	free(distance);
	free(queue);
	return r;
}

/* ---- where to ----------------------------------------------------------- */

static size_t above(const struct plan *p, size_t node)
{
	const struct plan_node *n = &p->nodes.v[node];

	return n->router_count ? n->routers[0] : SCN_NONE;
}

static bool is_of(const struct plan *p, size_t router, size_t node)
{
	const struct plan_node *n = &p->nodes.v[node];

	for (size_t i = 0; i < n->router_count; i++)
		if (n->routers[i] == router)
			return true;
	return false;
}

size_t plan_next_router(const struct plan *p, size_t router, size_t instance)
{
	size_t at = instance, steps = p->nodes.n;

	if (!p->nodes.v[instance].router_count)
		return instance;
	while (!is_of(p, router, at) && above(p, at) != SCN_NONE && steps--)
		at = above(p, at);
	if (is_of(p, router, at))
		return at;
	return above(p, router) == SCN_NONE && at != router ? at : SCN_NONE;
}

bool plan_is_service_router(const struct plan *p, size_t node)
{
	return p->scenario->nodes.v[node].kind == SCN_NODE_SERVICE_ROUTER;
}

bool plan_knows_all(const struct plan *p, size_t node)
{
	return p->nodes.v[node].resolves == SCN_RESOLVES_TABLE &&
	       !plan_is_service_router(p, node);
}
