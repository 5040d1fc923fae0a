/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/region.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define READY_MOST 2 /* more is memory that a small lab does not need */
#define SMALL_PAGE 4096

/* Linux 5.14; the headers of older distributions lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct regions {
	void **taken;
	size_t n, cap, were_ready;
	bool expected;
	bool has_thread;
	pthread_t thread;
	/* Of both threads; nobody keeps it for longer than a few assignments.
	 */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	void *ready[READY_MOST];
	size_t n_ready;
	bool ending;
};

/* ---- memory ------------------------------------------------------------- */

/* Aligned, which mmap() promises of small pages only. NULL: out of memory. */
static uint8_t *map_region(void)
{
	uint8_t *all = mmap(NULL, 2 * REGION_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (all == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)all % REGION_BYTES;
	if (before)
		munmap(all, before);
	munmap(all + before + REGION_BYTES, REGION_BYTES - before);
	/* A child would have it copied, small page by small page. */
	madvise(all + before, REGION_BYTES, MADV_DONTFORK);
	return all + before;
}

static uint8_t *make_ready(void)
{
	uint8_t *region = map_region();

	if (!region)
		return NULL;
	madvise(region, REGION_BYTES, MADV_HUGEPAGE);
	if (madvise(region, REGION_BYTES, MADV_POPULATE_WRITE))
		for (size_t at = 0; at < REGION_BYTES; at += SMALL_PAGE)
			((volatile uint8_t *)region)[at] = 0;
	return region;
}

/* ---- the thread --------------------------------------------------------- */

static void *keep_ready(void *arg)
{
	struct regions *r = arg;
	uint8_t *region;

	pthread_mutex_lock(&r->lock);
	while (!r->ending) {
		if (r->n_ready == READY_MOST) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		region = make_ready();
		pthread_mutex_lock(&r->lock);
		if (!region)
			break; /* whoever needs one will notice */
		r->ready[r->n_ready++] = region;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

void regions_expect(struct regions *r)
{
	sigset_t all, before;

	if (r->expected)
		return;
	r->expected = true;
	/* Signals are the other thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r->has_thread = !pthread_create(&r->thread, NULL, keep_ready, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void *take_ready(struct regions *r)
{
	void *region = NULL;

	if (!r->has_thread)
		return NULL;
	pthread_mutex_lock(&r->lock);
	if (r->n_ready) {
		region = r->ready[--r->n_ready];
		pthread_cond_signal(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	return region;
}

/* ---- whose they are ----------------------------------------------------- */

struct regions *regions_new(void)
{
	struct regions *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	return r;
}

struct regions *regions_free(struct regions *r)
{
	if (!r)
		return NULL;
	if (r->has_thread) {
		pthread_mutex_lock(&r->lock);
		r->ending = true;
		pthread_cond_signal(&r->changed);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->thread, NULL);
	}
	for (size_t i = 0; i < r->n_ready; i++)
		munmap(r->ready[i], REGION_BYTES);
	for (size_t i = 0; i < r->n; i++)
		munmap(r->taken[i], REGION_BYTES);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->taken);
	free(r);
	return NULL;
}

void *regions_take(struct regions *r)
{
	size_t cap = r->cap ? 2 * r->cap : 16;
	void *region, *moved;

	if (r->n == r->cap) {
		moved = realloc(r->taken, cap * sizeof(*r->taken));
		if (!moved)
			return NULL;
		r->taken = moved;
		r->cap = cap;
	}
	region = take_ready(r);
	r->were_ready += region != NULL;
	if (!region)
		region = map_region();
	if (region)
		r->taken[r->n++] = region;
	return region;
}

size_t regions_were_ready(const struct regions *r)
{
	return r->were_ready;
}
