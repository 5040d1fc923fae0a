/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The typed model of one scenario: what a YAML file says, with every reference
 * resolved to an index and every quantity in its unit, and nothing computed
 * yet. Addresses, routes and operations are the plan's (orchestrator/plan).
 *
 * Everything carries the place in the file that asked for it. Strings and
 * arrays belong to the scenario and die with it.
 */
#ifndef SCENARIO_MODEL_H
#define SCENARIO_MODEL_H

#include "orchestrator/scenario/model_lab.h"
#include "orchestrator/scenario/model_play.h"

/* ---- files ------------------------------------------------------------- */

enum scn_file_kind { SCN_FILE_TRACE, SCN_FILE_HISTOGRAM, SCN_FILE_PATTERN };

/*
 * A file that the scenario names, read and parsed. Where a scenario is not to
 * look at files (scenario_parse()), it is a stand-in: known by its name, and of
 * the least that its kind can hold.
 */
struct scn_file {
	enum scn_file_kind kind;
	char *path; /* as written: from the scenario's folder */
	char *text; /* NULL: a stand-in, or a pattern that the scenario holds */
	size_t len;
	bool loop; /* traces */
	union {
		struct link_trace *trace;
		struct link_histogram *histogram;
		struct link_pattern *pattern;
	};
};

/* ---- all of it --------------------------------------------------------- */

struct scenario {
	char *path; /* as given by the user */
	char *name;
	char *description; /* may be NULL */
	uint64_t seed;
	int64_t duration_ns; /* 0: until the last probe or process is done */
	struct ip_addr
		others; /* the name server that is asked for names that
			   are no service's; family 0: they are refused */
	struct src_pos topology_pos; /* "topology:", for what all of it needs */
	int64_t spin_ns; /* the emulator's busy-wait before a frame is due */
	VEC(struct scn_node) nodes;
	VEC(struct scn_link) links;
	VEC(struct scn_service) services;
	VEC(struct scn_process) processes;
	VEC(struct scn_probe) probes;
	VEC(struct scn_entry) timeline; /* by time; file order where equal */
	VEC(struct scn_expect) expects;
	VEC(struct scn_file) files;
	char *text; /* the file, byte for byte: the record keeps a copy */
	size_t text_len;
};

struct diag;

/*
 * Reads a scenario. Returns 0; -EINVAL with what is wrong with it in diag
 * (every error of the file, found in one pass); another negative errno where
 * the file could not be read, or memory ran out, with err saying so. The
 * scenario is only given (and to be freed) on 0.
 */
int scenario_load(const char *path, struct diag *diag, struct scenario **out,
		  struct err *err);
/*
 * The same from memory; path is for the messages. Files that it names are not
 * looked at (struct scn_file): so is a scenario read again that a run's record
 * holds a copy of.
 */
int scenario_parse(const char *path, const char *text, size_t len,
		   struct diag *diag, struct scenario **out, struct err *err);

/* Returns NULL. */
struct scenario *scenario_free(struct scenario *s);

size_t scenario_find_node(const struct scenario *s, const char *name);

/* The words of the language, as the messages, plans and reports print them. */
const char *scn_probe_kind_name(enum scn_probe_kind k);
/* Whether the service's ID, or prefix, lies in the outer one's, which is
 * shorter.
 */
bool scn_service_is_within(const struct scenario *s, size_t service,
			   size_t outer);
const char *scn_metric_name(enum scn_metric m);
const char *scn_link_figure_name(enum scn_link_figure figure);
enum scn_unit {
	SCN_UNIT_COUNT,
	SCN_UNIT_TIME, /* ns */
	SCN_UNIT_RATE, /* bits/s */
	SCN_UNIT_BYTES,
	SCN_UNIT_SWITCH, /* 0: false, 1: true */
};
enum scn_unit scn_metric_unit(enum scn_metric m);
/* Has a probe of this kind such a figure? */
bool scn_metric_fits(enum scn_metric m, enum scn_probe_kind k);
/* From the timeline's zero to where all is over that has a known end; INT64_MAX
 * where that is more. */
int64_t scn_length_ns(const struct scenario *s);
/* So long a run may wait besides, at most: for processes to be ready, and for
 * expectations to hold ("within"). */
int64_t scn_patience_ns(const struct scenario *s);
/* A duration as it would be typed: exact, and without a space. Returns buf. */
const char *scn_duration_text(int64_t ns, char *buf, size_t size);
const char *scn_node_kind_name(enum scn_node_kind k);
const char *scn_backend_name(bool emulated); /* "kernel", "emulated" */
/* Does the timeline change properties of the link? Does it take it down or up?
 */
bool scn_link_changes(const struct scenario *s, size_t link);
bool scn_link_switches(const struct scenario *s, size_t link);
bool scn_has_emulated(const struct scenario *s); /* any link */
/* "phone>ap": what that end sends. Returns buf. */
const char *scn_direction_text(const struct scenario *s, size_t link,
			       size_t end, char *buf, size_t size);
/* What the change sets, both directions: "loss 20%, rate 10mbit". Returns buf.
 */
const char *scn_change_text(const struct scenario *s, size_t link,
			    const struct scn_link_change *c, char *buf,
			    size_t size);
const char *scn_action_name(enum scn_action_kind k);
/* Why it had nothing to do where it did nothing ("it was off already"); NULL:
 * there is always something to do for one of this kind. */
const char *scn_action_idle_reason(enum scn_action_kind k);
/* Frees what the action holds, not itself. */
void scn_action_deinit(struct scn_action *a);
/* "migrate echo: c -> d", "link wifi down", "stop server". Returns buf. */
const char *scn_action_text(const struct scenario *s,
			    const struct scn_action *a, char *buf, size_t size);

#endif
