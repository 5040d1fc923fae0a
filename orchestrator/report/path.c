/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/path.h"

#include <errno.h>
#include <string.h>

#define SALD_INTERFACE "sal0"

static int run_add(path_runs *runs, const char *ifname, int64_t time_ns)
{
	struct path_run *run = runs->n ? &runs->v[runs->n - 1] : NULL;

	if (!run || strcmp(run->interface, ifname) != 0) {
		if (runs->n >= PATH_RUNS_MAX)
			return 0;
		run = VEC_PUSH(runs);
		if (!run)
			return -ENOMEM;
		strcpy(run->interface, ifname);
		run->first_ns = time_ns;
	}
	run->count++;
	run->last_ns = time_ns;
	return 0;
}

int path_add(struct path *p, const struct whose_packet *packet, bool out,
	     const char *ifname, int64_t time_ns)
{
	if (strlen(ifname) >= IFNAMSIZ || !strcmp(ifname, SALD_INTERFACE))
		return 0;
	if (out && packet->request)
		return run_add(&p->left, ifname, time_ns);
	if (!out && packet->answer)
		return run_add(&p->came, ifname, time_ns);
	return 0;
}

void path_free(struct path *p)
{
	VEC_FREE(&p->left);
	VEC_FREE(&p->came);
}
