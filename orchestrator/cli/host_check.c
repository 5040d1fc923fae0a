/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * "Nothing is left on the host" cannot be told by comparing all of the host:
 * other people's programs come and go there, and other labs do. So what is
 * looked at is either the run's own for certain, or what hardly anybody else
 * changes in the few seconds of a run:
 *
 * - processes: this process is made a "child subreaper", so that whatever has
 *   lost its parent becomes its child, and of these there must be none when the
 *   sandbox is over
 * - namespaces: those of the sandbox and of its nodes, by their numbers: nobody
 *   may be in them, nor hold one by a descriptor or a mount; and network
 *   namespaces with no process in them that were not there before
 *   (host_namespaces.c)
 * - interfaces of the network namespace that servalab was started in
 * - mounts of its mount namespace (one that holds on to a namespace is among
 *   them)
 * - sockets of its network namespace that others could reach: UNIX sockets with
 *   a name, TCP sockets that listen, UDP, raw and packet sockets
 *
 * Each is a line of text; what is there afterwards and was not before is left.
 * The kernel takes a lab down behind our back, so that it is looked for again
 * and again until the time for it is over.
 */
#include "orchestrator/cli/host_check.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/cli/host_namespaces.h"
#include "orchestrator/cli/recorder.h"
#include "orchestrator/report/suite.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 20
#define LEFT_MAX 64 /* of what is left, told */

struct host_check {
	int64_t within_ns;
	line_vec before;
	struct host_namespaces *namespaces;
};

/* ---- what can be seen --------------------------------------------------- */

static int add_interfaces(line_vec *lines)
{
	struct if_nameindex *all = if_nameindex();
	int r = all ? 0 : -errno;

	for (size_t i = 0; !r && all[i].if_index; i++)
		r = host_line_add(lines, "interface %s", all[i].if_name);
	if (all)
		if_freenameindex(all);
	return r;
}

/* Each line of a file to take(); a file that is not there has none. */
static int each_line(const char *path, line_vec *lines,
		     int (*take)(line_vec *lines, char *line, const char *what),
		     const char *what)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	while (f && !r && (n = getline(&line, &size, f)) >= 0) {
		if (n && line[n - 1] == '\n')
			line[n - 1] = '\0';
		r = take(lines, line, what);
	}
	return r;
}

/* "36 35 98:0 /root /mount/point options ... - type source options" */
static int take_mount(line_vec *lines, char *line, const char *what)
{
	char id[32], root[4096], point[4096];

	if (sscanf(line, "%31s %*s %*s %4095s %4095s", id, root, point) != 3)
		return 0;
	return host_line_add(lines, "%s %s of %s (number %s)", what, point,
			     root, id);
}

/* "NUM: REFS PROTOCOL FLAGS TYPE STATE INODE PATH" */
static int take_unix(line_vec *lines, char *line, const char *what)
{
	char path[256];

	if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %255[^\n]", path) != 1)
		return 0;
	return strcmp(path, "Path") ?
		       host_line_add(lines, "%s %s", what, path) :
		       0;
}

/* "SL: LOCAL REMOTE STATE ...": TCP only where it listens. */
static int take_inet(line_vec *lines, char *line, const char *what)
{
	char local[64], state[8];

	if (sscanf(line, "%*s %63s %*s %7s", local, state) != 2 ||
	    !isxdigit((unsigned char)local[0]) || !strcmp(local, "local") ||
	    (strstr(what, "TCP") && strcmp(state, "0A") != 0))
		return 0;
	return host_line_add(lines, "%s %s", what, local);
}

/* "SK REFS TYPE PROTO IFACE R RMEM USER INODE" */
static int take_packet(line_vec *lines, char *line, const char *what)
{
	char proto[8], iface[16], inode[32];

	if (sscanf(line, "%*s %*s %*s %7s %15s %*s %*s %*s %31s", proto, iface,
		   inode) != 3 ||
	    !isxdigit((unsigned char)proto[0]) || !strcmp(proto, "Proto"))
		return 0;
	return host_line_add(lines, "%s %s (number %s)", what, proto, inode);
}

static int see(line_vec *lines)
{
	static const struct {
		const char *path, *what;
		int (*take)(line_vec *lines, char *line, const char *what);
	} files[] = {
		{ "/proc/self/mountinfo", "mount", take_mount },
		{ "/proc/net/unix", "UNIX socket", take_unix },
		{ "/proc/net/tcp", "TCP socket", take_inet },
		{ "/proc/net/tcp6", "TCP socket", take_inet },
		{ "/proc/net/udp", "UDP socket", take_inet },
		{ "/proc/net/udp6", "UDP socket", take_inet },
		{ "/proc/net/raw", "raw socket", take_inet },
		{ "/proc/net/raw6", "raw socket", take_inet },
		{ "/proc/net/packet", "packet socket", take_packet },
	};
	int r = add_interfaces(lines);

	for (size_t i = 0; !r && i < sizeof(files) / sizeof(*files); i++)
		r = each_line(files[i].path, lines, files[i].take,
			      files[i].what);
	return r;
}

