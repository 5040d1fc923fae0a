/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulator of a lab, seen from init: the process that carries the frames of
 * all emulated links (orchestrator/emulate).
 *
 * Init opens the TAP devices, since it can enter every namespace, and hands
 * them over by forking: the child has the descriptors, and init closes its own
 * copies at once. Those of ends that come later, or again, go to it over the
 * control socket. The undertaker has a copy of each, so that the process may
 * die quickly, and lets go of them when it has. So a device exists as long as
 * the process does. Were they kept, an emulator that died would leave
 * interfaces that look well and swallow everything; this way they vanish, and
 * every program in the lab sees it.
 *
 * An end that goes is given back over the same socket, and init deletes it
 * (emulate/ends.c says why not the emulator).
 *
 * That death is told to the listener whenever it is noticed first: by SIGCHLD,
 * or by a request that nobody answers any more.
 */
#include "orchestrator/lab/internal.h"

#include "orchestrator/emulate/emulate.h"
#include "orchestrator/lab/undertaker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct lab_emulator {
	struct lab *lab;
	pid_t pid; /* 0: does not run */
	int control; /* -1: none */
	int error; /* the reading end; -1: none */
	bool ending; /* it was told to end */
	bool gone; /* it did not answer */
	int hung_s; /* for so long, and so it was killed */
	bool started; /* devices that are opened from here on are handed over */
	int *taps; /* by interface; -1: not open here */
	struct emulate_link *links;
	size_t n;
	size_t *index; /* by the scenario's link: which of these */
	struct link_params (*now)[2]; /* by the scenario's link */
};

