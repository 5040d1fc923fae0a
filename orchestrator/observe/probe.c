/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop of a node's probes. What is due is done before anything else, also
 * between two events, so that a probe that moves much data does not make
 * another one late by more than one step of its own. A timer at the earliest
 * moment that anything is due wakes the loop; how often it fired does not
 * matter, for the clock says what is due.
 *
 * A process that was stopped with its node (SIGSTOP) finds out by memory that
 * it shares with whoever lets it go on: what was due meanwhile would go out at
 * once, in a burst that no program in that node would send.
 *
 * All memory is taken before the first packet, and the files' lines gather in
 * buffers: an allocation or a slow disk should not show in the times. A probe
 * that cannot begin or go on does not keep the others from measuring.
 */
#include "orchestrator/observe/probe.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/turns.h"
#include "orchestrator/observe/probe_loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define EVENTS 16

/* Whom an event is for: a task's index, or one of these. */
enum { FOR_TIMER = 0x7ffffffe, FOR_STOP = 0x7fffffff, FOR_SIGNAL = 0x7ffffffd };

struct probe_loop {
	int epoll_fd, timer_fd, signal_fd;
	int64_t armed_ns; /* when the timer fires; INT64_MAX: never */
	const struct pauses *pauses;
	struct probe_task *tasks;
	size_t n, running;
	int err_fd;
	struct probe_usage *usage;
	struct probe_process_usage *process;
	const char *why; /* it is to end early */
};

/* Nothing is made up for from before this. */
static int64_t awake_since(const struct probe_task *t)
{
	const int64_t *awake_ns = t->config->awake_ns;

	return awake_ns ? __atomic_load_n(awake_ns, __ATOMIC_ACQUIRE) :
			  INT64_MIN;
}

uint64_t probe_loop_skip(struct probe_task *t, int64_t *due_ns,
			 int64_t interval_ns, uint64_t most)
{
	int64_t since_ns = awake_since(t);
	uint64_t n;

	if (*due_ns >= since_ns)
		return 0;
	n = (uint64_t)((since_ns - *due_ns - 1) / interval_ns + 1);
	if (n > most)
		n = most;
	*due_ns += (int64_t)n * interval_ns;
	t->skipped += n;
	return n;
}

bool probe_loop_stood_still(const struct probe_task *t, int64_t due_ns)
{
	return awake_since(t) > due_ns;
}

static const struct probe_task_kind *const kinds[] = {
	[PROBE_PING] = &probe_task_packets,
	[PROBE_UDP_ECHO] = &probe_task_packets,
	[PROBE_TCP_STREAM] = &probe_task_stream,
	[PROBE_TCP_REQUEST] = &probe_task_requests,
	[PROBE_HTTP] = &probe_task_requests,
};

static int watch(int epoll_fd, int fd, uint32_t whose, uint32_t tag,
		 uint32_t events, bool again)
{
	struct epoll_event e = {
		.events = events,
		.data.u64 = (uint64_t)whose << 32 | tag,
	};

	return epoll_ctl(epoll_fd, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
			 &e) ?
		       -errno :
		       0;
}

int probe_loop_watch(struct probe_task *t, int fd, uint32_t tag,
		     uint32_t events, bool again)
{
	return watch(t->loop->epoll_fd, fd, (uint32_t)(t - t->loop->tasks), tag,
		     events, again);
}

int64_t probe_now_ns(const struct probe_task *t)
{
	return pauses_run_ns(t->config->pauses, clock_mono_ns());
}

/* ---- beginning and end of a task --------------------------------------- */

static void tell(const struct probe_loop *l, const struct err *err)
{
	dprintf(l->err_fd, "%s\n", err->msg);
}

static void tell_end(const struct probe_config *c)
{
	/* Where the pipe is full, the end of the process tells it. */
	if (c->tells_end)
		(void)!write(c->tell_fd, &c->end_tag, sizeof(c->end_tag));
}

