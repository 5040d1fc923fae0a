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

int interfaces_set(struct interfaces *t, const struct control_interface *new,
		   struct err *err)
{
	size_t i = find(t, new->name), len = strlen(new->name);

	if (!len || len >= IFNAMSIZ)
		return err_set(err, EINVAL,
			       "an interface's name has 1 to %d bytes",
			       IFNAMSIZ - 1);
	if (i == INTERFACES_MAX)
		return err_set(err, ENOSPC, "more than %d interfaces",
			       INTERFACES_MAX);
	if (i == t->n)
		t->n++;
	memcpy(t->v[i].name, new->name, len + 1);
	t->v[i].cost = new->cost;
	t->v[i].metered = new->metered;
	t->v[i].cap_bps = new->cap_bps;
	return 0;
}

/* Those that are not named are behind all that are. */
static size_t place(const struct interfaces *t, const char *name)
{
	size_t i = 0;

	while (i < t->n_order && strcmp(t->order[i], name) != 0)
		i++;
	return i;
}

void interfaces_order(const struct interfaces *t, struct monitor_state *s)
{
	/* Stable: what has one place stays in the monitor's order. */
	for (size_t i = 1; i < s->n; i++) {
		struct sal_local_address moving = s->list[i];
		char name[IFNAMSIZ];
		size_t at = i;

		memcpy(name, s->names[i], IFNAMSIZ);
		while (at && place(t, name) < place(t, s->names[at - 1])) {
			s->list[at] = s->list[at - 1];
			memcpy(s->names[at], s->names[at - 1], IFNAMSIZ);
			at--;
		}
		s->list[at] = moving;
		memcpy(s->names[at], name, IFNAMSIZ);
	}
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

uint64_t interfaces_cap_bps(const struct interfaces *t, const char *name)
{
	size_t i = find(t, name);

	return i == t->n ? 0 : t->v[i].cap_bps;
}
