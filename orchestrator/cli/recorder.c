/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/cli/recorder.h"

#include "base/clock.h"
#include "orchestrator/observe/eventlog.h"
#include "orchestrator/observe/probe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

struct begun {
	const struct scn_action *action;
	int64_t actual_ns;
	char text[256];
};

struct recorder {
	const struct plan *plan;
	const struct scenario *scenario;
	struct eventlog *log;
	int64_t zero_ns;
	VEC(struct begun) actions; /* by id */
	const struct pauses *pauses;
	recorder_saw_fn *saw;
	void *saw_arg;
};

static void put_at(struct recorder *r, int64_t mono_ns, const char *event,
		   json_t *fields)
{
	if (r->saw)
		r->saw(r->saw_arg, event, fields);
	eventlog_write_at(r->log, mono_ns, event, fields);
}

static void put(struct recorder *r, const char *event, json_t *fields)
{
	put_at(r, clock_mono_ns(), event, fields);
}

void recorder_watch(struct recorder *r, recorder_saw_fn *saw, void *arg)
{
	r->saw = saw;
	r->saw_arg = arg;
}

int recorder_open(const struct plan *plan, const char *version,
		  struct recorder **out, struct err *err)
{
	struct recorder *r = calloc(1, sizeof(*r));
	const struct scenario *s = plan->scenario;
	struct utsname uts;
	int e;

	if (!r)
		return err_errno(err, ENOMEM, "open the event log");
	r->plan = plan;
	r->scenario = s;
	e = eventlog_open(RECORD_EVENTS, &r->log, err);
	if (e) {
		free(r);
		return e;
	}
	uname(&uts);
	put(r, "run.start",
	    json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "version", version,
		      "kernel", uts.release, "scenario", s->path, "name",
		      s->name, "seed", (json_int_t)s->seed, "uid",
		      (int)getuid()));
	eventlog_clock_pair(r->log);
	*out = r;
	return 0;
}

int recorder_close(struct recorder *r, struct err *err)
{
	int e;

	eventlog_clock_pair(r->log);
	put(r, "run.end", NULL);
	e = eventlog_error(r->log);
	if (e)
		err_errno(err, -e, "write %s", RECORD_EVENTS);
	eventlog_close(r->log);
	VEC_FREE(&r->actions);
	free(r);
	return e;
}

void recorder_clock_pair(struct recorder *r)
{
	eventlog_clock_pair(r->log);
}

void recorder_built(struct recorder *r, uint64_t operations, int64_t ns)
{
	put(r, "lab.built",
	    json_pack("{s:I, s:I}", "operations", (json_int_t)operations,
		      "duration_ns", (json_int_t)ns));
}

void recorder_ready(struct recorder *r, int64_t ns)
{
	put(r, "lab.ready", json_pack("{s:I}", "duration_ns", (json_int_t)ns));
}

void recorder_interrupted(struct recorder *r, int signal)
{
	put(r, "run.interrupted", json_pack("{s:i}", "signal", signal));
}

void recorder_timed_out(struct recorder *r, int64_t timeout_ns, bool by_default)
{
	put(r, "run.timed_out",
	    json_pack("{s:I, s:b}", "timeout_ns", (json_int_t)timeout_ns,
		      "default", by_default));
}

void recorder_failed(struct recorder *r, const struct err *err)
{
	put(r, "run.failed", json_pack("{s:s}", "error", err->msg));
}

void recorder_set_pauses(struct recorder *r, const struct pauses *pauses)
{
	r->pauses = pauses;
}

void recorder_paused(struct recorder *r, const struct pause *pause)
{
	eventlog_write_at(r->log, pause->at_ns, "run.paused",
			  json_pack("{s:I}", "settled_ns",
				    (json_int_t)pause->settled_ns));
}

void recorder_continued(struct recorder *r, const struct pause *pause)
{
	eventlog_write_at(
		r->log, pause->at_ns + pause->for_ns, "run.continued",
		json_pack("{s:I}", "paused_ns", (json_int_t)pause->for_ns));
}

int64_t recorder_planned_ns(const struct recorder *r, int64_t mono_ns)
{
	return pauses_run_ns(r->pauses, mono_ns) - r->zero_ns;
}

void recorder_floor(struct recorder *r, const struct probe_lateness *l)
{
	put(r, "floor",
	    json_pack("{s:I, s:I, s:I, s:I}", "count", (json_int_t)l->count,
		      "p50_ns", (json_int_t)l->p50_ns, "p99_ns",
		      (json_int_t)l->p99_ns, "max_ns", (json_int_t)l->max_ns));
}

