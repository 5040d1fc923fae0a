/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timeline: what happens, and when. */
#include "orchestrator/scenario/load.h"
#include "orchestrator/scenario/simulate.h"

#include "base/cleanup.h"

#include <string.h>

/* ---- migrate: ---------------------------------------------------------- */

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

enum {
	MIGRATE_SERVICE,
	MIGRATE_FROM,
	MIGRATE_TO,
	MIGRATE_FLUSH,
	MIGRATE_GAP,
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
	[MIGRATE_FLUSH] = { .name = "flush",
			    .type = &type_flush,
			    .fallback = "after",
			    .doc = "when the kernel forgets the connections "
				   "it translated, as to the rule's change" },
	[MIGRATE_GAP] = { .name = "gap",
			  .type = &type_delay,
			  .fallback = "0s",
			  .doc = "the time between the rule and the flush" },
};

static const struct mapping mapping_migrate_body = {
	.what = "migration",
	.doc = "Binds a service to another instance.",
	MAPPING_FIELDS(migrate_fields),
};

static const struct type type_migrate = {
	.expects = "a migration, such as '{ service: echo, from: c, to: d }'",
	.mapping = &mapping_migrate_body,
};

/* ---- the kinds of actions ----------------------------------------------- */

static const struct word state_words[] = {
	{ "up", 1, NULL },
	{ "down", 0, NULL },
	{ 0 },
};

static const struct type type_state = {
	.expects = "up or down",
	.scalar = SCALAR_WORD,
	.thing = "a state of a link",
	.words = state_words,
};

static const struct field migrate_action_fields[] = {
	{ .name = "migrate",
	  .type = &type_migrate,
	  .doc = "binds a service to another instance" },
};

static const struct field link_fields[] = {
	{ .name = "link", .type = &type_link, .doc = "the link that changes" },
	{ .name = "state",
	  .type = &type_state,
	  .required = true,
	  .example = "down",
	  .doc = "whether it carries packets from then on" },
};

static const struct type type_new_address = {
	.expects = "renew, or an address such as 10.0.0.9/24, or a list of "
		   "them",
	.scalar = SCALAR_TEXT,
	.item = &type_ifaddrs,
};

static const struct field interface_fields[] = {
	{ .name = "interface",
	  .type = &type_iface,
	  .doc = "the interface that gets other addresses" },
	{ .name = "address",
	  .type = &type_new_address,
	  .required = true,
	  .example = "renew",
	  .doc = "its new ones; renew: new ones of its network, as DHCP "
		 "would give" },
};

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

static const struct mapping action_migrate = {
	.what = "action",
	MAPPING_FIELDS(migrate_action_fields),
};
static const struct mapping action_link = {
	.what = "action",
	MAPPING_FIELDS(link_fields),
};
static const struct mapping action_interface = {
	.what = "action",
	MAPPING_FIELDS(interface_fields),
};
static const struct mapping action_start = {
	.what = "action",
	MAPPING_FIELDS(start_fields),
};
static const struct mapping action_stop = {
	.what = "action",
	MAPPING_FIELDS(stop_fields),
};
static const struct mapping action_kill = {
	.what = "action",
	MAPPING_FIELDS(kill_fields),
};

static const struct mapping mapping_action = {
	.what = "action",
	.doc = "One thing that happens.",
	.variants =
		(const struct mapping *const[]){
			&action_migrate, &action_link, &action_interface,
			&action_start, &action_stop, &action_kill, NULL },
	.example = "link: wifi, state: down",
	.refused = "at",
	.refused_why = "an action inside of 'do' has no time of its own: all "
		       "of them happen at the entry's 'at'",
};

static const struct type type_action = {
	.expects = "an action, such as '{ link: wifi, state: down }'",
	.mapping = &mapping_action,
};

static const struct type type_do = {
	.expects = "an action, or a list of them",
	.item = &type_action,
	.mapping = &mapping_action,
};

static const struct field do_fields[] = {
	{ .name = "do",
	  .type = &type_do,
	  .doc = "actions that happen together, in this order" },
};

static const struct mapping entry_do = {
	.what = "entry",
	MAPPING_FIELDS(do_fields),
};

enum { ENTRY_AT, ENTRY_OWN };

static const struct field entry_fields[] = {
	[ENTRY_AT] = { .name = "at",
		       .type = &type_delay,
		       .required = true,
		       .example = "2s",
		       .doc = "when it happens, after the timeline begins" },
};

