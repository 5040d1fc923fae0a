/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probes of a run: a child of init each, in its node. */
#include "orchestrator/cli/run_state.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int probe_child(void *arg, int status_fd)
{
	const struct probe_run *p = arg;
	const struct scn_probe *s = &p->run->scenario->probes.v[p->index];
	char path[128];

	close(status_fd);
	snprintf(path, sizeof(path), RECORD_PROBES "/%s.csv", s->name);
	return probe_main(&p->config, path, -1, STDERR_FILENO);
}

static void probe_ended(void *arg, int status)
{
	struct probe_run *p = arg;

	p->pid = 0;
	p->run->probes_running--;
	recorder_probe_ended(p->run->recorder, p->index, status);
}

int run_start_probe(struct run *run, size_t index, int64_t zero_ns,
		    struct err *err)
{
	const struct scn_probe *s = &run->scenario->probes.v[index];
	struct probe_run *p = &run->probes[index];
	int r;

	p->run = run;
	p->index = index;
	p->config = (struct probe_config){
		.index = (uint32_t)index,
		.udp = s->kind == SCN_PROBE_UDP_ECHO,
		.to = plan_probe_target(run->plan, s),
		.port = s->port,
		.start_mono_ns = zero_ns + s->start_ns,
		.interval_ns = s->interval_ns,
		.for_ns = s->for_ns,
		.payload = s->payload,
	};
	recorder_probe_started(run->recorder, index, &p->config.to);
	r = lab_spawn(run->lab, s->node, probe_child, p, probe_ended, p,
		      &p->pid, err);
	if (r) {
		err_wrap(err, "probe '%s'", s->name);
		err_at(err, s->pos);
		return r;
	}
	run->probes_running++;
	return 0;
}
