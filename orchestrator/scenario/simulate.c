/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The timeline, played without a lab: where is each service bound, which links
 * are down, which processes run? An action that does not fit what went before
 * would fail in the middle of a run, or pass and do nothing.
 *
 * An action that had errors of its own may have changed anything of its kind;
 * then that kind is not judged (loader.actions_unknown). A wrong action here
 * counts as done, so that what follows is judged as it was meant.
 */
#include "orchestrator/scenario/simulate.h"

#include "base/cleanup.h"

#include <signal.h>

/* What is known of a process. Programs end when they like; an echo server does
 * not, so that of it much more is known. */
enum life {
	LIFE_NEVER, /* nothing has started it */
	LIFE_STARTED, /* and it may have ended since */
	LIFE_RUNNING, /* for certain */
	LIFE_ENDING, /* told to, and it ends when it does */
};

struct state {
	size_t *instance; /* by service: the node; SCN_NONE: unknown */
	bool *down; /* by link */
	const struct step **moved; /* by service: the last migrate */
	const struct step **switched; /* by link: the last change */
	const struct step **touched; /* by process: the last action */
	enum life *life; /* by process */
};

static bool is_known(const struct loader *l, enum scn_action_kind kind)
{
	return !(l->actions_unknown & 1u << kind);
}

static void check_migrate(struct loader *l, struct state *st,
			  const struct step *step)
{
	size_t service = step->action.migrate.service;
	const struct step *before = st->moved[service];
	size_t at = st->instance[service];
	const struct scenario *s = l->s;

	st->moved[service] = step;
	st->instance[service] = step->action.migrate.to;
	if (at == step->action.migrate.from || !is_known(l, SCN_ACTION_MIGRATE))
		return;
	tree_error(l->diag, step->from,
		   "at %s, the service '%s' is at '%s', not at '%s'",
		   step->at->text, s->services.v[service].name,
		   s->nodes.v[at].name,
		   s->nodes.v[step->action.migrate.from].name);
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it moved to '%s' here, at %s", s->nodes.v[at].name,
			  before->at->text);
	else
		diag_note(l->diag, s->services.v[service].instance_pos, 1,
			  "this is its instance from the start");
}

static void check_link(struct loader *l, struct state *st,
		       const struct step *step)
{
	size_t link = step->action.link.link;
	const struct step *before = st->switched[link];
	bool same = st->down[link] != step->action.link.up;

	st->switched[link] = step;
	st->down[link] = !step->action.link.up;
	if (!same || !is_known(l, SCN_ACTION_LINK_STATE))
		return;
	tree_error(l->diag, step->subject, "at %s, the link '%s' is %s already",
		   step->at->text, l->s->links.v[link].name,
		   step->action.link.up ? "up" : "down");
	if (before)
		diag_note(l->diag, before->action.pos, 1,
			  "it went %s here, at %s",
			  step->action.link.up ? "up" : "down",
			  before->at->text);
}

/* What the action leads to, and its error where it cannot: NULL, there is none.
 */
static const char *judge_process(const struct scn_process *p,
				 const struct step *before,
				 const struct step *step, enum life *life)
{
	enum life was = *life;

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
	    step->action.process.signal == SIGKILL)
		*life = LIFE_ENDING;
	else if (was != LIFE_ENDING)
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
			  before->at->text);
	else
		diag_note(l->diag, p->pos, 1, "the process is defined here");
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
	if (!wrong || !is_known(l, SCN_ACTION_START) ||
	    !is_known(l, SCN_ACTION_STOP) || !is_known(l, SCN_ACTION_KILL))
		return;
	tree_error(l->diag, step->subject, "the process '%s' %s%s", p->name,
		   wrong,
		   !before && was != LIFE_NEVER ? ": it starts by itself" : "");
	help_process(l, p, before, step->action.kind == SCN_ACTION_START, was);
}

/*
 * When the run is over for sure, and what says so. False: nobody knows, since
 * processes end when they like, or the probes have errors.
 */
