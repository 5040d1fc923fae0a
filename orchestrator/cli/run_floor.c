/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How late this machine's timers are by themselves, measured in each run while
 * the lab is built, so that it costs no time: a process that sleeps until one
 * moment after the other and looks how much later it is. What it has seen by
 * then lies in memory shared with it, and it is ended when the timeline begins.
 *
 * A time bound that is not well above that would judge the machine, and what a
 * run's own timers were late by is judged against it.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"
#include "base/units.h"
#include "orchestrator/observe/lateness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS (500 * NSEC_PER_USEC)
#define SAMPLES_MIN 20 /* are waited for: 10 ms */
#define SAMPLES_MAX 2000
#define WAIT_MAX_NS NSEC_PER_SEC
#define BOUND_FACTOR 10

struct floor {
	struct lateness lateness;
	uint64_t samples; /* complete by now */
};

static void sleep_until(int64_t mono_ns)
{
	struct timespec t = { mono_ns / NSEC_PER_SEC, mono_ns % NSEC_PER_SEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) ==
	       EINTR)
		;
}

static int floor_child(void *arg, int status_fd)
{
	struct run *run = arg;
	struct floor *f = run->floor;

	(void)status_fd;
	for (size_t i = 0; i < SAMPLES_MAX; i++) {
		int64_t due = clock_mono_ns() + PERIOD_NS;

		sleep_until(due);
		lateness_add(&f->lateness, clock_mono_ns() - due);
		__atomic_store_n(&f->samples, i + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

static void floor_ended(void *arg, int status)
{
	struct run *run = arg;

	(void)status;
	run->floor_pid = 0;
}

int run_floor_begin(struct run *run, struct err *err)
{
	run->floor = mmap(NULL, sizeof(struct floor), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->floor == MAP_FAILED) {
		run->floor = NULL;
		return err_errno(err, errno, "measure the timers");
	}
	if (lab_fork(run->lab, floor_child, run, floor_ended, run,
		     &run->floor_pid, err)) {
		err_wrap(err, "measure the timers");
		err_at(err, run->scenario->topology_pos);
		return -err->code;
	}
	return 0;
}

/* A time that has to be met, and that the machine's own lateness decides. */
static int check_bound(const struct scn_expect *e, int64_t bound_ns,
		       int64_t floor_ns, struct err *err)
{
	char bound[32], floor[32], least[32];

	if (bound_ns >= BOUND_FACTOR * floor_ns)
		return 0;
	err_set(err, ERANGE,
		"a bound of %s is less than ten times what this machine's "
		"timers are late by (%s in the median): it would judge the "
		"machine",
		units_format_duration(bound_ns, bound, sizeof(bound)),
		units_format_duration(floor_ns, floor, sizeof(floor)));
	err_hint(err,
		 "allow %s at least, or run it on a machine that is less busy",
		 units_format_duration(BOUND_FACTOR * floor_ns, least,
				       sizeof(least)));
	err_at(err, e->pos);
	return -ERANGE;
}

static int check_bounds(const struct scenario *s, int64_t floor_ns,
			struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < s->expects.n && !r; i++) {
		const struct scn_expect *e = &s->expects.v[i];
		bool is_time = e->kind == SCN_EXPECT_LATENESS ||
			       (e->kind == SCN_EXPECT_PROBE && !e->compares &&
				scn_metric_unit(e->metric) == SCN_UNIT_TIME);

		if (is_time && e->range.has_max)
			r = check_bound(e, e->range.max, floor_ns, err);
		if (e->after && !r)
			r = check_bound(e, e->within_ns, floor_ns, err);
	}
	return r;
}

int run_floor_end(struct run *run, struct err *err)
{
	int64_t deadline = clock_mono_ns() + WAIT_MAX_NS;
	struct floor *f = run->floor;
	struct probe_lateness l;

	while (__atomic_load_n(&f->samples, __ATOMIC_ACQUIRE) < SAMPLES_MIN &&
	       clock_mono_ns() < deadline)
		sleep_until(clock_mono_ns() + PERIOD_NS);
	l = lateness_get(&f->lateness);
	if (run->floor_pid)
		kill(run->floor_pid, SIGKILL);
	recorder_floor(run->recorder, &l);
	return check_bounds(run->scenario, l.p50_ns, err);
}

void run_floor_free(struct run *run)
{
	if (run->floor)
		munmap(run->floor, sizeof(*run->floor));
	run->floor = NULL;
}

/* ---- what the machine did else
 * ----------------------------------------------- */

/* Of all processors together, in ticks: "cpu  user nice system idle iowait irq
 * softirq steal guest guest_nice", where guest is in user already. */
static bool read_stat(uint64_t *steal, uint64_t *total)
{
	unsigned long long v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "re");
	int n = 0;

	if (!f)
		return false;
	n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
		   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	fclose(f);
	*total = 0;
	for (size_t i = 0; i < 8; i++)
		*total += v[i];
	*steal = v[7];
	return n == 8;
}

void run_tell_cpu(struct run *run)
{
	uint64_t steal, total;

	if (read_stat(&steal, &total))
		recorder_cpu(run->recorder, steal, total);
}
