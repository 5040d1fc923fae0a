/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out operations. Neighbouring requests to one namespace go to the
 * kernel together; whatever is not rtnetlink, and every change of namespace,
 * first sends what has been gathered, so that the order of the operations is
 * the order in which the kernel sees them. Likewise requests to salds: they are
 * all sent before the first answer is waited for, so that what changes in many
 * nodes changes at the same time.
 */
#include "orchestrator/lab/internal.h"
#include "orchestrator/lab/undertaker.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <string.h>

#define IFINDEX_LO 1
#define MTU_DEFAULT 1500
#define ETHER_HEADER 14
#define MPTCP_MOST 8 /* subflows: what the kernel takes */

struct run {
	struct lab *lab;
	const struct plan_op *ops;
	size_t n;
	struct kbatch *batch; /* NULL: nothing gathered */
	size_t node; /* the batch's */
	bool asked; /* salds have not answered yet */
	bool named; /* names are not what they are to be yet */
	/* Index of the operation to blame; n + a node's: its lo; SIZE_MAX: none
	 */
	size_t failed;
	struct err *err;
};

static struct kns *namespace_of(struct lab *lab, size_t node)
{
	return node == PLAN_LAB ? lab->home : lab->nodes[node].ns;
}

static int flush(struct run *run)
{
	int r = 0;

	if (run->batch)
		r = kbatch_commit(run->batch, &run->failed, run->err);
	run->batch = kbatch_free(run->batch);
	return r;
}

/* The batch of the operation's namespace. */
static int gather(struct run *run, size_t i)
{
	struct lab *lab = run->lab;
	size_t node = run->ops[i].node;
	int r;

	if (run->batch && run->node == node)
		return 0;
	r = flush(run);
	if (r)
		return r;
	run->failed = i;
	if (!namespace_of(lab, node))
		return err_set(run->err, ENOENT, "the node is not built");
	run->batch = kbatch_new(namespace_of(lab, node));
	run->node = node;
	if (!run->batch)
		return err_errno(run->err, ENOMEM, "gather requests");
	/* Not at NODE_ADD: there it would be a system call of its own. */
	if (node != PLAN_LAB && !lab->nodes[node].lo_up) {
		r = kbatch_link_set(run->batch, run->n + node, IFINDEX_LO, true,
				    &run->failed, run->err);
		lab->nodes[node].lo_up = !r;
	}
	return r;
}

static int add_node(struct run *run, const struct plan_op *op)
{
	struct lab_node *node = &run->lab->nodes[op->node];

	node->lo_up = false;
	return kns_new(&run->lab->kernel, &node->ns, run->err);
}

/*
 * Sockets that nobody holds any more, with something left to send that nobody
 * answers, would keep the namespace for minutes.
 */
static int remove_node(struct lab *lab, size_t node, struct err *err)
{
	static const struct ip_prefix all[] = {
		{ .addr = { .family = AF_INET } },
		{ .addr = { .family = AF_INET6 } },
	};
	struct err e = ERR_INIT;
	int r = lab_names_close(lab, node, err);

	if (r)
		return r;
	r = kns_destroy_sockets(lab->nodes[node].ns, all, 2, NULL, &e);

	/* A kernel that cannot (CONFIG_INET_DIAG_DESTROY) takes its time. */
	if (r && r != -EOPNOTSUPP) {
		if (err)
			*err = e;
		return r;
	}
	if (lab->nodes[node].mourned)
		undertaker_tell(lab->options.undertaker, UNDERTAKER_NODE, node,
				-1);
	lab->nodes[node].mourned = false;
	lab->nodes[node].ns = kns_free(lab->nodes[node].ns);
	return 0;
}

static int add_link(struct run *run, size_t i)
{
	const struct plan_op *op = &run->ops[i];
	struct lab *lab = run->lab;
	struct kveth_end end[2] = { 0 };

	for (size_t k = 0; k < 2; k++) {
		const struct plan_iface *f =
			&lab->plan->ifaces.v[op->link.iface[k]];

		end[k].ns = namespace_of(lab, f->node);
		end[k].name = f->name;
		end[k].ifindex = f->ifindex;
		end[k].mac = f->mac;
		if (!end[k].ns)
			return err_set(run->err, ENOENT,
				       "the node is not built");
	}
	if (op->link.bridge != SCN_NONE)
		end[0].master = lab->plan->ifaces.v[op->link.bridge].ifindex;
	return kbatch_veth_add(run->batch, i, &end[0], &end[1], op->link.mtu,
			       &run->failed, run->err);
}

