/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What entries wait for.
 *
 * Events are told by whoever writes them down (timeline_saw_event()); the end
 * of a process is one of them. Output is read from the process's log when
 * inotify(7) tells that it has grown. Packets are counted by a socket of their
 * own in the node's namespace, with the filter in the kernel: it wakes us for
 * none but those that match.
 */
#include "orchestrator/timeline/perform.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void watch_stop(struct entry_run *e)
{
	e->watch = sd_event_source_disable_unref(e->watch);
	if (e->watch_fd >= 0)
		close(e->watch_fd);
	e->watch_fd = -1;
}

void watch_count(struct entry_run *e)
{
	const struct timeline_listener *l = &e->tl->listener;

	if (++e->seen != e->entry->when.count)
		return;
	/* Not the watch itself: we may be called from it. */
	if (e->watch)
		sd_event_source_set_enabled(e->watch, SD_EVENT_OFF);
	entry_due(e, timeline_now_ns(e->tl) + e->entry->delay_ns);
	/* Behind that: an event that others wait for may bring us back here. */
	if (e->entry->delay_ns && e->state == ENTRY_DUE && l->delayed)
		l->delayed(l->arg, e->entry);
}

/* ---- events ---------------------------------------------------------------
 */

static bool fits(const struct scn_when *w, timeline_field_fn *field, void *arg)
{
	for (size_t i = 0; i < w->where.n; i++) {
		char buf[64];
		const char *text =
			field(arg, w->where.v[i].field, buf, sizeof(buf));

		if (!text || strcmp(text, w->where.v[i].value))
			return false;
	}
	return true;
}

static bool waits_for(const struct timeline *tl, const struct scn_when *w,
		      const char *name, timeline_field_fn *field, void *arg)
{
	const char *text;
	char buf[64];

	if (w->kind == SCN_WHEN_EVENT)
		return !strcmp(w->text, name) && fits(w, field, arg);
	if (w->kind != SCN_WHEN_EXIT || strcmp(name, "process.exit"))
		return false;
	text = field(arg, "process", buf, sizeof(buf));
	return text &&
	       !strcmp(text, tl->plan->scenario->processes.v[w->process].name);
}

void timeline_saw_event(struct timeline *tl, const char *name,
			timeline_field_fn *field, void *arg)
{
	for (size_t i = 0; tl->begun_playing && !tl->ignores &&
			   i < tl->plan->scenario->timeline.n;
	     i++) {
		struct entry_run *e = &tl->entries[i];

		if (e->entry->trigger == SCN_TRIGGER_WHEN &&
		    e->state == ENTRY_WAITING &&
		    waits_for(tl, &e->entry->when, name, field, arg))
			watch_count(e);
	}
}

void timeline_saw_probe(struct timeline *tl, size_t entry)
{
	struct entry_run *e;

	if (tl->ignores || entry >= tl->plan->scenario->timeline.n)
		return;
	e = &tl->entries[entry];
	if (e->entry->trigger == SCN_TRIGGER_WHEN &&
	    e->entry->when.kind == SCN_WHEN_PROBE && e->state == ENTRY_WAITING)
		watch_count(e);
}

/* ---- output ---------------------------------------------------------------
 */

/* Counts what is new in the file; the end may be the text's beginning. */
static void search(struct entry_run *e)
{
	const char *text = e->entry->when.text;
	size_t len = strlen(text);
	char buf[8192];
	ssize_t n;

	while (e->state == ENTRY_WAITING &&
	       (n = pread(e->watch_fd, buf, sizeof(buf), e->watched)) >=
		       (ssize_t)len) {
		const char *at = buf, *end = buf + n;

		while (e->state == ENTRY_WAITING &&
		       (at = memmem(at, (size_t)(end - at), text, len))) {
			at += len;
			e->watched += at - buf;
			watch_count(e);
			break;
		}
		if (!at)
			e->watched += n - (ssize_t)len + 1;
	}
}

static int on_output(sd_event_source *source, int fd, uint32_t events,
		     void *arg)
{
	char buf[4096];

	(void)source;
	(void)events;
	while (read(fd, buf, sizeof(buf)) > 0)
		; /* that something came is all there is to know */
	search(arg);
	return 0;
}

