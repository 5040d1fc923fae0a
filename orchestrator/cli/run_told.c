/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the layers below tell of a run: kept in the record, and, where people
 * want to know of it meanwhile, told to the owner. */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void process_started(void *arg, size_t process, pid_t pid)
{
	struct run *run = arg;

	run->process_pids[process] = pid;
	recorder_process_started(run->recorder, process, pid);
}

static void process_ready(void *arg, size_t process)
{
	struct run *run = arg;

	recorder_process_ready(run->recorder, process);
}

static void process_exited(void *arg, size_t process, int status, bool expected)
{
	struct run *run = arg;

	run->process_pids[process] = 0;
	recorder_process_exited(run->recorder, process, status, expected);
}

static void process_unready(void *arg, size_t process, const struct err *err)
{
	(void)process;
	run_fail(arg, err);
}

static void log_cut(void *arg, size_t process, uint64_t kept, int code)
{
	struct run *run = arg;

	recorder_log_cut(run->recorder, process, kept, code);
}

static void log_lost(void *arg, const struct err *err)
{
	run_fail(arg, err);
}

static void sald_event(void *arg, size_t node, struct json_t *event)
{
	struct run *run = arg;

	const char *name = json_string_value(json_object_get(event, "event"));
	const char *service =
		json_string_value(json_object_get(event, "service"));

	recorder_sald_event(run->recorder, node, event);
	if (name && service && run->timeline &&
	    (!strcmp(name, "sal.service.listening") ||
	     !strcmp(name, "sal.service.closed")))
		timeline_saw_listener(run->timeline, node, service,
				      !strcmp(name, "sal.service.listening"));
}

/* Does not end the run: what the programs make of it shall be seen. */
static void sald_exited(void *arg, size_t node, int status, bool expected,
			unsigned closed)
{
	struct run *run = arg;

	recorder_sald_exited(run->recorder, node, status, expected, closed);
	if (!expected)
		run_progress(run, "the sald of '%s' ended unexpectedly",
			     run->scenario->nodes.v[node].name);
}

/* Likewise: programs that know an address already go on. */
static void names_exited(void *arg, int status, bool expected)
{
	struct run *run = arg;

	recorder_names_exited(run->recorder, status, expected);
	if (!expected)
		run_progress(run, "the resolver of names ended unexpectedly: "
				  "no name is resolved any more");
}

static void link_changed(void *arg, size_t link, size_t end,
			 const struct link_params *was,
			 const struct link_params *is, int64_t done_ns)
{
	struct run *run = arg;

	recorder_link_changed(run->recorder, link, end, was, is, done_ns);
}

static void emulator_started(void *arg, pid_t pid, size_t links)
{
	struct run *run = arg;

	recorder_emulator_started(run->recorder, pid, links);
}

/* Without it no emulated link exists any more: what would come is no
 * measurement of what was asked for. Nothing of the lab failed either. */
static void emulator_exited(void *arg, int status, bool expected,
			    const char *why)
{
	struct run *run = arg;

	recorder_emulator_exited(run->recorder, status, expected, why);
	if (expected)
		return;
	run->emulator_died = true;
	run_progress(run,
		     "the emulator of the links ended unexpectedly%s%s: the "
		     "run ends here",
		     *why ? ": " : "", why);
}

static void action_started(void *arg, unsigned id, const struct scn_entry *e,
			   const struct scn_action *a, int64_t planned_ns,
			   int64_t actual_ns)
{
	struct run *run = arg;
	char text[256];

	recorder_action_started(run->recorder, id, e, a, planned_ns, actual_ns);
	run_within_entry(run, e, actual_ns);
	run_progress(run, "%7.3f s  %s",
		     (double)recorder_planned_ns(run->recorder, planned_ns) /
			     NSEC_PER_SEC,
		     scn_action_text(run->scenario, a, text, sizeof(text)));
}

