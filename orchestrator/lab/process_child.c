/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a fork in a node to a program of the user's in it: its output in the
 * record, its folder, its environment, the limits that it would have had
 * without us. What fails here is told to whoever forked (lab_child_failed()).
 */
#include "orchestrator/lab/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

extern char **environ;

/* Standard input from nowhere, output to the descriptor. */
static int connect_output(int out, struct err *err)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return err_errno(err, errno, "connect the log");
	return 0;
}

/* An empty file in a folder of the record. */
static int make_log(const char *dir, const char *path, struct err *err)
{
	int log;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", dir);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return log < 0 ? err_errno(err, errno, "open %s", path) : log;
}

static int open_log(const struct lab_process *p, struct err *err)
{
	char path[128];
	int log;

	lab_log_path(p->lab, p->index, path, sizeof(path));
	log = make_log("processes", path, err);
	if (log < 0)
		return log;
	close(log);
	return connect_output(p->log[1], err);
}

static int change_dir(const char *node, struct err *err)
{
	char path[256];

	snprintf(path, sizeof(path), "files/%s", node);
	if (mkdir("files", 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir files");
	if (mkdir(path, 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", path);
	if (chdir(path))
		return err_errno(err, errno, "chdir %s", path);
	return 0;
}

/* In the place of an earlier one of the same name. */
static void put_env(char **env, size_t *n, char *var)
{
	const char *equals = strchr(var, '=');
	size_t len = equals ? (size_t)(equals - var) + 1 : strlen(var);
	size_t k = 0;

	while (k < *n && strncmp(env[k], var, len))
		k++;
	env[k] = var;
	*n += k == *n;
}

/* What a program needs to find its way, and nothing else of ours: own, and what
 * the scenario gives it (NULL: nothing). */
static char **make_env(char *const *more, char *const *own)
{
	static const char *const keep[] = { "PATH=", "HOME=",	"TERM=",
					    "LANG=", "LC_ALL=", "TZ=" };
	size_t n = 0, most = 1;
	char **env;

	for (char **e = environ; *e; e++)
		most++;
	for (char *const *e = own; *e; e++)
		most++;
	for (char *const *e = more; e && *e; e++)
		most++;
	env = calloc(most, sizeof(*env));
	if (!env)
		return NULL;
	for (char **e = environ; *e; e++)
		for (size_t k = 0; k < sizeof(keep) / sizeof(keep[0]); k++)
			if (!strncmp(*e, keep[k], strlen(keep[k])))
				env[n++] = *e;
	for (char *const *e = own; *e; e++)
		put_env(env, &n, *e);
	for (char *const *e = more; e && *e; e++)
		put_env(env, &n, *e);
	return env;
}

/* The programs that came along (salctl, serval-handoff-echo) are found, behind
 * all others. */
static char *path_var(const struct lab_options *o)
{
	const char *path = getenv("PATH"), *end;
	char *var = NULL;

	end = o->sald ? strrchr(o->sald, '/') : NULL;
	if (!path || !end)
		return NULL;
	if (asprintf(&var, "PATH=%s:%.*s", path, (int)(end - o->sald),
		     o->sald) < 0)
		return NULL;
	return var;
}

/* What the lab changed for itself, and what a program would measure of it. */
static int restore_limits(const struct lab_options *o, struct err *err)
{
	if (setrlimit(RLIMIT_NOFILE, &o->file_limit))
		return err_errno(err, errno, "set the limit of open files");
	if (prctl(PR_SET_TIMERSLACK, o->timer_slack_ns))
		return err_errno(err, errno, "set the timer slack");
	return 0;
}

/* Returns only where that failed. handoff_fd: as above, or -1. */
static void become(const struct lab *lab, size_t node, char *const *argv,
		   char *const *more, int handoff_fd, struct err *err)
{
	char node_var[160], socket_var[128], handoff_var[40];
	char *own[5] = { node_var, socket_var }, **env;
	size_t n = 2;

	if (restore_limits(&lab->options, err))
		return;
	snprintf(node_var, sizeof(node_var), "NODE=%s",
		 lab->plan->scenario->nodes.v[node].name);
	/* Where the node's sald listens, if it has one: salctl(8). */
	snprintf(socket_var, sizeof(socket_var), "SALCTL_SOCKET=%s/sald.sock",
		 lab->nodes[node].dir);
	if (handoff_fd >= 0) {
		snprintf(handoff_var, sizeof(handoff_var),
			 "SERVALAB_HANDOFF_FD=%d", handoff_fd);
		own[n++] = handoff_var;
	}
	own[n] = path_var(&lab->options);
	env = make_env(more, own);
	/* In its place ahead of the search: execvpe() looks through our PATH.
	 */
	if (env) {
		environ = env;
		execvp(argv[0], argv);
	}
	err_errno(err, errno, "run '%s'", argv[0]);
	/* A folder of PATH that may not be looked into makes it EACCES. */
	if (err->code == ENOENT ||
	    (err->code == EACCES && !strchr(argv[0], '/')))
		err_hint(err, "install the program, or give its path");
}

struct command_arg {
	struct lab *lab;
	const struct lab_command *command;
};

static int command_main(void *arg, int status_fd)
{
	const struct command_arg *a = arg;
	const struct lab_command *c = a->command;
	struct err err = ERR_INIT;
	int log = make_log("actions", c->log, &err);

	if (log >= 0 && !connect_output(log, &err) &&
	    !change_dir(a->lab->plan->scenario->nodes.v[c->node].name, &err))
		become(a->lab, c->node, c->argv, NULL, -1, &err);
	lab_child_failed(status_fd, &err);
	return LAB_CHILD_FAILED;
}

int lab_run_command(struct lab *lab, const struct lab_command *c,
		    void (*ended)(void *arg, int wait_status), void *arg,
		    pid_t *pid, struct err *err)
{
	struct command_arg a = { lab, c };

	return lab_spawn(lab, c->node, command_main, &a, ended, arg, pid, err);
}

int lab_process_main(void *arg, int status_fd)
{
	const struct lab_process_arg *a = arg;
	const struct lab_process *p = a->process;
	const struct scn_process *s =
		&p->lab->plan->scenario->processes.v[p->index];
	const char *node = p->lab->plan->scenario->nodes.v[s->node].name;
	struct err err = ERR_INIT;

	if (open_log(p, &err) || change_dir(node, &err))
		goto failed;
	if (!s->argv) {
		close(status_fd);
		return p->lab->options.builtin_main(p->lab->options.builtin_arg,
						    p->index, a->ready_fd,
						    STDERR_FILENO);
	}
	if (a->handoff_fd >= 0)
		fcntl(a->handoff_fd, F_SETFD, 0); /* goes with it */
	become(p->lab, s->node, s->argv, s->env, a->handoff_fd, &err);
failed:
	lab_child_failed(status_fd, &err);
	return LAB_CHILD_FAILED;
}
