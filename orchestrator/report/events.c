/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.jsonl into the record. One function for each event of interest; those
 * of other names are passed over, so that a newer run can be read by an older
 * program. A field that an event must have is taken by event_int() or
 * event_text(), which say file and line where it is missing.
 */
#include "orchestrator/report/events_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

int event_bad(const struct event *ev, const char *what)
{
	return err_set(ev->err, EBADMSG, "%s:%zu: %s", ev->path, ev->line,
		       what);
}

int event_bad_field(const struct event *ev, const char *field, const char *kind)
{
	return err_set(ev->err, EBADMSG, "%s:%zu: \"%s\" is missing or no %s",
		       ev->path, ev->line, field, kind);
}

int event_int(const struct event *ev, const char *field, int64_t *out)
{
	const json_t *value = json_object_get(ev->object, field);

	if (!json_is_integer(value))
		return event_bad_field(ev, field, "integer");
	*out = json_integer_value(value);
	return 0;
}

int event_text(const struct event *ev, const char *field, const char **out)
{
	*out = json_string_value(json_object_get(ev->object, field));
	return *out ? 0 : event_bad_field(ev, field, "string");
}

int event_keep(const struct event *ev, const char *text, char **out)
{
	char *copy = strdup(text);

	if (!copy)
		return err_set(ev->err, ENOMEM, "out of memory");
	free(*out);
	*out = copy;
	return 0;
}

static int on_clock(struct record *rec, const struct event *ev)
{
	struct record_clock *c;
	int64_t real_ns;
	int r = event_int(ev, "real_ns", &real_ns);

	if (r)
		return r;
	c = VEC_PUSH(&rec->clocks);
	if (!c)
		return err_set(ev->err, ENOMEM, "out of memory");
	*c = (struct record_clock){ ev->mono_ns, real_ns };
	return 0;
}

static int on_floor(struct record *rec, const struct event *ev)
{
	int r = event_int(ev, "p50_ns", &rec->floor_p50_ns);

	return r ? r : event_int(ev, "p99_ns", &rec->floor_p99_ns);
}

static int on_cpu(struct record *rec, const struct event *ev)
{
	struct record_cpu c, *slot;
	int r = event_int(ev, "steal_ticks", &c.steal_ticks);

	if (!r)
		r = event_int(ev, "total_ticks", &c.total_ticks);
	if (r)
		return r;
	slot = VEC_PUSH(&rec->cpus);
	if (!slot)
		return err_set(ev->err, ENOMEM, "out of memory");
	*slot = c;
	return 0;
}

static int find_process(const struct record *rec, const struct event *ev,
			struct record_process **out)
{
	const char *name;
	int r = event_text(ev, "process", &name);

	if (r)
		return r;
	for (size_t i = 0; i < rec->scenario->processes.n; i++) {
		if (strcmp(rec->scenario->processes.v[i].name, name) == 0) {
			*out = &rec->processes[i];
			return 0;
		}
	}
	return event_bad(ev, "the scenario has no process of this name");
}

static int on_process_start(struct record *rec, const struct event *ev)
{
	struct record_process *p;
	int r = find_process(rec, ev, &p);

	if (r)
		return r;
	p->starts++;
	return 0;
}

static int on_process_exit(struct record *rec, const struct event *ev)
{
	bool by_signal = json_object_get(ev->object, "signal") != NULL;
	struct record_process *p;
	int64_t value;
	int r = find_process(rec, ev, &p);

	if (!r)
		r = event_int(ev, by_signal ? "signal" : "status", &value);
	if (r)
		return r;
	if (by_signal ? value < 1 || value >= NSIG : value < 0 || value > 255)
		return event_bad(ev, "no process ends like this");
	p->exited = true;
	p->exited_ns = ev->mono_ns;
	p->signal = by_signal ? (int)value : 0;
	p->status = by_signal ? 0 : (int)value;
	p->expected = json_is_true(json_object_get(ev->object, "expected"));
	return 0;
}

static int on_process_abandoned(struct record *rec, const struct event *ev)
{
	struct record_process *p;
	int r = find_process(rec, ev, &p);

	if (r)
		return r;
	p->abandoned = true;
	return 0;
}

static int on_process_log_cut(struct record *rec, const struct event *ev)
{
	struct record_process *p;
	int r = find_process(rec, ev, &p);

	if (r)
		return r;
	p->log_cut = true;
	return 0;
}

