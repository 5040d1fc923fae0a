/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When are a process's network namespaces really gone? They are taken down by
 * a work queue, long after the process and its descriptors: a benchmark that
 * stops its clock when the process was reaped has measured next to nothing.
 *
 * The kernel itself counts the network namespaces of every user namespace, for
 * the limit user.max_net_namespaces, and lowers the count as the last act of
 * taking one down. So the benchmark works in a user namespace of its own (also
 * as root), where that limit is its to set: lowered to 1, it lets a new network
 * namespace come to be when there is none left. No other way was found that
 * sees the end and needs no privilege: RTM_DELNSID is sent before the devices
 * go, and /proc/slabinfo counts everybody's and lags behind.
 */
#ifndef BENCH_NETNS_GONE_H
#define BENCH_NETNS_GONE_H

#include <stdint.h>

/* Moves the calling process into a new user namespace, as its root. All that
 * is to be counted must be made by its children. 0 or a negative errno. */
int netns_gone_init(void);

/*
 * Waits until no network namespace made since then is left. Returns when that
 * was, on CLOCK_MONOTONIC in ns (late by at most the polling interval of
 * 200 us), or a negative errno (-ETIMEDOUT after a minute). Leaves the
 * calling process in a network namespace of its own: to be done once.
 */
int64_t netns_gone_wait(void);

#endif
