/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does every link do what it is asked to, on this machine, now? In some 100 ms,
 * without a frame on any wire.
 *
 * What a link does has two parts: the model decides when a frame is due, and
 * this process is late for it. Lateness is a matter of the machine, the same
 * for all links: it is measured once, with the timer that the loop uses. The
 * model is asked in virtual time, with a copy of each direction and frames that
 * do not exist: a delay of a second does not take one.
 *
 * Delay and loss are asked without the rate, whose queue would be part of the
 * delay, and the rate without them.
 */
#include "orchestrator/emulate/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SLEEPS 30
#define FRAMES 100000 /* of all directions together */
#define FRAMES_MIN 100
#define FRAMES_MOST 10000
#define RATE_FRAMES 200
#define RATE_AHEAD 10 /* so many wait at any time: the rate is the limit */
#define FRAME_BYTES 1514
#define BUDGET_NS (60 * NSEC_PER_MSEC)

struct outcomes {
	uint64_t frames, lost;
	double delay_sum_ns;
	int64_t first_ns, last_ns;
};

/* ---- the timer ---------------------------------------------------------- */

/* As the loop sleeps; on an epoll of its own, which sees no frames. */
static void sleep_by_timer(void *arg, int64_t due_ns)
{
	const int *fds = arg; /* epoll, timer */
	struct itimerspec at = { .it_value = { .tv_sec = due_ns / NSEC_PER_SEC,
					       .tv_nsec = due_ns %
							  NSEC_PER_SEC } };
	struct epoll_event event;

	timerfd_settime(fds[1], TFD_TIMER_ABSTIME, &at, NULL);
	while (clock_mono_ns() < due_ns)
		epoll_wait(fds[0], &event, 1, 100);
}

static int measure_loop(struct emulator *e, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int fds[2] = { epoll_create1(EPOLL_CLOEXEC), e->timer_fd };

	if (fds[0] < 0 ||
	    epoll_ctl(fds[0], EPOLL_CTL_ADD, e->timer_fd, &event)) {
		if (fds[0] >= 0)
			close(fds[0]);
		return err_errno(err, errno, "calibrate: make a timer");
	}
	floor_measure(&e->calibrated_loop, SLEEPS, sleep_by_timer, fds);
	close(fds[0]);
	e->armed_ns = 0; /* the loop has to set it anew */
	return 0;
}

/* ---- the model ---------------------------------------------------------- */

static void take_outcomes(struct link_direction *d, int64_t now_ns,
			  struct outcomes *o)
{
	struct link_outcome out;

	while (link_next_ns(d) <= now_ns && link_pop(d, now_ns, &out)) {
		if (out.lost) {
			o->lost++;
			continue;
		}
		if (out.copy)
			continue;
		if (!o->frames++)
			o->first_ns = out.due_ns;
		o->last_ns = out.due_ns;
		o->delay_sum_ns += (double)(out.due_ns - out.offered_ns);
	}
}

/* Offers n frames, gap_ns apart but for the first few. */
static void play(struct link_direction *d, unsigned n, unsigned ahead,
		 int64_t gap_ns, struct outcomes *o)
{
	static const uint8_t frame[60] = { [12] = 0x08, [14] = 0x45 };
	struct link_offer offer = {
		.key = { .class_id = 1, .flow_id = 1 },
		.bytes = FRAME_BYTES,
		.last_bytes = FRAME_BYTES,
		.segments = 1,
		.frame = frame,
		.frame_len = sizeof(frame),
	};
	int64_t now_ns = NSEC_PER_SEC;

	for (unsigned i = 0; i < n; i++) {
		if (i >= ahead)
			now_ns += gap_ns;
		take_outcomes(d, now_ns, o);
		offer.now_ns = now_ns;
		link_offer(d, &offer);
	}
	take_outcomes(d, INT64_MAX - 1, o);
}

static struct link_direction *twin(const struct emulator *e, size_t i,
				   const struct link_params *params)
{
	return link_new(e->config->seed, e->config->links[i / 2].name,
			(unsigned)(i % 2), params, FRAMES_MOST);
}

/* One that would wait for longer than the jitter spreads lets each frame have
 * its own, also where they stay in order. */
static int64_t gap_of(const struct link_params *p)
{
	return NSEC_PER_MSEC + 20 * p->jitter.spread_ns;
}

static int ask_delay_and_loss(struct emulator *e, size_t i, unsigned n)
{
	struct side *side = &e->sides[i];
	struct calibration *c = &side->calibration;
	struct link_params params = *link_params(side->model);
	struct outcomes o = { 0 };
	struct link_direction *d;

	params.rate_bps = 0;
	params.trace = NULL;
	params.mtu = 0;
	d = twin(e, i, &params);
	if (!d)
		return -ENOMEM;
	play(d, n, 0, gap_of(&params), &o);
	c->frames = n;
	c->delay_asked_ns = params.delay_ns;
	c->delay_realised_ns = INT64_MIN;
	if (o.frames)
		c->delay_realised_ns =
			e->calibrated_loop.p50_ns +
			(int64_t)(o.delay_sum_ns / (double)o.frames);
	c->lost = o.lost;
	c->lost_expected = (double)link_counts(d)->expected_loss_ppb_sum /
			   (double)LINK_PPB_ONE;
	link_free(d);
	return 0;
}

static int ask_rate(struct emulator *e, size_t i)
{
	struct side *side = &e->sides[i];
	struct calibration *c = &side->calibration;
	const struct link_params *have = link_params(side->model);
	struct link_params params;
	struct outcomes o = { 0 };
	struct link_direction *d;

	if (!have->rate_bps || have->trace)
		return 0;
	link_params_init(&params);
	params.rate_bps = have->rate_bps;
	d = twin(e, i, &params);
	if (!d)
		return -ENOMEM;
	play(d, RATE_FRAMES, RATE_AHEAD,
	     (int64_t)(FRAME_BYTES * 8e9 / (double)params.rate_bps), &o);
	c->rate_asked_bps = params.rate_bps;
	if (o.frames > 1 && o.last_ns > o.first_ns)
		c->rate_realised_bps =
			(uint64_t)((double)(o.frames - 1) * FRAME_BYTES * 8e9 /
				   (double)(o.last_ns - o.first_ns));
	link_free(d);
	return 0;
}

int calibrate(struct emulator *e, struct err *err)
{
	unsigned n = FRAMES / (unsigned)(e->n_sides ? e->n_sides : 1);
	int64_t end_ns;
	int r;

	floor_measure(&e->calibrated_floor, SLEEPS, NULL, NULL);
	r = measure_loop(e, err);
	if (r)
		return r;
	if (n < FRAMES_MIN)
		n = FRAMES_MIN;
	if (n > FRAMES_MOST)
		n = FRAMES_MOST;
	end_ns = clock_mono_ns() + BUDGET_NS;
	for (size_t i = 0; i < e->n_sides && clock_mono_ns() < end_ns; i++) {
		if (ask_delay_and_loss(e, i, n) || ask_rate(e, i))
			return err_errno(err, ENOMEM, "calibrate link %s",
					 e->config->links[i / 2].name);
	}
	return 0;
}
