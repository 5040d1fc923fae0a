/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS_MAX 512
#define STACK_BYTES ((size_t)64 << 10)

struct work {
	size_t n;
	void (*fn)(void *arg, size_t i);
	void *arg;
	atomic_size_t next;
};

static void *worker(void *arg)
{
	struct work *w = arg;
	size_t i;

	while ((i = atomic_fetch_add(&w->next, 1)) < w->n)
		w->fn(w->arg, i);
	return NULL;
}

void parallel_for(size_t n, size_t threads, void (*fn)(void *arg, size_t i),
		  void *arg)
{
	struct work w = { .n = n, .fn = fn, .arg = arg };
	pthread_t thread[THREADS_MAX];
	pthread_attr_t attr;
	size_t started = 0;

	if (threads > n)
		threads = n;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	/* Fewer than wanted do it all the same. */
	while (started < threads &&
	       !pthread_create(&thread[started], &attr, worker, &w))
		started++;
	pthread_attr_destroy(&attr);
	if (!started)
		worker(&w);
	for (size_t i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
}
