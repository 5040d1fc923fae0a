/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cleanup.h"
#include "base/diag.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <string.h>

static struct diag *diag;
static char *rendered;

static void setup(void)
{
	diag = diag_new();
	ck_assert_ptr_nonnull(diag);
}

static void teardown(void)
{
	diag = diag_free(diag);
	free(rendered);
	rendered = NULL;
}

static const char *render(void)
{
	size_t len;
	FILE *out = open_memstream(&rendered, &len);

	ck_assert_ptr_nonnull(out);
	diag_render(diag, out);
	fclose(out);
	return rendered;
}

static struct src_pos at(unsigned line, unsigned col)
{
	return (struct src_pos){ "f.yaml", line, col };
}

static void source(const char *text)
{
	ck_assert_str_eq(diag_add_source(diag, "f.yaml", text, strlen(text)),
			 "f.yaml");
}

START_TEST(an_error_quotes_its_line)
{
	source("one\ndelay: 10\nthree\n");
	diag_error(diag, at(2, 8), 2, "%s has no unit", "10");
	diag_note(diag, at(1, 1), 3, "this is the first line");
	diag_help(diag, "write 10ms");
	ck_assert_uint_eq(diag_count(diag), 1);
	ck_assert_str_eq(render(), "f.yaml:2:8: error: 10 has no unit\n"
				   "    2 | delay: 10\n"
				   "      |        ^~\n"
				   "f.yaml:1:1: note: this is the first line\n"
				   "    1 | one\n"
				   "      | ^~~\n"
				   "help: write 10ms\n"
				   "1 error\n");
}
END_TEST

START_TEST(nothing_wrong_prints_nothing)
{
	source("one\n");
	diag_note(diag, at(1, 1), 1, "a note to no error");
	diag_help(diag, "neither a help");
	ck_assert_str_eq(render(), "");
}
END_TEST

START_TEST(errors_stand_in_the_order_of_the_text)
{
	source("a b\nc d\n");
	diag_error(diag, at(2, 3), 1, "fourth");
	diag_note(diag, at(1, 1), 1, "of the fourth");
	diag_error(diag, at(1, 3), 1, "second");
	diag_error(diag, at(1, 1), 1, "first");
	diag_error(diag, at(1, 3), 1, "third"); /* found after the second */
	ck_assert_str_eq(render(), "f.yaml:1:1: error: first\n"
				   "    1 | a b\n"
				   "      | ^\n"
				   "f.yaml:1:3: error: second\n"
				   "    1 | a b\n"
				   "      |   ^\n"
				   "f.yaml:1:3: error: third\n"
				   "    1 | a b\n"
				   "      |   ^\n"
				   "f.yaml:2:3: error: fourth\n"
				   "    2 | c d\n"
				   "      |   ^\n"
				   "f.yaml:1:1: note: of the fourth\n"
				   "    1 | a b\n"
				   "      | ^\n"
				   "4 errors\n");
}
END_TEST

START_TEST(the_caret_follows_tabs_and_characters)
{
	source("\tx\ty\n\u00e4\u00f6 \u4e2d z\r\n");
	diag_error(diag, at(1, 4), 1, "behind tabs");
	diag_error(diag, at(2, 6), 1, "behind umlauts");
	ck_assert_str_eq(render(), "f.yaml:1:4: error: behind tabs\n"
				   "    1 | \tx\ty\n"
				   "      | \t \t^\n"
				   "f.yaml:2:6: error: behind umlauts\n"
				   "    2 | \u00e4\u00f6 \u4e2d z\n"
				   "      |      ^\n"
				   "2 errors\n");
}
END_TEST

START_TEST(positions_outside_of_the_text_do_no_harm)
{
	source("ab");
	diag_error(diag, at(1, 3), 9, "behind the end");
	diag_error(diag, at(1, 2), 99, "wider than the line");
	diag_error(diag, at(1, 70), 1, "far behind the end");
	diag_error(diag, at(7, 1), 1, "no such line");
	diag_error(diag, (struct src_pos){ "f.yaml", 0, 0 }, 1, "of the file");
	diag_error(diag, (struct src_pos){ "g.yaml", 3, 1 }, 1, "other file");
	diag_error(diag, (struct src_pos){ NULL, 0, 0 }, 0, "of nothing");
	ck_assert_str_eq(render(), "error: of nothing\n"
				   "f.yaml: error: of the file\n"
				   "f.yaml:1:2: error: wider than the line\n"
				   "    1 | ab\n"
				   "      |  ^\n"
				   "f.yaml:1:3: error: behind the end\n"
				   "    1 | ab\n"
				   "      |   ^\n"
				   "f.yaml:1:70: error: far behind the end\n"
				   "    1 | ab\n"
				   "      |   ^\n"
				   "f.yaml:7:1: error: no such line\n"
				   "g.yaml:3:1: error: other file\n"
				   "7 errors\n");
}
END_TEST