static void action_step(void *arg, unsigned id, const char *step,
			int64_t now_ns, const char *field, int64_t value)
{
	struct run *run = arg;
	const struct scn_action *a = recorder_action(run->recorder, id);
	const char *idle = a ? scn_action_idle_reason(a->kind) : NULL;

	recorder_action_step(run->recorder, id, step, now_ns, field, value);
	if (idle && !strcmp(step, "unchanged"))
		run_progress(run, "%9s  (nothing to do: %s)", "", idle);
}

static void action_rolled_back(void *arg, unsigned id, int64_t now_ns,
			       const struct err *why)
{
	struct run *run = arg;

	recorder_action_rolled_back(run->recorder, id, now_ns, why->msg);
}

static void entry_applied(void *arg, const struct scn_entry *e,
			  int64_t begin_ns, int64_t spread_ns)
{
	struct run *run = arg;

	recorder_entry_applied(run->recorder, e, begin_ns, spread_ns);
}

static void entry_delayed(void *arg, const struct scn_entry *e)
{
	struct run *run = arg;

	recorder_entry_delayed(run->recorder, e);
}

static int node_booted(void *arg, size_t node, struct err *err)
{
	struct run *run = arg;

	recorder_node_booted(run->recorder, node);
	run_tell_namespaces(run, node, 1);
	return run_capture_again(run, node, err);
}

/* What its first packets are is to be seen. */
static bool node_is_watched(void *arg, size_t node)
{
	struct run *run = arg;

	(void)node;
	return !run->capture_again || !run->capture_pid;
}

static void node_thaws(void *arg, size_t node)
{
	run_wake_probes(arg, node);
}

static bool node_is_dying(void *arg, size_t node)
{
	return run_crash_probes(arg, node);
}

static int node_revived(void *arg, size_t node, struct err *err)
{
	return run_begin_probes(arg, node, err);
}

static void instance_changed(void *arg, size_t service, size_t node,
			     bool listens)
{
	struct run *run = arg;

	recorder_instance(run->recorder, service, node, listens);
}

static void instance_untold(void *arg, const struct err *err)
{
	run_fail(arg, err);
}

static void action_done(void *arg, unsigned id, int64_t now_ns)
{
	struct run *run = arg;

	recorder_action_done(run->recorder, id, now_ns);
}

static void action_failed(void *arg, unsigned id, const struct err *err)
{
	struct run *run = arg;

	/* Not the action's fault; emulator_exited() tells. */
	if (lab_emulator_gone(run->lab)) {
		run->emulator_died = true;
		return;
	}
	recorder_action_failed(run->recorder, id, err);
	run_fail(run, err);
}

/* The text of an event's field, for those who wait for one. */
static const char *event_field(void *arg, const char *field, char *buf,
			       size_t size)
{
	const json_t *value = json_object_get(arg, field);

	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	if (!json_is_integer(value))
		return NULL;
	snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return buf;
}

static void saw_event(void *arg, const char *event, struct json_t *fields)
{
	struct run *run = arg;

	if (run->timeline)
		timeline_saw_event(run->timeline, event, event_field, fields);
}

struct lab_listener run_lab_listener(struct run *run)
{
	return (struct lab_listener){
		.arg = run,
		.process_started = process_started,
		.process_ready = process_ready,
		.process_exited = process_exited,
		.process_unready = process_unready,
		.log_cut = log_cut,
		.log_lost = log_lost,
		.sald_event = sald_event,
		.sald_exited = sald_exited,
		.names_exited = names_exited,
		.link_changed = link_changed,
		.emulator_started = emulator_started,
		.emulator_exited = emulator_exited,
	};
}

struct timeline_listener run_timeline_listener(struct run *run)
{
	return (struct timeline_listener){
		.arg = run,
		.started = action_started,
		.step = action_step,
		.rolled_back = action_rolled_back,
		.done = action_done,
		.applied = entry_applied,
		.delayed = entry_delayed,
		.failed = action_failed,
		.booted = node_booted,
		.watched = node_is_watched,
		.thawing = node_thaws,
		.dying = node_is_dying,
		.revived = node_revived,
		.instance = instance_changed,
		.untold = instance_untold,
	};
}

void run_watch_events(struct run *run)
{
	recorder_watch(run->recorder, saw_event, run);
}
