/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/emulate.h"

#include "base/fd_pass.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int gone(struct err *err)
{
	return err_set(err, EPIPE, "the emulator of the links is gone");
}

int emulate_patience_s(enum emulate_what what)
{
	return what == EMULATE_CALIBRATE || what == EMULATE_STOP ?
		       EMULATE_PATIENCE_LONG_S :
		       EMULATE_PATIENCE_S;
}

/* The request, with its device where it hands one over. */
static ssize_t put(int control, const struct emulate_request *request)
{
	int fd = request->what == EMULATE_ATTACH ? request->fd : -1;

	return fd_pass_send(control, request, sizeof(*request), fd, 0);
}

static int wait_for_reply(int control, int patience_s, struct err *err)
{
	struct pollfd p = { .fd = control, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, patience_s * 1000);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_errno(err, errno, "wait for the emulator");
	if (r == 0)
		return err_set(err, ETIMEDOUT,
			       "the emulator of the links has not answered "
			       "for %d s",
			       patience_s);
	return 0;
}

/* The next message of the answer. */
static int hear(int control, int patience_s, struct emulate_reply *reply,
		struct err *err)
{
	int r = wait_for_reply(control, patience_s, err);
	int fd = -1;
	ssize_t n;

	if (r)
		return r;
	n = fd_pass_receive(control, reply, sizeof(*reply), &fd, 0);
	if (n == (ssize_t)sizeof(*reply)) {
		reply->fd = fd;
		reply->text[sizeof(reply->text) - 1] = '\0';
		return 0;
	}
	if (fd >= 0)
		close(fd);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return gone(err);
	if (n < 0)
		return err_errno(err, errno, "hear the emulator of the links");
	return err_set(err, EPROTO,
		       "the emulator of the links gave an answer of %zd bytes",
		       n);
}

int emulate_ask(int control, const struct emulate_request *request,
		struct emulate_reply *reply, struct err *err)
{
	int patience_s = emulate_patience_s(request->what);
	ssize_t n = put(control, request);
	int fd = -1, r;

	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return gone(err);
	if (n < 0)
		return err_errno(err, errno, "ask the emulator of the links");
	r = hear(control, patience_s, reply, err);
	if (!r && reply->more) {
		fd = reply->fd;
		r = hear(control, patience_s, reply, err);
	}
	if (r) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	reply->fd = fd;
	return 0;
}
