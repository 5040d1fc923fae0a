/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "orchestrator/report/link_figures.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Figures beyond this are no measurement. */
#define NS_MAX (INT64_MAX / 4)

static bool read_counts(json_t *side, struct link_side *out, json_error_t *e)
{
	json_t *frames, *loss;
	json_int_t n[10] = { 0 };
	int within = 0;

	if (json_unpack_ex(side, e, 0, "{s:o, s:o}", "frames", &frames, "loss",
			   &loss) ||
	    json_unpack_ex(frames, e, 0,
			   "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			   "s:I}",
			   "offered", &n[0], "delivered", &n[1], "lost", &n[2],
			   "duplicated", &n[3], "corrupted", &n[4], "reordered",
			   &n[5], "marked", &n[6], "queue_dropped", &n[7],
			   "mtu_dropped", &n[8], "down_dropped", &n[9]) ||
	    json_unpack_ex(loss, e, 0, "{s:F, s:F, s:b}", "expected",
			   &out->lost_expected, "bound", &out->lost_bound,
			   "within", &within))
		return false;
	out->offered = n[0];
	out->delivered = n[1];
	out->lost = n[2];
	out->duplicated = n[3];
	out->corrupted = n[4];
	out->reordered = n[5];
	out->marked = n[6];
	out->queue_dropped = n[7];
	out->mtu_dropped = n[8];
	out->down_dropped = n[9];
	out->lost_within = within;
	return true;
}

static bool read_times(json_t *side, struct link_side *out, json_error_t *e)
{
	json_int_t n[9] = { 0 };
	json_t *asked = NULL, *realised = NULL;

	if (json_unpack_ex(side, e, 0,
			   "{s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}, "
			   "s:{s:I, s?o, s?o}}",
			   "lateness_ns", "p50", &n[0], "p99", &n[1], "max",
			   &n[2], "delay_ns", "mean", &n[3], "p50", &n[4],
			   "p99", &n[5], "asked_mean", &n[6], "rate", "busy_ns",
			   &n[7], "asked_bps", &asked, "realised_bps",
			   &realised))
		return false;
	for (size_t i = 0; i < 8; i++)
		if (n[i] > NS_MAX || n[i] < -NS_MAX)
			return false;
	out->late_p50_ns = n[0];
	out->late_p99_ns = n[1];
	out->late_max_ns = n[2];
	out->delay_mean_ns = n[3];
	out->delay_p50_ns = n[4];
	out->delay_p99_ns = n[5];
	out->delay_asked_ns = n[6];
	out->busy_ns = n[7];
	out->rate_asked_bps = json_is_integer(asked) ?
				      json_integer_value(asked) :
				      LINK_FIGURE_NONE;
	out->rate_realised_bps = json_is_integer(realised) ?
					 json_integer_value(realised) :
					 LINK_FIGURE_NONE;
	return true;
}

static bool read_machine(json_t *side, struct link_side *out, json_error_t *e)
{
	json_int_t n[4] = { 0 };
	int gone = 0;

	if (json_unpack_ex(side, e, 0, "{s:{s:I, s:I, s:I}, s:{s:I, s:b}}",
			   "backlog", "inside_most", &n[0], "queued_most",
			   &n[1], "queued_bytes_most", &n[2], "machine",
			   "dropped", &n[3], "device_gone", &gone))
		return false;
	out->inside_most = n[0];
	out->queued_most = n[1];
	out->queued_bytes_most = n[2];
	out->machine_dropped = n[3];
	out->device_gone = gone;
	return true;
}

static int read_side(json_t *side, struct link_side *out, json_error_t *e)
{
	const char *properties;
	json_int_t changes;

	if (json_unpack_ex(side, e, 0, "{s:s, s:I}", "parameters", &properties,
			   "changes", &changes) ||
	    !read_counts(side, out, e) || !read_times(side, out, e) ||
	    !read_machine(side, out, e))
		return -EBADMSG;
	out->changes = changes;
	out->properties = strdup(properties);
	return out->properties ? 0 : -ENOMEM;
}

/* How late the emulator came to read, over time. */
static bool read_reading(json_t *root, struct links_record *out,
			 json_error_t *e)
{
	json_int_t p99 = 0;

	if (json_unpack_ex(root, e, 0, "{s?{s?{s:I}}}", "process",
			   "reading_lateness_ns", "p99", &p99) ||
	    p99 > NS_MAX || p99 < 0)
		return false;
	out->reading_late_p99_ns = p99;
	return true;
}

static int read_link(json_t *link, struct link_figures *out, json_error_t *e)
{
	json_t *sides[2];
	const char *name;
	json_int_t tolerance;
	int r = 0;

	if (json_unpack_ex(link, e, 0, "{s:s, s:I, s:[oo]}", "link", &name,
			   "tolerance_ns", &tolerance, "directions", &sides[0],
			   &sides[1]))
		return -EBADMSG;
	out->tolerance_ns = tolerance;
	out->name = strdup(name);
	if (!out->name)
		return -ENOMEM;
	for (size_t i = 0; i < 2 && !r; i++)
		r = read_side(sides[i], &out->side[i], e);
	return r;
}

int link_figures_read(const char *path, struct links_record *out,
		      struct err *err)
{
	json_auto_t *root = NULL;
	json_error_t e = { .text = "not a figure" };
	json_t *links;
	int r = 0;

	if (access(path, F_OK) < 0)
		return 0;
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		return err_set(err, EBADMSG, "%s:%d: %s", path, e.line, e.text);
	links = json_object_get(root, "links");
	if (!json_is_array(links))
		return err_set(err, EBADMSG, "%s: no list of \"links\"", path);
	e.text[0] = '\0';
	if (!read_reading(root, out, &e))
		return err_set(err, EBADMSG, "%s: the process: %s", path,
			       *e.text ? e.text : "a figure is out of range");
	out->v = calloc(json_array_size(links) + 1, sizeof(*out->v));
	if (!out->v)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < json_array_size(links) && !r; i++) {
		e.text[0] = '\0';
		out->n++;
		r = read_link(json_array_get(links, i), &out->v[i], &e);
		if (r == -EBADMSG)
			err_set(err, EBADMSG, "%s: link %zu: %s", path, i + 1,
				*e.text ? e.text : "a figure is out of range");
	}
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "out of memory");
	out->read = !r;
	return r;
}

void link_figures_free(struct links_record *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].side[0].properties);
		free(l->v[i].side[1].properties);
	}
	free(l->v);
	*l = (struct links_record){ 0 };
}

const struct link_figures *link_figures_find(const struct links_record *l,
					     const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].name, name))
			return &l->v[i];
	return NULL;
}