void recorder_cpu(struct recorder *r, uint64_t steal, uint64_t total)
{
	put(r, "cpu",
	    json_pack("{s:I, s:I}", "steal_ticks", (json_int_t)steal,
		      "total_ticks", (json_int_t)total));
}

void recorder_timeline_started(struct recorder *r, int64_t zero_ns)
{
	r->zero_ns = zero_ns;
	eventlog_set_zero(r->log, zero_ns);
	put_at(r, zero_ns, "timeline.start", NULL);
}

int64_t recorder_zero(const struct recorder *r)
{
	return r->zero_ns;
}

/* ---- processes and probes ---------------------------------------------- */

static const char *process_name(const struct recorder *r, size_t process)
{
	return r->scenario->processes.v[process].name;
}

void recorder_process_started(struct recorder *r, size_t process, pid_t pid)
{
	const struct scn_process *p = &r->scenario->processes.v[process];

	put(r, "process.start",
	    json_pack("{s:s, s:s, s:i}", "process", p->name, "node",
		      r->scenario->nodes.v[p->node].name, "pid", (int)pid));
}

void recorder_process_ready(struct recorder *r, size_t process)
{
	put(r, "process.ready",
	    json_pack("{s:s}", "process", process_name(r, process)));
}

void recorder_process_exited(struct recorder *r, size_t process,
			     int wait_status, bool expected)
{
	bool exited = WIFEXITED(wait_status);

	put(r, "process.exit",
	    json_pack("{s:s, s:i, s:b}", "process", process_name(r, process),
		      exited ? "status" : "signal",
		      exited ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status),
		      "expected", expected));
}

void recorder_process_abandoned(struct recorder *r, size_t process)
{
	put(r, "process.abandoned",
	    json_pack("{s:s}", "process", process_name(r, process)));
}

void recorder_log_cut(struct recorder *r, size_t process, uint64_t kept,
		      int code)
{
	json_t *fields =
		json_pack("{s:s, s:I}", "process", process_name(r, process),
			  "kept", (json_int_t)kept);

	if (fields && code)
		json_object_set_new(fields, "error",
				    json_string(strerror(code)));
	eventlog_write(r->log, "process.log_cut", fields);
}

void recorder_probe_started(struct recorder *r, size_t probe,
			    const struct ip_addr *to)
{
	const struct scn_probe *p = &r->scenario->probes.v[probe];
	char text[IP_TEXT_MAX];

	put(r, "probe.start",
	    json_pack("{s:s, s:s, s:s}", "probe", p->name, "node",
		      r->scenario->nodes.v[p->node].name, "to",
		      ip_format_addr(to, text, sizeof(text))));
}

static const char *probe_name(const struct recorder *r, size_t probe)
{
	return r->scenario->probes.v[probe].name;
}

static void add_crash(json_t *fields, bool crashed)
{
	if (fields && crashed)
		json_object_set_new(fields, "crashed", json_true());
}

void recorder_probe_ended(struct recorder *r, size_t probe,
			  const struct probe_usage *usage, bool crashed)
{
	json_t *fields = json_pack("{s:s, s:i}", "probe", probe_name(r, probe),
				   "status", usage->status);
	const struct probe_lateness *l = &usage->late;

	if (fields && l->count)
		json_object_set_new(fields, "late",
				    json_pack("{s:I, s:I, s:I, s:I}", "count",
					      (json_int_t)l->count, "p50_ns",
					      (json_int_t)l->p50_ns, "p99_ns",
					      (json_int_t)l->p99_ns, "max_ns",
					      (json_int_t)l->max_ns));
	if (fields && usage->skipped)
		json_object_set_new(fields, "skipped",
				    json_integer((json_int_t)usage->skipped));
	add_crash(fields, crashed);
	put_at(r, usage->ended_ns, "probe.end", fields);
}

void recorder_probe_lost(struct recorder *r, size_t probe, int status,
			 bool crashed)
{
	json_t *fields = json_pack("{s:s, s:i}", "probe", probe_name(r, probe),
				   "status", status);

	add_crash(fields, crashed);
	put(r, "probe.end", fields);
}

void recorder_prober_ended(struct recorder *r, size_t node, size_t probes,
			   int status, const struct probe_process_usage *usage)
{
	json_t *fields = json_pack("{s:s, s:I, s:i}", "node",
				   r->scenario->nodes.v[node].name, "probes",
				   (json_int_t)probes, "status", status);

	if (fields && usage->known)
		json_object_update_new(
			fields,
			json_pack("{s:I, s:I, s:I}", "cpu_user_ns",
				  (json_int_t)usage->cpu_user_ns,
				  "cpu_system_ns",
				  (json_int_t)usage->cpu_system_ns, "wall_ns",
				  (json_int_t)usage->wall_ns));
	put(r, "probes.end", fields);
}

