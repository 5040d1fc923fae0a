/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * servalab test: many scenarios, one verdict. All of them are read before
 * anything is run: where one has a mistake, that is told, and nothing is.
 */
#include "orchestrator/cli/test.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <locale.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_MAX 256
#define REPEAT_MAX 1000000
#define RETRIES_MAX 1000
#define EXPECTED_MAX_NS (10000 * 3600 * NSEC_PER_SEC)
/* Without --timeout: beyond a known end, and where it is not known; that it
 * waits for what the file bounds is no part of either. */
#define SPARE_NS (60 * NSEC_PER_SEC)
#define SPARE_UNKNOWN_NS (600 * NSEC_PER_SEC)
#define OVERHEAD_NS (400 * NSEC_PER_MSEC) /* of a run, besides its timeline */

enum {
	OPTION_JUNIT = 256,
	OPTION_TAP,
	OPTION_REPEAT,
	OPTION_UNTIL_FAIL,
	OPTION_RETRY,
	OPTION_TIMEOUT,
};

struct test_file *test_file_of(const struct test *t, size_t at)
{
	return &t->files[at % t->options.n_files];
}

/* ---- command line ------------------------------------------------------ */

/* Those that this process may use, as nproc(1) counts them. */
static unsigned count_cores(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (unsigned)n;
}

static int parse_number(const char *option, const char *text, unsigned min,
			unsigned max, unsigned *out)
{
	uint64_t n;

	if (!units_parse_uint(text, max, &n) && n >= min) {
		*out = (unsigned)n;
		return 0;
	}
	return usage_error("test", "write %s N, a number from %u to %u", option,
			   min, max);
}

static int parse_seed(struct run_options *o, const char *text)
{
	if (units_parse_uint(text, UINT64_MAX, &o->seed))
		return usage_error(
			"test", "'%s' is no seed; write a whole number", text);
	o->has_seed = true;
	return 0;
}

static int parse_file(const char *option, const char *text, const char **out)
{
	if (!*text)
		return usage_error("test", "'' is no file; write %s FILE",
				   option);
	*out = text;
	return 0;
}

/* One option; 0 or the exit code. */
static int take_option(struct test_options *o, int c)
{
	switch (c) {
	case 'r':
		return parse_file("--results", optarg, &o->run.results);
	case 's':
		return parse_seed(&o->run, optarg);
	case 'j':
		return parse_number("--jobs", optarg, 1, JOBS_MAX, &o->jobs);
	case OPTION_REPEAT:
		return parse_number("--repeat", optarg, 1, REPEAT_MAX,
				    &o->repeat);
	case OPTION_RETRY:
		return parse_number("--retry-invalid", optarg, 0, RETRIES_MAX,
				    &o->retry_invalid);
	case OPTION_JUNIT:
		if (!strcmp(optarg, "-"))
			return usage_error("test",
					   "--junit writes a file: name one");
		return parse_file("--junit", optarg, &o->junit);
	case OPTION_TAP:
		return parse_file("--tap", optarg, &o->tap);
	case OPTION_UNTIL_FAIL:
		o->until_fail = true;
		return 0;
	case OPTION_TIMEOUT:
		o->has_timeout = true;
		return take_timeout("test", optarg, &o->run.timeout_ns);
	case 'q':
		o->quiet = true;
		return 0;
	}
	return EXIT_USAGE;
}

/* True: go on. Else the command ends with *code. */
static bool parse_options(int argc, char **argv, struct test_options *o,
			  int *code)
{
	static const struct option longs[] = {
		OPTION_HELP_LONG,
		{ "jobs", required_argument, NULL, 'j' },
		{ "results", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "junit", required_argument, NULL, OPTION_JUNIT },
		{ "tap", required_argument, NULL, OPTION_TAP },
		{ "repeat", required_argument, NULL, OPTION_REPEAT },
		{ "until-fail", no_argument, NULL, OPTION_UNTIL_FAIL },
		{ "retry-invalid", required_argument, NULL, OPTION_RETRY },
		{ "timeout", required_argument, NULL, OPTION_TIMEOUT },
		{ 0 },
	};
	int c;

	*o = (struct test_options){
		.run = { .results = "results", .quiet = true },
		.jobs = count_cores(),
	};
	while ((c = next_option(argc, argv, ":hj:r:s:q", longs, code)) != -1) {
		if (c == OPTION_STOP)
			return false;
		*code = take_option(o, c);
		if (*code)
			return false;
	}
	o->files = argv + optind;
	o->n_files = (size_t)(argc - optind);
	if (!o->n_files) {
		*code = usage_error("test", "name scenario files");
		return false;
	}
	return true;
}

