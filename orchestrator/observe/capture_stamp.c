/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel stamps packets when anybody wants it to, which it patches its own
 * code for, and does so in a worker: for a while after the first socket has
 * asked (SO_TIMESTAMPNS), packets have no stamp yet, and get the time at which
 * they are read. Nothing tells when that is over, but a packet sent to oneself
 * does: it was stamped underway if its stamp is older than the return of the
 * call that sent it and delivered it.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/capture_internal.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#define TRIES_MAX 1000 /* a millisecond apart */

/* The loopback interface of the namespace we are in, which need not be up. */
static int raise_lo(int fd)
{
	struct ifreq req = { .ifr_name = "lo" };

	if (ioctl(fd, SIOCGIFFLAGS, &req))
		return -errno;
	if (req.ifr_flags & IFF_UP)
		return 0;
	req.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) ? -errno : 0;
}

/* A socket that sends to itself: a descriptor or a negative errno. */
static int open_mirror(void)
{
	static const int on = 1;
	struct sockaddr_in self = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(self);
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = raise_lo(fd);
	if (r)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&self, sizeof(self)) ||
	    getsockname(fd, (struct sockaddr *)&self, &size) ||
	    connect(fd, (struct sockaddr *)&self, sizeof(self)))
		return -errno;
	return TAKE_FD(fd);
}

/* 1, 0 (not yet), or a negative errno. */
static int is_stamped(int fd)
{
	_Alignas(struct cmsghdr) uint8_t control[128];
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *m;
	struct timespec t;
	int64_t sent_ns;

	if (send(fd, &byte, 1, 0) != 1)
		return -errno;
	sent_ns = clock_real_ns();
	if (recvmsg(fd, &msg, 0) != 1)
		return -errno;
	m = CMSG_FIRSTHDR(&msg);
	if (!m || m->cmsg_type != SCM_TIMESTAMPNS)
		return -ENODATA;
	memcpy(&t, CMSG_DATA(m), sizeof(t));
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec <= sent_ns;
}

int capture_await_stamps(struct err *err)
{
	CLEANUP_CLOSE int fd = open_mirror();
	int r = fd < 0 ? fd : 0;

	for (unsigned i = 0; !r && i < TRIES_MAX; i++) {
		if (i)
			poll(NULL, 0, 1);
		r = is_stamped(fd);
	}
	if (r > 0)
		return 0;
	return err_errno(err, r ? -r : ETIMEDOUT,
			 "capture: have packets stamped");
}
