/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual-time simulator: runs of the engine under seeded faults.
 *
 *     sal_sim [--first S] [--seeds N]   plays N seeds (default 400), from S on
 *     sal_sim --seed S                  plays one; a failure prints its ladder
 *     sal_sim --ladder --seed S         prints it in any case
 *     sal_sim --hosts N [--calm]        so many hosts; without any faults
 *     sal_sim --links [...]             over emulated links, as in a lab
 *     sal_sim --routers [...]           by way of service routers
 *     sal_sim --ops FILE --seed S       writes what happens to two hosts as a
 * play for tests/fuzz/fuzz_sal_play
 *
 * A seed is all there is to a run: the same one gives the same packets.
 */
#include "tests/sim/storm.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t playing;

static void failed(const struct world *w)
{
	(void)w;
	fprintf(stderr, "seed %llu failed; it alone: sal_sim --seed %llu\n",
		(unsigned long long)playing, (unsigned long long)playing);
	exit(1);
}

static bool number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return !errno && *text >= '0' && *text <= '9' && !*end;
}

struct options {
	uint64_t first, seeds, hosts;
	bool calm, ladder;
	const char *ops;
};

static bool parse(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		uint64_t value;

		if (!strcmp(name, "--calm")) {
			o->calm = true;
			continue;
		}
		if (!strcmp(name, "--links")) {
			storm_links = true;
			continue;
		}
		if (!strcmp(name, "--routers")) {
			storm_routers = true;
			continue;
		}
		if (!strcmp(name, "--ladder")) {
			o->ladder = true;
			continue;
		}
		if (!strcmp(name, "--ops") && i + 1 < argc) {
			o->ops = argv[++i];
			o->hosts = 2;
			continue;
		}
		if (i + 1 == argc || !number(argv[++i], &value))
			return false;
		if (!strcmp(name, "--first")) {
			o->first = value;
		} else if (!strcmp(name, "--seeds")) {
			o->seeds = value;
		} else if (!strcmp(name, "--seed")) {
			o->first = value;
			o->seeds = 1;
		} else if (!strcmp(name, "--hosts")) {
			if (value < 2 || value > 60000)
				return false;
			o->hosts = value;
			o->seeds = 1;
		} else {
			return false;
		}
	}
	return true;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_cost(const struct storm_totals *t, uint64_t seeds,
		       double took)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("%llu seeds in %.1f s: %.0f seeds/s\n",
	       (unsigned long long)seeds, took, (double)seeds / took);
	printf("%llu packets, %llu moves, %llu crashes, %llu forged; "
	       "%llu of %llu streams complete, %llu segments re-sent, "
	       "%llu moves that did not wait, "
	       "%llu RSYNs by name, %llu native datagrams received\n",
	       (unsigned long long)t->packets, (unsigned long long)t->moves,
	       (unsigned long long)t->crashes, (unsigned long long)t->forged,
	       (unsigned long long)t->streams_done,
	       (unsigned long long)t->streams, (unsigned long long)t->resent,
	       (unsigned long long)t->early, (unsigned long long)t->by_name,
	       (unsigned long long)t->native);
	if (storm_routers)
		printf("%llu handed on by routers, which restarted %llu "
		       "times\n",
		       (unsigned long long)t->forwarded,
		       (unsigned long long)t->restarts);
	if (storm_links)
		printf("links lost %llu, doubled %llu, had %llu overtake and "
		       "no "
		       "room for %llu\n",
		       (unsigned long long)t->link_lost,
		       (unsigned long long)t->link_doubled,
		       (unsigned long long)t->link_overtook,
		       (unsigned long long)t->link_full);
	printf("%u hosts at most, %ld MiB\n", t->hosts, usage.ru_maxrss / 1024);
}

static struct options options = { .first = 1, .seeds = 400 };

START_TEST(all)
{
	struct storm_totals totals = { 0 };
	double start = seconds();

	for (uint64_t i = 0; i < options.seeds; i++) {
		playing = options.first + i;
		storm_play(playing, (unsigned)options.hosts, options.calm,
			   &totals);
	}
	print_cost(&totals, options.seeds, seconds() - start);
	/* Of so many, each has happened: what never does is not looked at. */
	if (options.seeds < 1000 || options.calm || options.hosts)
		return;
	ck_assert(totals.moves && totals.crashes && totals.forged);
	ck_assert(totals.by_name && totals.native && totals.resent);
	ck_assert(totals.early);
	ck_assert(totals.streams_done);
	ck_assert(!storm_routers || (totals.forwarded && totals.restarts));
	ck_assert(!storm_links || (totals.link_lost && totals.link_doubled &&
				   totals.link_overtook && totals.link_full));
}
END_TEST

/* The world's checks are Check's, which wants a test around them; in this
 * process, for it may take hours. */
static int run(void)
{
	TCase *tc = tcase_create("sim");
	Suite *s = suite_create("sal: sim");
	SRunner *runner;
	int wrong;

	tcase_add_test(tc, all);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	wrong = srunner_ntests_failed(runner);
	if (wrong) {
		TestResult **all_results = srunner_failures(runner);

		fprintf(stderr, "seed %llu: %s\n", (unsigned long long)playing,
			tr_msg(all_results[0]));
		free(all_results);
	}
	srunner_free(runner);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (!parse(argc, argv, &options)) {
		fprintf(stderr, "usage: sal_sim [--first S] [--seeds N] | "
				"[--links] [--routers] [--ladder] --seed S | "
				"--hosts N [--calm] | "
				"--ops FILE --seed S\n");
		return 2;
	}
	if (options.ops && !(storm_ops = fopen(options.ops, "w"))) {
		perror(options.ops);
		return 1;
	}
	world_failed = failed;
	storm_prints_ladder = options.ladder;
	return run();
}