static int on_sald_exit(struct record *rec, const struct event *ev)
{
	bool by_signal = json_object_get(ev->object, "signal") != NULL;
	const char *node;
	int64_t value;
	int r = event_text(ev, "node", &node);

	if (!r)
		r = event_int(ev, by_signal ? "signal" : "status", &value);
	if (r || rec->failure ||
	    json_is_true(json_object_get(ev->object, "expected")))
		return r;
	if (asprintf(&rec->failure,
		     "the sald of %s ended unexpectedly, %s %" PRId64
		     "; see sald/%s.log of the record",
		     node, by_signal ? "by signal" : "with status", value,
		     node) >= 0)
		return 0;
	rec->failure = NULL;
	return err_set(ev->err, ENOMEM, "out of memory");
}

static int on_names_exit(struct record *rec, const struct event *ev)
{
	bool by_signal = json_object_get(ev->object, "signal") != NULL;
	int64_t value;
	int r = event_int(ev, by_signal ? "signal" : "status", &value);

	if (r || rec->failure ||
	    json_is_true(json_object_get(ev->object, "expected")))
		return r;
	if (asprintf(&rec->failure,
		     "the resolver of names ended unexpectedly, %s %" PRId64,
		     by_signal ? "by signal" : "with status", value) >= 0)
		return 0;
	rec->failure = NULL;
	return err_set(ev->err, ENOMEM, "out of memory");
}

static int on_polled(struct record *rec, const struct event *ev)
{
	int64_t index;
	int r = event_int(ev, "expectation", &index);

	if (r)
		return r;
	if (index < 0 || (uint64_t)index >= rec->scenario->expects.n)
		return event_bad(ev, "the scenario has no such expectation");
	rec->polled[index].known = true;
	rec->polled[index].held =
		json_is_true(json_object_get(ev->object, "held"));
	return 0;
}

static int on_emulator_start(struct record *rec, const struct event *ev)
{
	(void)ev;
	rec->emulator_started = true;
	return 0;
}

/* Not a failure of the lab, but of what it was measured over. */
static int on_emulator_exit(struct record *rec, const struct event *ev)
{
	bool by_signal = json_object_get(ev->object, "signal") != NULL;
	const char *why =
		json_string_value(json_object_get(ev->object, "error"));
	int64_t t_ns = record_t_ns(rec, ev->mono_ns);
	char at[48] = "";
	int64_t value;
	int r = event_int(ev, by_signal ? "signal" : "status", &value);

	if (r || rec->emulator_died ||
	    json_is_true(json_object_get(ev->object, "expected")))
		return r;
	if (t_ns != RECORD_NONE)
		snprintf(at, sizeof(at), " at %.3f s", (double)t_ns / 1e9);
	if (asprintf(&rec->emulator_died,
		     "the emulator of the links ended unexpectedly%s, %s "
		     "%" PRId64 "%s%s: with it went every emulated link, so "
		     "what came then says nothing",
		     at, by_signal ? "by signal" : "with status", value,
		     why ? ": " : "", why ? why : "") >= 0)
		return 0;
	rec->emulator_died = NULL;
	return err_set(ev->err, ENOMEM, "out of memory");
}

static int on_timeline_start(struct record *rec, const struct event *ev)
{
	rec->zero_ns = ev->mono_ns;
	return 0;
}

static int on_paused(struct record *rec, const struct event *ev)
{
	struct pauses *p = &rec->pauses;
	struct pause *v = &p->v[p->n];
	const json_t *settled = json_object_get(ev->object, "settled_ns");

	if (p->n == PAUSES_MAX)
		return event_bad(ev, "there are too many pauses");
	if (p->n && (v[-1].for_ns == PAUSE_OPEN ||
		     v[-1].at_ns + v[-1].for_ns > ev->mono_ns))
		return event_bad(ev, "the pause before it has not ended");
	*v = (struct pause){ .at_ns = ev->mono_ns,
			     .for_ns = PAUSE_OPEN,
			     .settled_ns = ev->mono_ns };
	if (json_is_integer(settled) &&
	    json_integer_value(settled) > ev->mono_ns)
		v->settled_ns = json_integer_value(settled);
	p->n++;
	return 0;
}

static int on_continued(struct record *rec, const struct event *ev)
{
	struct pauses *p = &rec->pauses;
	struct pause *v = p->n ? &p->v[p->n - 1] : NULL;

	if (!v || v->for_ns != PAUSE_OPEN || ev->mono_ns < v->at_ns)
		return event_bad(ev, "there was no pause");
	v->for_ns = ev->mono_ns - v->at_ns;
	return 0;
}

static int on_interrupted(struct record *rec, const struct event *ev)
{
	(void)ev;
	rec->interrupted = true;
	return 0;
}

