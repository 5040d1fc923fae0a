/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/sim/storm_versions.h"

#include "tests/support/sal_world_parts.h"

#include <stdlib.h>

/* Of a tie: who sent, and its latest verno. */
struct version {
	const struct host *h;
	uint64_t nonce;
	uint32_t verno;
};

struct storm_versions {
	struct version v[1024];
	struct storm_totals *totals;
};

struct storm_versions *storm_versions_new(struct storm_totals *totals)
{
	struct storm_versions *v = must(calloc(1, sizeof(*v)));

	v->totals = totals;
	return v;
}

void storm_versions_free(struct storm_versions *v)
{
	free(v);
}

static struct version *version_of(struct storm_versions *all,
				  const struct host *h, uint64_t nonce)
{
	size_t i = nonce % (sizeof(all->v) / sizeof(*all->v));
	struct version *v = &all->v[i];

	/* Of two at one place the later is watched. */
	if (v->h != h || v->nonce != nonce)
		*v = (struct version){ h, nonce, 0 };
	return v;
}

void storm_versions_see(struct storm_versions *all, const struct wire_packet *p)
{
	const struct sal_control *c;
	struct sal_packet d;
	struct version *v;

	if (sal_decode(&d, p->bytes, p->len) != SAL_OK)
		return;
	c = sal_find_control(&d);
	if (!c || c->flags & SAL_FLAG_RST || (c->flags & SAL_FLAG_ACK))
		return;
	if (c->flags & SAL_FLAG_RSYN && sal_find_service(&d, 0))
		all->totals->by_name++;
	v = version_of(all, p->from, c->nonce);
	WORLD_OK(p->from->world,
		 !v->verno || (int32_t)(v->verno - c->verno) <= 0);
	v->verno = c->verno;
}