/* ---- reading ----------------------------------------------------------- */

/* Both are added up, and to others. */
static int64_t bounded(int64_t ns)
{
	return ns < EXPECTED_MAX_NS ? ns : EXPECTED_MAX_NS;
}

/* How long a run may take where nobody said so. */
static int64_t default_timeout(const struct scenario *s)
{
	return bounded(scn_length_ns(s)) + bounded(scn_patience_ns(s)) +
	       (s->duration_ns ? SPARE_NS : SPARE_UNKNOWN_NS);
}

static char *mistakes_of(const struct diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	diag_render(diag, f);
	return fclose(f) ? NULL : text;
}

/* What is wrong, first of all: that is what people see of it in a list. */
static void note_mistakes(struct suite_case *c, const struct loaded *l)
{
	char **slot = VEC_PUSH(&c->reasons);
	const char *first;

	c->outcome = SUITE_WRONG;
	if (l->diag && diag_count(l->diag))
		c->output = mistakes_of(l->diag);
	first = c->output   ? c->output :
		l->err.code ? l->err.msg :
			      "the scenario could not be read";
	if (!slot)
		return;
	*slot = strndup(first, strcspn(first, "\n"));
	if (!*slot)
		c->reasons.n--;
}

static int add_round(struct test *t, unsigned round, struct err *err)
{
	for (size_t i = 0; i < t->options.n_files; i++) {
		struct suite_case *c = VEC_PUSH(&t->suite.cases);

		if (!c)
			return err_set(err, ENOMEM, "out of memory");
		c->file = t->options.files[i];
		c->round = round;
		if (t->files[i].loaded.scenario)
			c->name = t->files[i].loaded.scenario->name;
	}
	return 0;
}

/* 0, or the exit code. */
static int read_files(struct test *t)
{
	int code = 0;

	for (size_t i = 0; i < t->options.n_files; i++) {
		struct test_file *f = &t->files[i];
		struct suite_case *c = &t->suite.cases.v[i];
		int r = load_scenario(t->options.files[i], &f->loaded);

		if (r) {
			note_mistakes(c, &f->loaded);
			code = r;
			continue;
		}
		if (t->options.run.has_seed)
			f->loaded.scenario->seed = t->options.run.seed;
		f->expected_ns = bounded(scn_length_ns(f->loaded.scenario)) +
				 OVERHEAD_NS;
		f->timeout_ns = t->options.has_timeout ?
					t->options.run.timeout_ns :
					default_timeout(f->loaded.scenario);
		c->name = f->loaded.scenario->name;
	}
	return code;
}

/* ---- results ----------------------------------------------------------- */

void test_case_done(struct test *t, size_t at)
{
	struct suite_case *c = &t->suite.cases.v[at];

	t->done++;
	t->failed |= c->outcome == SUITE_FAILED || c->outcome == SUITE_BROKEN ||
		     c->outcome == SUITE_TIMED_OUT;
	test_show_case(t, at);
	test_output_tap(t, false);
}

static int exit_code(const struct test *t)
{
	static const struct {
		enum suite_outcome outcome;
		int code;
	} worst_first[] = {
		{ SUITE_WRONG, EXIT_USAGE },
		{ SUITE_BROKEN, EXIT_BROKEN },
		{ SUITE_TIMED_OUT, EXIT_TIMED_OUT },
		{ SUITE_FAILED, EXIT_NOT_HELD },
		{ SUITE_INVALID, EXIT_INVALID },
	};

	if (t->interrupted)
		return EXIT_SIGNAL + t->interrupted;
	for (size_t k = 0; k < sizeof(worst_first) / sizeof(*worst_first); k++)
		for (size_t i = 0; i < t->suite.cases.n; i++)
			if (t->suite.cases.v[i].outcome ==
			    worst_first[k].outcome)
				return worst_first[k].code;
	return EXIT_HELD;
}

/* Where people read, and what is for other programs. 0, or the exit code. */
static int open_outputs(struct test *t)
{
	int code = test_outputs_open(t);

	t->out = t->tap.file == stdout ? stderr : stdout;
	t->is_terminal = isatty(fileno(t->out)) && !t->options.quiet;
	t->color = wants_color(fileno(t->out));
	if (!code)
		test_outputs_begin(t);
	return code;
}

/* It ended before its time: what was not run was not, because of that. */
static void note_failure(struct test *t, const struct err *err)
{
	for (size_t i = 0; i < t->suite.cases.n; i++) {
		struct suite_case *c = &t->suite.cases.v[i];
		char **slot;

		if (c->outcome != SUITE_NOT_RUN)
			continue;
		c->outcome = SUITE_BROKEN;
		slot = VEC_PUSH(&c->reasons);
		if (slot && !(*slot = strdup(err->msg)))
			c->reasons.n--;
	}
}