/*
 * An inotify of its own. sd_event_add_inotify() would do it for less, but where
 * its source is switched off while more events of the file are in its buffer
 * (of libsystemd 252) it looks at the first of them for ever.
 */
static int watch_file(struct entry_run *e, const char *path)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = inotify_add_watch(fd, path, IN_MODIFY) < 0 ?
		    -errno :
		    sd_event_add_io(e->tl->event, &e->watch, fd, EPOLLIN,
				    on_output, e);
	if (r >= 0)
		r = sd_event_source_set_io_fd_own(e->watch, true);
	else
		close(fd);
	return r;
}

static int watch_output(struct entry_run *e, struct err *err)
{
	const struct scn_process *p =
		&e->tl->plan->scenario->processes.v[e->entry->when.process];
	char path[128];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "processes/%s.log", p->name);
	if (mkdir("processes", 0755) && errno != EEXIST)
		return err_errno(err, errno, "mkdir processes");
	e->watch_fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (e->watch_fd < 0 || fstat(e->watch_fd, &st))
		return err_errno(err, errno, "open %s", path);
	e->watched = st.st_size;
	r = watch_file(e, path);
	return r < 0 ? err_errno(err, -r, "watch %s", path) : 0;
}

/* ---- packets --------------------------------------------------------------
 */

void watch_packets_drain(struct entry_run *e, bool count)
{
	char byte;

	while (e->state == ENTRY_WAITING && e->watch_fd >= 0) {
		ssize_t n = recv(e->watch_fd, &byte, 1, MSG_DONTWAIT);

		if (n < 0 && errno != EINTR)
			break; /* none, or the interface went down */
		if (n >= 0 && count)
			watch_count(e);
	}
}

static int on_packet(sd_event_source *source, int fd, uint32_t events,
		     void *arg)
{
	struct entry_run *e = arg;

	(void)source;
	(void)fd;
	(void)events;
	watch_packets_drain(e, !e->tl->ignores);
	return 0;
}

static int watch_packets(struct entry_run *e, struct err *err)
{
	const struct scn_iface_ref *at = &e->entry->when.at;
	const struct plan *plan = e->tl->plan;
	size_t iface = plan->links.v[at->link].iface[at->end];
	int r;

	e->watch_fd = lab_open_filter(e->tl->lab, plan->ifaces.v[iface].node,
				      plan->ifaces.v[iface].ifindex,
				      e->entry->when.text, err);
	if (e->watch_fd < 0)
		return e->watch_fd;
	r = sd_event_add_io(e->tl->event, &e->watch, e->watch_fd, EPOLLIN,
			    on_packet, e);
	return r < 0 ? err_errno(err, -r, "watch for packets") : 0;
}

/* ---- all of them ------------------------------------------------------------
 */

static int watch(struct entry_run *e, struct err *err)
{
	int r = 0;

	if (e->entry->trigger != SCN_TRIGGER_WHEN || e->state != ENTRY_WAITING)
		return 0;
	if (e->entry->when.kind == SCN_WHEN_PRINTS)
		r = watch_output(e, err);
	else if (e->entry->when.kind == SCN_WHEN_PACKET)
		r = watch_packets(e, err);
	if (r)
		err_at(err, e->entry->when.pos);
	return r;
}

int watch_all(struct timeline *tl, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < tl->plan->scenario->timeline.n && !r; i++)
		r = watch(&tl->entries[i], err);
	return r;
}

int watch_again(struct timeline *tl, size_t node, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < tl->plan->scenario->timeline.n && !r; i++) {
		struct entry_run *e = &tl->entries[i];
		const struct scn_when *w = &e->entry->when;

		if (e->entry->trigger != SCN_TRIGGER_WHEN ||
		    w->kind != SCN_WHEN_PACKET ||
		    tl->plan->scenario->links.v[w->at.link]
				    .end[w->at.end]
				    .node != node)
			continue;
		watch_stop(e);
		r = watch(e, err);
	}
	return r;
}
