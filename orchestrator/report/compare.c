/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes that have the same name in all runs stand in the same rows. Scenarios
 * that are to be compared may call theirs differently, though; so a probe that
 * finds no namesake stands beside the one at its place in the first run, and
 * every column says which probe it is of. Runs of one scenario have the same
 * name: their columns are told apart by the names of their records.
 *
 * The results of a run may come from anywhere: whatever is missing, or of
 * another type than it should be, is a dash.
 */
#include "orchestrator/report/compare.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "orchestrator/report/table.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA "servalab-results/1"
/* A stream's end and its last bin, of 10 ms, may be so far from each other. */
#define END_NEAR_NS 20000000

/* A probe of each run; NULL where a run has none. */
struct section {
	const char *names[COMPARE_RUNS_MAX];
	json_t *probes[COMPARE_RUNS_MAX];
};

struct comparison {
	const char *paths[COMPARE_RUNS_MAX];
	json_t *runs[COMPARE_RUNS_MAX];
	size_t n;
	VEC(struct section) sections;
};

/* ---- reading ------------------------------------------------------------ */

/* A record of a run that has not come to its verdict has events all the same.
 */
static int missing_results(const char *record, int code, struct err *err)
{
	CLEANUP_FREE char *events = NULL;

	if (asprintf(&events, "%s/events.jsonl", record) < 0) {
		events = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}
	if (code != ENOENT || access(events, F_OK))
		return err_errno(err, code, "%s/results.json", record);
	err_set(err, ENODATA,
		"%s has no results: its run was killed, or is not over",
		record);
	err_hint(err, "what there is, is in its events.jsonl and "
		      "trace.pcapng.part");
	return -ENODATA;
}

static int read_run(const char *path, json_t **out, struct err *err)
{
	CLEANUP_FREE char *inside = NULL;
	json_error_t problem;
	struct stat st;
	const char *schema;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		if (asprintf(&inside, "%s/results.json", path) < 0) {
			inside = NULL;
			return err_set(err, ENOMEM, "out of memory");
		}
		if (stat(inside, &st))
			return missing_results(path, errno, err);
		path = inside;
	}
	if (stat(path, &st))
		return err_errno(err, errno, "%s", path);
	*out = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
	if (!*out)
		return err_set(err, EBADMSG, "%s:%d: %s", path, problem.line,
			       problem.text);
	schema = json_string_value(json_object_get(*out, "schema"));
	if (!schema || strcmp(schema, SCHEMA) != 0)
		return err_set(err, EBADMSG, "%s holds no results (\"%s\")",
			       path, SCHEMA);
	return 0;
}

/* Is the probe in some section already? */
static bool is_placed(const struct comparison *c, size_t run, const char *name)
{
	for (size_t i = 0; i < c->sections.n; i++) {
		const char *placed = c->sections.v[i].names[run];

		if (placed && strcmp(placed, name) == 0)
			return true;
	}
	return false;
}

static json_t *probes_of(const struct comparison *c, size_t run)
{
	return json_object_get(c->runs[run], "probes");
}

/* The probe of that name, which is given the name as its own run has it. */
static bool place(struct comparison *c, struct section *s, size_t run,
		  const char *name)
{
	const char *key;
	json_t *probe;

	json_object_foreach(probes_of(c, run), key, probe)
	{
		if (strcmp(key, name) != 0 || is_placed(c, run, key))
			continue;
		s->names[run] = key;
		s->probes[run] = probe;
		return true;
	}
	return false;
}

/* Namesakes first: they must not be taken for somebody else's neighbours. */
static int place_all(struct comparison *c)
{
	const char *key;
	json_t *probe;

	for (size_t run = 0; run < c->n; run++) {
		json_object_foreach(probes_of(c, run), key, probe)
		{
			struct section *s;

			if (is_placed(c, run, key))
				continue;
			s = VEC_PUSH(&c->sections);
			if (!s)
				return -ENOMEM;
			for (size_t k = run; k < c->n; k++)
				place(c, s, k, key);
		}
	}
	return 0;
}

static bool is_alone(const struct comparison *c, const struct section *s)
{
	size_t n = 0;

	for (size_t k = 0; k < c->n; k++)
		n += s->probes[k] != NULL;
	return n == 1;
}

