/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kinds of actions. Each is written down once, in a file action_*.c, as
 *
 *   - a form: how it stands in the file. The key that a form's mapping begins
 *     with says which one it is, and its reader which kind of action that makes
 *     (the forms "interface:" and "link:" make several);
 *   - a kind: its name, its text, and what it does to the lab where the
 *     timeline is played without one (simulate.c).
 *
 * A new kind is a line in enum scn_action_kind, one in each of the two tables
 * of actions.c, and its performer (orchestrator/timeline/perform.h).
 */
#ifndef SCENARIO_ACTION_H
#define SCENARIO_ACTION_H

#include "orchestrator/scenario/load.h"
#include "orchestrator/scenario/simulate.h"

struct action_form {
	const struct mapping *mapping;
	/* v: the mapping's fields, of which the first is given. False: it had
	 * an error, which was told. Further actions that the same mapping asks
	 * for, which happen right behind it, go into also. */
	bool (*read)(struct loader *l, const struct value *v, struct step *step,
		     step_vec *also);
	uint64_t kinds; /* bits, ACTION_BIT(): what it may make */
};

struct action_kind {
	const char *name; /* as in events.jsonl */
	void (*text)(const struct scenario *s, const struct scn_action *a,
		     char *buf, size_t size);
	/* Judges the action, and takes it as done. NULL: it always fits. */
	void (*simulate)(struct loader *l, struct state *st,
			 const struct step *step);
	void (*free)(struct scn_action *a); /* NULL: nothing to free */
};

/* The mappings of all forms, for the variants of a mapping. */
#define ACTION_MAPPINGS                                                        \
	&mapping_action_migrate, &mapping_action_register,                     \
		&mapping_action_unregister, &mapping_action_weight,            \
		&mapping_action_flush, &mapping_action_link,                   \
		&mapping_action_interface, &mapping_action_route,              \
		&mapping_action_partition, &mapping_action_nat_rebind,         \
		&mapping_action_drop, &mapping_action_heal,                    \
		&mapping_action_crash, &mapping_action_boot,                   \
		&mapping_action_freeze, &mapping_action_thaw,                  \
		&mapping_action_start, &mapping_action_stop,                   \
		&mapping_action_kill, &mapping_action_pause,                   \
		&mapping_action_resume, &mapping_action_restart,               \
		&mapping_action_exec, &mapping_action_mark,                    \
		&mapping_action_wait

extern const struct mapping mapping_action; /* one of a list */
extern const struct type type_do; /* an action, or a list of them */

/* NULL: it is the mapping of no form. */
const struct action_form *action_form_of(const struct mapping *mapping);
const struct action_kind *action_kind_of(enum scn_action_kind kind);

/* action_migrate.c */
extern const struct mapping mapping_action_migrate;
extern const struct action_form form_migrate;
extern const struct action_kind kind_migrate;
/* action_guest.c: the other thing that "migrate" moves */
extern const struct mapping mapping_migrate_guest;
bool guest_read(struct loader *l, const struct value *v, struct step *step);
extern const struct action_kind kind_guest;
/* action_service.c */
extern const struct mapping mapping_action_register, mapping_action_unregister,
	mapping_action_flush;
extern const struct action_form form_register, form_unregister, form_flush;
extern const struct action_kind kind_register, kind_unregister, kind_flush;
/* action_weight.c */
extern const struct mapping mapping_action_weight;
extern const struct action_form form_weight;
extern const struct action_kind kind_weight;
/* action_link.c */
extern const struct mapping mapping_action_link;
extern const struct action_form form_link;
extern const struct action_kind kind_link_state, kind_link_change;
/* action_interface.c */
extern const struct mapping mapping_action_interface;
extern const struct action_form form_interface;
/* An interface that is absent at that step is an error. */
void check_there(struct loader *l, const struct state *st,
		 const struct step *step, size_t link, size_t end);
extern const struct action_kind kind_readdress, kind_presence, kind_admin,
	kind_rename, kind_plug, kind_mtu;
/* action_nat.c */
extern const struct mapping mapping_action_nat_rebind;
extern const struct action_form form_nat_rebind;
extern const struct action_kind kind_nat_rebind;
/* action_drop.c */
extern const struct mapping mapping_action_drop;
extern const struct action_form form_drop;
extern const struct action_kind kind_drop;
/* action_route.c */
extern const struct mapping mapping_action_route;
extern const struct action_form form_route;
extern const struct action_kind kind_route;
/* action_partition.c */
extern const struct mapping mapping_action_partition, mapping_action_heal;
extern const struct action_form form_partition, form_heal;
extern const struct action_kind kind_partition, kind_heal;
/* action_node.c */
extern const struct mapping mapping_action_crash, mapping_action_boot,
	mapping_action_freeze, mapping_action_thaw;
extern const struct action_form form_crash, form_boot, form_freeze, form_thaw;
extern const struct action_kind kind_crash, kind_boot, kind_freeze, kind_thaw;
/* action_process.c */
extern const struct mapping mapping_action_start, mapping_action_stop,
	mapping_action_kill, mapping_action_pause, mapping_action_resume,
	mapping_action_restart;
extern const struct action_form form_start, form_stop, form_kill, form_pause,
	form_resume, form_restart;
extern const struct action_kind kind_start, kind_stop, kind_kill, kind_pause,
	kind_resume, kind_restart;
/* action_exec.c */
extern const struct mapping mapping_action_exec, mapping_action_mark,
	mapping_action_wait;
extern const struct action_form form_exec, form_mark, form_wait;
extern const struct action_kind kind_exec, kind_mark, kind_wait;

#endif
