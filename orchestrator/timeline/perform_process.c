/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processes of the scenario. */
#include "orchestrator/timeline/perform.h"

static int done(const struct performance *p, int r)
{
	if (r != LAB_HAD_ENDED)
		return r;
	performance_step(p, "ended", -1);
	return 0;
}

int perform_start(struct performance *p, struct err *err)
{
	return lab_start_process(p->tl->lab, p->action->process.process, err);
}

int perform_stop(struct performance *p, struct err *err)
{
	return done(p, lab_stop_process(p->tl->lab, p->action->process.process,
					err));
}

int perform_kill(struct performance *p, struct err *err)
{
	return done(p, lab_kill_process(p->tl->lab, p->action->process.process,
					p->action->process.signal, err));
}
