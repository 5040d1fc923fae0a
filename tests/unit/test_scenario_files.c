/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that a scenario names: where they are looked for, and which are not
 * read. */
#include "tests/support/scenario_text.h"
#include "tests/support/run_suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *path_of(const char *name)
{
	static char path[4][128];
	static size_t at;
	char *p = path[at++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void write_text(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void files_setup(void)
{
	setup();
	strcpy(dir, "/tmp/test_scenario_files.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(path_of("sub"), 0755), 0);
}

static void files_teardown(void)
{
	static const char *const names[] = { "sub/t.yaml", "sub/a", "b",
					     "sub/c", "sub" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (remove(path_of(names[i])))
			ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(rmdir(dir), 0);
	teardown();
}

#define LINK(rest)                                                             \
	HEAD "topology:\n"                                                     \
	     "  nodes: { a: {}, b: {} }\n"                                     \
	     "  links: [{ endpoints: [a, b], " rest " }]\n"

static int load(const char *text)
{
	struct err err = ERR_INIT;

	write_text("sub/t.yaml", text);
	return scenario_load(path_of("sub/t.yaml"), diag, &s, &err);
}

static void says(const char *words)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	diag_render(diag, f);
	fclose(f);
	ck_assert_msg(strstr(text, words) != NULL, "\"%s\" is not in:\n%s",
		      words, text);
	free(text);
}

/* In the scenario's folder, whatever the current one is; each of them once. */
START_TEST(found_and_read_once)
{
	write_text("sub/a", "1\n2\n");
	write_text("b", "..x");
	ck_assert_int_eq(load(LINK("rate: { trace: a }, loss: { file: ../b }, "
				   "b>a: { rate: { trace: a } }")),
			 0);
	ck_assert_uint_eq(s->files.n, 2);
	ck_assert_ptr_eq(s->links.v[0].params[0].trace,
			 s->links.v[0].params[1].trace);
	ck_assert_str_eq(s->files.v[0].path, "../b");
	ck_assert_str_eq(s->files.v[0].text, "..x");
	ck_assert_uint_eq(s->files.v[1].len, 4);
}
END_TEST

/* Neither waits for a writer nor reads for ever. */
START_TEST(no_files)
{
	char text[512];

	ck_assert_int_eq(mkfifo(path_of("sub/c"), 0600), 0);
	ck_assert_int_eq(load(LINK("rate: { trace: c }")), -EINVAL);
	says("sub/c: not a file");
	ck_assert_int_eq(load(LINK("rate: { trace: /dev/zero }")), -EINVAL);
	says("/dev/zero: not a file");
	snprintf(text, sizeof(text), LINK("rate: { trace: %s }"), dir);
	ck_assert_int_eq(load(text), -EINVAL);
	says("Is a directory");
}
END_TEST

START_TEST(too_large)
{
	write_text("sub/a", "1\n");
	ck_assert_int_eq(truncate(path_of("sub/a"), (16 << 20) + 1), 0);
	ck_assert_int_eq(load(LINK("loss: { file: a }")), -EINVAL);
	says("sub/a is larger than 16 MiB");
}
END_TEST

START_TEST(what_is_wrong_is_told_in_the_file)
{
	write_text("sub/a", "5\n4\n");
	ck_assert_int_eq(load(LINK("rate: { trace: a }")), -EINVAL);
	says("sub/a:2:1: error: ");
	says("it is named here");
}
END_TEST

/* A text from elsewhere opens nothing here. */
START_TEST(not_from_memory)
{
	parse_good(LINK("rate: { trace: /dev/zero }, "
			"loss: { file: /nowhere }"));
	ck_assert_uint_eq(s->files.n, 2);
	ck_assert_ptr_null(s->files.v[0].text);
	ck_assert(s->links.v[0].emulated);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scenario files");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, files_setup, files_teardown);
	tcase_add_test(tc, found_and_read_once);
	tcase_add_test(tc, no_files);
	tcase_add_test(tc, too_large);
	tcase_add_test(tc, what_is_wrong_is_told_in_the_file);
	tcase_add_test(tc, not_from_memory);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
