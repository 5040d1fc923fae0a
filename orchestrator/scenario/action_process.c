/* SPDX-License-Identifier: GPL-2.0-or-later */
/* start, stop, kill: of the processes of the scenario. */
#include "orchestrator/scenario/action.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct field start_fields[] = {
	{ .name = "start", .type = &type_process, .doc = "starts a process" },
};

static const struct field stop_fields[] = {
	{ .name = "stop",
	  .type = &type_process,
	  .doc = "asks a process to end (SIGTERM), and makes it in the end" },
};

static const struct field kill_fields[] = {
	{ .name = "kill",
	  .type = &type_process,
	  .doc = "sends a process a signal" },
	{ .name = "signal",
	  .type = &type_signal,
	  .fallback = "KILL",
	  .doc = "which one" },
};

static const struct field pause_fields[] = {
	{ .name = "pause",
	  .type = &type_process,
	  .doc = "stops a process (SIGSTOP) until it is resumed" },
};

static const struct field resume_fields[] = {
	{ .name = "resume",
	  .type = &type_process,
	  .doc = "lets a paused process go on (SIGCONT)" },
};

static const struct field restart_fields[] = {
	{ .name = "restart",
	  .type = &type_process,
	  .doc = "stops a process, and starts it when it has ended" },
};

const struct mapping mapping_action_start = {
	.what = "action",
	MAPPING_FIELDS(start_fields),
};
const struct mapping mapping_action_stop = {
	.what = "action",
	MAPPING_FIELDS(stop_fields),
};
const struct mapping mapping_action_kill = {
	.what = "action",
	MAPPING_FIELDS(kill_fields),
};

const struct mapping mapping_action_pause = {
	.what = "action",
	MAPPING_FIELDS(pause_fields),
};
const struct mapping mapping_action_resume = {
	.what = "action",
	MAPPING_FIELDS(resume_fields),
};
const struct mapping mapping_action_restart = {
	.what = "action",
	MAPPING_FIELDS(restart_fields),
};

static bool read_process(const struct value *v, struct step *step,
			 enum scn_action_kind kind)
{
	step->action.kind = kind;
	step->action.process.process = v[0].index;
	step->subject = v[0].node;
	return v[0].ok;
}

static bool read_start(struct loader *l, const struct value *v,
		       struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	return read_process(v, step, SCN_ACTION_START);
}

static bool read_stop(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	return read_process(v, step, SCN_ACTION_STOP);
}

static bool read_kill(struct loader *l, const struct value *v,
		      struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	step->action.process.signal = v[1].signal;
	return read_process(v, step, SCN_ACTION_KILL) && v[1].ok;
}

static bool read_pause(struct loader *l, const struct value *v,
		       struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	return read_process(v, step, SCN_ACTION_PAUSE);
}

static bool read_resume(struct loader *l, const struct value *v,
			struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	return read_process(v, step, SCN_ACTION_RESUME);
}

static bool read_restart(struct loader *l, const struct value *v,
			 struct step *step, step_vec *also)
{
	(void)l;
	(void)also;
	return read_process(v, step, SCN_ACTION_RESTART);
}

const struct action_form form_start = {
	.mapping = &mapping_action_start,
	.read = read_start,
	.kinds = ACTION_BIT(SCN_ACTION_START),
};
const struct action_form form_stop = {
	.mapping = &mapping_action_stop,
	.read = read_stop,
	.kinds = ACTION_BIT(SCN_ACTION_STOP),
};
const struct action_form form_kill = {
	.mapping = &mapping_action_kill,
	.read = read_kill,
	.kinds = ACTION_BIT(SCN_ACTION_KILL),
};

const struct action_form form_pause = {
	.mapping = &mapping_action_pause,
	.read = read_pause,
	.kinds = ACTION_BIT(SCN_ACTION_PAUSE),
};
const struct action_form form_resume = {
	.mapping = &mapping_action_resume,
	.read = read_resume,
	.kinds = ACTION_BIT(SCN_ACTION_RESUME),
};
const struct action_form form_restart = {
	.mapping = &mapping_action_restart,
	.read = read_restart,
	.kinds = ACTION_BIT(SCN_ACTION_RESTART),
};
static void process_text(const struct scenario *s, const struct scn_action *a,
			 char *buf, size_t size)
{
	snprintf(buf, size, "%s %s", scn_action_name(a->kind),
		 s->processes.v[a->process.process].name);
}

static void kill_text(const struct scenario *s, const struct scn_action *a,
		      char *buf, size_t size)
{
	const char *name = s->processes.v[a->process.process].name;
	const char *sig = sigabbrev_np(a->process.signal);

	if (sig)
		snprintf(buf, size, "kill %s with %s", name, sig);
	else
		snprintf(buf, size, "kill %s with signal %d", name,
			 a->process.signal);
}

/* What the action leads to, and its error where it cannot: NULL, there is none.
 */
