/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lab asks for while frames go on. A request is served between two
 * turns of frames, so nothing of it is ever seen half done.
 */
#include "orchestrator/emulate/internal.h"

#include "base/clock.h"

#include "base/fd_pass.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void change(struct emulator *e, const struct emulate_request *rq)
{
	for (unsigned end = 0; end < 2; end++) {
		struct side *side = &e->sides[2 * rq->link + end];

		if (!rq->from[end])
			continue;
		report_settle(side);
		history_cut(&side->history, side->model, e->now_ns);
		link_change(side->model, e->now_ns, &rq->change[end]);
		side->changes++;
		carry_reschedule(e, side);
	}
}

static int set_carrier(struct emulator *e, struct side *side, bool up,
		       struct err *err)
{
	unsigned carrier = up;

	if (side->fd < 0)
		return 0;
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
static int set_state(struct emulator *e, size_t link, bool up, struct err *err)
{
	struct side *sides = &e->sides[2 * link];
	int r = 0;

	for (unsigned end = 0; up && end < 2; end++)
		if (sides[end].fd < 0)
			return err_set(err, ENOTCONN, "%s is not there",
				       sides[end].name);
	for (unsigned end = 0; end < 2; end++) {
		struct carry_drop drop = { .emulator = e, .side = &sides[end] };
		int r2 = set_carrier(e, &sides[end], up, r ? NULL : err);

		r = r ? r : r2;
		sides[end].down = !up;
		history_cut(&sides[end].history, sides[end].model, e->now_ns);
		link_set_up(sides[end].model, up, e->now_ns, carry_forget,
			    &drop);
	}
	for (unsigned end = 0; end < 2; end++) {
		if (!up)
			carry_drain(e, &sides[end]);
		carry_reschedule(e, &sides[end]);
	}
	return r;
}

static int detach(struct emulator *e, const struct emulate_request *rq,
		  struct err *err)
{
	const struct side *side = &e->sides[2 * rq->link + rq->end];

	if (side->fd < 0)
		return err_set(err, ENOTCONN, "%s is not there", side->name);
	return set_state(e, rq->link, false, err);
}

static void begin(struct emulator *e)
{
	for (size_t i = 0; i < 2 * e->config->n; i++)
		e->sides[i].late = (struct tally){ 0 };
	e->beat.late = (struct tally){ 0 };
}

int emulate_request_check(const struct emulate_request *rq, size_t n,
			  bool handed_over, size_t links, struct err *err)
{
	bool of_end = false, of_link = false;

	if (n != sizeof(*rq))
		return err_set(err, EINVAL, "a request of %zu bytes", n);
	switch (rq->what) {
	case EMULATE_ATTACH:
	case EMULATE_DETACH:
		of_end = true;
		/* fall through */
	case EMULATE_CHANGE:
	case EMULATE_STATE:
		of_link = true;
		break;
	case EMULATE_CALIBRATE:
	case EMULATE_BEGIN:
	case EMULATE_STOP:
		break;
	default:
		return err_set(err, EINVAL, "there is no request %d",
			       (int)rq->what);
	}
	if (of_link && rq->link >= links)
		return err_set(err, EINVAL, "there is no link %zu", rq->link);
	if (of_end && rq->end > 1)
		return err_set(err, EINVAL, "a link has no end %u", rq->end);
	if (handed_over != (rq->what == EMULATE_ATTACH))
		return err_set(err, EINVAL,
			       handed_over ? "a device that nobody asked for" :
					     "an end without a device");
	return 0;
}

/* fd: what came with it, which is taken over. */
static int serve(struct emulator *e, const struct emulate_request *rq, int fd,
		 struct err *err)
{
	e->now_ns = clock_mono_ns();
	switch (rq->what) {
	case EMULATE_CHANGE:
		change(e, rq);
		return 0;
	case EMULATE_STATE:
		return set_state(e, rq->link, rq->up, err);
	case EMULATE_ATTACH:
		return end_attach(e, &e->sides[2 * rq->link + rq->end], fd,
				  err);
	case EMULATE_DETACH:
		return detach(e, rq, err);
	case EMULATE_CALIBRATE:
		e->beat.next_ns = 0; /* it holds the loop up by itself */
		return calibrate(e, err);
	case EMULATE_BEGIN:
		begin(e);
		return 0;
	case EMULATE_STOP:
		break;
	}
	e->ending = true;
	return report_write(e, err);
}

/* fd: goes with it; -1: none does. */
static void answer(const struct emulator *e, struct emulate_reply *reply,
		   int fd)
{
	/* Nobody to hear it is noticed by the next turn. */
	fd_pass_send(e->control_fd, reply, sizeof(*reply), fd, MSG_DONTWAIT);
}

/* Ahead of the answer, so that we are not the last to hold it any more when
 * that comes (ends.c). */
static void give_device(struct emulator *e, const struct emulate_request *rq)
{
	struct emulate_reply reply = { .more = true };
	int fd = end_detach(e, &e->sides[2 * rq->link + rq->end]);

	answer(e, &reply, fd);
	close(fd);
}

void control_serve(struct emulator *e)
{
	struct emulate_reply reply = { 0 };
	struct err err = ERR_INIT;
	struct emulate_request rq;
	int fd;
	ssize_t n = fd_pass_receive(e->control_fd, &rq, sizeof(rq), &fd,
				    MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* Whoever asks is gone: the lab is over. */
		e->ending = true;
		return;
	}
	e->control_requests++;
	if (emulate_request_check(&rq, (size_t)n, fd >= 0, e->config->n,
				  &err)) {
		if (fd >= 0)
			close(fd);
	} else if (!serve(e, &rq, fd, &err) && rq.what == EMULATE_DETACH) {
		give_device(e, &rq);
	}
	reply.code = err.code;
	reply.done_ns = clock_mono_ns();
	snprintf(reply.text, sizeof(reply.text), "%.*s",
		 (int)sizeof(reply.text) - 1, err.msg);
	answer(e, &reply, -1);
}
