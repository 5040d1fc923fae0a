/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/lab/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/lab/undertaker.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>

/*
 * The lab's own namespace holds bridges and their ports, and is no host: with
 * IPv6 on, every port would get multicast routes of its own, and building turn
 * quadratic. The bridges' packets also have no business in netfilter.
 */
static int quiet_home(struct lab *lab, struct err *err)
{
	static const struct {
		const char *key, *value;
		bool may_lack;
	} settings[] = {
		{ "net/ipv6/conf/all/disable_ipv6", "1", true },
		{ "net/ipv6/conf/default/disable_ipv6", "1", true },
		{ "net/bridge/bridge-nf-call-iptables", "0", true },
		{ "net/bridge/bridge-nf-call-ip6tables", "0", true },
		{ "net/bridge/bridge-nf-call-arptables", "0", true },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct err e = ERR_INIT;
		int r = kns_sysctl(lab->home, settings[i].key,
				   settings[i].value, &e);

		if (r && !(r == -ENOENT && settings[i].may_lack)) {
			if (err)
				*err = e;
			return r;
		}
	}
	return 0;
}

int lab_new(const struct plan *plan, sd_event *event,
	    const struct lab_options *options,
	    const struct lab_listener *listener, struct lab **out,
	    struct err *err)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	int r;

	if (!lab)
		return err_errno(err, ENOMEM, "prepare the lab");
	lab->plan = plan;
	lab->event = event;
	lab->options = *options;
	lab->listener = *listener;
	lab->kernel.home_fd = -1;
	lab->log_told[0] = lab->log_told[1] = -1;
	lab->own_pid_ns = -1;
	lab->nodes = calloc(plan->scenario->nodes.n + 1, sizeof(*lab->nodes));
	for (size_t i = 0; lab->nodes && i < plan->scenario->nodes.n; i++)
		lab->nodes[i].orders = lab->nodes[i].pid_ns = -1;
	lab->hosts = plan_hosts_text(plan);
	lab->has_names = plan_has_names(plan);
	if (!lab->nodes || !lab->hosts)
		r = err_errno(err, ENOMEM, "prepare the lab");
	else
		r = kernel_init(&lab->kernel, options->fail_at,
				options->fail_errno, err);
	if (!r)
		r = kns_home(&lab->kernel, &lab->home, err);
	if (!r)
		r = lab_children_init(lab, err);
	if (!r)
		r = lab_processes_init(lab, err);
	if (!r)
		r = lab_salds_init(lab, err);
	if (!r)
		r = lab_emulator_init(lab, err);
	if (!r)
		r = lab_names_init(lab, err);
	if (r) {
		err_at(err, plan->scenario->topology_pos);
		lab_free(lab);
		return r;
	}
	*out = lab;
	return 0;
}

struct lab *lab_free(struct lab *lab)
{
	if (!lab)
		return NULL;
	lab_names_deinit(lab);
	lab_logs_deinit(lab);
	lab_processes_deinit(lab);
	lab_salds_deinit(lab);
	lab_emulator_deinit(lab);
	lab_children_deinit(lab);
	for (size_t i = 0; lab->nodes && i < lab->plan->scenario->nodes.n;
	     i++) {
		kns_free(lab->nodes[i].ns);
		lab_node_close(&lab->nodes[i]);
	}
	if (lab->own_pid_ns >= 0)
		close(lab->own_pid_ns);
	kns_free(lab->home);
	kernel_deinit(&lab->kernel);
	VEC_FREE(&lab->handoffs);
	free(lab->nodes);
	free(lab->hosts);
	free(lab);
	return NULL;
}

int lab_build_nodes(struct lab *lab, struct err *err)
{
	int r = quiet_home(lab, err);

	if (r) {
		err_wrap(err, "prepare the lab's own namespace");
		err_at(err, lab->plan->scenario->topology_pos);
		return r;
	}
	for (size_t i = 0; i < lab->plan->ops.n; i++)
		if (lab->plan->ops.v[i].kind == PLAN_OP_NODE_ADD)
			lab->built = i + 1;
	return lab_apply(lab, lab->plan->ops.v, lab->built, err);
}

