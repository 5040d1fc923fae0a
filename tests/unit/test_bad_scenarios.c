/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every scenarios/bad/NAME.yaml is refused with exactly the diagnostics in
 * NAME.expected. To write these anew, and read the difference before it is
 * committed:
 *
 *     UPDATE_EXPECTED=1 build/dev/tests/test_bad_scenarios && git diff
 */
#include "base/cleanup.h"
#include "base/diag.h"
#include "orchestrator/plan/plan.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <glob.h>
#include <string.h>

#define FILES_MIN 25

/* What "servalab check" would print about the file. */
static char *diagnose(const char *path)
{
	struct diag *diag = diag_new();
	struct scenario *scenario = NULL;
	struct plan *plan = NULL;
	struct err err = ERR_INIT;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int r;

	ck_assert_ptr_nonnull(diag);
	ck_assert_ptr_nonnull(out);
	r = scenario_load(path, diag, &scenario, &err);
	if (!r)
		r = plan_make(scenario, diag, &plan);
	ck_assert_msg(r == -EINVAL, "%s: gives %d: %s", path, r, err.msg);
	ck_assert_ptr_null(plan);
	diag_render(diag, out);
	fclose(out);
	scenario_free(scenario);
	diag_free(diag);
	return text;
}

static char *read_file(const char *path)
{
	CLEANUP_FCLOSE FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	ck_assert_ptr_nonnull(text);
	if (!file) {
		free(text);
		return NULL;
	}
	ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
	return text;
}

static void write_file(const char *path, const char *text)
{
	CLEANUP_FCLOSE FILE *file = fopen(path, "w");

	ck_assert_msg(file && fputs(text, file) >= 0, "%s: %s", path,
		      strerror(errno));
}

static glob_t files;

static void find_files(void)
{
	if (chdir(TEST_SOURCE_DIR))
		perror(TEST_SOURCE_DIR);
	if (glob("scenarios/bad/*.yaml", 0, NULL, &files))
		files.gl_pathc = 0;
}

START_TEST(there_are_files)
{
	ck_assert_uint_ge(files.gl_pathc, FILES_MIN);
}
END_TEST

START_TEST(a_file_gets_its_diagnostics)
{
	const char *path = files.gl_pathv[_i];
	CLEANUP_FREE char *found = diagnose(path);
	CLEANUP_FREE char *expected = NULL;
	char expected_path[512];

	snprintf(expected_path, sizeof(expected_path), "%.*s.expected",
		 (int)(strlen(path) - strlen(".yaml")), path);
	if (getenv("UPDATE_EXPECTED"))
		write_file(expected_path, found);
	expected = read_file(expected_path);
	ck_assert_msg(expected != NULL, "%s is missing", expected_path);
	ck_assert_msg(!strcmp(found, expected), "%s:\n%s\nexpected:\n%s", path,
		      found, expected);
}
END_TEST

/* An .expected whose scenario is gone would never be looked at. */
START_TEST(no_expectation_is_left_over)
{
	glob_t expected = { 0 };

	ck_assert_int_eq(glob("scenarios/bad/*.expected", 0, NULL, &expected),
			 0);
	ck_assert_uint_eq(expected.gl_pathc, files.gl_pathc);
	globfree(&expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bad scenarios");
	TCase *all = tcase_create("all");
	int failed;

	find_files();
	tcase_add_test(all, there_are_files);
	tcase_add_loop_test(all, a_file_gets_its_diagnostics, 0,
			    (int)files.gl_pathc);
	tcase_add_test(all, no_expectation_is_left_over);
	suite_add_tcase(suite, all);
	failed = run_suite(suite);
	globfree(&files);
	return failed;
}
