/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose turn it is, of actions on the same service. */
#include "orchestrator/timeline/perform.h"

#include "base/clock.h"

#define TURN_NS NSEC_PER_MSEC /* how often another one is looked at */

/* The service that the action is about; SCN_NONE: none. */
static size_t service_of(const struct scn_action *a)
{
	switch (a->kind) {
	case SCN_ACTION_MIGRATE:
		return a->migrate.service;
	case SCN_ACTION_REGISTER:
	case SCN_ACTION_UNREGISTER:
		return a->serve.service;
	case SCN_ACTION_WEIGHT:
		return a->weight.service;
	default:
		return SCN_NONE;
	}
}

/*
 * Two migrations of a service at a time would start and end the same processes,
 * each for its own reasons; and what an instance's coming, going or weight
 * means while its flows are handed over is known when that is done, or taken
 * back. An action that is late makes them overlap.
 */
static bool waits_for(const struct performance *p, const struct performance *o)
{
	if (o->over || service_of(o->action) != service_of(p->action))
		return false;
	/* One of another kind that is not over waits for its turn itself. */
	return o->action->kind != SCN_ACTION_MIGRATE ||
	       p->action->kind == SCN_ACTION_MIGRATE ||
	       o->action->migrate.mode == SCN_MIGRATE_HANDOFF;
}

static bool is_its_turn(const struct performance *p)
{
	for (size_t i = 0; i < p->tl->begun.n; i++) {
		const struct performance *o = p->tl->begun.v[i];

		if (o == p)
			break;
		if (waits_for(p, o))
			return false;
	}
	return true;
}

static int on_turn(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct performance *p = arg;
	struct err err = ERR_INIT;
	int r;

	(void)source;
	(void)now_us;
	p->timer = sd_event_source_disable_unref(p->timer);
	if (p->tl->stopped)
		return 0;
	if (is_its_turn(p)) {
		performance_step(p, "turn", NULL, 0);
		r = p->begin(p, &err);
	} else {
		r = performance_wait(p, TURN_NS, on_turn, &err);
		r = r ? r : PERFORM_UNDER_WAY;
	}
	performance_result(p, r, &err);
	return 0;
}

int perform_in_turn(struct performance *p, perform_fn *fn, struct err *err)
{
	int r;

	if (is_its_turn(p))
		return fn(p, err);
	p->begin = fn;
	r = performance_wait(p, TURN_NS, on_turn, err);
	return r ? r : PERFORM_UNDER_WAY;
}