/* What is known is written however it ended. */
static void task_end(struct probe_loop *l, struct probe_task *t)
{
	struct probe_usage *u = l->usage ? &l->usage[t - l->tasks] : NULL;
	struct err err = ERR_INIT;
	int r = t->failed;

	if (r)
		err_errno(&err, -r, "probe");
	if (t->state) {
		int finished = t->kind->finish(t, r ? NULL : &err);

		r = r ? r : finished;
	}
	if (r)
		tell(l, &err);
	t->done = true;
	t->failed = r;
	l->running--;
	if (!u)
		return;
	u->status = r ? 1 : 0;
	u->ended_ns = clock_mono_ns();
	u->late = lateness_get(&t->late);
	u->skipped = t->skipped;
	__atomic_store_n(&u->ended, true, __ATOMIC_RELEASE);
	tell_end(t->config);
}

static void task_begin(struct probe_loop *l, struct probe_task *t,
		       const struct probe_config *c)
{
	struct err err = ERR_INIT;
	int r;

	*t = (struct probe_task){ .kind = kinds[c->type],
				  .config = c,
				  .loop = l };
	l->running++;
	r = t->kind->open(t, &err);
	if (!r)
		return;
	tell(l, &err);
	t->kind->free(t);
	t->state = NULL;
	t->failed = r;
}

/* ---- the loop ---------------------------------------------------------- */

static void run_due(struct probe_loop *l, struct probe_task *t)
{
	t->wake_ns = t->kind->due(t);
	if (t->done || t->failed)
		task_end(l, t);
}

/* Returns when there is something to do again. */
static int64_t run_all_due(struct probe_loop *l)
{
	int64_t now_ns = pauses_run_ns(l->pauses, clock_mono_ns());
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < l->n; i++) {
		struct probe_task *t = &l->tasks[i];

		if (!t->done && t->wake_ns <= now_ns)
			run_due(l, t);
		if (!t->done && t->wake_ns < next_ns)
			next_ns = t->wake_ns;
	}
	return next_ns;
}

/* run_ns: by the run's clock, and not before now. */
static void arm(struct probe_loop *l, int64_t run_ns)
{
	struct itimerspec spec = { 0 };
	int64_t at_ns = run_ns;

	if (at_ns != INT64_MAX)
		at_ns += pauses_total_ns(l->pauses);
	if (at_ns == l->armed_ns)
		return;
	if (at_ns != INT64_MAX) {
		spec.it_value.tv_sec = at_ns / NSEC_PER_SEC;
		spec.it_value.tv_nsec = at_ns % NSEC_PER_SEC;
		if (at_ns <= 0)
			spec.it_value.tv_nsec = 1;
	}
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
	l->armed_ns = at_ns;
}

static void flush(struct probe_loop *l)
{
	struct probe_process_usage *u = l->process;
	uint32_t wanted =
		u ? __atomic_load_n(&u->flush_wanted, __ATOMIC_ACQUIRE) : 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->tasks[i].state && !l->tasks[i].done)
			l->tasks[i].kind->flush(&l->tasks[i]);
	if (u)
		__atomic_store_n(&u->flushed, wanted, __ATOMIC_RELEASE);
}

/* True: the probes are to end. */
static bool take_signals(struct probe_loop *l)
{
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == PROBES_CRASH)
			l->why = "crashed";
		if (info.ssi_signo != PROBES_FLUSH)
			return true;
		flush(l);
	}
	return false;
}

/* The same. */
static bool take(struct probe_loop *l, const struct epoll_event *e)
{
	uint32_t whose = (uint32_t)(e->data.u64 >> 32);
	uint64_t fired;

	if (whose == FOR_STOP)
		return true;
	if (whose == FOR_SIGNAL)
		return take_signals(l);
	if (whose == FOR_TIMER) {
		(void)!read(l->timer_fd, &fired, sizeof(fired));
		l->armed_ns = INT64_MAX;
	} else if (whose < l->n && !l->tasks[whose].done) {
		struct probe_task *t = &l->tasks[whose];

		t->kind->ready(t, (uint32_t)e->data.u64, e->events);
		run_due(l, t);
	}
	return false;
}

