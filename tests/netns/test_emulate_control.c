/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulator and those around it: what it is asked for while frames go on,
 * what its nodes and the machine do to it, how it ends, and what it costs when
 * nothing happens.
 */
#include "tests/support/emulate_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <sys/mount.h>

#define PATIENCE_MS 20000
#define QUIET_MS 200

static struct link_params *params(unsigned end)
{
	return &links[0].end[end].params;
}

static short flags_of(unsigned end, size_t link)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "e%u",
		 end_index(link, end));
	OK(ns_ioctl(end_ns[end], SIOCGIFFLAGS, &request));
	return request.ifr_flags;
}

static bool has_carrier(unsigned end)
{
	return flags_of(end, 0) & IFF_RUNNING;
}

static bool has_device(unsigned end)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "e%u",
		 end_index(0, end));
	return ns_ioctl(end_ns[end], SIOCGIFINDEX, &request) == 0;
}

/* ---- requests ----------------------------------------------------------- */

START_TEST(down_takes_the_carrier_and_what_is_inside)
{
	json_t *report;
	struct flow f;

	links_make(1, 0);
	/* Longer than the test waits: they are inside when it goes down. */
	params(0)->delay_ns = 600 * NSEC_PER_SEC;
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 5; i++)
		flow_send(&f, i, 100);
	ck_assert(has_carrier(0) && has_carrier(1));
	set_state(0, false);
	WAIT_FOR(!has_carrier(0) && !has_carrier(1));
	ck_assert((flags_of(0, 0) & IFF_UP) && (flags_of(1, 0) & IFF_UP));
	/* Nobody sees this one: the node knows that there is no carrier. */
	send(f.from, "lost", 4, 0);
	set_state(0, true);
	WAIT_FOR(has_carrier(0) && has_carrier(1));
	change(0, 0, LINK_DELAY, &(struct link_params){ 0 });
	flow_send(&f, 77, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 77);
	ck_assert_int_eq(flow_receive(&f, QUIET_MS), -1);
	report = emulator_stop();
	ck_assert_int_eq(
		figure(direction(report, 0, 0), "frames", "down_dropped"), 5);
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "delivered"),
			 1);
	ck_assert_int_eq(figure(direction(report, 0, 0), "machine", "dropped"),
			 0);
	json_decref(report);
	flow_close(&f);
}
END_TEST

START_TEST(bad_requests_are_answered)
{
	struct emulate_reply reply;

	links_make(1, 0);
	emulator_start();
	reply = ask(
		&(struct emulate_request){ .what = EMULATE_STATE, .link = 1 });
	ck_assert_int_eq(reply.code, EINVAL);
	ck_assert_str_eq(reply.text, "there is no link 1");
	reply = ask(&(struct emulate_request){ .what = EMULATE_CHANGE,
					       .link = SIZE_MAX });
	ck_assert_int_eq(reply.code, EINVAL);
	reply = ask(&(struct emulate_request){ .what = 99 });
	ck_assert_int_eq(reply.code, EINVAL);
	ck_assert_str_eq(reply.text, "there is no request 99");
	ck_assert_int_eq(send(control, "short", 5, 0), 5);
	ck_assert_int_eq(recv(control, &reply, sizeof(reply), 0),
			 sizeof(reply));
	ck_assert_int_eq(reply.code, EINVAL);
	json_decref(emulator_stop());
}
END_TEST

static double real(const json_t *object, const char *group, const char *name)
{
	return json_number_value(
		json_object_get(json_object_get(object, group), name));
}

