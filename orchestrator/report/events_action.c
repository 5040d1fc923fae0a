/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What events say of actions. */
#include "orchestrator/report/events_parts.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int event_on_action_start(struct record *rec, const struct event *ev)
{
	struct record_action *a;
	int64_t id, planned_ns, line;
	const char *text, *text_entry;
	int r = event_int(ev, "id", &id);

	if (!r)
		r = event_int(ev, "planned_ns", &planned_ns);
	if (!r)
		r = event_text(ev, "text", &text);
	if (r)
		return r;
	a = VEC_PUSH(&rec->actions);
	if (!a)
		return err_set(ev->err, ENOMEM, "out of memory");
	a->id = id;
	a->planned_ns = planned_ns;
	a->begin_ns = ev->mono_ns;
	a->end_ns = RECORD_NONE;
	a->optional = json_is_true(json_object_get(ev->object, "optional"));
	line = json_integer_value(json_object_get(ev->object, "line"));
	if (line > 0 && line <= INT_MAX)
		a->line = (unsigned)line;
	text_entry = json_string_value(json_object_get(ev->object, "entry"));
	if (text_entry)
		r = event_keep(ev, text_entry, &a->entry);
	return r ? r : event_keep(ev, text, &a->text);
}

/* The latest one of this id: what ends began not long ago. NULL: none. */
static struct record_action *find_action(const struct record *rec, int64_t id)
{
	for (size_t i = rec->actions.n; i-- > 0;) {
		if (rec->actions.v[i].id == id)
			return &rec->actions.v[i];
	}
	return NULL;
}

int event_on_action_done(struct record *rec, const struct event *ev)
{
	struct record_action *a;
	int64_t id;
	int r = event_int(ev, "id", &id);

	if (r)
		return r;
	a = find_action(rec, id);
	if (!a)
		return event_bad(ev, "no action of this id began");
	a->end_ns = ev->mono_ns;
	return 0;
}

/* By the kind of the action, which its text begins with; of one that no run of
 * ours leaves so, what can be said of all. */
static const char *idle_reason(const struct record_action *a)
{
	for (int k = 0; k < SCN_ACTION_COUNT_; k++) {
		const char *name = scn_action_name((enum scn_action_kind)k);
		const char *reason =
			scn_action_idle_reason((enum scn_action_kind)k);

		if (reason && !strncmp(a->text, name, strlen(name)))
			return reason;
	}
	return "it was so already";
}

/* Of the steps, how a command ended is of interest, and that nothing was done.
 */
int event_on_action_step(struct record *rec, const struct event *ev)
{
	bool by_signal = json_object_get(ev->object, "signal") != NULL;
	struct record_action *a;
	int64_t id, value;
	const char *step;
	int r = event_int(ev, "id", &id);

	if (!r)
		r = event_text(ev, "step", &step);
	if (r || (strcmp(step, "exit") != 0 && strcmp(step, "unchanged") != 0))
		return r;
	a = find_action(rec, id);
	if (!a)
		return event_bad(ev, "no action of this id began");
	if (!strcmp(step, "unchanged"))
		return event_keep(ev, idle_reason(a), &a->unchanged);
	r = event_int(ev, by_signal ? "signal" : "status", &value);
	if (r)
		return r;
	if (by_signal ? value < 1 || value >= NSIG : value < 0 || value > 255)
		return event_bad(ev, "no command ends like this");
	a->exited = true;
	a->signal = by_signal ? (int)value : 0;
	a->status = by_signal ? 0 : (int)value;
	return 0;
}

int event_on_action_failed(struct record *rec, const struct event *ev)
{
	struct record_action *a;
	const char *error;
	int64_t id;
	int r = event_int(ev, "id", &id);

	if (!r)
		r = event_text(ev, "error", &error);
	if (r)
		return r;
	a = find_action(rec, id);
	return event_keep(ev, error, a ? &a->error : &rec->failure);
}

int event_on_action_rolled_back(struct record *rec, const struct event *ev)
{
	struct record_action *a;
	const char *reason;
	int64_t id;
	int r = event_int(ev, "id", &id);

	if (!r)
		r = event_text(ev, "reason", &reason);
	if (r)
		return r;
	a = find_action(rec, id);
	if (!a)
		return event_bad(ev, "no action of this id began");
	return event_keep(ev, reason, &a->rolled_back);
}

/* One that nobody told to end: what came after says nothing about the SAL. */

int event_on_entry_delayed(struct record *rec, const struct event *ev)
{
	int64_t line;
	unsigned *slot;
	int r = event_int(ev, "line", &line);

	if (r)
		return r;
	if (line < 1 || line > INT_MAX)
		return event_bad(ev, "no entry is in this line");
	slot = VEC_PUSH(&rec->delayed);
	if (!slot)
		return err_set(ev->err, ENOMEM, "out of memory");
	*slot = (unsigned)line;
	return 0;
}
