/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening a ring and closing it each wait for the kernel's readers to have
 * passed by (synchronize_net() in packet_set_ring() and packet_release()), some
 * ten milliseconds of doing nothing. One after the other, a lab of a thousand
 * nodes would take half a minute to open its eyes and as long to close them.
 * Waiting side by side they wait for the same readers, so that many take hardly
 * longer than one. Hence threads, here alone and only for as long as a call
 * takes; each has its own network namespace (setns(2)).
 */
#include "orchestrator/observe/capture_internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS_MAX 128

struct work {
	struct capture *capture;
	int (*fn)(struct node *n, struct err *err);
	atomic_size_t next;
	pthread_mutex_t lock;
	struct err err; /* the first one */
};

static void *worker(void *arg)
{
	struct work *w = arg;
	size_t i;

	while ((i = atomic_fetch_add(&w->next, 1)) < w->capture->nodes.n) {
		struct err err = ERR_INIT;

		if (!w->fn(&w->capture->nodes.v[i], &err))
			continue;
		pthread_mutex_lock(&w->lock);
		if (!w->err.code)
			w->err = err;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static int for_each_node(struct capture *c,
			 int (*fn)(struct node *n, struct err *err),
			 struct err *err)
{
	struct work w = { .capture = c,
			  .fn = fn,
			  .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_t threads[THREADS_MAX];
	size_t n = 0;
	int r = 0;

	while (n < c->nodes.n && n < THREADS_MAX && !r) {
		r = pthread_create(&threads[n], NULL, worker, &w);
		n += !r;
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	/* Fewer threads than wanted did it all the same, unless there was none.
	 */
	if (!n && r)
		return err_errno(err, r, "capture: start a thread");
	if (w.err.code && err)
		*err = w.err;
	return -w.err.code;
}

static int open_one(struct node *n, struct err *err)
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

static int close_one(struct node *n, struct err *err)
{
	(void)err;
	capture_socket_close(&n->socket);
	return 0;
}

int capture_open(struct capture *c, struct err *err)
{
	unsigned ms = (unsigned)(c->nodes.n / 8);
	int r;

	ms = ms < CAPTURE_RETIRE_MIN_MS ? CAPTURE_RETIRE_MIN_MS :
	     ms > CAPTURE_RETIRE_MAX_MS ? CAPTURE_RETIRE_MAX_MS :
					  ms;
	for (size_t i = 0; i < c->nodes.n; i++)
		c->nodes.v[i].retire_ms = ms;
	r = for_each_node(c, open_one, err);
	if (!r)
		capture_keepers_start(c);
	return r;
}

static void *closer(void *arg)
{
	for_each_node(arg, close_one, NULL);
	return NULL;
}

void capture_close_begin(struct capture *c)
{
	capture_keepers_end(c);
	c->closing = !pthread_create(&c->closer, NULL, closer, c);
}

void capture_close_wait(struct capture *c)
{
	if (c->closing)
		pthread_join(c->closer, NULL);
	else
		closer(c);
	c->closing = false;
}