void recorder_probe_abandoned(struct recorder *r, size_t probe)
{
	put(r, "probe.abandoned",
	    json_pack("{s:s}", "probe", r->scenario->probes.v[probe].name));
}

void recorder_expect_polled(struct recorder *r, size_t expectation, bool held,
			    int64_t waited_ns)
{
	const struct scn_expect *e = &r->scenario->expects.v[expectation];

	eventlog_write(r->log, "expect.polled",
		       json_pack("{s:I, s:i, s:b, s:I}", "expectation",
				 (json_int_t)expectation, "line",
				 (int)e->pos.line, "held", held, "waited_ns",
				 (json_int_t)waited_ns));
}

/* ---- salds ------------------------------------------------------------- */

/* Its clock is ours, and its names are kept. */
void recorder_sald_event(struct recorder *r, size_t node, struct json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "event"));
	json_t *mono = json_object_get(event, "mono_ns");
	json_t *fields =
		json_pack("{s:s}", "node", r->scenario->nodes.v[node].name);
	int64_t mono_ns = json_is_integer(mono) ? json_integer_value(mono) :
						  clock_mono_ns();

	if (fields)
		json_object_update_missing(fields, event);
	if (fields) {
		json_object_del(fields, "event");
		json_object_del(fields, "mono_ns");
	}
	put_at(r, mono_ns, name ? name : "sal.unknown", fields);
}

void recorder_instance(struct recorder *r, size_t service, size_t node,
		       bool listens)
{
	put(r, "service.instance",
	    json_pack("{s:s, s:s, s:b}", "service",
		      r->scenario->services.v[service].name, "node",
		      r->scenario->nodes.v[node].name, "listens", listens));
}

void recorder_names_exited(struct recorder *r, int wait_status, bool expected)
{
	bool exited = WIFEXITED(wait_status);

	put(r, "names.exit",
	    json_pack("{s:i, s:b}", exited ? "status" : "signal",
		      exited ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status),
		      "expected", expected));
}

void recorder_sald_exited(struct recorder *r, size_t node, int wait_status,
			  bool expected, unsigned closed)
{
	bool exited = WIFEXITED(wait_status);

	put(r, "sald.exit",
	    json_pack("{s:s, s:i, s:b, s:i}", "node",
		      r->scenario->nodes.v[node].name,
		      exited ? "status" : "signal",
		      exited ? WEXITSTATUS(wait_status) : WTERMSIG(wait_status),
		      "expected", expected, "closed", (int)closed));
}

/* ---- links ------------------------------------------------------------- */

void recorder_link_changed(struct recorder *r, size_t link, size_t end,
			   const struct link_params *was,
			   const struct link_params *is, int64_t done_ns)
{
	char direction[2 * 128 + 2], old[256], new[256];

	eventlog_write_at(
		r->log, done_ns ? done_ns : clock_mono_ns(), "link.change",
		json_pack("{s:s, s:s, s:s, s:s}", "link",
			  r->scenario->links.v[link].name, "direction",
			  scn_direction_text(r->scenario, link, end, direction,
					     sizeof(direction)),
			  "old", link_params_text(was, old, sizeof(old)), "new",
			  link_params_text(is, new, sizeof(new))));
}

void recorder_emulator_started(struct recorder *r, pid_t pid, size_t links)
{
	eventlog_write(r->log, "emulator.start",
		       json_pack("{s:i, s:I}", "pid", (int)pid, "links",
				 (json_int_t)links));
}

void recorder_emulator_exited(struct recorder *r, int wait_status,
			      bool expected, const char *why)
{
	bool exited = WIFEXITED(wait_status);
	json_t *fields = json_pack("{s:i, s:b}", exited ? "status" : "signal",
				   exited ? WEXITSTATUS(wait_status) :
					    WTERMSIG(wait_status),
				   "expected", expected);

	if (fields && *why)
		json_object_set_new(fields, "error", json_string(why));
	eventlog_write(r->log, "emulator.exit", fields);
}

/* ---- actions ----------------------------------------------------------- */

