/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of this layer only: how the builders of requests use a batch. */
#ifndef KERNEL_BATCH_H
#define KERNEL_BATCH_H

#include "orchestrator/kernel/kernel.h"

struct nl_msg;

struct kns *kbatch_ns(const struct kbatch *b);

/*
 * The k-th request begins here: what it is about to do, and a message for it.
 * A request may put several messages; they carry the same tag.
 */
int kbatch_step(struct kbatch *b, size_t tag, const char *what,
		size_t *failed_tag, struct err *err);
/*
 * Adds one message, which is copied; built is what libnl's builder returned
 * (msg is looked at where it is not negative). tolerated: an errno by which
 * this message may fail; 0: none.
 */
int kbatch_put(struct kbatch *b, size_t tag, const char *what,
	       const struct nl_msg *msg, int built, int tolerated,
	       size_t *failed_tag, struct err *err);

/* A failure that the kernel was not asked about. Returns -code. */
int kbatch_fail(size_t tag, const char *what, int code, const char *words,
		size_t *failed_tag, struct err *err);

#endif
