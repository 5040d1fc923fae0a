/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/emulate/emulate.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static int gone(struct err *err)
{
	return err_set(err, EPIPE, "the emulator of the links is gone");
}

static int wait_for_reply(int control, struct err *err)
{
	struct pollfd p = { .fd = control, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, EMULATE_PATIENCE_S * 1000);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_errno(err, errno, "wait for the emulator");
	if (r == 0)
		return err_set(err, ETIMEDOUT,
			       "the emulator of the links has not answered "
			       "for %d s",
			       EMULATE_PATIENCE_S);
	return 0;
}

int emulate_ask(int control, const struct emulate_request *request,
		struct emulate_reply *reply, struct err *err)
{
	ssize_t n;
	int r;

	do
		n = send(control, request, sizeof(*request), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return gone(err);
	if (n < 0)
		return err_errno(err, errno, "ask the emulator of the links");
	r = wait_for_reply(control, err);
	if (r)
		return r;
	do
		n = recv(control, reply, sizeof(*reply), 0);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return gone(err);
	if (n < 0)
		return err_errno(err, errno, "hear the emulator of the links");
	if (n != (ssize_t)sizeof(*reply))
		return err_set(err, EPROTO,
			       "the emulator of the links gave an answer of "
			       "%zd bytes",
			       n);
	reply->text[sizeof(reply->text) - 1] = '\0';
	return 0;
}
