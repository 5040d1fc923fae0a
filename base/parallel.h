/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many calls that do nothing but wait in the kernel, side by side: they wait
 * for the same thing, so that many take hardly longer than one.
 */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include <stddef.h>

/*
 * Calls fn(arg, i) for each i below n, in no particular order, from up to
 * threads threads of their own, and returns when all are done. Where no thread
 * can be started, it calls from the caller's, one after the other. fn needs
 * hardly any stack.
 */
void parallel_for(size_t n, size_t threads, void (*fn)(void *arg, size_t i),
		  void *arg);

#endif