START_TEST(calibration_compares_asked_and_realised)
{
	json_t *report, *d, *calibration;

	links_make(2, 0);
	params(0)->delay_ns = NSEC_PER_SEC; /* and does not take one */
	params(0)->jitter.spread_ns = NSEC_PER_MSEC;
	params(0)->jitter.distribution = LINK_NORMAL;
	params(0)->loss.kind = LINK_LOSS_INDEPENDENT;
	params(0)->loss.ppb = LINK_PPB_ONE / 10;
	params(0)->rate_bps = 12345678;
	emulator_start();
	ask_well(&(struct emulate_request){ .what = EMULATE_CALIBRATE });
	report = emulator_stop();
	d = direction(report, 0, 0);
	calibration = json_object_get(d, "calibration");
	ck_assert_int_gt(figure(d, "calibration", "frames"), 50);
	ck_assert_int_eq(figure(calibration, "delay_ns", "asked"),
			 NSEC_PER_SEC);
	ck_assert_double_gt(real(calibration, "delay_ns", "realised"), 0.99e9);
	ck_assert(json_is_true(json_object_get(
		json_object_get(calibration, "loss"), "within")));
	ck_assert_double_gt(real(calibration, "loss", "realised"), 0);
	ck_assert_int_eq(figure(calibration, "rate_bps", "asked"), 12345678);
	ck_assert_double_eq_tol(real(calibration, "rate_bps", "realised"),
				12345678, 1000);
	/* It was a play: no frame was seen, no fate was used up. */
	ck_assert_int_eq(figure(d, "frames", "offered"), 0);
	ck_assert_int_gt(figure(json_object_get(report, "process"),
				"calibrated_loop_ns", "samples"),
			 0);
	/* Nothing is asked of the other one, and that it does. */
	calibration = json_object_get(direction(report, 1, 1), "calibration");
	ck_assert_int_eq(figure(calibration, "loss", "realised"), 0);
	ck_assert_ptr_null(json_object_get(calibration, "rate_bps"));
	json_decref(report);
}
END_TEST

/* All that can be said of a link that loses everything is that it does. */
START_TEST(calibration_of_a_link_that_loses_all)
{
	json_t *report, *calibration;

	links_make(1, 0);
	params(0)->delay_ns = NSEC_PER_SEC;
	params(0)->loss.kind = LINK_LOSS_INDEPENDENT;
	params(0)->loss.ppb = LINK_PPB_ONE;
	emulator_start();
	ask_well(&(struct emulate_request){ .what = EMULATE_CALIBRATE });
	report = emulator_stop();
	calibration = json_object_get(direction(report, 0, 0), "calibration");
	ck_assert(json_is_null(json_object_get(
		json_object_get(calibration, "delay_ns"), "realised")));
	ck_assert_int_eq(figure(calibration, "loss", "realised"),
			 figure(calibration, "loss", "frames"));
	json_decref(report);
}
END_TEST

/* While the lab was built, nothing was measured. */
START_TEST(what_was_late_before_the_beginning_does_not_count)
{
	json_t *report, *d;
	struct flow f;

	links_make(1, 0);
	emulator_start();
	f = flow_open(0, 0, 5000);
	for (uint32_t i = 0; i < 5; i++)
		flow_send(&f, i, 1000);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	ask_well(&(struct emulate_request){ .what = EMULATE_BEGIN });
	for (uint32_t i = 0; i < 3; i++)
		flow_send(&f, i, 1000);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	report = emulator_stop();
	d = direction(report, 0, 0);
	ck_assert_int_ge(figure(d, "frames", "delivered"), 8);
	ck_assert_int_ge(figure(d, "lateness_ns", "frames"), 3);
	ck_assert_int_le(figure(d, "lateness_ns", "frames"),
			 figure(d, "frames", "delivered") - 5);
	json_decref(report);
}
END_TEST

/* ---- the end ------------------------------------------------------------ */

START_TEST(the_report_is_written_when_the_lab_is_gone)
{
	json_t *report;
	struct flow f;

	links_make(1, 0);
	emulator_start();
	f = flow_open(0, 0, 5000);
	flow_send(&f, 1, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 1);
	close(control);
	control = dup(error_fd); /* something for emulator_reap() to close */
	emulator_reap();
	report = report_read();
	ck_assert_int_eq(figure(direction(report, 0, 0), "frames", "delivered"),
			 1);
	json_decref(report);
	ck_assert(!has_device(0) && !has_device(1));
	flow_close(&f);
}
END_TEST

START_TEST(killed_it_leaves_nothing)
{
	struct emulate_request request = { .what = EMULATE_STOP };
	struct emulate_reply reply;
	int status;

	links_make(1, 0);
	emulator_start();
	ck_assert(has_device(0) && has_device(1));
	OK(kill(emulator, SIGKILL));
	ck_assert_int_eq(waitpid(emulator, &status, 0), emulator);
	/* A child of its own, which measures the floor, dies with it. */
	WAIT_FOR(!has_device(0) && !has_device(1));
	FAILS(emulate_ask(control, &request, &reply, &E), EPIPE, "is gone");
	close(control);
	close(error_fd);
}
END_TEST

