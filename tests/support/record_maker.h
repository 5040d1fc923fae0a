/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes whole records into a folder of its own, and reads them back. The
 * record is that of a ping to a service which moves from c to d and back: 600
 * packets, of which the first migration costs three.
 */
#ifndef TESTS_RECORD_MAKER_H
#define TESTS_RECORD_MAKER_H

#include "orchestrator/observe/pcapng.h"
#include "orchestrator/report/report.h"
#include "tests/support/marked_frame.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define ZERO (5000 * MS) /* of the timeline, CLOCK_MONOTONIC */
#define REAL_ZERO (INT64_C(1700000000) * 1000 * MS) /* the same moment */
#define PACKETS 600
#define RTT (INT64_C(62) * 1000)

static const char scenario_text[] =
	"version: 1\n"
	"name: ping-nat\n"
	"seed: 7\n"
	"topology:\n"
	"  nodes:\n"
	"    a: {}\n"
	"    c: {}\n"
	"    d: {}\n"
	"    lan: { kind: bridge }\n"
	"  links:\n"
	"    - endpoints: [\"a:eth0\", lan]\n"
	"    - endpoints: [\"c:eth0\", lan]\n"
	"    - endpoints: [\"d:eth0\", lan]\n"
	"services:\n"
	"  echo: { resolver: nat, instances: [c] }\n"
	"processes:\n"
	"  server: { node: c, run: \"true\" }\n"
	"probes:\n"
	"  rtt: { kind: ping, node: a, to: echo, interval: 10ms, for: 6s }\n"
	"timeline:\n"
	"  - at: 2s\n"
	"    migrate: { service: echo, from: c, to: d }\n"
	"  - at: 4s\n"
	"    migrate: { service: echo, from: d, to: c }\n"
	"expect:\n"
	"  - { probe: rtt, lost: { max: 3 }, outage: { max: 50ms } }\n"
	"  - { service: echo, answered_by: [c, d, c] }\n"
	"  - { capture: \"icmp\", node: d, count: { min: 1 } }\n"
	"  - { process: server, exit: 0, prints: \"hello\" }\n";

static char *dir;
static struct report *report;
static struct err err;

/* ---- writing a record --------------------------------------------------- */

static inline char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static inline FILE *create(const char *name)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_msg(f != NULL, "%s: %s", path_of(name), strerror(errno));
	return f;
}

static inline void close_file(FILE *f)
{
	ck_assert_int_eq(fclose(f), 0);
}

static inline void write_file(const char *name, const char *text, size_t len)
{
	FILE *f = create(name);

	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	close_file(f);
}

static inline void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static inline char *read_text(const char *name, size_t *len)
{
	FILE *f = fopen(path_of(name), "r");
	char *text = malloc(1 << 20);

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(text);
	*len = fread(text, 1, (1 << 20) - 1, f);
	text[*len] = '\0';
	close_file(f);
	return text;
}

static inline bool is_lost(int seq)
{
	return seq >= 200 && seq < 203;
}

static inline bool is_at_d(int seq)
{
	return seq >= 203 && seq < 400;
}

/* Of the run, after its zero; for_ns 0: there was none. */
static struct {
	int64_t at_ns, for_ns;
} paused;

/* When that was, of which the time of the run is known. */
static inline int64_t lasting(int64_t t_ns)
{
	return t_ns > paused.at_ns ? t_ns + paused.for_ns : t_ns;
}

static inline void write_samples(void)
{
	FILE *f = create("probes/rtt.csv");

	fputs("seq,sent_ns,received_ns,copy,error\n", f);
	for (int i = 0; i < PACKETS; i++) {
		int64_t sent = ZERO + lasting(i * 10 * MS + 1);
		int64_t received = ZERO + lasting(i * 10 * MS + 1 + RTT);

		if (is_lost(i))
			fprintf(f, "%d,%" PRId64 ",,0,\n", i, sent);
		else
			fprintf(f, "%d,%" PRId64 ",%" PRId64 ",1,\n", i, sent,
				received);
	}
	close_file(f);
}

