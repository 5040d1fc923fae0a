/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traces, histograms and patterns as files: what is taken, and what is said of
 * what is not. And properties as text. */
#include "tests/support/link_frames.h"
#include "tests/support/run_suite.h"
#include "base/cleanup.h"
#include "orchestrator/link/internal.h"

#include <errno.h>

enum kind { TRACE, HISTOGRAM, PATTERN };

static int parse(enum kind kind, const char *text, size_t len,
		 struct diag *diag)
{
	struct link_trace *t = NULL;
	struct link_histogram *h = NULL;
	struct link_pattern *p = NULL;
	int r = -EINVAL;

	switch (kind) {
	case TRACE:
		r = link_trace_parse("f", text, len, true, diag, &t);
		ck_assert((t != NULL) == (r == 0));
		link_trace_free(t);
		break;
	case HISTOGRAM:
		r = link_histogram_parse("f", text, len, diag, &h);
		ck_assert((h != NULL) == (r == 0));
		link_histogram_free(h);
		break;
	case PATTERN:
		r = link_pattern_parse("f", text, len, diag, &p);
		ck_assert((p != NULL) == (r == 0));
		link_pattern_free(p);
		break;
	}
	return r;
}

static const struct {
	enum kind kind;
	const char *text;
} good[] = {
	{ TRACE, "1" },
	{ TRACE, "# from nowhere\n\n 0\n0\r\n5 # five\n\t7\n" },
	{ TRACE, "4294967295\n" },
	{ HISTOGRAM, "0ms 1" },
	{ HISTOGRAM, "-1.5ms 20\n+2us 0 # none\n1s 4294967295\n" },
	{ PATTERN, "." },
	{ PATTERN, "x x\n..\t.\r\n# xx y\n" },
	{ PATTERN, "servalab-fates 1\n" },
	{ PATTERN, "# of a run\nservalab-fates 1 # and more\n"
		   "stream 0 tcp 10.0.0.1 > 10.0.0.2:80\n"
		   "pass 120\nlost 2\nduplicate+reorder+corrupt:17 1\n"
		   "stream 1 tcp 10.0.0.1 > 10.0.0.2:80\nuntold 3\n"
		   "stream 0 control\n" },
};

START_TEST(what_is_right_is_taken)
{
	struct diag *diag = diag_new();

	ck_assert_int_eq(parse(good[_i].kind, good[_i].text,
			       strlen(good[_i].text), diag),
			 0);
	ck_assert_uint_eq(diag_count(diag), 0);
	diag_free(diag);
}
END_TEST

