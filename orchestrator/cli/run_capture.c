/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture of a run: a child of init that is in no node. It is started as
 * soon as there are nodes, since opening their rings is a wait in the kernel
 * for which the building of the lab need not stop. A byte in a pipe has it
 * capture, one in another has it stop; it answers by a third one when it
 * captures and when its files are complete. Should it fail, it says why by a
 * fourth one, with what kind of error that is: the remedy depends on it.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"
#include "base/units.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_BYTES_ALL ((size_t)256 << 20) /* over all nodes */
#define RING_BYTES_ONE ((size_t)8 << 20)
/* How long the reader may be kept from reading: a ring of 64 blocks lasts so
 * long where few packets come, since each block is handed out after 4 ms. */
#define QUEUE_PATIENCE_NS (256 * NSEC_PER_MSEC)
#define QUEUE_PAYLOAD_MAX 1024 /* never a fragment */

static void hold(void *arg, size_t node, int fd)
{
	const struct run *run = arg;

	lab_hold_capture(run->lab, node, fd);
}

static void release(void *arg)
{
	const struct run *run = arg;

	lab_release_captures(run->lab);
}

static int capture_child(void *arg, int status_fd)
{
	struct run *run = arg;
	const struct capture_holder holder = { hold, release, run };
	struct err err = ERR_INIT;
	char byte;
	int r;

	close(run->capture_go[1]);
	close(run->capture_orders[1]);
	(void)status_fd;
	if (lab_has_undertaker(run->lab))
		capture_set_holder(run->capture, &holder);
	r = capture_open(run->capture, &err);
	if (!r && read(run->capture_go[0], &byte, 1) != 1)
		return 0; /* the run ended before it began */
	if (!r)
		r = capture_start(run->capture, &err);
	if (!r) {
		(void)!write(run->capture_told[1], "", 1);
		r = capture_main(run->capture, RECORD_TRACE,
				 run->capture_orders[0], run->capture_told[1],
				 &err);
	}
	/* A pipe takes no more than that in one piece. */
	static_assert(sizeof(err) <= PIPE_BUF, "");
	if (r)
		(void)!write(run->capture_error[1], &err, sizeof(err));
	return r != 0;
}

static int on_capture_told(sd_event_source *source, int fd, uint32_t events,
			   void *arg)
{
	struct run *run = arg;
	char byte = 'x'; /* for the end */

	(void)events;
	if (read(fd, &byte, 1) == 1 && byte == 'n')
		run->capture_again--;
	else if (!byte)
		run->capture_stage++;
	else /* it died, and its exit status will tell */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void capture_ended(void *arg, int status)
{
	struct run *run = arg;

	run->capture_pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		struct err e = ERR_INIT;
		char name[16];

		if (read(run->capture_error[0], &e, sizeof(e)) == sizeof(e))
			;
		else if (WIFSIGNALED(status))
			err_set(&e, EIO, "it ended by %s",
				units_format_signal(WTERMSIG(status), name,
						    sizeof(name)));
		else
			err_set(&e, EIO, "it ended with status %d",
				WEXITSTATUS(status));
		err_wrap(&e, "the capture failed");
		if (run->capture_stage < CAPTURE_RUNS)
			err_at(&e, run->scenario->topology_pos);
		run_fail(run, &e);
	}
}

static int capture_node(struct run *run, struct capture *capture, size_t node,
			size_t ring_bytes, struct err *err)
{
	VEC(struct capture_iface) ifaces = { 0 };
	int r = 0;

	for (size_t i = 0; i < run->plan->ifaces.n && !r; i++) {
		const struct plan_iface *f = &run->plan->ifaces.v[i];
		struct capture_iface *slot;

		if (f->node != node)
			continue;
		slot = VEC_PUSH(&ifaces);
		if (!slot) {
			r = err_errno(err, ENOMEM, "capture");
			break;
		}
		slot->ifindex = f->ifindex;
		slot->name = f->name;
	}
	if (!r)
		r = capture_add(capture, run->scenario->nodes.v[node].name,
				lab_netns(run->lab, node), ifaces.v, ifaces.n,
				ring_bytes, err);
	VEC_FREE(&ifaces);
	return r;
}