static inline void write_trace(const char *name)
{
	static const char *const names[] = { "a:eth0", "c:eth0", "d:eth0" };
	FILE *f = create(name);

	ck_assert_int_eq(pcapng_write_header(f, "test"), 0);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(
			pcapng_write_interface(f, names[i], NULL, 65535), 0);
	for (int i = 0; i < PACKETS; i++) {
		struct marked_frame frame = marked_frame(
			IPPROTO_ICMP, ICMP_ECHOREPLY, 0, (uint64_t)i);
		struct pcapng_packet p = {
			.interface = is_at_d(i) ? 2 : 1,
			.time_ns = REAL_ZERO + lasting(i * 10 * MS + RTT / 2),
			.data = frame.bytes,
			.captured = sizeof(frame.bytes),
			.length = sizeof(frame.bytes),
			.direction = PCAPNG_OUT,
		};

		if (is_lost(i))
			continue;
		ck_assert_int_eq(pcapng_write_packet(f, &p), 0);
		p.interface = 0;
		p.direction = PCAPNG_IN;
		ck_assert_int_eq(pcapng_write_packet(f, &p), 0);
	}
	close_file(f);
}

/* One event; extra: the fields besides, as JSON, or "". */
static inline void event_at(FILE *f, int64_t t_ns, const char *name,
			    const char *extra)
{
	fprintf(f,
		"{\"mono_ns\":%" PRId64 ",\"t_ns\":%" PRId64
		",\"event\":\"%s\"%s%s}\n",
		ZERO + t_ns, t_ns, name, *extra ? "," : "", extra);
}

static inline void event(FILE *f, int64_t t_ns, const char *name,
			 const char *extra)
{
	event_at(f, lasting(t_ns), name, extra);
}

/* One more of a record that is written, whose last one is run.end. */
static inline void add_event(int64_t t_ns, const char *name, const char *extra)
{
	FILE *f = fopen(path_of("events.jsonl"), "a");

	ck_assert_ptr_nonnull(f);
	event(f, t_ns, name, extra);
	close_file(f);
}

static inline void clock_event(FILE *f, int64_t t_ns, int64_t off_ns)
{
	char extra[64];

	snprintf(extra, sizeof(extra), "\"real_ns\":%" PRId64,
		 REAL_ZERO + lasting(t_ns) + off_ns);
	event(f, t_ns, "clock", extra);
}

struct run {
	bool interrupted, failed, killed;
	bool exit_expected;
	int probe_status, exit_status;
	int64_t clock_off_ns; /* at its end */
	int64_t late_ns; /* the first action, beyond the usual */
	int64_t steal_ticks; /* of 1000 */
};

