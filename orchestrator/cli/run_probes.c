/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probes of a run: a child of init for each node that has some. What a
 * process tells of itself when a probe ends lies in memory shared with it, and
 * that it has ended comes by a pipe, at once: others may go on. One that was
 * killed has told nothing.
 *
 * They are processes of their node, and stop and go on with it. When it crashes
 * they end as well, but are asked to, while nobody can hear the node any more:
 * what they know would be lost otherwise. None of those that had begun comes
 * back with the node; one that had not begins at its time, or, if that has gone
 * by meanwhile, when the node is back.
 */
#include "orchestrator/cli/run_state.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FLUSH_NS NSEC_PER_SEC

/* What probes tell while they run: an entry of the timeline that waited for it,
 * or this and a probe that has ended. */
#define TOLD_END (UINT32_C(1) << 31)

struct shared {
	struct probe_process_usage process;
	int64_t awake_ns; /* told by us: see probe_config */
	struct probe_usage probes[]; /* in the order of prober.indices */
};

/* The probes of one node. */
struct prober {
	struct run *run;
	size_t node, n;
	size_t *indices; /* of the scenario */
	struct probe_config *configs;
	struct shared *shared;
	size_t shared_size;
	bool *end_known; /* of each: it is in the record */
	pid_t pid;
	int64_t crashed_ns; /* its node's crash; 0: it did not */
};

static int prober_child(void *arg, int status_fd)
{
	const struct prober *p = arg;
	sigset_t ours;

	/* They may come as soon as we are known. */
	sigemptyset(&ours);
	sigaddset(&ours, PROBES_FLUSH);
	sigaddset(&ours, PROBES_CRASH);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	close(status_fd);
	return probes_main(p->configs, p->n, -1, STDERR_FILENO,
			   p->shared->probes, &p->shared->process);
}

static int status_of(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) :
					128 + WTERMSIG(wait_status);
}

/* The i-th probe of p has ended, if it says so; true: it did, now or before. */
static bool note_end(struct prober *p, size_t i)
{
	const struct probe_usage *u = &p->shared->probes[i];

	if (!p->end_known[i] && __atomic_load_n(&u->ended, __ATOMIC_ACQUIRE)) {
		p->end_known[i] = true;
		recorder_probe_ended(p->run->recorder, p->indices[i], u,
				     p->crashed_ns &&
					     u->ended_ns >= p->crashed_ns);
	}
	return p->end_known[i];
}

static void note_end_of(struct run *run, size_t probe)
{
	for (size_t i = 0; i < run->n_probers; i++)
		for (size_t k = 0; k < run->probers[i].n; k++)
			if (run->probers[i].indices[k] == probe)
				note_end(&run->probers[i], k);
}

static void prober_ended(void *arg, int wait_status)
{
	struct prober *p = arg;
	struct run *run = p->run;
	int status = status_of(wait_status);

	p->pid = 0;
	run->probers_running--;
	for (size_t i = 0; i < p->n; i++)
		if (!note_end(p, i))
			recorder_probe_lost(run->recorder, p->indices[i],
					    status ? status : 1, p->crashed_ns);
	recorder_prober_ended(run->recorder, p->node, p->n, status,
			      &p->shared->process);
}

/* ---- beginning ---------------------------------------------------------- */

/* As a browser would call the server: by its name where it has one. */
static void name_host(const struct run *run, const struct scn_probe *s,
		      struct probe_config *out)
{
	size_t size = sizeof(out->request.host);
	char *host = out->request.host, address[IP_TEXT_MAX], port[8] = "";

	if (s->port != 80)
		snprintf(port, sizeof(port), ":%u", s->port);
	ip_format_addr(&out->to, address, sizeof(address));
	if (s->target == SCN_TARGET_SERVICE)
		snprintf(host, size, "%s.serval%s",
			 run->scenario->services.v[s->to].name, port);
	else
		snprintf(host, size,
			 out->to.family == AF_INET6 ? "[%s]%s" : "%s%s",
			 address, port);
}