/* Moves what stands alone in a later run beside what does in the first. */
static void join_lonely(struct comparison *c)
{
	for (size_t i = 0; i < c->sections.n; i++) {
		struct section *s = &c->sections.v[i];

		if (!s->probes[0] || !is_alone(c, s))
			continue;
		for (size_t run = 1; run < c->n; run++) {
			for (size_t k = i + 1; k < c->sections.n; k++) {
				struct section *t = &c->sections.v[k];

				if (!t->probes[run] || !is_alone(c, t))
					continue;
				s->names[run] = t->names[run];
				s->probes[run] = t->probes[run];
				t->names[run] = NULL;
				t->probes[run] = NULL;
				break;
			}
		}
	}
}

/* ---- cells -------------------------------------------------------------- */

static void put_text(char cell[TABLE_CELL], const char *text)
{
	table_put(cell, text ? text : "-");
}

static void put_count(char cell[TABLE_CELL], json_t *value)
{
	if (json_is_integer(value))
		snprintf(cell, TABLE_CELL, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
	else
		put_text(cell, json_string_value(value));
}

static void put_time(char cell[TABLE_CELL], json_t *value)
{
	if (json_is_integer(value))
		units_format_duration(json_integer_value(value), cell,
				      TABLE_CELL);
	else
		put_text(cell, NULL);
}

static json_t *rtt(json_t *phase)
{
	return json_object_get(json_object_get(phase, "rtt"), "p50_ns");
}

/* Of the first phase, or of the last. */
static json_t *rtt_before(json_t *probe)
{
	return rtt(json_array_get(json_object_get(probe, "phases"), 0));
}

static json_t *rtt_after(json_t *probe)
{
	json_t *phases = json_object_get(probe, "phases");
	size_t n = json_array_size(phases);

	return n > 1 ? rtt(json_array_get(phases, n - 1)) : NULL;
}

static json_t *rtt_p99(json_t *probe)
{
	return json_object_get(json_object_get(probe, "rtt"), "p99_ns");
}

static json_t *longest_outage(json_t *probe)
{
	return json_object_get(json_object_get(probe, "outage"), "length_ns");
}

static json_t *outage_at(json_t *probe, size_t action)
{
	return json_object_get(
		json_array_get(json_object_get(probe, "outages"), action),
		"length_ns");
}

/* "c d c", or how many more there were. */
static void put_served(char cell[TABLE_CELL], json_t *probe)
{
	json_t *served = json_object_get(probe, "served"), *run;
	size_t i, at = 0;

	put_text(cell, NULL);
	json_array_foreach(served, i, run)
	{
		const char *node =
			json_string_value(json_object_get(run, "node"));
		int n = snprintf(cell + at, TABLE_CELL - at, "%s%s",
				 i ? " " : "", node ? node : "?");

		if (n < 0 || (at += (size_t)n) >= TABLE_CELL - 5) {
			memcpy(cell + TABLE_CELL - 5, " ...", 5);
			return;
		}
	}
}

/* ---- rows --------------------------------------------------------------- */

static struct table_row *add_row(struct table *t, const char *label)
{
	struct table_row *row = table_add(t);

	if (row)
		put_text(row->cells[0], label);
	return row;
}

static void add_counts(const struct comparison *c, const struct section *s,
		       struct table *t)
{
	static const char *const counts[] = { "sent", "received", "lost",
					      "duplicated" };

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct table_row *row = add_row(t, counts[i]);

		for (size_t k = 0; row && k < c->n; k++)
			put_count(row->cells[k + 1],
				  json_object_get(s->probes[k], counts[i]));
	}
}

static void add_times(const struct comparison *c, const struct section *s,
		      struct table *t, const char *label,
		      json_t *(*get)(json_t *probe))
{
	struct table_row *row = add_row(t, label);

	for (size_t k = 0; row && k < c->n; k++)
		put_time(row->cells[k + 1], get(s->probes[k]));
}

static void add_outages(const struct comparison *c, const struct section *s,
			struct table *t)
{
	size_t actions = 0;
	char label[TABLE_CELL];