static const struct mapping mapping_entry = {
	.what = "entry",
	.doc = "A time, and what happens then.",
	MAPPING_FIELDS(entry_fields),
	.variants =
		(const struct mapping *const[]){
			&entry_do, &action_migrate, &action_link,
			&action_interface, &action_start, &action_stop,
			&action_kill, NULL },
	.example = "link: wifi, state: down",
	.several = "a list holds several actions of one time: "
		   "'do: [{ stop: p }, { start: q }]'",
};

static const struct type type_entry = {
	.expects = "an entry, such as '{ at: 2s, link: wifi, state: down }'",
	.mapping = &mapping_entry,
};

const struct type type_timeline = {
	.expects = "a list of entries, each with its 'at'",
	.item = &type_entry,
	.may_be_empty = true,
};

/* ---- reading ----------------------------------------------------------- */

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

static bool read_migrate(struct loader *l, const struct tree_node *node,
			 struct step *step)
{
	struct scn_action *a = &step->action;
	struct value v[VALUES_MAX];
	bool good = mapping_read(l, &mapping_migrate_body, node, NULL, v, NULL);

	a->migrate.service = v[MIGRATE_SERVICE].index;
	a->migrate.from = v[MIGRATE_FROM].index;
	a->migrate.to = v[MIGRATE_TO].index;
	a->migrate.flush = v[MIGRATE_FLUSH].word;
	a->migrate.gap_ns = v[MIGRATE_GAP].ns;
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
	if (v[MIGRATE_SERVICE].ok &&
	    l->s->services.v[a->migrate.service].resolver == SCN_RESOLVER_SAL)
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

/* v: of the interface and its new addresses. */
static bool read_readdress(struct loader *l, const struct value *v,
			   struct scn_action *a)
{
	const struct tree_node *node = v[1].node;
	const struct scn_node *owner;

	memset(&a->readdress, 0, sizeof(a->readdress));
	if (!v[0].ok || !v[1].ok)
		return false;
	a->readdress.link = v[0].index / 2;
	a->readdress.end = v[0].index % 2;
	owner = &l->s->nodes.v[l->s->links.v[a->readdress.link]
				       .end[a->readdress.end]
				       .node];
	if (owner->kind != SCN_NODE_HOST) {
		tree_error(l->diag, v[0].node,
			   "'%s' is a router: others reach their networks by "
			   "its addresses",
			   owner->name);
		return false;
	}
	if (node->kind == TREE_SCALAR && !strcmp(node->text, "renew"))
		return true;
	if (!value_items(&v[1])) {
		tree_error(l->diag, node, "this list has no addresses");
		return false;
	}
	if (prefixes_read(l, type_ifaddrs.item, &v[1], &a->readdress.addresses))
		return true;
	VEC_FREE(&a->readdress.addresses);
	return false;
}

static enum scn_action_kind kind_of(const struct mapping *variant)
{
	if (variant == &action_migrate)
		return SCN_ACTION_MIGRATE;
	if (variant == &action_link)
		return SCN_ACTION_LINK_STATE;
	if (variant == &action_interface)
		return SCN_ACTION_READDRESS;
	if (variant == &action_start)
		return SCN_ACTION_START;
	return variant == &action_stop ? SCN_ACTION_STOP : SCN_ACTION_KILL;
}

/* One action, from the fields of its variant. */
static bool read_action(struct loader *l, const struct mapping *variant,
			const struct value *v, struct step *step)
{
	struct scn_action *a = &step->action;
	bool good = v[0].ok;

	a->kind = kind_of(variant);
	step->subject = v[0].node;
	switch (a->kind) {
	case SCN_ACTION_MIGRATE:
		if (good)
			good = read_migrate(l, v[0].node, step);
		break;
	case SCN_ACTION_LINK_STATE:
		a->link.link = v[0].index;
		a->link.up = v[1].word;
		good &= v[1].ok;
		break;
	case SCN_ACTION_READDRESS:
		good = read_readdress(l, v, a);
		break;
	case SCN_ACTION_KILL:
		a->process.process = v[0].index;
		a->process.signal = v[1].signal;
		good &= v[1].ok;
		break;
	case SCN_ACTION_START:
	case SCN_ACTION_STOP:
		a->process.process = v[0].index;
		break;
	}
	return good;
}

static void add_step(struct loader *l, struct step *step, bool good,
		     step_vec *steps)
{
	struct scn_entry *entry = &l->s->timeline.v[l->s->timeline.n - 1];
	struct scn_action *action;
	struct step *copy;

	if (!good) {
		l->actions_unknown |= 1u << step->action.kind;
		if (step->action.kind == SCN_ACTION_READDRESS)
			VEC_FREE(&step->action.readdress.addresses);
		return;
	}
	action = LOADER_PUSH(l, &entry->actions);
	copy = LOADER_PUSH(l, steps);
	if (!action || !copy) {
		entry->actions.n -= action != NULL;
		return;
	}
	*action = step->action;
	*copy = *step;
	copy->order = steps->n;
}

static void read_do(struct loader *l, const struct value *list,
		    struct step *step, step_vec *steps)
{
	size_t n = value_items(list);

