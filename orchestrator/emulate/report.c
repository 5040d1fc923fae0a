/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was asked of each direction beside what it got: docs/record.md has the
 * format, docs/measures.md the definitions.
 */
#include "orchestrator/emulate/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define SCHEMA 1
#define TOLERANCE_NS (5 * NSEC_PER_MSEC)
#define TOLERANCE_FLOORS 10
#define SIGMAS 6
#define LINK_NAME_SHOWN 80 /* bytes, in the name of a file */

int64_t report_tolerance_ns(const struct emulator *e, size_t link)
{
	int64_t asked_ns = e->config->links[link].tolerance_ns;
	int64_t floors_ns = TOLERANCE_FLOORS * e->floor.p99_ns;

	if (asked_ns)
		return asked_ns;
	return floors_ns > TOLERANCE_NS ? floors_ns : TOLERANCE_NS;
}

/* ---- a direction -------------------------------------------------------- */

struct count {
	const char *name;
	uint64_t value;
};

static json_t *table_json(const struct count *counts, size_t n)
{
	json_t *json = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(json, counts[i].name,
				    json_integer((json_int_t)counts[i].value));
	return json;
}

/* What had come and not arrived when the run ended. */
static uint64_t inside(const struct link_counts *c)
{
	return c->offered - c->medium - c->queue_dropped - c->mtu_dropped -
	       c->down_dropped - c->overflow_dropped;
}

static json_t *counts_json(const struct side *side)
{
	const struct link_counts *c = link_counts(side->model);
	const struct count counts[] = {
		{ "offered", c->offered },
		{ "offered_bytes", c->offered_bytes },
		{ "delivered", c->delivered },
		{ "delivered_bytes", c->delivered_bytes },
		{ "lost", c->lost },
		{ "duplicated", c->duplicated },
		{ "corrupted", c->corrupted },
		{ "reordered", c->reordered },
		{ "marked", c->marked },
		{ "queue_dropped", c->queue_dropped },
		{ "mtu_dropped", c->mtu_dropped },
		{ "down_dropped", c->down_dropped },
		{ "copies_dropped", c->copies_dropped },
		{ "receiver_down", side->faults.peer_down },
		{ "inside", inside(c) },
		{ "control", c->control },
		{ "streams", c->streams },
		{ "untold", c->frames_untold },
	};

	return table_json(counts, sizeof(counts) / sizeof(counts[0]));
}

/* of: what was counted */
static json_t *tally_json(const struct tally *t, const char *of)
{
	return json_pack("{sI sI sI sI sI}", of, (json_int_t)t->n, "mean",
			 (json_int_t)tally_mean_ns(t), "p50",
			 (json_int_t)tally_percentile_ns(t, 0.50), "p99",
			 (json_int_t)tally_percentile_ns(t, 0.99), "max",
			 (json_int_t)t->max_ns);
}

static json_t *delay_json(const struct side *side)
{
	json_t *delay = tally_json(&side->delay, "frames");
	double asked = side->delay.n ?
			       side->asked_delay_ns / (double)side->delay.n :
			       0;

	json_object_set_new(delay, "asked_mean",
			    json_integer((json_int_t)asked));
	return delay;
}

/* Asked, of changing rates: their mean, by the time that each was the limit.
 * Of a trace, for however long, there is no such figure. */
static json_t *rate_json(const struct side *side)
{
	const struct link_counts *c = link_counts(side->model);
	const struct link_params *p = link_params(side->model);
	double since = (double)(c->busy_ns - side->asked_rate_busy_ns);
	double asked =
		side->asked_rate_bytes + (double)p->rate_bps / 8e9 * since;
	json_t *rate = json_pack("{sI}", "busy_ns", (json_int_t)c->busy_ns);

	if (c->busy_ns <= 0)
		return rate;
	if (asked > 0 && !p->trace && !side->traced)
		json_object_set_new(
			rate, "asked_bps",
			json_integer((json_int_t)(asked * 8e9 /
						  (double)c->busy_ns)));
	json_object_set_new(
		rate, "realised_bps",
		json_integer((json_int_t)((double)c->busy_bytes * 8e9 /
					  (double)c->busy_ns)));
	return rate;
}