static int turn(struct probe_loop *l)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int64_t next_ns = run_all_due(l);
		int n;

		if (!l->running)
			return 0;
		if (next_ns)
			arm(l, next_ns);
		n = epoll_wait(l->epoll_fd, events, EVENTS, next_ns ? -1 : 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			if (i)
				run_all_due(l);
			if (take(l, &events[i]))
				return 0;
		}
	}
}

static int loop_open(struct probe_loop *l, int stop_fd)
{
	sigset_t set;
	int r = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, PROBES_FLUSH);
	sigaddset(&set, PROBES_CRASH);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	l->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->signal_fd < 0 || l->timer_fd < 0 || l->epoll_fd < 0)
		return -errno;
	r = watch(l->epoll_fd, l->timer_fd, FOR_TIMER, 0, EPOLLIN, false);
	if (!r)
		r = watch(l->epoll_fd, l->signal_fd, FOR_SIGNAL, 0, EPOLLIN,
			  false);
	if (!r && stop_fd >= 0)
		r = watch(l->epoll_fd, stop_fd, FOR_STOP, 0, EPOLLIN, false);
	return r;
}

static void loop_close(struct probe_loop *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->tasks[i].state)
			l->tasks[i].kind->free(&l->tasks[i]);
	free(l->tasks);
	if (l->signal_fd >= 0)
		close(l->signal_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
}

/* ---- the process ------------------------------------------------------- */

static int64_t time_ns(const struct timeval *t)
{
	return (int64_t)t->tv_sec * NSEC_PER_SEC + t->tv_usec * NSEC_PER_USEC;
}

static void measure(struct probe_process_usage *out, int64_t began_ns)
{
	struct rusage u;

	if (!out || getrusage(RUSAGE_SELF, &u))
		return;
	out->cpu_user_ns = time_ns(&u.ru_utime);
	out->cpu_system_ns = time_ns(&u.ru_stime);
	out->wall_ns = clock_mono_ns() - began_ns;
	out->known = true;
}

int probes_main(const struct probe_config *configs, size_t n, int stop_fd,
		int err_fd, struct probe_usage *usage,
		struct probe_process_usage *process)
{
	struct probe_loop l = { .epoll_fd = -1,
				.timer_fd = -1,
				.signal_fd = -1,
				.armed_ns = INT64_MAX,
				.n = n,
				.pauses = n ? configs[0].pauses : NULL,
				.err_fd = err_fd,
				.usage = usage,
				.process = process,
				.why = "stopped" };
	int64_t began_ns = clock_mono_ns();
	struct err err = ERR_INIT;
	bool bad = false;
	int r;

	l.tasks = calloc(n + 1, sizeof(*l.tasks));
	r = l.tasks ? loop_open(&l, stop_fd) : -ENOMEM;
	if (r) {
		err_errno(&err, -r, "probes");
		tell(&l, &err);
		l.n = 0;
		loop_close(&l);
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	turns_be_short();
	for (size_t i = 0; i < n; i++)
		task_begin(&l, &l.tasks[i], &configs[i]);
	for (size_t i = 0; i < n; i++)
		if (l.tasks[i].failed)
			task_end(&l, &l.tasks[i]);
	r = turn(&l);
	for (size_t i = 0; i < n; i++) {
		struct probe_task *t = &l.tasks[i];

		if (!t->done) {
			t->failed = r;
			t->kind->stop(t, l.why);
			task_end(&l, t);
		}
		bad |= t->failed != 0;
	}
	loop_close(&l);
	measure(process, began_ns);
	return bad || r;
}
