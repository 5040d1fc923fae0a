/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * A namespace lives as long as a process is in it, a descriptor refers to it,
 * or its file is mounted somewhere, and no list has them all. What can be seen
 * is walked through, as far as we may read it: of each process what it is in
 * (/proc/PID/ns), what it has open (/proc/PID/fd), and the mounts that it sees
 * (/proc/PID/mountinfo, where a namespace's file is of type "nsfs"; once for
 * each mount namespace). Descriptors that are on their way in a socket, and
 * processes of other people, are not seen.
 *
 * What counts is had from our own pid namespace: what another lab, or anybody's
 * container, holds is held from inside of that, and the run's own is gone with
 * all that was in it. The run's own namespaces are known by their numbers,
 * which the kernel gives to the next one as soon as they are free; that is
 * another reason. Of all others, those of the network that were not there
 * before count where nobody is in them: other people's programs come and go
 * with the namespaces that they live in.
 */
#include "orchestrator/cli/host_namespaces.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kinds[] = {
	"pid", "mnt", "net", "uts", "ipc", "user"
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* One that was seen. */
struct seen {
	uint64_t inode;
	bool network;
	bool lived_in; /* a process is in it */
	bool ours; /* had from our own pid namespace */
	char by[128]; /* what holds it, other than being in it; "": nothing */
	int lives; /* a process that is, of our own pid namespace; 0: none */
};

typedef VEC(struct seen) seen_vec;
typedef VEC(uint64_t) inode_vec;

struct host_namespaces {
	inode_vec before; /* of the network */
	inode_vec own;
};

/* ---- seeing ---------------------------------------------------------------
 */

/* "net:[4026531840]"; false: it is no namespace of these kinds. */
static bool parse(const char *link, bool *network, uint64_t *inode)
{
	for (size_t i = 0; i < KINDS; i++) {
		size_t len = strlen(kinds[i]);
		char *end;

		if (strncmp(link, kinds[i], len) != 0 ||
		    strncmp(link + len, ":[", 2) != 0)
			continue;
		*network = !strcmp(kinds[i], "net");
		*inode = strtoull(link + len + 2, &end, 10);
		return !strcmp(end, "]");
	}
	return false;
}

static bool read_link(const char *path, char *out, size_t size)
{
	ssize_t n = readlink(path, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* NULL: it is none, or (*r) there is no memory. */
static struct seen *see(seen_vec *all, const char *link, int *r)
{
	struct seen *s;
	uint64_t inode;
	bool network;

	if (!parse(link, &network, &inode))
		return NULL;
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].inode == inode)
			return &all->v[i];
	s = VEC_PUSH(all);
	if (!s)
		*r = -ENOMEM;
	else
		*s = (struct seen){ .inode = inode, .network = network };
	return s;
}

static int see_lived_in(seen_vec *all, const char *pid, bool ours)
{
	int r = 0;

	for (size_t i = 0; i < KINDS && !r; i++) {
		char path[288], link[64];
		struct seen *s;

		snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, kinds[i]);
		if (!read_link(path, link, sizeof(link)))
			continue;
		s = see(all, link, &r);
		if (s) {
			s->lived_in = true;
			s->ours |= ours;
			if (ours)
				s->lives = atoi(pid);
		}
	}
	return r;
}

static int see_open(seen_vec *all, const char *pid, bool ours)
{
	const struct dirent *e;
	char path[288];
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !r && (e = readdir(dir))) {
		char link[64], full[576];
		struct seen *s;

		snprintf(full, sizeof(full), "%s/%s", path, e->d_name);
		if (!read_link(full, link, sizeof(link)))
			continue;
		s = see(all, link, &r);
		if (!s)
			continue;
		s->ours |= ours;
		if (ours)
			snprintf(s->by, sizeof(s->by), "open in process %.16s",
				 pid);
	}
	if (dir)
		closedir(dir);
	return r;
}

