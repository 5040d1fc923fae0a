/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all parts of a run stand on: the loop that each turns until what it
 * waits for is there, what ends it early, and what the owner is told meanwhile.
 * It knows of none of them.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- what the owner is told ---------------------------------------------- */

void run_send(const struct run *run, const struct message *m)
{
	(void)!send(run->ends->messages, m, sizeof(*m), MSG_NOSIGNAL);
}

void run_progress(const struct run *run, const char *fmt, ...)
{
	struct message m = { .kind = MESSAGE_PROGRESS };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	/* The timeline does not wait for a terminal that was stopped. */
	(void)!send(run->ends->messages, &m, sizeof(m),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool host_is_expected(const struct scenario *s)
{
	for (size_t i = 0; i < s->expects.n; i++)
		if (s->expects.v[i].kind == SCN_EXPECT_HOST)
			return true;
	return false;
}

void run_tell_namespaces(const struct run *run, size_t first, size_t n)
{
	struct message m = { .kind = MESSAGE_NAMESPACES };
	size_t filled = 0;

	if (!host_is_expected(run->scenario))
		return;
	for (size_t i = first; i < first + n; i++) {
		struct stat st;

		if (lab_netns(run->lab, i) < 0 ||
		    fstat(lab_netns(run->lab, i), &st))
			continue;
		m.inodes[filled++] = st.st_ino;
		if (filled < MESSAGE_INODES)
			continue;
		run_send(run, &m);
		memset(m.inodes, 0, sizeof(m.inodes));
		filled = 0;
	}
	if (filled)
		run_send(run, &m);
}

/* ---- what ends it early -------------------------------------------------- */

void run_fail(struct run *run, const struct err *err)
{
	if (!run->err.code)
		run->err = *err;
}

void run_interrupt(struct run *run, int signal)
{
	if (run->interrupted)
		return;
	run->interrupted = signal;
	if (signal == RUN_TIMED_OUT)
		recorder_timed_out(run->recorder, run->args->timeout_ns,
				   run->args->default_timeout);
	else
		recorder_interrupted(run->recorder, signal);
}

bool run_is_broken(const struct run *run)
{
	return run->err.code || run->interrupted || run->emulator_died;
}

/* ---- turning the loop ---------------------------------------------------- */

static int on_deadline(sd_event_source *source, uint64_t now_us, void *arg)
{
	(void)source;
	(void)now_us;
	*(bool *)arg = true;
	return 0;
}

uint64_t run_now_us(void)
{
	return (uint64_t)(clock_mono_ns() / NSEC_PER_USEC);
}

void run_turn_until(struct run *run, bool (*done)(const struct run *run),
		    uint64_t timeout_us, bool *over)
{
	sd_event_source *deadline = NULL;

	if (timeout_us &&
	    sd_event_add_time(run->event, &deadline, CLOCK_MONOTONIC,
			      run_now_us() + timeout_us, 1, on_deadline,
			      over) < 0)
		*over = true;
	while (!*over && !done(run)) {
		int r = sd_event_run(run->event, UINT64_MAX);

		if (r < 0) {
			struct err e = ERR_INIT;

			err_errno(&e, -r, "event loop");
			run_fail(run, &e);
			break;
		}
	}
	sd_event_source_disable_unref(deadline);
}
