/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in servers of a run: what a process without a command is. */
#include "orchestrator/cli/run_state.h"

#include "orchestrator/observe/serve.h"

#include <stdlib.h>

/* Streams that the server receives are measured here. */
static const char *upload_name(const struct scn_probe *p)
{
	return p->kind == SCN_PROBE_TCP_STREAM ? p->name : NULL;
}

static int serve(const struct run *run, uint16_t port, int ready_fd, int err_fd)
{
	const struct scenario *s = run->scenario;
	const char **names = calloc(s->probes.n + 1, sizeof(*names));
	struct serve_config c = {
		.port = port,
		.dir_fd = run->probes_dir,
		.names = names,
		.n_names = names ? s->probes.n : 0,
	};
	int status;

	for (size_t i = 0; i < c.n_names; i++) {
		names[i] = upload_name(&s->probes.v[i]);
		c.mptcp |= s->probes.v[i].mptcp && s->probes.v[i].port == port;
	}
	status = serve_main(&c, ready_fd, err_fd);
	free(names);
	return status;
}

int run_builtin(void *arg, size_t process, int ready_fd, int err_fd)
{
	const struct run *run = arg;
	const struct scn_process *p = &run->scenario->processes.v[process];

	if (p->serve.port)
		return serve(run, p->serve.port, ready_fd, err_fd);
	return echo_main(p->echo.port, ready_fd, err_fd);
}
