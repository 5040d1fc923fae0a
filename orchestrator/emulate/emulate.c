/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop. One thread and one epoll carry all links: a frame costs a read, a
 * decision and a write, nearly all of it in the kernel, and a lock or a
 * hand-over between threads would cost as much as there is to share. What is
 * due is in one heap, whose first is what the one timer is set to, where there
 * is no beat before (beat.h); links on which nothing happens cause no wake-up
 * and are not looked at.
 *
 * The timer is a timerfd: epoll_pwait2() takes a timeout in nanoseconds, but
 * the kernel allows itself 0.1 % of it as slack, whatever PR_SET_TIMERSLACK
 * says (10 us of 10 ms, measured). Behind a frame's due time one wakes up some
 * 50 us late, the most of it the processor's coming out of idleness. So the
 * timer is set ahead by what nearly every wake-up takes; one that comes sooner
 * stays awake for the rest. To be more exact, the loop can stay awake for
 * longer (spin_ns).
 */
#include "orchestrator/emulate/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_A_TURN 64
#define FRAMES_MAX (1u << 20) /* inside, of all links together */
#define FRAMES_MAX_A_SIDE (1u << 18)
#define BYTES_MIN ((size_t)64 << 20)
#define NICE -10
#define EARLY_MOST_NS (100 * NSEC_PER_USEC)
#define EARLY_STEP_NS 500
#define NAP_LEAST_NS (20 * NSEC_PER_USEC)
#define MEMORY_SHARE 4 /* 1/4 of the machine's may be frames */

/* ---- building ----------------------------------------------------------- */

static int watch(struct emulator *e, int fd, uint32_t events, uint64_t tag,
		 struct err *err)
{
	struct epoll_event event = { .events = events, .data.u64 = tag };

	if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return err_errno(err, errno, "watch a descriptor");
	return 0;
}

static size_t bytes_max(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	size_t bytes = 0;

	if (pages > 0 && size > 0)
		bytes = (size_t)pages * (size_t)size / MEMORY_SHARE;
	return bytes > BYTES_MIN ? bytes : BYTES_MIN;
}

static int side_init(struct emulator *e, size_t i, struct err *err)
{
	const struct emulate_link *link = &e->config->links[i / 2];
	const struct emulate_end *end = &link->end[i % 2];
	struct side *side = &e->sides[i];

	side->fd = end->fd;
	side->name = end->name;
	side->peer = &e->sides[i ^ 1];
	side->model = link_new(e->config->seed, link->name, (unsigned)(i % 2),
			       &end->params, FRAMES_MAX_A_SIDE);
	if (!side->model)
		return err_errno(err, ENOMEM, "link %s", link->name);
	link_start(side->model, e->started_ns);
	history_init(&side->history, e->started_ns);
	/* A link has its carrier when both of its ends are there. */
	if (link->end[0].fd < 0 || link->end[1].fd < 0) {
		side->down = true;
		link_set_up(side->model, false, e->started_ns, carry_forget,
			    &(struct carry_drop){ e, side });
	}
	if (side->fd < 0)
		return 0;
	side->devices = 1;
	return end_watch(e, side, err);
}

static int emulator_init(struct emulator *e, struct err *err)
{
	int r;

	e->n_sides = 2 * e->config->n;
	e->sides = calloc(e->n_sides + 1, sizeof(*e->sides));
	e->pool = pool_new(bytes_max(), FRAMES_MAX);
	if (!e->sides || !e->pool || due_init(&e->due, e->n_sides))
		return err_errno(err, ENOMEM, "make room for frames");
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	e->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (e->epoll_fd < 0 || e->timer_fd < 0)
		return err_errno(err, errno, "make a timer");
	/* By edges: setting it again is all that it takes to clear it. */
	r = watch(e, e->timer_fd, EPOLLIN | EPOLLET, TAG_TIMER, err);
	if (!r)
		r = watch(e, e->control_fd, EPOLLIN, TAG_CONTROL, err);
	for (size_t i = 0; !r && i < e->n_sides; i++)
		r = side_init(e, i, err);
	return r;
}

static void emulator_deinit(struct emulator *e)
{
	for (size_t i = 0; e->sides && i < e->n_sides; i++) {
		link_free(e->sides[i].model);
		history_deinit(&e->sides[i].history);
	}
	free(e->sides);
	pool_free(e->pool);
	due_deinit(&e->due);
	if (e->floor_fd >= 0)
		close(e->floor_fd);
	if (e->floor_pid > 0) {
		kill(e->floor_pid, SIGKILL);
		waitpid(e->floor_pid, NULL, 0);
	}
	if (e->timer_fd >= 0)
		close(e->timer_fd);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
	if (e->home_fd >= 0)
		close(e->home_fd);
}

/* ---- waiting ------------------------------------------------------------ */

static void arm(struct emulator *e, int64_t at_ns)
{
	struct itimerspec at = { .it_value = { .tv_sec = at_ns / NSEC_PER_SEC,
					       .tv_nsec =
						       at_ns % NSEC_PER_SEC } };

	if (at_ns == e->armed_ns)
		return;
	if (at_ns == DUE_NEVER)
		at = (struct itimerspec){ 0 };
	timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	e->armed_ns = at_ns;
}

