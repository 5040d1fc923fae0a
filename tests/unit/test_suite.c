/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JUnit's XML, as xmllint reads it back, and TAP, whatever the texts hold. */
#include "orchestrator/report/suite.h"
#include "tests/support/run_suite.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes that are no UTF-8, controls, and all that XML and TAP give meaning. */
static const char odd[] =
	"<a href=\"x\">&amp; ]]> 'q' # SKIP \\ \x01\x1b[31m\x7f \xff\xc3(\n"
	"\ttab, \xc3\xa9, \xe2\x9c\x93, \xf0\x9f\x90\xa7, \xef\xbf\xbf, "
	"\xed\xa0\x80 <![CDATA[ <!-- -- --> <?xml ?> &#0; %s%n";

static struct suite suite;
static char path[64];

static void add_text(struct suite_case *c, const char *text)
{
	char **slot = VEC_PUSH(&c->reasons);

	ck_assert_ptr_nonnull(slot);
	*slot = strdup(text);
}

static struct suite_case *add(const char *file, const char *name,
			      enum suite_outcome outcome)
{
	struct suite_case *c = VEC_PUSH(&suite.cases);

	ck_assert_ptr_nonnull(c);
	c->file = file;
	c->name = name;
	c->round = 1;
	c->outcome = outcome;
	c->took_ns = 1234567890;
	return c;
}

static void add_miss(struct suite_case *c, const char *subject,
		     const char *expected, const char *actual)
{
	struct suite_miss *m = VEC_PUSH(&c->misses);

	ck_assert_ptr_nonnull(m);
	m->line = 12;
	m->column = 5;
	m->subject = strdup(subject);
	m->expected = strdup(expected);
	m->actual = strdup(actual);
}

