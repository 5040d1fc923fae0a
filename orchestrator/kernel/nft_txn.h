/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of this layer only: a transaction on nf_tables, gathered and sent as one. */
#ifndef KERNEL_NFT_TXN_H
#define KERNEL_NFT_TXN_H

#include "orchestrator/kernel/kernel.h"
#include "orchestrator/kernel/netlink.h"
#include "base/vec.h"

/*
 * Whatever fails while it is gathered (memory, that is) is remembered and told
 * by the commit, which also frees all of it. One that holds nothing yet needs
 * no commit.
 */
struct nft_txn {
	char *buf; /* aligned messages */
	size_t len, cap;
	VEC(struct netlink_request) requests; /* one a message */
	bool failed;
	uint8_t family; /* of the messages that begin; 0: inet */
};

static inline struct nft_txn nft_txn_new(void)
{
	return (struct nft_txn){ 0 };
}

/*
 * The header of one more message (NFT_MSG_*, of t->family) with ample room
 * behind it; NULL: out of memory. What follows is to be finished by
 * nft_txn_end() before the next one begins.
 */
struct nlmsghdr *nft_txn_begin(struct nft_txn *t, uint16_t type, uint16_t flags,
			       const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void nft_txn_end(struct nft_txn *t, const struct nlmsghdr *nlh);

/* All of it or nothing. One kernel_step(), called what. */
int nft_txn_commit(struct nft_txn *t, struct kns *ns, const char *what,
		   struct err *err);

#endif
