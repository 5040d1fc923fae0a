/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A system call a request, and a wake-up for its ack, is what makes "ip" in a
 * loop slow; a thousand requests in one send is what loses answers. A batch
 * stays small enough that even if every request of it failed, the answers (well
 * below 1 KiB each, as the kernel accounts for them) fit into a receive buffer
 * of the default 208 KiB, which cannot be raised without root.
 */
#include "orchestrator/kernel/batch.h"

#include "orchestrator/kernel/netlink.h"

#include <errno.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES 32768
#define BATCH_MESSAGES 64

struct kbatch {
	struct kns *ns;
	size_t len; /* bytes in use */
	size_t n; /* messages */
	struct netlink_request requests[BATCH_MESSAGES];
	union {
		struct nlmsghdr header;
		char bytes[BATCH_BYTES];
	} buf;
};

struct kbatch *kbatch_new(struct kns *ns)
{
	struct kbatch *b = malloc(sizeof(*b));

	if (!b)
		return NULL;
	b->ns = ns;
	b->len = b->n = 0;
	return b;
}

struct kbatch *kbatch_free(struct kbatch *b)
{
	free(b);
	return NULL;
}

struct kns *kbatch_ns(const struct kbatch *b)
{
	return b->ns;
}

int kbatch_fail(size_t tag, const char *what, int code, const char *words,
		size_t *failed_tag, struct err *err)
{
	if (failed_tag)
		*failed_tag = tag;
	if (words)
		return err_set(err, code, "%s: %s: %s", what, strerror(code),
			       words);
	return err_errno(err, code, "%s", what);
}

int kbatch_commit(struct kbatch *b, size_t *failed_tag, struct err *err)
{
	size_t failed;
	int r;

	if (!b->n)
		return 0;
	r = netlink_transact(nl_socket_get_fd(b->ns->rt), &b->buf, b->len,
			     b->requests, b->n - 1, &failed, err);
	if (r && failed_tag)
		*failed_tag =
			failed == SIZE_MAX ? SIZE_MAX : b->requests[failed].tag;
	b->len = b->n = 0;
	return r;
}

int kbatch_step(struct kbatch *b, size_t tag, const char *what,
		size_t *failed_tag, struct err *err)
{
	int r = kernel_step(b->ns->kernel, err, what);

	if (r && failed_tag)
		*failed_tag = tag;
	return r;
}

/* libnl's codes are its own. Its builders fail for few reasons. */
static int errno_of_nl(int nle)
{
	switch (nle < 0 ? -nle : nle) {
	case NLE_NOMEM:
		return ENOMEM;
	case NLE_MSGSIZE:
		return EMSGSIZE;
	case NLE_OPNOTSUPP:
		return EOPNOTSUPP;
	case NLE_AF_NOSUPPORT:
		return EAFNOSUPPORT;
	default:
		return EINVAL;
	}
}

int kbatch_put(struct kbatch *b, size_t tag, const char *what,
	       const struct nl_msg *msg, int built, int tolerated,
	       size_t *failed_tag, struct err *err)
{
	const struct nlmsghdr *nlh;
	struct netlink_request *req;
	size_t room;
	int r;

	if (built < 0)
		return kbatch_fail(tag, what, errno_of_nl(built),
				   nl_geterror(built), failed_tag, err);
	nlh = nlmsg_hdr((struct nl_msg *)msg);
	room = NLMSG_ALIGN(nlh->nlmsg_len);
	if (room > sizeof(b->buf))
		return kbatch_fail(tag, what, EMSGSIZE, NULL, failed_tag, err);
	if (b->n == BATCH_MESSAGES || b->len + room > sizeof(b->buf)) {
		r = kbatch_commit(b, failed_tag, err);
		if (r)
			return r;
	}
	memset(b->buf.bytes + b->len, 0, room);
	memcpy(b->buf.bytes + b->len, nlh, nlh->nlmsg_len);
	b->len += room;
	req = &b->requests[b->n++];
	req->tag = tag;
	req->tolerated = tolerated;
	snprintf(req->what, sizeof(req->what), "%s", what);
	return 0;
}
