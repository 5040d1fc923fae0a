/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/observe/pauses.h"

#include <stddef.h>

int64_t pauses_run_ns(const struct pauses *p, int64_t mono_ns)
{
	int64_t paused_ns = 0;

	for (uint32_t i = 0; p && i < p->n; i++) {
		const struct pause *v = &p->v[i];

		if (mono_ns < v->at_ns)
			break;
		if (mono_ns - v->at_ns < v->for_ns)
			return v->at_ns - paused_ns;
		paused_ns += v->for_ns;
	}
	return mono_ns - paused_ns;
}

int64_t pauses_mono_ns(const struct pauses *p, int64_t run_ns)
{
	int64_t mono_ns = run_ns;

	for (uint32_t i = 0; p && i < p->n && mono_ns > p->v[i].at_ns; i++)
		mono_ns += p->v[i].for_ns;
	return mono_ns;
}

int64_t pauses_total_ns(const struct pauses *p)
{
	int64_t total_ns = 0;

	for (uint32_t i = 0; p && i < p->n; i++)
		if (p->v[i].for_ns != PAUSE_OPEN)
			total_ns += p->v[i].for_ns;
	return total_ns;
}

const struct pause *pauses_find(const struct pauses *p, int64_t mono_ns)
{
	for (uint32_t i = 0; p && i < p->n; i++)
		if (mono_ns >= p->v[i].settled_ns &&
		    mono_ns - p->v[i].at_ns < p->v[i].for_ns)
			return &p->v[i];
	return NULL;
}
