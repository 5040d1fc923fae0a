/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record is read in the order of what depends on what: the first event says
 * under which path the user knows the scenario, the scenario gives the names
 * that the other events and the files of the probes go by.
 *
 * A run may have been killed at any moment, so what is missing at its end is no
 * error: a probe that had not ended may have no samples yet, and the trace may
 * still be the unsorted one. What contradicts itself is -EBADMSG.
 */
#include "orchestrator/report/record.h"

#include "base/cleanup.h"
#include "base/diag.h"
#include "orchestrator/observe/eventlog.h"
#include "orchestrator/report/events_parts.h"
#include "orchestrator/report/figures.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#define SCENARIO_SIZE_MAX (64L << 20) /* far more than anyone writes */

static int path_make(const struct record *rec, char **out, struct err *err,
		     const char *folder, const char *name, const char *suffix)
{
	if (asprintf(out, "%s/%s%s%s", rec->dir, folder, name, suffix) < 0) {
		*out = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

/* A whole file, with a NUL behind it that len does not count. */
static int file_read(const char *path, char **out, size_t *len, struct err *err)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	CLEANUP_FREE char *text = NULL;
	struct stat st;

	if (!f || fstat(fileno(f), &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > SCENARIO_SIZE_MAX)
		return err_set(err, EBADMSG, "%s: not a file of this kind",
			       path);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	*len = fread(text, 1, (size_t)st.st_size, f);
	if (ferror(f))
		return err_errno(err, errno, "%s", path);
	text[*len] = '\0';
	*out = TAKE_PTR(text);
	return 0;
}

/* What is wrong with a record's scenario: its first error will do. */
static int scenario_bad(const struct diag *diag, const char *path,
			struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		diag_render(diag, f);
		fclose(f);
	}
	return err_set(err, EBADMSG, "%s: this scenario is wrong: %.*s", path,
		       text ? (int)strcspn(text, "\n") : 0, text ? text : "");
}

static int load_scenario(struct record *rec, const char *as, struct err *err)
{
	CLEANUP_FREE char *path = NULL, *text = NULL;
	size_t len = 0;
	int r = path_make(rec, &path, err, "", "scenario.yaml", "");

	if (!r)
		r = file_read(path, &text, &len, err);
	if (r)
		return r;
	rec->diag = diag_new();
	if (!rec->diag)
		return err_set(err, ENOMEM, "out of memory");
	r = scenario_parse(as, text, len, rec->diag, &rec->scenario, err);
	if (r == -EINVAL)
		return scenario_bad(rec->diag, path, err);
	if (r)
		return r;
	rec->processes =
		calloc(rec->scenario->processes.n + 1, sizeof(*rec->processes));
	rec->probes = calloc(rec->scenario->probes.n + 1, sizeof(*rec->probes));
	rec->polled =
		calloc(rec->scenario->expects.n + 1, sizeof(*rec->polled));
	if (!rec->processes || !rec->probes || !rec->polled)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < rec->scenario->probes.n; i++)
		rec->probes[i].crashed_ns = RECORD_NONE;
	return 0;
}

static int load_events(struct record *rec, struct err *err)
{
	CLEANUP_FREE char *path = NULL, *as = NULL;
	json_auto_t *events = NULL;
	bool has_seed = false;
	int r = path_make(rec, &path, err, "", "events.jsonl", "");

	if (!r)
		r = eventlog_read(path, &events, err);
	if (!r)
		r = record_read_start(events, path, &as, &rec->seed, &has_seed,
				      err);
	if (!r)
		r = load_scenario(rec, as, err);
	if (r)
		return r;
	if (!has_seed)
		rec->seed = rec->scenario->seed;
	return record_read_events(events, path, rec, err);
}

static int load_samples(struct record *rec, size_t i, struct err *err)
{
	struct record_probe *probe = &rec->probes[i];
	CLEANUP_FREE char *path = NULL;
	bool must_be = probe->ended && probe->status == 0;
	const struct scn_probe *s = &rec->scenario->probes.v[i];
	int r;

	if (!probe->started)
		return 0;
	if (s->kind == SCN_PROBE_TCP_STREAM)
		return record_read_stream(rec->dir, s->name, must_be, s->upload,
					  probe, err);
	r = path_make(rec, &path, err, "probes/",
		      rec->scenario->probes.v[i].name, ".csv");
	if (r)
		return r;
	if (!must_be && access(path, F_OK) < 0)
		return 0;
	return samples_read(path, &probe->samples, err);
}

/* A file that may be missing; *root is NULL then. *path is for what is said of
 * it; both are to be freed. */
static int load_json(const struct record *rec, const char *name, char **path,
		     json_t **root, struct err *err)
{
	json_error_t error;
	int r = path_make(rec, path, err, "", name, "");

	if (r || access(*path, F_OK) < 0)
		return r;
	*root = json_load_file(*path, JSON_REJECT_DUPLICATES, &error);
	if (!*root)
		return err_set(err, EBADMSG, "%s:%d: %s", *path, error.line,
			       error.text);
	return 0;
}