/*
 * The variance of the number of lost frames, of so many. In bursts a frame's
 * loss makes that of the next one likelier: the chain's correlation after k
 * frames is (1 - to_bad - to_good)^k, and all of these add up.
 */
static double loss_variance(const struct link_params *p, double expected,
			    double frames)
{
	double share = frames > 0 ? expected / frames : 0;
	double variance = share * (1 - share);
	double to_bad = (double)p->loss.burst.to_bad / LINK_PPB_ONE;
	double to_good = (double)p->loss.burst.to_good / LINK_PPB_ONE;
	double in =
		((double)p->loss.burst.in_bad - (double)p->loss.burst.in_good) /
		LINK_PPB_ONE;
	double sum = to_bad + to_good;

	if (p->loss.kind == LINK_LOSS_BURST && sum > 0)
		variance += 2 * in * in * to_bad * to_good / (sum * sum) *
			    (1 - sum) / sum;
	return variance > 0 ? variance * frames : 0;
}

static double expected_loss(const struct side *side)
{
	return (double)link_counts(side->model)->expected_loss_ppb_sum /
	       LINK_PPB_ONE;
}

/* Of what came to the medium since the last change, and more frames. */
static double variance_since(const struct side *side, double more)
{
	const struct link_counts *c = link_counts(side->model);
	double frames = (double)(c->medium - side->loss_frames);
	double expected = expected_loss(side) - side->loss_expected;

	if (frames <= 0)
		return 0;
	return loss_variance(link_params(side->model), expected, frames) *
	       (1 + more / frames);
}

void report_settle(struct side *side)
{
	const struct link_counts *c = link_counts(side->model);
	const struct link_params *p = link_params(side->model);

	if (p->trace)
		side->traced |= c->busy_ns > side->asked_rate_busy_ns;
	else
		side->asked_rate_bytes +=
			(double)p->rate_bps / 8e9 *
			(double)(c->busy_ns - side->asked_rate_busy_ns);
	side->asked_rate_busy_ns = c->busy_ns;
	/* What is inside has its fate already, and is counted later. */
	side->loss_variance += variance_since(side, (double)side->inside);
	side->loss_expected = expected_loss(side);
	side->loss_frames = c->medium;
}

static json_t *loss_json(uint64_t lost, double expected, double variance,
			 double frames)
{
	double bound = SIGMAS * sqrt(variance) + 1;
	double off = fabs((double)lost - expected);

	return json_pack("{sI sI sf sf sb}", "frames", (json_int_t)frames,
			 "realised", (json_int_t)lost, "expected", expected,
			 "bound", bound, "within", off <= bound);
}

static json_t *machine_json(const struct emulator *e, const struct side *side)
{
	const struct link_counts *c = link_counts(side->model);
	const struct side_faults *f = &side->faults;
	int64_t unread = machine_unread(e, side);
	uint64_t sum = c->overflow_dropped + f->malformed + f->no_room +
		       f->write_failed + (unread > 0 ? (uint64_t)unread : 0);
	json_t *machine = json_pack(
		"{sI sI sI sI sI sb}", "dropped", (json_int_t)sum, "overflow",
		(json_int_t)c->overflow_dropped, "no_room",
		(json_int_t)f->no_room, "malformed", (json_int_t)f->malformed,
		"write_failed", (json_int_t)f->write_failed, "device_gone",
		side->was_gone);

	/* Before they were read; not known of a device that is gone. */
	json_object_set_new(machine, "unread",
			    unread < 0 ? json_null() : json_integer(unread));
	return machine;
}

