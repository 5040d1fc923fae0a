/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an emulated link did, by the emulator's account (links.json). */
#include "orchestrator/report/expect_internal.h"

static int64_t figure(const struct link_side *s, enum scn_link_figure f)
{
	switch (f) {
	case SCN_LINK_OFFERED:
		return s->offered;
	case SCN_LINK_DELIVERED:
		return s->delivered;
	case SCN_LINK_LOST:
		return s->lost;
	case SCN_LINK_DUPLICATED:
		return s->duplicated;
	case SCN_LINK_CORRUPTED:
		return s->corrupted;
	case SCN_LINK_REORDERED:
		return s->reordered;
	case SCN_LINK_MARKED:
		return s->marked;
	case SCN_LINK_QUEUE_DROPPED:
		return s->queue_dropped;
	case SCN_LINK_QUEUED_MOST:
		return s->queued_most;
	case SCN_LINK_MTU_DROPPED:
		return s->mtu_dropped;
	case SCN_LINK_DOWN_DROPPED:
		return s->down_dropped;
	case SCN_LINK_FIGURE_COUNT_:
		break;
	}
	return 0;
}

/* Of both directions: together, or (what there was at most) of the one with
 * more. */
static int64_t value_of(const struct link_figures *l,
			const struct scn_expect *e)
{
	int64_t sum = 0, most = 0;

	for (size_t end = 0; end < 2; end++) {
		int64_t value = figure(&l->side[end], e->link_figure);

		if (!e->link_from[end])
			continue;
		sum += value;
		most = value > most ? value : most;
	}
	return e->link_figure == SCN_LINK_QUEUED_MOST ? most : sum;
}

void expect_judge_link(const struct record *rec, const struct scn_expect *e,
		       struct judgement *j)
{
	const struct scenario *s = rec->scenario;
	const struct scn_link *link = &s->links.v[e->subject];
	const struct link_figures *l =
		link_figures_find(&rec->links, link->name);
	const char *name = scn_link_figure_name(e->link_figure);
	size_t from = e->link_from[0] ? 0 : 1;

	if (e->link_from[0] && e->link_from[1])
		expect_say(&j->subject, "%s: %s", link->name, name);
	else
		expect_say(&j->subject, "%s, %s>%s: %s", link->name,
			   s->nodes.v[link->end[from].node].name,
			   s->nodes.v[link->end[!from].node].name, name);
	expect_range_text(&j->expected, &e->range, SCN_UNIT_COUNT);
	if (!l) {
		expect_say(&j->actual, "unknown: the emulator told nothing");
		return;
	}
	j->held = expect_in_range(&e->range, value_of(l, e));
	expect_actual_text(j, &e->range, value_of(l, e), SCN_UNIT_COUNT);
}
