/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulator: one process a lab, which carries the frames of all emulated
 * links. Each end of a link is a TAP device in the namespace of its node (or a
 * port of a bridge in the lab's); the process holds their descriptors, reads
 * what a node sends, asks the model (orchestrator/link) what becomes of it, and
 * writes it into the other end when its time has come.
 *
 * The process is a fork of the lab's init, so that scenario, parameters and
 * tables are there already. Afterwards they talk over a pair of connected
 * SOCK_SEQPACKET sockets, a struct emulate_request and its struct emulate_reply
 * at a time. The devices of ends that come later, or again, are handed over
 * through the same sockets, in either direction.
 */
#ifndef EMULATE_EMULATE_H
#define EMULATE_EMULATE_H

#include "base/err.h"
#include "orchestrator/link/params.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One end of a link. */
struct emulate_end {
	int fd; /* of kns_tap_open(); the process's. The device lives as long as
		   any copy of it: whoever forked closes theirs. -1: the end is
		   not there yet */
	const char *name; /* "a:eth0", or the bridge's name; borrowed */
	struct link_params params; /* of what it sends */
};

struct emulate_link {
	const char *name; /* borrowed */
	struct emulate_end end[2];
	int64_t tolerance_ns; /* by how much frames may be late in the 99th
				 percentile; 0: the default (docs/measures.md)
			       */
};

struct emulate_config {
	uint64_t seed;
	const struct emulate_link *links; /* borrowed for the process's life */
	size_t n;
	int64_t spin_ns; /* busy-waits so long before a frame is due; 0: sleeps
			  */
	const char *report; /* file for the figures, in the current folder */
	const char *history; /* likewise, for what links did over time; NULL:
				none */
	const char *fates; /* folder for the fate lists, likewise; NULL: none */
};

/* ---- the process's side -------------------------------------------------- */

/*
 * Carries frames until control is closed or asks it to stop, then writes
 * config->report. ready_fd is closed once frames are carried. Returns the exit
 * status; what went wrong goes to error_fd as a line of text.
 */
int emulate_main(const struct emulate_config *config, int control, int ready_fd,
		 int error_fd);

/* ---- the other side ------------------------------------------------------ */

enum emulate_what {
	EMULATE_CHANGE, /* properties of one or both directions */
	EMULATE_STATE, /* carrier at both ends; down loses what is inside. Up
			  only where both ends are there */
	EMULATE_ATTACH, /* an end is there, whose device is handed over. It has
			   no carrier until the link is taken up */
	EMULATE_DETACH, /* an end goes: its device is given back, and the link
			   is down, if it was not */
	EMULATE_CALIBRATE, /* sends nothing; measures timers and model against
			      what is asked of each link, and writes it into the
			      report beside what the run realised */
	EMULATE_BEGIN, /* what was late until now does not count: the lab was
			  being built, and nothing was measured */
	EMULATE_STOP, /* writes the report and ends */
};

struct emulate_request {
	enum emulate_what what;
	size_t link;
	unsigned end; /* ATTACH, DETACH */
	int fd; /* ATTACH: of kns_tap_open(); borrowed */
	bool up; /* STATE */
	bool from[2]; /* CHANGE: which directions, by the sending end */
	struct link_change change[2]; /* CHANGE: by the sending end; what its
					 pointers point to was there before the
					 process was forked */
};

struct emulate_reply {
	int code; /* 0, or a positive errno */
	bool more; /* another one follows; never seen outside of emulate_ask()
		    */
	int fd; /* DETACH: the device's, whose last holder the caller is; its to
		   close. Else -1 */
	int64_t done_ns; /* CLOCK_MONOTONIC: when it took effect */
	char text[200]; /* what went wrong */
};

/*
 * Is it a request that a process with so many links can make anything of? n:
 * the bytes that came, handed_over: a descriptor came with them. 0 or -EINVAL.
 */
int emulate_request_check(const struct emulate_request *request, size_t n,
			  bool handed_over, size_t links, struct err *err);

/*
 * Asks and waits for the answer, which takes microseconds, but for the
 * report's and the calibration's. 0; -EPIPE: the process is gone; -ETIMEDOUT:
 * it has not answered for as long as emulate_patience_s() says; another
 * negative errno that err explains.
 *
 * Nothing else of the caller goes on meanwhile. So the patience is short where
 * an answer is a matter of microseconds: who keeps frames waiting for so long
 * has made the run invalid already.
 */
#define EMULATE_PATIENCE_S 3
#define EMULATE_PATIENCE_LONG_S 10 /* CALIBRATE, STOP */
int emulate_patience_s(enum emulate_what what);
int emulate_ask(int control, const struct emulate_request *request,
		struct emulate_reply *reply, struct err *err);

#endif