START_TEST(a_report_that_cannot_be_written_is_an_error)
{
	struct emulate_reply reply;
	char errors[256] = "";
	int status;

	links_make(1, 0);
	config.report = "no/such/folder";
	emulator_start();
	reply = ask(&(struct emulate_request){ .what = EMULATE_STOP });
	ck_assert_int_eq(reply.code, ENOENT);
	ck_assert(strstr(reply.text, "write no/such/folder") != NULL);
	ck_assert_int_eq(waitpid(emulator, &status, 0), emulator);
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	ck_assert_int_gt(read(error_fd, errors, sizeof(errors) - 1), 0);
	ck_assert(strstr(errors, "write no/such/folder") != NULL);
	close(control);
	close(error_fd);
}
END_TEST

/* ---- ends that come and go ---------------------------------------------- */

/* Takes the end's device out of its namespace. */
static void end_leaves(unsigned end)
{
	struct emulate_reply reply = ask(&(struct emulate_request){
		.what = EMULATE_DETACH, .end = end });

	ck_assert_msg(reply.code == 0, "%s", reply.text);
	ck_assert_int_ge(reply.fd, 0);
	ck_assert(has_device(end));
	/* We are the last to hold it: it is gone when this returns. */
	close(reply.fd);
	ck_assert(!has_device(end));
}

/* Another one, with the same name, addresses and number. */
static void end_comes(unsigned end)
{
	struct emulate_request request = { .what = EMULATE_ATTACH, .end = end };

	end_make(0, end, 0);
	request.fd = links[0].end[end].fd;
	ask_well(&request);
	close(request.fd);
}

/*
 * What is inside is lost, the other end loses its carrier; with another device,
 * the stream's fates go on where they were.
 */
START_TEST(ends_go_and_come)
{
	struct link_pattern *lossy = pattern("..x");
	struct flow f, back;
	json_t *report, *d;

	links_make(1, 0);
	params(0)->loss.kind = LINK_LOSS_PATTERN;
	params(0)->loss.pattern = lossy;
	/* Longer than the test waits. */
	params(1)->delay_ns = 600 * NSEC_PER_SEC;
	emulator_start();
	f = flow_open(0, 0, 5000);
	back = flow_open(0, 1, 5001);
	flow_send(&f, 0, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 0);
	for (uint32_t i = 0; i < 5; i++)
		flow_send(&back, i, 100);
	end_leaves(1);
	WAIT_FOR(!has_carrier(0));
	flow_close(&f);
	flow_close(&back);
	end_comes(1);
	WAIT_FOR(!has_carrier(0) && !has_carrier(1));
	set_state(0, true);
	WAIT_FOR(has_carrier(0) && has_carrier(1));
	change(0, 1, LINK_DELAY, &(struct link_params){ 0 });
	f = flow_open(0, 0, 5000);
	back = flow_open(0, 1, 5001);
	flow_send(&back, 7, 100);
	ck_assert_int_eq(flow_receive(&back, PATIENCE_MS), 7);
	for (uint32_t i = 1; i < 6; i++)
		flow_send(&f, i, 100);
	/* Of 0 to 5, 2 and 5 are lost. */
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 1);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 3);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 4);
	ck_assert_int_eq(flow_receive(&f, QUIET_MS), -1);
	report = emulator_stop();
	d = direction(report, 0, 0);
	ck_assert_int_eq(figure(d, "frames", "lost"), 2);
	ck_assert_int_eq(figure(d, "machine", "dropped"), 0);
	d = direction(report, 0, 1);
	ck_assert_int_eq(figure(d, "frames", "down_dropped"), 5);
	ck_assert_int_eq(figure(d, "machine", "dropped"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(d, "devices")), 2);
	ck_assert(json_is_false(
		json_object_get(json_object_get(d, "machine"), "device_gone")));
	json_decref(report);
	flow_close(&f);
	flow_close(&back);
	link_pattern_free(lossy);
}
END_TEST