	if (list->node->kind == TREE_LIST && !n)
		tree_error(l->diag, list->node, "this list has no actions");
	for (size_t i = 0; i < n; i++) {
		const struct tree_node *node = value_item(list, i);
		const struct mapping *variant;
		struct value v[VALUES_MAX];
		bool good = mapping_read(l, &mapping_action, node, NULL, v,
					 &variant);

		if (!variant) {
			l->actions_unknown = ~0u;
			continue;
		}
		step->action.pos = node->pos;
		good &= read_action(l, variant, v, step);
		add_step(l, step, good && step->at, steps);
	}
}

static void read_entry(struct loader *l, const struct tree_node *node,
		       step_vec *steps)
{
	struct scn_entry *entry = LOADER_PUSH(l, &l->s->timeline);
	const struct mapping *variant;
	struct value v[VALUES_MAX];
	struct step step = { 0 };
	bool good;

	if (!entry)
		return;
	good = mapping_read(l, &mapping_entry, node, NULL, v, &variant);
	entry->pos = node->pos;
	entry->at_ns = v[ENTRY_AT].ns;
	step.at_ns = v[ENTRY_AT].ns;
	step.at = v[ENTRY_AT].ok ? v[ENTRY_AT].node : NULL;
	step.action.pos = node->pos;
	if (!variant) {
		l->actions_unknown = ~0u;
	} else if (variant == &entry_do) {
		if (v[ENTRY_OWN].ok)
			read_do(l, &v[ENTRY_OWN], &step, steps);
		else
			l->actions_unknown = ~0u;
	} else {
		good &= read_action(l, variant, v + ENTRY_OWN, &step);
		add_step(l, &step, good, steps);
	}
}

/* ---- order ------------------------------------------------------------- */

/* An entry's time and its place in the file, which decides where times are
 * equal: qsort() keeps no order of its own. */
struct entry_key {
	int64_t at_ns;
	size_t order;
};

static int compare_times(int64_t a_ns, size_t a, int64_t b_ns, size_t b)
{
	if (a_ns != b_ns)
		return a_ns < b_ns ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int compare_keys(const void *a, const void *b)
{
	const struct entry_key *x = a, *y = b;

	return compare_times(x->at_ns, x->order, y->at_ns, y->order);
}

static int compare_steps(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return compare_times(x->at_ns, x->order, y->at_ns, y->order);
}

static void sort_entries(struct loader *l)
{
	size_t n = l->s->timeline.n;
	struct scn_entry *entries = l->s->timeline.v, *sorted;
	CLEANUP_FREE struct entry_key *keys = calloc(n + 1, sizeof(*keys));

	sorted = calloc(n + 1, sizeof(*sorted));
	if (!keys || !sorted) {
		free(sorted);
		l->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct entry_key){ entries[i].at_ns, i };
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < n; i++)
		sorted[i] = entries[keys[i].order];
	free(entries);
	l->s->timeline.v = sorted;
	l->s->timeline.cap = n + 1;
}

void timeline_read(struct loader *l, const struct tree_node *node)
{
	step_vec steps = { 0 };

	if (!node || node->kind != TREE_LIST) {
		if (node && !tree_is_null(node))
			l->actions_unknown = ~0u;
		return;
	}
	for (size_t i = 0; i < node->n && !l->no_memory; i++)
		read_entry(l, node->items[i], &steps);
	if (!l->no_memory)
		sort_entries(l);
	if (steps.n)
		qsort(steps.v, steps.n, sizeof(*steps.v), compare_steps);
	if (!l->no_memory)
		timeline_simulate(l, &steps);
	VEC_FREE(&steps);
}
