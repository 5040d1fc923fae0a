/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for frames, in regions as large as a huge page.
 *
 * A link of 10 ms at 10 Gbit/s has more inside than caches hold, so that each
 * byte is copied to memory and from it, and with pages of 4 KiB the processor
 * looks a mapping up for each of them: with huge ones a byte costs 6 % less of
 * the emulator's time (docs/performance.md). But the first touch of one has the
 * kernel clear 2 MiB, which takes 0.2 ms, and 6 ms in a virtual machine that
 * never used that memory. No frame can wait for that. So a thread makes regions
 * ready before they are needed, once many are to be expected: what is due is
 * never its business, and where it does not keep up there are regions of small
 * pages.
 */
#ifndef EMULATE_REGION_H
#define EMULATE_REGION_H

#include <stddef.h>

#define REGION_BYTES ((size_t)2 << 20) /* and its alignment */

struct regions;

struct regions *regions_new(void); /* NULL: out of memory */
struct regions *regions_free(struct regions *r); /* returns NULL */

/* One that nobody uses; regions_free() takes it back. Never waits for the
 * thread. NULL: out of memory. */
void *regions_take(struct regions *r);
/* More will be needed: from now on some are kept ready, if that can be done. To
 * be called any number of times. */
void regions_expect(struct regions *r);
/* How many of those taken had been made ready. */
size_t regions_were_ready(const struct regions *r);

#endif
