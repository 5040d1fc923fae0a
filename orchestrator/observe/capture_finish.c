/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cleanup.h"
#include "base/clock.h"
#include "orchestrator/observe/capture_internal.h"
#include "orchestrator/observe/capture_sort.h"
#include "orchestrator/observe/pcapng.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

int capture_count_dropped(struct capture *c, struct err *err)
{
	for (size_t i = 0; i < c->nodes.n; i++) {
		struct node *n = &c->nodes.v[i];
		int r = capture_socket_dropped(&n->socket, &n->dropped, err);

		if (r)
			return r;
	}
	return 0;
}

/* The kernel counts drops per ring, so of several interfaces of a node it is
 * not known which lost them. */
static int write_statistics(struct capture *c)
{
	int64_t now_ns = clock_real_ns();

	for (size_t i = 0; i < c->nodes.n; i++) {
		const struct node *n = &c->nodes.v[i];
		bool known = !n->dropped || n->ifaces.n == 1;

		for (size_t k = 0; k < n->ifaces.n; k++) {
			int r = pcapng_write_statistics(
				c->part, n->ifaces.v[k].id, now_ns,
				n->ifaces.v[k].packets,
				known ? n->dropped : PCAPNG_NOT_KNOWN);

			if (r)
				return r;
		}
	}
	return 0;
}

static json_t *counts(uint64_t packets, uint64_t dropped)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)packets, "dropped",
			 (json_int_t)dropped);
}

static int write_json(const struct capture *c, const char *path,
		      struct err *err)
{
	CLEANUP_FREE char *json_path = capture_path(path, ".json");
	json_t *nodes = json_object();
	json_auto_t *all = NULL;
	uint64_t packets = 0, dropped = 0;
	int r = 0;

	for (size_t i = 0; i < c->nodes.n; i++) {
		const struct node *n = &c->nodes.v[i];

		packets += n->packets;
		dropped += n->dropped;
		r |= json_object_set_new(nodes, n->name,
					 counts(n->packets, n->dropped));
	}
	all = counts(packets, dropped);
	r |= json_object_set_new(all, "nodes", nodes);
	if (r || !json_path)
		return err_errno(err, ENOMEM, "%s.json", path);
	errno = EIO;
	if (json_dump_file(all, json_path, JSON_INDENT(2)))
		return err_errno(err, errno, "%s", json_path);
	return 0;
}

static int sort_part(const char *part, const char *path, struct err *err)
{
	CLEANUP_FREE char *comments_path = capture_path(path, ".comments");
	capture_comment_vec comments;
	int r;

	if (!comments_path)
		return err_errno(err, ENOMEM, "%s", path);
	r = capture_comments_read(comments_path, &comments, err);
	if (r)
		return r;
	r = capture_sort(part, path, &comments, err);
	capture_comments_free(&comments);
	if (!r)
		unlink(comments_path); /* they are in the trace now */
	return r;
}

int capture_finish(struct capture *c, const char *part, const char *path,
		   struct err *err)
{
	int r = write_statistics(c);

	if (fclose(TAKE_PTR(c->part)) && !r)
		r = -errno;
	if (r)
		return err_errno(err, -r, "%s", part);
	r = sort_part(part, path, err);
	if (!r)
		r = write_json(c, path, err);
	if (!r)
		unlink(part);
	return r;
}
