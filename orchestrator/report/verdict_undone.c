/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The actions that were not done, since the end of the run came before, or
 * while one was under way. Told are the first few lines and, of the first entry
 * that waited in vain, what for: entries that come after another wait for that
 * one's reason, and no author should have to look a condition up to see it.
 */
#include "orchestrator/report/internal.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

#define UNDONE_TOLD 3

/* Of the line: did it begin, or is it even done? */
static bool began(const struct record *rec, unsigned line, bool and_ended)
{
	for (size_t i = 0; i < rec->actions.n; i++)
		if (rec->actions.v[i].line == line &&
		    (!and_ended || rec->actions.v[i].end_ns != RECORD_NONE))
			return true;
	return false;
}

/* "the packet 'tcp' at a:eth0, for the third time" */
static void tell_condition(const struct scenario *s, const struct scn_when *w,
			   char *out, size_t size)
{
	const struct scn_endpoint *at;
	char time[32];
	int len = 0;

	switch (w->kind) {
	case SCN_WHEN_EVENT:
		len = snprintf(out, size, "the event %s", w->text);
		for (size_t i = 0; i < w->where.n && (size_t)len < size; i++)
			len += snprintf(out + len, size - (size_t)len,
					"%s %s of %s", i ? "," : " with the",
					w->where.v[i].field,
					w->where.v[i].value);
		break;
	case SCN_WHEN_EXIT:
		len = snprintf(out, size, "the end of %s",
			       s->processes.v[w->process].name);
		break;
	case SCN_WHEN_PRINTS:
		len = snprintf(out, size, "%s to print \"%s\"",
			       s->processes.v[w->process].name, w->text);
		break;
	case SCN_WHEN_PACKET:
		at = &s->links.v[w->at.link].end[w->at.end];
		len = snprintf(out, size,
			       "a packet at %s:%s that matches \"%s\"",
			       s->nodes.v[at->node].name, at->ifname, w->text);
		break;
	case SCN_WHEN_PROBE:
		if (w->lost_run)
			len = snprintf(out, size,
				       "%s to lose %" PRIu64 " in a row",
				       s->probes.v[w->probe].name, w->lost_run);
		else
			len = snprintf(out, size,
				       "%s to have an answer after %s",
				       s->probes.v[w->probe].name,
				       units_format_duration(w->rtt_ns, time,
							     sizeof(time)));
		break;
	}
	if (w->count > 1 && (size_t)len < size)
		snprintf(out + len, size - (size_t)len, ", %" PRIu64 " times",
			 w->count);
}

/* What an entry with a `when` waited for in vain, that or its `plus`. */
static void tell_wait(const struct record *rec, const struct scn_entry *e,
		      char *out, size_t size)
{
	char condition[400], delay[32], rest[96] = "";
	bool came = false;

	for (size_t i = 0; i < rec->delayed.n; i++)
		came |= rec->delayed.v[i] == e->pos.line;
	tell_condition(rec->scenario, &e->when, condition, sizeof(condition));
	if (e->delay_ns)
		snprintf(rest, sizeof(rest), "%s, and then %s%s",
			 came ? ", which came" : "",
			 units_format_duration(e->delay_ns, delay,
					       sizeof(delay)),
			 came ? ", which had not passed" : "");
	snprintf(out, size, " (line %u waited for %s%s)", e->when.pos.line,
		 condition, rest);
}

/* Of several actions in one line, one tells it. */
static bool is_told(const unsigned *lines, size_t n, unsigned line)
{
	for (size_t i = 0; i < n; i++)
		if (lines[i] == line)
			return true;
	return false;
}

static int tell(struct report *r, size_t done, size_t planned)
{
	const struct record *rec = &r->record;
	char text[80] = "", waited[640] = "";
	unsigned lines[UNDONE_TOLD];
	size_t told = 0, len = 0;

	for (size_t i = 0; i < rec->scenario->timeline.n; i++) {
		const struct scn_entry *e = &rec->scenario->timeline.v[i];

		for (size_t k = 0; !e->optional && k < e->actions.n; k++) {
			unsigned line = e->actions.v[k].pos.line;

			if (told == UNDONE_TOLD || began(rec, line, true) ||
			    is_told(lines, told, line))
				continue;
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "%s%u",
				told ? ", " : "; not what is in line ", line);
			lines[told++] = line;
			if (e->trigger == SCN_TRIGGER_WHEN && !waited[0] &&
			    !began(rec, line, false))
				tell_wait(rec, e, waited, sizeof(waited));
		}
	}
	return verdict_reason(r, "%zu of %zu action%s %s done%s%s", done,
			      planned, planned == 1 ? "" : "s",
			      planned == 1 || done == 1 ? "was" : "were", text,
			      waited);
}

int verdict_undone(struct report *r)
{
	const struct record *rec = &r->record;
	size_t planned = 0, done = 0;

	for (size_t i = 0; i < rec->scenario->timeline.n; i++)
		if (!rec->scenario->timeline.v[i].optional)
			planned += rec->scenario->timeline.v[i].actions.n;
	for (size_t i = 0; i < rec->actions.n; i++)
		done += !rec->actions.v[i].optional &&
			rec->actions.v[i].end_ns != RECORD_NONE;
	/* Of a run that was killed, that is said. */
	if (!rec->complete || done >= planned)
		return 0;
	return tell(r, done, planned);
}
