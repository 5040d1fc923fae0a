/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/names/names.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct header {
	uint64_t node;
	uint32_t what;
	uint32_t sockets; /* OPEN: of each node */
};

_Static_assert(sizeof(struct header) <= 64, "NAMES_MESSAGE_MAX has room");

size_t names_entry_size(uint32_t n)
{
	return sizeof(struct names_entry) + n * sizeof(struct names_target);
}

#define SOCKETS_MAX NAMES_SOCKETS_AT_ONCE

_Static_assert(NAMES_SOCKETS_MAX <= SOCKETS_MAX, "a node's fit into a message");

static int send_message(int fd, const struct header *h, const void *body,
			size_t n, const int *sockets, size_t n_sockets)
{
	_Alignas(struct cmsghdr) char
		control[CMSG_SPACE(SOCKETS_MAX * sizeof(int))] = { 0 };
	struct iovec iov[2] = { { (void *)h, sizeof(*h) },
				{ (void *)body, n } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n ? 2 : 1 };
	ssize_t r;

	if (n_sockets) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_sockets * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_sockets * sizeof(int));
		memcpy(CMSG_DATA(c), sockets, n_sockets * sizeof(int));
	}
	do
		r = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int names_send_open(int fd, const struct names_node *nodes, size_t n)
{
	size_t each = n ? nodes[0].n : 0;
	const struct header h = { .what = NAMES_OPEN,
				  .sockets = (uint32_t)each };
	uint64_t ids[NAMES_OPEN_MAX];
	int sockets[SOCKETS_MAX];

	if (n > NAMES_OPEN_MAX || each > NAMES_SOCKETS_MAX ||
	    n * each > SOCKETS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (nodes[i].n != each)
			return -EINVAL;
		ids[i] = nodes[i].node;
		memcpy(sockets + i * each, nodes[i].sockets,
		       each * sizeof(*sockets));
	}
	return send_message(fd, &h, ids, n * sizeof(*ids), sockets, n * each);
}

int names_send_close(int fd, uint64_t node)
{
	const struct header h = { .what = NAMES_CLOSE, .node = node };

	return send_message(fd, &h, NULL, 0, NULL, 0);
}

int names_send_set(int fd, const struct names_entry *entry)
{
	const struct header h = { .what = NAMES_SET };

	return send_message(fd, &h, entry, names_entry_size(entry->n), NULL, 0);
}

/* ---- the other side ------------------------------------------------------ */

/* How many. */
static size_t take_sockets(struct msghdr *msg, int sockets[SOCKETS_MAX])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(sockets, CMSG_DATA(c), n * sizeof(int));
		return n;
	}
	return 0;
}

static int take_nodes(struct names_message *out, size_t each, const void *body,
		      size_t n, const int *sockets, size_t n_sockets)
{
	uint64_t id;

	if (each < NAMES_SERVERS || each > NAMES_SOCKETS_MAX ||
	    n_sockets % each || n_sockets / each > NAMES_OPEN_MAX ||
	    n != n_sockets / each * sizeof(id))
		return -EBADMSG;
	out->n = n / sizeof(id);
	for (size_t i = 0; i < out->n; i++) {
		memcpy(&id, (const char *)body + i * sizeof(id), sizeof(id));
		out->nodes[i].node = id;
		out->nodes[i].n = each;
		memcpy(out->nodes[i].sockets, sockets + i * each,
		       each * sizeof(*sockets));
	}
	return 1;
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
		control[CMSG_SPACE(SOCKETS_MAX * sizeof(int))];
	int sockets[SOCKETS_MAX];
	struct header h = { 0 };
	size_t n_sockets;
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
	memset(out, 0, sizeof(*out));
	out->what = (enum names_what)h.what;
	out->node = h.node;
	n_sockets = take_sockets(&msg, sockets);
	if ((size_t)n < sizeof(h) || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	switch (out->what) {
	case NAMES_OPEN:
		return take_nodes(out, h.sockets, buf, (size_t)n - sizeof(h),
				  sockets, n_sockets);
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
