/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/names/names.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct header {
	uint64_t node;
	uint32_t what, padding;
};

_Static_assert(sizeof(struct header) <= 64, "NAMES_MESSAGE_MAX has room");

size_t names_entry_size(uint32_t n)
{
	return sizeof(struct names_entry) + n * sizeof(struct names_target);
}

static int send_message(int fd, const struct header *h, const void *body,
			size_t n, const int *sockets)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(NAMES_SOCKETS * sizeof(int))] = { 0 };
	struct iovec iov[2] = { { (void *)h, sizeof(*h) },
				{ (void *)body, n } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n ? 2 : 1 };
	ssize_t r;

	if (sockets) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(NAMES_SOCKETS * sizeof(int));
		memcpy(CMSG_DATA(c), sockets, NAMES_SOCKETS * sizeof(int));
	}
	do
		r = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int names_send_open(int fd, uint64_t node, const int sockets[NAMES_SOCKETS])
{
	const struct header h = { .what = NAMES_OPEN, .node = node };

	return send_message(fd, &h, NULL, 0, sockets);
}

int names_send_close(int fd, uint64_t node)
{
	const struct header h = { .what = NAMES_CLOSE, .node = node };

	return send_message(fd, &h, NULL, 0, NULL);
}

int names_send_set(int fd, const struct names_entry *entry)
{
	const struct header h = { .what = NAMES_SET };

	return send_message(fd, &h, entry, names_entry_size(entry->n), NULL);
}

/* ---- the other side ------------------------------------------------------ */

static void take_sockets(struct msghdr *msg, int sockets[NAMES_SOCKETS])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_RIGHTS ||
		    c->cmsg_len != CMSG_LEN(NAMES_SOCKETS * sizeof(int)))
			continue;
		memcpy(sockets, CMSG_DATA(c), NAMES_SOCKETS * sizeof(int));
		return;
	}
}

static bool entry_is_whole(const struct names_entry *e, size_t n)
{
	return n >= sizeof(*e) && e->n <= NAMES_TARGETS_MAX &&
	       n == names_entry_size(e->n) &&
	       memchr(e->name, '\0', sizeof(e->name));
}

int names_receive(int fd, void *buf, struct names_message *out)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(NAMES_SOCKETS * sizeof(int))];
	struct header h = { 0 };
	struct iovec iov[2] = { { &h, sizeof(h) },
				{ buf, NAMES_MESSAGE_MAX - sizeof(h) } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : 0;
	*out = (struct names_message){ .what = (enum names_what)h.what,
				       .node = h.node,
				       .sockets = { -1, -1 } };
	take_sockets(&msg, out->sockets);
	if ((size_t)n < sizeof(h) || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	switch (out->what) {
	case NAMES_OPEN:
		return out->sockets[0] < 0 ? -EBADMSG : 1;
	case NAMES_CLOSE:
		return 1;
	case NAMES_SET:
		out->entry = buf;
		return entry_is_whole(out->entry, (size_t)n - sizeof(h)) ?
			       1 :
			       -EBADMSG;
	}
	return -EBADMSG;
}