/* In the kernel's queues, a limit of packets is one of full frames. */
static int set_queue(struct run *run, size_t i)
{
	const struct plan_op *op = &run->ops[i];
	const struct scn_link *link =
		&run->lab->plan->scenario->links.v[op->queue.link];
	const struct link_params *p =
		lab_link_params(run->lab, op->queue.link, op->queue.from);
	uint64_t frame = (link->mtu ? link->mtu : MTU_DEFAULT) + ETHER_HEADER;
	struct kqueue q = {
		.rate_bps = p->rate_bps,
		.queue_bytes = p->queue.bytes,
		.delay_us = (uint32_t)(p->delay_ns / 1000),
		.jitter_us = (uint32_t)(p->jitter.spread_ns / 1000),
		.loss_ppb =
			p->loss.kind == LINK_LOSS_INDEPENDENT ? p->loss.ppb : 0,
		.duplicate_ppb = p->duplicate_ppb,
		.reorder_ppb = p->reorder_ppb,
		.corrupt_ppb = p->corrupt_ppb,
	};

	if (!q.queue_bytes && p->queue.wait_ns)
		q.queue_bytes = frame + (uint64_t)((double)p->rate_bps / 8e9 *
						   (double)p->queue.wait_ns);
	if (!q.queue_bytes && p->queue.packets != LINK_QUEUE_DEFAULT)
		q.queue_bytes = p->queue.packets * frame;
	return kbatch_queue(run->batch, i,
			    run->lab->plan->ifaces.v[op->queue.iface].ifindex,
			    &q, &run->failed, run->err);
}

static int set_tap(struct run *run, size_t i)
{
	const struct plan_op *op = &run->ops[i];
	const struct plan_iface *ifaces = run->lab->plan->ifaces.v;
	const struct ktap_setup setup = {
		.mac = ifaces[op->tap.iface].mac,
		.mtu = op->tap.mtu,
		.master = op->tap.bridge == SCN_NONE ?
				  0 :
				  ifaces[op->tap.bridge].ifindex,
		.queue_frames = KTAP_QUEUE_FRAMES,
	};
	int r = lab_tap_open(run->lab, namespace_of(run->lab, op->node),
			     op->tap.iface, run->err);

	return r ? r :
		   kbatch_tap_set(run->batch, i, ifaces[op->tap.iface].ifindex,
				  &setup, &run->failed, run->err);
}

/* Requests that can be gathered. */
static int add_request(struct run *run, size_t i)
{
	const struct plan_op *op = &run->ops[i];
	const struct plan_iface *ifaces = run->lab->plan->ifaces.v;
	struct kbatch *b = run->batch;
	bool up = op->kind == PLAN_OP_IFACE_UP;

	switch (op->kind) {
	case PLAN_OP_BRIDGE_ADD:
		return kbatch_bridge_add(b, i, ifaces[op->iface.iface].name,
					 ifaces[op->iface.iface].ifindex,
					 &run->failed, run->err);
	case PLAN_OP_LINK_ADD:
		return add_link(run, i);
	case PLAN_OP_LINK_DEL:
		return kbatch_link_del(b, i, ifaces[op->link.iface[0]].ifindex,
				       &run->failed, run->err);
	case PLAN_OP_IFACE_UP:
	case PLAN_OP_IFACE_DOWN:
		return kbatch_link_set(b, i, ifaces[op->iface.iface].ifindex,
				       up, &run->failed, run->err);
	case PLAN_OP_IFACE_CONF:
		return kbatch_inet_conf(b, i, ifaces[op->iface.iface].ifindex,
					op->iface.forwarding,
					op->iface.ignore_linkdown, &run->failed,
					run->err);
	case PLAN_OP_ADDR_ADD:
	case PLAN_OP_ADDR_DEL:
		return kbatch_addr(b, i, op->kind == PLAN_OP_ADDR_ADD,
				   ifaces[op->addr.iface].ifindex,
				   &op->addr.address, &run->failed, run->err);
	case PLAN_OP_QUEUE_SET:
		return set_queue(run, i);
	case PLAN_OP_TAP_ADD:
		return set_tap(run, i);
	case PLAN_OP_ROUTE_SET:
		return kbatch_route_set(b, i, &op->route.to, &op->route.via,
					ifaces[op->route.iface].ifindex,
					op->route.metric, &run->failed,
					run->err);
	case PLAN_OP_IFACE_RENAME:
		return kbatch_rename(b, i, ifaces[op->rename.iface].ifindex,
				     op->rename.name, &run->failed, run->err);
	case PLAN_OP_IFACE_MTU:
		return kbatch_mtu(b, i, ifaces[op->mtu.iface].ifindex,
				  op->mtu.mtu, &run->failed, run->err);
	case PLAN_OP_PORT_MOVE:
		return kbatch_master(b, i, ifaces[op->port.iface].ifindex,
				     ifaces[op->port.bridge].ifindex,
				     &run->failed, run->err);
	case PLAN_OP_ROUTE_ADD:
	case PLAN_OP_ROUTE_DEL:
		return kbatch_route(b, i, op->kind == PLAN_OP_ROUTE_ADD,
				    &op->route.to, &op->route.via,
				    ifaces[op->route.iface].ifindex,
				    op->route.metric, &run->failed, run->err);
	default:
		return err_set(run->err, ENOTSUP, "not a request to rtnetlink");
	}
}