/* ---- what is the run's own ----------------------------------------------- */

/* Children there are none of when the sandbox has been waited for. */
static int add_children(line_vec *lines)
{
	siginfo_t info;
	CLEANUP_FCLOSE FILE *f = NULL;
	int pid, r = 0;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	info.si_pid = 0;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) &&
	    errno == ECHILD)
		return 0;
	f = fopen("/proc/thread-self/children", "re");
	while (f && !r && fscanf(f, "%d", &pid) == 1)
		r = host_line_add(lines, "process %d", pid);
	return f ? r :
		   host_line_add(lines, "process (its number is not known)");
}

/* ---- before and after ---------------------------------------------------- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(line_vec *lines)
{
	if (lines->n)
		qsort(lines->v, lines->n, sizeof(*lines->v), compare_lines);
}

/* Takes out of now, which is sorted like before, what was there then; a line
 * that is there twice has to have been. */
static void subtract(line_vec *now, const line_vec *before)
{
	size_t kept = 0, k = 0;

	for (size_t i = 0; i < now->n; i++) {
		int order = 1;

		while (k < before->n &&
		       (order = strcmp(before->v[k], now->v[i])) < 0)
			k++;
		if (k < before->n && !order) {
			k++;
			free(now->v[i]);
		} else {
			now->v[kept++] = now->v[i];
		}
	}
	now->n = kept;
}

int host_check_begin(const struct scenario *s, struct host_check **out,
		     struct err *err)
{
	struct host_check *h;
	int64_t within_ns = 0;
	int r;

	*out = NULL;
	for (size_t i = 0; i < s->expects.n; i++)
		if (s->expects.v[i].kind == SCN_EXPECT_HOST &&
		    s->expects.v[i].within_ns > within_ns)
			within_ns = s->expects.v[i].within_ns;
	if (!within_ns)
		return 0;
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_errno(err, ENOMEM, "look at the host");
	h->within_ns = within_ns;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = host_namespaces_begin(&h->namespaces);
	if (!r)
		r = see(&h->before);
	if (r) {
		host_check_free(h);
		return err_errno(err, -r, "look at the host");
	}
	sort(&h->before);
	*out = h;
	return 0;
}

void host_check_lab(struct host_check *h, pid_t init)
{
	if (h)
		host_namespaces_own_process(h->namespaces, init);
}

void host_check_namespaces(struct host_check *h, const uint64_t *inodes,
			   size_t n)
{
	for (size_t i = 0; h && i < n; i++)
		if (inodes[i])
			host_namespaces_own(h->namespaces, inodes[i]);
}

static int look(const struct host_check *h, line_vec *left)
{
	int r = see(left);

	sort(left);
	if (!r)
		subtract(left, &h->before);
	if (!r)
		r = host_namespaces_left(h->namespaces, left);
	if (!r)
		r = add_children(left);
	return r;
}

static int write_left(const line_vec *left, int64_t waited_ns, int record_fd,
		      struct err *err)
{
	json_auto_t *array = json_array(), *root = NULL;
	CLEANUP_CLOSE int fd = -1;

	for (size_t i = 0; i < left->n && i < LEFT_MAX; i++) {
		/* A mount's path may be any bytes. */
		CLEANUP_FREE char *clean = suite_clean(left->v[i]);

		if (clean)
			json_array_append_new(array, json_string(clean));
	}
	root = json_pack("{s:O, s:I}", "left", array, "waited_ns",
			 (json_int_t)waited_ns);
	if (!root ||
	    json_array_size(array) != (left->n < LEFT_MAX ? left->n : LEFT_MAX))
		return err_errno(err, ENOMEM, "write %s", RECORD_HOST);
	fd = openat(record_fd, RECORD_HOST,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	errno = 0;
	if (fd < 0 || json_dumpfd(root, fd, JSON_INDENT(2)))
		return err_errno(err, errno ? errno : EIO, "write %s",
				 RECORD_HOST);
	return 0;
}

int host_check_end(struct host_check *h, int record_fd, struct err *err)
{
	int64_t began_ns = clock_mono_ns(), waited_ns;
	line_vec left = { 0 };
	int r;

	if (!h)
		return 0;
	for (;;) {
		r = look(h, &left);
		waited_ns = clock_mono_ns() - began_ns;
		if (r || !left.n || waited_ns > h->within_ns)
			break;
		host_lines_free(&left);
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	r = r ? err_errno(err, -r, "look at the host") :
		write_left(&left, waited_ns, record_fd, err);
	host_lines_free(&left);
	return r;
}

struct host_check *host_check_free(struct host_check *h)
{
	if (h) {
		host_lines_free(&h->before);
		host_namespaces_free(h->namespaces);
	}
	free(h);
	return NULL;
}