/* What entries of the timeline wait for. */
static void add_watches(const struct run *run, size_t index,
			struct probe_config *out)
{
	const struct scenario *s = run->scenario;

	out->tell_fd = run->probe_told[1];
	out->tells_end = true;
	out->end_tag = TOLD_END | (uint32_t)index;
	for (size_t i = 0; i < s->timeline.n; i++) {
		const struct scn_entry *e = &s->timeline.v[i];

		if (e->trigger != SCN_TRIGGER_WHEN ||
		    e->when.kind != SCN_WHEN_PROBE || e->when.probe != index ||
		    out->n_watches == PROBE_WATCHES_MAX)
			continue;
		out->watches[out->n_watches++] = (struct probe_watch){
			.lost_run = e->when.lost_run,
			.rtt_ns = e->when.rtt_ns,
			.tag = (uint32_t)i,
		};
	}
}

static int on_probe_told(sd_event_source *source, int fd, uint32_t events,
			 void *arg)
{
	struct run *run = arg;
	uint32_t told;

	(void)source;
	(void)events;
	while (read(fd, &told, sizeof(told)) == sizeof(told))
		if (told & TOLD_END)
			note_end_of(run, told & ~TOLD_END);
		else
			timeline_saw_probe(run->timeline, told);
	return 0;
}

static int listen_to_probes(struct run *run, struct err *err)
{
	int r;

	if (pipe2(run->probe_told, O_CLOEXEC | O_NONBLOCK))
		return err_errno(err, errno, "pipe");
	r = sd_event_add_io(run->event, NULL, run->probe_told[0], EPOLLIN,
			    on_probe_told, run);
	return r < 0 ? err_errno(err, -r, "event loop") : 0;
}

/* Only the names of dns services change what they mean. */
static const char *dns_name(const struct run *run, const struct scn_probe *s)
{
	const struct scenario *scn = run->scenario;

	return s->target == SCN_TARGET_SERVICE &&
			       scn->services.v[s->to].resolver ==
				       SCN_RESOLVER_DNS ?
		       scn->services.v[s->to].full_name :
		       NULL;
}

static void configure(const struct run *run, size_t index, int64_t zero_ns,
		      struct probe_config *out)
{
	static const enum probe_type types[] = {
		[SCN_PROBE_PING] = PROBE_PING,
		[SCN_PROBE_UDP_ECHO] = PROBE_UDP_ECHO,
		[SCN_PROBE_TCP_STREAM] = PROBE_TCP_STREAM,
		[SCN_PROBE_TCP_REQUEST] = PROBE_TCP_REQUEST,
		[SCN_PROBE_HTTP] = PROBE_HTTP,
	};
	const struct scn_probe *s = &run->scenario->probes.v[index];

	*out = (struct probe_config){
		.index = (uint32_t)index,
		.type = types[s->kind],
		.to = plan_probe_target(run->plan, s),
		.name = dns_name(run, s),
		.port = s->port,
		.start_mono_ns = zero_ns + s->start_ns,
		.interval_ns = s->interval_ns,
		.for_ns = s->for_ns,
		.pauses = run->pauses,
		.payload = s->payload,
		.stream = {
			.upload = s->upload,
			.verify = s->verify,
			.mptcp = s->mptcp,
			.bytes = s->bytes,
			.rate_bps = s->rate_bps,
			.seed = run->scenario->seed,
		},
	};
	add_watches(run, index, out);
	snprintf(out->path, sizeof(out->path), RECORD_PROBES "/%s.csv",
		 s->name);
	out->request.keep = s->keep;
	out->request.timeout_ns = s->timeout_ns;
	out->request.request = s->request;
	out->request.response = s->response;
	out->request.concurrency = s->concurrency;
	out->request.path = s->path;
	name_host(run, s, out);
}