/* ---- salds -------------------------------------------------------------- */

/*
 * The routes for the time when the sald is gone, and its TUN device with it: so
 * that a program is told at once. They are there from the start, behind those
 * of the sald, since nobody could add them as fast as it may end.
 */
static int start_sald(struct run *run, size_t i)
{
	const struct plan *plan = run->lab->plan;
	const struct plan_node *node = &plan->nodes.v[run->ops[i].node];
	struct ip_prefix to[PLAN_SAL_PREFIXES_MAX + 2];
	size_t n = plan_sal_prefixes(plan, to);
	int r = gather(run, i);

	to[n++] = node->inner[0];
	to[n++] = node->inner[1];
	for (size_t k = 0; k < n && !r; k++)
		r = kbatch_unreachable(run->batch, i, &to[k], &run->failed,
				       run->err);
	if (!r)
		r = flush(run);
	run->failed = r ? run->failed : i;
	return r ? r : lab_sald_start(run->lab, run->ops[i].node, run->err);
}

static int settle(struct run *run)
{
	if (!run->asked)
		return 0;
	run->asked = false;
	return lab_sald_settle(run->lab, &run->failed, run->err);
}

/* The last change of a name is blamed: which one was not taken, nobody says. */
static int settle_names(struct run *run)
{
	if (!run->named)
		return 0;
	for (size_t i = 0; i < run->n; i++)
		if (run->ops[i].kind == PLAN_OP_NAME_ADD ||
		    run->ops[i].kind == PLAN_OP_NAME_DEL ||
		    run->ops[i].kind == PLAN_OP_NAMES_OPEN)
			run->failed = i;
	return lab_names_settle(run->lab, run->err);
}

static int ask_sald(struct run *run, size_t i)
{
	const struct plan_op *op = &run->ops[i];

	run->asked = true;
	return lab_sald_request(run->lab, op->node, i,
				lab_sald_request_of(run->lab, op), run->err);
}

static int add_endpoint(struct run *run, const struct plan_op *op,
			struct kns *ns)
{
	const struct plan *plan = run->lab->plan;
	enum scn_mptcp role = plan_mptcp_role(plan, op->addr.iface);
	const struct kmptcp_endpoint e = {
		.address = op->addr.address.addr,
		.ifindex = plan->ifaces.v[op->addr.iface].ifindex,
		.signal = role == SCN_MPTCP_SIGNAL,
		.backup = role == SCN_MPTCP_BACKUP,
	};

	return kmptcp_add(ns, &e, run->err);
}

/* By the name that it has by now. */
static int sync_carrier(struct run *run, const struct plan_op *op,
			struct kns *ns)
{
	char name[IFNAMSIZ];
	bool up;
	int r = kns_ifname(
		ns, run->lab->plan->ifaces.v[op->iface.iface].ifindex, name);