static const char *judge_process(const struct scn_process *p,
				 const struct step *before,
				 const struct step *step, enum life *life)
{
	enum life was = *life;

	if (step->action.kind == SCN_ACTION_RESTART && was != LIFE_NEVER) {
		*life = p->command ? LIFE_STARTED : LIFE_RUNNING;
		return NULL;
	}
	if (step->action.kind == SCN_ACTION_START) {
		*life = p->command ? LIFE_STARTED : LIFE_RUNNING;
		if (was == LIFE_RUNNING || (was == LIFE_STARTED && !before))
			return "runs already";
		/* At one time, nothing gives it the time to end. */
		if (was == LIFE_ENDING && before->at_ns == step->at_ns)
			return "may still be ending";
		return NULL;
	}
	if (step->action.kind == SCN_ACTION_STOP ||
	    (step->action.kind == SCN_ACTION_KILL &&
	     step->action.process.signal == SIGKILL))
		*life = LIFE_ENDING;
	else if (was != LIFE_ENDING && step->action.kind == SCN_ACTION_KILL)
		*life = LIFE_STARTED; /* a signal may end it, or not */
	if (was == LIFE_ENDING && !p->command && before->at_ns != step->at_ns)
		return "has ended by then";
	return was == LIFE_NEVER ? "has not been started by then" : NULL;
}

static void help_process(struct loader *l, const struct scn_process *p,
			 const struct step *before, bool start, enum life was)
{
	if (was == LIFE_ENDING && start)
		diag_help(l->diag, "start it in an entry of its own, with a "
				   "later 'at'");
	else if (was == LIFE_ENDING)
		diag_help(l->diag, "start it again first");
	else if (was == LIFE_NEVER)
		diag_help(l->diag, "remove its 'start: manual', or start it "
				   "first");
	else if (before)
		diag_help(l->diag, "stop it first");
	else
		diag_help(l->diag, "give it 'start: manual', or stop it first");
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it is %s here, at %s",
			  was == LIFE_ENDING ? "told to end" : "started",
			  before->when);
	else
		diag_note(l->diag, p->pos, 1, "the process is defined here");
}

/* Nothing runs, or can be reached, in a node that is off. */
static bool check_off(struct loader *l, const struct state *st,
		      const struct step *step, const struct scn_process *p)
{
	const struct step *before = st->node_changed[p->node];
	enum node_life node = st->nodes[p->node];
	bool starts = step->action.kind == SCN_ACTION_START ||
		      step->action.kind == SCN_ACTION_RESTART;

	if (node == NODE_ON || (node == NODE_FROZEN && !starts) || !before ||
	    !action_is_known(l, SCN_ACTION_CRASH) ||
	    !action_is_known(l, SCN_ACTION_BOOT) ||
	    !action_is_known(l, SCN_ACTION_FREEZE) ||
	    !action_is_known(l, SCN_ACTION_THAW))
		return false;
	tree_error(l->diag, step->subject,
		   "at %s, '%s', the node of this process, is %s", step->when,
		   l->s->nodes.v[p->node].name,
		   node == NODE_OFF ? "off" : "frozen");
	diag_note(l->diag, before->action.pos, 1,
		  node == NODE_OFF ? "it crashed here, at %s" :
				     "it was frozen here, at %s",
		  before->when);
	return true;
}

static void check_process(struct loader *l, struct state *st,
			  const struct step *step)
{
	size_t index = step->action.process.process;
	const struct scn_process *p = &l->s->processes.v[index];
	const struct step *before = st->touched[index];
	enum life was = st->life[index];
	const char *wrong = judge_process(p, before, step, &st->life[index]);

	st->touched[index] = step;
	if (check_off(l, st, step, p))
		return;
	if (!wrong || !action_is_known(l, SCN_ACTION_START) ||
	    !action_is_known(l, SCN_ACTION_STOP) ||
	    !action_is_known(l, SCN_ACTION_KILL) ||
	    !action_is_known(l, SCN_ACTION_RESTART) ||
	    !action_is_known(l, SCN_ACTION_CRASH) ||
	    !action_is_known(l, SCN_ACTION_BOOT))
		return;
	tree_error(l->diag, step->subject, "the process '%s' %s%s", p->name,
		   wrong,
		   !before && was != LIFE_NEVER ? ": it starts by itself" : "");
	help_process(l, p, before, step->action.kind == SCN_ACTION_START, was);
}

const struct action_kind kind_start = {
	.name = "start",
	.text = process_text,
	.simulate = check_process,
};
const struct action_kind kind_stop = {
	.name = "stop",
	.text = process_text,
	.simulate = check_process,
};
const struct action_kind kind_kill = {
	.name = "kill",
	.text = kill_text,
	.simulate = check_process,
};
const struct action_kind kind_pause = {
	.name = "pause",
	.text = process_text,
	.simulate = check_process,
};
const struct action_kind kind_resume = {
	.name = "resume",
	.text = process_text,
	.simulate = check_process,
};
const struct action_kind kind_restart = {
	.name = "restart",
	.text = process_text,
	.simulate = check_process,
};
