/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lab asks for while frames go on. A request is served between two
 * turns of frames, so nothing of it is ever seen half done.
 */
#include "orchestrator/emulate/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void change(struct emulator *e, const struct emulate_request *rq)
{
	for (unsigned end = 0; end < 2; end++) {
		struct side *side = &e->sides[2 * rq->link + end];

		if (!rq->from[end])
			continue;
		report_settle(side);
		link_change(side->model, e->now_ns, &rq->change[end]);
		side->changes++;
		carry_reschedule(e, side);
	}
}

static int set_carrier(struct emulator *e, struct side *side, bool up,
		       struct err *err)
{
	unsigned carrier = up;

	if (!up)
		machine_carrier_lost(e, side);
	if (side->gone || !ioctl(side->fd, TUNSETCARRIER, &carrier))
		return 0;
	return err_errno(err, errno, "set the carrier of %s", side->name);
}

/*
 * Down: what is inside is lost first, and then what the devices still have to
 * give: it was sent while the link was up, and was on its way.
 */
static int set_state(struct emulator *e, const struct emulate_request *rq,
		     struct err *err)
{
	struct side *sides = &e->sides[2 * rq->link];
	int r = 0;

	for (unsigned end = 0; end < 2; end++) {
		struct carry_drop drop = { .emulator = e, .side = &sides[end] };
		int r2 = set_carrier(e, &sides[end], rq->up, r ? NULL : err);

		r = r ? r : r2;
		sides[end].down = !rq->up;
		link_set_up(sides[end].model, rq->up, e->now_ns, carry_forget,
			    &drop);
	}
	for (unsigned end = 0; end < 2; end++) {
		if (!rq->up)
			carry_drain(e, &sides[end]);
		carry_reschedule(e, &sides[end]);
	}
	return r;
}

static void begin(struct emulator *e)
{
	for (size_t i = 0; i < 2 * e->config->n; i++)
		e->sides[i].late = (struct tally){ 0 };
	e->beat.late = (struct tally){ 0 };
}

static int serve(struct emulator *e, const struct emulate_request *rq,
		 struct err *err)
{
	bool of_link = rq->what == EMULATE_CHANGE || rq->what == EMULATE_STATE;

	if (of_link && rq->link >= e->config->n)
		return err_set(err, EINVAL, "there is no link %zu", rq->link);
	e->now_ns = clock_mono_ns();
	switch (rq->what) {
	case EMULATE_CHANGE:
		change(e, rq);
		return 0;
	case EMULATE_STATE:
		return set_state(e, rq, err);
	case EMULATE_CALIBRATE:
		e->beat.next_ns = 0; /* it holds the loop up by itself */
		return calibrate(e, err);
	case EMULATE_BEGIN:
		begin(e);
		return 0;
	case EMULATE_STOP:
		e->ending = true;
		return report_write(e, err);
	}
	return err_set(err, EINVAL, "there is no request %d", (int)rq->what);
}

void control_serve(struct emulator *e)
{
	struct emulate_reply reply = { 0 };
	struct err err = ERR_INIT;
	struct emulate_request rq;
	ssize_t n = recv(e->control_fd, &rq, sizeof(rq), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* Whoever asks is gone: the lab is over. */
		e->ending = true;
		return;
	}
	e->control_requests++;
	if (n != (ssize_t)sizeof(rq))
		err_set(&err, EINVAL, "a request of %zd bytes", n);
	else
		serve(e, &rq, &err);
	reply.code = err.code;
	reply.done_ns = clock_mono_ns();
	snprintf(reply.text, sizeof(reply.text), "%.*s",
		 (int)sizeof(reply.text) - 1, err.msg);
	/* Nobody to hear it is noticed by the next turn. */
	send(e->control_fd, &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
}
