/* SPDX-License-Identifier: GPL-2.0-or-later */
/* migrate: a service gets another instance (or a guest another network). */
#include "orchestrator/scenario/action.h"

#include <stdio.h>

static const struct word flush_words[] = {
	{ "after", SCN_FLUSH_AFTER, NULL },
	{ "none", SCN_FLUSH_NONE, NULL },
	{ "before", SCN_FLUSH_BEFORE, NULL },
	{ 0 },
};

static const struct type type_flush = {
	.expects = "after, none or before",
	.scalar = SCALAR_WORD,
	.thing = "a time to flush",
	.words = flush_words,
};

static const struct word mode_words[] = {
	{ "replace", SCN_MIGRATE_REPLACE, NULL },
	{ "overlap", SCN_MIGRATE_OVERLAP, NULL },
	{ "handoff", SCN_MIGRATE_HANDOFF, NULL },
	{ 0 },
};

static const struct type type_mode = {
	.expects = "replace, overlap or handoff",
	.scalar = SCALAR_WORD,
	.thing = "a way to migrate",
	.words = mode_words,
};

static const struct word fail_words[] = {
	{ "hold", SCN_HANDOFF_HOLD, NULL },
	{ "dump", SCN_HANDOFF_DUMP, NULL },
	{ "restore", SCN_HANDOFF_RESTORE, NULL },
	{ "import", SCN_HANDOFF_IMPORT, NULL },
	{ 0 },
};

static const struct type type_fail = {
	.expects = "hold, dump, restore or import",
	.scalar = SCALAR_WORD,
	.thing = "a step of a handoff",
	.words = fail_words,
};

enum {
	MIGRATE_SERVICE,
	MIGRATE_FROM,
	MIGRATE_TO,
	MIGRATE_MODE,
	MIGRATE_FLUSH,
	MIGRATE_GAP,
	MIGRATE_FAIL,
};

static const struct field migrate_fields[] = {
	[MIGRATE_SERVICE] = { .name = "service",
			      .type = &type_service,
			      .required = true,
			      .example = "echo",
			      .doc = "the service that moves" },
	[MIGRATE_FROM] = { .name = "from",
			   .type = &type_host,
			   .required = true,
			   .example = "c",
			   .doc = "its instance until then" },
	[MIGRATE_TO] = { .name = "to",
			 .type = &type_host,
			 .required = true,
			 .example = "d",
			 .doc = "its instance from then on" },
	[MIGRATE_MODE] = { .name = "mode",
			   .type = &type_mode,
			   .fallback = "replace",
			   .doc = "overlap: the new instance is up before the "
				  "old one goes; handoff: and takes its live "
				  "TCP connections over" },
	[MIGRATE_FLUSH] = { .name = "flush",
			    .type = &type_flush,
			    .fallback = "after",
			    .doc = "when the kernel forgets the connections "
				   "it translated, as to the rule's change" },
	[MIGRATE_GAP] = { .name = "gap",
			  .type = &type_delay,
			  .fallback = "0s",
			  .doc = "the time between the rule and the flush" },
	[MIGRATE_FAIL] = { .name = "fail",
			   .type = &type_fail,
			   .doc = "handoff: the step after which the new "
				  "instance's process is killed" },
};

static const struct mapping mapping_migrate_service = {
	.what = "migration",
	.doc = "Binds a service to another instance.",
	MAPPING_FIELDS(migrate_fields),
};

static const struct mapping mapping_migrate_body = {
	.what = "migration",
	.doc = "Something moves to another place.",
	.variants =
		(const struct mapping *const[]){ &mapping_migrate_service,
						 &mapping_migrate_guest, NULL },
	.several = "let each be an action of its own, in a 'do' list",
	.example = "service: echo",
};

static const struct type type_migrate = {
	.expects = "a migration, such as '{ service: echo, from: c, to: d }'",
	.mapping = &mapping_migrate_body,
};

static const struct field migrate_action_fields[] = {
	{ .name = "migrate",
	  .type = &type_migrate,
	  .doc = "binds a service to another instance, or moves a guest" },
};

const struct mapping mapping_action_migrate = {
	.what = "action",
	MAPPING_FIELDS(migrate_action_fields),
};

/* What a NAT forgets, and when, means nothing where there is no NAT. */
static bool check_nat_only(struct loader *l, const struct value *v)
{
	bool good = true;

	for (size_t i = MIGRATE_FLUSH; i <= MIGRATE_GAP; i++) {
		if (!v[i].node)
			continue;
		tree_error(l->diag, v[i].node, "'%s' is only for nat services",
			   migrate_fields[i].name);
		good = false;
	}
	return good;
}

