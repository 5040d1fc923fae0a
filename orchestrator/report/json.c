/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * results.json; docs/results.md is its reference. Times are integers in ns,
 * those with a place in the run count from the timeline's zero, and what is
 * unknown is null rather than left out, so that a reader finds every member.
 *
 * jansson reports a lack of memory as NULL, and every call passes a NULL on:
 * so trees are built without looking, and an object that could not take a
 * member is noted in one place, ok.
 */
#include "orchestrator/report/json_parts.h"

#include "base/cleanup.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define RESULTS_SCHEMA "servalab-results/1"

static json_t *pauses_value(struct builder *b)
{
	const struct pauses *p = &b->report->record.pauses;
	json_t *array = json_array();

	for (uint32_t i = 0; i < p->n; i++) {
		const struct pause *v = &p->v[i];
		json_t *o = json_object();

		results_set(b, o, "t_ns",
			    results_t(b, pauses_run_ns(p, v->at_ns)));
		results_set(b, o, "duration_ns",
			    v->for_ns == PAUSE_OPEN ? json_null() :
						      json_integer(v->for_ns));
		results_append(b, array, o);
	}
	return array;
}

static json_t *prober_value(struct builder *b, const struct record_prober *p)
{
	json_t *o = json_object();

	results_set(b, o, "probes", json_integer((json_int_t)p->probes));
	results_set(b, o, "cpu_user_ns", results_time(p->cpu_user_ns));
	results_set(b, o, "cpu_system_ns", results_time(p->cpu_system_ns));
	results_set(b, o, "wall_ns", results_time(p->wall_ns));
	return o;
}

static json_t *process_value(struct builder *b, size_t i)
{
	const struct record_process *p = &b->report->record.processes[i];
	const char *name = p->signal ? sigabbrev_np(p->signal) : NULL;
	json_t *o = json_object();

	results_set(b, o, "starts", json_integer(p->starts));
	results_set(b, o, "status",
		    p->exited && !p->signal ? json_integer(p->status) :
					      json_null());
	results_set(b, o, "signal",
		    p->signal ? json_integer(p->signal) : json_null());
	results_set(b, o, "signal_name", results_text(name));
	results_set(b, o, "expected",
		    p->exited ? json_boolean(p->expected) : json_null());
	return o;
}

static json_t *action_value(struct builder *b, size_t i)
{
	const struct record_action *a = &b->report->record.actions.v[i];
	json_t *o = json_object();

	results_set(b, o, "text", json_string(a->text));
	results_set(b, o, "line", results_line(a->line));
	results_set(b, o, "planned_ns", json_integer(a->planned_ns));
	results_set(b, o, "actual_ns", results_t(b, a->begin_ns));
	results_set(b, o, "late_ns",
		    json_integer(report_late_ns(b->report, i)));
	results_set(b, o, "duration_ns",
		    results_time(report_took_ns(b->report, i)));
	results_set(b, o, "exit_status",
		    a->exited && !a->signal ? json_integer(a->status) :
					      json_null());
	results_set(b, o, "exit_signal",
		    a->signal ? json_integer(a->signal) : json_null());
	results_set(b, o, "error", results_text(a->error));
	results_set(b, o, "rolled_back", results_text(a->rolled_back));
	results_set(b, o, "unchanged", results_text(a->unchanged));
	return o;
}

/* Both figures in their units (ns, bit/s, bytes, or a count). */
static json_t *compared_value(struct builder *b, const struct judgement *j)
{
	const struct scn_expect *e = j->expect;
	const struct scenario *s = b->report->record.scenario;
	int64_t value = j->share.value, whole = j->share.whole;
	json_t *o, *share = NULL;

	if (e->kind != SCN_EXPECT_PROBE || !e->compares)
		return json_null();
	if (value != FIGURE_NONE && whole != FIGURE_NONE && (whole || !value))
		share = json_real(whole ? (double)value / (double)whole : 1);
	o = json_object();
	results_set(b, o, "figure", json_string(scn_metric_name(e->metric)));
	results_set(b, o, "probe", json_string(s->probes.v[e->subject].name));
	results_set(b, o, "value", results_time(value));
	results_set(b, o, "of", json_string(s->probes.v[e->of].name));
	results_set(b, o, "of_value", results_time(whole));
	results_set(b, o, "share", share ? share : json_null());
	return o;
}

static json_t *expectation_value(struct builder *b, const struct judgement *j)
{
	CLEANUP_FREE char *text = NULL;
	json_t *o = json_object();

	if (asprintf(&text, "%s %s", j->subject, j->expected) < 0)
		text = NULL;
	results_set(b, o, "line", results_line(j->expect->pos.line));
	results_set(b, o, "column", results_line(j->expect->pos.col));
	results_set(b, o, "text", results_text(text));
	results_set(b, o, "subject", json_string(j->subject));
	results_set(b, o, "expected", json_string(j->expected));
	results_set(b, o, "actual", json_string(j->actual));
	results_set(b, o, "held", json_boolean(j->held));
	results_set(b, o, "compared", compared_value(b, j));
	return o;
}

