/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue of an interface: a token bucket (tbf) for its rate, netem for
 * everything else.
 *
 * The bucket holds what is sent in 2 ms, but never less than a few packets: a
 * smaller one makes the timer's granularity the rate. Packets longer than the
 * bucket (segmentation offload) are cut up by the kernel.
 *
 * Where there are both, netem is the root and hands what has had its delay to
 * the bucket. The other way round, the bucket would see netem's packets only
 * when it has tokens, and netem, which counts what it holds, would drop those
 * that are merely under way.
 */
#include "orchestrator/kernel/batch.h"

#include <errno.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/netem.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>
#include <stdio.h>

#define BUCKET_DIVISOR 500 /* 2 ms */
#define BUCKET_MIN 6000 /* bytes: four packets */
#define QUEUE_DIVISOR 20 /* 50 ms */
#define QUEUE_MIN 30000
#define NETEM_PACKETS 1000000 /* under way: no limit of the model's */
#define PPB_ONE 1000000000
#define NETEM_MAJOR 1

static void tbf_fill(struct rtnl_qdisc *qdisc, const struct kqueue *q)
{
	uint64_t rate = q->rate_bps / 8;
	uint64_t bucket = rate / BUCKET_DIVISOR;
	uint64_t queue = q->queue_bytes ? q->queue_bytes : rate / QUEUE_DIVISOR;

	if (bucket < BUCKET_MIN)
		bucket = BUCKET_MIN;
	if (queue < QUEUE_MIN && !q->queue_bytes)
		queue = QUEUE_MIN;
	rtnl_qdisc_tbf_set_rate(qdisc, (int)rate, (int)bucket, 0);
	rtnl_qdisc_tbf_set_limit(qdisc, (int)queue);
}

/* netem's probabilities are shares of 2^32. */
static int netem_share(uint32_t ppb)
{
	return (int)(uint32_t)((uint64_t)ppb * UINT32_MAX / PPB_ONE);
}

static void netem_fill(struct rtnl_qdisc *qdisc, const struct kqueue *q)
{
	rtnl_netem_set_limit(qdisc, NETEM_PACKETS);
	if (q->delay_us)
		rtnl_netem_set_delay(qdisc, (int)q->delay_us);
	if (q->jitter_us)
		rtnl_netem_set_jitter(qdisc, (int)q->jitter_us);
	if (q->loss_ppb)
		rtnl_netem_set_loss(qdisc, netem_share(q->loss_ppb));
	if (q->duplicate_ppb)
		rtnl_netem_set_duplicate(qdisc, netem_share(q->duplicate_ppb));
	if (q->corrupt_ppb)
		rtnl_netem_set_corruption_probability(
			qdisc, netem_share(q->corrupt_ppb));
	if (q->reorder_ppb) {
		rtnl_netem_set_gap(qdisc, 1);
		rtnl_netem_set_reorder_probability(qdisc,
						   netem_share(q->reorder_ppb));
	}
}

static int build(uint32_t ifindex, uint32_t parent, uint32_t handle,
		 const char *kind,
		 void (*fill)(struct rtnl_qdisc *, const struct kqueue *),
		 const struct kqueue *q, struct nl_msg **msg)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	int r;

	if (!qdisc)
		return -NLE_NOMEM;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), (int)ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), parent);
	if (handle)
		rtnl_tc_set_handle(TC_CAST(qdisc), handle);
	r = rtnl_tc_set_kind(TC_CAST(qdisc), kind);
	if (!r) {
		fill(qdisc, q);
		r = rtnl_qdisc_build_add_request(
			qdisc, NLM_F_CREATE | NLM_F_REPLACE, msg);
	}
	rtnl_qdisc_put(qdisc);
	return r;
}

static int build_delete(uint32_t ifindex, struct nl_msg **msg)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	int r;

	if (!qdisc)
		return -NLE_NOMEM;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), (int)ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
	r = rtnl_qdisc_build_delete_request(qdisc, msg);
	rtnl_qdisc_put(qdisc);
	return r;
}

int kbatch_queue(struct kbatch *b, size_t tag, uint32_t ifindex,
		 const struct kqueue *q, size_t *failed_tag, struct err *err)
{
	bool netem = q->delay_us || q->jitter_us || q->loss_ppb ||
		     q->duplicate_ppb || q->reorder_ppb || q->corrupt_ppb;
	uint32_t handle = netem ? TC_HANDLE(NETEM_MAJOR, 0) : 0;
	struct nl_msg *msg = NULL;
	char what[104];
	int r;

	snprintf(what, sizeof(what), "set the queue of interface %u", ifindex);
	r = kbatch_step(b, tag, what, failed_tag, err);
	if (r)
		return r;
	if (q->rate_bps / 8 > INT32_MAX || q->queue_bytes > INT32_MAX ||
	    q->delay_us > INT32_MAX || q->jitter_us > INT32_MAX)
		return kbatch_fail(tag, what, ERANGE, NULL, failed_tag, err);
	if (!netem && !q->rate_bps) {
		r = build_delete(ifindex, &msg);
		/* There may be none but the kernel's own. */
		r = kbatch_put(b, tag, what, msg, r, ENOENT, failed_tag, err);
		nlmsg_free(msg);
		return r;
	}
	if (netem) {
		r = build(ifindex, TC_H_ROOT, handle, "netem", netem_fill, q,
			  &msg);
		r = kbatch_put(b, tag, what, msg, r, 0, failed_tag, err);
		nlmsg_free(msg);
		msg = NULL;
	}
	if (q->rate_bps && !r) {
		r = build(ifindex,
			  netem ? TC_HANDLE(NETEM_MAJOR, 1) : TC_H_ROOT, 0,
			  "tbf", tbf_fill, q, &msg);
		r = kbatch_put(b, tag, what, msg, r, 0, failed_tag, err);
		nlmsg_free(msg);
	}
	return r;
}