static const struct {
	enum kind kind;
	const char *text, *want; /* the first lines of what is said */
} bad[] = {
	{ TRACE, "", "f:1:1: error: there is no delivery opportunity\n" },
	{ TRACE, "# none\n",
	  "f:1:1: error: there is no delivery opportunity\n" },
	{ TRACE, "0\n0\n",
	  "f:2:1: error: all opportunities are at 0 ms: the last time is the "
	  "length of a turn, and must be more\n" },
	{ TRACE, "1\n 5\n  3\n",
	  "f:3:3: error: 3 is before the time above it, 5: times do not "
	  "fall\n" },
	{ TRACE, "1\n-1\n",
	  "f:2:1: error: '-1' is no time: whole milliseconds up to 4294967295 "
	  "are\n" },
	{ TRACE, "4294967296\n",
	  "f:1:1: error: '4294967296' is no time: whole milliseconds up to "
	  "4294967295 are\n" },
	{ TRACE, "1 2\n",
	  "f:1:3: error: a line holds one time, in milliseconds\n" },
	{ TRACE, "99999999999999999999999999999999999999999999999999\n",
	  "f:1:1: error: '9999999999999999999999999999999999999999' is no "
	  "time: whole milliseconds up to 4294967295 are\n" },
	{ HISTOGRAM, "", "f:1:1: error: there is no value with a weight\n" },
	{ HISTOGRAM, "1ms 0\n",
	  "f:1:1: error: there is no value with a weight\n" },
	{ HISTOGRAM, "1ms\n",
	  "f:1:1: error: a line is an offset and its weight: '-1.5ms 20'\n" },
	{ HISTOGRAM, "1ms 1 1\n",
	  "f:1:7: error: a line is an offset and its weight: '-1.5ms 20'\n" },
	{ HISTOGRAM, "1ms 1\n5 1\n",
	  "f:2:1: error: '5' has no unit: ns, us, ms, s, min or h\n" },
	{ HISTOGRAM, "--5ms 1\n",
	  "f:1:1: error: '--5ms' is no duration, like -1.5ms\n" },
	{ HISTOGRAM, "9999999h 1\n",
	  "f:1:1: error: '9999999h' is too long, or finer than 1 ns\n" },
	{ HISTOGRAM, "1ms -3\n",
	  "f:1:5: error: '-3' is no weight: whole numbers up to 4294967295 "
	  "are\n" },
	{ PATTERN, "", "f:1:1: error: the pattern has no frames\n" },
	{ PATTERN, ".x\n .y.",
	  "f:2:3: error: only '.' (passes) and 'x' (is lost) may stand in a "
	  "pattern\n" },
	{ PATTERN, "servalab-fates 2\n",
	  "f:1:1: error: a list of fates begins with 'servalab-fates 1'\n" },
	{ PATTERN, "servalab-fates 1\npass 1\n",
	  "f:2:1: error: a 'stream' line must stand before its fates\n" },
	{ PATTERN, "servalab-fates 1\nstream 0\n",
	  "f:2:1: error: a stream is 'stream NUMBER CLASS', as in 'stream 0 "
	  "tcp 10.0.0.1 > 10.0.0.2:80'\n" },
	{ PATTERN, "servalab-fates 1\nstream x y\n",
	  "f:2:8: error: 'x' is no number of a stream\n" },
	{ PATTERN, "servalab-fates 1\nstream 0 y\nlsot 1\n",
	  "f:3:1: error: 'lsot' is no fate: pass, lost, untold, or some of "
	  "duplicate, reorder, corrupt:BIT joined by '+' are\n" },
	{ PATTERN, "servalab-fates 1\nstream 0 y\ncorrupt: 1\n",
	  "f:3:1: error: 'corrupt:' is no fate" },
	{ PATTERN, "servalab-fates 1\nstream 0 y\ncorrupt:999999999 1\n",
	  "f:3:1: error: 'corrupt:999999999' is no fate" },
	{ PATTERN, "servalab-fates 1\nstream 0 y\nlost 0\n",
	  "f:3:6: error: a fate has the number of frames behind it, as in "
	  "'pass 120'\n" },
	{ PATTERN,
	  "servalab-fates 1\nstream 0 y\nlost 1\npass "
	  "18446744073709551615\n",
	  "f:4:6: error: more frames than can be counted\n" },
	{ PATTERN, "servalab-fates 1\nstream 0 y\nstream 1 y\nstream 0  y\n",
	  "f:4:1: error: this stream is in the list already\n" },
};

static char *said(const struct diag *diag)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	diag_render(diag, out);
	fclose(out);
	return text;
}

START_TEST(what_is_wrong_is_told_with_its_place)
{
	struct diag *diag = diag_new();
	char *text;

	ck_assert_int_eq(
		parse(bad[_i].kind, bad[_i].text, strlen(bad[_i].text), diag),
		-EINVAL);
	ck_assert_uint_eq(diag_count(diag), 1);
	text = said(diag);
	ck_assert_int_lt(strlen(bad[_i].want), sizeof(char[400]));
	text[strlen(bad[_i].want) < strlen(text) ? strlen(bad[_i].want) :
						   strlen(text)] = '\0';
	ck_assert_str_eq(text, bad[_i].want);
	free(text);
	diag_free(diag);
}
END_TEST

/* All of them in one pass, but no more than people read. */
START_TEST(many_errors_are_cut_short)
{
	CLEANUP_FREE char *text = malloc(40000);

	for (enum kind kind = TRACE; kind <= PATTERN; kind++) {
		struct diag *diag = diag_new();
		char *message;

		for (int i = 0; i < 40000; i++)
			text[i] = i % 2 ? '\n' : '?';
		ck_assert_int_eq(parse(kind, text, 40000, diag), -EINVAL);
		ck_assert_uint_eq(diag_count(diag), 8);
		message = said(diag);
		ck_assert_ptr_nonnull(strstr(message, "f:1:1: error"));
		ck_assert_ptr_nonnull(strstr(message, "f:8:1: error"));
		free(message);
		diag_free(diag);
	}
}
END_TEST