/*
 * Kernel memory that a node's packets take within a ring's patience, at most:
 * each packet of a probe passes a node in and out, and so does the answer. A
 * packet's buffer is rounded up to a power of two.
 */
static size_t queue_load(const struct scenario *s)
{
	size_t load = 0;

	for (size_t i = 0; i < s->probes.n; i++) {
		const struct scn_probe *p = &s->probes.v[i];

		if ((p->kind != SCN_PROBE_PING &&
		     p->kind != SCN_PROBE_UDP_ECHO) ||
		    p->payload > QUEUE_PAYLOAD_MAX)
			return SIZE_MAX;
		load += (size_t)(1 + QUEUE_PATIENCE_NS / p->interval_ns) * 4 *
			(2048 + 2 * (size_t)p->payload);
	}
	return load;
}

/* Are all packets of the run known beforehand, and few? Emulated links delay
 * packets and let them go together, or make more of them. */
static bool queues_will_do(const struct run *run)
{
	return !run->scenario->processes.n && !plan_has_sald(run->plan) &&
	       !scn_has_emulated(run->scenario) &&
	       queue_load(run->scenario) <= capture_queue_room();
}

/* How much memory each node's ring has; 0: there are no nodes. */
static size_t ring_size(const struct scenario *s)
{
	size_t nodes = 0, ring;

	for (size_t i = 0; i < s->nodes.n; i++)
		nodes += s->nodes.v[i].kind != SCN_NODE_BRIDGE;
	ring = nodes ? RING_BYTES_ALL / nodes : 0;
	return ring < RING_BYTES_ONE ? ring : RING_BYTES_ONE;
}

int run_capture_again(struct run *run, size_t node, struct err *err)
{
	int r;

	if (!run->capture_pid)
		return 0;
	r = capture_again(run->capture_orders[1],
			  run->scenario->nodes.v[node].name,
			  lab_netns(run->lab, node), err);
	run->capture_again += !r;
	return r;
}

int run_start_capture(struct run *run, struct err *err)
{
	size_t ring = ring_size(run->scenario);
	int r = 0;

	if (!ring)
		return 0;
	run->capture = capture_new();
	if (!run->capture)
		return err_errno(err, ENOMEM, "capture");
	for (size_t i = 0; i < run->scenario->nodes.n && !r; i++)
		if (run->scenario->nodes.v[i].kind != SCN_NODE_BRIDGE)
			r = capture_node(run, run->capture, i, ring, err);
	if (!r && queues_will_do(run))
		capture_use_queues(run->capture);
	if (!r && (pipe2(run->capture_go, O_CLOEXEC) ||
		   socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			      run->capture_orders) ||
		   pipe2(run->capture_told, O_CLOEXEC) ||
		   pipe2(run->capture_error, O_CLOEXEC | O_NONBLOCK)))
		r = err_errno(err, errno, "pipe");
	if (!r)
		r = lab_fork(run->lab, capture_child, run, capture_ended, run,
			     &run->capture_pid, err);
	if (!r) {
		close(run->capture_told[1]);
		close(run->capture_error[1]);
		r = sd_event_add_io(run->event, NULL, run->capture_told[0],
				    EPOLLIN, on_capture_told, run);
		r = r < 0 ? err_errno(err, -r, "event loop") : 0;
	}
	if (r) {
		err_wrap(err, "start the capture");
		err_at(err, run->scenario->topology_pos);
	}
	run->capture = capture_free(run->capture);
	return r;
}

static bool capture_is_complete(const struct run *run)
{
	return run->capture_stage >= CAPTURE_COMPLETE || !run->capture_pid;
}

static void write_comments(struct run *run)
{
	struct err e = ERR_INIT;

	if (recorder_write_comments(run->recorder, &e))
		run_fail(run, &e);
}

void run_stop_capture(struct run *run)
{
	bool over = false;

	if (!run->capture_pid || run->capture_stage != CAPTURE_RUNS)
		return;
	write_comments(run);
	(void)!send(run->capture_orders[1], "", 1, MSG_NOSIGNAL);
	run_turn_until(run, capture_is_complete, 0, &over);
}