/* How many packets the capture took and missed. */
static int load_counts(struct record *rec, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	json_auto_t *root = NULL;
	const json_t *packets, *dropped;
	int r = load_json(rec, "trace.pcapng.json", &path, &root, err);

	if (r || !root)
		return r;
	packets = json_object_get(root, "packets");
	dropped = json_object_get(root, "dropped");
	if (!json_is_integer(packets) || !json_is_integer(dropped) ||
	    json_integer_value(packets) < 0 || json_integer_value(dropped) < 0)
		return err_set(err, EBADMSG,
			       "%s: no counts of \"packets\" and \"dropped\"",
			       path);
	rec->packets = (uint64_t)json_integer_value(packets);
	rec->dropped = (uint64_t)json_integer_value(dropped);
	rec->counted = true;
	return 0;
}

/* What was found on the host after the run. */
static int load_host(struct record *rec, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	json_auto_t *root = NULL;
	const json_t *left, *first;
	int r = load_json(rec, "host.json", &path, &root, err);

	if (r || !root)
		return r;
	left = json_object_get(root, "left");
	first = json_array_get(left, 0);
	if (!json_is_array(left) || (first && !json_is_string(first)))
		return err_set(err, EBADMSG, "%s: no list of what is \"left\"",
			       path);
	rec->host_known = true;
	if (!first)
		return 0;
	if (json_array_size(left) == 1)
		r = asprintf(&rec->host_left, "%s", json_string_value(first));
	else
		r = asprintf(&rec->host_left, "%s, and %zu more",
			     json_string_value(first),
			     json_array_size(left) - 1);
	if (r >= 0)
		return 0;
	rec->host_left = NULL;
	return err_set(err, ENOMEM, "out of memory");
}

static int load_links(struct record *rec, struct err *err)
{
	CLEANUP_FREE char *path = NULL;
	int r = path_make(rec, &path, err, "", "links.json", "");

	return r ? r : link_figures_read(path, &rec->links, err);
}

static int find_trace(struct record *rec, struct err *err)
{
	static const char *const names[] = { "trace.pcapng",
					     "trace.pcapng.part" };

	for (size_t i = 0; i < 2; i++) {
		CLEANUP_FREE char *path = NULL;
		int r = path_make(rec, &path, err, "", names[i], "");

		if (r)
			return r;
		if (access(path, F_OK) == 0) {
			rec->trace = TAKE_PTR(path);
			rec->trace_partial = i == 1;
			return 0;
		}
	}
	return 0;
}

int record_load(const char *dir, struct record *out, struct err *err)
{
	int r;

	*out = (struct record){ .zero_ns = RECORD_NONE };
	out->dir = strdup(dir);
	if (!out->dir)
		return err_set(err, ENOMEM, "out of memory");
	r = load_events(out, err);
	for (size_t i = 0; !r && i < out->scenario->probes.n; i++)
		r = load_samples(out, i, err);
	if (!r)
		record_take_out_pauses(out);
	if (!r)
		r = load_counts(out, err);
	if (!r)
		r = load_host(out, err);
	if (!r)
		r = load_links(out, err);
	if (!r)
		r = find_trace(out, err);
	return r;
}

void record_unload(struct record *rec)
{
	for (size_t i = 0; i < rec->actions.n; i++) {
		free(rec->actions.v[i].text);
		free(rec->actions.v[i].error);
		free(rec->actions.v[i].rolled_back);
		free(rec->actions.v[i].unchanged);
		free(rec->actions.v[i].entry);
	}
	VEC_FREE(&rec->actions);
	VEC_FREE(&rec->delayed);
	free(rec->failure);
	free(rec->broken);
	VEC_FREE(&rec->clocks);
	VEC_FREE(&rec->cpus);
	for (size_t i = 0; rec->probes && i < rec->scenario->probes.n; i++) {
		VEC_FREE(&rec->probes[i].samples);
		VEC_FREE(&rec->probes[i].bins);
		free(rec->probes[i].to);
	}
	free(rec->probes);
	VEC_FREE(&rec->probers);
	record_moves_free(rec);
	free(rec->processes);
	free(rec->polled);
	free(rec->host_left);
	scenario_free(rec->scenario);
	diag_free(rec->diag);
	link_figures_free(&rec->links);
	free(rec->emulator_died);
	free(rec->trace);
	free(rec->dir);
	*rec = (struct record){ 0 };
}

int64_t record_t_ns(const struct record *rec, int64_t mono_ns)
{
	if (rec->zero_ns == RECORD_NONE || mono_ns == RECORD_NONE)
		return RECORD_NONE;
	return figures_span(mono_ns, rec->zero_ns);
}

int64_t record_mono_of_real(const struct record *rec, int64_t real_ns)
{
	const struct record_clock *nearest = NULL;

	/* The last pair before it; the first one for what came earlier yet. */
	for (size_t i = 0; i < rec->clocks.n; i++) {
		const struct record_clock *c = &rec->clocks.v[i];

		if (nearest && c->real_ns > real_ns)
			break;
		nearest = c;
	}
	if (!nearest)
		return RECORD_NONE;
	return figures_span(real_ns,
			    figures_span(nearest->real_ns, nearest->mono_ns));
}

int64_t record_run_of_real(const struct record *rec, int64_t real_ns)
{
	int64_t mono_ns = record_mono_of_real(rec, real_ns);

	return mono_ns == RECORD_NONE ? RECORD_NONE :
					pauses_run_ns(&rec->pauses, mono_ns);
}
