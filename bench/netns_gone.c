/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bench/netns_gone.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_NS (200 * NSEC_PER_USEC)
#define PATIENCE_NS (60 * NSEC_PER_SEC)

static int file_write(const char *path, const char *text)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int netns_gone_init(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[64];
	int r;

	if (unshare(CLONE_NEWUSER))
		return -errno;
	r = file_write("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!r)
		r = file_write("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (!r)
		r = file_write("/proc/self/gid_map", map);
	return r;
}

int64_t netns_gone_wait(void)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	int64_t deadline = clock_mono_ns() + PATIENCE_NS;
	int r;

	r = file_write("/proc/sys/user/max_net_namespaces", "1");
	if (r)
		return r;
	for (;;) {
		int64_t now = clock_mono_ns();

		if (unshare(CLONE_NEWNET) == 0)
			return now;
		if (errno != ENOSPC)
			return -errno;
		if (now > deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}
