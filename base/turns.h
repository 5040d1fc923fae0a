/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How soon a process runs that has something to do, where others want the
 * processor as well.
 */
#ifndef BASE_TURNS_H
#define BASE_TURNS_H

/*
 * Asks for turns of 0.1 ms, the shortest there are. Whoever takes short ones
 * has them sooner: since Linux 6.12 such a process need not wait until the one
 * that runs has had its own turn, of some ms, when it wakes up. Its share of
 * the processor stays as it is, so this is allowed to everybody. Older kernels
 * take the request and do nothing; whether it does anything is not known, and
 * nothing depends on it. Processes that this one forks ask for the same.
 */
void turns_be_short(void);

#endif