static void setup(void)
{
	int fd;

	suite = (struct suite){ .version = "0.1.0", .rounds = 1 };
	strcpy(path, "/tmp/test_suite.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	suite_free(&suite);
	unlink(path);
}

static void write_junit(void)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(suite_write_junit(&suite, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* What xmllint finds at an XPath, as a text to be freed. */
static char *xpath(const char *expression)
{
	char *command, *text = calloc(1, 65536);
	FILE *f;

	ck_assert_int_gt(asprintf(&command,
				  "xmllint --nonet --xpath '%s' %s 2>&1",
				  expression, path),
			 0);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_lt(fread(text, 1, 65535, f), 65535);
	ck_assert_msg(pclose(f) == 0, "%s: %s", command, text);
	free(command);
	if (*text && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = '\0';
	return text;
}

static void finds(const char *expression, const char *expected)
{
	char *text = xpath(expression);

	ck_assert_msg(strcmp(text, expected) == 0,
		      "%s is \"%s\", expected \"%s\"", expression, text,
		      expected);
	free(text);
}

START_TEST(test_junit_counts)
{
	struct suite_case *c;

	add("scenarios/a.yaml", "first", SUITE_PASSED)->record =
		strdup("results/first/1");
	c = add("scenarios/b.yaml", "second", SUITE_FAILED);
	add_miss(c, "rtt: lost", "at most 1", "5");
	add_miss(c, "rtt: sent", "600", "599");
	c->output = strdup("what it printed");
	add_text(add("c.yaml", "third", SUITE_BROKEN), "no such rule");
	add_text(add("d.yaml", NULL, SUITE_WRONG), "mistakes");
	c = add("e.yaml", "fifth", SUITE_INVALID);
	add_text(c, "the clock was stepped");
	add_miss(c, "of no", "meaning", "then");
	c->invalid_before = 2;
	add("f.yaml", "sixth", SUITE_NOT_RUN);
	add("g.yaml", "seventh", SUITE_INTERRUPTED);
	write_junit();
	finds("concat(/testsuites/@tests, \" \", /testsuites/@failures, \" \", "
	      "/testsuites/@errors, \" \", /testsuites/@skipped)",
	      "7 1 3 2");
	finds("count(//testcase)", "7");
	finds("count(//failure)", "1");
	finds("count(//error)", "3");
	finds("count(//skipped)", "2");
	finds("string(//testcase[1]/@classname)", "scenarios.a");
	finds("string(//testcase[1]/@time)", "1.234");
	finds("string(//testcase[1]/properties/property[@name=\"record\"]/"
	      "@value)",
	      "results/first/1");
	finds("string(//testcase[2]/failure/@message)",
	      "rtt: lost 5; expected at most 1");
	finds("string(//testcase[2]/failure)",
	      "scenarios/b.yaml:12:5: rtt: lost 5; expected at most 1\n"
	      "scenarios/b.yaml:12:5: rtt: sent 599; expected 600\n");
	finds("string(//testcase[2]/system-out)", "what it printed");
	finds("string(//testcase[3]/error/@message)", "no such rule");
	finds("string(//testcase[4]/@name)", "d.yaml");
	finds("string(//testcase[5]/error/@type)", "invalid");
	finds("string(//testcase[5]/error)", "the clock was stepped\n");
	finds("string(//testcase[5]/properties/property[@name="
	      "\"invalid-runs-before\"]/@value)",
	      "2");
}
END_TEST

START_TEST(test_junit_odd_texts)
{
	struct suite_case *c = add(odd, odd, SUITE_FAILED);
	char *clean = suite_clean(odd), *text;

	add_text(c, odd);
	add_miss(c, odd, odd, odd);
	c->record = strdup(odd);
	c->output = strdup(odd);
	write_junit();
	ck_assert_ptr_nonnull(clean);
	/* What XML can hold comes back as it was, in text and attribute. */
	text = xpath("string(//system-out)");
	ck_assert_str_eq(text, clean);
	free(text);
	text = xpath("string(//testcase/@name)");
	ck_assert_str_eq(text, clean);
	free(text);
	free(clean);
}
END_TEST

START_TEST(test_clean)
{
	char *text = suite_clean("a\x01\xff\xc3\xa9\x1b\t\n\x7f\xc2\x80z");

	ck_assert_str_eq(text, "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd"
			       "\t\n\xef\xbf\xbd\xef\xbf\xbdz");
	free(text);
	text = suite_clean("");
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

static char *write_tap(const struct suite_case *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(suite_write_tap_head(f), 0);
	ck_assert_int_eq(suite_write_tap_case(&suite, c, 1, f), 0);
	ck_assert_int_eq(suite_write_tap_end(1, NULL, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

START_TEST(test_tap)
{
	struct suite_case *c = add("b.yaml", "second", SUITE_FAILED);
	char *text;

	add_miss(c, "rtt: lost", "at most \"1\"", "5\n6");
	c->invalid_before = 1;
	c->record = strdup("results/x");
	text = write_tap(c);
	ck_assert_str_eq(text, "TAP version 14\n"
			       "not ok 1 - second\n"
			       "  ---\n"
			       "  verdict: \"failed\"\n"
			       "  scenario: \"b.yaml\"\n"
			       "  duration_ms: 1234\n"
			       "  invalid_runs_before: 1\n"
			       "  record: \"results/x\"\n"
			       "  not_held:\n"
			       "    - at: \"b.yaml:12:5\"\n"
			       "      subject: \"rtt: lost\"\n"
			       "      expected: \"at most \\\"1\\\"\"\n"
			       "      actual: \"5\\n6\"\n"
			       "  ...\n"
			       "1..1\n");
	free(text);
}
END_TEST

START_TEST(test_tap_odd_texts)
{
	struct suite_case *c = add("a.yaml", odd, SUITE_NOT_RUN);
	char *text, *line;

	suite.rounds = 2;
	text = write_tap(c);
	line = strstr(text, "ok 1 - ");
	ck_assert_ptr_nonnull(line);
	/* Only our own "#" is one, and no text makes a second line. */
	ck_assert_ptr_nonnull(strstr(line, "'q' \\# SKIP \\\\ "));
	ck_assert_ptr_nonnull(
		strstr(line, "%s%n (run 1) # SKIP not run\n1..1"));
	ck_assert_ptr_null(strchr(text, '\x1b'));
	free(text);
}
END_TEST

START_TEST(test_tap_bail)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	ck_assert_int_eq(suite_write_tap_end(3, "interrupted", f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_str_eq(text, "1..3\nBail out! interrupted\n");
	free(text);
}
END_TEST

/* ---- a run's results ------------------------------------------------------
 */

static const char results[] =
	"{\"verdict\":\"failed\",\"reasons\":[\"a reason\",7],"
	"\"expectations\":["
	"{\"line\":3,\"column\":5,\"subject\":\"rtt: lost\","
	"\"expected\":\"0\",\"actual\":\"7\",\"held\":false},"
	"{\"line\":4,\"subject\":\"rtt: sent\",\"held\":true},"
	"{\"line\":-1,\"column\":\"x\",\"held\":false}, 5]}";

/* 0 or the negative errno. */
static int read_results(struct suite_case *c, size_t len)
{
	char *file;
	struct err err = ERR_INIT;
	FILE *f;
	int r;

	suite_case_clear(c);
	c->record = strdup(path);
	ck_assert_int_gt(asprintf(&file, "%s/results.json", path), 0);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(results, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	r = suite_read(c, &err);
	ck_assert(!r == !err.code);
	unlink(file);
	free(file);
	return r;
}

START_TEST(test_read)
{
	struct suite_case *c = add("a", "a", SUITE_FAILED);

	ck_assert_int_eq(suite_read(c, NULL), -ENOENT);
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	ck_assert_int_eq(read_results(c, strlen(results)), 0);
	ck_assert_uint_eq(c->reasons.n, 2);
	ck_assert_str_eq(c->reasons.v[0], "a reason");
	ck_assert_str_eq(c->reasons.v[1], "?");
	ck_assert_uint_eq(c->misses.n, 2);
	ck_assert_uint_eq(c->misses.v[0].line, 3);
	ck_assert_uint_eq(c->misses.v[0].column, 5);
	ck_assert_str_eq(c->misses.v[0].subject, "rtt: lost");
	ck_assert_str_eq(c->misses.v[0].expected, "0");
	ck_assert_str_eq(c->misses.v[0].actual, "7");
	ck_assert_uint_eq(c->misses.v[1].line, 0);
	ck_assert_str_eq(c->misses.v[1].actual, "?");
	/* Cut off anywhere. */
	for (size_t n = 0; n < strlen(results); n++)
		ck_assert_int_eq(read_results(c, n), -EBADMSG);
	rmdir(path);
}
END_TEST

START_TEST(test_tally)
{
	struct suite_tally t;

	add("a", "a", SUITE_PASSED);
	add("b", "b", SUITE_FAILED);
	add("c", "c", SUITE_BROKEN);
	add("d", "d", SUITE_WRONG);
	add("e", "e", SUITE_INVALID)->invalid_before = 2;
	add("f", "f", SUITE_NOT_RUN);
	add("g", "g", SUITE_INTERRUPTED);
	add("h", "h", SUITE_PASSED)->invalid_before = 1;
	t = suite_count(&suite);
	ck_assert_uint_eq(t.passed, 2);
	ck_assert_uint_eq(t.failed, 3);
	ck_assert_uint_eq(t.invalid, 1);
	ck_assert_uint_eq(t.not_run, 2);
	ck_assert_uint_eq(t.retried, 3);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("suite");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 50);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_junit_counts);
	tcase_add_test(tc, test_junit_odd_texts);
	tcase_add_test(tc, test_clean);
	tcase_add_test(tc, test_tap);
	tcase_add_test(tc, test_tap_odd_texts);
	tcase_add_test(tc, test_tap_bail);
	tcase_add_test(tc, test_read);
	tcase_add_test(tc, test_tally);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
