/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The capture of a run: a child of init that is in no node, and told to stop by
 * a byte in a pipe. It tells by another when its files are complete, and,
 * should it fail, why. */
#include "orchestrator/cli/run_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_BYTES_ALL ((size_t)256 << 20) /* over all nodes */
#define RING_BYTES_ONE ((size_t)8 << 20)

static int capture_child(void *arg, int status_fd)
{
	struct run *run = arg;

	close(run->capture_stop[1]);
	close(status_fd);
	return capture_main(run->capture, RECORD_TRACE, run->capture_stop[0],
			    run->capture_done[1], run->capture_error[1]);
}

static int on_capture_done(sd_event_source *source, int fd, uint32_t events,
			   void *arg)
{
	struct run *run = arg;
	char byte;

	(void)events;
	run->capture_complete = read(fd, &byte, 1) == 1;
	/* Else it died, and its exit status will tell. */
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void capture_ended(void *arg, int status)
{
	struct run *run = arg;

	run->capture_pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		struct err e = ERR_INIT;
		char why[512];
		ssize_t n = read(run->capture_error[0], why, sizeof(why) - 1);

		why[n > 0 ? n : 0] = '\0';
		why[strcspn(why, "\n")] = '\0';
		if (!*why)
			snprintf(why, sizeof(why), "it ended by %s %d",
				 WIFSIGNALED(status) ? "signal" : "status",
				 WIFSIGNALED(status) ? WTERMSIG(status) :
						       WEXITSTATUS(status));
		err_set(&e, EIO, "the capture failed: %s", why);
		run_fail(run, &e);
	}
}

static int capture_node(struct run *run, size_t node, size_t ring_bytes,
			struct err *err)
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
		r = capture_add(run->capture, run->scenario->nodes.v[node].name,
				lab_netns(run->lab, node), ifaces.v, ifaces.n,
				ring_bytes, err);
	VEC_FREE(&ifaces);
	return r;
}

int run_start_capture(struct run *run, struct err *err)
{
	size_t nodes = 0, ring;
	int r = 0;

	for (size_t i = 0; i < run->scenario->nodes.n; i++)
		nodes += run->scenario->nodes.v[i].kind != SCN_NODE_BRIDGE;
	if (!nodes)
		return 0;
	ring = RING_BYTES_ALL / nodes;
	if (ring > RING_BYTES_ONE)
		ring = RING_BYTES_ONE;
	run->capture = capture_new();
	if (!run->capture)
		return err_errno(err, ENOMEM, "capture");
	for (size_t i = 0; i < run->scenario->nodes.n && !r; i++)
		if (run->scenario->nodes.v[i].kind != SCN_NODE_BRIDGE)
			r = capture_node(run, i, ring, err);
	if (!r)
		r = capture_open(run->capture, err);
	if (!r && (pipe2(run->capture_stop, O_CLOEXEC) ||
		   pipe2(run->capture_done, O_CLOEXEC) ||
		   pipe2(run->capture_error, O_CLOEXEC | O_NONBLOCK)))
		r = err_errno(err, errno, "pipe");
	if (!r)
		r = lab_spawn(run->lab, SCN_NONE, capture_child, run,
			      capture_ended, run, &run->capture_pid, err);
	if (!r) {
		close(run->capture_done[1]);
		close(run->capture_error[1]);
		r = sd_event_add_io(run->event, NULL, run->capture_done[0],
				    EPOLLIN, on_capture_done, run);
		r = r < 0 ? err_errno(err, -r, "event loop") : 0;
	}
	if (r)
		err_wrap(err, "start the capture");
	run->capture = capture_free(run->capture);
	return r;
}
