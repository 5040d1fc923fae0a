/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judging while the run goes on: by the same code that judges a record in the
 * end, over what is in it so far. That takes as long as there is to read, while
 * init has actions to begin in time: so a child of init does it, which tells
 * the outcome in memory that both share.
 */
#include "orchestrator/cli/run_state.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POLL_US UINT64_C(50000)

static int judge_child(void *arg, int status_fd)
{
	const struct run *run = arg;
	struct report *report = NULL;

	close(status_fd);
	if (report_make(".", &report, NULL))
		return 1;
	for (size_t i = 0; i < run->scenario->expects.n; i++)
		run->judge.told[i] = report_held(report, i)    ? JUDGED_HELD :
				     report_is_lost(report, i) ? JUDGED_LOST :
								 JUDGED_OPEN;
	report_free(report);
	return 0;
}

static void judge_ended(void *arg, int wait_status)
{
	struct run *run = arg;

	(void)wait_status;
	run->judge.pid = 0;
}

static bool has_judged(const struct run *run)
{
	return !run->judge.pid || run_is_broken(run);
}

int run_judge_begin(struct run *run)
{
	size_t n = run->scenario->expects.n;
	int r;

	if (!run->judge.told) {
		run->judge.told = mmap(NULL, n + 1, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (run->judge.told == MAP_FAILED) {
			run->judge.told = NULL;
			return -errno;
		}
	}
	memset(run->judge.told, JUDGED_OPEN, n);
	r = lab_spawn(run->lab, SCN_NONE, judge_child, run, judge_ended, run,
		      &run->judge.pid, NULL);
	return r < 0 ? r : 0;
}

const unsigned char *run_judge(struct run *run)
{
	bool over = false;

	/* Where one is under way, it has not seen all that there is. */
	run_turn_until(run, has_judged, 0, &over);
	if (run_is_broken(run) || run_judge_begin(run))
		return NULL;
	run_turn_until(run, has_judged, 0, &over);
	return run_is_broken(run) ? NULL : run->judge.told;
}

void run_judge_free(struct run *run)
{
	if (run->judge.told)
		munmap(run->judge.told, run->scenario->expects.n + 1);
	run->judge.told = NULL;
}

/* ---- within: ------------------------------------------------------------ */

static bool is_polled(const struct scn_expect *e)
{
	/* The host is looked at when the lab is gone. */
	return e->within_ns && e->kind != SCN_EXPECT_HOST;
}

/* Takes those off whose time is over, or that hold; how many are left. */
static size_t settle(struct run *run, const unsigned char *told, bool *waiting,
		     int64_t waited_ns)
{
	const struct scenario *s = run->scenario;
	size_t left = 0;

	for (size_t i = 0; i < s->expects.n; i++) {
		bool held = told && told[i] == JUDGED_HELD;

		if (!waiting[i])
			continue;
		if (!held && waited_ns < s->expects.v[i].within_ns) {
			left++;
			continue;
		}
		waiting[i] = false;
		recorder_expect_polled(run->recorder, i, held, waited_ns);
	}
	return left;
}

void run_wait_within(struct run *run)
{
	const struct scenario *s = run->scenario;
	CLEANUP_FREE bool *waiting = calloc(s->expects.n + 1, sizeof(*waiting));
	int64_t began_ns = clock_mono_ns();
	size_t left = 0;

	for (size_t i = 0; waiting && i < s->expects.n; i++) {
		waiting[i] = is_polled(&s->expects.v[i]);
		left += waiting[i];
	}
	while (left && !run_is_broken(run)) {
		/* Before it looks: what it sees later was there in time. */
		int64_t waited_ns = clock_mono_ns() - began_ns;
		bool over = false;

		left = settle(run, run_judge(run), waiting, waited_ns);
		if (left)
			run_turn_until(run, run_is_broken, POLL_US, &over);
	}
}
