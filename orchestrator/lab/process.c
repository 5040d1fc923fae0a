/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of a scenario: started in their node with a clean environment,
 * output into the record (log.c), working in files/NODE of it.
 *
 * Each is the leader of a session, and thereby of a process group, of its own:
 * what an action does to it, it does to the group, so that a shell line's
 * children are not left behind.
 */
#include "orchestrator/lab/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define READY_POLL_US 3000
#define STOP_GRACE_US 2000000

static const struct scn_process *scenario_process(const struct lab_process *p)
{
	return &p->lab->plan->scenario->processes.v[p->index];
}

int lab_processes_init(struct lab *lab, struct err *err)
{
	size_t n = lab->plan->scenario->processes.n;

	lab->processes = calloc(n + 1, sizeof(*lab->processes));
	if (!lab->processes)
		return err_errno(err, ENOMEM, "prepare the processes");
	for (size_t i = 0; i < n; i++) {
		lab->processes[i].lab = lab;
		lab->processes[i].index = i;
		lab->processes[i].ready_fd = lab->processes[i].handoff_fd = -1;
		lab->processes[i].log[0] = lab->processes[i].log[1] = -1;
	}
	return 0;
}

void lab_processes_deinit(struct lab *lab)
{
	for (size_t i = 0;
	     lab->processes && i < lab->plan->scenario->processes.n; i++) {
		struct lab_process *p = &lab->processes[i];

		sd_event_source_unref(p->ready_timer);
		sd_event_source_unref(p->grace_timer);
		if (p->ready_fd >= 0)
			close(p->ready_fd);
		VEC_FREE(&p->watches);
		lab_handoff_forget(p);
		VEC_FREE(&p->orders);
	}
	free(lab->processes);
}

/* ---- readiness --------------------------------------------------------- */