/* Those of a node whose time came, or comes, after that moment. */
static int take_probes(struct prober *p, int64_t after_ns)
{
	const struct scenario *s = p->run->scenario;
	int64_t zero_ns = recorder_zero(p->run->recorder);

	p->indices = calloc(s->probes.n, sizeof(*p->indices));
	p->configs = calloc(s->probes.n, sizeof(*p->configs));
	p->end_known = calloc(s->probes.n, sizeof(*p->end_known));
	if (!p->indices || !p->configs || !p->end_known)
		return -ENOMEM;
	for (size_t i = 0; i < s->probes.n; i++) {
		if (s->probes.v[i].node != p->node ||
		    zero_ns + s->probes.v[i].start_ns <= after_ns)
			continue;
		p->indices[p->n] = i;
		configure(p->run, i, zero_ns, &p->configs[p->n]);
		p->n++;
	}
	return 0;
}

static int prober_init(struct prober *p, struct run *run, size_t node,
		       int64_t after_ns)
{
	int r;

	*p = (struct prober){ .run = run, .node = node };
	r = take_probes(p, after_ns);
	if (r)
		return r;
	p->shared_size = sizeof(*p->shared) + p->n * sizeof(*p->shared->probes);
	p->shared = mmap(NULL, p->shared_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		return -errno;
	}
	for (size_t i = 0; i < p->n; i++)
		p->configs[i].awake_ns = &p->shared->awake_ns;
	return 0;
}

/* By the run's clock, which the probes are planned by. */
static int64_t run_ns(const struct run *run, int64_t mono_ns)
{
	return pauses_run_ns(run->pauses, mono_ns);
}

/* What is due by now is not sent any more. */
static void wake(struct prober *p)
{
	__atomic_store_n(&p->shared->awake_ns, run_ns(p->run, clock_mono_ns()),
			 __ATOMIC_RELEASE);
}

static int prober_start(struct prober *p, struct err *err)
{
	const struct scn_probe *first =
		&p->run->scenario->probes.v[p->indices[0]];
	int r;

	for (size_t i = 0; i < p->n; i++)
		recorder_probe_started(p->run->recorder, p->indices[i],
				       &p->configs[i].to);
	r = lab_spawn(p->run->lab, p->node, prober_child, p, prober_ended, p,
		      &p->pid, err);
	if (r) {
		err_wrap(err, "probe '%s'", first->name);
		err_at(err, first->pos);
		return r;
	}
	p->run->probers_running++;
	return 0;
}

static bool is_first_of_node(const struct scenario *s, size_t probe)
{
	for (size_t i = 0; i < probe; i++)
		if (s->probes.v[i].node == s->probes.v[probe].node)
			return false;
	return true;
}

size_t run_count_probers(const struct scenario *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->probes.n; i++)
		n += is_first_of_node(s, i);
	return n;
}

static size_t count_boots(const struct scenario *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->timeline.n; i++)
		for (size_t k = 0; k < s->timeline.v[i].actions.n; k++)
			n += s->timeline.v[i].actions.v[k].kind ==
			     SCN_ACTION_BOOT;
	return n;
}

int run_start_probes(struct run *run, struct err *err)
{
	const struct scenario *s = run->scenario;
	int r = 0;

	run->probers = calloc(run_count_probers(s) + count_boots(s) + 1,
			      sizeof(*run->probers));
	if (!run->probers)
		return err_errno(err, ENOMEM, "prepare the probes");
	r = listen_to_probes(run, err);
	for (size_t i = 0; i < s->probes.n && !r; i++) {
		struct prober *p = &run->probers[run->n_probers];

		if (!is_first_of_node(s, i))
			continue;
		run->n_probers++;
		r = prober_init(p, run, s->probes.v[i].node, INT64_MIN);
		if (r)
			return err_errno(err, -r, "prepare the probes");
		r = prober_start(p, err);
	}
	return r;
}

/* The crash that ended the node's last prober; 0: none did. */
static int64_t last_crash_ns(const struct run *run, size_t node)
{
	for (size_t i = run->n_probers; i-- > 0;)
		if (run->probers[i].node == node)
			return run->probers[i].crashed_ns;
	return 0;
}