static json_t *lateness_value(struct builder *b)
{
	const struct report_lateness *l = &b->report->lateness;
	json_t *o = json_object();

	results_set(b, o, "p50_ns", results_time(l->p50_ns));
	results_set(b, o, "p99_ns", results_time(l->p99_ns));
	results_set(b, o, "max_ns", results_time(l->max_ns));
	return o;
}

static json_t *floor_value(struct builder *b)
{
	const struct record *rec = &b->report->record;
	json_t *o;

	if (rec->floor_p50_ns == RECORD_NONE)
		return json_null();
	o = json_object();
	results_set(b, o, "p50_ns", json_integer(rec->floor_p50_ns));
	results_set(b, o, "p99_ns", json_integer(rec->floor_p99_ns));
	return o;
}

static json_t *capture_value(struct builder *b)
{
	const struct record *rec = &b->report->record;
	json_t *o = json_object();

	results_set(b, o, "packets",
		    rec->counted ? results_uint(rec->packets) : json_null());
	results_set(b, o, "dropped",
		    rec->counted ? results_uint(rec->dropped) : json_null());
	return o;
}

static json_t *figure_value(int64_t n)
{
	return n == LINK_FIGURE_NONE ? json_null() : json_integer(n);
}

/* What was asked, beside what came of it: null where the kernel carried it, or
 * the emulator left no figures. */
static json_t *side_value(struct builder *b, const struct link_side *s)
{
	json_t *o = json_object(), *frames = json_object();
	json_t *loss = json_object(), *late = json_object();
	json_t *delay = json_object(), *rate = json_object();
	json_t *backlog = json_object();

	results_set(b, frames, "offered", json_integer(s->offered));
	results_set(b, frames, "delivered", json_integer(s->delivered));
	results_set(b, frames, "lost", json_integer(s->lost));
	results_set(b, frames, "duplicated", json_integer(s->duplicated));
	results_set(b, frames, "corrupted", json_integer(s->corrupted));
	results_set(b, frames, "reordered", json_integer(s->reordered));
	results_set(b, frames, "marked", json_integer(s->marked));
	results_set(b, frames, "queue_dropped", json_integer(s->queue_dropped));
	results_set(b, frames, "mtu_dropped", json_integer(s->mtu_dropped));
	results_set(b, frames, "down_dropped", json_integer(s->down_dropped));
	results_set(b, o, "frames", frames);
	results_set(b, delay, "asked_mean_ns", json_integer(s->delay_asked_ns));
	results_set(b, delay, "mean_ns", json_integer(s->delay_mean_ns));
	results_set(b, delay, "p50_ns", json_integer(s->delay_p50_ns));
	results_set(b, delay, "p99_ns", json_integer(s->delay_p99_ns));
	results_set(b, o, "delay", delay);
	results_set(b, loss, "expected", json_real(s->lost_expected));
	results_set(b, loss, "realised", json_integer(s->lost));
	results_set(b, loss, "bound", json_real(s->lost_bound));
	results_set(b, o, "loss", loss);
	results_set(b, rate, "asked_bps", figure_value(s->rate_asked_bps));
	results_set(b, rate, "realised_bps",
		    figure_value(s->rate_realised_bps));
	results_set(b, rate, "busy_ns", json_integer(s->busy_ns));
	results_set(b, o, "rate", rate);
	results_set(b, late, "p50_ns", json_integer(s->late_p50_ns));
	results_set(b, late, "p99_ns", json_integer(s->late_p99_ns));
	results_set(b, late, "max_ns", json_integer(s->late_max_ns));
	results_set(b, o, "lateness", late);
	results_set(b, backlog, "frames", json_integer(s->inside_most));
	results_set(b, backlog, "queued", json_integer(s->queued_most));
	results_set(b, backlog, "queued_bytes",
		    json_integer(s->queued_bytes_most));
	results_set(b, o, "backlog", backlog);
	results_set(b, o, "machine_dropped", json_integer(s->machine_dropped));
	results_set(b, o, "changes", json_integer(s->changes));
	return o;
}

