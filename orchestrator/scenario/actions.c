/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of all actions. */
#include "orchestrator/scenario/action.h"

#include "base/utf8.h"

#include <stdio.h>

static const struct action_form *const forms[] = {
	&form_migrate, &form_register,	&form_unregister, &form_flush,
	&form_link,    &form_interface, &form_route,	  &form_partition,
	&form_heal,    &form_crash,	&form_boot,	  &form_freeze,
	&form_thaw,    &form_start,	&form_stop,	  &form_kill,
	&form_pause,   &form_resume,	&form_restart,	  &form_exec,
	&form_mark,    &form_wait,	&form_nat_rebind, &form_drop,
	&form_weight,
};

const struct mapping mapping_action = {
	.what = "action",
	.doc = "One thing that happens.",
	.variants = (const struct mapping *const[]){ ACTION_MAPPINGS, NULL },
	.example = "link: wifi, state: down",
	.refused = "at",
	.refused_why = "an action inside of 'do' has no time of its own: all "
		       "of them happen at the entry's 'at'",
};

static const struct type type_action = {
	.expects = "an action, such as '{ link: wifi, state: down }'",
	.mapping = &mapping_action,
};

const struct type type_do = {
	.expects = "an action, or a list of them",
	.item = &type_action,
	.mapping = &mapping_action,
};

static const struct action_kind *const kinds[] = {
	[SCN_ACTION_MIGRATE] = &kind_migrate,
	[SCN_ACTION_REGISTER] = &kind_register,
	[SCN_ACTION_UNREGISTER] = &kind_unregister,
	[SCN_ACTION_WEIGHT] = &kind_weight,
	[SCN_ACTION_FLUSH] = &kind_flush,
	[SCN_ACTION_LINK_STATE] = &kind_link_state,
	[SCN_ACTION_LINK_CHANGE] = &kind_link_change,
	[SCN_ACTION_READDRESS] = &kind_readdress,
	[SCN_ACTION_PRESENCE] = &kind_presence,
	[SCN_ACTION_ADMIN] = &kind_admin,
	[SCN_ACTION_RENAME] = &kind_rename,
	[SCN_ACTION_PLUG] = &kind_plug,
	[SCN_ACTION_GUEST] = &kind_guest,
	[SCN_ACTION_MTU] = &kind_mtu,
	[SCN_ACTION_ROUTE] = &kind_route,
	[SCN_ACTION_DROP] = &kind_drop,
	[SCN_ACTION_NAT_REBIND] = &kind_nat_rebind,
	[SCN_ACTION_PARTITION] = &kind_partition,
	[SCN_ACTION_HEAL] = &kind_heal,
	[SCN_ACTION_CRASH] = &kind_crash,
	[SCN_ACTION_BOOT] = &kind_boot,
	[SCN_ACTION_FREEZE] = &kind_freeze,
	[SCN_ACTION_THAW] = &kind_thaw,
	[SCN_ACTION_START] = &kind_start,
	[SCN_ACTION_STOP] = &kind_stop,
	[SCN_ACTION_KILL] = &kind_kill,
	[SCN_ACTION_PAUSE] = &kind_pause,
	[SCN_ACTION_RESUME] = &kind_resume,
	[SCN_ACTION_RESTART] = &kind_restart,
	[SCN_ACTION_EXEC] = &kind_exec,
	[SCN_ACTION_MARK] = &kind_mark,
	[SCN_ACTION_WAIT] = &kind_wait,
};

_Static_assert(sizeof(kinds) / sizeof(*kinds) == SCN_ACTION_COUNT_,
	       "every kind is known");
_Static_assert(SCN_ACTION_COUNT_ <= 64, "they are bits of 64");

const struct action_form *action_form_of(const struct mapping *mapping)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (forms[i]->mapping == mapping)
			return forms[i];
	return NULL;
}

const struct action_kind *action_kind_of(enum scn_action_kind kind)
{
	return kinds[kind];
}

const char *scn_action_name(enum scn_action_kind k)
{
	return kinds[k]->name;
}

const char *scn_action_idle_reason(enum scn_action_kind k)
{
	switch (k) {
	case SCN_ACTION_CRASH:
		return "it was off already";
	case SCN_ACTION_BOOT:
		return "it was not off";
	case SCN_ACTION_FREEZE:
		return "it was not on";
	case SCN_ACTION_THAW:
		return "it was not frozen";
	default:
		return NULL;
	}
}

const char *scn_action_text(const struct scenario *s,
			    const struct scn_action *a, char *buf, size_t size)
{
	kinds[a->kind]->text(s, a, buf, size);
	utf8_mend(buf); /* names may be long */
	return buf;
}

void scn_action_deinit(struct scn_action *a)
{
	if (kinds[a->kind]->free)
		kinds[a->kind]->free(a);
}