static void tell_tally(struct test *t)
{
	struct suite_tally n = suite_count(&t->suite);
	char took[32];

	fprintf(t->out, "\nin %s",
		units_format_duration(t->suite.took_ns, took, sizeof(took)));
	if (n.retried)
		fprintf(t->out, "; %u invalid run%s tried again", n.retried,
			n.retried == 1 ? " was" : "s were");
	if (n.not_run)
		fprintf(t->out, "; %u not run to %s end", n.not_run,
			n.not_run == 1 ? "its" : "their");
	fprintf(t->out, "\n%u passed, %u failed, %u invalid\n", n.passed,
		n.failed, n.invalid);
	fflush(t->out);
}

/* ---- all of it ------------------------------------------------------- */

/* Of one round; those that take longest are to begin first, so that no long
 * one is left alone at the end. */
static int queue_round(struct test *t, size_t first, struct err *err)
{
	size_t n = t->options.n_files;

	for (size_t i = 0; i < n; i++) {
		size_t *slot = VEC_PUSH(&t->waiting);

		if (!slot)
			return err_set(err, ENOMEM, "out of memory");
	}
	/* What waits already is of an earlier round, and stays on top. */
	memmove(t->waiting.v + n, t->waiting.v,
		(t->waiting.n - n) * sizeof(*t->waiting.v));
	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		for (; k > 0 &&
		       test_file_of(t, t->waiting.v[k - 1])->expected_ns >=
			       t->files[i].expected_ns;
		     k--)
			t->waiting.v[k] = t->waiting.v[k - 1];
		t->waiting.v[k] = first + i;
	}
	return 0;
}

static int run_rounds(struct test *t, struct err *err)
{
	const struct test_options *o = &t->options;
	unsigned rounds = o->repeat ? o->repeat : 1;
	int r = 0;

	for (unsigned i = 1; !r && i < rounds && !o->until_fail; i++) {
		r = add_round(t, i + 1, err);
	}
	for (size_t i = 0; !r && i < t->suite.cases.n; i += o->n_files)
		r = queue_round(t, i, err);
	if (!r)
		r = test_run_all(t, err);
	/* There the next round is not even known of before this one is over. */
	for (unsigned i = 1; !r && o->until_fail && !t->failed &&
			     !t->interrupted && (!o->repeat || i < rounds);
	     i++) {
		size_t first = t->suite.cases.n;

		r = add_round(t, i + 1, err);
		if (!r)
			r = queue_round(t, first, err);
		if (!r)
			r = test_run_all(t, err);
	}
	return r;
}

static int run_test(struct test *t)
{
	struct err err = ERR_INIT;
	int64_t began_ns = clock_mono_ns();
	int code = EXIT_HELD, r;

	t->suite.version = SERVALAB_VERSION;
	t->suite.rounds =
		t->options.repeat > 1 || t->options.until_fail ? 2 : 1;
	t->suite.began_real_ns = clock_real_ns();
	code = open_outputs(t);
	if (code)
		return code;
	t->files = calloc(t->options.n_files, sizeof(*t->files));
	r = t->files ? add_round(t, 1, &err) :
		       err_set(&err, ENOMEM, "out of memory");
	if (!r)
		code = read_files(t);
	if (!r && !code) {
		t->signals = take_signals(true, &t->old_mask);
		r = t->signals < 0 ? err_errno(&err, errno, "signalfd") :
				     run_rounds(t, &err);
	}
	t->suite.took_ns = clock_mono_ns() - began_ns;
	if (r)
		note_failure(t, &err);
	if (t->signals >= 0) /* descriptors may be what there is none of */
		close(TAKE_FD(t->signals));
	if (test_outputs_write(t, &err) || r) {
		print_error(NULL, &err);
		return EXIT_BROKEN;
	}
	if (!code) {
		tell_tally(t);
		code = exit_code(t);
	}
	return code;
}

int cmd_test(int argc, char **argv)
{
	struct test t = { .signals = -1 };
	int code;

	if (!parse_options(argc, argv, &t.options, &code))
		return code;
	close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
	setlocale(LC_CTYPE, "");
	code = run_test(&t);
	for (size_t i = 0; t.files && i < t.options.n_files; i++)
		unload_scenario(&t.files[i].loaded);
	free(t.files);
	suite_free(&t.suite);
	VEC_FREE(&t.waiting);
	VEC_FREE(&t.again);
	VEC_FREE(&t.running);
	return code;
}
