/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "node/app/interfaces.h"

#include <errno.h>
#include <string.h>

static size_t find(const struct interfaces *t, const char *name)
{
	size_t i = 0;

	while (i < t->n && strcmp(t->v[i].name, name) != 0)
		i++;
	return i;
}

int interfaces_set(struct interfaces *t, const char *name, uint32_t cost,
		   bool metered, struct err *err)
{
	size_t i = find(t, name), len = strlen(name);

	if (!len || len >= IFNAMSIZ)
		return err_set(err, EINVAL,
			       "an interface's name has 1 to %d bytes",
			       IFNAMSIZ - 1);
	if (i == INTERFACES_MAX)
		return err_set(err, ENOSPC, "more than %d interfaces",
			       INTERFACES_MAX);
	if (i == t->n)
		t->n++;
	memcpy(t->v[i].name, name, len + 1);
	t->v[i].cost = cost;
	t->v[i].metered = metered;
	return 0;
}

void interfaces_fill(const struct interfaces *t, const struct monitor_state *s,
		     struct sal_local_address list[MONITOR_ADDRESSES_MAX])
{
	for (size_t i = 0; i < s->n; i++) {
		size_t k = find(t, s->names[i]);

		list[i] = s->list[i];
		if (k == t->n)
			continue;
		list[i].cost = t->v[k].cost;
		list[i].metered = t->v[k].metered;
	}
}
