/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of this layer only: the process's parts, and what they share. */
#ifndef EMULATE_INTERNAL_H
#define EMULATE_INTERNAL_H

#include "orchestrator/emulate/beat.h"
#include "orchestrator/emulate/due.h"
#include "orchestrator/emulate/emulate.h"
#include "orchestrator/emulate/history.h"
#include "orchestrator/emulate/pool.h"
#include "orchestrator/emulate/tally.h"
#include "orchestrator/link/link.h"

#include <sys/types.h>

/* What went wrong with frames that the model had nothing to do with. */
struct side_faults {
	uint64_t malformed; /* the virtio header contradicts the frame */
	uint64_t no_room; /* no buffer */
	uint64_t write_failed;
	uint64_t peer_down; /* the receiving interface was set down by its
			       node: no fault of the machine */
};

/* What a direction did to frames that were none (calibrate.c). */
struct calibration {
	uint64_t frames; /* 0: it was not asked for, or there was no time */
	int64_t delay_asked_ns, delay_realised_ns; /* means; INT64_MIN: all
						      were lost */
	double lost_expected; /* frames */
	uint64_t lost;
	uint64_t rate_asked_bps, rate_realised_bps; /* 0: none asked for */
};

/* One end of a link, and the direction of what it sends. */
struct side {
	struct due_item due; /* first: the heap's items are sides */
	int fd; /* -1: the end is not there */
	bool gone; /* the device is; nothing is read any more */
	bool was_gone; /* it was, or one before it, and nobody had asked for it
			*/
	bool down; /* the link is */
	const char *name;
	struct link_direction *model;
	struct side *peer;
	uint32_t inside, inside_most; /* frames (a train is one) */
	uint64_t reads, writes;
	struct side_faults faults;
	struct tally late; /* from when it was due until it was written */
	struct tally delay; /* from when it was read until it was written */
	double asked_delay_ns; /* sum, over the frames of delay: as the model
				  wanted it */
	/* What the rate should have let through in the time that it was the
	 * limit, before the last change of it. */
	double asked_rate_bytes;
	int64_t asked_rate_busy_ns;
	bool traced; /* for some of that time it was a trace's */
	/* Likewise of the loss: the variance of how many were lost. */
	double loss_variance, loss_expected;
	uint64_t loss_frames;
	unsigned changes;
	/* Frames that the kernel counts as dropped because there is no carrier:
	 * the link's doing, and to be taken off (machine.c). */
	bool carrier_lost; /* since then nothing was read */
	int64_t dropped_before, dropped_down;
	/* Of devices that it had before this one. */
	unsigned devices; /* and with this one: how many */
	int64_t unread_before;
	bool unread_unknown;
	struct calibration calibration;
	struct history history;
};

/* How far beyond their time sleeps end on this machine, with nothing to do. */
struct timer_floor {
	uint32_t samples;
	int64_t p50_ns, p99_ns, max_ns;
};

/* What an event is about; TAG_SIDES + i: side i. */
enum { TAG_TIMER, TAG_CONTROL, TAG_FLOOR, TAG_SIDES };

struct emulator {
	const struct emulate_config *config;
	struct side *sides; /* of link i: 2 * i and 2 * i + 1 */
	size_t n_sides;
	struct pool *pool;
	struct due due;
	int epoll_fd, timer_fd, control_fd;
	int floor_fd; /* from the process that measures it; -1: known */
	pid_t floor_pid;
	struct timer_floor floor;
	/* Measured by a calibration, while nothing was carried. */
	struct timer_floor calibrated_floor, calibrated_loop;
	int64_t now_ns; /* the last reading of the clock: it never goes back */
	int64_t armed_ns; /* what timer_fd is set to, ... */
	int64_t armed_for_ns; /* ... and when what it is for is due */
	int64_t awake_for_ns; /* likewise, once it has fired */
	int64_t early_ns; /* by so much it is set ahead */
	int64_t started_ns, ended_ns;
	int home_fd; /* our network namespace; -1: not known */
	uint64_t wakeups, timer_wakeups, control_requests;
	uint64_t reads; /* of all sides */
	struct beat beat;
	bool ending, reported;
};

/* ---- carry.c: frames ---------------------------------------------------- */

/* Reads a bounded number of frames from one side, and carries on with those
 * that are due at once. */
void carry_read(struct emulator *e, struct side *side);
/* Writes a bounded number of the frames that are due. */
void carry_due(struct emulator *e);
/* Of both: the end is there, and its device has not vanished. */
bool carry_is_there(const struct side *side);
/* Reads what the side's device still has, which a link that is down loses. */
void carry_drain(struct emulator *e, struct side *side);
/* When the model wants the side to be looked at next. */
void carry_reschedule(struct emulator *e, struct side *side);
/* A handle that the model gives back; arg: the side. */
struct carry_drop {
	struct emulator *emulator;
	struct side *side;
};
void carry_forget(void *arg, uint32_t handle);

/* ---- control.c ---------------------------------------------------------- */

/* Answers one request. */
void control_serve(struct emulator *e);

/* ---- ends.c: whose devices come and go ---------------------------------- */

/* Takes over the end's device, fd, which it closes where it fails. The link is
 * down. */
int end_attach(struct emulator *e, struct side *side, int fd, struct err *err);
/* To be called once the link is down: nothing is read from or written to the
 * device any more. Returns its descriptor, the caller's. */
int end_detach(struct emulator *e, struct side *side);
/* Has frames of the side's device told of. */
int end_watch(struct emulator *e, struct side *side, struct err *err);

/* ---- machine.c: what the machine does to us ----------------------------- */

/* Starts a process that measures the floor, and tells it by *fd. */
int floor_start(int *fd, pid_t *pid, struct err *err);
/* Takes over the result (true), if it is there. */
bool floor_take(int fd, struct timer_floor *floor);
/*
 * The same in this process, n times (at most FLOOR_SAMPLES): sleep(arg, due_ns)
 * returns once it is due. Without one, by clock_nanosleep().
 */
#define FLOOR_SAMPLES 80
void floor_measure(struct timer_floor *floor, unsigned n,
		   void (*sleep)(void *arg, int64_t due_ns), void *arg);
/* The namespace that the process is in, to come back to; -1: not known. */
int machine_home(void);
/*
 * Frames that the kernel dropped because the device's queue was full: nobody
 * had read it. -1: it cannot be known.
 */
int64_t machine_unread(const struct emulator *e, const struct side *side);
/* To be called before the carrier is taken away, and when a frame is read for
 * the first time after it came back. */
void machine_carrier_lost(const struct emulator *e, struct side *side);
void machine_carrier_back(const struct emulator *e, struct side *side);
/* To be called before its device is given away, and when it has another one. */
void machine_device_leaves(const struct emulator *e, struct side *side);
void machine_device_comes(struct side *side);

/* ---- calibrate.c -------------------------------------------------------- */

int calibrate(struct emulator *e, struct err *err);

/* ---- report.c ----------------------------------------------------------- */

/* Writes the report and the fate lists, unless that was done. */
int report_write(struct emulator *e, struct err *err);
/* Takes note of what was asked of the side so far, before that changes. */
void report_settle(struct side *side);
/* By how much frames of the link may be late, in the 99th percentile. */
int64_t report_tolerance_ns(const struct emulator *e, size_t link);

#endif