/* Any byte, zeros as well, and no end of line. */
START_TEST(bytes_are_not_trusted)
{
	for (enum kind kind = TRACE; kind <= PATTERN; kind++) {
		for (int byte = 0; byte < 256; byte++) {
			char text[3] = { '1', (char)byte, '2' };
			struct diag *diag = diag_new();

			parse(kind, text, 3, diag);
			parse(kind, text + 1, 1, diag);
			diag_free(diag);
		}
	}
}
END_TEST

START_TEST(a_huge_file_is_refused_by_its_bound)
{
	size_t len = 2 * ((16u << 20) + 1);
	CLEANUP_FREE char *text = malloc(len);
	struct diag *diag = diag_new();
	char *message;

	for (size_t i = 0; i < len; i += 2)
		memcpy(text + i, "1\n", 2);
	ck_assert_int_eq(parse(TRACE, text, len, diag), -EINVAL);
	message = said(diag);
	ck_assert_ptr_nonnull(strstr(message, "f:16777217:1: error: more than "
					      "16777216 delivery"));
	free(message);
	diag_free(diag);
}
END_TEST

START_TEST(a_histogram_gives_offsets_by_share)
{
	struct diag *diag = diag_new();
	struct link_histogram *h;

	ck_assert_int_eq(link_histogram_parse("f", "1s 1\n-1s 3", 10, diag, &h),
			 0);
	ck_assert_int_eq(link_histogram_at(h, 0), -1000000000);
	ck_assert_int_eq(link_histogram_at(h, 0xbfffffff), -1000000000);
	ck_assert_int_eq(link_histogram_at(h, 0xc0000000), 1000000000);
	ck_assert_int_eq(link_histogram_at(h, UINT32_MAX), 1000000000);
	link_histogram_free(h);
	diag_free(diag);
}
END_TEST

/* ---- properties ---------------------------------------------------------- */

START_TEST(properties_read_as_they_are_written)
{
	struct link_params p;
	char buf[400], small[8];

	link_params_init(&p);
	ck_assert_str_eq(link_params_text(&p, buf, sizeof(buf)), "");
	ck_assert(link_params_are_plain(&p));
	p.delay_ns = 10000000;
	p.jitter.spread_ns = 1500000;
	p.jitter.distribution = LINK_NORMAL;
	p.loss.kind = LINK_LOSS_INDEPENDENT;
	p.loss.ppb = 10000000;
	p.rate_bps = 10000000;
	p.queue.packets = 100;
	ck_assert(!link_params_are_plain(&p));
	ck_assert_str_eq(link_params_text(&p, buf, sizeof(buf)),
			 "delay 10ms, jitter 1.5ms normal, loss 1%, rate "
			 "10mbit, queue 100");
	ck_assert_str_eq(link_params_text(&p, small, sizeof(small)), "delay 1");
	p.delay_ns = 1000000001;
	p.jitter.unordered = true;
	p.jitter.spread_ns = 999;
	p.jitter.distribution = LINK_UNIFORM;
	p.loss.ppb = 1;
	p.duplicate_ppb = 123456789;
	p.reorder_ppb = LINK_PPB_ONE;
	p.corrupt_ppb = 5000000;
	p.rate_bps = 1234567;
	p.queue.ecn_packets = 20;
	p.queue.packets = 0;
	p.mtu = 1400;
	ck_assert_str_eq(link_params_text(&p, buf, sizeof(buf)),
			 "delay 1.000000001s, jitter 999ns uniform unordered, "
			 "loss 0.0000001%, duplicate 12.3456789%, reorder "
			 "100%, corrupt 0.5%, rate 1.234567mbit, queue "
			 "unlimited ecn 20, mtu 1400");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("link_files");
	TCase *c = tcase_create("files");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, what_is_right_is_taken, 0,
			    sizeof(good) / sizeof(*good));
	tcase_add_loop_test(c, what_is_wrong_is_told_with_its_place, 0,
			    sizeof(bad) / sizeof(*bad));
	tcase_add_test(c, many_errors_are_cut_short);
	tcase_add_test(c, bytes_are_not_trusted);
	tcase_add_test(c, a_huge_file_is_refused_by_its_bound);
	tcase_add_test(c, a_histogram_gives_offsets_by_share);
	tcase_add_test(c, properties_read_as_they_are_written);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	return run_suite(suite());
}