static json_t *link_value(struct builder *b, size_t i)
{
	const struct record *rec = &b->report->record;
	const struct scn_link *l = &rec->scenario->links.v[i];
	const struct link_figures *f = link_figures_find(&rec->links, l->name);
	json_t *o = json_object(), *directions = json_array();

	results_set(b, o, "link", json_string(l->name));
	/* Of a record that is older than emulated links, the kernel's. */
	results_set(b, o, "backend",
		    json_string(scn_backend_name(l->emulated &&
						 rec->emulator_started)));
	results_set(b, o, "tolerance_ns",
		    f ? json_integer(f->tolerance_ns) : json_null());
	for (size_t end = 0; end < 2; end++) {
		char direction[2 * 128 + 2], asked[512];
		json_t *d = json_object();

		results_set(b, d, "direction",
			    json_string(scn_direction_text(rec->scenario, i,
							   end, direction,
							   sizeof(direction))));
		results_set(b, d, "asked",
			    json_string(link_params_text(&l->params[end], asked,
							 sizeof(asked))));
		results_set(b, d, "realised",
			    f ? side_value(b, &f->side[end]) : json_null());
		results_append(b, directions, d);
	}
	results_set(b, o, "directions", directions);
	return o;
}

static json_t *results(struct builder *b)
{
	const struct report *r = b->report;
	const struct scenario *s = r->record.scenario;
	json_t *o = json_object(), *reasons = json_array();
	json_t *probes = json_object(), *processes = json_object();
	json_t *probers = json_object();
	json_t *actions = json_array(), *expectations = json_array();
	json_t *links = json_array();

	results_set(b, o, "schema", json_string(RESULTS_SCHEMA));
	results_set(b, o, "name", json_string(s->name));
	results_set(b, o, "scenario", json_string(s->path));
	results_set(b, o, "seed", results_uint(r->record.seed));
	results_set(b, o, "verdict", json_string(verdict_name(r->verdict)));
	for (size_t i = 0; i < r->reasons.n; i++)
		results_append(b, reasons, json_string(r->reasons.v[i]));
	results_set(b, o, "reasons", reasons);
	results_set(b, o, "duration_ns", json_integer(report_duration_ns(r)));
	results_set(b, o, "pauses", pauses_value(b));
	for (size_t i = 0; i < s->probes.n; i++)
		results_set(b, probes, s->probes.v[i].name,
			    results_probe(b, i));
	results_set(b, o, "probes", probes);
	for (size_t i = 0; i < r->record.probers.n; i++) {
		const struct record_prober *p = &r->record.probers.v[i];

		results_set(b, probers, s->nodes.v[p->node].name,
			    prober_value(b, p));
	}
	results_set(b, o, "probers", probers);
	for (size_t i = 0; i < s->processes.n; i++)
		results_set(b, processes, s->processes.v[i].name,
			    process_value(b, i));
	results_set(b, o, "processes", processes);
	for (size_t i = 0; i < r->record.actions.n; i++)
		results_append(b, actions, action_value(b, i));
	results_set(b, o, "actions", actions);
	results_set(b, o, "lateness", lateness_value(b));
	results_set(b, o, "floor", floor_value(b));
	for (size_t i = 0; i < s->links.n; i++)
		results_append(b, links, link_value(b, i));
	results_set(b, o, "links", links);
	results_set(b, o, "moves", results_moves(b));
	results_set(b, o, "capture", capture_value(b));
	for (size_t i = 0; i < s->expects.n; i++)
		results_append(b, expectations,
			       expectation_value(b, &r->judged[i]));
	results_set(b, o, "expectations", expectations);
	return o;
}

/* Fails with errno set, except where jansson keeps it to itself. */
static int write_file(const json_t *root, const char *path)
{
	FILE *f = fopen(path, "we");
	int code = 0;

	if (!f)
		return -errno;
	errno = 0;
	if (json_dumpf(root, f, JSON_INDENT(2)) != 0 || fputc('\n', f) == EOF)
		code = errno ? errno : EIO;
	if (fclose(f) != 0 && !code)
		code = errno;
	return -code;
}

/* A reader never sees half a file: it is made whole, then put in its place. */
static int replace_file(const json_t *root, const char *path, struct err *err)
{
	CLEANUP_FREE char *temp = NULL;
	int r;

	if (asprintf(&temp, "%s.%d.tmp", path, (int)getpid()) < 0) {
		temp = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	r = write_file(root, temp);
	if (!r && rename(temp, path) < 0)
		r = -errno;
	if (!r)
		return 0;
	unlink(temp);
	return err_errno(err, -r, "%s", path);
}

int report_write_json(const struct report *r, const char *record_dir,
		      struct err *err)
{
	struct builder b = { .report = r, .ok = true };
	CLEANUP_FREE char *path = NULL;
	json_auto_t *root = results(&b);

	if (!root || !b.ok)
		return err_set(err, ENOMEM, "out of memory");
	if (asprintf(&path, "%s/results.json", record_dir) < 0) {
		path = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	return replace_file(root, path, err);
}
