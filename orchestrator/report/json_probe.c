/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What results.json says of a probe. */
#include "orchestrator/report/json_parts.h"
#include "orchestrator/report/stream.h"

static void set_counts(struct builder *b, json_t *o,
		       const struct figures_counts *c)
{
	results_set(b, o, "sent", results_uint(c->sent));
	results_set(b, o, "received", results_uint(c->received));
	results_set(b, o, "lost", results_uint(c->lost));
	results_set(b, o, "duplicated", results_uint(c->duplicated));
	results_set(b, o, "reordered", results_uint(c->reordered));
}

static json_t *rtt_value(struct builder *b, const struct figures_rtt *rtt)
{
	json_t *o = json_object();

	results_set(b, o, "min_ns", results_time(rtt->min_ns));
	results_set(b, o, "p50_ns", results_time(rtt->p50_ns));
	results_set(b, o, "p99_ns", results_time(rtt->p99_ns));
	results_set(b, o, "max_ns", results_time(rtt->max_ns));
	return o;
}

static json_t *outage_value(struct builder *b, const struct figures_outage *out)
{
	json_t *o = json_object();

	results_set(b, o, "length_ns", json_integer(out->length_ns));
	results_set(b, o, "t_ns", results_t(b, out->begin_ns));
	return o;
}

/* A number that may be unknown. */
static json_t *number_value(int64_t n)
{
	return results_time(n);
}

static json_t *phase_value(struct builder *b, const struct figures_phase *p)
{
	static const char *const kinds[] = { [PHASE_BEFORE] = "before",
					     [PHASE_DURING] = "during",
					     [PHASE_AFTER] = "after" };
	json_t *o = json_object();

	results_set(b, o, "phase", json_string(kinds[p->kind]));
	results_set(b, o, "action",
		    p->kind == PHASE_BEFORE ?
			    json_null() :
			    json_integer((json_int_t)p->action));
	/* Before the first packet, or (delivery never came back) never. */
	results_set(b, o, "begin_t_ns",
		    p->begin_ns == INT64_MIN || p->begin_ns == FIGURE_FOREVER ?
			    json_null() :
			    results_t(b, p->begin_ns));
	results_set(b, o, "end_t_ns",
		    p->end_ns == FIGURE_FOREVER ? json_null() :
						  results_t(b, p->end_ns));
	set_counts(b, o, &p->counts);
	results_set(b, o, "rtt", rtt_value(b, &p->rtt));
	results_set(b, o, "outage", outage_value(b, &p->outage));
	results_set(b, o, "bytes", number_value(p->bytes));
	results_set(b, o, "goodput_bps", number_value(p->goodput_bps));
	return o;
}

