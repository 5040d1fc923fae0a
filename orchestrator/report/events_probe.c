/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What events say of probes. */
#include "orchestrator/report/events_parts.h"

#include <errno.h>
#include <string.h>

static int find_probe(const struct record *rec, const struct event *ev,
		      struct record_probe **out)
{
	const char *name;
	int r = event_text(ev, "probe", &name);

	if (r)
		return r;
	for (size_t i = 0; i < rec->scenario->probes.n; i++) {
		if (strcmp(rec->scenario->probes.v[i].name, name) == 0) {
			*out = &rec->probes[i];
			return 0;
		}
	}
	return event_bad(ev, "the scenario has no probe of this name");
}

int event_on_probe_start(struct record *rec, const struct event *ev)
{
	struct record_probe *p;
	const char *to;
	int r = find_probe(rec, ev, &p);

	if (r)
		return r;
	/* One that was not yet due when its node crashed begins once more. */
	p->started = true;
	p->ended = false;
	p->crashed_ns = RECORD_NONE;
	to = json_string_value(json_object_get(ev->object, "to"));
	return to ? event_keep(ev, to, &p->to) : 0;
}

/* Older records tell nothing of how late a probe was. */
static int take_lateness(const struct event *ev, struct record_probe *p)
{
	const struct event late = { json_object_get(ev->object, "late"),
				    ev->path, ev->line, ev->mono_ns, ev->err };
	int64_t count;
	int r;

	if (!late.object)
		return 0;
	r = event_int(&late, "count", &count);
	if (!r)
		r = event_int(&late, "p50_ns", &p->late.p50_ns);
	if (!r)
		r = event_int(&late, "p99_ns", &p->late.p99_ns);
	if (!r)
		r = event_int(&late, "max_ns", &p->late.max_ns);
	if (r)
		return r;
	p->late.count = count > 0 ? (uint64_t)count : 0;
	p->has_late = true;
	return 0;
}

int event_on_probe_end(struct record *rec, const struct event *ev)
{
	struct record_probe *p;
	json_int_t skipped;
	int r = find_probe(rec, ev, &p);

	if (!r)
		r = event_int(ev, "status", &p->status);
	if (r)
		return r;
	p->ended = true;
	if (json_is_true(json_object_get(ev->object, "crashed")))
		p->crashed_ns = ev->mono_ns;
	skipped = json_integer_value(json_object_get(ev->object, "skipped"));
	p->skipped = skipped > 0 ? (uint64_t)skipped : 0;
	return take_lateness(ev, p);
}

static int64_t time_or_none(const struct event *ev, const char *field)
{
	const json_t *value = json_object_get(ev->object, field);

	return json_is_integer(value) ? json_integer_value(value) : RECORD_NONE;
}

int event_on_probes_end(struct record *rec, const struct event *ev)
{
	struct record_prober *p;
	const char *name;
	int64_t probes;
	size_t node;
	int r = event_text(ev, "node", &name);

	if (!r)
		r = event_int(ev, "probes", &probes);
	if (r)
		return r;
	node = scenario_find_node(rec->scenario, name);
	if (node == SCN_NONE || probes < 0)
		return event_bad(ev,
				 "the scenario has no node with these probes");
	p = VEC_PUSH(&rec->probers);
	if (!p)
		return err_set(ev->err, ENOMEM, "out of memory");
	p->node = node;
	p->probes = (size_t)probes;
	p->cpu_user_ns = time_or_none(ev, "cpu_user_ns");
	p->cpu_system_ns = time_or_none(ev, "cpu_system_ns");
	p->wall_ns = time_or_none(ev, "wall_ns");
	return 0;
}

int event_on_probe_abandoned(struct record *rec, const struct event *ev)
{
	struct record_probe *p;
	int r = find_probe(rec, ev, &p);

	if (r)
		return r;
	p->abandoned = true;
	return 0;
}
