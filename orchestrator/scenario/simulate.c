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

struct state {
	size_t *instance; /* by service: the node; SCN_NONE: unknown */
	bool *down; /* by link */
	const struct step **moved; /* by service: the last migrate */
	const struct step **switched; /* by link: the last change */
	const struct step **touched; /* by process: the last action */
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

static void check_process(struct loader *l, struct state *st,
			  const struct step *step)
{
	size_t index = step->action.process.process;
	const struct scn_process *p = &l->s->processes.v[index];
	bool first = !st->touched[index];
	bool start = step->action.kind == SCN_ACTION_START;

	st->touched[index] = step;
	if (!first || !is_known(l, SCN_ACTION_START) ||
	    !is_known(l, SCN_ACTION_STOP) || !is_known(l, SCN_ACTION_KILL))
		return;
	if (start && p->autostart) {
		tree_error(l->diag, step->subject,
			   "the process '%s' runs already: it starts by itself",
			   p->name);
		diag_help(l->diag, "give it 'start: manual', or stop it first");
	} else if (!start && !p->autostart) {
		tree_error(l->diag, step->subject,
			   "the process '%s' has not been started by then",
			   p->name);
		diag_help(l->diag, "remove its 'start: manual', or start it "
				   "first");
	} else {
		return;
	}
	diag_note(l->diag, p->pos, 1, "the process is defined here");
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

	if (!find_end(l, &end_ns, &last))
		return;
	for (size_t i = 0; i < steps->n; i++) {
		const struct step *step = &steps->v[i];
		int64_t gap_ns = step->action.kind == SCN_ACTION_MIGRATE ?
					 step->action.migrate.gap_ns :
					 0;

		if (step->at_ns <= end_ns && gap_ns <= end_ns - step->at_ns)
			continue;
		tree_error(l->diag, step->at, "%s after the end of the run",
			   step->at_ns > end_ns ?
				   "an action" :
				   "the gap of this action ends");
		if (l->duration)
			diag_note(l->diag, l->duration->pos, l->duration->width,
				  "the run ends at %s", l->duration->text);
		else if (last)
			diag_note(l->diag, last->pos, 1,
				  "the run ends with its last probe, '%s'",
				  last->name);
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
	struct state st = { instance, down, moved, switched, touched };

	if (!instance || !down || !moved || !switched || !touched) {
		l->no_memory = true;
		return;
	}
	for (size_t i = 0; i < s->services.n; i++)
		instance[i] = s->services.v[i].instance;
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
