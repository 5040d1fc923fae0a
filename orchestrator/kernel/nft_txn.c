/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nf_tables takes what lies between a "begin" and an "end" message as one
 * transaction, if and only if it comes in one datagram: so the buffer grows as
 * it must and is sent whole. (libnftnl's and libmnl's batches would send a
 * long one in pieces, each a transaction of its own.)
 *
 * The ack is asked of the last message within, for older kernels do not answer
 * the "end"; it is sent after the commit. A commit that fails as a whole is
 * answered under the number of the "begin".
 */
#include "orchestrator/kernel/nft_txn.h"

#include "orchestrator/kernel/kns.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* libnftnl writes without looking; no message of ours reaches a quarter. */
#define MESSAGE_MAX 4096

static char *message_room(struct nft_txn *t)
{
	if (t->cap - t->len < MESSAGE_MAX) {
		size_t cap = t->cap ? t->cap * 2 : 2 * MESSAGE_MAX;
		char *buf = realloc(t->buf, cap);

		if (!buf)
			return NULL;
		t->buf = buf;
		t->cap = cap;
	}
	return t->buf + t->len;
}

static struct netlink_request *message_begin(struct nft_txn *t, char **room)
{
	struct netlink_request *req;

	*room = message_room(t);
	req = *room ? VEC_PUSH(&t->requests) : NULL;
	if (!req)
		t->failed = true;
	return req;
}

/* The frame around it: nftnl_batch_begin() or nftnl_batch_end(). */
static void put_frame(struct nft_txn *t,
		      struct nlmsghdr *(*build)(char *, uint32_t))
{
	struct netlink_request *req;
	char *room;

	req = message_begin(t, &room);
	if (!req)
		return;
	snprintf(req->what, sizeof(req->what), "nftables transaction");
	nft_txn_end(t, build(room, 0));
}

struct nlmsghdr *nft_txn_begin(struct nft_txn *t, uint16_t type, uint16_t flags,
			       const char *fmt, ...)
{
	struct netlink_request *req;
	char *room;
	va_list ap;

	if (!t->len)
		put_frame(t, nftnl_batch_begin);
	if (t->failed)
		return NULL;
	req = message_begin(t, &room);
	if (!req)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(req->what, sizeof(req->what), fmt, ap);
	va_end(ap);
	return nftnl_nlmsg_build_hdr(
		room, type, t->family ? t->family : NFPROTO_INET, flags, 0);
}

void nft_txn_end(struct nft_txn *t, const struct nlmsghdr *nlh)
{
	t->len += MNL_ALIGN(nlh->nlmsg_len);
}

static int txn_send(struct nft_txn *t, struct kns *ns, const char *what,
		    struct err *err)
{
	size_t failed;
	int fd, r;

	r = kernel_step(ns->kernel, err, what);
	if (r)
		return r;
	put_frame(t, nftnl_batch_end);
	if (t->failed)
		return err_errno(err, ENOMEM, "%s", what);
	fd = kns_nf_fd(ns, err);
	if (fd < 0)
		return fd;
	r = netlink_transact(fd, t->buf, t->len, t->requests.v,
			     t->requests.n - 2, &failed, err);
	if (r)
		err_wrap(err, "%s", what);
	return r;
}

int nft_txn_commit(struct nft_txn *t, struct kns *ns, const char *what,
		   struct err *err)
{
	int r = t->len || t->failed ? txn_send(t, ns, what, err) : 0;

	free(t->buf);
	VEC_FREE(&t->requests);
	*t = nft_txn_new();
	return r;
}