START_TEST(ends_may_be_absent_at_first)
{
	struct emulate_reply reply;
	json_t *report;
	struct flow f;

	links_make(1, 0);
	for (unsigned end = 0; end < 2; end++) {
		close(links[0].end[end].fd);
		links[0].end[end].fd = -1;
	}
	emulator_start();
	ck_assert(!has_device(0) && !has_device(1));
	end_comes(0);
	reply = ask(
		&(struct emulate_request){ .what = EMULATE_STATE, .up = true });
	ck_assert_int_eq(reply.code, ENOTCONN);
	ck_assert(strstr(reply.text, "b:e1010 is not there") != NULL);
	end_comes(1);
	set_state(0, true);
	WAIT_FOR(has_carrier(0) && has_carrier(1));
	f = flow_open(0, 0, 5000);
	flow_send(&f, 1, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 1);
	report = emulator_stop();
	ck_assert_int_eq(figure(direction(report, 0, 0), "machine", "dropped"),
			 0);
	json_decref(report);
	flow_close(&f);
}
END_TEST

/* What one device's queue could not hold is not forgotten with it. */
START_TEST(an_end_that_left_is_still_accounted_for)
{
	json_int_t unread;
	json_t *report;
	struct flow f;

	links_make(1, 10);
	emulator_start();
	f = flow_open(0, 0, 5000);
	OK(kill(emulator, SIGSTOP));
	for (uint32_t i = 0; i < 100; i++)
		flow_send(&f, i, 100);
	OK(kill(emulator, SIGCONT));
	end_leaves(0);
	report = emulator_stop();
	unread = figure(direction(report, 0, 0), "machine", "unread");
	ck_assert_int_ge(unread, 80);
	ck_assert_int_eq(figure(direction(report, 0, 0), "machine", "dropped"),
			 unread);
	ck_assert_int_eq(json_integer_value(json_object_get(
				 direction(report, 0, 0), "devices")),
			 1);
	json_decref(report);
	flow_close(&f);
}
END_TEST

static void asks_in_vain(const struct emulate_request *request, int code,
			 const char *fault)
{
	struct emulate_reply reply = ask(request);

	ck_assert_int_eq(reply.code, code);
	ck_assert_msg(strstr(reply.text, fault) != NULL, "%s", reply.text);
	ck_assert_int_eq(reply.fd, -1);
}

START_TEST(ends_are_not_taken_twice)
{
	struct emulate_request attach = { .what = EMULATE_ATTACH, .end = 1 };
	const struct emulate_request detach = { .what = EMULATE_DETACH,
						.end = 1 };
	int null, ends[2];

	links_make(1, 0);
	emulator_start();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(null, 0);
	attach.fd = null;
	asks_in_vain(&attach, EEXIST, "b:e1010 has a device already");
	end_leaves(1);
	asks_in_vain(&detach, ENOTCONN, "b:e1010 is not there");
	asks_in_vain(&attach, ENOTTY, "take over the device of b:e1010");
	/* Descriptors that were refused are not kept. */
	OK(pipe2(ends, O_CLOEXEC));
	attach.fd = ends[1];
	asks_in_vain(&attach, ENOTTY, "take over");
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &null, 1), 0);
	close(ends[0]);
	end_comes(1);
	set_state(0, true);
	json_decref(emulator_stop());
}
END_TEST

/* ---- what else happens -------------------------------------------------- */

START_TEST(a_receiver_that_is_down_is_counted_apart)
{
	json_t *report, *d;
	struct flow f;

	links_make(1, 0);
	emulator_start();
	f = flow_open(0, 0, 5000);
	lab_link(end_ns[1], end_index(0, 1), false);
	for (uint32_t i = 0; i < 3; i++)
		flow_send(&f, i, 100);
	report = emulator_stop();
	d = direction(report, 0, 0);
	ck_assert_int_eq(figure(d, "frames", "receiver_down"), 3);
	ck_assert_int_eq(figure(d, "machine", "dropped"), 0);
	json_decref(report);
	flow_close(&f);
}
END_TEST

START_TEST(a_device_that_goes_is_survived)
{
	struct kbatch *batch;
	json_t *report;
	struct flow f;

	links_make(2, 0);
	emulator_start();
	batch = kbatch_new(end_ns[1]);
	OK(kbatch_link_del(batch, 0, end_index(0, 1), NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	set_state(0, false);
	set_state(0, true);
	f = flow_open(1, 0, 5000);
	flow_send(&f, 1, 100);
	ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), 1);
	report = emulator_stop();
	ck_assert(json_is_true(json_object_get(
		json_object_get(direction(report, 0, 1), "machine"),
		"device_gone")));
	json_decref(report);
	flow_close(&f);
}
END_TEST