	for (size_t k = 0; k < c->n; k++) {
		json_t *all = json_object_get(s->probes[k], "outages");

		if (json_array_size(all) > actions)
			actions = json_array_size(all);
	}
	for (size_t i = 0; i < actions; i++) {
		struct table_row *row;

		snprintf(label, sizeof(label), "outage at action %zu", i + 1);
		row = add_row(t, label);
		for (size_t k = 0; row && k < c->n; k++)
			put_time(row->cells[k + 1], outage_at(s->probes[k], i));
	}
}

static json_t *stream_member(json_t *probe, const char *name)
{
	return json_object_get(json_object_get(probe, "stream"), name);
}

static json_t *connect_time(json_t *probe)
{
	return stream_member(probe, "connect_ns");
}

static json_t *recovery(json_t *probe)
{
	return stream_member(probe, "recovery_ns");
}

static void put_amount(char cell[TABLE_CELL], json_t *value,
		       const char *(*format)(int64_t v, char *buf, size_t size))
{
	if (json_is_integer(value))
		format(json_integer_value(value), cell, TABLE_CELL);
	else
		put_text(cell, NULL);
}

static void put_switch(char cell[TABLE_CELL], json_t *value)
{
	put_text(cell, json_is_true(value)  ? "yes" :
		       json_is_false(value) ? "no" :
					      NULL);
}

static void add_stream(const struct comparison *c, const struct section *s,
		       struct table *t)
{
	static const char *const switches[] = { "survived", "intact" };
	struct table_row *bytes = add_row(t, "delivered"), *row;

	for (size_t k = 0; bytes && k < c->n; k++)
		put_amount(bytes->cells[k + 1],
			   stream_member(s->probes[k], "bytes"),
			   units_format_bytes);
	row = add_row(t, "goodput");
	for (size_t k = 0; row && k < c->n; k++)
		put_amount(row->cells[k + 1],
			   stream_member(s->probes[k], "goodput_bps"),
			   units_format_rate);
	add_times(c, s, t, "connect", connect_time);
	add_times(c, s, t, "longest recovery", recovery);
	for (size_t i = 0; i < 2; i++) {
		row = add_row(t, switches[i]);
		for (size_t k = 0; row && k < c->n; k++)
			put_switch(row->cells[k + 1],
				   stream_member(s->probes[k], switches[i]));
	}
}

/* Streams have other figures; a section may be of both. */
static bool any_is_stream(const struct comparison *c, const struct section *s,
			  bool stream)
{
	for (size_t k = 0; k < c->n; k++)
		if (s->probes[k] && json_is_object(json_object_get(
					    s->probes[k], "stream")) == stream)
			return true;
	return false;
}

static void add_section(const struct comparison *c, const struct section *s,
			struct table *t)
{
	bool packets = any_is_stream(c, s, false);
	struct table_row *row;

	table_add_text(t, "%s", "");
	row = add_row(t, "probe");
	for (size_t k = 0; row && k < c->n; k++)
		put_text(row->cells[k + 1], s->names[k]);
	if (packets)
		add_counts(c, s, t);
	if (any_is_stream(c, s, true))
		add_stream(c, s, t);
	add_times(c, s, t, "longest outage", longest_outage);
	add_outages(c, s, t);
	if (packets) {
		add_times(c, s, t, "rtt p50 before", rtt_before);
		add_times(c, s, t, "rtt p50 after", rtt_after);
		add_times(c, s, t, "rtt p99", rtt_p99);
	}
	row = add_row(t, "answered by");
	for (size_t k = 0; row && k < c->n; k++)
		put_served(row->cells[k + 1], s->probes[k]);
}

/* ---- outages beside each other ------------------------------------------ */

