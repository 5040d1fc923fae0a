/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread waits for all rings at once and moves whole blocks of packets into
 * one growing file. Nothing is sorted or counted in a hurry: while packets come
 * the only aim is to give ring blocks back, and the memory does not grow.
 *
 * The file is flushed at the ends of its blocks, never by stdio in the middle
 * of one, so that a SIGKILL leaves a whole file behind (unless it strikes while
 * the write itself goes on, where the last block may be cut off: readers take
 * what is before it).
 *
 * An interface is known by its number and its ring: numbers repeat from one
 * namespace to the next.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/capture_internal.h"
#include "orchestrator/observe/capture_sort.h"
#include "orchestrator/observe/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PART_BUFFER ((size_t)1 << 20)
#define FRAME_MAX CAPTURE_BLOCK_SIZE /* and more than any block around it */
#define FLUSH_MS 100 /* a packet reaches the file at most so much later */
#define DRAIN_MAX_NS (10 * NSEC_PER_SEC) /* if the traffic does not end */
#define READY_MAX 64

/* ---- interfaces --------------------------------------------------------- */

/* Where the interface is, or would have to be. */
static size_t iface_position(const struct node *n, uint32_t ifindex)
{
	size_t low = 0, high = n->ifaces.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n->ifaces.v[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct iface *iface_insert(struct node *n, size_t at, uint32_t ifindex,
				  const char *name)
{
	char *copy = strdup(name);
	struct iface *i;

	if (!copy)
		return NULL;
	if (!VEC_PUSH(&n->ifaces)) {
		free(copy);
		return NULL;
	}
	i = &n->ifaces.v[at];
	memmove(i + 1, i, (n->ifaces.n - 1 - at) * sizeof(*i));
	*i = (struct iface){ .ifindex = ifindex, .name = copy };
	return i;
}

static int iface_describe(struct capture *c, const struct node *n,
			  struct iface *i)
{
	CLEANUP_FREE char *name = NULL;
	int r;

	if (asprintf(&name, "%s:%s", n->name, i->name) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	r = pcapng_write_interface(c->part, name, NULL, 0);
	c->pending += strlen(name) + 64;
	i->id = c->interfaces++;
	return r;
}

/* The interface, which is described in the file if it is met for the first
 * time. NULL: c->error. */
static struct iface *iface_get(struct capture *c, struct node *n,
			       uint32_t ifindex)
{
	size_t at = iface_position(n, ifindex);
	char name[IFNAMSIZ];
	struct iface *i;

	if (at < n->ifaces.n && n->ifaces.v[at].ifindex == ifindex)
		return &n->ifaces.v[at];
	if (capture_socket_ifname(&n->socket, ifindex, name)) /* gone already */
		snprintf(name, sizeof(name), "if%u", ifindex);
	i = iface_insert(n, at, ifindex, name);
	c->error = i ? iface_describe(c, n, i) : -ENOMEM;
	return c->error ? NULL : i;
}

/* ---- set-up ------------------------------------------------------------- */

struct capture *capture_new(void)
{
	return calloc(1, sizeof(struct capture));
}

static void node_deinit(struct node *n)
{
	capture_socket_close(&n->socket);
	if (n->ns_fd >= 0)
		close(n->ns_fd);
	for (size_t i = 0; i < n->ifaces.n; i++)
		free(n->ifaces.v[i].name);
	VEC_FREE(&n->ifaces);
	free(n->name);
}

struct capture *capture_free(struct capture *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->nodes.n; i++)
		node_deinit(&c->nodes.v[i]);
	VEC_FREE(&c->nodes);
	if (c->part)
		fclose(c->part);
	free(c->part_buffer);
	free(c);
	return NULL;
}

static int node_init(struct node *n, const char *name, int ns_fd,
		     const struct capture_iface *ifaces, size_t count,
		     size_t ring_bytes, struct err *err)
{
	n->socket = CAPTURE_SOCKET_NULL;
	n->kind = &capture_ring;
	n->ring_bytes = ring_bytes;
	n->ns_fd = fcntl(ns_fd, F_DUPFD_CLOEXEC, 0);
	n->name = strdup(name);
	if (n->ns_fd < 0)
		return err_errno(err, errno, "capture: its namespace");
	if (!n->name)
		return err_errno(err, ENOMEM, "capture");
	for (size_t i = 0; i < count; i++) {
		uint32_t ifindex = ifaces[i].ifindex;
		size_t at = iface_position(n, ifindex);

		if (at < n->ifaces.n && n->ifaces.v[at].ifindex == ifindex)
			return err_set(err, EINVAL,
				       "capture: two interfaces of %s are "
				       "number %u",
				       name, ifindex);
		if (!iface_insert(n, at, ifindex, ifaces[i].name))
			return err_errno(err, ENOMEM, "capture");
	}
	return 0;
}

int capture_add(struct capture *c, const char *node, int ns_fd,
		const struct capture_iface *ifaces, size_t n, size_t ring_bytes,
		struct err *err)
{
	struct node *new = VEC_PUSH(&c->nodes);
	int r;

	if (!new)
		return err_errno(err, ENOMEM, "capture");
	r = node_init(new, node, ns_fd, ifaces, n, ring_bytes, err);
	if (r) {
		err_wrap(err, "%s", node);
		node_deinit(new);
		c->nodes.n--;
	}
	return r;
}

int capture_start(struct capture *c, struct err *err)
{
	int r = capture_await_stamps(err);

	for (size_t i = 0; i < c->nodes.n && !r; i++) {
		struct node *n = &c->nodes.v[i];

		r = capture_socket_start(&n->socket, err);
		err_wrap(err, "%s", n->name);
	}
	return r;
}

void capture_use_queues(struct capture *c)
{
	for (size_t i = 0; i < c->nodes.n; i++)
		c->nodes.v[i].kind = &capture_queue;
}

/* ---- from the rings to the file ----------------------------------------- */

static int flush_part(struct capture *c)
{
	c->pending = 0;
	c->flushed_ns = clock_mono_ns();
	if (fflush(c->part))
		c->error = -errno;
	return c->error;
}

struct reading {
	struct capture *capture;
	struct node *node;
};

static int write_frame(void *context, struct capture_frame *frame)
{
	struct reading *reading = context;
	struct capture *c = reading->capture;
	struct iface *i = iface_get(c, reading->node, frame->ifindex);
	struct pcapng_packet p;

	if (!i)
		return c->error;
	if (c->pending + 2 * FRAME_MAX > PART_BUFFER && flush_part(c))
		return c->error;
	capture_frame_finish(frame);
	p = (struct pcapng_packet){
		.interface = i->id,
		.time_ns = frame->time_ns,
		.data = frame->data,
		.captured = frame->captured,
		.length = frame->length,
		.direction = frame->outgoing ? PCAPNG_OUT : PCAPNG_IN,
	};
	c->error = pcapng_write_packet(c->part, &p);
	c->pending += frame->captured + 64;
	i->packets++;
	reading->node->packets++;
	return c->error;
}

int capture_read_node(struct capture *c, struct node *n)
{
	struct reading reading = { c, n };

	return capture_socket_read(&n->socket, write_frame, &reading);
}

/* An error of the socket would make epoll return at once for ever. */
static void clear_socket_error(const struct node *n)
{
	socklen_t size = sizeof(int);
	int error;

	getsockopt(n->socket.fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

/* Waits for rings and reads those that are ready. 1: there is an order. */
static int read_ready(struct capture *c, int epoll_fd, int timeout_ms)
{
	struct epoll_event ready[READY_MAX];
	int n = epoll_wait(epoll_fd, ready, READY_MAX, timeout_ms);
	bool stop = false;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct node *node = ready[i].data.ptr;
		int r;

		if (!node) {
			stop = true;
			continue;
		}
		if (ready[i].events & EPOLLERR)
			clear_socket_error(node);
		r = capture_read_node(c, node);
		if (r)
			return r;
	}
	return stop;
}

static int capture_until_stopped(struct capture *c, int epoll_fd, int orders_fd,
				 int done_fd)
{
	for (;;) {
		int r = read_ready(c, epoll_fd, c->pending ? FLUSH_MS : -1);

		if (r > 0)
			r = capture_take_order(c, epoll_fd, orders_fd, done_fd);
		if (r)
			return r < 0 ? r : 0;
		if (c->pending &&
		    clock_mono_ns() - c->flushed_ns >
			    FLUSH_MS * NSEC_PER_MSEC &&
		    flush_part(c))
			return c->error;
	}
}

static bool rings_have_more(const struct capture *c)
{
	for (size_t i = 0; i < c->nodes.n; i++) {
		if (capture_socket_has_more(&c->nodes.v[i].socket))
			return true;
	}
	return false;
}

/* Takes what came before the stop. Blocks still being filled are handed out by
 * the kernel's timer: they are waited for, but not traffic without end. */
static int drain(struct capture *c, int epoll_fd)
{
	int64_t deadline = clock_mono_ns() + DRAIN_MAX_NS;
	int r = 0;

	while (!r && rings_have_more(c) && clock_mono_ns() < deadline)
		r = read_ready(c, epoll_fd, CAPTURE_RETIRE_MAX_MS);
	return r;
}

/* ---- the process -------------------------------------------------------- */

static int open_part(struct capture *c, const char *part, struct err *err)
{
	c->part_buffer = malloc(PART_BUFFER);
	c->part = c->part_buffer ? fopen(part, "we") : NULL;
	if (!c->part)
		return err_errno(err, errno, "%s", part);
	setvbuf(c->part, c->part_buffer, _IOFBF, PART_BUFFER);
	c->error = pcapng_write_header(c->part, "servalab");
	for (size_t i = 0; i < c->nodes.n && !c->error; i++) {
		struct node *n = &c->nodes.v[i];

		for (size_t k = 0; k < n->ifaces.n && !c->error; k++)
			c->error = iface_describe(c, n, &n->ifaces.v[k]);
	}
	/* So that a reader finds a valid file from the start. */
	if (c->error || flush_part(c))
		return err_errno(err, -c->error, "%s", part);
	return 0;
}

static int capture_packets(struct capture *c, const char *part, int orders_fd,
			   int done_fd, struct err *err)
{
	CLEANUP_CLOSE int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int r;

	if (epoll_fd < 0)
		return err_errno(err, errno, "capture: epoll");
	for (size_t i = 0; i < c->nodes.n; i++) {
		struct node *n = &c->nodes.v[i];

		r = capture_socket_map(&n->socket, err);
		if (!r)
			r = capture_watch(epoll_fd, n->socket.fd, n, err);
		if (r)
			return r;
	}
	r = capture_watch(epoll_fd, orders_fd, NULL, err);
	if (r)
		return r;
	r = capture_until_stopped(c, epoll_fd, orders_fd, done_fd);
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, orders_fd, NULL);
	if (!r)
		r = drain(c, epoll_fd);
	if (r)
		return err_errno(err, -r, "%s", part);
	return 0;
}

static int run(struct capture *c, const char *path, int orders_fd, int done_fd,
	       struct err *err)
{
	CLEANUP_FREE char *part = capture_path(path, ".part");
	int r;

	if (!part)
		return err_errno(err, ENOMEM, "%s", path);
	r = open_part(c, part, err);
	if (!r)
		r = capture_packets(c, part, orders_fd, done_fd, err);
	if (!r)
		r = capture_count_dropped(c, err);
	if (r)
		return r;
	if (c->holder.release) /* who waits for the kernel while we sort */
		capture_close_all(c);
	return capture_finish(c, part, path, err);
}

int capture_main(struct capture *c, const char *path, int orders_fd,
		 int done_fd, struct err *err)
{
	int r = run(c, path, orders_fd, done_fd, err);

	if (!r && done_fd >= 0)
		(void)!write(done_fd, "", 1);
	return r;
}
