/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a capture under way is told. A node that has got another network
 * namespace needs another ring: a descriptor of it comes in a message, with the
 * node's name. The old ring is read
 * to its end first; nothing comes into it any more, for its interfaces are
 * gone.
 */
#include "orchestrator/observe/capture_internal.h"

#include "base/clock.h"

#include "base/fd_pass.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_MAX_BYTES 1024
#define OLD_RING_NS (200 * NSEC_PER_MSEC)

int capture_watch(int epoll_fd, int fd, struct node *node, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = node };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return err_errno(err, errno, "capture: epoll");
	return 0;
}

int capture_again(int orders_fd, const char *node, int ns_fd, struct err *err)
{
	if (fd_pass_send(orders_fd, node, strlen(node), ns_fd, 0) < 0)
		return err_errno(err, errno, "tell the capture of %s", node);
	return 0;
}

static struct node *find_node(struct capture *c, const char *name)
{
	for (size_t i = 0; i < c->nodes.n; i++)
		if (!strcmp(c->nodes.v[i].name, name))
			return &c->nodes.v[i];
	return NULL;
}

/* The kernel hands out what is in a block that is not full when its timer runs
 * out. */
static int read_to_its_end(struct capture *c, struct node *n)
{
	int64_t deadline = clock_mono_ns() + OLD_RING_NS;
	int r = 0;

	while (!r && capture_socket_has_more(&n->socket) &&
	       clock_mono_ns() < deadline) {
		struct pollfd pfd = { .fd = n->socket.fd, .events = POLLIN };

		(void)poll(&pfd, 1, CAPTURE_RETIRE_MAX_MS);
		r = capture_read_node(c, n);
	}
	return r;
}

/* This process is in whatever namespace it was last, and needs none. */
static int replace_socket(struct capture *c, struct node *n, int epoll_fd)
{
	struct err err = ERR_INIT;
	uint64_t dropped = 0;
	int r = read_to_its_end(c, n);

	if (!capture_socket_dropped(&n->socket, &dropped, NULL))
		n->dropped += dropped;
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, n->socket.fd, NULL);
	capture_socket_close(&n->socket);
	if (!r && setns(n->ns_fd, CLONE_NEWNET))
		r = -errno;
	if (!r)
		r = capture_socket_open(&n->socket, n->kind, n->ring_bytes,
					n->retire_ms, &err);
	if (!r) {
		capture_hold(c, n); /* and not the old one any more */
		r = capture_socket_start(&n->socket, &err);
	}
	if (!r)
		r = capture_socket_map(&n->socket, &err);
	return r ? r : capture_watch(epoll_fd, n->socket.fd, n, &err);
}

int capture_take_order(struct capture *c, int epoll_fd, int orders_fd,
		       int done_fd)
{
	char name[NAME_MAX_BYTES];
	struct node *node;
	int fd, r;
	ssize_t n = fd_pass_receive(orders_fd, name, sizeof(name) - 1, &fd, 0);

	/* A pipe, or the end. */
	if (n < 0 || fd < 0)
		return 1;
	name[n] = '\0';
	node = find_node(c, name);
	if (!node) {
		close(fd);
		return -ENOENT;
	}
	close(node->ns_fd);
	node->ns_fd = fd;
	r = replace_socket(c, node, epoll_fd);
	if (!r && done_fd >= 0)
		(void)!write(done_fd, "n", 1);
	return r;
}
