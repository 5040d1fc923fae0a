/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run itself, inside the sandbox: builds, starts, plays, stops, and leaves
 * the record in the current folder. What people are told meanwhile goes to the
 * owner as messages.
 */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

#include "orchestrator/lab/sandbox.h"
#include "orchestrator/plan/plan.h"

#include <sys/resource.h>

enum message_kind {
	MESSAGE_PROGRESS, /* a line of text */
	MESSAGE_NAMESPACES, /* the nodes' network namespaces, by their inodes */
	MESSAGE_ERROR, /* why the run ends */
	MESSAGE_REFUSED, /* the same: the scenario is wrong for this machine */
	MESSAGE_RECORDED, /* the record is whole; the last message */
};

/* The owner and init are one image: what err points to is there in both. */
#define MESSAGE_INODES 64
struct message {
	enum message_kind kind;
	union {
		char text[512];
		uint64_t inodes[MESSAGE_INODES]; /* 0: none */
		struct err err;
	};
};

struct supervise_args {
	const struct plan *plan;
	const char *version;
	const char *sald, *resolver; /* the programs; NULL: there is none */
	bool calibrate; /* the emulated links, before the timeline begins */
	uint64_t fail_at;
	int fail_errno;
	bool pause_on_failure; /* standard input is a terminal then */
	int64_t timeout_ns; /* of the run; the owner's affair, and recorded */
	bool default_timeout; /* nobody asked for it */
	struct rlimit file_limit; /* what the lab's programs are to have */
};

/* In the place of a signal, for sandbox_interrupt(): the run has had its time.
 */
#define RUN_TIMED_OUT 255

/* For sandbox_start(); arg is a struct supervise_args. 0, or 1 where a
 * MESSAGE_ERROR said why. */
int supervise(const struct sandbox_ends *ends, void *arg);

#endif