static int64_t integer_of(json_t *value, int64_t otherwise)
{
	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

/*
 * The longest one that touches an action; without actions, the longest. Of a
 * stream that had not come back when it ended, or the run did, nobody knows how
 * much longer it would have been.
 */
static void put_worst(char cell[TABLE_CELL], json_t *probe, json_t *run)
{
	json_t *outages = json_object_get(probe, "outages"), *outage, *worst;
	int64_t length, end;
	char text[TABLE_CELL];
	size_t i;

	worst = json_object_get(probe, "outage");
	json_array_foreach(outages, i, outage)
	{
		if (!i ||
		    integer_of(json_object_get(outage, "length_ns"), -1) >
			    integer_of(json_object_get(worst, "length_ns"), -1))
			worst = outage;
	}
	length = integer_of(json_object_get(worst, "length_ns"), -1);
	if (length < 0) {
		put_text(cell, NULL);
		return;
	}
	end = integer_of(stream_member(probe, "ended_t_ns"),
			 integer_of(json_object_get(run, "duration_ns"), -1));
	units_format_duration(length, text, sizeof(text));
	snprintf(cell, TABLE_CELL, "%s%.*s",
		 json_is_object(json_object_get(probe, "stream")) && length &&
				 end >= 0 &&
				 integer_of(json_object_get(worst, "t_ns"), 0) +
						 length >=
					 end - END_NEAR_NS ?
			 "> " :
			 "",
		 TABLE_CELL - 3, text);
}

/* A row for each probe: what several of them lived through in the same run. */
static void add_worst(const struct comparison *c, struct table *t)
{
	table_add_text(t, "%s", "");
	table_add_text(t, "%s", "longest outage since the first action");
	for (size_t i = 0; i < c->sections.n; i++) {
		const struct section *s = &c->sections.v[i];
		const char *name = NULL;
		struct table_row *row;

		for (size_t k = c->n; k-- > 0;)
			name = s->names[k] ? s->names[k] : name;
		row = name ? add_row(t, name) : NULL;
		for (size_t k = 0; row && k < c->n; k++)
			put_worst(row->cells[k + 1], s->probes[k], c->runs[k]);
	}
}

static bool have_namesakes(const struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < i; k++)
			if (json_equal(json_object_get(c->runs[i], "name"),
				       json_object_get(c->runs[k], "name")))
				return true;
	return false;
}

/* The name of a record's folder, in whichever way the record was named. */
static void put_place(char cell[TABLE_CELL], const char *path)
{
	CLEANUP_FREE char *real = realpath(path, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;

	if (slash && strcmp(slash, "/results.json") == 0) {
		*slash = '\0';
		slash = strrchr(real, '/');
	}
	put_text(cell, slash ? slash + 1 : path);
}

/* What tells runs of one name apart. */
static void add_places(const struct comparison *c, struct table *t)
{
	struct table_row *row = add_row(t, "record");

	for (size_t k = 0; row && k < c->n; k++)
		put_place(row->cells[k + 1], c->paths[k]);
	row = add_row(t, "seed");
	for (size_t k = 0; row && k < c->n; k++)
		put_count(row->cells[k + 1],
			  json_object_get(c->runs[k], "seed"));
}

static void print(const struct comparison *c, FILE *out)
{
	static const char *const about[] = { "name", "verdict" };
	size_t sections = 0;
	struct table t = { 0 };

	for (size_t i = 0; i < sizeof(about) / sizeof(*about); i++) {
		struct table_row *row = add_row(&t, i ? about[i] : "run");

		for (size_t k = 0; row && k < c->n; k++)
			put_text(row->cells[k + 1],
				 json_string_value(json_object_get(c->runs[k],
								   about[i])));
		if (!i && have_namesakes(c))
			add_places(c, &t);
	}
	for (size_t i = 0; i < c->sections.n; i++) {
		const struct section *s = &c->sections.v[i];
		bool empty = true;

		for (size_t k = 0; k < c->n; k++)
			empty &= s->probes[k] == NULL;
		if (!empty) {
			add_section(c, s, &t);
			sections++;
		}
	}
	if (sections > 1)
		add_worst(c, &t);
	table_print(&t, out, strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
	table_free(&t);
}

int compare_print(const char *const *paths, size_t n, FILE *out,
		  struct err *err)
{
	struct comparison c = { .n = n };
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		c.paths[i] = paths[i];
		r = read_run(paths[i], &c.runs[i], err);
	}
	if (!r && place_all(&c))
		r = err_set(err, ENOMEM, "out of memory");
	if (!r) {
		join_lonely(&c);
		print(&c, out);
	}
	for (size_t i = 0; i < n; i++)
		json_decref(c.runs[i]);
	VEC_FREE(&c.sections);
	return r;
}
