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
#include "orchestrator/scenario/action.h"

#include <string.h>

bool action_is_known(const struct loader *l, enum scn_action_kind kind)
{
	return !((l->actions_unknown | l->actions_untimed) & ACTION_BIT(kind));
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
	/* Without probes it ends with the timeline itself. */
	if (s->processes.n || !s->probes.n ||
	    l->names[NAMES_PROCESS].incomplete ||
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
				 step->action.kind == SCN_ACTION_GUEST ?
					 step->action.guest.gap_ns :
					 0;

		if (!step->when)
			continue;
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

bool state_serves(const struct loader *l, const struct state *st,
		  size_t service, size_t node)
{
	return st->serves[service * l->s->nodes.n + node];
}

void state_set_serves(const struct loader *l, struct state *st, size_t service,
		      size_t node, bool serves)
{
	st->serves[service * l->s->nodes.n + node] = serves;
}

static void state_deinit(struct state *st)
{
	free(st->serves);
	free(st->down);
	free(st->moved);
	free(st->switched);
	free(st->touched);
	free(st->life);
	free(st->nodes);
	free(st->node_changed);
	free(st->absent);
	free(st->iface_down);
	free(st->iface_switched);
	free(st->guest_at);
	free(st->guest_moved);
	free(st->iface_changed);
	free(st->params);
}

#define MAKE(array, n) (((array) = calloc((n) + 1, sizeof(*(array)))) != NULL)

static bool state_init(struct state *st, const struct scenario *s)
{
	*st = (struct state){ 0 };
	if (!MAKE(st->serves, s->services.n * s->nodes.n) ||
	    !MAKE(st->down, s->links.n) || !MAKE(st->moved, s->services.n) ||
	    !MAKE(st->switched, s->links.n) ||
	    !MAKE(st->touched, s->processes.n) ||
	    !MAKE(st->life, s->processes.n) || !MAKE(st->nodes, s->nodes.n) ||
	    !MAKE(st->node_changed, s->nodes.n) ||
	    !MAKE(st->absent, 2 * s->links.n) ||
	    !MAKE(st->iface_down, 2 * s->links.n) ||
	    !MAKE(st->iface_switched, 2 * s->links.n) ||
	    !MAKE(st->guest_at, 2 * s->links.n) ||
	    !MAKE(st->guest_moved, 2 * s->links.n) ||
	    !MAKE(st->iface_changed, 2 * s->links.n) ||
	    !MAKE(st->params, s->links.n))
		return false;
	for (size_t i = 0; i < s->links.n; i++)
		memcpy(st->params[i], s->links.v[i].params,
		       sizeof(st->params[i]));
	for (size_t i = 0; i < s->services.n; i++)
		for (size_t k = 0; k < s->services.v[i].instances.n; k++)
			st->serves[i * s->nodes.n +
				   s->services.v[i].instances.v[k].node] = true;
	for (size_t i = 0; i < 2 * s->links.n; i++) {
		st->absent[i] = s->links.v[i / 2].absent;
		st->guest_at[i] = SCN_NONE;
	}
	for (size_t i = 0; i < s->processes.n; i++)
		if (s->processes.v[i].autostart)
			st->life[i] = s->processes.v[i].command ? LIFE_STARTED :
								  LIFE_RUNNING;
	return true;
}

void timeline_simulate(struct loader *l, const step_vec *steps)
{
	struct state st;

	if (!state_init(&st, l->s)) {
		state_deinit(&st);
		l->no_memory = true;
		return;
	}
	for (size_t i = 0; i < steps->n; i++) {
		const struct step *step = &steps->v[i];
		const struct action_kind *kind =
			action_kind_of(step->action.kind);

		if (kind->simulate && step->when)
			kind->simulate(l, &st, step);
	}
	check_ends(l, steps);
	nodes_check_end(l, &st);
	state_deinit(&st);
}
