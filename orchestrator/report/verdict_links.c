/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Did the emulated links keep their promises? Where one did not, what was
 * measured over it was measured over another link than the scenario's, and the
 * run says nothing. The definitions are in docs/measures.md.
 */
#include "orchestrator/report/internal.h"

#include "base/clock.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

#define TOLD_MAX 5 /* of one kind; a busy machine makes all links late */

struct told {
	struct report *r;
	unsigned late, dropped, off;
};

static int check_side(struct told *t, const struct link_figures *f,
		      const struct link_side *s, const char *direction)
{
	struct report *r = t->r;
	char late[48], allowed[48];
	int ret = 0;

	if (s->device_gone && t->dropped++ < TOLD_MAX)
		ret = verdict_reason(
			r,
			"link %s, %s: its interface was deleted while the "
			"run went on",
			f->name, direction);
	if (!ret && s->machine_dropped > 0 && t->dropped++ < TOLD_MAX)
		ret = verdict_reason(
			r,
			"link %s, %s: the machine lost %" PRId64
			" frames that the link was to carry: run it again "
			"on a machine that is less busy, or send less",
			f->name, direction, s->machine_dropped);
	if (!ret && s->late_p99_ns > f->tolerance_ns && t->late++ < TOLD_MAX)
		ret = verdict_reason(
			r,
			"link %s, %s: 1 of 100 frames was more than %s late, "
			"and %s is allowed: the machine was too busy to keep "
			"the delay; run it again, or allow more by its "
			"'tolerance'",
			f->name, direction,
			units_format_duration(s->late_p99_ns, late,
					      sizeof(late)),
			units_format_duration(f->tolerance_ns, allowed,
					      sizeof(allowed)));
	if (!ret && !s->lost_within && t->off++ < TOLD_MAX)
		ret = verdict_reason(
			r,
			"link %s, %s: %" PRId64 " of %" PRId64
			" frames were lost by its loss; its model asks "
			"for %.0f, and chance allows %.0f more or less: "
			"this is an error of the emulator",
			f->name, direction, s->lost, s->offered,
			s->lost_expected, s->lost_bound);
	return ret;
}

/* The link that allows the least of those that carried something. */
static int check_reading(struct report *r)
{
	const struct links_record *links = &r->record.links;
	const struct link_figures *least = NULL;
	char late[48], allowed[48];

	for (size_t i = 0; i < links->n; i++) {
		const struct link_figures *f = &links->v[i];

		if ((f->side[0].offered || f->side[1].offered) &&
		    (!least || f->tolerance_ns < least->tolerance_ns))
			least = f;
	}
	if (!least || links->reading_late_p99_ns <= least->tolerance_ns)
		return 0;
	return verdict_reason(
		r,
		"the emulator of the links was more than %s late to read "
		"frames in 1 of 100 moments, and link %s allows %s: the "
		"machine was too busy, or it was stopped; run it again, "
		"or allow more by its 'tolerance'",
		units_format_duration(links->reading_late_p99_ns, late,
				      sizeof(late)),
		least->name,
		units_format_duration(least->tolerance_ns, allowed,
				      sizeof(allowed)));
}

int verdict_links(struct report *r)
{
	const struct record *rec = &r->record;
	struct told t = { .r = r };
	char direction[2 * 128 + 2];
	int ret = 0;

	if (rec->emulator_died)
		return verdict_reason(r, "%s", rec->emulator_died);
	if (rec->emulator_started && rec->complete && !rec->links.read)
		return verdict_reason(
			r, "the emulator of the links did not say how "
			   "well it kept them: there is no links.json");
	ret = check_reading(r);
	for (size_t i = 0; i < rec->scenario->links.n && !ret; i++) {
		const struct scn_link *l = &rec->scenario->links.v[i];
		const struct link_figures *f =
			link_figures_find(&rec->links, l->name);

		for (size_t end = 0; f && end < 2 && !ret; end++)
			ret = check_side(&t, f, &f->side[end],
					 scn_direction_text(rec->scenario, i,
							    end, direction,
							    sizeof(direction)));
	}
	if (!ret && t.late > TOLD_MAX)
		ret = verdict_reason(r, "%u more directions of links were late",
				     t.late - TOLD_MAX);
	if (!ret && t.dropped > TOLD_MAX)
		ret = verdict_reason(r,
				     "%u more directions of links lost frames",
				     t.dropped - TOLD_MAX);
	return ret;
}