/* "36 35 0:4 net:[4026531840] /mount/point options ... - nsfs nsfs rw" */
static int see_mounted(seen_vec *all, const char *pid, bool ours)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	CLEANUP_FREE char *line = NULL;
	char path[288];
	size_t size = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", pid);
	f = fopen(path, "re");
	while (f && !r && getline(&line, &size, f) >= 0) {
		char root[64], point[96];
		struct seen *s;

		if (!strstr(line, " - nsfs ") ||
		    sscanf(line, "%*s %*s %*s %63s %95s", root, point) != 2)
			continue;
		s = see(all, root, &r);
		if (!s)
			continue;
		s->ours |= ours;
		if (ours)
			snprintf(s->by, sizeof(s->by), "mounted at %s", point);
	}
	return r;
}

static bool contains(const inode_vec *v, uint64_t inode)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i] == inode)
			return true;
	return false;
}

static int remember(inode_vec *v, uint64_t inode)
{
	uint64_t *slot;

	if (contains(v, inode))
		return 0;
	slot = VEC_PUSH(v);
	if (!slot)
		return -ENOMEM;
	*slot = inode;
	return 0;
}

static int see_process(seen_vec *all, inode_vec *mounts, const char *pid)
{
	char path[288], ours[64], its[64];
	bool same, network;
	uint64_t inode;
	int r;

	snprintf(path, sizeof(path), "/proc/%s/ns/pid", pid);
	same = read_link(path, its, sizeof(its)) &&
	       read_link("/proc/self/ns/pid", ours, sizeof(ours)) &&
	       !strcmp(its, ours);
	r = see_lived_in(all, pid, same);
	if (!r)
		r = see_open(all, pid, same);
	snprintf(path, sizeof(path), "/proc/%s/ns/mnt", pid);
	if (r || !read_link(path, its, sizeof(its)) ||
	    !parse(its, &network, &inode) || contains(mounts, inode))
		return r;
	r = remember(mounts, inode);
	return r ? r : see_mounted(all, pid, same);
}

static int see_all(seen_vec *all)
{
	inode_vec mounts = { 0 };
	const struct dirent *e;
	DIR *dir = opendir("/proc");
	int r = 0;

	while (dir && !r && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]))
			r = see_process(all, &mounts, e->d_name);
	if (dir)
		closedir(dir);
	VEC_FREE(&mounts);
	return r;
}

/* ---- before and after ------------------------------------------------------
 */

int host_namespaces_begin(struct host_namespaces **out)
{
	struct host_namespaces *h = calloc(1, sizeof(*h));
	seen_vec all = { 0 };
	int r = h ? see_all(&all) : -ENOMEM;

	for (size_t i = 0; i < all.n && !r; i++)
		if (all.v[i].network)
			r = remember(&h->before, all.v[i].inode);
	VEC_FREE(&all);
	*out = h;
	return r;
}

void host_namespaces_own(struct host_namespaces *h, uint64_t inode)
{
	/* Without memory one less is known: no reason to end a run. */
	(void)remember(&h->own, inode);
}

void host_namespaces_own_process(struct host_namespaces *h, pid_t pid)
{
	for (size_t i = 0; i < KINDS; i++) {
		char path[288], its[64], ours[64];
		uint64_t inode;
		bool network;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid,
			 kinds[i]);
		if (!read_link(path, its, sizeof(its)))
			continue;
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		/* The user's, where root has no need of another. */
		if (read_link(path, ours, sizeof(ours)) && strcmp(its, ours) &&
		    parse(its, &network, &inode))
			host_namespaces_own(h, inode);
	}
}

static int tell(const struct seen *s, line_vec *lines)
{
	const char *kind = s->network ? "network namespace" : "namespace";
	unsigned long long inode = s->inode;

	if (*s->by)
		return host_line_add(lines, "%s %llu, %s", kind, inode, s->by);
	return host_line_add(lines, "%s %llu, held by process %d", kind, inode,
			     s->lives);
}

int host_namespaces_left(struct host_namespaces *h, line_vec *lines)
{
	seen_vec all = { 0 };
	int r = see_all(&all);

	for (size_t i = 0; i < all.n && !r; i++) {
		const struct seen *s = &all.v[i];
		bool nobodys = s->network && !s->lived_in &&
			       !contains(&h->before, s->inode);

		if (s->ours && (contains(&h->own, s->inode) || nobodys))
			r = tell(s, lines);
	}
	VEC_FREE(&all);
	return r;
}

void host_namespaces_free(struct host_namespaces *h)
{
	if (!h)
		return;
	VEC_FREE(&h->before);
	VEC_FREE(&h->own);
	free(h);
}