static json_t *calibration_json(const struct side *side)
{
	const struct calibration *c = &side->calibration;
	json_t *json;

	if (!c->frames)
		return json_null();
	json = json_pack(
		"{sI s{sI so} so}", "frames", (json_int_t)c->frames, "delay_ns",
		"asked", (json_int_t)c->delay_asked_ns, "realised",
		c->delay_realised_ns == INT64_MIN ?
			json_null() :
			json_integer((json_int_t)c->delay_realised_ns),
		"loss",
		loss_json(c->lost, c->lost_expected,
			  loss_variance(link_params(side->model),
					c->lost_expected, (double)c->frames),
			  (double)c->frames));
	if (c->rate_asked_bps)
		json_object_set_new(
			json, "rate_bps",
			json_pack("{sI sI}", "asked",
				  (json_int_t)c->rate_asked_bps, "realised",
				  (json_int_t)c->rate_realised_bps));
	return json;
}

static json_t *side_json(const struct emulator *e, const struct side *side)
{
	const struct link_counts *c = link_counts(side->model);
	char params[512];

	return json_pack(
		"{ss ss ss sI sI so so so so so s{sI sI sI} so so}", "from",
		side->name, "to", side->peer->name, "parameters",
		link_params_text(link_params(side->model), params,
				 sizeof(params)),
		"changes", (json_int_t)side->changes, "devices",
		(json_int_t)side->devices, "frames", counts_json(side),
		"lateness_ns", tally_json(&side->late, "frames"), "delay_ns",
		delay_json(side), "rate", rate_json(side), "loss",
		loss_json(c->lost, expected_loss(side),
			  side->loss_variance + variance_since(side, 0),
			  (double)c->medium),
		"backlog", "inside_most", (json_int_t)side->inside_most,
		"queued_most", (json_int_t)c->queued_most, "queued_bytes_most",
		(json_int_t)c->queued_bytes_most, "machine",
		machine_json(e, side), "calibration", calibration_json(side));
}

/* ---- the process -------------------------------------------------------- */

static json_t *floor_json(const struct timer_floor *f)
{
	if (!f->samples)
		return json_null();
	return json_pack("{sI sI sI sI}", "samples", (json_int_t)f->samples,
			 "p50", (json_int_t)f->p50_ns, "p99",
			 (json_int_t)f->p99_ns, "max", (json_int_t)f->max_ns);
}

static uint64_t time_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * NSEC_PER_SEC +
	       (uint64_t)t->tv_usec * NSEC_PER_USEC;
}

static json_t *process_json(const struct emulator *e)
{
	struct rusage used = { 0 };
	uint64_t reads = 0, writes = 0;
	json_t *json;

	for (size_t i = 0; i < e->n_sides; i++) {
		reads += e->sides[i].reads;
		writes += e->sides[i].writes;
	}
	getrusage(RUSAGE_SELF, &used);
	const struct count figures[] = {
		{ "started_ns", (uint64_t)e->started_ns },
		{ "ended_ns", (uint64_t)e->ended_ns },
		{ "cpu_user_ns", time_ns(&used.ru_utime) },
		{ "cpu_system_ns", time_ns(&used.ru_stime) },
		{ "wakeups", e->wakeups },
		{ "timer_wakeups", e->timer_wakeups },
		{ "reads", reads },
		{ "writes", writes },
		{ "spin_ns", (uint64_t)e->config->spin_ns },
		{ "timer_early_ns", (uint64_t)e->early_ns },
		{ "buffer_bytes", pool_bytes(e->pool) },
	};

	json = table_json(figures, sizeof(figures) / sizeof(figures[0]));
	json_object_set_new(json, "reading_lateness_ns",
			    tally_json(&e->beat.late, "beats"));
	json_object_set_new(json, "timer_floor_ns", floor_json(&e->floor));
	json_object_set_new(json, "calibrated_floor_ns",
			    floor_json(&e->calibrated_floor));
	json_object_set_new(json, "calibrated_loop_ns",
			    floor_json(&e->calibrated_loop));
	return json;
}