	return r ? err_errno(run->err, -r, "find the interface") :
		   kns_carrier_sync(ns, name, &up, run->err);
}

/* One operation, or a few that belong together; *next is the one behind. */
static int step(struct run *run, size_t i, size_t *next)
{
	const struct plan_op *op = &run->ops[i];
	struct kns *ns;
	int r;

	*next = i + 1;
	switch (op->kind) {
	case PLAN_OP_BRIDGE_ADD:
	case PLAN_OP_LINK_ADD:
	case PLAN_OP_LINK_DEL:
	case PLAN_OP_ADDR_ADD:
	case PLAN_OP_ADDR_DEL:
	case PLAN_OP_IFACE_UP:
	case PLAN_OP_IFACE_DOWN:
	case PLAN_OP_IFACE_CONF:
	case PLAN_OP_ROUTE_ADD:
	case PLAN_OP_ROUTE_DEL:
	case PLAN_OP_QUEUE_SET:
	case PLAN_OP_TAP_ADD:
	case PLAN_OP_ROUTE_SET:
	case PLAN_OP_IFACE_RENAME:
	case PLAN_OP_IFACE_MTU:
	case PLAN_OP_PORT_MOVE:
		r = settle(run);
		if (!r)
			r = gather(run, i);
		if (r)
			return r;
		run->failed = i;
		return add_request(run, i);
	case PLAN_OP_CARRIER_SYNC:
	case PLAN_OP_MASQUERADE:
	case PLAN_OP_DROP:
	case PLAN_OP_MPTCP_LIMITS:
	case PLAN_OP_MPTCP_ADD:
	case PLAN_OP_MPTCP_DEL:
	case PLAN_OP_NODE_ADD:
	case PLAN_OP_NODE_DEL:
	case PLAN_OP_SYSCTL:
	case PLAN_OP_NAT_INIT:
	case PLAN_OP_NAT_DEL:
	case PLAN_OP_NAT_ADD:
	case PLAN_OP_NAT_BIND:
	case PLAN_OP_NAT_ALSO:
	case PLAN_OP_TAP_DEL:
	case PLAN_OP_EMULATOR_START:
	case PLAN_OP_LINK_CHANGE:
	case PLAN_OP_LINK_STATE:
	case PLAN_OP_CUT:
	case PLAN_OP_UNCUT:
	case PLAN_OP_SILENCE:
	case PLAN_OP_UNSILENCE:
	case PLAN_OP_NAMES_START:
	case PLAN_OP_NAMES_OPEN:
	case PLAN_OP_NAME_ADD:
	case PLAN_OP_NAME_DEL:
		r = settle(run);
		if (r)
			return r;
		break;
	case PLAN_OP_SALD_START:
	case PLAN_OP_SAL_INTERFACE:
	case PLAN_OP_SAL_POLICY:
	case PLAN_OP_SAL_NAME:
	case PLAN_OP_SAL_LISTEN:
	case PLAN_OP_SAL_RULE_ADD:
	case PLAN_OP_SAL_RULE_DEL:
	case PLAN_OP_SAL_RULE_CHANGE:
		break;
	}

	r = flush(run);
	if (r)
		return r;
	run->failed = i;
	if (op->kind == PLAN_OP_NODE_ADD)
		return add_node(run, op);
	ns = namespace_of(run->lab, op->node);
	if (!ns)
		return err_set(run->err, ENOENT, "the node is not built");
	switch (op->kind) {
	case PLAN_OP_SALD_START:
		return start_sald(run, i);
	case PLAN_OP_SAL_INTERFACE:
	case PLAN_OP_SAL_POLICY:
	case PLAN_OP_SAL_NAME:
	case PLAN_OP_SAL_LISTEN:
	case PLAN_OP_SAL_RULE_ADD:
	case PLAN_OP_SAL_RULE_DEL:
	case PLAN_OP_SAL_RULE_CHANGE:
		return ask_sald(run, i);
	case PLAN_OP_TAP_DEL:
		return lab_tap_close(run->lab, op->tap.iface, run->err);
	case PLAN_OP_EMULATOR_START:
		return lab_emulator_start(run->lab, run->err);
	case PLAN_OP_NAMES_START:
		return lab_names_start(run->lab, run->err);
	case PLAN_OP_NAMES_OPEN:
		run->named = true;
		/* A node of no interfaces has its lo all the same. */
		if (!run->lab->nodes[op->node].lo_up) {
			r = gather(run, i);
			if (!r)
				r = flush(run);
		}
		return r ? r : lab_names_open(run->lab, op->node, run->err);
	case PLAN_OP_NAME_ADD:
	case PLAN_OP_NAME_DEL:
		run->named = true;
		return lab_name_change(run->lab, op->name.service,
				       &op->name.address, op->name.weight,
				       op->kind == PLAN_OP_NAME_ADD, run->err);
	case PLAN_OP_LINK_CHANGE:
		return lab_link_change(run->lab, op->wire.link, op->wire.set,
				       run->err);
	case PLAN_OP_LINK_STATE:
		return lab_link_state(run->lab, op->wire.link, op->wire.up,
				      run->err);
	case PLAN_OP_MPTCP_LIMITS:
		return kmptcp_limits(ns, MPTCP_MOST, MPTCP_MOST, run->err);
	case PLAN_OP_MPTCP_ADD:
		return add_endpoint(run, op, ns);
	case PLAN_OP_MPTCP_DEL:
		return kmptcp_del(ns, &op->addr.address.addr, run->err);
	case PLAN_OP_DROP:
		return kdrop_set(ns, op->drop.flags, op->drop.count, run->err);
	case PLAN_OP_MASQUERADE:
		return lab_masquerade(run->lab, op, run->err);
	case PLAN_OP_CARRIER_SYNC:
		return sync_carrier(run, op, ns);
	case PLAN_OP_NODE_DEL:
		return remove_node(run->lab, op->node, run->err);
	case PLAN_OP_SYSCTL:
		return kns_sysctl(ns, op->sysctl.key, op->sysctl.value,
				  run->err);
	case PLAN_OP_CUT:
		return lab_cut(run->lab, op, run->err);
	case PLAN_OP_UNCUT:
		return kcut_clear(ns, run->err);
	case PLAN_OP_SILENCE:
		return lab_silence(run->lab, op->node, run->err);
	case PLAN_OP_UNSILENCE:
		return ksilence_clear(ns, run->err);
	case PLAN_OP_NAT_INIT:
		return knat_init(ns, run->err);
	case PLAN_OP_NAT_DEL:
		return knat_deinit(ns, run->err);
	default: /* NAT_ADD, NAT_BIND */
		r = lab_apply_bindings(run->lab, run->ops, run->n, i, next,
				       run->err);
		run->failed = r ? *next : i;
		return r;
	}
}