START_TEST(a_long_line_is_cut_around_the_caret)
{
	char text[1001];
	const char *out;

	memset(text, '.', sizeof(text));
	text[1000] = '\0';
	text[699] = 'X';
	source(text);
	diag_error(diag, at(1, 700), 5, "here");
	out = render();
	ck_assert_uint_lt(strlen(out), 400);
	ck_assert_ptr_nonnull(strstr(out, "    1 | ..."));
	ck_assert_ptr_nonnull(strstr(out, "...\n      |    "));
	/* The caret stands below the X. */
	ck_assert_int_eq(strchr(out, 'X') - strstr(out, "    1 |"),
			 strchr(out, '^') - strstr(out, "      |"));
	ck_assert_ptr_nonnull(strstr(out, "^~~~~\n"));
}
END_TEST

START_TEST(control_characters_stay_out_of_the_terminal)
{
	source("a\x1b[31m\xff b\n");
	diag_error(diag, at(1, 9), 1, "named '%s'", "\x1b[2J\n\xc2\x9b");
	ck_assert_str_eq(render(), "f.yaml:1:9: error: named "
				   "'\uFFFD[2J\uFFFD\uFFFD'\n"
				   "    1 | a\uFFFD[31m\uFFFD b\n"
				   "      |         ^\n"
				   "1 error\n");
}
END_TEST

START_TEST(many_errors_are_counted_and_some_shown)
{
	const char *out;

	source("x\n");
	for (unsigned i = 0; i < 3000; i++)
		diag_error(diag, at(1, i + 1), 1, "error number %u.", i);
	diag_note(diag, at(1, 1), 1, "of an error that is not kept");
	ck_assert_uint_eq(diag_count(diag), 3000);
	out = render();
	ck_assert_ptr_nonnull(strstr(out, "error number 49."));
	ck_assert_ptr_null(strstr(out, "error number 50."));
	ck_assert_ptr_null(strstr(out, "not kept"));
	ck_assert_ptr_nonnull(
		strstr(out, "\n... and 2950 more\n3000 errors\n"));
}
END_TEST

START_TEST(the_same_error_is_said_once)
{
	source("x\n");
	diag_error(diag, at(1, 1), 1, "wrong");
	diag_error(diag, at(1, 1), 1, "wrong");
	diag_note(diag, at(1, 1), 1, "of the second");
	ck_assert_uint_eq(diag_count(diag), 1);
	ck_assert_ptr_null(strstr(render(), "second"));
}
END_TEST

START_TEST(a_message_of_any_length_is_taken)
{
	CLEANUP_FREE char *text = malloc(100001);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < 100000; i += 2)
		memcpy(text + i, "\u00e4", 2);
	text[100000] = '\0';
	source("x\n");
	diag_error(diag, at(1, 1), 1, "x%s", text);
	ck_assert_uint_lt(strlen(render()), 2000);
	ck_assert_ptr_nonnull(strstr(rendered, "\u00e4...\n"));
}
END_TEST

START_TEST(names_may_die_before_the_diagnostics)
{
	char *name = strdup("f.yaml");
	struct src_pos pos = { name, 1, 1 };

	source("x\n");
	diag_error(diag, pos, 1, "wrong");
	free(name);
	ck_assert_ptr_nonnull(strstr(render(), "f.yaml:1:1: error: wrong\n"));
}
END_TEST

START_TEST(the_nearest_word_is_found)
{
	static const char *const words[] = { "interval", NULL,	 "for",
					     "family",	 "node", "payload" };
	size_t n = sizeof(words) / sizeof(*words);

	ck_assert_str_eq(diag_nearest("intervall", words, n), "interval");
	ck_assert_str_eq(diag_nearest("Interval", words, n), "interval");
	ck_assert_str_eq(diag_nearest("fro", words, n), "for"); /* a swap */
	ck_assert_str_eq(diag_nearest("ndoe", words, n), "node");
	ck_assert_str_eq(diag_nearest("pyload", words, n), "payload");
	ck_assert_ptr_null(diag_nearest("colour", words, n));
	ck_assert_ptr_null(diag_nearest("", words, n));
	ck_assert_ptr_null(diag_nearest("node", NULL, 0));
}
END_TEST

START_TEST(a_short_word_is_not_near_everything)
{
	static const char *const words[] = { "a", "lan" };

	ck_assert_ptr_null(diag_nearest("b", words, 2));
	ck_assert_ptr_null(diag_nearest("xyz", words, 2));
	ck_assert_str_eq(diag_nearest("lam", words, 2), "lan");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diag");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, an_error_quotes_its_line);
	tcase_add_test(all, nothing_wrong_prints_nothing);
	tcase_add_test(all, errors_stand_in_the_order_of_the_text);
	tcase_add_test(all, the_caret_follows_tabs_and_characters);
	tcase_add_test(all, positions_outside_of_the_text_do_no_harm);
	tcase_add_test(all, a_long_line_is_cut_around_the_caret);
	tcase_add_test(all, control_characters_stay_out_of_the_terminal);
	tcase_add_test(all, many_errors_are_counted_and_some_shown);
	tcase_add_test(all, the_same_error_is_said_once);
	tcase_add_test(all, a_message_of_any_length_is_taken);
	tcase_add_test(all, names_may_die_before_the_diagnostics);
	tcase_add_test(all, the_nearest_word_is_found);
	tcase_add_test(all, a_short_word_is_not_near_everything);
	suite_add_tcase(suite, all);
	return run_suite(suite);
}