int run_begin_probes(struct run *run, size_t node, struct err *err)
{
	struct prober *p = run->probers + run->n_probers;
	int64_t crashed_ns = last_crash_ns(run, node);
	int r;

	if (!crashed_ns)
		return 0;
	run->n_probers++;
	r = prober_init(p, run, node, run_ns(run, crashed_ns));
	if (r)
		return err_errno(err, -r, "prepare the probes");
	wake(p);
	return p->n ? prober_start(p, err) : 0;
}

/* ---- end ----------------------------------------------------------------- */

void run_wake_probes(struct run *run, size_t node)
{
	for (size_t i = 0; i < run->n_probers; i++)
		if (run->probers[i].pid &&
		    lab_node_is_stopped(run->lab, run->probers[i].node) &&
		    (node == SCN_NONE || run->probers[i].node == node))
			wake(&run->probers[i]);
}

bool run_crash_probes(struct run *run, size_t node)
{
	bool dying = false;

	for (size_t i = 0; i < run->n_probers; i++) {
		struct prober *p = &run->probers[i];

		if (p->node != node || !p->pid)
			continue;
		dying = true;
		if (p->crashed_ns)
			continue;
		p->crashed_ns = clock_mono_ns();
		wake(p);
		kill(p->pid, PROBES_CRASH);
		kill(p->pid, SIGCONT); /* should the node be frozen */
	}
	return dying;
}

void run_signal_probes(struct run *run, int signal)
{
	for (size_t i = 0; i < run->n_probers; i++) {
		struct prober *p = &run->probers[i];
		bool frozen = lab_node_is_stopped(run->lab, p->node);

		/* Those of a frozen node go on with it. */
		if (!p->pid || (signal == SIGCONT && frozen))
			continue;
		kill(p->pid, signal);
		if (signal != SIGTERM || !frozen)
			continue;
		wake(p);
		kill(p->pid, SIGCONT); /* or it would end then only */
	}
}

void run_flush_probes(struct run *run)
{
	/* Those that are stopped did so before. */
	for (size_t i = 0; !run->pause.now && i < run->n_probers; i++) {
		struct prober *p = &run->probers[i];

		/* One in a frozen node does when that is thawed. */
		if (!p->pid || lab_node_is_stopped(run->lab, p->node))
			continue;
		__atomic_add_fetch(&p->shared->process.flush_wanted, 1,
				   __ATOMIC_RELEASE);
		kill(p->pid, PROBES_FLUSH);
	}
}

static bool is_flushed(const struct prober *p)
{
	const struct probe_process_usage *u = &p->shared->process;

	/* known: it has ended by now. */
	return !p->pid || u->known ||
	       __atomic_load_n(&u->flushed, __ATOMIC_ACQUIRE) ==
		       __atomic_load_n(&u->flush_wanted, __ATOMIC_ACQUIRE);
}

void run_await_flushed(const struct run *run)
{
	int64_t until_ns = clock_mono_ns() + FLUSH_NS;

	for (size_t i = 0; !run->pause.now && i < run->n_probers; i++)
		while (!is_flushed(&run->probers[i]) &&
		       clock_mono_ns() < until_ns)
			poll(NULL, 0, 1);
}

void run_abandon_probes(struct run *run)
{
	for (size_t i = 0; i < run->n_probers; i++) {
		const struct prober *p = &run->probers[i];

		for (size_t k = 0; p->pid && k < p->n; k++)
			recorder_probe_abandoned(run->recorder, p->indices[k]);
	}
}

void run_free_probes(struct run *run)
{
	for (size_t i = 0; i < run->n_probers; i++) {
		struct prober *p = &run->probers[i];

		free(p->indices);
		free(p->configs);
		free(p->end_known);
		if (p->shared)
			munmap(p->shared, p->shared_size);
	}
	free(run->probers);
}