/* The kernel's layer says what it was about, in numbers; the operation's text
 * says so in the scenario's names. Leaves the reason, by which it ends. */
static void say_once(struct err *err)
{
	static const char injected[] = "injected failure";
	const char *reason = strstr(err->msg, injected);

	if (!reason)
		reason = strstr(err->msg, strerror(err->code));
	if (reason)
		memmove(err->msg, reason, strlen(reason) + 1);
}

int lab_apply(struct lab *lab, const struct plan_op *ops, size_t n,
	      struct err *err)
{
	struct err mine = ERR_INIT;
	struct run run = {
		.lab = lab, .ops = ops, .n = n, .failed = SIZE_MAX, .err = &mine
	};
	char text[1024];
	int r = 0;

	for (size_t i = 0; i < n && !r;)
		r = step(&run, i, &i);
	if (!r)
		r = settle(&run);
	if (!r)
		r = flush(&run);
	if (!r)
		r = settle_names(&run);
	kbatch_free(run.batch);
	if (!r)
		return 0;
	if (run.failed < n) {
		const struct plan_op *op = &ops[run.failed];

		say_once(&mine);
		err_wrap(&mine, "%s",
			 plan_op_text(lab->plan, op, text, sizeof(text)));
		err_at(&mine, op->pos);
	} else if (run.failed - n < lab->plan->scenario->nodes.n) {
		const struct scn_node *node =
			&lab->plan->scenario->nodes.v[run.failed - n];

		say_once(&mine);
		err_wrap(&mine, "%s: set lo up", node->name);
		err_at(&mine, node->pos);
	}
	if (err)
		*err = mine;
	return r;
}
