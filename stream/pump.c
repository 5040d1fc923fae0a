/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/pump.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/socket.h>

#define PACE_NS (5 * NSEC_PER_MSEC) /* between two blocks, where it is slow */
#define PACE_LEAST 512u
/* A machine that kept us waiting is made up for, an outage is not. */
#define CATCH_UP_NS (100 * NSEC_PER_MSEC)

/* How much goes into a block. */
static uint64_t block_size(uint64_t rate_bps)
{
	uint64_t n = rate_bps / 8 / (NSEC_PER_SEC / PACE_NS);

	if (!rate_bps || n > STREAM_CONTENT_MAX)
		return STREAM_CONTENT_MAX;
	return n < PACE_LEAST ? PACE_LEAST : n;
}

/* The next block's content; 0: not before *wait_ns. */
static size_t pace(struct stream_pump *p, int64_t now_ns, int64_t *wait_ns)
{
	uint64_t rate = p->sender.hello.rate_bps;
	uint64_t want = block_size(rate), most;
	double gathered;

	if (!rate)
		return want;
	if (!p->paced_ns)
		p->paced_ns = now_ns;
	most = want + rate / 8 / (NSEC_PER_SEC / CATCH_UP_NS);
	gathered = (double)rate / 8 * (double)(now_ns - p->paced_ns) /
		   (double)NSEC_PER_SEC;
	if (gathered >= 1) {
		p->credit = gathered > (double)(most - p->credit) ?
				    most :
				    p->credit + (uint64_t)gathered;
		p->paced_ns = now_ns;
	}
	if (p->credit >= want) {
		p->credit -= want;
		return want;
	}
	*wait_ns = now_ns +
		   (int64_t)((double)(want - p->credit) * 8 / (double)rate *
			     (double)NSEC_PER_SEC) +
		   1;
	return 0;
}

int64_t stream_pump_run(struct stream_pump *p, int fd, int64_t now_ns)
{
	struct stream_sender *s = &p->sender;
	int64_t wait_ns = 0;
	ssize_t n;

	if (s->done == s->len) {
		size_t size;

		if (s->last)
			return INT64_MAX;
		if (p->enough || stream_sender_complete(s)) {
			stream_sender_last(s);
		} else {
			size = pace(p, now_ns, &wait_ns);
			if (!size)
				return wait_ns;
			stream_sender_block(s, size);
		}
	}
	n = send(fd, s->block + s->done, s->len - s->done,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	s->done += (size_t)n;
	return s->done == s->len && s->last ? INT64_MAX : 0;
}
