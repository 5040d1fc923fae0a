/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rate of an interface: a token bucket (tbf) as its root queue.
 *
 * The bucket holds what is sent in 2 ms, but never less than a few packets: a
 * smaller one makes the timer's granularity the rate. Packets longer than the
 * bucket (segmentation offload) are cut up by the kernel.
 */
#include "orchestrator/kernel/batch.h"

#include <errno.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>
#include <stdio.h>

#define BUCKET_DIVISOR 500 /* 2 ms */
#define BUCKET_MIN 6000 /* bytes: four packets */
#define QUEUE_DIVISOR 20 /* 50 ms */
#define QUEUE_MIN 30000

static int tbf_build(uint32_t ifindex, uint64_t bps, struct nl_msg **msg)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	uint64_t rate = bps / 8;
	uint64_t bucket = rate / BUCKET_DIVISOR, queue = rate / QUEUE_DIVISOR;
	int r;

	if (!qdisc)
		return -NLE_NOMEM;
	if (bucket < BUCKET_MIN)
		bucket = BUCKET_MIN;
	if (queue < QUEUE_MIN)
		queue = QUEUE_MIN;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), (int)ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
	r = rtnl_tc_set_kind(TC_CAST(qdisc), "tbf");
	if (!r) {
		rtnl_qdisc_tbf_set_rate(qdisc, (int)rate, (int)bucket, 0);
		rtnl_qdisc_tbf_set_limit(qdisc, (int)queue);
		r = rtnl_qdisc_build_add_request(
			qdisc, NLM_F_CREATE | NLM_F_REPLACE, msg);
	}
	rtnl_qdisc_put(qdisc);
	return r;
}

int kbatch_rate(struct kbatch *b, size_t tag, uint32_t ifindex, uint64_t bps,
		size_t *failed_tag, struct err *err)
{
	struct nl_msg *msg = NULL;
	char what[104];
	int r;

	snprintf(what, sizeof(what), "set the rate of interface %u", ifindex);
	r = kbatch_step(b, tag, what, failed_tag, err);
	if (r)
		return r;
	if (bps / 8 > INT32_MAX)
		return kbatch_fail(tag, what, ERANGE, NULL, failed_tag, err);
	r = tbf_build(ifindex, bps, &msg);
	r = kbatch_put(b, tag, what, msg, r, 0, failed_tag, err);
	nlmsg_free(msg);
	return r;
}