/* One program of its own at a node, which could be told to hand over. */
static bool has_one_program(struct loader *l, const struct scn_service *svc,
			    size_t node)
{
	size_t n = 0;

	for (size_t i = 0; i < svc->run.n; i++) {
		const struct scn_process *p = &l->s->processes.v[svc->run.v[i]];

		n += p->node == node && p->argv ? 1 : 0;
	}
	return n == 1;
}

static bool check_handoff(struct loader *l, const struct value *v,
			  const struct scn_action *a)
{
	const struct scn_service *svc = &l->s->services.v[a->migrate.service];
	bool good = true;

	if (svc->resolver != SCN_RESOLVER_SAL) {
		tree_error(l->diag, v[MIGRATE_MODE].node,
			   "connections can be handed over only by a sal "
			   "service");
		return false;
	}
	for (size_t i = MIGRATE_FROM; i <= MIGRATE_TO; i++) {
		size_t node =
			i == MIGRATE_FROM ? a->migrate.from : a->migrate.to;

		if (!v[i].ok || has_one_program(l, svc, node))
			continue;
		tree_error(l->diag, v[i].node,
			   "for a handoff, the service's 'run' must name "
			   "exactly one program at '%s'",
			   v[i].node->text);
		good = false;
	}
	if (!good)
		diag_help(l->diag, "a program that can hand its connections "
				   "over, such as 'serval-handoff-echo'");
	return good;
}

static bool check_mode(struct loader *l, const struct value *v,
		       const struct scn_action *a)
{
	if (!v[MIGRATE_SERVICE].ok || !v[MIGRATE_MODE].ok)
		return false;
	if (a->migrate.mode == SCN_MIGRATE_HANDOFF)
		return check_handoff(l, v, a);
	if (!v[MIGRATE_FAIL].node)
		return true;
	tree_error(l->diag, v[MIGRATE_FAIL].node,
		   "'fail' is only for 'mode: handoff'");
	return false;
}

static bool read_migrate(struct loader *l, const struct value *outer,
			 struct step *step, step_vec *also)
{
	struct scn_action *a = &step->action;
	const struct mapping *what = NULL;
	struct value v[VALUES_MAX];
	bool good;

	(void)also;
	a->kind = SCN_ACTION_MIGRATE;
	if (!outer[0].ok)
		return false;
	good = mapping_read(l, &mapping_migrate_body, outer[0].node, NULL, v,
			    &what);
	if (what == &mapping_migrate_guest)
		return guest_read(l, v, step) && good;
	if (!what)
		return false;

	good = service_can_be_moved(l, &v[MIGRATE_SERVICE]) && good;
	a->migrate.service = v[MIGRATE_SERVICE].index;
	a->migrate.from = v[MIGRATE_FROM].index;
	a->migrate.to = v[MIGRATE_TO].index;
	a->migrate.mode = v[MIGRATE_MODE].word;
	a->migrate.flush = v[MIGRATE_FLUSH].word;
	a->migrate.gap_ns = v[MIGRATE_GAP].ns;
	a->migrate.fail =
		v[MIGRATE_FAIL].node ? v[MIGRATE_FAIL].word : SCN_HANDOFF_NONE;
	step->subject = v[MIGRATE_SERVICE].node;
	step->from = v[MIGRATE_FROM].node;
	if (v[MIGRATE_TO].node)
		a->migrate.to_pos = v[MIGRATE_TO].node->pos;
	if (v[MIGRATE_FROM].ok && v[MIGRATE_TO].ok &&
	    a->migrate.from == a->migrate.to) {
		tree_error(l->diag, v[MIGRATE_TO].node,
			   "the service would move from '%s' to '%s'",
			   v[MIGRATE_FROM].node->text,
			   v[MIGRATE_TO].node->text);
		good = false;
	}
	good = check_mode(l, v, a) && good;
	if (v[MIGRATE_SERVICE].ok &&
	    l->s->services.v[a->migrate.service].resolver != SCN_RESOLVER_NAT)
		return check_nat_only(l, v) && good;
	if (v[MIGRATE_GAP].ok && v[MIGRATE_GAP].ns && v[MIGRATE_FLUSH].ok &&
	    a->migrate.flush == SCN_FLUSH_NONE) {
		tree_error(l->diag, v[MIGRATE_GAP].node,
			   "a gap means nothing with 'flush: none'");
		diag_note(l->diag, v[MIGRATE_FLUSH].node->pos,
			  v[MIGRATE_FLUSH].node->width, "which is here");
		good = false;
	}
	return good;
}