void recorder_action_started(struct recorder *r, unsigned id,
			     const struct scn_entry *e,
			     const struct scn_action *a, int64_t planned_ns,
			     int64_t actual_ns)
{
	struct begun *b = VEC_PUSH(&r->actions);
	json_t *fields;
	char text[256];

	scn_action_text(r->scenario, a, text, sizeof(text));
	if (b) {
		b->action = a;
		b->actual_ns = actual_ns;
		memcpy(b->text, text, sizeof(text));
	}
	fields = json_pack("{s:i, s:s, s:s, s:i, s:I}", "id", (int)id, "action",
			   scn_action_name(a->kind), "text", text, "line",
			   (int)a->pos.line, "planned_ns",
			   (json_int_t)recorder_planned_ns(r, planned_ns));
	if (fields && pauses_total_ns(r->pauses))
		json_object_set_new(fields, "due_ns",
				    json_integer(planned_ns - r->zero_ns));
	if (fields && e->name)
		json_object_set_new(fields, "entry", json_string(e->name));
	if (fields && e->optional)
		json_object_set_new(fields, "optional", json_true());
	put_at(r, actual_ns, "action.start", fields);
}

void recorder_action_step(struct recorder *r, unsigned id, const char *step,
			  int64_t now_ns, const char *field, int64_t value)
{
	json_t *fields = json_pack("{s:i, s:s}", "id", (int)id, "step", step);

	if (fields && field)
		json_object_set_new(fields, field, json_integer(value));
	put_at(r, now_ns, "action.step", fields);
}

const struct scn_action *recorder_action(const struct recorder *r, unsigned id)
{
	return id < r->actions.n ? r->actions.v[id].action : NULL;
}

void recorder_action_rolled_back(struct recorder *r, unsigned id,
				 int64_t now_ns, const char *why)
{
	put_at(r, now_ns, "action.rolled_back",
	       json_pack("{s:i, s:s}", "id", (int)id, "reason", why));
}

void recorder_entry_applied(struct recorder *r, const struct scn_entry *e,
			    int64_t begin_ns, int64_t spread_ns)
{
	put_at(r, begin_ns, "entry.applied",
	       json_pack("{s:i, s:i, s:I}", "line", (int)e->pos.line, "actions",
			 (int)e->actions.n, "spread_ns",
			 (json_int_t)spread_ns));
}

void recorder_entry_delayed(struct recorder *r, const struct scn_entry *e)
{
	put(r, "entry.delayed",
	    json_pack("{s:i, s:I}", "line", (int)e->pos.line, "delay_ns",
		      (json_int_t)e->delay_ns));
}

void recorder_node_booted(struct recorder *r, size_t node)
{
	put(r, "node.boot",
	    json_pack("{s:s}", "node", r->scenario->nodes.v[node].name));
}

void recorder_action_done(struct recorder *r, unsigned id, int64_t now_ns)
{
	int64_t began = id < r->actions.n ? r->actions.v[id].actual_ns : now_ns;

	put_at(r, now_ns, "action.done",
	       json_pack("{s:i, s:I}", "id", (int)id, "duration_ns",
			 (json_int_t)(pauses_run_ns(r->pauses, now_ns) -
				      pauses_run_ns(r->pauses, began))));
}

void recorder_action_failed(struct recorder *r, unsigned id,
			    const struct err *err)
{
	put(r, "action.failed",
	    json_pack("{s:i, s:s}", "id", (int)id, "error", err->msg));
}

static bool write_pause(FILE *f, const struct pause *p, int64_t offset)
{
	return fprintf(f, "%" PRId64 " the clock stopped\n",
		       p->settled_ns + offset) > 0 &&
	       (p->for_ns == PAUSE_OPEN ||
		fprintf(f, "%" PRId64 " the clock goes on\n",
			p->at_ns + p->for_ns + offset) > 0);
}

int recorder_write_comments(struct recorder *r, struct err *err)
{
	static const char path[] = RECORD_TRACE ".comments";
	int64_t offset = clock_real_minus_mono_ns();
	uint32_t n_pauses = r->pauses ? r->pauses->n : 0, pause = 0;
	bool good = true;
	FILE *f;

	if (!r->actions.n && !n_pauses)
		return 0;
	f = fopen(path, "we");
	if (!f)
		return err_errno(err, errno, "write %s", path);
	for (size_t i = 0; good && i <= r->actions.n; i++) {
		int64_t at_ns = i < r->actions.n ? r->actions.v[i].actual_ns :
						   INT64_MAX;

		for (; good && pause < n_pauses &&
		       r->pauses->v[pause].at_ns < at_ns;
		     pause++)
			good = write_pause(f, &r->pauses->v[pause], offset);
		if (good && i < r->actions.n)
			good = fprintf(f, "%" PRId64 " %s\n", at_ns + offset,
				       r->actions.v[i].text) > 0;
	}
	/* A disk that is full may be told as late as here. */
	if (fclose(f) || !good)
		return err_errno(err, errno, "write %s", path);
	return 0;
}
