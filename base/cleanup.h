/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scope-bound cleanup: a variable declared with one of these attributes is
 * released when it leaves its scope. To hand the value on instead, take it out
 * with TAKE_PTR() or TAKE_FD() on the last line.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FREE CLEANUP(cleanup_freep)
#define CLEANUP_FCLOSE CLEANUP(cleanup_fclosep)
#define CLEANUP_CLOSE CLEANUP(cleanup_closep)

#define TAKE_PTR(p)                                                            \
	({                                                                     \
		__typeof__(p) taken_ = (p);                                    \
		(p) = NULL;                                                    \
		taken_;                                                        \
	})

#define TAKE_FD(fd)                                                            \
	({                                                                     \
		int taken_ = (fd);                                             \
		(fd) = -1;                                                     \
		taken_;                                                        \
	})

#endif
