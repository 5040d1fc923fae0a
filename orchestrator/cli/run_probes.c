/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probes of a run: a child of init for each node that has some. What a
 * process tells of itself when it ends lies in memory shared with it; one that
 * was killed has told nothing.
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

struct shared {
	struct probe_process_usage process;
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
	pid_t pid;
};

static int prober_child(void *arg, int status_fd)
{
	const struct prober *p = arg;
	sigset_t flush;

	/* It may come as soon as we are known. */
	sigemptyset(&flush);
	sigaddset(&flush, PROBES_FLUSH);
	sigprocmask(SIG_BLOCK, &flush, NULL);
	close(status_fd);
	return probes_main(p->configs, p->n, -1, STDERR_FILENO,
			   p->shared->probes, &p->shared->process);
}

static int status_of(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) :
					128 + WTERMSIG(wait_status);
}

static void prober_ended(void *arg, int wait_status)
{
	struct prober *p = arg;
	struct run *run = p->run;
	int status = status_of(wait_status);

	p->pid = 0;
	run->probers_running--;
	for (size_t i = 0; i < p->n; i++) {
		struct probe_usage *u = &p->shared->probes[i];

		if (__atomic_load_n(&u->ended, __ATOMIC_ACQUIRE))
			recorder_probe_ended(run->recorder, p->indices[i], u);
		else
			recorder_probe_lost(run->recorder, p->indices[i],
					    status ? status : 1);
	}
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
	uint32_t entry;

	(void)source;
	(void)events;
	while (read(fd, &entry, sizeof(entry)) == sizeof(entry))
		timeline_saw_probe(run->timeline, entry);
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
		.port = s->port,
		.start_mono_ns = zero_ns + s->start_ns,
		.interval_ns = s->interval_ns,
		.for_ns = s->for_ns,
		.pauses = run->pauses,
		.payload = s->payload,
		.stream = {
			.upload = s->upload,
			.verify = s->verify,
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

/* Takes the probes of a node together. */
static int prober_init(struct prober *p, struct run *run, size_t node,
		       int64_t zero_ns)
{
	const struct scenario *s = run->scenario;

	*p = (struct prober){ .run = run, .node = node };
	p->indices = calloc(s->probes.n, sizeof(*p->indices));
	p->configs = calloc(s->probes.n, sizeof(*p->configs));
	if (!p->indices || !p->configs)
		return -ENOMEM;
	for (size_t i = 0; i < s->probes.n; i++) {
		if (s->probes.v[i].node != node)
			continue;
		p->indices[p->n] = i;
		configure(run, i, zero_ns, &p->configs[p->n]);
		p->n++;
	}
	p->shared_size = sizeof(*p->shared) + p->n * sizeof(*p->shared->probes);
	p->shared = mmap(NULL, p->shared_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED) {
		p->shared = NULL;
		return -errno;
	}
	return 0;
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

int run_start_probes(struct run *run, int64_t zero_ns, struct err *err)
{
	const struct scenario *s = run->scenario;
	int r = 0;

	run->probers = calloc(run_count_probers(s) + 1, sizeof(*run->probers));
	if (!run->probers)
		return err_errno(err, ENOMEM, "prepare the probes");
	r = listen_to_probes(run, err);
	for (size_t i = 0; i < s->probes.n && !r; i++) {
		struct prober *p = &run->probers[run->n_probers];

		if (!is_first_of_node(s, i))
			continue;
		run->n_probers++;
		r = prober_init(p, run, s->probes.v[i].node, zero_ns);
		if (r)
			return err_errno(err, -r, "prepare the probes");
		r = prober_start(p, err);
	}
	return r;
}

/* ---- end ----------------------------------------------------------------- */

void run_signal_probes(struct run *run, int signal)
{
	for (size_t i = 0; i < run->n_probers; i++)
		if (run->probers[i].pid)
			kill(run->probers[i].pid, signal);
}

void run_flush_probes(struct run *run)
{
	/* Those that are stopped did so before. */
	for (size_t i = 0; !run->pause.now && i < run->n_probers; i++) {
		struct prober *p = &run->probers[i];

		if (!p->pid)
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
		if (p->shared)
			munmap(p->shared, p->shared_size);
	}
	free(run->probers);
}
