/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One error, on its way from where it happened to whoever tells the user.
 *
 * Functions that can fail for reasons outside the program return int: 0, a
 * negative errno, or a documented positive outcome, and take a struct err *
 * as last argument. The struct is untouched on success, set once where the
 * failure happened (err_set) and given more facts by the callers that know
 * them (err_wrap, err_at). It owns no memory and may be NULL.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/* A place in a scenario file. Line and column count from 1; line 0: nowhere. */
struct src_pos {
	const char *file; /* borrowed; lives as long as the scenario */
	unsigned line;
	unsigned col;
};

struct err {
	int code; /* positive errno; 0 while nothing failed */
	struct src_pos pos;
	char msg[1024];
	char hint[512]; /* what to do about it; empty where we cannot say */
};

#define ERR_INIT ((struct err){ 0 })

/* Both return -code, so that "return err_set(...)" reads well. */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int err_errno(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4))); /* appends ": strerror(code)" */

/* Puts "fmt: " before the message. Does nothing where nothing failed. */
void err_wrap(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Names the place in the scenario that asked for it; the first one stays. */
void err_at(struct err *e, struct src_pos pos);

void err_hint(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
