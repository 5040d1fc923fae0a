/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ends of links come and go: a node crashes and boots, an interface is
 * taken out of its node and put in again.
 *
 * What stays is the side: its model, with the streams and how far each has
 * counted, and its figures. A device is only where its frames come from, so
 * that a fate does not depend on how often a node has crashed before.
 *
 * A device goes when its last descriptor is closed, and whoever closes that one
 * waits in the kernel until nobody uses the device any more: for milliseconds,
 * in which no link would get its frames. So the descriptor is not closed here,
 * but given back to who asked. For the same reason it has to go at all: it
 * holds the network namespace in which it was opened, that of a node that has
 * crashed included.
 */
#include "orchestrator/emulate/internal.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

int end_watch(struct emulator *e, struct side *side, struct err *err)
{
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u64 = TAG_SIDES + (uint64_t)(side - e->sides),
	};

	if (epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, side->fd, &event))
		return err_errno(err, errno, "watch %s", side->name);
	return 0;
}

int end_attach(struct emulator *e, struct side *side, int fd, struct err *err)
{
	struct ifreq request = { 0 };
	unsigned carrier = 0;
	int r = 0;

	if (side->fd >= 0)
		r = err_set(err, EEXIST, "%s has a device already", side->name);
	else if (ioctl(fd, TUNGETIFF, &request))
		r = err_errno(err, errno, "take over the device of %s",
			      side->name);
	else if (ioctl(fd, TUNSETCARRIER, &carrier))
		r = err_errno(err, errno, "take the carrier of %s", side->name);
	if (!r) {
		side->fd = fd;
		r = end_watch(e, side, err);
	}
	if (r) {
		if (side->fd == fd)
			side->fd = -1;
		close(fd);
		return r;
	}
	side->gone = false;
	side->devices++;
	machine_device_comes(side);
	return 0;
}

int end_detach(struct emulator *e, struct side *side)
{
	int fd = side->fd;

	machine_device_leaves(e, side);
	/* Of one that has vanished it is out already. */
	epoll_ctl(e->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	side->fd = -1;
	side->gone = false;
	return fd;
}