int lab_emulator_init(struct lab *lab, struct err *err)
{
	const struct scenario *s = lab->plan->scenario;
	struct lab_emulator *e = calloc(1, sizeof(*e));

	lab->emulator = e;
	if (e) {
		e->lab = lab;
		e->control = e->error = -1;
		e->taps = calloc(lab->plan->ifaces.n + 1, sizeof(*e->taps));
		e->links = calloc(s->links.n + 1, sizeof(*e->links));
		e->index = calloc(s->links.n + 1, sizeof(*e->index));
		e->now = calloc(s->links.n + 1, sizeof(*e->now));
	}
	if (!e || !e->taps || !e->links || !e->index || !e->now)
		return err_errno(err, ENOMEM, "prepare the links");
	for (size_t i = 0; i < lab->plan->ifaces.n; i++)
		e->taps[i] = -1;
	for (size_t i = 0; i < s->links.n; i++)
		memcpy(e->now[i], s->links.v[i].params, sizeof(e->now[i]));
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_taps(struct lab_emulator *e)
{
	for (size_t i = 0; e->taps && i < e->lab->plan->ifaces.n; i++)
		close_fd(&e->taps[i]);
}

void lab_emulator_deinit(struct lab *lab)
{
	struct lab_emulator *e = lab->emulator;

	if (!e)
		return;
	close_taps(e);
	close_fd(&e->control);
	close_fd(&e->error);
	for (size_t i = 0; i < e->n; i++)
		for (size_t end = 0; end < 2; end++)
			free((char *)e->links[i].end[end].name);
	free(e->taps);
	free(e->links);
	free(e->index);
	free(e->now);
	free(e);
	lab->emulator = NULL;
}

const struct link_params *lab_link_params(const struct lab *lab, size_t link,
					  size_t end)
{
	return &lab->emulator->now[link][end];
}

/* ---- beginning ----------------------------------------------------------- */

static int name_end(const struct plan *p, size_t link, size_t end,
		    const char **out)
{
	const struct scn_endpoint *ep = &p->scenario->links.v[link].end[end];
	char *name;

	if (asprintf(&name, "%s%s%s", p->scenario->nodes.v[ep->node].name,
		     ep->ifname[0] ? ":" : "", ep->ifname) < 0)
		return -ENOMEM;
	*out = name;
	return 0;
}

static int list_links(struct lab_emulator *e, struct err *err)
{
	const struct plan *p = e->lab->plan;

	for (size_t i = 0; i < p->links.n; i++) {
		const struct scn_link *l = &p->scenario->links.v[i];
		struct emulate_link *out = &e->links[e->n];

		if (!l->emulated)
			continue;
		e->index[i] = e->n++;
		out->name = l->name;
		out->tolerance_ns = l->tolerance_ns;
		for (size_t end = 0; end < 2; end++) {
			out->end[end].fd = e->taps[plan_sender(p, i, end)];
			out->end[end].params = l->params[end];
			if (name_end(p, i, end, &out->end[end].name))
				return err_errno(err, ENOMEM, "list the links");
		}
	}
	return 0;
}

struct child_arg {
	struct lab_emulator *emulator;
	int control, error; /* its own ends */
};

static int child_main(void *arg, int status_fd)
{
	const struct child_arg *a = arg;
	struct lab_emulator *e = a->emulator;
	const struct emulate_config config = {
		.seed = e->lab->plan->scenario->seed,
		.links = e->links,
		.n = e->n,
		.spin_ns = e->lab->plan->scenario->spin_ns,
		.report = LAB_LINKS_FILE,
		.history = LAB_HISTORY_FILE,
		.fates = LAB_FATES_DIR,
	};

	/* Else it would not see init close them. */
	close(e->control);
	close(e->error);
	return emulate_main(&config, a->control, status_fd, a->error);
}

static void take_error(struct lab_emulator *e, char *buf, size_t size)
{
	ssize_t n = e->error < 0 ? 0 : read(e->error, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static void emulator_exited(void *arg, int status)
{
	struct lab_emulator *e = arg;
	const struct lab_listener *l = &e->lab->listener;
	char why[256];

	e->pid = 0;
	e->gone |= !e->ending;
	close_fd(&e->control);
	undertaker_tell(e->lab->options.undertaker, UNDERTAKER_TAP,
			UNDERTAKER_ALL, -1);
	take_error(e, why, sizeof(why));
	if (e->hung_s)
		snprintf(why, sizeof(why),
			 "it had not answered for %d s, and was killed",
			 e->hung_s);
	if (l->emulator_exited)
		l->emulator_exited(l->arg, status, e->ending, why);
}

static int open_channels(int control[2], int error[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control))
		return err_errno(err, errno, "open a pair of sockets");
	if (pipe2(error, O_CLOEXEC | O_NONBLOCK)) {
		int code = errno;

		close(control[0]);
		close(control[1]);
		return err_errno(err, code, "open a pipe");
	}
	return 0;
}

int lab_emulator_start(struct lab *lab, struct err *err)
{
	struct lab_emulator *e = lab->emulator;
	struct child_arg arg = { .emulator = e };
	int control[2], error[2], r;
	char why[256];

	r = list_links(e, err);
	if (!r && mkdir(LAB_FATES_DIR, 0755) && errno != EEXIST)
		r = err_errno(err, errno, "mkdir " LAB_FATES_DIR);
	if (!r)
		r = open_channels(control, error, err);
	if (r)
		return r;
	e->control = control[0];
	e->error = error[0];
	arg.control = control[1];
	arg.error = error[1];
	r = lab_spawn(lab, SCN_NONE, child_main, &arg, emulator_exited, e,
		      &e->pid, err);
	close(control[1]);
	close(error[1]);
	close_taps(e);
	if (r) {
		e->pid = 0;
		return r;
	}
	take_error(e, why, sizeof(why));
	if (!*why) {
		e->started = true;
		if (lab->listener.emulator_started)
			lab->listener.emulator_started(lab->listener.arg,
						       e->pid, e->n);
		return 0;
	}
	e->ending = true; /* that is told here */
	return err_set(err, EIO, "%s", why);
}

/* ---- requests ------------------------------------------------------------ */

/* done_ns, fd: of the answer; fd is the caller's. NULL: not wanted. */
static int ask(struct lab_emulator *e, const struct emulate_request *request,
	       int64_t *done_ns, int *fd, struct err *err)
{
	struct emulate_reply reply = { .fd = -1 };
	int r;

	if (e->control < 0 || e->gone)
		r = err_errno(err, EPIPE, "ask the emulator");
	else
		r = emulate_ask(e->control, request, &reply, err);
	if (r == -ETIMEDOUT) {
		/* Stopped, or hung: nothing it carries can be trusted. */
		if (e->pid && !kill(e->pid, SIGKILL))
			e->hung_s = emulate_patience_s(request->what);
		r = -EPIPE;
	}
	if (r == -EPIPE) {
		e->gone = true;
		return err_set(err, EPIPE, "the emulator is gone");
	}
	if (r)
		return r;
	if (done_ns)
		*done_ns = reply.done_ns;
	if (fd)
		*fd = reply.fd;
	else
		close_fd(&reply.fd);
	return reply.code ? err_set(err, reply.code, "%s", reply.text) : 0;
}

/* About the end of a link that sends what the interface does. */
static struct emulate_request about_end(const struct lab *lab,
					enum emulate_what what, size_t iface)
{
	const struct plan_iface *f = &lab->plan->ifaces.v[iface];

	return (struct emulate_request){
		.what = what,
		.link = lab->emulator->index[f->link],
		.end = (unsigned)(f->node == PLAN_LAB ? !f->end : f->end),
		.fd = -1,
	};
}

int lab_tap_open(struct lab *lab, struct kns *ns, size_t iface, struct err *err)
{
	const struct plan_iface *f = &lab->plan->ifaces.v[iface];
	struct lab_emulator *e = lab->emulator;
	struct emulate_request request;
	int r = kns_tap_open(ns, f->name, f->ifindex, &e->taps[iface], err);

	if (r)
		return r;
	undertaker_tell(lab->options.undertaker, UNDERTAKER_TAP, iface,
			e->taps[iface]);
	if (!e->started)
		return 0;
	request = about_end(lab, EMULATE_ATTACH, iface);
	request.fd = e->taps[iface];
	r = ask(e, &request, NULL, NULL, err);
	close_fd(&e->taps[iface]);
	if (r)
		undertaker_tell(lab->options.undertaker, UNDERTAKER_TAP, iface,
				-1);
	return r;
}

/* When this returns, it is gone, whoever has its descriptor. */
static int delete_device(struct lab *lab, size_t iface, struct err *err)
{
	const struct plan_iface *f = &lab->plan->ifaces.v[iface];
	struct kns *ns =
		f->node == PLAN_LAB ? lab->home : lab->nodes[f->node].ns;
	struct kbatch *batch = kbatch_new(ns);
	struct err e = ERR_INIT;
	size_t failed;
	int r;

	if (!batch)
		return err_errno(err, ENOMEM, "delete the TAP device");
	r = kbatch_link_del(batch, 0, f->ifindex, &failed, &e);
	if (!r)
		r = kbatch_commit(batch, &failed, &e);
	kbatch_free(batch);
	if (r == -ENODEV) /* a program of the node's was faster */
		return 0;
	if (r && err)
		*err = e;
	return r;
}

int lab_tap_close(struct lab *lab, size_t iface, struct err *err)
{
	const struct emulate_request request =
		about_end(lab, EMULATE_DETACH, iface);
	int fd = -1;
	int r = ask(lab->emulator, &request, NULL, &fd, err);

	if (!r)
		r = delete_device(lab, iface, err);
	close_fd(&fd);
	undertaker_tell(lab->options.undertaker, UNDERTAKER_TAP, iface, -1);
	return r;
}

int lab_link_change(struct lab *lab, size_t link,
		    const struct scn_link_change *set, struct err *err)
{
	struct lab_emulator *e = lab->emulator;
	const struct lab_listener *l = &lab->listener;
	struct emulate_request request = { .what = EMULATE_CHANGE,
					   .link = e->index[link] };
	struct link_params was[2];
	int r = kernel_step(&lab->kernel, err, "change the link");
	int64_t done_ns = 0;

	for (size_t end = 0; end < 2; end++) {
		request.from[end] = set->from[end].properties != 0;
		request.change[end] = set->from[end];
	}
	if (!r && lab->plan->scenario->links.v[link].emulated)
		r = ask(e, &request, &done_ns, NULL, err);
	if (r)
		return r;
	memcpy(was, e->now[link], sizeof(was));
	for (size_t end = 0; end < 2; end++) {
		link_params_apply(&e->now[link][end], &set->from[end]);
		if (l->link_changed && request.from[end])
			l->link_changed(l->arg, link, end, &was[end],
					&e->now[link][end], done_ns);
	}
	return 0;
}

/* Else the nodes would see it up to a second later. By the names that they have
 * now; ends that are not there see nothing. */
static int sync_carrier(struct lab *lab, size_t link, struct err *err)
{
	int r = 0;

	for (size_t end = 0; end < 2 && !r; end++) {
		const struct plan_iface *f =
			&lab->plan->ifaces.v[plan_sender(lab->plan, link, end)];
		struct kns *ns = f->node == PLAN_LAB ? lab->home :
						       lab->nodes[f->node].ns;
		char name[IFNAMSIZ];
		bool is_up;

		if (ns && !kns_ifname(ns, f->ifindex, name))
			r = kns_carrier_sync(ns, name, &is_up, err);
	}
	return r;
}

int lab_link_state(struct lab *lab, size_t link, bool up, struct err *err)
{
	const struct emulate_request request = {
		.what = EMULATE_STATE,
		.link = lab->emulator->index[link],
		.up = up,
	};
	int r = kernel_step(&lab->kernel, err, "switch the link");

	if (!r)
		r = ask(lab->emulator, &request, NULL, NULL, err);
	return r ? r : sync_carrier(lab, link, err);
}

int lab_calibrate_links(struct lab *lab, struct err *err)
{
	const struct emulate_request request = { .what = EMULATE_CALIBRATE };
	int r = 0;

	if (lab->emulator->pid)
		r = ask(lab->emulator, &request, NULL, NULL, err);
	if (r)
		err_wrap(err, "calibrate the links");
	return r;
}

int lab_begin_links(struct lab *lab, struct err *err)
{
	const struct emulate_request request = { .what = EMULATE_BEGIN };
	int r = 0;

	if (lab->emulator->pid)
		r = ask(lab->emulator, &request, NULL, NULL, err);
	if (r)
		err_wrap(err, "begin with the links");
	return r;
}

void lab_stop_emulator(struct lab *lab)
{
	const struct emulate_request request = { .what = EMULATE_STOP };
	struct lab_emulator *e = lab->emulator;
	struct err ignored = ERR_INIT;

	if (!e->pid || e->ending || e->gone)
		return;
	e->ending = true;
	if (ask(e, &request, NULL, NULL, &ignored))
		e->ending = false; /* its end is not ours */
}

bool lab_emulator_runs(const struct lab *lab)
{
	return lab->emulator->pid != 0;
}

bool lab_emulator_gone(const struct lab *lab)
{
	return lab->emulator->gone;
}
