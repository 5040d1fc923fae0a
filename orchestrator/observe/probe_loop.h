/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kind of probe is to the loop that runs them (probe_loop.c). */
#ifndef OBSERVE_PROBE_LOOP_H
#define OBSERVE_PROBE_LOOP_H

#include "base/err.h"
#include "orchestrator/observe/lateness.h"
#include "orchestrator/observe/probe.h"

#include <sys/epoll.h>

struct probe_loop;
struct probe_task;

struct probe_task_kind {
	/* Takes all memory, opens files and sockets. To be freed either way. */
	int (*open)(struct probe_task *t, struct err *err);
	/*
	 * Does what is due, not much at a time. Returns when to be called
	 * again (by the run's clock, as probe_now_ns(); 0: there is more to do
	 * now; INT64_MAX: after an event only). Is called after every event,
	 * too.
	 */
	int64_t (*due)(struct probe_task *t);
	/* Something happened to what probe_loop_watch() was told, with tag. */
	void (*ready)(struct probe_task *t, uint32_t tag, uint32_t events);
	/* What is known is to be in the files. */
	void (*flush)(struct probe_task *t);
	/* To end now; takes what has come. What is under way ended by why, a
	 * constant. */
	void (*stop)(struct probe_task *t, const char *why);
	/* Writes what is left to be written. */
	int (*finish)(struct probe_task *t, struct err *err);
	void (*free)(struct probe_task *t);
};

struct probe_task {
	const struct probe_task_kind *kind;
	const struct probe_config *config;
	struct probe_loop *loop;
	void *state; /* the kind's */
	int64_t wake_ns;
	bool done; /* set by the kind: there is nothing left to do */
	int failed; /* set by the kind: a negative errno that ended it */
	struct lateness late;
	uint64_t skipped; /* see probe_loop_skip() */
};

extern const struct probe_task_kind probe_task_packets, probe_task_stream,
	probe_task_requests;

/* By the run's clock, which stands still in pauses. */
int64_t probe_now_ns(const struct probe_task *t);

/* events: EPOLLIN, ...; again for the same fd: changes them. 0, -errno. */
int probe_loop_watch(struct probe_task *t, int fd, uint32_t tag,
		     uint32_t events, bool again);

/*
 * Of what is planned every interval_ns, next at *due_ns: how many of at most
 * so many (most) were due before probe_config.awake_ns, and are not to be made
 * up for. They are counted, and *due_ns is moved behind them.
 */
uint64_t probe_loop_skip(struct probe_task *t, int64_t *due_ns,
			 int64_t interval_ns, uint64_t most);
/* The same question of what happens once. */
bool probe_loop_stood_still(const struct probe_task *t, int64_t due_ns);

#endif
