/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TAP devices: where they are, what goes through, and that they go. */
#include "tests/support/kernel_lab.h"
#include "tests/support/sandbox.h"
#include "tests/support/run_suite.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define HEAD sizeof(struct virtio_net_hdr)

static int tap(struct kns *ns, const char *name, uint32_t ifindex)
{
	int fd = -1;

	OK(kns_tap_open(ns, name, ifindex, &fd, &E));
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* An ioctl on an interface of ns; 0 or a negative errno. */
static int ask(struct kns *ns, unsigned long what, struct ifreq *request)
{
	int fd, r;

	OK(kns_enter(&K, ns, &E));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(kns_enter(&K, NULL, &E));
	ck_assert_int_ge(fd, 0);
	r = ioctl(fd, what, request) ? -errno : 0;
	close(fd);
	return r;
}

static int index_of(struct kns *ns, const char *name)
{
	struct ifreq request = { 0 };
	int r;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	r = ask(ns, SIOCGIFINDEX, &request);
	return r ? r : request.ifr_ifindex;
}

static void set_up(struct kns *ns, uint32_t ifindex,
		   const struct ktap_setup *setup)
{
	struct kbatch *batch = kbatch_new(ns);

	OK(kbatch_tap_set(batch, 0, ifindex, setup, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
}

START_TEST(is_made_in_its_namespace)
{
	struct kns *ns = lab_ns(), *other = lab_ns();
	struct ifreq request = { .ifr_name = "eth0" };
	int fd = tap(ns, "eth0", 17);

	ck_assert(lab_at_home());
	ck_assert_int_eq(index_of(ns, "eth0"), 17);
	ck_assert_int_eq(index_of(other, "eth0"), -ENODEV);
	ck_assert_int_eq(index_of(lab_home_ns(), "eth0"), -ENODEV);
	OK(ask(ns, SIOCGIFFLAGS, &request));
	ck_assert_int_eq(request.ifr_flags & IFF_UP, 0);
	/* What the reader relies on. */
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	OK(ioctl(fd, TUNGETIFF, &request));
	ck_assert_int_eq(request.ifr_flags & (IFF_TAP | IFF_NO_PI |
					      IFF_VNET_HDR | IFF_PERSIST),
			 IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	close(fd);
}
END_TEST

START_TEST(goes_with_its_descriptor)
{
	struct kns *ns = lab_ns();
	int fd = tap(ns, "eth0", 17);

	lab_link(ns, 17, true);
	close(fd);
	ck_assert_int_eq(index_of(ns, "eth0"), -ENODEV);
	/* And the same name and number may be had again. */
	close(tap(ns, "eth0", 17));
}
END_TEST

START_TEST(takes_what_it_is_told)
{
	static const uint8_t mac[] = { 2, 0, 0, 0, 0, 9 };
	struct kns *ns = lab_ns();
	struct ktap_setup setup = { .mac = mac,
				    .mtu = 9000,
				    .master = 5,
				    .queue_frames = KTAP_QUEUE_FRAMES };
	struct kbatch *batch = kbatch_new(ns);
	struct ifreq request = { .ifr_name = "eth0" };
	int fd = tap(ns, "eth0", 17);

	OK(kbatch_bridge_add(batch, 0, "e5", 5, NULL, &E));
	OK(kbatch_commit(batch, NULL, &E));
	kbatch_free(batch);
	set_up(ns, 17, &setup);
	OK(ask(ns, SIOCGIFMTU, &request));
	ck_assert_int_eq(request.ifr_mtu, 9000);
	OK(ask(ns, SIOCGIFTXQLEN, &request));
	ck_assert_int_eq(request.ifr_qlen, KTAP_QUEUE_FRAMES);
	OK(ask(ns, SIOCGIFHWADDR, &request));
	ck_assert_mem_eq(request.ifr_hwaddr.sa_data, mac, 6);
	/* Nothing asked for is nothing changed. */
	set_up(ns, 17, &(struct ktap_setup){ 0 });
	OK(ask(ns, SIOCGIFMTU, &request));
	ck_assert_int_eq(request.ifr_mtu, 9000);
	/* A port of the bridge: ready only when it forwards. */
	lab_link(ns, 5, true);
	lab_link(ns, 17, true);
	lab_ready(ns);
	close(fd);
}
END_TEST

START_TEST(setting_up_what_is_not_there_fails)
{
	struct kns *ns = lab_ns();
	struct kbatch *batch = kbatch_new(ns);
	size_t tag = 0;

	OK(kbatch_tap_set(batch, 77, 17, &(struct ktap_setup){ .mtu = 1400 },
			  &tag, &E));
	FAILS(kbatch_commit(batch, &tag, &E), ENODEV, "set up interface 17");
	ck_assert_uint_eq(tag, 77);
	kbatch_free(batch);
}
END_TEST

/* The first that a host sends asks for its peer. */
START_TEST(frames_come_out_and_go_in)
{
	struct kns *ns = lab_ns();
	uint8_t in[2048], out[HEAD + 42] = { 0 };
	int fd = tap(ns, "eth0", 17), s;
	struct arphdr arp;
	ssize_t n;

	lab_address(ns, 17, "10.0.0.1/24");
	lab_link(ns, 17, true);
	lab_ready(ns);
	s = lab_socket(ns, SOCK_DGRAM, "10.0.0.1", 5000);
	lab_send_to(s, "10.0.0.2", 7, "hello");
	WAIT_FOR((n = read(fd, in, sizeof(in))) > 0);
	ck_assert_int_eq(n, HEAD + 42);
	memcpy(&arp, in + HEAD + 14, sizeof(arp));
	ck_assert_int_eq(ntohs(arp.ar_op), ARPOP_REQUEST);

	/* The answer: a reply from 02:..:09, and the datagram comes. */
	memcpy(out, in, sizeof(out));
	memcpy(out + HEAD, in + HEAD + 6, 6);
	memcpy(out + HEAD + 6, "\2\0\0\0\0\11", 6);
	out[HEAD + 14 + 7] = ARPOP_REPLY;
	memcpy(out + HEAD + 22, "\2\0\0\0\0\11", 6); /* its sender... */
	memcpy(out + HEAD + 28, in + HEAD + 38, 4);
	memcpy(out + HEAD + 32, in + HEAD + 22, 10); /* ... and target */
	ck_assert_int_eq(write(fd, out, sizeof(out)), sizeof(out));
	WAIT_FOR((n = read(fd, in, sizeof(in))) > 0);
	ck_assert_int_eq(n, HEAD + 14 + 20 + 8 + 5);
	ck_assert_mem_eq(in + HEAD, "\2\0\0\0\0\11", 6);
	ck_assert_mem_eq(in + HEAD + 42, "hello", 5);
	close(s);
	close(fd);
}
END_TEST

START_TEST(bad_requests_are_refused)
{
	struct kns *ns = lab_ns();
	int fd = tap(ns, "eth0", 17), other = -1;
	unsigned fds = lab_fd_count();

	FAILS(kns_tap_open(ns, "", 18, &other, &E), EINVAL, "name is empty");
	FAILS(kns_tap_open(ns, "sixteen-bytes-xx", 18, &other, &E), EINVAL,
	      "at most 15 bytes");
	FAILS(kns_tap_open(ns, "eth%d", 18, &other, &E), EINVAL,
	      "not an interface name");
	FAILS(kns_tap_open(ns, "eth1", 0, &other, &E), EINVAL, "no ifindex");
	FAILS(kns_tap_open(ns, "eth1", UINT32_MAX, &other, &E), EINVAL,
	      "no ifindex");
	FAILS(kns_tap_open(ns, "eth0", 18, &other, &E), EBUSY,
	      "create TAP device eth0");
	FAILS(kns_tap_open(ns, "eth1", 17, &other, &E), EBUSY,
	      "create TAP device eth1");
	ck_assert(strstr(E.hint, "17") != NULL);
	ck_assert_int_eq(other, -1);
	ck_assert_uint_eq(lab_fd_count(), fds);
	ck_assert(lab_at_home());
	close(fd);
}
END_TEST

START_TEST(a_failure_can_be_made)
{
	struct kns *ns = lab_ns();
	unsigned fds = lab_fd_count();
	int fd = -1;

	K.fail_at = K.steps + 1;
	K.fail_errno = ENOMEM;
	FAILS(kns_tap_open(ns, "eth0", 17, &fd, &E), ENOMEM,
	      "create TAP device eth0: injected");
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(lab_fd_count(), fds);
	ck_assert_int_eq(index_of(ns, "eth0"), -ENODEV);
}
END_TEST

/* In a mount namespace of the test's own (sandbox.h; each test is a fork, but
 * the mounts are all of theirs: they are taken back). */
START_TEST(a_device_that_may_not_be_opened_says_what_to_do)
{
	struct kns *ns = lab_ns();
	int fd = -1;

	OK(mount("/dev/net/tun", "/dev/net/tun", NULL, MS_BIND, NULL));
	OK(mount(NULL, "/dev/net/tun", NULL,
		 MS_BIND | MS_REMOUNT | MS_NODEV | MS_NOSUID | MS_NOEXEC,
		 NULL));
	FAILS(kns_tap_open(ns, "eth0", 17, &fd, &E), EACCES,
	      "open /dev/net/tun");
	ck_assert(strstr(E.hint, "chmod 0666 /dev/net/tun") != NULL);
	OK(umount("/dev/net/tun"));
	OK(mount("none", "/dev/net", "tmpfs", 0, NULL));
	E = ERR_INIT;
	FAILS(kns_tap_open(ns, "eth0", 17, &fd, &E), ENOENT,
	      "open /dev/net/tun");
	ck_assert(strstr(E.hint, "modprobe tun") != NULL);
	OK(umount("/dev/net"));
	ck_assert(lab_at_home());
}
END_TEST

int main(void)
{
	Suite *suite;
	TCase *tc;

	test_sandbox_enter();
	suite = suite_create("tap");
	tc = tcase_create("tap");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, lab_setup, lab_teardown);
	tcase_add_test(tc, is_made_in_its_namespace);
	tcase_add_test(tc, goes_with_its_descriptor);
	tcase_add_test(tc, takes_what_it_is_told);
	tcase_add_test(tc, setting_up_what_is_not_there_fails);
	tcase_add_test(tc, frames_come_out_and_go_in);
	tcase_add_test(tc, bad_requests_are_refused);
	tcase_add_test(tc, a_failure_can_be_made);
	tcase_add_test(tc, a_device_that_may_not_be_opened_says_what_to_do);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
