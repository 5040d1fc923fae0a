/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening a ring and closing a packet socket each wait for the kernel's readers
 * to have passed by (synchronize_net() in packet_set_ring() and
 * packet_release()), some ten milliseconds of doing nothing. One after the
 * other, a lab of a thousand nodes would take half a minute to open its eyes
 * and as long to close them.
 *
 * They are opened side by side, by threads, here alone and only for as long as
 * the call takes; each is in the node's network namespace (setns(2)).
 *
 * Closing cannot be left to threads of this process: one that is killed closes
 * its descriptors one after the other, and all namespaces of the lab are there
 * until it has. But only the last descriptor of a socket waits. So there may be
 * a holder, who gets a copy of each, outlives whatever kills this process, and
 * does the waiting.
 */
#include "orchestrator/observe/capture_internal.h"

#include "base/parallel.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#define THREADS_MAX 128

struct opening {
	struct capture *capture;
	pthread_mutex_t lock;
	struct err err; /* the first one */
};

static int open_in_node(struct node *n, struct err *err)
{
	int r = 0;

	if (setns(n->ns_fd, CLONE_NEWNET))
		r = err_errno(err, errno, "capture: enter the namespace");
	if (!r)
		r = capture_socket_open(&n->socket, n->kind, n->ring_bytes,
					n->retire_ms, err);
	err_wrap(err, "%s", n->name);
	return r;
}

static void open_one(void *arg, size_t i)
{
	struct opening *o = arg;
	struct node *n = &o->capture->nodes.v[i];
	struct err err = ERR_INIT;

	if (!open_in_node(n, &err)) {
		capture_hold(o->capture, n);
		return;
	}
	pthread_mutex_lock(&o->lock);
	if (!o->err.code)
		o->err = err;
	pthread_mutex_unlock(&o->lock);
}

int capture_open(struct capture *c, struct err *err)
{
	struct opening o = { .capture = c, .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned ms = (unsigned)(c->nodes.n / 8);

	ms = ms < CAPTURE_RETIRE_MIN_MS ? CAPTURE_RETIRE_MIN_MS :
	     ms > CAPTURE_RETIRE_MAX_MS ? CAPTURE_RETIRE_MAX_MS :
					  ms;
	for (size_t i = 0; i < c->nodes.n; i++)
		c->nodes.v[i].retire_ms = ms;
	parallel_for(c->nodes.n, THREADS_MAX, open_one, &o);
	if (o.err.code && err)
		*err = o.err;
	return -o.err.code;
}

void capture_set_holder(struct capture *c, const struct capture_holder *holder)
{
	c->holder = *holder;
}

void capture_hold(const struct capture *c, const struct node *n)
{
	if (c->holder.hold)
		c->holder.hold(c->holder.arg, (size_t)(n - c->nodes.v),
			       n->socket.fd);
}

static void close_one(void *arg, size_t i)
{
	struct capture *c = arg;

	capture_socket_close(&c->nodes.v[i].socket);
}

void capture_close_all(struct capture *c)
{
	/* The holder may be no more. */
	parallel_for(c->nodes.n, THREADS_MAX, close_one, c);
	if (c->holder.release)
		c->holder.release(c->holder.arg);
}