static inline void write_events(const struct run *run)
{
	FILE *f = create("events.jsonl");
	char extra[128];

	event(f, -500 * MS, "run.start",
	      "\"version\":\"0.1.0\",\"kernel\":\"6.1\",\"scenario\":"
	      "\"some/ping-nat.yaml\",\"name\":\"ping-nat\",\"seed\":7,"
	      "\"uid\":0");
	clock_event(f, -490 * MS, 0);
	event(f, -300 * MS, "lab.built", "\"operations\":9,\"duration_ns\":1");
	event(f, -250 * MS, "lab.ready", "\"duration_ns\":1");
	event(f, -200 * MS, "process.start",
	      "\"process\":\"server\",\"node\":\"c\",\"pid\":4");
	event(f, 0, "floor", "\"p50_ns\":50000,\"p99_ns\":400000");
	event(f, 0, "cpu", "\"steal_ticks\":7,\"total_ticks\":1000");
	event(f, 0, "timeline.start", "");
	event(f, 0, "probe.start",
	      "\"probe\":\"rtt\",\"node\":\"a\",\"to\":\"198.18.0.1\"");
	if (paused.for_ns) {
		event_at(f, paused.at_ns, "run.paused", "");
		snprintf(extra, sizeof(extra), "\"paused_ns\":%" PRId64,
			 paused.for_ns);
		event_at(f, paused.at_ns + paused.for_ns, "run.continued",
			 extra);
	}
	snprintf(extra, sizeof(extra),
		 "\"process\":\"server\",\"status\":%d,\"expected\":%s",
		 run->exit_status, run->exit_expected ? "true" : "false");
	event(f, 100 * MS, "process.exit", extra);
	event(f, 2000 * MS - MS / 10 + run->late_ns, "action.start",
	      "\"id\":0,\"action\":\"migrate\",\"text\":\"migrate echo: c -> "
	      "d\",\"line\":22,\"planned_ns\":1999800000");
	event(f, 2000 * MS + run->late_ns, "action.step",
	      "\"id\":0,\"step\":\"rule\"");
	if (run->failed) {
		event(f, 2000 * MS, "action.failed",
		      "\"id\":0,\"error\":\"no such rule\"");
	} else {
		event(f, 2000 * MS + 1 + run->late_ns, "action.done",
		      "\"id\":0,\"duration_ns\":100001");
		event(f, 4000 * MS - MS / 10, "action.start",
		      "\"id\":1,\"action\":\"migrate\",\"text\":\"migrate "
		      "echo: d -> c\",\"line\":24,\"planned_ns\":3999800000");
		event(f, 4000 * MS - MS / 20, "action.done",
		      "\"id\":1,\"duration_ns\":50000");
	}
	if (run->interrupted)
		event(f, 5000 * MS, "run.interrupted", "\"signal\":2");
	if (!run->killed) {
		snprintf(extra, sizeof(extra),
			 "\"probe\":\"rtt\",\"status\":%d", run->probe_status);
		event(f, 6000 * MS, "probe.end", extra);
		snprintf(extra, sizeof(extra),
			 "\"steal_ticks\":%" PRId64 ",\"total_ticks\":2000",
			 7 + run->steal_ticks);
		event(f, 6000 * MS, "cpu", extra);
		clock_event(f, 6000 * MS, run->clock_off_ns);
		event(f, 6000 * MS, "run.end", "");
	}
	close_file(f);
}

static inline void write_record(const struct run *run)
{
	static const struct run usual;

	write_text("scenario.yaml", scenario_text);
	write_events(run ? run : &usual);
	write_samples();
	write_trace("trace.pcapng");
	write_text("trace.pcapng.json",
		   "{\"packets\":1194,\"dropped\":0,\"nodes\":{}}\n");
	write_text("processes/server.log", "well, hello there\n");
}

static inline void setup(void)
{
	static const char *const folders[] = { "probes", "processes" };
	static char template[32];

	strcpy(template, "/tmp/test_report.XXXXXX");
	dir = mkdtemp(template);
	ck_assert_ptr_nonnull(dir);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(mkdir(path_of(folders[i]), 0755), 0);
	err = ERR_INIT;
}

static inline void teardown(void)
{
	static const char *const names[] = {
		"scenario.yaml",	"events.jsonl",
		"trace.pcapng",		"trace.pcapng.part",
		"trace.pcapng.json",	"probes/rtt.csv",
		"results.json",		"host.json",
		"processes/server.log",
	};
	static const char *const folders[] = { "probes", "processes" };

	report = report_free(report);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(path_of(names[i]));
	for (size_t i = 0; i < 2; i++)
		rmdir(path_of(folders[i]));
	/* Fails where something was left that no test knows of. */
	ck_assert_msg(rmdir(dir) == 0, "%s: %s", dir, strerror(errno));
}

/* ---- reading it back ---------------------------------------------------- */

static inline void make(enum report_verdict verdict)
{
	int r = report_make(dir, &report, &err);

	ck_assert_msg(r == 0, "%s", err.msg);
	ck_assert_int_eq(report_verdict(report), verdict);
}

static inline void make_fails(const char *message)
{
	ck_assert_int_eq(report_make(dir, &report, &err), -EBADMSG);
	ck_assert_msg(strstr(err.msg, message) != NULL, "%s", err.msg);
	ck_assert_msg(strncmp(err.msg, dir, strlen(dir)) == 0, "%s", err.msg);
}

static inline char *print(bool color, unsigned width)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	report_print(report, f, color, width);
	close_file(f);
	return text;
}

static inline void prints(const char *expected)
{
	char *text = print(false, 100);

	ck_assert_msg(strstr(text, expected) != NULL, "\"%s\" is not in:\n%s",
		      expected, text);
	free(text);
}

#endif
