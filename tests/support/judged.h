/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record with two probes, a service and a process, and expectations to be
 * judged by it. */
#ifndef TESTS_JUDGED_H
#define TESTS_JUDGED_H

#include "orchestrator/report/expect.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS INT64_C(1000000)

enum { C, D };

static struct scn_node nodes[] = { { .name = "c" }, { .name = "d" } };
static struct scn_service services[] = { { .name = "echo" } };
static struct scn_process processes[] = { { .name = "server" } };
static struct scn_probe probes[] = { { .name = "rtt" }, { .name = "other" } };
static struct scenario scenario = {
	.nodes = { .v = nodes, .n = 2 },
	.services = { .v = services, .n = 1 },
	.processes = { .v = processes, .n = 1 },
	.probes = { .v = probes, .n = 1 },
};

static struct record_process ended[1];
static struct record_probe sampled[2];
static struct probe_result results[2];
static struct record record;
static struct trace_counter counter;
static struct judgement j;
static char dir[] = "/tmp/test_expect.XXXXXX";
static char log_path[64];

static inline void setup(void)
{
	scenario.probes.n = 1;
	memset(ended, 0, sizeof(ended));
	memset(results, 0, sizeof(results));
	sampled[0].started = sampled[1].started = true;
	results[0].figures = (struct figures){
		.counts = { .sent = 600, .received = 597, .lost = 3 },
		.outage = { 40 * MS, 0 },
		.rtt = { 1, 2 * MS, 3 * MS, 4 * MS },
	};
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(log_path, sizeof(log_path), "%s/processes", dir);
	ck_assert_int_eq(mkdir(log_path, 0755), 0);
	snprintf(log_path, sizeof(log_path), "%s/processes/server.log", dir);
	record = (struct record){
		.dir = dir,
		.scenario = &scenario,
		.processes = ended,
		.probes = sampled,
		.trace = (char *)"trace.pcapng",
	};
}

static inline void teardown(void)
{
	judgement_free(&j);
	trace_counter_free(&counter);
	unlink(log_path);
	*strrchr(log_path, '/') = '\0';
	rmdir(log_path);
	rmdir(dir);
}

static inline void judge(const struct scn_expect *e, bool held,
			 const char *subject, const char *expected,
			 const char *actual)
{
	struct err err = ERR_INIT;

	judgement_free(&j);
	ck_assert_int_eq(expect_judge(&record, results, &counter, e, &j, &err),
			 0);
	ck_assert_str_eq(j.subject, subject);
	ck_assert_str_eq(j.expected, expected);
	ck_assert_str_eq(j.actual, actual);
	ck_assert_int_eq(j.held, held);
}

static inline struct scn_expect metric(enum scn_metric m, bool has_min,
				       int64_t min, bool has_max, int64_t max)
{
	return (struct scn_expect){
		.kind = SCN_EXPECT_PROBE,
		.metric = m,
		.range = { has_min, has_max, min, max },
	};
}

#endif