/*
 * Follows the time that all but a fifth of the wake-ups take at least: a fifth
 * pulls down with four times the force.
 */
static void learn_early(struct emulator *e)
{
	int64_t late_ns = clock_mono_ns() - e->armed_ns;

	e->early_ns +=
		late_ns > e->early_ns ? EARLY_STEP_NS : -4 * EARLY_STEP_NS;
	if (e->early_ns < 0)
		e->early_ns = 0;
	if (e->early_ns > EARLY_MOST_NS)
		e->early_ns = EARLY_MOST_NS;
}

/* When to set the timer for what is due then; 0: stay awake. */
static int64_t wake_time(const struct emulator *e, int64_t due_ns)
{
	int64_t now_ns = clock_mono_ns();
	int64_t at_ns = due_ns - e->config->spin_ns;

	/* To fall asleep and to wake up takes as long. */
	if (at_ns - now_ns <= NAP_LEAST_NS)
		return 0;
	/* Woken up for this one, a little ahead. */
	if (due_ns <= e->awake_for_ns && due_ns - now_ns <= EARLY_MOST_NS)
		return 0;
	/* Too near to be ahead of it: as it comes, rather than no sleep at all
	 * while frames follow each other closely. */
	return at_ns - e->early_ns > now_ns ? at_ns - e->early_ns : at_ns;
}

/* Sleeps until there is something to read or write. */
static int wait_events(struct emulator *e, struct epoll_event *events)
{
	const struct due_item *first = due_first(&e->due);
	int64_t at_ns = first ? wake_time(e, first->at_ns) : DUE_NEVER;
	int n;

	if (!at_ns)
		return epoll_wait(e->epoll_fd, events, EVENTS_A_TURN, 0);
	e->armed_for_ns = first ? first->at_ns : DUE_NEVER;
	if (e->beat.next_ns && e->beat.next_ns < at_ns)
		e->armed_for_ns = at_ns = e->beat.next_ns;
	arm(e, at_ns);
	n = epoll_wait(e->epoll_fd, events, EVENTS_A_TURN, -1);
	e->wakeups++;
	return n;
}

static void end_floor(struct emulator *e)
{
	floor_take(e->floor_fd, &e->floor);
	close(e->floor_fd); /* and out of epoll */
	e->floor_fd = -1;
	waitpid(e->floor_pid, NULL, 0);
	e->floor_pid = 0;
}

static void serve_events(struct emulator *e, const struct epoll_event *events,
			 int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t tag = events[i].data.u64;

		if (tag == TAG_TIMER) {
			e->timer_wakeups++;
			e->awake_for_ns = e->armed_for_ns;
			learn_early(e);
			e->armed_ns = 0; /* it is spent */
		} else if (tag == TAG_CONTROL) {
			control_serve(e);
		} else if (tag == TAG_FLOOR) {
			end_floor(e);
		} else {
			carry_read(e, &e->sides[tag - TAG_SIDES]);
		}
	}
}

static int run(struct emulator *e, struct err *err)
{
	struct epoll_event events[EVENTS_A_TURN];

	while (!e->ending) {
		int n = wait_events(e, events);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "wait for frames");
		beat_take(&e->beat, clock_mono_ns(), e->reads);
		serve_events(e, events, n < 0 ? 0 : n);
		carry_due(e);
		beat_take(&e->beat, clock_mono_ns(), e->reads);
	}
	return 0;
}

/* ---- the process -------------------------------------------------------- */

/*
 * A share of the processor of its own, and a large one where that is allowed
 * (as root), so that the nodes' programs do not make their own links late.
 * Where the kernel groups processes by session (autogroup), priorities count
 * only within a session.
 */
static void be_punctual(void)
{
	CLEANUP_CLOSE int fd = -1;
	char text[8];

	prctl(PR_SET_TIMERSLACK, 1);
	setsid();
	setpriority(PRIO_PROCESS, 0, NICE);
	turns_be_short();
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", NICE);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return; /* there is no such thing, or it is not allowed */
}

static int start(struct emulator *e, int *ready_fd, struct err *err)
{
	int r;

	be_punctual();
	e->started_ns = clock_mono_ns();
	e->home_fd = machine_home();
	r = emulator_init(e, err);
	if (r)
		return r;
	close(TAKE_FD(*ready_fd));
	r = floor_start(&e->floor_fd, &e->floor_pid, err);
	return r ? r : watch(e, e->floor_fd, EPOLLIN, TAG_FLOOR, err);
}

int emulate_main(const struct emulate_config *config, int control, int ready_fd,
		 int error_fd)
{
	struct emulator e = { .config = config,
			      .epoll_fd = -1,
			      .timer_fd = -1,
			      .control_fd = control,
			      .floor_fd = -1,
			      .home_fd = -1 };
	struct err err = ERR_INIT;
	int r;

	r = start(&e, &ready_fd, &err);
	if (!r)
		r = run(&e, &err);
	if (!r)
		r = report_write(&e, &err);
	if (err.code)
		dprintf(error_fd, "%s\n", err.msg);
	if (ready_fd >= 0)
		close(ready_fd);
	emulator_deinit(&e);
	return err.code != 0;
}