/* The machine is held up: what its queue could not hold is told, and not taken
 * for the model's doing. */
START_TEST(what_was_not_read_in_time_is_told)
{
	json_t *report, *d;
	struct flow f;

	links_make(1, 10);
	emulator_start();
	f = flow_open(0, 0, 5000);
	OK(kill(emulator, SIGSTOP));
	for (uint32_t i = 0; i < 100; i++)
		flow_send(&f, i, 100);
	OK(kill(emulator, SIGCONT));
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	report = emulator_stop();
	d = direction(report, 0, 0);
	ck_assert_int_eq(figure(d, "frames", "offered") +
				 figure(d, "machine", "unread"),
			 100);
	ck_assert_int_ge(figure(d, "machine", "unread"), 80);
	ck_assert_int_eq(figure(d, "machine", "dropped"),
			 figure(d, "machine", "unread"));
	ck_assert_int_eq(figure(d, "frames", "lost") +
				 figure(d, "frames", "queue_dropped"),
			 0);
	json_decref(report);
	flow_close(&f);
}
END_TEST

START_TEST(idle_links_cost_nothing)
{
	json_int_t wakeups, beats, n = 200;
	json_t *report;
	struct flow f;

	links_make((size_t)n, 0);
	for (size_t i = 0; i < (size_t)n; i++)
		links[i].end[0].params.delay_ns = NSEC_PER_MSEC;
	emulator_start();
	/* Time for something to happen: it does on one link only. */
	f = flow_open(7, 0, 5000);
	for (uint32_t i = 0; i < 10; i++) {
		flow_send(&f, i, 100);
		ck_assert_int_eq(flow_receive(&f, PATIENCE_MS), i);
	}
	poll(NULL, 0, 500);
	report = emulator_stop();
	/* Ten datagrams, each read, waited for and written; the floor's end;
	 * the request to stop; and a few frames that kernels send unasked.
	 * Beats go on for a second behind the last one. */
	wakeups = figure(report, "process", "wakeups");
	beats = figure(json_object_get(report, "process"),
		       "reading_lateness_ns", "beats");
	ck_assert_int_ge(wakeups, 10);
	ck_assert_int_le(wakeups - beats,
			 10 * 3 + 2 + 2 * figure(report, "process", "reads"));
	ck_assert_int_lt(figure(report, "process", "reads"), n);
	json_decref(report);
	flow_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite;
	TCase *tc;
	char folder[] = "/tmp/test_emulate_control.XXXXXX";
	int failed;

	test_sandbox_enter();
	if (!mkdtemp(folder) || mount("none", folder, "tmpfs", 0, NULL) ||
	    chdir(folder))
		return 1;
	suite = suite_create("emulate_control");
	tc = tcase_create("control");
	tcase_set_timeout(tc, 100);
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_add_test(tc, down_takes_the_carrier_and_what_is_inside);
	tcase_add_test(tc, bad_requests_are_answered);
	tcase_add_test(tc, calibration_compares_asked_and_realised);
	tcase_add_test(tc, calibration_of_a_link_that_loses_all);
	tcase_add_test(tc, what_was_late_before_the_beginning_does_not_count);
	tcase_add_test(tc, the_report_is_written_when_the_lab_is_gone);
	tcase_add_test(tc, killed_it_leaves_nothing);
	tcase_add_test(tc, a_report_that_cannot_be_written_is_an_error);
	tcase_add_test(tc, ends_go_and_come);
	tcase_add_test(tc, ends_may_be_absent_at_first);
	tcase_add_test(tc, an_end_that_left_is_still_accounted_for);
	tcase_add_test(tc, ends_are_not_taken_twice);
	tcase_add_test(tc, a_receiver_that_is_down_is_counted_apart);
	tcase_add_test(tc, a_device_that_goes_is_survived);
	tcase_add_test(tc, what_was_not_read_in_time_is_told);
	tcase_add_test(tc, idle_links_cost_nothing);
	suite_add_tcase(suite, tc);
	failed = run_suite(suite);
	if (chdir("/") || umount(folder) || rmdir(folder))
		return 1;
	return failed;
}
