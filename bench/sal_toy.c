/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The forwarder that one writes first: packets from a TUN device into UDP, and
 * from UDP into the TUN device. It is what sald has to beat.
 *
 * It is not made slow on purpose: no copies, no allocation, a socket that is
 * connected, and each wake-up takes all that is there. But it has no virtio
 * header, so the kernel cuts TCP's stream into packets of the device's MTU and
 * sums them before it hands them over, and every one of them costs a read and a
 * write, at both ends.
 *
 *     sal_toy TUN LOCAL REMOTE PORT
 *
 * The device must be there. Ends when it is killed.
 */
#include "bench/ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX 65536
#define BUDGET 64 /* packets a descriptor and wake-up, as in sald */
#define RECEIVE_BUFFER (1 << 20) /* as sald's */

static int tun_open(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	if (strlen(name) >= sizeof(request.ifr_name)) {
		errno = ENAMETOOLONG;
		die(name);
	}
	memcpy(request.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &request))
		die(name);
	return fd;
}

static int udp_open(const char *local, const char *remote, const char *port)
{
	struct sockaddr_in from = name_of(local, port);
	struct sockaddr_in to = name_of(remote, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int size = RECEIVE_BUFFER;

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die(local);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(remote);
	return fd;
}

/*
 * What cannot be written is lost, as on any link. A read fails where there is
 * nothing, and where the other end is not there yet (ECONNREFUSED).
 */
static void forward(int from, int to)
{
	static uint8_t packet[PACKET_MAX];

	for (int i = 0; i < BUDGET; i++) {
		ssize_t len = read(from, packet, sizeof(packet));

		if (len < 0)
			return;
		if (write(to, packet, (size_t)len) < 0)
			continue;
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };

	if (argc != 5) {
		fputs("usage: sal_toy TUN LOCAL REMOTE PORT\n", stderr);
		return 2;
	}
	fds[0].fd = tun_open(argv[1]);
	fds[1].fd = udp_open(argv[2], argv[3], argv[4]);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				forward(fds[i].fd, fds[!i].fd);
	}
}
