/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps: what happens to a flow is looked up in the table (transitions.h), and
 * what the row says is done. A flow's state is changed here and nowhere else.
 *
 * The conditions and actions are functions in the files of their exchanges:
 * sal_if_X() and sal_do_X(). The first action of a row comes before the state
 * changes, so that the change is reported with what was learned; it is the only
 * one where the next state is CLOSED, after which there is no flow. A later one
 * may lead to a step of its own, and is the last of its row then.
 *
 * No packet may stop the process: something of our own for which a state has no
 * row is a bug of ours, and is counted ("broken"), where every test and fuzzer
 * looks; the flow stays as it is.
 */
#include "node/sal/engine.h"

#define ROW_ACTIONS 4

/* Up to four, filled up with "nothing". */
#define THEN(...) THEN_(__VA_ARGS__, nothing, nothing, nothing, nothing)
#define THEN_(a, b, c, d, ...)                                                 \
	{                                                                      \
		SAL_DO_##a, SAL_DO_##b, SAL_DO_##c, SAL_DO_##d                 \
	}

struct row {
	uint8_t state, on, condition, first, next, then[ROW_ACTIONS];
};

static const struct row rows[] = {
#define ROW(from, happens, cond, before, to, after)                            \
	{ .state = SAL_##from,                                                 \
	  .on = SAL_ON_##happens,                                              \
	  .condition = SAL_IF_##cond,                                          \
	  .first = SAL_DO_##before,                                            \
	  .next = SAL_##to,                                                    \
	  .then = THEN after },
	SAL_TRANSITIONS(ROW)
#undef ROW
};

static bool (*const conditions[])(const struct sal_step *t) = {
#define CONDITION(name, text) [SAL_IF_##name] = sal_if_##name,
	SAL_CONDITIONS(CONDITION)
#undef CONDITION
};

static void (*const actions[])(const struct sal_step *t) = {
#define ACTION(name, text) [SAL_DO_##name] = sal_do_##name,
	SAL_ACTIONS(ACTION)
#undef ACTION
};

enum { PACKET, OWN };
static const uint8_t kinds[] = {
#define KIND(name, kind, text) [SAL_ON_##name] = kind,
	SAL_HAPPENINGS(KIND)
#undef KIND
};

bool sal_if_always(const struct sal_step *t)
{
	(void)t;
	return true;
}

void sal_do_nothing(const struct sal_step *t)
{
	(void)t;
}

static const struct row *find_row(const struct sal_step *t, enum sal_on on)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].state == t->f->info.state && rows[i].on == on &&
		    conditions[rows[i].condition](t))
			return &rows[i];
	return NULL;
}

/* By what is known of the peer, not by the state: an end that moves, or whose
 * program closes at once, knows no more of it than before. */
static void count_half_open(struct sal *s, struct sal_flow *f)
{
	bool is = sal_flow_unproven(f);

	s->half_open += is;
	s->half_open -= f->half_open;
	f->half_open = is;
}

static void set_state(struct sal *s, struct sal_flow *f, enum sal_state state)
{
	struct sal_event e = { .kind = SAL_EVENT_FLOW_STATE,
			       .old_state = f->info.state };

	if (f->native.has_local) {
		s->native.may_cross -= f->info.state == SAL_SYN_SENT;
		s->native.may_cross += state == SAL_SYN_SENT;
	}
	f->info.state = state;
	f->since_ns = s->now_ns;
	count_half_open(s, f);
	sal_flow_report(s, f, &e);
	if (state == SAL_ESTABLISHED && !f->opened) {
		f->opened = true;
		sal_flow_event(s, f, SAL_EVENT_FLOW_OPENED, 0, 0);
	}
	if (state != SAL_CLOSED) {
		sal_list_changed(s, f);
		sal_back_settle(s, f);
		sal_flow_arm(s, f);
		return;
	}
	sal_flow_event(s, f, SAL_EVENT_FLOW_CLOSED, f->reason, 0);
	sal_flow_forget(s, f);
}

static bool step(struct sal *s, struct sal_flow *f, enum sal_on on,
		 const struct sal_arrival *a)
{
	struct sal_step t = { s, f, a };
	const struct row *row = find_row(&t, on);

	if (!row) {
		if (kinds[on] == OWN)
			s->stats.broken++;
		return false;
	}
	actions[row->first](&t);
	if (row->next != row->state)
		set_state(s, f, (enum sal_state)row->next);
	for (int i = 0; i < ROW_ACTIONS; i++)
		if (row->then[i] != SAL_DO_nothing)
			actions[row->then[i]](&t);
	return true;
}

bool sal_step_because(struct sal *s, struct sal_flow *f, enum sal_on on,
		      uint16_t reason)
{
	bool done;

	f->reason = reason;
	done = step(s, f, on, NULL);
	if (f->in_use)
		sal_way_note(s, f);
	return done;
}

bool sal_step(struct sal *s, struct sal_flow *f, enum sal_on on,
	      const struct sal_arrival *a)
{
	bool done;

	f->reason = 0;
	done = step(s, f, on, a);
	if (f->in_use)
		sal_way_note(s, f);
	return done;
}
