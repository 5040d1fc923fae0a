/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judging while the run goes on: by the same code that judges a record in the
 * end, over what is in it so far. That takes as long as there is to read, while
 * init has actions to begin in time: so a child of init does it, which tells
 * the outcome in memory that both share. Probes that run keep their lines in
 * memory for a while; they are told to write them first.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"
#include "orchestrator/report/report.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int judge_child(void *arg, int status_fd)
{
	const struct run *run = arg;
	struct report *report = NULL;

	close(status_fd);
	run_await_flushed(run);
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

	run->judge.pid = 0;
	if (run->judge.seen)
		run->judge.seen(run, !wait_status);
}

static bool has_judged(const struct run *run)
{
	return !run->judge.pid || run_is_broken(run);
}

int run_judge_begin(struct run *run)
{
	size_t n = run->scenario->expects.n;
	int r;

	run->judge.began_ns = clock_mono_ns();
	if (!run->judge.told) {
		run->judge.told = mmap(NULL, n + 1, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (run->judge.told == MAP_FAILED) {
			run->judge.told = NULL;
			return -errno;
		}
	}
	memset(run->judge.told, JUDGED_OPEN, n);
	run_flush_probes(run);
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