static json_t *action_outage_value(struct builder *b, size_t i,
				   const struct figures_outage *out)
{
	int64_t begin = b->report->record.actions.v[i].begin_ns;
	json_t *o = outage_value(b, out);

	results_set(b, o, "action", json_integer((json_int_t)i));
	results_set(b, o, "after_action_ns",
		    results_time(out->begin_ns == FIGURE_NONE ?
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

	results_set(b, o, "action", json_integer((json_int_t)i));
	results_set(b, o, "recovery", json_string(kinds[r->kind]));
	results_set(b, o, "earlier_bps", number_value(r->earlier_bps));
	results_set(b, o, "after_action_ns", results_time(r->after_ns));
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
	results_set(b, o, "direction",
		    json_string(s->upload ? "upload" : "download"));
	results_set(b, o, "end",
		    p->stream.known ? json_string(p->stream.end) : json_null());
	results_set(b, o, "connect_ns", results_time(stream_connect_ns(p)));
	results_set(b, o, "connected_t_ns",
		    p->stream.known ? results_t(b, p->stream.connected_ns) :
				      json_null());
	results_set(b, o, "ended_t_ns",
		    p->stream.known ? results_t(b, p->stream.ended_ns) :
				      json_null());
	results_set(b, o, "bytes", number_value(f->bytes));
	results_set(b, o, "goodput_bps", number_value(f->goodput_bps));
	results_set(b, o, "survived", switch_value(stream_survives(p)));
	results_set(b, o, "intact", switch_value(stream_intact(p)));
	results_set(b, o, "first_wrong", number_value(stream_first_wrong(p)));
	results_set(b, o, "sha256", digest_value(p->stream.sha256));
	results_set(b, o, "peer_sha256", digest_value(p->stream.peer_sha256));
	for (size_t k = 0; k < f->recoveries.n; k++)
		results_append(b, recoveries,
			       recovery_value(b, k, &f->recoveries.v[k]));
	results_set(b, o, "recoveries", recoveries);
	results_set(b, o, "recovery_ns", results_time(f->recovery_ns));
	return o;
}

static json_t *path_value(struct builder *b, const path_runs *runs)
{
	const struct record *rec = &b->report->record;
	json_t *array = json_array();

	for (size_t i = 0; i < runs->n; i++) {
		const struct path_run *run = &runs->v[i];
		json_t *o = json_object();

		results_set(b, o, "interface", json_string(run->interface));
		results_set(b, o, "count", results_uint(run->count));
		results_set(
			b, o, "first_t_ns",
			results_t(b, record_run_of_real(rec, run->first_ns)));
		results_set(
			b, o, "last_t_ns",
			results_t(b, record_run_of_real(rec, run->last_ns)));
		results_append(b, array, o);
	}
	return array;
}

static json_t *run_value(struct builder *b, const struct served_run *run,
			 bool numbered)
{
	const struct record *rec = &b->report->record;
	json_t *o = json_object();

	results_set(b, o, "node",
		    json_string(rec->scenario->nodes.v[run->node].name));
	results_set(b, o, "count", results_uint(run->count));
	results_set(b, o, "first_seq",
		    numbered ? results_uint(run->first_seq) : json_null());
	results_set(b, o, "last_seq",
		    numbered ? results_uint(run->last_seq) : json_null());
	results_set(b, o, "first_t_ns",
		    results_t(b, record_run_of_real(rec, run->first_ns)));
	results_set(b, o, "last_t_ns",
		    results_t(b, record_run_of_real(rec, run->last_ns)));
	return o;
}

static json_t *errors_value(struct builder *b, const struct figures *f)
{
	json_t *o = json_object();

	for (size_t i = 0; i < f->n_errors; i++)
		results_set(b, o, f->errors[i].text,
			    results_uint(f->errors[i].count));
	return o;
}

/* How late the probe itself was in sending. */
static json_t *late_value(struct builder *b, const struct record_probe *p)
{
	json_t *o;

	if (!p->has_late)
		return json_null();
	o = json_object();
	results_set(b, o, "count", results_uint(p->late.count));
	results_set(b, o, "p50_ns", json_integer(p->late.p50_ns));
	results_set(b, o, "p99_ns", json_integer(p->late.p99_ns));
	results_set(b, o, "max_ns", json_integer(p->late.max_ns));
	return o;
}

/* When they began, by the run's clock, which stands still in them. */
json_t *results_probe(struct builder *b, size_t i)
{
	const struct record_probe *rp = &b->report->record.probes[i];
	const struct probe_result *p = &b->report->probes[i];
	const struct figures *f = &p->figures;
	json_t *o = json_object(), *phases = json_array();
	json_t *actions = json_array(), *served = json_array();

	results_set(b, o, "kind",
		    json_string(scn_probe_kind_name(
			    b->report->record.scenario->probes.v[i].kind)));
	results_set(b, o, "to", results_text(rp->to));
	results_set(b, o, "started", json_boolean(rp->started));
	set_counts(b, o, &f->counts);
	results_set(b, o, "interval_ns", results_time(f->interval_ns));
	results_set(b, o, "rtt", rtt_value(b, &f->rtt));
	results_set(b, o, "outage", outage_value(b, &f->outage));
	results_set(b, o, "errors", errors_value(b, f));
	results_set(b, o, "late", late_value(b, rp));
	results_set(b, o, "skipped", results_uint(rp->skipped));
	results_set(
		b, o, "crashed_t_ns",
		results_time(record_t_ns(&b->report->record, rp->crashed_ns)));
	results_set(b, o, "connections", number_value(f->connections));
	results_set(b, o, "stream", stream_value(b, i));
	for (size_t j = 0; j < f->phases.n; j++)
		results_append(b, phases, phase_value(b, &f->phases.v[j]));
	results_set(b, o, "phases", phases);
	for (size_t j = 0; j < f->actions.n; j++)
		results_append(b, actions,
			       action_outage_value(b, j, &f->actions.v[j]));
	results_set(b, o, "outages", actions);
	for (size_t j = 0; j < p->served.n; j++)
		results_append(
			b, served,
			run_value(b, &p->served.v[j],
				  !whose_by_port(&b->report->record.scenario
							  ->probes.v[i])));
	results_set(b, o, "served", served);
	results_set(b, o, "served_twice", results_uint(p->twice));
	results_set(b, o, "left_by", path_value(b, &p->path.left));
	results_set(b, o, "came_by", path_value(b, &p->path.came));
	return o;
}