/* Does what the process printed since the last look hold the text? */
static int has_printed(struct lab_process *p, struct err *err)
{
	const struct scn_process *s = scenario_process(p);
	size_t len = strlen(s->ready_text);
	char path[128], buf[8192];
	CLEANUP_CLOSE int fd = -1;
	ssize_t n;

	lab_log_path(p->lab, p->index, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	while ((n = pread(fd, buf, sizeof(buf), p->log_read)) > 0) {
		if (memmem(buf, (size_t)n, s->ready_text, len))
			return 1;
		if ((size_t)n < sizeof(buf)) {
			/* Its end may be the text's beginning. */
			if ((size_t)n >= len)
				p->log_read += n - (ssize_t)len + 1;
			return 0;
		}
		p->log_read += n - (ssize_t)len + 1;
	}
	return n < 0 ? err_errno(err, errno, "read %s", path) : 0;
}

/* 1, 0, or a negative errno. */
static int is_ready(struct lab_process *p, struct err *err)
{
	const struct scn_process *s = scenario_process(p);
	struct kns *ns = p->lab->nodes[s->node].ns;
	struct pollfd pfd = { .fd = p->ready_fd, .events = POLLIN };
	char byte;

	if (p->ready_fd >= 0)
		return poll(&pfd, 1, 0) > 0 && read(p->ready_fd, &byte, 1) == 1;
	switch (s->ready) {
	case SCN_READY_NONE:
		return 1;
	case SCN_READY_LISTENS:
		return kns_listens(ns,
				   s->ready_port.protocol == SCN_PROTO_UDP ?
					   IPPROTO_UDP :
					   IPPROTO_TCP,
				   s->ready_port.port, err);
	case SCN_READY_PRINTS:
		return has_printed(p, err);
	}
	return 1;
}

static void stop_waiting(struct lab_process *p)
{
	p->ready_timer = sd_event_source_unref(p->ready_timer);
	if (p->ready_fd >= 0)
		close(p->ready_fd);
	p->ready_fd = -1;
}

static void not_ready(struct lab_process *p, struct err *err)
{
	const struct scn_process *s = scenario_process(p);

	stop_waiting(p);
	err_wrap(err, "process '%s'", s->name);
	err_hint(err, "see what it printed in processes/%s.log of the record",
		 s->name);
	err_at(err, s->ready ? s->ready_pos : s->pos);
	if (p->lab->listener.process_unready)
		p->lab->listener.process_unready(p->lab->listener.arg, p->index,
						 err);
}

/* Who is told may want to be told again. */
static void tell_change(struct lab_process *p)
{
	lab_watch_vec watches = p->watches;

	p->watches = (lab_watch_vec){ 0 };
	for (size_t i = 0; i < watches.n; i++)
		watches.v[i].changed(watches.v[i].arg);
	VEC_FREE(&watches);
}

static void now_ready(struct lab_process *p)
{
	stop_waiting(p);
	p->ready = true;
	tell_change(p);
	if (p->lab->listener.process_ready)
		p->lab->listener.process_ready(p->lab->listener.arg, p->index);
}

static int check_ready(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct lab_process *p = arg;
	struct err err = ERR_INIT;
	int r = is_ready(p, &err);

	if (r > 0) {
		now_ready(p);
		return 0;
	}
	if (!r && clock_mono_ns() > p->ready_deadline_ns)
		r = err_set(&err, ETIMEDOUT, "it was not ready within %.3g s",
			    (double)scenario_process(p)->ready_timeout_ns /
				    NSEC_PER_SEC);
	if (r < 0) {
		not_ready(p, &err);
		return 0;
	}
	sd_event_source_set_time(source, now_us + READY_POLL_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

/* ---- beginning and end ------------------------------------------------- */

static void process_exited(void *arg, int status)
{
	struct lab_process *p = arg;
	struct lab *lab = p->lab;

	p->pid = 0;
	p->paused = false;
	p->grace_timer = sd_event_source_unref(p->grace_timer);
	if (lab->listener.process_exited)
		lab->listener.process_exited(lab->listener.arg, p->index,
					     status, p->ending);
	if (p->ready_timer && p->ending) {
		stop_waiting(p);
	} else if (p->ready_timer) {
		struct err err = ERR_INIT;

		err_set(&err, ECHILD, "it ended before it was ready");
		not_ready(p, &err);
	}
	tell_change(p);
}

static long log_size(const struct lab_process *p)
{
	char path[128];
	struct stat st;

	lab_log_settle(p->lab, p->index);
	lab_log_path(p->lab, p->index, path, sizeof(path));
	return stat(path, &st) ? 0 : (long)st.st_size;
}

int lab_start_process(struct lab *lab, size_t process, struct err *err)
{
	struct lab_process *p = &lab->processes[process];
	const struct scn_process *s = scenario_process(p);
	struct lab_process_arg arg = { .process = p,
				       .ready_fd = -1,
				       .handoff_fd = -1 };
	int ready[2] = { -1, -1 };
	int r;

	if (p->pid)
		return err_set(err, EALREADY, "process '%s' runs already",
			       s->name);
	r = lab_handoff_prepare(p, &arg.handoff_fd, err);
	if (!r && !s->argv && pipe2(ready, O_CLOEXEC))
		r = err_errno(err, errno, "pipe");
	if (r) {
		if (arg.handoff_fd >= 0)
			close(arg.handoff_fd);
		err_wrap(err, "process '%s'", s->name);
		err_at(err, s->pos);
		return r;
	}
	arg.ready_fd = ready[1];
	/* What an earlier life printed is no sign. */
	p->log_read =
		p->started && s->ready == SCN_READY_PRINTS ? log_size(p) : 0;
	p->ready = p->ending = false;
	p->started = true;
	r = lab_spawn(lab, s->node, lab_process_main, &arg, process_exited, p,
		      &p->pid, err);
	if (ready[1] >= 0)
		close(ready[1]);
	if (arg.handoff_fd >= 0)
		close(arg.handoff_fd);
	if (r) {
		p->pid = 0;
		if (ready[0] >= 0)
			close(ready[0]);
		err_wrap(err, "process '%s'", s->name);
		err_at(err, s->pos);
		return r;
	}
	p->ready_fd = ready[0];
	p->ready_deadline_ns = clock_mono_ns() + s->ready_timeout_ns;
	if (lab->listener.process_started)
		lab->listener.process_started(lab->listener.arg, process,
					      p->pid);
	if (s->argv && s->ready == SCN_READY_NONE) {
		now_ready(p);
		return 0;
	}
	r = sd_event_add_time(lab->event, &p->ready_timer, CLOCK_MONOTONIC, 0,
			      1, check_ready, p);
	return r < 0 ? err_errno(err, -r, "wait for process '%s'", s->name) : 0;
}

int lab_kill_process(struct lab *lab, size_t process, int signal,
		     struct err *err)
{
	struct lab_process *p = &lab->processes[process];

	if (!p->started)
		return err_set(err, ESRCH, "process '%s' was never started",
			       scenario_process(p)->name);
	if (!p->pid)
		return LAB_HAD_ENDED;
	p->ending = true;
	if (kill(-p->pid, signal) && errno != ESRCH)
		return err_errno(err, errno, "kill process '%s'",
				 scenario_process(p)->name);
	return 0;
}

int lab_pause_process(struct lab *lab, size_t process, bool pause,
		      struct err *err)
{
	struct lab_process *p = &lab->processes[process];

	if (!p->started)
		return err_set(err, ESRCH, "process '%s' was never started",
			       scenario_process(p)->name);
	if (!p->pid)
		return LAB_HAD_ENDED;
	p->paused = pause;
	/* In a frozen node, the thaw lets it go on. */
	if (!pause && lab->nodes[scenario_process(p)->node].frozen)
		return 0;
	if (kill(-p->pid, pause ? SIGSTOP : SIGCONT) && errno != ESRCH)
		return err_errno(err, errno, "%s process '%s'",
				 pause ? "pause" : "resume",
				 scenario_process(p)->name);
	return 0;
}

void lab_hold_timer(sd_event_source *timer, bool hold, int64_t for_ns)
{
	uint64_t at_us;

	if (!timer)
		return;
	if (!hold && sd_event_source_get_time(timer, &at_us) >= 0)
		sd_event_source_set_time(
			timer, at_us + (uint64_t)(for_ns / NSEC_PER_USEC));
	sd_event_source_set_enabled(timer,
				    hold ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void lab_hold(struct lab *lab)
{
	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++) {
		struct lab_process *p = &lab->processes[i];

		lab_hold_timer(p->ready_timer, true, 0);
		lab_hold_timer(p->grace_timer, true, 0);
		if (p->pid)
			kill(-p->pid, SIGSTOP);
	}
	handoff_hold_all(lab);
}

void lab_release(struct lab *lab, int64_t for_ns)
{
	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++) {
		struct lab_process *p = &lab->processes[i];

		p->ready_deadline_ns += for_ns;
		lab_hold_timer(p->ready_timer, false, for_ns);
		lab_hold_timer(p->grace_timer, false, for_ns);
		if (p->pid && !p->paused &&
		    !lab->nodes[scenario_process(p)->node].frozen)
			kill(-p->pid, SIGCONT);
	}
	handoff_release_all(lab, for_ns);
}

int lab_watch_process(struct lab *lab, size_t process,
		      void (*changed)(void *arg), void *arg, struct err *err)
{
	struct lab_watch *w = VEC_PUSH(&lab->processes[process].watches);

	if (!w)
		return err_errno(err, ENOMEM, "wait for a process");
	*w = (struct lab_watch){ changed, arg };
	return 0;
}

bool lab_process_ready(const struct lab *lab, size_t process)
{
	return lab->processes[process].ready;
}

static int grace_over(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct lab_process *p = arg;

	(void)source;
	(void)now_us;
	if (p->pid)
		kill(-p->pid, SIGKILL);
	return 0;
}

int lab_stop_process(struct lab *lab, size_t process, struct err *err)
{
	struct lab_process *p = &lab->processes[process];
	int r = lab_kill_process(lab, process, SIGTERM, err);

	if (r)
		return r;
	/* One that is paused would not see it. */
	if (p->paused && !lab->nodes[scenario_process(p)->node].frozen)
		kill(-p->pid, SIGCONT);
	p->grace_timer = sd_event_source_unref(p->grace_timer);
	r = sd_event_add_time(lab->event, &p->grace_timer, CLOCK_MONOTONIC,
			      (uint64_t)(clock_mono_ns() / NSEC_PER_USEC) +
				      STOP_GRACE_US,
			      1, grace_over, p);
	return r < 0 ? err_errno(err, -r, "stop process '%s'",
				 scenario_process(p)->name) :
		       0;
}

bool lab_process_runs(const struct lab *lab, size_t process)
{
	return lab->processes[process].pid != 0;
}

size_t lab_processes_unready(const struct lab *lab)
{
	size_t n = 0;

	for (size_t i = 0; i < lab->plan->scenario->processes.n; i++)
		n += lab->processes[i].started && !lab->processes[i].ready;
	return n;
}

bool lab_process_serves(const struct lab *lab, size_t process)
{
	const struct scn_process *s =
		&lab->plan->scenario->processes.v[process];

	return !s->argv || s->ready == SCN_READY_LISTENS;
}