static json_t *report_json(const struct emulator *e)
{
	json_t *links = json_array();

	for (size_t i = 0; i < e->config->n; i++)
		json_array_append_new(
			links,
			json_pack("{ss sI s[oo]}", "link",
				  e->config->links[i].name, "tolerance_ns",
				  (json_int_t)report_tolerance_ns(e, i),
				  "directions", side_json(e, &e->sides[2 * i]),
				  side_json(e, &e->sides[2 * i + 1])));
	return json_pack("{si so so}", "schema", SCHEMA, "process",
			 process_json(e), "links", links);
}

/* ---- fates -------------------------------------------------------------- */

/* Of so many bytes at most, and whole characters. */
static int shown_bytes(const char *name)
{
	size_t n = strnlen(name, LINK_NAME_SHOWN + 1);

	if (n <= LINK_NAME_SHOWN)
		return (int)n;
	n = LINK_NAME_SHOWN;
	while (n && ((uint8_t)name[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

/*
 * "LINK.0.NODE_IFNAME.fates": nothing of it leaves the folder. The name of a
 * file has 255 bytes, and a link that nobody gave a name is called after both
 * of its ends: one that is too long is cut, and told apart by its number.
 */
static void fates_path(const struct emulator *e, size_t i, char *path,
		       size_t size)
{
	const char *link = e->config->links[i / 2].name;
	int shown = shown_bytes(link);
	char name[256], number[24] = "";

	if (link[shown])
		snprintf(number, sizeof(number), "~%zu", i / 2);
	snprintf(name, sizeof(name), "%.*s%s.%zu.%s", shown, link, number,
		 i % 2, e->sides[i].name);
	for (char *c = name; *c; c++)
		if (*c == '/' || *c == ':')
			*c = '_';
	snprintf(path, size, "%s/%s.fates", e->config->fates, name);
}

static int fates_write(const struct emulator *e, struct err *err)
{
	for (size_t i = 0; e->config->fates && i < e->n_sides; i++) {
		CLEANUP_FCLOSE FILE *out = NULL;
		char path[512];
		int r = 0;

		fates_path(e, i, path, sizeof(path));
		out = fopen(path, "we");
		if (!out)
			return err_errno(err, errno, "write %s", path);
		r = link_fates_write(e->sides[i].model, out);
		if (!r && fflush(out))
			r = -errno;
		if (r)
			return err_errno(err, -r, "write %s", path);
	}
	return 0;
}

static int history_file(struct emulator *e, struct err *err)
{
	CLEANUP_FCLOSE FILE *out = NULL;

	if (!e->config->history)
		return 0;
	out = fopen(e->config->history, "we");
	if (!out)
		return err_errno(err, errno, "write %s", e->config->history);
	history_write_header(out);
	for (size_t i = 0; i < e->n_sides; i++) {
		struct side *side = &e->sides[i];

		history_cut(&side->history, side->model, e->ended_ns);
		history_write(&side->history, e->config->links[i / 2].name,
			      side->name, side->peer->name, out);
	}
	if (fflush(out) || ferror(out))
		return err_errno(err, errno, "write %s", e->config->history);
	return 0;
}

int report_write(struct emulator *e, struct err *err)
{
	CLEANUP_FCLOSE FILE *out = NULL;
	json_t *json;
	int r;

	if (e->reported)
		return 0;
	/* What was sent before the end has its fate, too. */
	for (size_t i = 0; i < e->n_sides; i++)
		carry_drain(e, &e->sides[i]);
	e->ended_ns = clock_mono_ns();
	out = fopen(e->config->report, "we");
	if (!out)
		return err_errno(err, errno, "write %s", e->config->report);
	json = report_json(e);
	if (!json)
		return err_errno(err, ENOMEM, "write %s", e->config->report);
	r = json_dumpf(json, out, JSON_INDENT(1)) || fputc('\n', out) == EOF ||
	    fflush(out);
	json_decref(json);
	if (r)
		return err_errno(err, errno, "write %s", e->config->report);
	r = history_file(e, err);
	if (!r)
		r = fates_write(e, err);
	e->reported = !r;
	return r;
}
