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
#include "orchestrator/report/internal.h"
#include "orchestrator/report/stream.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define RESULTS_SCHEMA "servalab-results/1"

struct builder {
	const struct report *report;
	bool ok;
};

/* ---- building blocks ---------------------------------------------------- */

static void set(struct builder *b, json_t *object, const char *key,
		json_t *value)
{
	if (json_object_set_new(object, key, value) != 0)
		b->ok = false;
}

static void append(struct builder *b, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		b->ok = false;
}

static json_t *time_value(int64_t ns)
{
	return ns == FIGURE_NONE ? json_null() : json_integer(ns);
}

/* Numbers beyond int64_t have no place in jansson's integers. */
static json_t *uint_value(uint64_t n)
{
	char text[24];

	if (n <= INT64_MAX)
		return json_integer((json_int_t)n);
	snprintf(text, sizeof(text), "%" PRIu64, n);
	return json_string(text);
}

static json_t *text_value(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *line_value(unsigned line)
{
	return line ? json_integer(line) : json_null();
}

static json_t *t_value(const struct builder *b, int64_t mono_ns)
{
	return time_value(record_t_ns(&b->report->record, mono_ns));
}

/* ---- probes ------------------------------------------------------------ */

static void set_counts(struct builder *b, json_t *o,
		       const struct figures_counts *c)
{
	set(b, o, "sent", uint_value(c->sent));
	set(b, o, "received", uint_value(c->received));
	set(b, o, "lost", uint_value(c->lost));
	set(b, o, "duplicated", uint_value(c->duplicated));
	set(b, o, "reordered", uint_value(c->reordered));
}

static json_t *rtt_value(struct builder *b, const struct figures_rtt *rtt)
{
	json_t *o = json_object();

	set(b, o, "min_ns", time_value(rtt->min_ns));
	set(b, o, "p50_ns", time_value(rtt->p50_ns));
	set(b, o, "p99_ns", time_value(rtt->p99_ns));
	set(b, o, "max_ns", time_value(rtt->max_ns));
	return o;
}

static json_t *outage_value(struct builder *b, const struct figures_outage *out)
{
	json_t *o = json_object();

	set(b, o, "length_ns", json_integer(out->length_ns));
	set(b, o, "t_ns", t_value(b, out->begin_ns));
	return o;
}

/* A number that may be unknown. */
static json_t *number_value(int64_t n)
{
	return time_value(n);
}

static json_t *phase_value(struct builder *b, const struct figures_phase *p)
{
	static const char *const kinds[] = { [PHASE_BEFORE] = "before",
					     [PHASE_DURING] = "during",
					     [PHASE_AFTER] = "after" };
	json_t *o = json_object();

	set(b, o, "phase", json_string(kinds[p->kind]));
	set(b, o, "action",
	    p->kind == PHASE_BEFORE ? json_null() :
				      json_integer((json_int_t)p->action));
	/* Before the first packet, or (delivery never came back) never. */
	set(b, o, "begin_t_ns",
	    p->begin_ns == INT64_MIN || p->begin_ns == FIGURE_FOREVER ?
		    json_null() :
		    t_value(b, p->begin_ns));
	set(b, o, "end_t_ns",
	    p->end_ns == FIGURE_FOREVER ? json_null() : t_value(b, p->end_ns));
	set_counts(b, o, &p->counts);
	set(b, o, "rtt", rtt_value(b, &p->rtt));
	set(b, o, "outage", outage_value(b, &p->outage));
	set(b, o, "bytes", number_value(p->bytes));
	set(b, o, "goodput_bps", number_value(p->goodput_bps));
	return o;
}

static json_t *action_outage_value(struct builder *b, size_t i,
				   const struct figures_outage *out)
{
	int64_t begin = b->report->record.actions.v[i].begin_ns;
	json_t *o = outage_value(b, out);

	set(b, o, "action", json_integer((json_int_t)i));
	set(b, o, "after_action_ns",
	    time_value(out->begin_ns == FIGURE_NONE ?
			       FIGURE_NONE :
			       figures_span(out->begin_ns, begin)));
	return o;
}

static json_t *recovery_value(struct builder *b, size_t i,
			      const struct figures_recovery *r)
{
	static const char *const kinds[] = {
		[RECOVERY_UNKNOWN] = "unknown",
		[RECOVERY_UNNEEDED] = "unneeded",
		[RECOVERY_DONE] = "done",
		[RECOVERY_NEVER] = "never",
	};
	json_t *o = json_object();

	set(b, o, "action", json_integer((json_int_t)i));
	set(b, o, "recovery", json_string(kinds[r->kind]));
	set(b, o, "earlier_bps", number_value(r->earlier_bps));
	set(b, o, "after_action_ns", time_value(r->after_ns));
	return o;
}

static json_t *switch_value(int64_t v)
{
	return v == FIGURE_NONE ? json_null() : json_boolean(v != 0);
}

static json_t *digest_value(const char *digest)
{
	return *digest ? json_string(digest) : json_null();
}

static json_t *stream_value(struct builder *b, size_t i)
{
	const struct record_probe *p = &b->report->record.probes[i];
	const struct scn_probe *s = &b->report->record.scenario->probes.v[i];
	const struct figures *f = &b->report->probes[i].figures;
	json_t *o, *recoveries;

	if (s->kind != SCN_PROBE_TCP_STREAM)
		return json_null();
	o = json_object();
	recoveries = json_array();
	set(b, o, "direction", json_string(s->upload ? "upload" : "download"));
	set(b, o, "end",
	    p->stream.known ? json_string(p->stream.end) : json_null());
	set(b, o, "connect_ns", time_value(stream_connect_ns(p)));
	set(b, o, "connected_t_ns",
	    p->stream.known ? t_value(b, p->stream.connected_ns) : json_null());
	set(b, o, "ended_t_ns",
	    p->stream.known ? t_value(b, p->stream.ended_ns) : json_null());
	set(b, o, "bytes", number_value(f->bytes));
	set(b, o, "goodput_bps", number_value(f->goodput_bps));
	set(b, o, "survived", switch_value(stream_survives(p)));
	set(b, o, "intact", switch_value(stream_intact(p)));
	set(b, o, "first_wrong", number_value(stream_first_wrong(p)));
	set(b, o, "sha256", digest_value(p->stream.sha256));
	set(b, o, "peer_sha256", digest_value(p->stream.peer_sha256));
	for (size_t k = 0; k < f->recoveries.n; k++)
		append(b, recoveries,
		       recovery_value(b, k, &f->recoveries.v[k]));
	set(b, o, "recoveries", recoveries);
	set(b, o, "recovery_ns", time_value(f->recovery_ns));
	return o;
}

static json_t *path_value(struct builder *b, const path_runs *runs)
{
	const struct record *rec = &b->report->record;
	json_t *array = json_array();

	for (size_t i = 0; i < runs->n; i++) {
		const struct path_run *run = &runs->v[i];
		json_t *o = json_object();

		set(b, o, "interface", json_string(run->interface));
		set(b, o, "count", uint_value(run->count));
		set(b, o, "first_t_ns",
		    t_value(b, record_run_of_real(rec, run->first_ns)));
		set(b, o, "last_t_ns",
		    t_value(b, record_run_of_real(rec, run->last_ns)));
		append(b, array, o);
	}
	return array;
}

static json_t *run_value(struct builder *b, const struct served_run *run,
			 bool numbered)
{
	const struct record *rec = &b->report->record;
	json_t *o = json_object();

	set(b, o, "node", json_string(rec->scenario->nodes.v[run->node].name));
	set(b, o, "count", uint_value(run->count));
	set(b, o, "first_seq",
	    numbered ? uint_value(run->first_seq) : json_null());
	set(b, o, "last_seq",
	    numbered ? uint_value(run->last_seq) : json_null());
	set(b, o, "first_t_ns",
	    t_value(b, record_run_of_real(rec, run->first_ns)));
	set(b, o, "last_t_ns",
	    t_value(b, record_run_of_real(rec, run->last_ns)));
	return o;
}

static json_t *errors_value(struct builder *b, const struct figures *f)
{
	json_t *o = json_object();

	for (size_t i = 0; i < f->n_errors; i++)
		set(b, o, f->errors[i].text, uint_value(f->errors[i].count));
	return o;
}

/* How late the probe itself was in sending. */
static json_t *late_value(struct builder *b, const struct record_probe *p)
{
	json_t *o;

	if (!p->has_late)
		return json_null();
	o = json_object();
	set(b, o, "count", uint_value(p->late.count));
	set(b, o, "p50_ns", json_integer(p->late.p50_ns));
	set(b, o, "p99_ns", json_integer(p->late.p99_ns));
	set(b, o, "max_ns", json_integer(p->late.max_ns));
	return o;
}

/* When they began, by the run's clock, which stands still in them. */
static json_t *pauses_value(struct builder *b)
{
	const struct pauses *p = &b->report->record.pauses;
	json_t *array = json_array();

	for (uint32_t i = 0; i < p->n; i++) {
		const struct pause *v = &p->v[i];
		json_t *o = json_object();

		set(b, o, "t_ns", t_value(b, pauses_run_ns(p, v->at_ns)));
		set(b, o, "duration_ns",
		    v->for_ns == PAUSE_OPEN ? json_null() :
					      json_integer(v->for_ns));
		append(b, array, o);
	}
	return array;
}

static json_t *prober_value(struct builder *b, const struct record_prober *p)
{
	json_t *o = json_object();

	set(b, o, "probes", json_integer((json_int_t)p->probes));
	set(b, o, "cpu_user_ns", time_value(p->cpu_user_ns));
	set(b, o, "cpu_system_ns", time_value(p->cpu_system_ns));
	set(b, o, "wall_ns", time_value(p->wall_ns));
	return o;
}

static json_t *probe_value(struct builder *b, size_t i)
{
	const struct record_probe *rp = &b->report->record.probes[i];
	const struct probe_result *p = &b->report->probes[i];
	const struct figures *f = &p->figures;
	json_t *o = json_object(), *phases = json_array();
	json_t *actions = json_array(), *served = json_array();

	set(b, o, "kind",
	    json_string(scn_probe_kind_name(
		    b->report->record.scenario->probes.v[i].kind)));
	set(b, o, "to", text_value(rp->to));
	set(b, o, "started", json_boolean(rp->started));
	set_counts(b, o, &f->counts);
	set(b, o, "interval_ns", time_value(f->interval_ns));
	set(b, o, "rtt", rtt_value(b, &f->rtt));
	set(b, o, "outage", outage_value(b, &f->outage));
	set(b, o, "errors", errors_value(b, f));
	set(b, o, "late", late_value(b, rp));
	set(b, o, "skipped", uint_value(rp->skipped));
	set(b, o, "crashed_t_ns",
	    time_value(record_t_ns(&b->report->record, rp->crashed_ns)));
	set(b, o, "connections", number_value(f->connections));
	set(b, o, "stream", stream_value(b, i));
	for (size_t j = 0; j < f->phases.n; j++)
		append(b, phases, phase_value(b, &f->phases.v[j]));
	set(b, o, "phases", phases);
	for (size_t j = 0; j < f->actions.n; j++)
		append(b, actions, action_outage_value(b, j, &f->actions.v[j]));
	set(b, o, "outages", actions);
	for (size_t j = 0; j < p->served.n; j++)
		append(b, served,
		       run_value(b, &p->served.v[j],
				 !whose_by_port(&b->report->record.scenario
							 ->probes.v[i])));
	set(b, o, "served", served);
	set(b, o, "served_twice", uint_value(p->twice));
	set(b, o, "left_by", path_value(b, &p->path.left));
	set(b, o, "came_by", path_value(b, &p->path.came));
	return o;
}

/* ---- the rest of it ----------------------------------------------------- */

static json_t *process_value(struct builder *b, size_t i)
{
	const struct record_process *p = &b->report->record.processes[i];
	const char *name = p->signal ? sigabbrev_np(p->signal) : NULL;
	json_t *o = json_object();

	set(b, o, "starts", json_integer(p->starts));
	set(b, o, "status",
	    p->exited && !p->signal ? json_integer(p->status) : json_null());
	set(b, o, "signal", p->signal ? json_integer(p->signal) : json_null());
	set(b, o, "signal_name", text_value(name));
	set(b, o, "expected",
	    p->exited ? json_boolean(p->expected) : json_null());
	return o;
}

static json_t *action_value(struct builder *b, size_t i)
{
	const struct record_action *a = &b->report->record.actions.v[i];
	json_t *o = json_object();

	set(b, o, "text", json_string(a->text));
	set(b, o, "line", line_value(a->line));
	set(b, o, "planned_ns", json_integer(a->planned_ns));
	set(b, o, "actual_ns", t_value(b, a->begin_ns));
	set(b, o, "late_ns", json_integer(report_late_ns(b->report, i)));
	set(b, o, "duration_ns", time_value(report_took_ns(b->report, i)));
	set(b, o, "exit_status",
	    a->exited && !a->signal ? json_integer(a->status) : json_null());
	set(b, o, "exit_signal",
	    a->signal ? json_integer(a->signal) : json_null());
	set(b, o, "error", text_value(a->error));
	set(b, o, "rolled_back", text_value(a->rolled_back));
	return o;
}

static json_t *expectation_value(struct builder *b, const struct judgement *j)
{
	CLEANUP_FREE char *text = NULL;
	json_t *o = json_object();

	if (asprintf(&text, "%s %s", j->subject, j->expected) < 0)
		text = NULL;
	set(b, o, "line", line_value(j->expect->pos.line));
	set(b, o, "column", line_value(j->expect->pos.col));
	set(b, o, "text", text_value(text));
	set(b, o, "subject", json_string(j->subject));
	set(b, o, "expected", json_string(j->expected));
	set(b, o, "actual", json_string(j->actual));
	set(b, o, "held", json_boolean(j->held));
	return o;
}

static json_t *lateness_value(struct builder *b)
{
	const struct report_lateness *l = &b->report->lateness;
	json_t *o = json_object();

	set(b, o, "p50_ns", time_value(l->p50_ns));
	set(b, o, "p99_ns", time_value(l->p99_ns));
	set(b, o, "max_ns", time_value(l->max_ns));
	return o;
}

static json_t *floor_value(struct builder *b)
{
	const struct record *rec = &b->report->record;
	json_t *o;

	if (rec->floor_p50_ns == RECORD_NONE)
		return json_null();
	o = json_object();
	set(b, o, "p50_ns", json_integer(rec->floor_p50_ns));
	set(b, o, "p99_ns", json_integer(rec->floor_p99_ns));
	return o;
}

static json_t *capture_value(struct builder *b)
{
	const struct record *rec = &b->report->record;
	json_t *o = json_object();

	set(b, o, "packets",
	    rec->counted ? uint_value(rec->packets) : json_null());
	set(b, o, "dropped",
	    rec->counted ? uint_value(rec->dropped) : json_null());
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

	set(b, frames, "offered", json_integer(s->offered));
	set(b, frames, "delivered", json_integer(s->delivered));
	set(b, frames, "lost", json_integer(s->lost));
	set(b, frames, "duplicated", json_integer(s->duplicated));
	set(b, frames, "corrupted", json_integer(s->corrupted));
	set(b, frames, "reordered", json_integer(s->reordered));
	set(b, frames, "marked", json_integer(s->marked));
	set(b, frames, "queue_dropped", json_integer(s->queue_dropped));
	set(b, frames, "mtu_dropped", json_integer(s->mtu_dropped));
	set(b, frames, "down_dropped", json_integer(s->down_dropped));
	set(b, o, "frames", frames);
	set(b, delay, "asked_mean_ns", json_integer(s->delay_asked_ns));
	set(b, delay, "mean_ns", json_integer(s->delay_mean_ns));
	set(b, delay, "p50_ns", json_integer(s->delay_p50_ns));
	set(b, delay, "p99_ns", json_integer(s->delay_p99_ns));
	set(b, o, "delay", delay);
	set(b, loss, "expected", json_real(s->lost_expected));
	set(b, loss, "realised", json_integer(s->lost));
	set(b, loss, "bound", json_real(s->lost_bound));
	set(b, o, "loss", loss);
	set(b, rate, "asked_bps", figure_value(s->rate_asked_bps));
	set(b, rate, "realised_bps", figure_value(s->rate_realised_bps));
	set(b, rate, "busy_ns", json_integer(s->busy_ns));
	set(b, o, "rate", rate);
	set(b, late, "p50_ns", json_integer(s->late_p50_ns));
	set(b, late, "p99_ns", json_integer(s->late_p99_ns));
	set(b, late, "max_ns", json_integer(s->late_max_ns));
	set(b, o, "lateness", late);
	set(b, backlog, "frames", json_integer(s->inside_most));
	set(b, backlog, "queued", json_integer(s->queued_most));
	set(b, backlog, "queued_bytes", json_integer(s->queued_bytes_most));
	set(b, o, "backlog", backlog);
	set(b, o, "machine_dropped", json_integer(s->machine_dropped));
	set(b, o, "changes", json_integer(s->changes));
	return o;
}

static json_t *link_value(struct builder *b, size_t i)
{
	const struct record *rec = &b->report->record;
	const struct scn_link *l = &rec->scenario->links.v[i];
	const struct link_figures *f = link_figures_find(&rec->links, l->name);
	json_t *o = json_object(), *directions = json_array();

	set(b, o, "link", json_string(l->name));
	/* Of a record that is older than emulated links, the kernel's. */
	set(b, o, "backend",
	    json_string(
		    scn_backend_name(l->emulated && rec->emulator_started)));
	set(b, o, "tolerance_ns",
	    f ? json_integer(f->tolerance_ns) : json_null());
	for (size_t end = 0; end < 2; end++) {
		char direction[2 * 128 + 2], asked[512];
		json_t *d = json_object();

		set(b, d, "direction",
		    json_string(scn_direction_text(rec->scenario, i, end,
						   direction,
						   sizeof(direction))));
		set(b, d, "asked",
		    json_string(link_params_text(&l->params[end], asked,
						 sizeof(asked))));
		set(b, d, "realised",
		    f ? side_value(b, &f->side[end]) : json_null());
		append(b, directions, d);
	}
	set(b, o, "directions", directions);
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

	set(b, o, "schema", json_string(RESULTS_SCHEMA));
	set(b, o, "name", json_string(s->name));
	set(b, o, "scenario", json_string(s->path));
	set(b, o, "seed", uint_value(r->record.seed));
	set(b, o, "verdict", json_string(verdict_name(r->verdict)));
	for (size_t i = 0; i < r->reasons.n; i++)
		append(b, reasons, json_string(r->reasons.v[i]));
	set(b, o, "reasons", reasons);
	set(b, o, "duration_ns", json_integer(report_duration_ns(r)));
	set(b, o, "pauses", pauses_value(b));
	for (size_t i = 0; i < s->probes.n; i++)
		set(b, probes, s->probes.v[i].name, probe_value(b, i));
	set(b, o, "probes", probes);
	for (size_t i = 0; i < r->record.probers.n; i++) {
		const struct record_prober *p = &r->record.probers.v[i];

		set(b, probers, s->nodes.v[p->node].name, prober_value(b, p));
	}
	set(b, o, "probers", probers);
	for (size_t i = 0; i < s->processes.n; i++)
		set(b, processes, s->processes.v[i].name, process_value(b, i));
	set(b, o, "processes", processes);
	for (size_t i = 0; i < r->record.actions.n; i++)
		append(b, actions, action_value(b, i));
	set(b, o, "actions", actions);
	set(b, o, "lateness", lateness_value(b));
	set(b, o, "floor", floor_value(b));
	for (size_t i = 0; i < s->links.n; i++)
		append(b, links, link_value(b, i));
	set(b, o, "links", links);
	set(b, o, "capture", capture_value(b));
	for (size_t i = 0; i < s->expects.n; i++)
		append(b, expectations, expectation_value(b, &r->judged[i]));
	set(b, o, "expectations", expectations);
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
