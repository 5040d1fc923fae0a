/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the model of an emulated link costs a frame, without any I/O, beside
 * copying 1500 bytes on the same machine:
 *
 *     build/dev/bench/link_model [FRAMES]
 *
 * Frames of 16 flows are offered one a microsecond of virtual time, with 10 ms
 * of delay 10,000 are inside at once. Each line is the best of five, in CPU time.
 */
#include "base/clock.h"
#include "orchestrator/link/histogram.h"
#include "orchestrator/link/link.h"
#include "orchestrator/link/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5
#define FLOWS 16
#define FRAME 1514

/* Of this process: a busy machine disturbs it least. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

struct bench {
	const char *name;
	void (*set)(struct link_params *p);
};

static struct link_trace *trace;
static uint8_t frames[FLOWS][FRAME];

static void plain(struct link_params *p)
{
	(void)p;
}

static void delay(struct link_params *p)
{
	p->delay_ns = 10 * NSEC_PER_MSEC;
}

static void loss(struct link_params *p)
{
	delay(p);
	p->loss.kind = LINK_LOSS_INDEPENDENT;
	p->loss.ppb = LINK_PPB_ONE / 100;
}

static void jitter(struct link_params *p)
{
	delay(p);
	p->jitter.spread_ns = NSEC_PER_MSEC;
	p->jitter.distribution = LINK_NORMAL;
}

static void unordered(struct link_params *p)
{
	jitter(p);
	p->jitter.unordered = true;
}

static void rate(struct link_params *p)
{
	delay(p);
	p->rate_bps = UINT64_C(12112000000); /* a frame a us */
}

static void by_trace(struct link_params *p)
{
	delay(p);
	p->trace = trace;
}

static void everything(struct link_params *p)
{
	unordered(p);
	rate(p);
	p->loss.kind = LINK_LOSS_BURST;
	p->loss.burst.to_bad = LINK_PPB_ONE / 100;
	p->loss.burst.to_good = LINK_PPB_ONE / 4;
	p->loss.burst.in_bad = LINK_PPB_ONE / 2;
	p->loss.burst.in_good = LINK_PPB_ONE / 1000;
	p->duplicate_ppb = p->reorder_ppb = p->corrupt_ppb =
		LINK_PPB_ONE / 1000;
}

static const struct bench benches[] = {
	{ "no properties", plain },
	{ "delay 10ms", delay },
	{ "delay, loss 1%", loss },
	{ "delay, jitter normal", jitter },
	{ "delay, jitter unordered", unordered },
	{ "delay, rate", rate },
	{ "delay, trace", by_trace },
	{ "everything, unordered", everything },
};

/* ns a frame; classify: reads each frame, too. */
static double run(const struct bench *b, long n, bool classify)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct link_key keys[FLOWS];
		struct link_params p;
		struct link_direction *d;
		struct link_outcome out;
		int64_t began, took;
		long got = 0;

		link_params_init(&p);
		p.queue.packets = 0;
		b->set(&p);
		d = link_new(1, "bench", 0, &p, 100000);
		if (!d)
			exit(1);
		for (int i = 0; i < FLOWS; i++)
			link_classify(frames[i], FRAME, &keys[i]);
		began = cpu_ns();
		for (long i = 0; i < n; i++) {
			struct link_offer o = { .now_ns = i * NSEC_PER_USEC,
						.bytes = FRAME,
						.segments = 1,
						.frame = frames[i % FLOWS],
						.frame_len = FRAME };

			if (classify)
				link_classify(o.frame, FRAME, &o.key);
			else
				o.key = keys[i % FLOWS];
			link_offer(d, &o);
			while (link_next_ns(d) <= o.now_ns &&
			       link_pop(d, o.now_ns, &out))
				got++;
		}
		took = cpu_ns() - began;
		if (!got)
			exit(1);
		link_free(d);
		if (!round || (double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	return best;
}

static double copy(long n)
{
	static uint8_t from[64][1500], to[64][1500];
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t began = cpu_ns(), took;

		for (long i = 0; i < n; i++) {
			memcpy(to[i % 64], from[(i * 7) % 64], 1500);
			__asm__ volatile("" : : "r"(to) : "memory");
		}
		took = cpu_ns() - began;
		if (!round || (double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	return best;
}

int main(int argc, char **argv)
{
	static const char times[] =
		"0\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n1\n";
	long n = argc > 1 ? atol(argv[1]) : 1000000;
	struct diag *diag = diag_new();
	double memcpy_ns;

	if (n < 20000 || n > 1000000000) {
		fprintf(stderr, "usage: link_model [FRAMES], from 20000 on\n");
		return 2;
	}
	if (!diag || link_trace_parse("trace", times, sizeof(times) - 1, true,
				      diag, &trace))
		return 1;
	for (int i = 0; i < FLOWS; i++) {
		uint8_t *f = frames[i];

		memcpy(f + 12, "\x08\x00\x45", 3);
		memcpy(f + 23, "\x06\0\0\x0a\0\0\1\x0a\0\0\2\x9c\x40", 13);
		f[35] = (uint8_t)i;
		f[37] = 80;
	}
	memcpy_ns = copy(n);
	printf("%-32s %8s %10s\n", "", "ns/frame", "x memcpy");
	printf("%-32s %8.1f %10.2f\n", "memcpy of 1500 bytes", memcpy_ns, 1.0);
	for (size_t i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
		double ns = run(&benches[i], n, false);

		printf("%-32s %8.1f %10.2f\n", benches[i].name, ns,
		       ns / memcpy_ns);
	}
	printf("%-32s %8.1f\n", "reading the frame, besides",
	       run(&benches[0], n, true) - run(&benches[0], n, false));
	link_trace_free(trace);
	diag_free(diag);
	return 0;
}