static int on_timed_out(struct record *rec, const struct event *ev)
{
	int64_t ns;
	int r = event_int(ev, "timeout_ns", &ns);

	if (!r && ns <= 0)
		r = event_bad(ev, "no run has so little time");
	rec->timeout_ns = r ? 0 : ns;
	rec->default_timeout =
		json_is_true(json_object_get(ev->object, "default"));
	return r;
}

static int on_failed(struct record *rec, const struct event *ev)
{
	const char *error;
	int r = event_text(ev, "error", &error);

	return r ? r : event_keep(ev, error, &rec->broken);
}

static int on_end(struct record *rec, const struct event *ev)
{
	(void)ev;
	rec->complete = true;
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct record *rec, const struct event *ev);
} handlers[] = {
	{ "clock", on_clock },
	{ "floor", on_floor },
	{ "cpu", on_cpu },
	{ "process.start", on_process_start },
	{ "process.exit", on_process_exit },
	{ "process.abandoned", on_process_abandoned },
	{ "process.log_cut", on_process_log_cut },
	{ "timeline.start", on_timeline_start },
	{ "probe.start", event_on_probe_start },
	{ "probe.end", event_on_probe_end },
	{ "probe.abandoned", event_on_probe_abandoned },
	{ "probes.end", event_on_probes_end },
	{ "action.start", event_on_action_start },
	{ "action.done", event_on_action_done },
	{ "action.step", event_on_action_step },
	{ "entry.delayed", event_on_entry_delayed },
	{ "action.failed", event_on_action_failed },
	{ "action.rolled_back", event_on_action_rolled_back },
	{ "sald.exit", on_sald_exit },
	{ "sal.flow.migrated", event_on_migrated },
	{ "names.exit", on_names_exit },
	{ "expect.polled", on_polled },
	{ "emulator.start", on_emulator_start },
	{ "emulator.exit", on_emulator_exit },
	{ "run.paused", on_paused },
	{ "run.continued", on_continued },
	{ "run.interrupted", on_interrupted },
	{ "run.timed_out", on_timed_out },
	{ "run.failed", on_failed },
	{ "run.end", on_end },
};

static int event_take(struct record *rec, const struct event *ev)
{
	const char *name;
	int r = event_text(ev, "event", &name);

	for (size_t i = 0; !r && i < sizeof(handlers) / sizeof(*handlers);
	     i++) {
		if (strcmp(handlers[i].name, name) == 0)
			return handlers[i].take(rec, ev);
	}
	return r;
}

int record_read_start(json_t *events, const char *path, char **scenario,
		      uint64_t *seed, bool *has_seed, struct err *err)
{
	struct event ev = { json_array_get(events, 0), path, 1, 0, err };
	const json_t *value;
	const char *text;
	int r;

	if (!ev.object)
		return event_bad(&ev, "the run left no events");
	r = event_text(&ev, "event", &text);
	if (r)
		return r;
	if (strcmp(text, "run.start") != 0)
		return event_bad(&ev, "the first event is not \"run.start\"");
	r = event_text(&ev, "scenario", &text);
	if (r)
		return r;
	value = json_object_get(ev.object, "seed");
	*has_seed = json_is_integer(value) && json_integer_value(value) >= 0;
	*seed = *has_seed ? (uint64_t)json_integer_value(value) : 0;
	return event_keep(&ev, text, scenario);
}

static int compare_actions(const void *a, const void *b)
{
	const struct record_action *x = a, *y = b;

	if (x->begin_ns != y->begin_ns)
		return x->begin_ns < y->begin_ns ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

int record_read_events(json_t *events, const char *path, struct record *rec,
		       struct err *err)
{
	struct event ev = { .path = path, .err = err };
	size_t i;
	int r;

	rec->zero_ns = RECORD_NONE;
	rec->floor_p50_ns = rec->floor_p99_ns = RECORD_NONE;
	json_array_foreach(events, i, ev.object)
	{
		ev.line = i + 1;
		r = event_int(&ev, "mono_ns", &ev.mono_ns);
		if (r)
			return r;
		/* The clock starts at boot; this also keeps sums in range. */
		if (ev.mono_ns < 0 || ev.mono_ns > INT64_MAX / 2)
			return event_bad(&ev, "\"mono_ns\" is no time");
		/* Not in order: some are written with the time at which they
		 * began. */
		if (i == 0 || ev.mono_ns < rec->start_ns)
			rec->start_ns = ev.mono_ns;
		if (ev.mono_ns > rec->last_ns)
			rec->last_ns = ev.mono_ns;
		r = event_take(rec, &ev);
		if (r)
			return r;
	}
	if (rec->actions.n)
		qsort(rec->actions.v, rec->actions.n, sizeof(*rec->actions.v),
		      compare_actions);
	return 0;
}