const struct action_form form_migrate = {
	.mapping = &mapping_action_migrate,
	.read = read_migrate,
	.kinds = ACTION_BIT(SCN_ACTION_MIGRATE) | ACTION_BIT(SCN_ACTION_GUEST),
};

static void migrate_text(const struct scenario *s, const struct scn_action *a,
			 char *buf, size_t size)
{
	static const char *const modes[] = {
		[SCN_MIGRATE_REPLACE] = "",
		[SCN_MIGRATE_OVERLAP] = ", overlapping",
		[SCN_MIGRATE_HANDOFF] = ", handing over",
	};

	snprintf(buf, size, "migrate %s: %s -> %s%s%s",
		 s->services.v[a->migrate.service].name,
		 s->nodes.v[a->migrate.from].name,
		 s->nodes.v[a->migrate.to].name, modes[a->migrate.mode],
		 a->migrate.fail ? ", to fail" : "");
}

/* Where the service is, in words. */
static const char *place_text(struct loader *l, const struct state *st,
			      size_t service)
{
	const struct scenario *s = l->s;
	const char *text = NULL;

	for (size_t i = 0; i < s->nodes.n; i++)
		if (state_serves(l, st, service, i))
			text = text ? loader_format(l, "%s and '%s'", text,
						    s->nodes.v[i].name) :
				      loader_format(l, "'%s'",
						    s->nodes.v[i].name);
	return text ? text : "nowhere";
}

static void check_migrate(struct loader *l, struct state *st,
			  const struct step *step)
{
	size_t service = step->action.migrate.service;
	size_t from = step->action.migrate.from, to = step->action.migrate.to;
	const struct step *before = st->moved[service];
	bool failed = step->action.migrate.fail;
	bool was = state_serves(l, st, service, from);
	bool there = was && from != to && state_serves(l, st, service, to);
	const char *at = was ? NULL : place_text(l, st, service);
	const struct scenario *s = l->s;

	st->moved[service] = step;
	for (size_t i = 0; i < s->services.v[service].run.n; i++) {
		size_t process = s->services.v[service].run.v[i];

		if (s->processes.v[process].node != from &&
		    s->processes.v[process].node != to)
			continue;
		st->touched[process] = step;
		st->life[process] =
			(s->processes.v[process].node == to) != failed ?
				LIFE_STARTED :
				LIFE_ENDING;
	}
	for (size_t i = 0; !was && i < s->nodes.n; i++)
		state_set_serves(l, st, service, i, false);
	/* One that is made to fail leaves it where it was. */
	state_set_serves(l, st, service, from, failed);
	state_set_serves(l, st, service, to, !failed);
	if ((was && !there) || !action_is_known(l, SCN_ACTION_MIGRATE) ||
	    !action_is_known(l, SCN_ACTION_REGISTER) ||
	    !action_is_known(l, SCN_ACTION_UNREGISTER))
		return;
	if (there) {
		tree_error(l->diag, step->subject,
			   "at %s, '%s' is already an instance of '%s'",
			   step->when, s->nodes.v[to].name,
			   s->services.v[service].name);
		diag_help(l->diag, "to have one instance less, 'unregister' "
				   "it");
		return;
	}
	tree_error(l->diag, step->from,
		   "at %s, the service '%s' is at %s, not at '%s'", step->when,
		   s->services.v[service].name, at, s->nodes.v[from].name);
	if (!before && !s->services.v[service].instances.n)
		diag_note(l->diag, s->services.v[service].id_pos, 1,
			  "it has none of its own: who has this prefix "
			  "answers");
	else if (!before)
		diag_note(l->diag, s->services.v[service].instance_pos, 1,
			  "this is its instance from the start");
	else if (before->action.kind == SCN_ACTION_MIGRATE)
		diag_note(l->diag, before->action.pos, 1,
			  "it moved to '%s' here, at %s",
			  s->nodes.v[before->action.migrate.to].name,
			  before->when);
	else
		diag_note(l->diag, before->action.pos, 1,
			  "that was changed here, at %s", before->when);
}

const struct action_kind kind_migrate = {
	.name = "migrate",
	.text = migrate_text,
	.simulate = check_migrate,
};
