/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An emulator of links between two network namespaces that are there already,
 * for bench/wire.sh: links w0, w1, ... with the same properties both ways.
 *
 *     wire_emulator NS-A NS-B REPORT LINKS DELAY_US RATE QUEUE SPIN_US
 *
 * NS-A, NS-B: files that stand for them. RATE: bits/s, 0 for none, or the file
 * of a delivery trace. Says "ready" once it carries frames, and ends, with the
 * report written, when it gets SIGTERM.
 */
#include "orchestrator/emulate/emulate.h"
#include "orchestrator/kernel/kernel.h"
#include "orchestrator/link/trace.h"
#include "base/diag.h"

#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINKS_MAX 1000
#define FIRST_INDEX 100
#define NAME_MAX_ 24

static struct err error;

static void must(int r)
{
	if (r)
		errx(1, "%s %s", error.msg, error.hint);
}

static struct kns *open_namespace(struct kernel *k, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct kns *ns = NULL;

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	must(kns_home(k, &ns, &error)); /* "here" */
	must(kns_enter(k, NULL, &error));
	close(fd);
	return ns;
}

static void add_end(struct kns *ns, size_t i, const char *name, int *fd)
{
	struct ktap_setup setup = { .queue_frames = KTAP_QUEUE_FRAMES };
	uint32_t ifindex = (uint32_t)(FIRST_INDEX + i);
	struct kbatch *b = kbatch_new(ns);

	if (!b)
		errx(1, "out of memory");
	must(kns_tap_open(ns, name, ifindex, fd, &error));
	must(kbatch_tap_set(b, 0, ifindex, &setup, NULL, &error));
	must(kbatch_link_set(b, 0, ifindex, true, NULL, &error));
	must(kbatch_commit(b, NULL, &error));
	kbatch_free(b);
}

static const struct link_trace *read_trace(const char *path)
{
	struct link_trace *trace = NULL;
	struct diag *diag = diag_new();
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t n = in ? getdelim(&text, &size, '\0', in) : -1;

	if (n < 0 ||
	    link_trace_parse(path, text, (size_t)n, true, diag, &trace))
		errx(1, "%s is no trace", path);
	fclose(in);
	free(text);
	diag_free(diag);
	return trace;
}

/* Waits for SIGTERM, then has the report written. */
static int oversee(pid_t pid, int control, const sigset_t *term)
{
	struct emulate_request stop = { .what = EMULATE_STOP };
	struct emulate_reply reply;
	int status, got;

	sigwait(term, &got);
	must(emulate_ask(control, &stop, &reply, &error));
	if (reply.code)
		errx(1, "%s", reply.text);
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return status != 0;
}

int main(int argc, char **argv)
{
	static struct emulate_link links[LINKS_MAX];
	static char names[LINKS_MAX][NAME_MAX_];
	struct emulate_config config = { .seed = 1, .links = links };
	struct link_params params;
	struct kernel k;
	struct kns *ns[2];
	int pair[2], ready[2];
	sigset_t term;
	char byte;
	pid_t pid;
	int status;

	if (argc != 9)
		errx(2, "see the head of %s", __FILE__);
	config.report = argv[3];
	config.n = strtoul(argv[4], NULL, 10);
	config.spin_ns = strtoll(argv[8], NULL, 10) * 1000;
	if (config.n > LINKS_MAX)
		errx(2, "at most %d links", LINKS_MAX);
	link_params_init(&params);
	params.delay_ns = strtoll(argv[5], NULL, 10) * 1000;
	if (isdigit((unsigned char)argv[6][0]))
		params.rate_bps = strtoull(argv[6], NULL, 10);
	else
		params.trace = read_trace(argv[6]);
	params.queue.packets = (uint32_t)strtoul(argv[7], NULL, 10);
	must(kernel_init(&k, 0, 0, &error));
	for (int end = 0; end < 2; end++)
		ns[end] = open_namespace(&k, argv[1 + end]);
	for (size_t i = 0; i < config.n; i++) {
		snprintf(names[i], sizeof(names[i]), "w%zu", i);
		links[i].name = names[i];
		for (int end = 0; end < 2; end++) {
			struct emulate_end *e = &links[i].end[end];

			e->name = end ? "b" : "a";
			e->params = params;
			add_end(ns[end], i, names[i], &e->fd);
		}
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ||
	    pipe2(ready, O_CLOEXEC))
		err(1, "socketpair");
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		close(pair[0]);
		close(ready[0]);
		_exit(emulate_main(&config, pair[1], ready[1], STDERR_FILENO));
	}
	for (size_t i = 0; i < 2 * config.n; i++)
		close(links[i / 2].end[i % 2].fd);
	close(pair[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		err(1, "read");
	printf("ready\n");
	fflush(stdout);
	status = oversee(pid, pair[0], &term);
	for (int end = 0; end < 2; end++)
		kns_free(ns[end]);
	close(pair[0]);
	return status;
}