static bool find_end(const struct loader *l, int64_t *end_ns,
		     const struct scn_probe **last)
{
	const struct scenario *s = l->s;

	*end_ns = 0;
	*last = NULL;
	if (l->duration) {
		*end_ns = s->duration_ns;
		return s->duration_ns > 0;
	}
	if (s->processes.n || l->names[NAMES_PROCESS].incomplete ||
	    l->names[NAMES_PROBE].incomplete)
		return false;
	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *p = &s->probes.v[i];
		struct names_found found;
		int64_t end = p->start_ns + p->for_ns;

		if (!names_find(&l->names[NAMES_PROBE], p->name, &found) ||
		    found.index == SCN_NONE)
			return false;
		if (!*last || end > *end_ns) {
			*end_ns = end;
			*last = p;
		}
	}
	return true;
}

static void check_ends(struct loader *l, const step_vec *steps)
{
	const struct scn_probe *last;
	int64_t end_ns;
	char text[32];

	if (!find_end(l, &end_ns, &last))
		return;
	for (size_t i = 0; i < steps->n; i++) {
		const struct step *step = &steps->v[i];
		int64_t gap_ns = step->action.kind == SCN_ACTION_MIGRATE ?
					 step->action.migrate.gap_ns :
					 0;

		/* At the end itself, a duration comes before the action. */
		if (l->duration ? step->at_ns < end_ns &&
					  gap_ns < end_ns - step->at_ns :
				  step->at_ns <= end_ns &&
					  gap_ns <= end_ns - step->at_ns)
			continue;
		if (step->at_ns >= end_ns)
			tree_error(l->diag, step->at,
				   "an action %s the end of the run%s",
				   step->at_ns == end_ns ? "at" : "after",
				   l->duration ? " never happens" : "");
		else
			tree_error(l->diag, step->at,
				   "the gap of this action is not over before "
				   "the end of the run");
		if (l->duration)
			diag_note(l->diag, l->duration->pos, l->duration->width,
				  "the run ends at %s", l->duration->text);
		else if (last)
			diag_note(
				l->diag, last->pos, 1,
				"the run ends with its last probe, '%s', at "
				"%s",
				last->name,
				scn_duration_text(end_ns, text, sizeof(text)));
		if (!l->duration)
			diag_help(l->diag, "a 'duration:' at the top makes the "
					   "run longer");
	}
}

void timeline_simulate(struct loader *l, const step_vec *steps)
{
	const struct scenario *s = l->s;
	CLEANUP_FREE size_t *instance =
		calloc(s->services.n + 1, sizeof(*instance));
	CLEANUP_FREE bool *down = calloc(s->links.n + 1, sizeof(*down));
	CLEANUP_FREE const struct step **moved =
		calloc(s->services.n + 1, sizeof(*moved));
	CLEANUP_FREE const struct step **switched =
		calloc(s->links.n + 1, sizeof(*switched));
	CLEANUP_FREE const struct step **touched =
		calloc(s->processes.n + 1, sizeof(*touched));
	CLEANUP_FREE enum life *life =
		calloc(s->processes.n + 1, sizeof(*life));
	struct state st = { instance, down, moved, switched, touched, life };

	if (!instance || !down || !moved || !switched || !touched || !life) {
		l->no_memory = true;
		return;
	}
	for (size_t i = 0; i < s->services.n; i++)
		instance[i] = s->services.v[i].instance;
	for (size_t i = 0; i < s->processes.n; i++)
		if (s->processes.v[i].autostart)
			life[i] = s->processes.v[i].command ? LIFE_STARTED :
							      LIFE_RUNNING;
	for (size_t i = 0; i < steps->n; i++) {
		switch (steps->v[i].action.kind) {
		case SCN_ACTION_MIGRATE:
			check_migrate(l, &st, &steps->v[i]);
			break;
		case SCN_ACTION_LINK_STATE:
			check_link(l, &st, &steps->v[i]);
			break;
		case SCN_ACTION_READDRESS: /* to whatever it has then */
			break;
		case SCN_ACTION_START:
		case SCN_ACTION_STOP:
		case SCN_ACTION_KILL:
			check_process(l, &st, &steps->v[i]);
			break;
		}
	}
	check_ends(l, steps);
}