int lab_build(struct lab *lab, struct err *err)
{
	int r = lab_apply(lab, lab->plan->ops.v + lab->built,
			  lab->plan->ops.n - lab->built, err);

	return r ? r : lab_logs_start(lab, err);
}

/* The interface with that number, in words. */
static const char *iface_text(const struct lab *lab, uint32_t ifindex)
{
	for (size_t i = 0; i < lab->plan->ifaces.n; i++)
		if (lab->plan->ifaces.v[i].ifindex == ifindex)
			return lab->plan->ifaces.v[i].name;
	return "an interface";
}

/* Which nodes have IPv6 addresses that others may ask for. NULL: no memory. */
static bool *nodes_with_ipv6(const struct plan *plan)
{
	bool *has = calloc(plan->scenario->nodes.n + 1, sizeof(*has));

	for (size_t i = 0; has && i < plan->ops.n; i++) {
		const struct plan_op *op = &plan->ops.v[i];

		if (op->kind == PLAN_OP_ADDR_ADD && op->node != PLAN_LAB &&
		    op->addr.address.addr.family == AF_INET6)
			has[op->node] = true;
	}
	return has;
}

/*
 * Asks again a millisecond later: there are events for this (RTNLGRP_LINK), but
 * one would have to be subscribed in every namespace before anything is built,
 * for a wait that in most labs is over at the first look.
 */
int lab_wait_ready(struct lab *lab, int interrupt_fd, int64_t timeout_ns,
		   struct err *err)
{
	int64_t deadline = clock_mono_ns() + timeout_ns;
	struct pollfd pfd = { .fd = interrupt_fd, .events = POLLIN };
	size_t nodes = lab->plan->scenario->nodes.n;
	size_t next = 0; /* nodes before this one are ready; nodes: the lab */
	CLEANUP_FREE bool *ipv6 = nodes_with_ipv6(lab->plan);

	if (!ipv6)
		return err_errno(err, ENOMEM, "wait for the interfaces");
	while (next <= nodes) {
		struct kns *ns = next < nodes ? lab->nodes[next].ns : lab->home;
		uint32_t ifindex = 0;
		int r = ns ? kns_links_ready(ns, &ifindex, err) : 1;

		if (r > 0 && ns && next < nodes && ipv6[next])
			r = kns_addresses_ready(ns, &ifindex, err);
		if (r < 0)
			return r;
		if (r) {
			next++;
			continue;
		}
		if (clock_mono_ns() > deadline) {
			err_set(err, ETIMEDOUT,
				"%s of %s carries no packets yet after %.1f s",
				iface_text(lab, ifindex),
				next < nodes ?
					lab->plan->scenario->nodes.v[next]
						.name :
					"the lab",
				(double)timeout_ns / 1e9);
			return -ETIMEDOUT;
		}
		if (poll(&pfd, 1, 1) > 0)
			return err_errno(err, EINTR, "wait for the interfaces");
	}
	return 0;
}

uint64_t lab_steps(const struct lab *lab)
{
	return lab->kernel.steps;
}

int lab_netns(const struct lab *lab, size_t node)
{
	return lab->nodes[node].ns ? lab->nodes[node].ns->fd : -1;
}

bool lab_has_undertaker(const struct lab *lab)
{
	return lab->options.undertaker >= 0;
}

void lab_hold_capture(const struct lab *lab, size_t key, int fd)
{
	undertaker_tell(lab->options.undertaker, UNDERTAKER_CAPTURE, key, fd);
}

void lab_release_captures(const struct lab *lab)
{
	undertaker_tell(lab->options.undertaker, UNDERTAKER_CAPTURE,
			UNDERTAKER_ALL, -1);
}

const char *lab_node_dir(const struct lab *lab, size_t node)
{
	return lab->nodes[node].dir;
}

int lab_node_is_ready(struct lab *lab, size_t node,
		      bool (*counts)(void *arg, uint32_t ifindex), void *arg,
		      struct err *err)
{
	struct kns *ns = lab->nodes[node].ns;
	uint32_t ifindex;
	int r = kns_links_ready_if(ns, counts, arg, &ifindex, err);

	if (r > 0)
		r = kns_addresses_ready(ns, &ifindex, err);
	if (r > 0)
		r = kns_links_ready_if(lab->home, counts, arg, &ifindex, err);
	return r;
}
